"""Streams: results on standard output, everything else on standard error; errors as text and as JSON."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from krakenstate.cli.front import drop_stdout
from krakenstate.cli.indented import indented
from krakenstate.errors import KrakenstateError, OutputUnwritable, StackProblems, Terminated
from krakenstate.secret.redactor import scrub
from krakenstate.stack.text import clean

if TYPE_CHECKING:
    from pydantic import BaseModel

    from krakenstate.views.events import Diagnostic

WIDTH_DEFAULT = 80
_PRECEDENCE = (130, 143, 6, 7, 5, 9, 4, 3, 1, 2, 8)
_STYLES = {
    "bold": "1",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
    "error": "1;31",
}
_COMMAND_AT_END = re.compile(r"(.*?:) (krakenstate .+)", re.DOTALL)
_one_line_at_a_time = threading.Lock()
_switched_off = {"colour": False}


_CLEAR = "\r\x1b[K"
_at_the_end: list[Callable[[], None]] = []
_began = {"at": time.monotonic()}


def when_command_ends(tell: Callable[[], None]) -> None:
    """Has something told once the command has ended, in whatever way."""
    _at_the_end.append(tell)


def command_begins(at: float | None = None) -> None:
    """Notes when the command began, by the monotonic clock; now, unless told."""
    _began["at"] = time.monotonic() if at is None else at


def command_runs_s() -> float:
    """For how many seconds the command has been running."""
    return time.monotonic() - _began["at"]


def command_ended() -> None:
    """Tells what was to be told at the end."""
    while _at_the_end:
        _at_the_end.pop()()


def switch_colour_off(off: bool = True) -> None:
    """What ``--no-color`` does, for all outputs of this run."""
    _switched_off["colour"] = off


def uses_colour(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Whether text on a stream is coloured.

    ``--no-color`` and ``NO_COLOR`` win over ``FORCE_COLOR``, that over ``TERM=dumb`` and the kind of stream.
    """
    env = os.environ if environment is None else environment
    if _switched_off["colour"] or env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR"):
        return env["FORCE_COLOR"] != "0"
    return env.get("TERM") != "dumb" and _is_terminal(stream)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


class Output:
    """Where a command's text goes.

    Args:
        json: Standard output holds JSON only.
        events: It holds one JSON object a line, each of ``views.events``.
        stdout: For results; standard output unless given.
        stderr: For progress and diagnostics; standard error unless given.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        events: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json = json
        self.events = events
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.colour = uses_colour(self.stdout) and not json
        self.width = shutil.get_terminal_size((WIDTH_DEFAULT, 24)).columns
        self.is_terminal = _is_terminal(self.stdout)
        self.has_bar = _is_terminal(self.stderr) and os.environ.get("TERM") != "dumb"
        self._bar = ""

    def result(self, text: str) -> None:
        """Text on standard output.

        Raises:
            OutputUnwritable: As all that writes there; a reader that went away is a ``BrokenPipeError``.
        """
        with self._whole(), _writing():
            print(text, file=self.stdout, flush=True)

    def data(self, value: Mapping[str, Any]) -> None:
        """JSON on standard output: one object, indented, written as it is made.

        What an iterator among its fields gives becomes a list, whose rows are made and written one by one.
        """
        with self._whole(), _writing():
            for text in indented(value):
                self.stdout.write(text)
            print(file=self.stdout, flush=True)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What is half written when a stop comes stays so: nothing follows, and no reader is waited for."""
        try:
            yield
        except (KeyboardInterrupt, Terminated):
            if self.stdout is sys.stdout:
                drop_stdout()
            raise

    def event(self, event: BaseModel) -> None:
        """One line of JSON on standard output, whole, from any thread."""
        line = json.dumps(event.model_dump(mode="json", by_alias=True))
        with _one_line_at_a_time, _writing():
            self.stdout.write(f"{scrub(line)}\n")
            self.stdout.flush()

    def progress(self, text: str) -> None:
        """A line on standard error, at once, above the bar if there is one."""
        with _one_line_at_a_time:
            above = _CLEAR if self._bar else ""
            self.stderr.write(f"{above}{scrub(text)}\n{self._bar}")
            self.stderr.flush()

    def bar(self, text: str) -> None:
        """What stands on the last line of a terminal until it is replaced; an empty text takes it away."""
        with _one_line_at_a_time:
            if not text and not self._bar:
                return
            self._bar = text[: self.width - 1]
            self.stderr.write(f"{_CLEAR}{self._bar}")
            self.stderr.flush()

    def paint(self, text: str, style: str) -> str:
        """Text in a colour where standard output has colours: bold, red, green, yellow, magenta, cyan."""
        return _paint(text, style, self.colour)

    def print_error(self, error: KrakenstateError, *, beside_result: bool = False) -> None:
        """An error on standard error; with JSON its envelope on standard output, where no result is."""
        colour = uses_colour(self.stderr)
        with suppress(OutputUnwritable), _writing():  # people are told all the same
            self.stdout.flush()
            if self.events:
                self.event(_diagnostic(error))
            elif self.json and not beside_result:
                print(json.dumps(envelope(error), ensure_ascii=False), file=self.stdout, flush=True)
        for each in parts_of(error):
            print(scrub(format_error(each, self.width, colour=colour)), file=self.stderr)
        self.stderr.flush()


