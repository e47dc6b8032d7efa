"""Nonces that come from a clock: in which unit, and by which clock, so that they overtake no process.

A process counts in a unit of its own, which is declared and never guessed. A nonce is read from the slower of
two clocks, this machine's and Kraken's. Source: docs/kraken.md, nonce units.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import NonceUnit

SERVER_TIME_STEP = timedelta(seconds=1)
"""Kraken tells whole seconds, so that a right clock is up to one ahead of what it tells."""


def unit_of(terms: KeyTerms) -> NonceUnit | None:
    """The unit in which a key may be asked from the clock; ``None`` if in none.

    A key that controls an account is used by this program alone, in milliseconds whatever is declared. Any
    other is asked in its declared unit, and never if that is a counter or undeclared.
    """
    if terms.controls:
        return NonceUnit.MILLISECONDS
    return None if terms.nonce_unit is NonceUnit.COUNTER else terms.nonce_unit


def by_slower_clock(now: datetime, offset: timedelta) -> datetime:
    """This instant, without what this machine's clock is known to be ahead of Kraken's.

    Args:
        now: By this machine's clock.
        offset: How far it is ahead of Kraken's, as Kraken told the time.
    """
    return now - max(offset - SERVER_TIME_STEP, timedelta(0))


def nonce_at(instant: datetime, unit: NonceUnit) -> int:
    """The nonce that a client of this unit sends at an instant, or a hair less.

    Raises:
        ValueError: The unit is a counter.
    """
    return unit.at(int(instant.timestamp() * 1_000_000) * 1_000)
