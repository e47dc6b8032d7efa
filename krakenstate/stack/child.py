"""What runs inside the child process: one stack file, and a report of what it declared.

How this works: the parent (``process.py``) starts an interpreter whose only argument of substance is an
``Errand``. Before the file runs, the process gives up what it can (``confine.py``) and writes one line
about it to the pipe of the report: what comes first there cannot be the stack's word. The file then runs
without the environment, under limits, and its declarations follow as JSON; what it prints goes elsewhere.
The rest in here is no defence against a hostile stack, which the kernel, the limits, the parent's clock and
the parent's distrust are. It is diagnosis: naming the line.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any, NoReturn

from pydantic import ValidationError

import krakenstate
from krakenstate.errors import (
    DeclarationInvalid,
    DeclarationNotAdded,
    KrakenstateError,
    Source,
    StackExited,
    StackOutputTooLarge,
    StackRaised,
    StackSyntax,
    StackTimeout,
)
from krakenstate.model.entry import Collector, Declaration, Entry, Part, collecting, reference_to, suggest
from krakenstate.stack.authoring import Stack
from krakenstate.stack.confine import confine, drop_privileges
from krakenstate.stack.errand import Errand, Isolation
from krakenstate.stack.plugins import NO_PLUGINS
from krakenstate.stack.text import clean

MODULE_NAME = "__stack__"
_MESSAGE_MAX = 300
_LONG = 4000
_AT_ONCE = 1000
"""Resources that are written at once, so that a large report is not held twice."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = (
    "os.chmod",
    "os.chown",
    "os.exec",
    "os.fork",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.system",
    "os.truncate",
    "shutil.",
    "socket.",
    "subprocess.",
)
"""Beginnings of audit events that have no place in a stack.

Source: docs.python.org, table of audit events.
"""

_DECEIVING = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\r(?!$)")
"""Turns the direction of reading, moves a cursor, or ends a line unseen: what is read is not what runs.

Sources: Unicode Standard Annex 9 and its abuse, CVE-2021-42574.
"""

_leave: Callable[[int], NoReturn] = os._exit


class Reporter:
    """Gathers what is known, and sends it once."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.collector = Collector()
        self.problems: list[KrakenstateError] = []
        self.finished = False

    def look(self, module: ModuleType) -> None:
        """What is left to do once the file has run: nothing, for it has declared by then."""

    def end_with(self, problem: KrakenstateError) -> NoReturn:
        """Reports a problem that ends the run, with all that was found before."""
        self.problems.append(problem)
        self.send()

    def send(self) -> NoReturn:
        """Writes the report and leaves, without any clean-up the stack may have arranged."""
        signal.setitimer(signal.ITIMER_REAL, 0)  # no line runs any more that could be told
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        for piece in self._report():
            data = piece.encode()
            while data:
                data = data[os.write(self.errand.report_fd, data) :]
        _leave(0)

    def _report(self) -> Iterator[str]:
        """The report as JSON, in pieces; each resource is made into text once, where a failure names it."""
        wrong = {id(part) for part in self.collector.placeholders if isinstance(part, Part)}
        if wrong:
            self.collector.placeholders += [
                entry
                for stack in Stack.made
                for entry in stack.entries
                if any(id(value) in wrong for value in vars(entry).values())
            ]
        broken = {id(entry) for entry in self.collector.placeholders}
        entries = [entry for stack in Stack.made for entry in stack.entries if id(entry) not in broken]
        lines: dict[Source | None, int] = {}
        dumped = [self._dump(entry, lines) for entry in entries if isinstance(entry, Declaration)]
        resources = [text for text in dumped if text]
        rest = json.dumps(self._rest(entries) | {"lines": [_plain_source(line) for line in lines]})
        yield f'{rest[:-1]}, "resources": ['
        for start in range(0, len(resources), _AT_ONCE):
            yield ("," if start else "") + ",".join(resources[start : start + _AT_ONCE])
        yield "]}"

    def _rest(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """What a report holds beside resources."""
        problems = [*self.collector.problems, *self.problems, *self._never_added()]
        return {
            "finished": self.finished,
            "stacks": [_describe_stack(stack) for stack in Stack.made],
            "placeholders": [
                reference_to(entry) for entry in self.collector.placeholders if isinstance(entry, Declaration)
            ],
            "extras": [
                {
                    "kind": type(entry).__name__,
                    "source": _plain_source(entry.source),
                    **{name: str(getattr(entry, name)) for name in type(entry).model_fields},
                }
                for entry in entries
                if not isinstance(entry, Declaration)
            ],
            "problems": [
                {
                    "code": problem.code,
                    "message": clean(problem.message, 2000),
                    "address": problem.address,
                    "source": _plain_source(problem.source),
                }
                for problem in problems
            ],
        }

    def _never_added(self) -> list[KrakenstateError]:
        """Declarations that nothing added and nothing refers to, so that they would have no effect."""
        if not (self.finished and Stack.made):
            return []
        added = [entry for stack in Stack.made for entry in stack.entries]
        known = {id(entry) for entry in [*added, *self.collector.placeholders]}
        loose = [e for e in self.collector.made if isinstance(e, Declaration) and id(e) not in known]
        if not loose:
            return []
        for entry in added:
            for value in vars(entry).values():
                known.update(id(item) for item in (value if isinstance(value, tuple) else (value,)))
        return [
            DeclarationNotAdded(
                f"{reference_to(entry)} is declared, and no stack holds it.", source=entry.source
            )
            for entry in loose
            if id(entry) not in known
        ]

    def _dump(self, declaration: Declaration, lines: dict[Source | None, int]) -> str | None:
        """A declaration's type, the number of its line among ``lines``, and its fields."""
        try:
            fields = declaration.model_dump_json(exclude_defaults=True)
            if len(fields) > _LONG:
                json.loads(fields)  # a number of thousands of digits is written, and not read again
            line = lines.setdefault(declaration.source, len(lines))
            return f"[{_quoted(declaration.type_name)},{line},{fields}]"
        except Exception as wrong:  # noqa: BLE001 - whatever a value does, the other declarations count
            message = f"{reference_to(declaration)} cannot be written as data: {_words_of(wrong)}"
            self.problems.append(DeclarationInvalid(message, source=declaration.source))
            self.collector.placeholders.append(declaration)
            return None


