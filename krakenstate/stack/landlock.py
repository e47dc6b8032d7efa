"""Which files a stack's process may still read: a Landlock rule set. Writing is in none of its rules.

How this works: a rule set names the rights it takes away everywhere, all that the kernel's Landlock knows,
and then the folders and files where reading stays allowed. What is opened is judged by where it lies, so a
link out of a folder leads nowhere. Looking whether a file is there, and at its size, is no right of
Landlock's.

Sources: landlock(7); linux/landlock.h for layouts, bits and the numbers of the calls, alike on all
processors.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_RIGHTS_BY_VERSION = ((1, 13), (2, 14), (3, 15), (5, 16))
"""Versions of the interface, and how many rights over files there are from each on."""


def version(libc: ctypes.CDLL) -> int:
    """The version of the kernel's Landlock.

    Raises:
        OSError: It has none, or it is switched off.
    """
    return _call(libc, _CREATE_RULESET, 0, 0, _ASK_VERSION)


def restrict(libc: ctypes.CDLL, readable: Iterable[Path], listable: Iterable[Path] = ()) -> None:
    """Leaves this process the reading of some places, for good. ``no_new_privs`` must be set.

    Args:
        libc: The C library, keeping errno.
        readable: Files, and folders with all below them; those that do not exist are passed over.
        listable: Folders in which, and below which, names may be listed.

    Raises:
        OSError: The kernel refused.
    """
    known = version(libc)
    rights = max(count for since, count in _RIGHTS_BY_VERSION if since <= known)
    attributes = ctypes.create_string_buffer(struct.pack("=Q", (1 << rights) - 1), 8)
    rules = _call(libc, _CREATE_RULESET, ctypes.addressof(attributes), 8, 0)
    try:
        for path in readable:
            _allow(libc, rules, path, _READ_FILE | _READ_DIR)
        for path in listable:
            _allow(libc, rules, path, _READ_DIR)
        _call(libc, _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            kind = os.fstat(place).st_mode
            if stat.S_ISREG(kind):
                rights &= _READ_FILE
            elif not stat.S_ISDIR(kind):
                return  # a link, which would stand for what it points at; a device; a pipe
            rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
            _call(libc, _ADD_RULE, rules, _PATH_BENEATH, ctypes.addressof(rule), 0)
        finally:
            os.close(place)


def _call(libc: ctypes.CDLL, number: int, *arguments: int) -> int:
    result = int(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments)))
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))
    return result
