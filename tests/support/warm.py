"""Commands from a warm start: a process that has imported krakenstate forks one child per command.

What a command does, and in which process, is as ever; only the imports were made before, and what a stack
file gave once is remembered while no Python file of its project changes. Where it matters how a process looks
from outside (its command line, its environment, signals) or how a stack runs, tests start a real one instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from tests.support.cli import Result, clean_environment

_MESSAGE_MAX = 1 << 20
_ANSWER_MAX_S = 60.0
_UNREADY = 99  # no command's code


class WarmCommand:
    """A command that runs, and has a line of its own to whoever started it; ``pid`` is its process."""

    def __init__(self, answers: socket.socket, streams: list[IO[bytes]]) -> None:
        self._answers = answers
        self._streams = streams
        self.pid = int(answers.recv(16))

    def result(self) -> Result:
        """Waits for its end; the code of one that a signal ended is negative."""
        with self._answers:
            code = int(self._answers.recv(16))
        texts = []
        for stream in self._streams:
            with stream:
                stream.seek(0)
                texts.append(stream.read().decode())
        return Result(code, *texts[1:])


class WarmStart:
    """A process that waits for command lines."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                env=clean_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def run(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str) -> Result:
        """One command, from beginning to end."""
        return self.start(words, cwd=cwd, env=env, stdin=stdin).result()

    def start(
        self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str = ""
    ) -> WarmCommand:
        """One command that runs beside the test; the next one starts once it has ended."""
        streams = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 - the command closes them
        streams[0].write(stdin.encode())
        streams[0].seek(0)
        order = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answers.settimeout(_ANSWER_MAX_S)
        with theirs:
            socket.send_fds(self._ours, [order], [*(s.fileno() for s in streams), theirs.fileno()])
        return WarmCommand(answers, streams)

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
    from krakenstate.cli import app, forks  # noqa: PLC0415 - only here, not in the test's process

    forks.warm_up()
    with tempfile.TemporaryDirectory() as shelf, socket.socket(fileno=number) as orders:
        _remember_stacks(Path(shelf))
        known = frozenset(sys.modules)
        while True:
            order, files, _, _ = socket.recv_fds(orders, _MESSAGE_MAX, 4)
            if not order:
                return
            line = files.pop()
            child = os.fork()
            if not child:
                orders.close()
                os.close(line)
                _become(json.loads(order), files)
                code = _outcome(app.main, json.loads(order)["words"])
                os._exit(_UNREADY if _told_of_cold(known) else code)
            for file in files:
                os.close(file)
            with socket.socket(fileno=line) as answers:
                _tell(answers, child)
                _tell(answers, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _tell(answers: socket.socket, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever started the command has given it up
        answers.send(str(number).encode())


def _remember_stacks(shelf: Path) -> None:
    """Keeps what the children of a stack file reported, for the next command with the same files."""
    from krakenstate.stack import process  # noqa: PLC0415
    from krakenstate.stack.listening import Ending  # noqa: PLC0415

    run = process.run_children

    def remembered(
        file: Path, display: str, project: Path, *how: Any, meanwhile: Any = None, **more: Any
    ) -> Any:
        more.pop("awaited", None)  # what is kept has ended
        key = hashlib.sha256(repr((display, how, sorted(more.items()))).encode())
        for source in sorted(project.rglob("*.py")):
            key.update(f"{source.relative_to(project)}\0".encode() + source.read_bytes())
        kept = shelf / key.hexdigest()
        if kept.exists():
            if meanwhile:
                meanwhile()
            children = pickle.loads(kept.read_bytes())
        else:
            children = run(file, display, project, *how, meanwhile=meanwhile, **more)
            for child in children:
                child.process = SimpleNamespace(returncode=child.process.returncode)
            if all(child.ending is Ending.BY_ITSELF for child in children):
                written = kept.with_suffix(f".{os.getpid()}")
                written.write_bytes(pickle.dumps(children))
                written.rename(kept)
        return children

    process.run_children = remembered


def _become(order: dict[str, object], files: list[int]) -> None:
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["env"])  # type: ignore[arg-type]
    os.chdir(str(order["cwd"]))
    sys.argv = ["krakenstate", *order["words"]]  # type: ignore[misc]


def _told_of_cold(known: frozenset[str]) -> bool:
    """Says what of krakenstate was imported too late for all who come after, if anything was."""
    cold = sorted(name for name in sys.modules if name.startswith("krakenstate.") and name not in known)
    if cold:
        sys.stderr.write(f"not imported by forks.warm_up: {', '.join(cold)}\n")
        sys.stderr.flush()
    return bool(cold)


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
