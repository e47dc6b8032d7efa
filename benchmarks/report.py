"""Results as a table for people, as a page for the repository, and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.runner import ratio
from benchmarks.workshop import PEERS, Workshop

_UNITS = {"seconds": ("s", 3), "peak_mib": ("MiB", 0), "per_second": ("/s", 1)}
_HEAD = ("", "figure", "goal", "ratio", "ours", "peer")


def table(results: Sequence[Result]) -> str:
    """All results with goal and figure side by side; medians, and the least and the most in brackets."""
    rows = [_HEAD, *map(_row, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def write(folder: Path, results: Sequence[Result], facts: Mapping[str, str]) -> None:
    """``RESULTS.md`` and ``results.json``."""
    data = [_plain(result) for result in results]
    (folder / "results.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(_page(results, facts), encoding="utf-8")


def surroundings(shop: Workshop) -> dict[str, str]:
    """The machine and the versions of what was compared."""
    facts = {
        "When": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Machine": f"{os.cpu_count()} cores ({_processor()}), {_memory_gib()} GiB, {platform.system()}",
        "Python": platform.python_version(),
    }
    if shutil.which("terraform"):
        said = subprocess.run([shop.terraform, "version"], capture_output=True, text=True, check=True).stdout
        facts["terraform"] = said.split("\n", 1)[0].removeprefix("Terraform v")
    for name, requirement in PEERS.items():
        package = re.split("[=>]", requirement)[0]
        found = shop.version_of(name, package)
        if found:
            facts[package] = found
    return facts


def _row(result: Result) -> tuple[str, ...]:
    figure = result.figure
    if result.why_not:
        return figure.id, figure.what, figure.goal_text, "not measured", result.why_not, ""
    found = ratio(result)
    mark = "met" if figure.is_met(found) else "MISSED"
    return (
        figure.id,
        figure.what,
        figure.goal_text,
        f"{found:.3g}x {mark}",
        _spread(figure, result.ours),
        _spread(figure, result.peer),
    )


def _spread(figure: Figure, values: Iterable[float]) -> str:
    ordered = sorted(values)
    unit, digits = _UNITS[figure.measure]
    low, high = f"{ordered[0]:.{digits}f}", f"{ordered[-1]:.{digits}f}"
    return f"{statistics.median(ordered):.{digits}f} {unit} [{low}, {high}]"


def _plain(result: Result) -> dict[str, object]:
    figure = result.figure
    head: dict[str, object] = {"id": figure.id, "what": figure.what, "goal": figure.goal_text}
    if result.why_not:
        return head | {"figure": None, "why_not": result.why_not, "peers": [], "rounds": 0}
    return head | {
        "figure": round(ratio(result), 4),
        "met": figure.is_met(ratio(result)),
        "unit": _UNITS[figure.measure][0],
        "ours": {"name": figure.ours.name, **_summary(result.ours)},
        "peers": [{"name": figure.peer.name, **_summary(result.peer)}],
        "rounds": len(result.ours),
    }


def _summary(values: Sequence[float]) -> dict[str, float]:
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def _page(results: Sequence[Result], facts: Mapping[str, str]) -> str:
    rounds = max((len(result.ours) for result in results), default=0)
    lines = [
        "# Results",
        "",
        "Written by `make bench`; [what is compared, and why that is fair](README.md).",
        f"Medians of {rounds} interleaved rounds, the least and the most in brackets.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
        f"| {' | '.join(_HEAD)} |",
        f"|{' --- |' * len(_HEAD)}",
        *(f"| {' | '.join(_row(result))} |" for result in results),
    ]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
