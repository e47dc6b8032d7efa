"""One process as a contestant: its time, and the peak memory of it and its children."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Contestant, Sample

_KIB_PER_MIB = 1024


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
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(argument) for argument in call.arguments],
            cwd=call.folder,
            env=dict(call.environment),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            tail = said.read()[-2000:].decode("utf-8", "replace")
            raise RuntimeError(f"{call.arguments[0]} ended with {process.returncode}: {tail}")
    return Sample(took, used.ru_maxrss / _KIB_PER_MIB)
