"""The parent's side of the child processes: start, feed on, keep time, end.

How this works: each child gets an interpreter of its own in a session of its own, with no environment, no
open file but two pipes, and the project's folder as working folder though not as a place to import from. What
they say is taken in ``listening.py``. A report begins with a line about the child's isolation, written before
the stack file runs. Whatever happens, the child's whole process group is killed before the child is reaped,
so its number cannot have passed to somebody else.

Where there are few processors, and this process has work to do meanwhile, the children take turns: each but
the first waits at a gate, which opens when the one before has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import krakenstate
from krakenstate.stack.errand import Errand
from krakenstate.stack.listening import PRINTED_MAX, Child, listen

TIME_MAX_S = 30.0
"""Time for a stack file to run and report; 100,000 keys, declared in a loop, take a fifth of it."""
MEMORY_MAX = 1024 * 1024 * 1024
"""Address space of a stack's process; 100,000 keys take less than half of it."""
CONFINED = True
"""Whether the kernel is asked to hold the children; tests of the lesser isolation switch it off."""
_PR_SET_DUMPABLE = 4
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_BOOTSTRAP = """
import gc, importlib.util, os, sys
gc.disable()
init, libraries, patience, gate, errand = sys.argv[1:]
if gate:
    os.read(int(gate), 1) or os._exit(0)
    os.close(int(gate))
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


def _processors() -> int:
    """How many this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


FEW_PROCESSORS = _processors() <= 2
"""Whether two children at once take from this process what it needs to go on. A plan of one key takes an
eighth less where they take turns, measured with two processors."""


def run_children(
    file: Path,
    display: str,
    project: Path,
    seeds: Sequence[int],
    time_max_s: float,
    *,
    kernel_only: bool = False,
    data: bytes | None = None,
    in_turn: bool = False,
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
        in_turn: They take turns where there are few processors, since the caller goes on with the first.
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
                file,
                display,
                project,
                seeds,
                time_max_s,
                kernel_only=kernel_only,
                data=data,
                in_turn=in_turn,
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
    listen(children, waited_for, time_max_s)
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
    in_turn: bool = False,
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
                waits=in_turn and FEW_PROCESSORS and number > 0,
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
    waits: bool,
    kernel_only: bool,
    data: bytes | None,
) -> Child:
    receiving, sending = os.pipe()
    entrance, gate = os.pipe() if waits else (None, None)
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
            cpu_s=math.ceil(time_max_s) + 1,
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
                "" if entrance is None else str(entrance),
                errand.to_json(),
            ],
            stdin=given if given is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=project,
            env=_environment(seed, project),
            pass_fds=(sending,) if entrance is None else (sending, entrance),
            start_new_session=True,
        )
    except BaseException:
        _close(receiving, gate)
        raise
    finally:
        _close(sending, entrance)
        if given is not None:
            given.close()
    printed_fd = process.stdout.fileno() if process.stdout else receiving
    child = Child(process, receiving, open_fds={receiving, printed_fd}, gate=gate)
    if waits:
        child.deadline = math.inf
    return child


def _close(*fds: int | None) -> None:
    for fd in fds:
        if fd is not None:
            os.close(fd)


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


def _end(child: Child) -> None:
    child.is_over = True
    child.open_fds.clear()
    child.close_gate()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()
    os.close(child.report_fd)
    if child.process.stdout is not None:
        child.process.stdout.close()