_quoted = cache(json.dumps)


class _CountedStream(io.TextIOWrapper):
    """Standard output or error; knows the line that prints too much."""

    reporter: Reporter
    printed = 0

    def write(self, text: str) -> int:
        _CountedStream.printed += len(text)
        if _CountedStream.printed > self.reporter.errand.output_max:
            line = _line_in_stack(sys._getframe(1), self.reporter.errand.display)
            limit = self.reporter.errand.output_max // 1024
            self.reporter.end_with(StackOutputTooLarge(f"It printed more than {limit} KiB.", source=line))
        return super().write(text)


def main(argument: str) -> NoReturn:
    """Runs the errand and never returns."""
    errand = Errand(**json.loads(argument))
    reporter = _reporter(errand)
    drop_privileges()
    _hide_surroundings(errand)
    _replace_streams(reporter)
    _set_limits(errand)
    _watch(reporter)
    _isolate(errand)
    collecting.set(reporter.collector)
    code = _compile(reporter)
    module = ModuleType(MODULE_NAME)
    module.__file__ = errand.file
    sys.modules[MODULE_NAME] = module
    sys.addaudithook(_refuse_deeds)
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the stack file is what this process is for
        reporter.look(module)
    except BaseException as raised:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are a stack's mistakes too
        reporter.end_with(_explain(raised, errand))
    reporter.finished = True
    reporter.send()


def _reporter(errand: Errand) -> Reporter:
    if not errand.is_policy:
        return Reporter(errand)
    from krakenstate.stack.ruling import RulesReporter  # noqa: PLC0415 - only for rules, and it imports this

    return RulesReporter(errand, sys.stdin.buffer.read())


def _isolate(errand: Errand) -> None:
    """Confines this process and says on the first line of the report how far that went."""
    isolation = Isolation("process", "it was not asked for")
    if errand.confined:
        libraries = [Path(entry) for entry in (*sys.path, *errand.libraries) if entry]
        isolation = confine(Path(errand.file), Path(errand.project), libraries)
    os.write(errand.report_fd, json.dumps(isolation._asdict()).encode() + b"\n")
    if errand.kernel_only and isolation.kind != "kernel":
        _leave(0)


def _refuse_deeds(event: str, arguments: tuple[Any, ...]) -> None:
    """Stops a stack at the line where it begins to act on the world; who means it finds ways around this."""
    if event == "open":
        flags = arguments[2]
        if isinstance(flags, int) and flags & _WRITING:
            raise PermissionError("a stack file opens no file for writing")
    elif event.startswith(_REFUSED):
        raise PermissionError(f"a stack file only declares; it may not use {event}")


def _compile(reporter: Reporter) -> CodeType:
    errand = reporter.errand
    try:
        # Decoded here: a file that names another encoding would run otherwise than reviewers read it.
        text = Path(errand.file).read_bytes().decode("utf-8-sig")
        shown = text.splitlines(keepends=True)
        linecache.cache[errand.display] = (len(text), None, shown, errand.display)
        for number, written in enumerate(text.split("\n"), 1):
            if _DECEIVING.search(written):
                reporter.end_with(
                    StackSyntax(
                        "A character in this line has it shown otherwise than it runs.",
                        source=Source(errand.display, number),
                    )
                )
        return compile(text, errand.display, "exec", dont_inherit=True)
    except SyntaxError as wrong:
        line = Source(errand.display, wrong.lineno or 1)
        reporter.end_with(
            StackSyntax(f"Python says: {clean(wrong.msg or 'invalid syntax', 200)}.", source=line)
        )
    except UnicodeDecodeError as wrong:
        line = Source(errand.display, wrong.object[: wrong.start].count(b"\n") + 1)
        byte = wrong.object[wrong.start]
        reporter.end_with(
            StackSyntax(f"A stack file is UTF-8, and the byte 0x{byte:02x} is not.", source=line)
        )
    except (ValueError, RecursionError, MemoryError, OSError) as wrong:
        line = Source(errand.display, 1)
        reporter.end_with(StackSyntax(f"Python cannot read it: {_words_of(wrong)}", source=line))


