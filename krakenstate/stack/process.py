"""The parent's side of the child processes: start, feed on, keep time, end.

How this works: each child gets an interpreter of its own in a session of its own, with no environment, no
open file but two pipes, and the project's folder as working folder though not as a place to import from. One
loop reads all pipes until those that are waited for close or time is up. A report begins with a line about
the child's isolation, written before the stack file runs. Whatever happens, the child's whole process group
is killed before the child is reaped, so its number cannot have passed to somebody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import ceil
from pathlib import Path
from typing import IO

import krakenstate
from krakenstate.stack.errand import Errand, Isolation

TIME_MAX_S = 30.0
"""Time for a stack file to run and report; 100,000 keys, declared in a loop, take a fifth of it."""
START_MAX_S = 30.0
"""Time for the interpreter to start, which on a busy machine is not the stack file's fault."""
PRINTED_MAX = 64 * 1024
REPORT_MAX = 64 * 1024 * 1024
"""Bytes of a report; 100,000 keys with a process each take half of it."""
MEMORY_MAX = 1024 * 1024 * 1024
"""Address space of a stack's process; 100,000 keys take less than half of it."""
CONFINED = True
"""Whether the kernel is asked to hold the children; tests of the lesser isolation switch it off."""
_PR_SET_DUMPABLE = 4
_CHUNK = 1 << 16
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_BOOTSTRAP = """
import gc, importlib.util, os, sys
gc.disable()
init, libraries, patience, errand = sys.argv[1:]
os.nice(int(patience))
sys.path.append(libraries)
spec = importlib.util.spec_from_file_location(
    "krakenstate", init, submodule_search_locations=[init.rpartition("/")[0]])
sys.modules["krakenstate"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
from krakenstate.stack.plugins import switch_off
switch_off()
from krakenstate.stack.child import main
sys.path.pop()
main(errand)
"""
"""Finds this very krakenstate and its pydantic, wherever they are, and leaves ``sys.path`` as it was.

A child lives for a moment and keeps all it makes, so it looks for no garbage.
"""
_PATIENCE = (2, 7)
"""How nice the children are: this process, which imports meanwhile, is waited for longest, then the first."""
_LISTENED_S = 1.0
"""Time that a child has at least, from when its parent listens again after having done something else."""


class Ending(Enum):
    """How a child ended, as seen from outside."""

    BY_ITSELF = "by itself"
    OUT_OF_TIME = "out of time"
    PRINTED_TOO_MUCH = "printed too much"
    REPORTED_TOO_MUCH = "reported too much"


_UNSAID = Isolation("process", "the stack's process ended before it could say")


@dataclass
class Child:
    """One running child, and what it has said so far.

    Its deadline is of the monotonic clock. Until the child says that it begins, it is that of starting up.
    """

    process: subprocess.Popen[bytes]
    report_fd: int
    report: bytearray = field(default_factory=bytearray)
    printed: bytearray = field(default_factory=bytearray)
    ending: Ending = Ending.BY_ITSELF
    isolation: Isolation = _UNSAID
    deadline: float = field(default_factory=lambda: time.monotonic() + START_MAX_S)
    open_fds: set[int] = field(default_factory=set)
    is_over: bool = False

    def take(self, fd: int, data: bytes, time_max_s: float) -> None:
        """Keeps what arrived; decides when it is too much, and when the stack file's time began."""
        if fd == self.report_fd:
            if not self.report:
                self.deadline = time.monotonic() + time_max_s
            self.report += data
            if len(self.report) > REPORT_MAX:
                self.ending = Ending.REPORTED_TOO_MUCH
        else:
            self.printed += data
            if len(self.printed) > PRINTED_MAX * 4:  # its own count is in characters
                self.ending = Ending.PRINTED_TOO_MUCH

    def part_report(self) -> None:
        """Takes the first line of the report, which the stack file had no hand in, for what it is."""
        first, newline, rest = self.report.partition(b"\n")
        if newline:
            self.isolation, self.report = Isolation(**json.loads(first)), rest


