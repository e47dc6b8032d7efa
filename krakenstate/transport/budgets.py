"""Call budgets: how long a call must wait so that the calls sent here never exceed what Kraken allows.

How this works: nobody tells when Kraken counted a call, only that it was between sending and answer. So a
call is counted when its answer came, and the next is judged when it is to be sent: whatever the network did
between, Kraken's own count was never higher. That costs one round trip in a row of waiting calls, not one per
call. Other programs may use up the same account's budget; that shows only when Kraken refuses.

Instants are seconds of a clock that never goes back; it need not tell the time of day.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import Protocol, Self

_HAIR = 1e-4
"""Kept free, in units of the budget: two computations of one counter can differ in their last digits."""


class Budget(Protocol):
    """What one account may spend on one platform."""

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until a call may be sent that costs so much; 0 if it may be sent now.

        Raises:
            ValueError: It costs more than the whole budget, so that no waiting would help.
        """

    def charge(self, cost: float, now: float) -> None:
        """Counts a call whose answer came, or failed to come, at this instant."""

    def copy(self) -> Self:
        """One that stands as high and is counted for itself."""


class Counter:
    """A counter that each call raises and time lowers.

    Args:
        maximum: How high it may stand.
        decay_per_s: How far it sinks in a second.
    """

    def __init__(self, maximum: float, decay_per_s: float) -> None:
        self._maximum = maximum
        self._decay_per_s = decay_per_s
        self._level = 0.0
        self._at = 0.0

    def wait_s(self, cost: float, now: float) -> float:
        """Until the counter has room for the cost."""
        _check(cost, self._maximum)
        excess = self._sunk(now) + cost - self._maximum
        return 0.0 if excess <= -_HAIR or not self._level else (excess + 2 * _HAIR) / self._decay_per_s

    def charge(self, cost: float, now: float) -> None:
        """Raises the counter."""
        self._level, self._at = self._sunk(now) + cost, now

    def copy(self) -> Self:
        """One that stands as high and is counted for itself."""
        return copy(self)

    def _sunk(self, now: float) -> float:
        return max(0.0, self._level - max(0.0, now - self._at) * self._decay_per_s)


class Window:
    """So many units in any span of a given length, wherever the remote side lets its spans begin.

    Args:
        units: How many.
        span_s: The length.
    """

    def __init__(self, units: float, span_s: float) -> None:
        self._units = units
        self._span_s = span_s
        self._spent: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def wait_s(self, cost: float, now: float) -> float:
        """Until enough of what was spent lies further back than the span."""
        _check(cost, self._units)
        self._forget(now)
        short = self._total + cost - self._units
        for at, spent in self._spent:
            if short <= 0:
                break
            short -= spent
            if short <= 0:
                return at + self._span_s + _HAIR - now
        return 0.0

    def charge(self, cost: float, now: float) -> None:
        """Notes what was spent, and when."""
        self._spent.append((now, cost))
        self._total += cost

    def copy(self) -> Self:
        """One of which as much is spent, and which is counted for itself."""
        other = copy(self)
        other._spent = deque(self._spent)
        return other

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self._span_s < now:
            self._total -= self._spent.popleft()[1]
        if not self._spent:
            self._total = 0.0  # whatever parts of a unit were lost in the last digits


def _check(cost: float, limit: float) -> None:
    if cost > limit:
        raise ValueError(f"a call that costs {cost:g} never fits into a budget of {limit:g}")
