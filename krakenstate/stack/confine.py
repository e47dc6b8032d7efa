"""What a stack's process gives up before the stack file runs, and what of that the kernel holds it to.

How this works: ``drop_privileges`` holds everywhere on Linux. ``confine`` asks the kernel for Landlock
(``landlock.py``) and seccomp (``seccomp.py``), then tries what must be impossible from here on. Only when
all of it is refused is the isolation called ``kernel``; else it is ``process``, with the reason. Nothing
given up in here can be taken back, neither by the stack nor by a program that it starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from krakenstate.stack import landlock, seccomp
from krakenstate.stack.errand import Isolation

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_AF_UNIX, _SOCK_STREAM = 1, 1
_CAPABILITIES_V3 = 0x20080522
_CAP_DAC_READ_SEARCH = 1 << 2
_SHARED = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
)
"""Where the system keeps shared libraries, their index, and time zones."""


def drop_privileges() -> None:
    """On Linux: dies with its parent, gains no rights from programs, and holds none of root's.

    Root's right to read files of others stays, for a checkout that belongs to another user. Without the
    right to trace processes, root too is kept out of the memory and environment of a parent that is not
    dumpable.
    """
    if sys.platform != "linux":
        return
    try:
        libc = _libc()
    except OSError:  # a Python that is linked statically has no C library to call
        return
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITIES_V3, 0))
    held = ctypes.create_string_buffer(24)
    with contextlib.suppress(AttributeError):  # a C library without the two calls
        if libc.capget(header, held) == 0:
            effective, permitted = struct.unpack_from("=II", held)
            kept = (effective & _CAP_DAC_READ_SEARCH, permitted & _CAP_DAC_READ_SEARCH)
            libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", *kept, 0, 0, 0, 0), 24))


def confine(file: Path, project: Path, libraries: Iterable[Path]) -> Isolation:
    """Takes from this process, for good, all files but some, all sockets, all other processes.

    Args:
        file: The stack file.
        project: Its project's folder; what is hidden in it (``.git``, ``.env``) stays closed.
        libraries: Folders of the interpreter and of packages.
    """
    if sys.platform != "linux":
        return Isolation("process", "it exists on Linux alone")
    try:
        libc = _libc()
        landlock.restrict(libc, _readable(file, project, libraries), _listable(project))
    except OSError as lacking:
        return Isolation("process", f"the kernel gives no Landlock here ({_words(lacking)})")
    try:
        seccomp.install(libc)
    except OSError as lacking:
        return Isolation("process", f"the kernel takes no seccomp filter here ({_words(lacking)})")
    return _probe(libc, file)


def _probe(libc: ctypes.CDLL, file: Path) -> Isolation:
    """Whether what must be impossible is, asked of the kernel directly."""
    read, write = os.O_RDONLY | os.O_DIRECTORY, os.O_WRONLY
    tries: tuple[tuple[str, Any, tuple[Any, ...], int], ...] = (
        ("a folder outside can be read", libc.open, (b"/", read), errno.EACCES),
        ("a file can be opened for writing", libc.open, (os.fsencode(file), write), errno.EPERM),
        ("a socket can be opened", libc.socket, (_AF_UNIX, _SOCK_STREAM, 0), errno.ENOSYS),
        ("a signal reaches another process", libc.kill, (os.getppid(), 0), errno.EPERM),
    )
    for possible, call, arguments, refusal in tries:
        ctypes.set_errno(0)
        if call(*arguments) != -1 or ctypes.get_errno() != refusal:
            return Isolation("process", f"{possible} although the kernel was asked to refuse it")
    return Isolation("kernel")


def _readable(file: Path, project: Path, libraries: Iterable[Path]) -> list[Path]:
    shared = [place.resolve() for place in [*map(Path, _SHARED), *libraries]]
    if project == project.parent:  # the whole machine is nobody's project
        return [*shared, file.parent]
    with os.scandir(project) as entries:
        inside = [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
    return [*shared, *inside, file]


def _listable(project: Path) -> list[Path]:
    return [] if project == project.parent else [project]


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    libc.syscall.restype = ctypes.c_long
    return libc


def _words(problem: OSError) -> str:
    return problem.strerror or str(problem)
