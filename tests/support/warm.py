"""Commands from a warm start: a process that has imported krakenstate forks one child per command.

What a command does, and in which process, is as ever; only the imports were made before. Where it matters how
a process looks from outside (its command line, its environment, signals), tests start a real one instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.cli import Result, clean_environment

_MESSAGE_MAX = 1 << 20
_ANSWER_MAX_S = 60.0


class WarmStart:
    """A process that waits for command lines."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(_ANSWER_MAX_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                env=clean_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def run(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str) -> Result:
        """One command, from beginning to end."""
        with contextlib.ExitStack() as files:
            streams = [files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write(stdin.encode())
            streams[0].seek(0)
            order = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
            socket.send_fds(self._ours, [order], [stream.fileno() for stream in streams])
            code = int(self._ours.recv(16))
            texts = []
            for stream in streams[1:]:
                stream.seek(0)
                texts.append(stream.read().decode())
        return Result(code, texts[0], texts[1])

    def end(self) -> None:
        """Lets the process go."""
        self._ours.close()
        self._process.wait(10)


@contextlib.contextmanager
def warm_start() -> Iterator[WarmStart]:
    """A warm start for the block's duration."""
    warm = WarmStart()
    try:
        yield warm
    finally:
        warm.end()


def _serve(number: int) -> None:
    from krakenstate.cli import app, wiring  # noqa: PLC0415 - only here, not in the test's process
    from krakenstate.engine import runs  # noqa: PLC0415
    from krakenstate.views import drift_text, plan_json, state_text  # noqa: PLC0415

    del wiring, runs, drift_text, plan_json, state_text  # imported for their weight
    with socket.socket(fileno=number) as orders:
        while True:
            order, files, _, _ = socket.recv_fds(orders, _MESSAGE_MAX, 3)
            if not order:
                return
            child = os.fork()
            if not child:
                orders.close()
                _become(json.loads(order), files)
                os._exit(_outcome(app.main, json.loads(order)["words"]))
            for file in files:
                os.close(file)
            orders.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(order: dict[str, object], files: list[int]) -> None:
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["env"])  # type: ignore[arg-type]
    os.chdir(str(order["cwd"]))
    sys.argv = ["krakenstate", *order["words"]]  # type: ignore[misc]


def _outcome(main: object, words: list[str]) -> int:
    try:
        main(words)  # type: ignore[operator]
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
