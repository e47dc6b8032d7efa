"""Asking one key that stands alone: no stack, no Vault, hence no breaker and no record of nonces.

How this works: a Derivatives key is asked without a nonce. A Spot key is asked with the nonce 1 if it was
never used, else with this machine's clock in the unit of the process that uses it; what the clock is ahead of
Kraken's is taken off, so that the nonce comes from no future.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from krakenstate.engine.nonces import by_slower_clock, nonce_at
from krakenstate.engine.observe import check_offset
from krakenstate.errors import InvalidNonce
from krakenstate.model.credential import Credential
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import NonceUnit
from krakenstate.providers.base import KeyInspector, ServerClock

FRESH_NONCE = 1


def ask_alone(
    inspector: KeyInspector,
    credential: Credential,
    unit: NonceUnit | None,
    *,
    server: ServerClock,
    clock: Callable[[], datetime],
) -> KeyDescription:
    """One question to one key, never repeated.

    Args:
        inspector: Of the key's platform.
        credential: Both halves.
        unit: Of the process that uses the key; ``None`` for one that was never used.
        server: Kraken's clock.
        clock: This machine's.

    Raises:
        ClockOff: The two clocks differ by more than a minute. The key was not asked.
        KrakenError: What the key answered, or why there was no answer.
    """
    if not inspector.takes_nonce:
        return inspector.describe_key(credential, None)
    if unit is None:
        try:
            return inspector.describe_key(credential, FRESH_NONCE)
        except InvalidNonce:
            raise InvalidNonce(
                "The key refused the nonce 1, so it is not fresh: it has been used before.",
                next_step="Wait 15 minutes, then name its process's unit with --nonce-unit.",
            ) from None
    offset = check_offset(clock() - server.server_time())
    return inspector.describe_key(credential, nonce_at(by_slower_clock(clock(), offset), unit))
