"""The program's first step: what needs no command line is answered before one is built.

``version`` is what pipelines ask at every start, and the overall help what people ask for most. Asked with
anything beside them, the command line answers, and says the same.
"""

from __future__ import annotations

import gc
import os
import sys
import time

TYPE_CHECKING = False  # as in typing, whose import costs a third of answering `version`
if TYPE_CHECKING:
    from typing import NoReturn

_GARBAGE = (1_000_000, 10, 10)
"""When to look for garbage, in things made: a run keeps nearly all it makes (for 10,000 keys 400,000 things),
no call leaves a circle behind, and a look at 100,000 of them takes 50 ms. Of imports Python's own pace
costs a sixth.
"""
_STREAMS = (
    (0, "stdin", "r", os.O_RDONLY),
    (1, "stdout", "w", os.O_RDONLY),
    (2, "stderr", "w", os.O_WRONLY),
)
_INTERRUPTED = 130
"""As ``Interrupted`` says, whose import nothing here waits for."""


def main() -> NoReturn:
    """Runs the program and ends the process with its exit code."""
    try:
        run()
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def run() -> NoReturn:
    """Runs the program and raises ``SystemExit`` with its exit code."""
    began = time.monotonic()
    _fill_closed_streams()
    gc.set_threshold(*_GARBAGE)
    is_logged = any(name.startswith("KRAKENSTATE_LOG") for name in os.environ)
    match [] if is_logged else sys.argv[1:]:
        case ["version"] | ["--version"]:
            from krakenstate.cli.versions import version_text

            _print_and_leave(version_text())
        case ["--help"]:
            from krakenstate.cli.overview import help_width, overview

            _print_and_leave(overview(help_width()))
        case _:
            pass
    try:
        from krakenstate.cli.ahead import started_ahead
        from krakenstate.stack.plugins import switch_off

        switch_off()
        with started_ahead(sys.argv[1:], os.environ):
            from krakenstate.cli import app

            app.main(began=began)
    except KeyboardInterrupt:  # while there was no command line yet, or none any more
        sys.stderr.write("Stopped by Ctrl-C.\n")
        sys.exit(_INTERRUPTED)


def _fill_closed_streams() -> None:
    """Puts something in the place of standard streams that the caller has closed.

    Else the next file or connection would get their number, and what is printed would go there. Input is
    empty then, what stderr would hold is dropped, and writing to stdout fails as it does for other programs.
    """
    for number, name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, flags)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the end


def _leave(code: int) -> NoReturn:
    """Ends the process without taking its memory apart, which takes 70 ms after a plan of 10,000 keys.

    All that has an end (files, locks, the stack's processes) had it before; what is left is in the streams.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):  # the reader went away, or closed the stream
            code = code or 1
    os._exit(code)


def _print_and_leave(text: str) -> NoReturn:
    """Prints, and exits with 1 if that is not possible, without a word if the reader went away."""
    try:
        print(text, flush=True)
    except (OSError, ValueError) as problem:
        if not isinstance(problem, BrokenPipeError):
            sys.stderr.write(f"Standard output cannot be written: {problem}.\n")
        drop_stdout()
        sys.exit(1)
    sys.exit(0)


def drop_stdout() -> None:
    """Points standard output at nothing, so that flushing it at exit does not fail again."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, sys.stdout.fileno())
    except (OSError, ValueError):
        return
    finally:
        os.close(nothing)
