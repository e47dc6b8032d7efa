"""``python -m benchmarks``: every comparison, interleaved, as a table of medians and ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planning import deepdiff_once, plan_once, settled_outlook
from benchmarks.stacks import stack_text

ROUNDS = 5
KEYS = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ways to spend time; each gives the seconds of one round."""

    id: str
    ours: Callable[[], float]
    peer: Callable[[], float]


def main() -> None:
    """Runs everything and prints the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stacks").mkdir()
        stack = folder / "stacks" / "bench.py"
        stack.write_text(stack_text(KEYS), encoding="utf-8")
        look = settled_outlook(stack)
        python = [sys.executable]
        rows = [
            Comparison(
                "start",
                _command([*python, "-m", "krakenstate", "version"], folder),
                _command([*python, "-m", "pip", "--version"], folder),
            ),
            Comparison(
                "validate",
                _command([*python, "-m", "krakenstate", "validate"], folder),
                _command([*python, str(stack)], folder),
            ),
            Comparison("plan", lambda: plan_once(look), lambda: deepdiff_once(look)),
        ]
        print(f"{'id':<10} {'krakenstate':>12} {'peer':>12} {'ratio':>7}   ({ROUNDS} rounds, {KEYS} keys)")
        for row in rows:
            ours, peer = _interleave(row)
            print(f"{row.id:<10} {ours * 1000:>9.0f} ms {peer * 1000:>9.0f} ms {ours / peer:>6.2f}x")


def _interleave(row: Comparison) -> tuple[float, float]:
    """Medians of alternating rounds, after one round of each to warm up."""
    row.ours()
    row.peer()
    pairs = [(row.ours(), row.peer()) for _ in range(ROUNDS)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def _command(command: list[str], folder: Path) -> Callable[[], float]:
    env = {n: v for n, v in os.environ.items() if not n.startswith(("KRAKENSTATE_", "VAULT_"))}

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True)
        return time.perf_counter() - began

    return once


if __name__ == "__main__":
    main()
