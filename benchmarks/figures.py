"""What is compared: contestants, and figures that are ratios between two of them.

How this works: a module with figures has a function that takes the ``Workshop`` and yields ``Figure``s. A
contestant may serve several figures; it is prepared once, before the first round, and runs once a round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Measure = Literal["seconds", "peak_mib", "per_second"]


class Unavailable(Exception):
    """A contestant cannot take part on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds on the clock, and where measured the peak memory of its largest process in MiB, or the
    calls it made in a second."""

    seconds: float
    peak_mib: float = 0.0
    per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that is measured.

    Args:
        name: Unique in a run.
        prepare: Makes what it needs, once; raises ``Unavailable``.
        run: One run.
    """

    name: str
    prepare: Callable[[], None] = field(repr=False)
    run: Callable[[], Sample] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio of medians, ours to the peer's.

    Args:
        id: As the table names it.
        what: In a few words.
        goal: The ratio to reach.
        ours: The measured side.
        peer: The side it is measured against: another program, or ourselves at another size.
        measure: What of a sample counts.
        at_least: Whether the goal is a floor instead of a ceiling.
    """

    id: str
    what: str
    goal: float
    ours: Contestant
    peer: Contestant
    measure: Measure = "seconds"
    at_least: bool = False

    def is_met(self, ratio: float) -> bool:
        """Whether a ratio reaches the goal."""
        return ratio >= self.goal if self.at_least else ratio <= self.goal

    @property
    def goal_text(self) -> str:
        """The goal as the tables show it."""
        return f"{'>=' if self.at_least else '<='} {self.goal:g}x"


@dataclass(frozen=True, slots=True)
class Result:
    """A figure and the values of its two sides, one a round, in seconds or MiB; or why there are none."""

    figure: Figure
    ours: tuple[float, ...] = ()
    peer: tuple[float, ...] = ()
    why_not: str = ""