def run_children(
    file: Path,
    display: str,
    project: Path,
    seeds: Sequence[int],
    time_max_s: float,
    *,
    kernel_only: bool = False,
    data: bytes | None = None,
    meanwhile: Callable[[], None] | None = None,
    started: Sequence[Child] = (),
    awaited: int | None = None,
) -> list[Child]:
    """Runs a stack file once per hash seed, all at the same time.

    Args:
        file: The stack file.
        display: Its path as the user named it.
        project: Working folder of the children.
        seeds: One child for each.
        time_max_s: After this time on the clock, from where a child begins the file, it is killed.
        kernel_only: Children that the kernel does not hold end before they run the file.
        data: For a policy file: what its rules look at.
        meanwhile: Called once all have started.
        started: From ``start_children`` for the very same, if they run already.
        awaited: So many, from the first on, have ended when this returns; unless given, all. The rest is left
            to ``finish_children`` and ``end_children``.

    Returns:
        The children in the order of the seeds.
    """
    children = list(started)
    try:
        if not children:
            children = start_children(
                file, display, project, seeds, time_max_s, kernel_only=kernel_only, data=data
            )
        if meanwhile is not None:
            meanwhile()
        finish_children(children, time_max_s, awaited)
    except BaseException:
        end_children(children)
        raise
    return children


def finish_children(children: Sequence[Child], time_max_s: float, awaited: int | None = None) -> None:
    """Waits until so many children, from the first on, have ended, and takes their reports; else until all.

    What the others say meanwhile is taken too, so that none of them waits for this process.
    """
    waited_for = [child for child in children[:awaited] if not child.is_over]
    for child in children:
        if child.open_fds:
            child.deadline = max(child.deadline, time.monotonic() + _LISTENED_S)
    _listen(children, waited_for, time_max_s)
    for child in waited_for:
        _end(child)
        child.part_report()


def start_children(
    file: Path,
    display: str,
    project: Path,
    seeds: Sequence[int],
    time_max_s: float,
    *,
    kernel_only: bool = False,
    data: bytes | None = None,
) -> list[Child]:
    """Starts a child for each hash seed; the arguments are those of ``run_children``, which ends them."""
    make_undumpable()
    children: list[Child] = []
    try:
        for number, seed in enumerate(seeds):
            child = _start(
                file,
                display,
                project,
                seed,
                time_max_s,
                patience=_PATIENCE[min(number, 1)],
                kernel_only=kernel_only,
                data=data,
            )
            children.append(child)  # one by one: those that started are ended
    except BaseException:
        end_children(children)
        raise
    return children


def end_children(children: Iterable[Child]) -> None:
    """Kills what still runs of them, and whatever they started, and reaps them."""
    for child in children:
        if not child.is_over:
            _end(child)


