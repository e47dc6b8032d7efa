"""Which calls of the kernel a stack's process may still make: a seccomp filter, assembled here.

How this works: the kernel runs a small program (classic BPF) before each system call. Ours lets through
what a Python that computes and reads needs, and refuses the rest, calls that later kernels bring included.
Some calls are let through with certain arguments only: files are opened for reading, signals go to the
process itself, descriptors are copied, limits are read.

Sources: seccomp(2); linux/seccomp.h, linux/filter.h and linux/audit.h for the layouts and constants;
asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64) for the numbers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_RET_KILL, _RET_ERRNO, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JSET|K, RET|K
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16  # struct seccomp_data
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_O_TMPFILE = 0o20000000
_COPYING = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC

CALLS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "preadv": (295, 69), "close": (3, 57), "close_range": (436, 436), "lseek": (8, 62),
    "fadvise64": (221, 223),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "stat": (4, None), "lstat": (6, None), "fstat": (5, 80), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents64": (217, 61), "getcwd": (79, 17), "chdir": (80, 49),
    "fchdir": (81, 50),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214), "futex": (202, 98), "membarrier": (324, 283), "set_robust_list": (273, 99),
    "rseq": (334, 293), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "getitimer": (36, 102), "setitimer": (38, 103),
    "alarm": (37, None), "pause": (34, None), "gettimeofday": (96, 169), "clock_gettime": (228, 113),
    "clock_getres": (229, 114), "times": (100, 153), "getrandom": (318, 278), "uname": (63, 160),
    "sysinfo": (99, 179), "getrusage": (98, 165), "getrlimit": (97, 163), "getpid": (39, 172),
    "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getgroups": (115, 158), "getresuid": (118, 148),
    "getresgid": (120, 150), "getpgrp": (111, None), "getpgid": (121, 155), "getsid": (124, 156),
}  # fmt: skip
"""What may be called with any arguments, and its number on x86_64 and on aarch64 where there is one.

No call in here makes a process, a thread, a socket, a file or a link, changes one, or reaches into another
process.
"""

CALLS_BY_ARGUMENT: dict[str, tuple[int | None, int | None]] = {
    "open": (2, None),
    "openat": (257, 56),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "fcntl": (72, 25),
    "prlimit64": (302, 261),
}
"""What may be called with certain arguments only."""
_IOCTL = (16, 29)


@dataclass(frozen=True, slots=True)
class Argument:
    """What one argument must be like; ``values`` and ``without`` look at its lower 32 bits.

    Args:
        index: Which, from 0.
        values: It is one of these, if any are given.
        without: It has none of these bits.
        null: It is zero in all 64 bits.
    """

    index: int
    values: tuple[int, ...] = ()
    without: int = 0
    null: bool = False


def install(libc: ctypes.CDLL) -> None:
    """Puts the filter on this process, for good. ``no_new_privs`` must be set.

    Raises:
        OSError: The kernel does not take it, or the processor is none whose numbers are known here.
    """
    machine = os.uname().machine if sys.maxsize > 2**32 else "a 32-bit Python"
    program = assemble(machine, os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header), 0, 0):  # struct sock_fprog
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def assemble(machine: str, pid: int) -> bytes:
    """The filter's program: instructions of eight bytes.

    Args:
        machine: ``x86_64`` or ``aarch64``, as ``os.uname`` says.
        pid: The one process that may be sent signals.

    Raises:
        OSError: Another machine.
    """
    if machine not in _AUDIT_ARCH or sys.byteorder != "little":
        raise OSError(errno.ENOSYS, f"none is made for {machine}")
    column = list(_AUDIT_ARCH).index(machine)
    code = [
        (_LOAD, 0, 0, _AT_ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _RET_KILL),  # a 32-bit call, whose numbers mean something else
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    for numbers in CALLS.values():
        number = numbers[column]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _RET_ALLOW)]
    for number, arguments in _with_arguments(column, pid).items():
        block = _block(arguments)
        code += [(_EQUAL, 0, len(block), number), *block]
    code += [
        (_EQUAL, 0, 1, _IOCTL[column]),  # Python asks whether a file is a terminal
        (_RETURN, 0, 0, _RET_ERRNO | errno.ENOTTY),
        (
            _RETURN,
            0,
            0,
            _RET_ERRNO | errno.ENOSYS,
        ),  # a C library then tries an older call; EPERM is final to it
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _with_arguments(column: int, pid: int) -> Mapping[int, tuple[Argument, ...]]:
    """What those calls' arguments must be like, by number."""
    itself = (Argument(0, values=(pid,)),)
    rules = {
        "open": (Argument(1, without=_WRITING | _O_TMPFILE),),
        "openat": (Argument(2, without=_WRITING | _O_TMPFILE),),
        "kill": itself,
        "tgkill": itself,
        "fcntl": (Argument(1, values=_COPYING),),  # neither locks nor owners, whom signals are sent to
        "prlimit64": (Argument(0, values=(0, pid)), Argument(2, null=True)),  # asked, not set
    }
    numbers = {name: pair[column] for name, pair in CALLS_BY_ARGUMENT.items()}
    return {number: rules[name] for name, number in numbers.items() if number is not None}


def _block(arguments: Iterable[Argument]) -> list[tuple[int, int, int, int]]:
    """Instructions that allow the call if all arguments are as they must be, and end either way."""
    refuse = (_RETURN, 0, 0, _RET_ERRNO | errno.EPERM)
    code: list[tuple[int, int, int, int]] = []
    for argument in arguments:
        low = _AT_ARGUMENTS + 8 * argument.index
        for place in (low, low + 4) if argument.null else ():
            code += [(_LOAD, 0, 0, place), (_EQUAL, 1, 0, 0), refuse]
        if argument.values:
            count = len(argument.values)
            code.append((_LOAD, 0, 0, low))
            code += [(_EQUAL, count - at, 0, value) for at, value in enumerate(argument.values)]
            code.append(refuse)
        if argument.without:
            code += [(_LOAD, 0, 0, low), (_ANY_BIT, 0, 1, argument.without), refuse]
    return [*code, (_RETURN, 0, 0, _RET_ALLOW)]
