"""Commands as children of a process that has imported krakenstate already.

What a command does, and that it is a process of its own, is as ever; only the imports were made before. The
demo runs some fifty commands, and half of its time would go into importing the same modules.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

AVAILABLE = sys.platform == "linux"
"""Elsewhere a fork without exec is not safe beside the system's libraries, and commands are started anew."""

_OPEN_FILES_MAX = 4096
_COMMAND_MAX_S = 120
_WEIGHTY = (
    "krakenstate.cli.app",
    "krakenstate.cli.progress",
    "krakenstate.engine.runs",
    "krakenstate.providers.kraken_derivatives.provider",
    "krakenstate.providers.kraken_spot.provider",
    "krakenstate.providers.vault.provider",
    "krakenstate.providers.vault.client",
    "krakenstate.providers.vault.custody",
    "krakenstate.sim.devenv",
    "krakenstate.sim.remote",
    "krakenstate.stack.load",
    "krakenstate.store.vault.journal",
    "krakenstate.store.vault.ledger",
    "krakenstate.store.vault.lock",
    "krakenstate.store.vault.snapshots",
    "krakenstate.store.vault.state",
    "krakenstate.views.drift_text",
    "krakenstate.views.plan_json",
    "krakenstate.views.state_text",
)


def warm_up() -> None:
    """Imports what commands import, once."""
    for name in _WEIGHTY:
        import_module(name)
    gc.freeze()


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: IO[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> int:
    """Starts ``krakenstate`` with these words; returns the child's process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    try:
        _become(cwd, env, stdin, stdout, stderr)
        _run(list(words))
    finally:
        os._exit(1)  # nothing of the parent's may run on in the child


def wait(child: int) -> int:
    """The exit code a child ended with; negative for a signal. Whatever ends the waiting ends the child."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:
        with suppress(ProcessLookupError, ChildProcessError):  # it had ended, and was waited for already
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
        raise


def _become(
    cwd: Path, env: Mapping[str, str], stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(_COMMAND_MAX_S)
    for target, stream in enumerate((stdin, stdout, stderr)):
        os.dup2(stream.fileno(), target)
    os.closerange(3, _OPEN_FILES_MAX)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - until its end
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)


def _run(words: list[str]) -> NoReturn:
    from krakenstate.cli.app import main

    try:
        main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
