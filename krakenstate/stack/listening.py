"""What a stack's processes say, taken while they run: one loop reads all their pipes.

How this works: a child has two pipes, one for its report and one for what it prints. The loop ends when those
that are waited for have closed theirs, or when time is up; a child out of time or bounds is given up, and
left to be killed. A child may have to wait for its turn at a gate, a pipe from which it reads a byte: it is
let in when the one before has ended.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from krakenstate.stack.errand import Isolation

START_MAX_S = 30.0
"""Time for the interpreter to start, which on a busy machine is not the stack file's fault."""
PRINTED_MAX = 64 * 1024
REPORT_MAX = 64 * 1024 * 1024
"""Bytes of a report; 100,000 keys with a process each take half of it."""
_CHUNK = 1 << 16


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
    ``gate`` is what it waits at until this process writes to it, if it does.
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
    gate: int | None = None

    def let_in(self) -> None:
        """Its turn has come, and its time to start up begins."""
        if self.gate is not None:
            with suppress(BrokenPipeError):  # it ended already, as its pipes will say
                os.write(self.gate, b".")
            self.close_gate()
            self.deadline = time.monotonic() + START_MAX_S

    def close_gate(self) -> None:
        """Whoever still waits at it ends."""
        if self.gate is not None:
            os.close(self.gate)
            self.gate = None

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


def listen(children: Sequence[Child], awaited: Sequence[Child], time_max_s: float) -> None:
    """Reads all pipes until those awaited are closed; a child out of time or bounds is left to be killed."""
    with selectors.DefaultSelector() as selector:
        for started in children:
            for fd in started.open_fds:
                selector.register(fd, selectors.EVENT_READ, started)
        while True:
            now = time.monotonic()
            for late in (child for child in children if child.open_fds and child.deadline <= now):
                late.ending = Ending.OUT_OF_TIME
                _forget(late, selector)
            _let_in(children, selector)
            if not any(child.open_fds for child in awaited):
                return
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


def _let_in(children: Sequence[Child], selector: selectors.BaseSelector) -> None:
    """The turn of those before whom all have ended; after one that was ended nobody is asked any more."""
    for before, child in pairwise(children):
        if child.gate is not None and not before.open_fds:
            if before.ending is Ending.BY_ITSELF:
                child.let_in()
            else:
                child.ending = before.ending
                child.close_gate()
                _forget(child, selector)


def _forget(child: Child, selector: selectors.BaseSelector) -> None:
    """Gives up the pipes of a child that will be killed."""
    for fd in child.open_fds:
        selector.unregister(fd)
    child.open_fds.clear()
