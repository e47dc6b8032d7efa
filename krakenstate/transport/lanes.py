"""Lanes: calls on one account run one after another and keep Kraken's call budget; lanes run side by side.

How this works: a lane is a lock with the account's budgets, one per platform. A call takes its turn, waits
until the budget has room, is sent once, and is counted when its answer came, whatever that was. When Kraken
itself refuses a call because a budget is used up (others may use the same account), that call is not
repeated; the later ones of the lane wait. A lane waits for that a minute at most in all; then its calls are
not made.

A lane lives as long as a run: what earlier runs have spent is not known here, nor is what others spend.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from krakenstate.errors import RateLimited
from krakenstate.model.address import Address
from krakenstate.model.base import format_instant
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.transport.budgets import Budget

MAX_PAUSE_S = 60.0
"""How long a lane waits in all because Kraken refused calls; waiting for its own count is not limited."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tariff:
    """What calls cost on one platform.

    Args:
        budget: Makes an account's budget, with nothing spent.
        costs: Of every call that is made there, in the budget's units.
        pause_s: How long to wait after a refusal that names no instant.
    """

    budget: Callable[[], Budget]
    costs: Mapping[SignedCall, float]
    pause_s: float


@dataclass
class _Lane:
    turn: threading.Lock = field(default_factory=threading.Lock)
    budgets: dict[Api, Budget] = field(default_factory=dict)
    paused_until: float | None = None
    paused_s: float = 0.0


def _now() -> datetime:
    return datetime.now(UTC)


class Lanes:
    """``providers.base.Lanes`` of one run. Safe to share between threads.

    Args:
        tariffs: Of each platform.
        clock: The time of day in UTC, to understand the instants that Kraken names.
        monotonic: Seconds that never go back.
        sleep: Waits for so many of these seconds.
    """

    def __init__(
        self,
        tariffs: Mapping[Api, Tariff],
        *,
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._tariffs = tariffs
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._lanes: dict[Address, _Lane] = {}
        self._mutex = threading.Lock()

    def run(self, account: Address, api: Api, call: SignedCall, send: Callable[[], T]) -> T:
        """Sends one call when the account's lane lets it.

        ``send`` must not ask for a turn itself.

        Raises:
            RateLimited: Kraken refused; or it refused earlier calls of this lane, and this one was not sent.
            Exception: Whatever else ``send`` raised.
        """
        tariff = self._tariffs[api]
        lane = self._lane(account)
        with lane.turn:
            budget = lane.budgets.get(api) or lane.budgets.setdefault(api, tariff.budget())
            self._sit_out(lane, account)
            while (wait_s := budget.wait_s(tariff.costs[call], self._monotonic())) > 0:
                self._sleep(wait_s)
            try:
                return send()
            except RateLimited as refusal:
                lane.paused_until = self._monotonic() + self._pause_s(tariff, refusal)
                raise
            finally:
                budget.charge(tariff.costs[call], self._monotonic())

    def least_s(self, calls: Iterable[tuple[Address, Api, SignedCall]]) -> float:
        """The seconds that these calls take at least, for their budgets alone: each answered at once."""
        begin = self._monotonic()
        ends: dict[Address, float] = {}
        budgets: dict[tuple[Address, Api], Budget] = {}
        for account, api, call in calls:
            if (account, api) not in budgets:
                spent = self._lane(account).budgets.get(api)
                budgets[account, api] = spent.copy() if spent else self._tariffs[api].budget()
            budget = budgets[account, api]
            cost, at = self._tariffs[api].costs[call], ends.get(account, begin)
            ends[account] = at + budget.wait_s(cost, at)
            budget.charge(cost, ends[account])
        return max(ends.values(), default=begin) - begin

    def _lane(self, account: Address) -> _Lane:
        with self._mutex:
            lane = self._lanes.get(account)
            if lane is None:
                lane = self._lanes[account] = _Lane()
            return lane

    def _pause_s(self, tariff: Tariff, refusal: RateLimited) -> float:
        named = refusal.again_at
        return max(tariff.pause_s, (named - self._clock()).total_seconds()) if named else tariff.pause_s

    def _sit_out(self, lane: _Lane, account: Address) -> None:
        """Waits until the pause that a refusal began is over.

        Raises:
            RateLimited: That is too long. Nothing was sent.
        """
        if lane.paused_until is None:
            return
        rest_s = lane.paused_until - self._monotonic()
        if lane.paused_s + rest_s > MAX_PAUSE_S:
            until = self._clock() + timedelta(seconds=rest_s)
            raise RateLimited(
                f"Not asked: Kraken throttles the calls on {account}, which is left alone until "
                f"{format_instant(until)}, longer than a run waits for it.",
                next_step="Run the command again after that instant.",
            )
        lane.paused_s += max(0.0, rest_s)
        while (rest_s := lane.paused_until - self._monotonic()) > 0:
            self._sleep(rest_s)
        lane.paused_until = None
