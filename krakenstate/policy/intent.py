"""Rules on what keys are for: the calls they name, and the stack in which they are tried first."""

from __future__ import annotations

from collections.abc import Iterator

from krakenstate.errors import ProofDenied, ProofUnreadable, VaultDenied
from krakenstate.model.calls import unneeded
from krakenstate.model.declarations import Key
from krakenstate.model.proof import Promoted
from krakenstate.policy.base import Case, Finding

PROMOTION = "promotion"


def rights_are_needed(case: Case) -> Iterator[Finding]:
    """Only of keys that name their calls; the list may be incomplete, so that it is no proof of misuse."""
    for key in case.desired.of(Key):
        reasons = key.reasons
        if reasons and (beyond := unneeded(reasons)):
            yield Finding(key, f"{key.address} has {', '.join(beyond)}, which none of its calls needs.")


def keys_are_verified_elsewhere(case: Case) -> Iterator[Finding]:
    """Only what is new or changed, and only where the stack says from which other one keys are promoted."""
    for promoted in case.promotions or ():
        if promoted.proof is None:
            yield _unproven(promoted, case)


def _unproven(promoted: Promoted, case: Case) -> Finding:
    key = case.desired.get(promoted.address)
    if promoted.unread:
        return Finding(
            key,
            f"{key.address} is new or changed, and whether the stack {promoted.stack} has verified it cannot "
            f"be told: {promoted.why_not}",
            error=ProofDenied if promoted.unread == VaultDenied.code else ProofUnreadable,
        )
    return Finding(
        key,
        f"{key.address} is new or changed, and the stack {promoted.stack} has not verified its configuration "
        f"in time: {promoted.why_not}.",
        next_step=f"Apply it in the stack {promoted.stack} and have the key verified there, or say who "
        f'answers for it: waivers=[Waiver(rule="{PROMOTION}", ...)]',
    )
