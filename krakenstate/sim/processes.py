"""Servers in the background: started detached, recognised again, and ended by whoever started them.

A pid alone says little, since the system gives it to somebody else later. So a process is remembered together
with its start time, and only a process that has both is ever signalled. Where the start time cannot be read,
nothing is signalled.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

POLL_S = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_children: dict[int, subprocess.Popen[bytes]] = {}  # of this very process, so that they can be reaped


class ProcessMark(BaseModel):
    """A process that can be told from a later one with the same pid."""

    pid: int
    started: str | None

    @property
    def is_running(self) -> bool:
        """Whether that very process lives."""
        return self.started is not None and start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """When the process began, in the system's own words; None if there is none, or it has ended."""
    ask = _start_time_from_proc if Path("/proc/self/stat").exists() else _start_time_from_ps
    started = ask(pid)
    child = _children.get(pid)
    if child is not None and child.poll() is not None:  # asked last, so that one just ended is reaped too
        return None
    return started


def _start_time_from_proc(pid: int) -> str | None:
    """State, threads and start time are the fields 3, 20 and 22 of `/proc/<pid>/stat`, see proc(5).

    The first thread of a process is a zombie once it has ended; others may keep a port a moment longer.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    has_ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if has_ended else f"{boot}/{fields[19]}"


def _start_time_from_ps(pid: int) -> str | None:
    asked = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = asked.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def start_detached(
    command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path, *, keep_stdout: bool
) -> ProcessMark:
    """Start a server in a session of its own; what it says goes to `log`, a private file.

    Args:
        command: Program and arguments; no secret among them, since others can see them.
        environment: All of its environment.
        directory: Where it runs.
        log: Takes its standard error.
        keep_stdout: Whether the log takes standard output as well; else it is thrown away.

    Raises:
        OSError: it cannot be started.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=descriptor if keep_stdout else subprocess.DEVNULL,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    _children[child.pid] = child
    return ProcessMark(pid=child.pid, started=start_time(child.pid))


def end(marks: Sequence[ProcessMark], patience_s: float = 5.0) -> list[ProcessMark]:
    """End these processes, politely first; those that live on in spite of it come back."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        _signal_all(marks, signum)
        deadline = time.monotonic() + patience_s
        while any(mark.is_running for mark in marks) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    return [mark for mark in marks if mark.is_running]


def _signal_all(marks: Sequence[ProcessMark], signum: signal.Signals) -> None:
    for mark in marks:
        if mark.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(mark.pid, signum)
