"""Commands as children of a process that has imported krakenstate already.

What a command does, and that it is a process of its own, is as ever; only the imports were made before, and
the models built. The demo runs some fifty commands, and half of its time would go into doing that again.
"""

from __future__ import annotations

import gc
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

from krakenstate.model.base import Model

AVAILABLE = sys.platform == "linux"
"""Elsewhere a fork without exec is not safe beside the system's libraries, and commands are started anew."""

_OPEN_FILES_MAX = 4096
_COMMAND_MAX_S = 120
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ROOMS = ("cli", "engine", "policy", "providers", "secret", "stack", "store", "tasks", "transport", "views")
_SERVERS = ("krakenstate.sim.devenv", "krakenstate.sim.remote")  # what commands know of them; not the servers


def warm_up() -> None:
    """Imports what commands import, and builds the models that they read and write, once."""
    for room in _ROOMS:
        home = import_module(f"krakenstate.{room}")
        for module in pkgutil.walk_packages(home.__path__, f"{home.__name__}."):
            import_module(module.name)
    for name in _SERVERS:
        import_module(name)
    for model in _kinds_of(Model):
        model.model_rebuild()
    gc.freeze()


def _kinds_of(model: type[Model]) -> Iterator[type[Model]]:
    for kind in model.__subclasses__():
        yield kind
        yield from _kinds_of(kind)


def run(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: IO[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> int:
    """Runs ``krakenstate`` with these words to its end; whatever ends the waiting ends the child.

    Returns:
        Its exit code; negative for a signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = -1
    try:
        # A signal in the middle of a fork would be handled in both processes, or in neither.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        child = os.fork()
        if child == 0:
            _live(words, cwd, env, (stdin, stdout, stderr))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:
        if child > 0:
            with suppress(ProcessLookupError, ChildProcessError):  # it may have ended already
                os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)
        raise


def _live(words: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Sequence[IO[bytes]]) -> NoReturn:
    """The child's life. Nothing of the parent's may run on in it."""
    code = 1
    try:
        _become(cwd, env, streams)
        code = _play(list(words))
    finally:
        os._exit(code)


def _become(cwd: Path, env: Mapping[str, str], streams: Sequence[IO[bytes]]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    signal.alarm(_COMMAND_MAX_S)
    for target, stream in enumerate(streams):
        os.dup2(stream.fileno(), target)
    os.closerange(3, _OPEN_FILES_MAX)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - until its end
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)


def _play(words: list[str]) -> int:
    from krakenstate.cli.app import main

    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
