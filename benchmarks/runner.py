"""Rounds: every contestant once, one after another, so that a busy machine slows all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.figures import Contestant, Figure, Result, Sample, Unavailable


def measure(figures: Sequence[Figure], rounds: int, say: Callable[[str], None]) -> list[Result]:
    """Runs what the figures need, interleaved; a figure whose contestant cannot take part is left out."""
    contestants = {side.name: side for figure in figures for side in (figure.ours, figure.peer)}
    ready: dict[str, Contestant] = {}
    for name, contestant in contestants.items():
        say(f"preparing {name}")
        try:
            contestant.prepare()
            contestant.run()  # once to warm the caches of disk and file system
        except Unavailable as why:
            say(f"skipped {name}: {why}")
        else:
            ready[name] = contestant
    samples: dict[str, list[Sample]] = {name: [] for name in ready}
    for number in range(rounds):
        for name, contestant in ready.items():
            samples[name].append(contestant.run())
        say(f"round {number + 1} of {rounds} done")

    def values(side: Contestant, figure: Figure) -> tuple[float, ...]:
        return tuple(getattr(sample, figure.measure) for sample in samples[side.name])

    return [
        Result(figure, values(figure.ours, figure), values(figure.peer, figure))
        for figure in figures
        if figure.ours.name in ready and figure.peer.name in ready
    ]


def ratio(result: Result) -> float:
    """Our median over the peer's."""
    return statistics.median(result.ours) / statistics.median(result.peer)