def make_undumpable() -> None:
    """On Linux, keeps children of the same user from reading this process's memory and environment."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _start(
    file: Path,
    display: str,
    project: Path,
    seed: int,
    time_max_s: float,
    *,
    patience: int,
    kernel_only: bool,
    data: bytes | None,
) -> Child:
    receiving, sending = os.pipe()
    given = _given(data)
    try:
        package = Path(krakenstate.__file__).resolve()
        libraries = _libraries()
        errand = Errand(
            file=str(file),
            display=display,
            project=str(project),
            report_fd=sending,
            alarm_s=time_max_s * 0.7,
            cpu_s=ceil(time_max_s) + 1,
            output_max=PRINTED_MAX,
            memory_max=MEMORY_MAX,
            confined=CONFINED,
            kernel_only=kernel_only,
            libraries=(str(package.parent), str(libraries), *_interpreter_folders(project)),
            is_policy=data is not None,
        )
        process = subprocess.Popen(
            # -s -P -B: no user site, no working folder on sys.path, no byte code written. The environment is
            # ours alone, and -I would make Python ignore the hash seed in it.
            [
                sys.executable,
                "-s",
                "-P",
                "-B",
                "-X",
                "utf8",
                "-c",
                _BOOTSTRAP,
                str(package),
                str(libraries),
                str(patience),
                errand.to_json(),
            ],
            stdin=given if given is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=project,
            env=_environment(seed, project),
            pass_fds=(sending,),
            start_new_session=True,
        )
    except BaseException:
        os.close(receiving)
        raise
    finally:
        os.close(sending)
        if given is not None:
            given.close()
    printed_fd = process.stdout.fileno() if process.stdout else receiving
    return Child(process, receiving, open_fds={receiving, printed_fd})


def _given(data: bytes | None) -> IO[bytes] | None:
    """A file without a name that holds the data, to be read from its beginning."""
    if data is None:
        return None
    from tempfile import TemporaryFile  # noqa: PLC0415 - a stack file's processes wait for these imports

    file = TemporaryFile()  # noqa: SIM115 - closed once the child has it
    file.write(data)
    file.seek(0)
    return file


def _libraries() -> Path:
    """Where pydantic lies, which is not imported here: the children would wait for it."""
    found = importlib.util.find_spec("pydantic")
    assert found is not None  # noqa: S101 - krakenstate depends on it
    assert found.origin is not None  # noqa: S101 - and it is no namespace
    return Path(found.origin).resolve().parent.parent


def _interpreter_folders(project: Path) -> list[str]:
    """Where the interpreter's own files and shared libraries may lie beside ``sys.path``."""
    told = [folder for value in _loader_variables(project).values() for folder in value.split(":")]
    return [*told, *(f"{home}/{lib}" for home in _homes() for lib in ("lib", "lib64"))]


def _homes() -> list[str]:
    return sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})


def _environment(seed: int, project: Path) -> dict[str, str]:
    """What the interpreter needs to start; the child empties even this before the stack runs."""
    ours = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": str(seed)}
    return _loader_variables(project) | ours


def _loader_variables(project: Path) -> dict[str, str]:
    """Where the system looks for shared libraries, without places that a stranger's project could fill.

    An empty or relative place stands for the working folder, which is the project's: a library that lies
    there would run before the kernel holds the process. An interpreter inside the project keeps its own.
    """

    def is_ours(folder: str) -> bool:
        place = Path(folder)
        inside = place.resolve().is_relative_to(project.resolve())
        return place.is_absolute() and (not inside or any(map(place.is_relative_to, _homes())))

    told = {name: os.environ.get(name, "").split(":") for name in _LOADER_VARIABLES}
    kept = {name: ":".join(filter(is_ours, folders)) for name, folders in told.items()}
    return {name: value for name, value in kept.items() if value}


def _listen(children: Sequence[Child], awaited: Sequence[Child], time_max_s: float) -> None:
    """Reads all pipes until those awaited are closed; a child out of time or bounds is left to be killed."""
    with selectors.DefaultSelector() as selector:
        for started in children:
            for fd in started.open_fds:
                selector.register(fd, selectors.EVENT_READ, started)
        while any(child.open_fds for child in awaited):
            now = time.monotonic()
            for late in (child for child in children if child.open_fds and child.deadline <= now):
                late.ending = Ending.OUT_OF_TIME
                _forget(late, selector)
            next_s = min((child.deadline for child in children if child.open_fds), default=now) - now
            for key, _ in selector.select(next_s) if selector.get_map() else ():
                child: Child = key.data
                if key.fd not in child.open_fds:  # given up a moment ago
                    continue
                data = os.read(key.fd, _CHUNK)
                child.take(key.fd, data, time_max_s)
                if child.ending is not Ending.BY_ITSELF:
                    _forget(child, selector)
                elif not data:
                    child.open_fds.discard(key.fd)
                    selector.unregister(key.fd)


def _forget(child: Child, selector: selectors.BaseSelector) -> None:
    """Gives up the pipes of a child that will be killed."""
    for fd in child.open_fds:
        selector.unregister(fd)
    child.open_fds.clear()


def _end(child: Child) -> None:
    child.is_over = True
    child.open_fds.clear()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
    os.close(child.report_fd)
    if child.process.stdout is not None:
        child.process.stdout.close()
