"""Rounds: every contestant once, one after another, so that a busy machine slows all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.figures import Contestant, Figure, Result, Sample, Unavailable
from krakenstate.errors import KrakenstateError


def measure(figures: Sequence[Figure], rounds: int, say: Callable[[str], None]) -> list[Result]:
    """Runs what the figures need, interleaved; a figure whose contestant cannot take part says why."""
    contestants = {side.name: side for figure in figures for side in (figure.ours, figure.peer)}
    ready: dict[str, Contestant] = {}
    reasons: dict[str, str] = {}
    for name, contestant in contestants.items():
        say(f"preparing {name}")
        try:
            contestant.prepare()
            contestant.run()  # once to warm the caches of disk and file system
        except (Unavailable, RuntimeError, KrakenstateError) as why:
            reasons[name] = f"{name}: {why}".splitlines()[-1]
            say(f"skipped {reasons[name]}")
        else:
            ready[name] = contestant
    samples: dict[str, list[Sample]] = {name: [] for name in ready}
    for number in range(rounds):
        for name, contestant in ready.items():
            samples[name].append(contestant.run())
        say(f"round {number + 1} of {rounds} done")

    def values(side: Contestant, figure: Figure) -> tuple[float, ...]:
        return tuple(getattr(sample, figure.measure) for sample in samples[side.name])

    def result(figure: Figure) -> Result:
        missing = [reasons[side.name] for side in (figure.ours, figure.peer) if side.name in reasons]
        if missing:
            return Result(figure, why_not=missing[0])
        return Result(figure, values(figure.ours, figure), values(figure.peer, figure))

    return [result(figure) for figure in figures]


def ratio(result: Result) -> float:
    """Our median over the peer's."""
    return statistics.median(result.ours) / statistics.median(result.peer)