@contextmanager
def _writing() -> Iterator[None]:
    """Tells a standard output that cannot be written from all other trouble with files."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise OutputUnwritable(f"Standard output cannot be written: {problem.strerror}.") from None


def _paint(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour else text


def parts_of(error: KrakenstateError) -> tuple[KrakenstateError, ...]:
    """The problems of an error that stands for several, else the error alone."""
    return error.problems if isinstance(error, StackProblems) and error.problems else (error,)


def worst_exit_code(codes: Iterable[int]) -> int:
    """The exit code when several apply; 0 when none does."""
    present = set(codes) - {0}
    return next((code for code in _PRECEDENCE if code in present), max(present, default=0))


def exit_code_of(error: KrakenstateError) -> int:
    """The exit code an error asks for."""
    return worst_exit_code(part.exit_code for part in parts_of(error))


def word_of(error: KrakenstateError) -> str:
    """The class's name in snake case, which programs route on."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__).lower()


def envelope(error: KrakenstateError) -> dict[str, Any]:
    """An error as JSON. Several problems stand in ``problems``, the first one's code above them."""
    parts = parts_of(error)
    out: dict[str, Any] = {
        "error": word_of(error),
        "code": error.code or parts[0].code,
        "message": scrub(" ".join(clean(part.message) for part in parts)),
        "retryable": all(part.retryable for part in parts),
    }
    if len(parts) > 1 or parts[0] is not error:
        return out | {"problems": [envelope(part) for part in parts]}
    if error.next_step:
        out["next_step"] = scrub(_clean_lines(error.next_step))
    if error.address:
        out["address"] = clean(error.address)
    if error.source:
        out |= {"file": clean(error.source.file), "line": error.source.line}
    return out


def _diagnostic(error: KrakenstateError) -> Diagnostic:
    """An error as the event that ends a stream, with the fields of its envelope."""
    from krakenstate.views.events import Diagnostic, Told

    told = envelope(error)
    headline = clean(error.headline or word_of(error).replace("_", " ").capitalize())
    return Diagnostic(
        level="error",
        message=f"Error: {headline}",
        timestamp=datetime.now(UTC),
        diagnostic=Told(
            severity="error",
            summary=headline,
            detail=told["message"],
            next_step=told.get("next_step", ""),
            address=told.get("address"),
            file=told.get("file"),
            line=told.get("line"),
        ),
        error=told["error"],
        code=told["code"],
        retryable=told["retryable"],
        problems=tuple(told.get("problems", ())),
    )


def format_error(error: KrakenstateError, width: int = WIDTH_DEFAULT, *, colour: bool = False) -> str:
    """An error as people read it: headline, line of the stack, what happened, what to do next, code."""
    headline = error.headline or word_of(error).replace("_", " ").capitalize()
    lines = [f"{_paint('Error:', 'error', colour)} {_paint(clean(headline), 'bold', colour)}"]
    if error.source:
        lines.append(f"  on {clean(str(error.source))}")
    lines += _wrap(error.message, width)
    lines += _wrap(error.next_step, width)
    if error.code:
        lines.append(f"  {error.code}")
    return "\n".join(lines)


def _wrap(text: str, width: int) -> Iterator[str]:
    """Paragraphs wrapped and indented by two; lines that are indented already stay as they are."""
    room = max(40, min(width, 120))
    for line in _clean_lines(text).split("\n"):
        command = _COMMAND_AT_END.fullmatch(line)
        if not line.strip():
            yield ""
        elif line.startswith("  ") or len(line) + 2 <= room:
            yield f"  {line}"
        elif command:
            yield from _fold(command[1], room)
            yield f"      {command[2]}"
        else:
            yield from _fold(line, room)


def _fold(text: str, room: int) -> list[str]:
    return textwrap.wrap(
        text,
        room,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _clean_lines(text: str) -> str:
    return "\n".join(clean(line) for line in text.strip("\n").split("\n"))
