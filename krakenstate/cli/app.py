"""``krakenstate``: the front door.

How this works: ``main`` reads the command line, runs one command, and turns whatever ends it into text, JSON
and an exit code. Commands live one per file and are listed in ``commands.py``; a command's file is imported
when it is called. That file imports httpx, deepdiff, the engine and the simulator inside its functions,
never at the top: ``validate`` and ``render`` need none of them, nor does any help.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from krakenstate.cli import logs, version
from krakenstate.cli.frame import USAGE_ERROR, FrontGroup, is_help_request, usage_message
from krakenstate.cli.front import drop_stdout
from krakenstate.cli.output import Output, command_begins, command_ended, exit_code_of, switch_colour_off
from krakenstate.cli.overview import ABOUT, OPTIONS
from krakenstate.cli.words import asks_for_json, normalise_arguments, streams_events
from krakenstate.errors import (
    FileUnusable,
    InternalError,
    Interrupted,
    KrakenstateError,
    Terminated,
    UsageError,
)

PROGRAM = "krakenstate"
_BROKEN_PIPE_EXIT = 1


def build() -> Any:
    """The whole command line."""
    app = typer.Typer(
        name=PROGRAM,
        cls=FrontGroup,
        help=ABOUT,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None, *, began: float | None = None) -> NoReturn:
    """Runs the command line and ends the interpreter with its exit code.

    Args:
        arguments: The words after the program's name; this process's own unless given.
        began: When the program did, by the monotonic clock; now, unless given.
    """
    code = _BROKEN_PIPE_EXIT
    command_begins(began)
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except (OSError, ValueError):  # the reader went away, or closed the stream, or the disk is full
        code = code or _BROKEN_PIPE_EXIT
        drop_stdout()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs the command line and returns its exit code; errors have been printed by then."""
    words = normalise_arguments(arguments)
    end = words.index("--") if "--" in words else len(words)
    switch_colour_off("--no-color" in words[:end])
    words = [word for index, word in enumerate(words) if word != "--no-color" or index >= end]
    output = Output(json=asks_for_json(words[:end]), events=streams_events(words[:end]))
    before = _end_in_order_on_sigterm()
    try:
        logs.configure(os.environ)
        return _play(words)
    except KrakenstateError as error:
        with contextlib.suppress(BrokenPipeError):
            output.print_error(error)
        return exit_code_of(error)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        interrupted = Interrupted("Stopped by Ctrl-C.")
        output.print_error(interrupted)
        return interrupted.exit_code
    except Exception as bug:  # noqa: BLE001 - the last line of defence: nobody is shown a traceback
        internal = InternalError(_describe(bug))
        output.print_error(internal)
        if logs.is_debug(os.environ):
            output.progress("".join(traceback.format_exception(bug)))
        return internal.exit_code
    finally:
        with contextlib.suppress(BrokenPipeError):
            command_ended()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _play(words: list[str]) -> int:
    """One command, with typer's own exceptions translated."""
    try:
        code = build()(words, prog_name=PROGRAM, standalone_mode=False)
    except typer.Abort:
        raise Interrupted("The question was not answered.", next_step="Nothing was changed.") from None
    except USAGE_ERROR as wrong:
        if is_help_request(wrong):
            Output().result(getattr(wrong, "message", ""))
            return 0
        message, command = usage_message(wrong)
        raise UsageError(message, next_step=f"See: {command} --help" if command else None) from None
    return int(code) if isinstance(code, int) else 0


def _root(
    context: typer.Context,
    chdir: Annotated[
        Path | None,
        typer.Option("--chdir", metavar="DIR", help=OPTIONS["--chdir DIR"], show_default=False),
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help=OPTIONS["--no-color"])] = False,
    show_version: Annotated[
        bool,
        typer.Option("--version", help=OPTIONS["--version"], is_eager=True, callback=version.eager),
    ] = False,
) -> None:
    del context, no_color, show_version  # taken out before, and handled by its callback
    if chdir is not None:
        try:
            os.chdir(chdir)
        except OSError as problem:
            raise FileUnusable(f"The folder {chdir} cannot be entered: {problem.strerror}.") from problem


def _describe(bug: Exception) -> str:
    """Kind and place of a bug. Its message is left out: it may quote what it stumbled over."""
    package = Path(__file__).resolve().parent.parent
    for frame in reversed(traceback.extract_tb(bug.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(package):
            return f"{type(bug).__name__} in {file.relative_to(package.parent)} line {frame.lineno}."
    return f"{type(bug).__name__}."


def _end_in_order_on_sigterm() -> signal.Handlers | Callable[[int, FrameType | None], Any] | int | None:
    """Makes SIGTERM end the run as an error does; returns what was in its place."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated("Stopped by SIGTERM.")

    try:
        return signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread, so somebody else's program
        return None
