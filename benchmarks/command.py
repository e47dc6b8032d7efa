"""One process as a contestant: its time, and the peak memory of it and its children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Contestant, Sample

_KIB_PER_MIB = 1024
_STOPWATCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
took = time.perf_counter() - began
process.returncode = os.waitstatus_to_exitcode(status)
with open(int(sys.argv[1]), "w") as told:
    json.dump([took, used.ru_maxrss, process.returncode], told)
"""
"""A small process that starts the contestant. A process's peak begins at that of the one which started it,
and this one, which makes desks of 100,000 keys, would pass its own off as everybody's.
"""


def surroundings(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every contestant: nothing of ours, no colours, no calls home, a throw-away home."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "CHECKPOINT_DISABLE": "1",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        **(more or {}),
    }


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line, where it runs, and what its environment holds beside the usual."""

    arguments: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str]


def program(name: str, make: Callable[[], Invocation]) -> Contestant:
    """A contestant that is one process a round.

    Args:
        name: Unique in a run.
        make: Makes what the process needs, once, and says how it is called.
    """
    made: list[Invocation] = []
    return Contestant(name, lambda: made.append(make()), lambda: _run(made[-1]))


def _run(call: Invocation) -> Sample:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _STOPWATCH, str(told.fileno()), *map(str, call.arguments)],
            cwd=call.folder,
            env=dict(call.environment),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=(told.fileno(),),
            check=True,
        )
        told.seek(0)
        took, peak_kib, code = json.load(told)
        if code:
            said.seek(0)
            tail = said.read()[-2000:].decode("utf-8", "replace")
            raise RuntimeError(f"{call.arguments[0]} ended with {code}: {tail}")
    return Sample(took, peak_kib / _KIB_PER_MIB)
