"""``python -m benchmarks``: every figure beside its goal, as a table, as JSON and as a page."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from benchmarks import asking, planning, publishing, report, starting
from benchmarks.figures import Figure
from benchmarks.runner import measure
from benchmarks.workshop import ROOT, Workshop

MODULES = (starting, planning, publishing, asking)
ROUNDS = 5


def main() -> None:
    """Measures what was asked for, and writes it down if it was everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="figures to measure, such as 3 or 3a; all unless given"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} unless given")
    parser.add_argument(
        "--write", action="store_true", help="write RESULTS.md and results.json for a part too"
    )
    chosen = parser.parse_args()
    with ExitStack() as stack:
        shop = Workshop(ROOT / "build" / "bench", stack)
        figures = [figure for module in MODULES for figure in module.figures(shop)]
        if chosen.ids:
            figures = [figure for figure in figures if _is_named(figure, chosen.ids)]
        results = measure(figures, chosen.rounds, lambda line: print(line, file=sys.stderr, flush=True))
        print(report.table(results))
        if chosen.write or not chosen.ids:
            report.write(ROOT / "benchmarks", results, report.surroundings(shop))


def _is_named(figure: Figure, ids: list[str]) -> bool:
    return any(figure.id == word or figure.id.rstrip("abcdefgh") == word for word in ids)


if __name__ == "__main__":
    main()