def _explain(raised: BaseException, errand: Errand) -> KrakenstateError:
    line = _line_of_traceback(raised.__traceback__, errand.display)
    if isinstance(raised, SystemExit):
        return StackExited("It called exit before its end.", source=line)
    if isinstance(raised, KrakenstateError) and raised.code:
        raised.source = raised.source or line
        return raised
    if isinstance(raised, ValidationError):
        with contextlib.suppress(Exception):
            first = raised.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "value"
            reason = first["msg"].removeprefix("Value error, ")
            return DeclarationInvalid(f"{raised.title}: field {field}: {reason}.", source=line)
    return StackRaised(_words_of(raised), source=line)


def _words_of(raised: BaseException) -> str:
    """Kind and message of an exception, whose text may do or hold anything."""
    try:
        said = clean(str(raised), _MESSAGE_MAX)
    except Exception:  # noqa: BLE001 - a message that cannot be made is no message
        said = ""
    kind = clean(type(raised).__name__, 80)
    if isinstance(raised, ModuleNotFoundError):
        said += (
            ". A stack file imports krakenstate and what is installed beside it, and no file of its folder"
        )
    elif isinstance(raised, AttributeError) and isinstance(raised.obj, type) and said == raised.name:
        with contextlib.suppress(Exception):  # an enum says no more than the name that it does not have
            said = clean(
                f"{raised.obj.__name__} has no {said}.{suggest(said, dir(raised.obj))}", _MESSAGE_MAX
            )
    return f"{kind}: {said}".rstrip(".") + ("" if said.endswith("?") else ".") if said else f"{kind}."


def _line_of_traceback(trace: TracebackType | None, display: str) -> Source:
    """The innermost line of the stack file that an exception passed."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == display:
            line = trace.tb_lineno
        trace = trace.tb_next
    return Source(display, line)


def _line_in_stack(frame: FrameType | None, display: str) -> Source:
    """The line of the stack file that runs at the moment, seen from a frame that it called."""
    while frame is not None:
        if frame.f_code.co_filename == display:
            return Source(display, frame.f_lineno)
        frame = frame.f_back
    return Source(display, 1)


def _plain_source(source: Source | None) -> dict[str, Any] | None:
    return {"file": source.file, "line": source.line} if source else None


def _describe_stack(stack: Stack) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        try:
            return value.model_dump(mode="json")
        except Exception:  # noqa: BLE001 - of another type; reported when the stack was made
            return None

    return {
        "name": str(stack.name)[:200],
        "environment": plain(stack.environment),
        "vault": plain(stack.vault),
        "promotes_from": None if stack.promotes_from is None else plain(stack.promotes_from),
        "limits": plain(stack.limits),
        "thresholds": plain(stack.thresholds),
        "source": _plain_source(stack.source),
    }


def _hide_surroundings(errand: Errand) -> None:
    """Takes away what a stack could come to lean on: variables, arguments, modules of the project."""
    os.environ.clear()
    os.environ.update(NO_PLUGINS)
    sys.argv[:] = [errand.display]
    homes = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    checkout = Path(krakenstate.__file__).resolve().parent.parent  # on the path of an editable install
    sys.path[:] = [
        entry
        for entry in sys.path
        if any(_is_below(entry, home) for home in homes)
        or not (_is_below(entry, errand.project) or Path(entry).resolve() == checkout)
    ]


def _is_below(path: str, folder: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def _replace_streams(reporter: Reporter) -> None:
    _CountedStream.reporter = reporter
    sys.stdout = _CountedStream(io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="replace")
    sys.stderr = _CountedStream(io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="replace")


def _set_limits(errand: Errand) -> None:
    limits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CPU": errand.cpu_s,
        "RLIMIT_AS": errand.memory_max,
    }
    for name, limit in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        with contextlib.suppress(OSError, ValueError):  # a platform that lacks one still has the clock
            hard = resource.getrlimit(number)[1]
            lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(number, (lowest, lowest))


def _watch(reporter: Reporter) -> None:
    """Reports the line that runs when time is up, and the line that ends the interpreter."""
    errand = reporter.errand

    def on_alarm(_number: int, frame: FrameType | None) -> NoReturn:
        line = _line_in_stack(frame, errand.display)
        reporter.end_with(StackTimeout("It was still running when its time was up.", source=line))

    def on_exit(status: int) -> NoReturn:
        line = _line_in_stack(sys._getframe(1), errand.display)
        reporter.end_with(StackExited(f"It called os._exit({status!r}).", source=line))

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, errand.alarm_s)
    os._exit = on_exit
