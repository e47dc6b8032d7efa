"""The built-in rules. A rule is a function over the desired state that returns what it refuses."""

from __future__ import annotations

from collections.abc import Callable

from krakenstate.errors import PolicyError
from krakenstate.model.declarations import Key
from krakenstate.model.desired import Desired

Rule = Callable[[Desired], list[PolicyError]]


def keys_of_production_have_an_allowlist(desired: Desired) -> list[PolicyError]:
    """A production key that is open to the whole world is refused."""
    if not desired.head.environment.is_production:
        return []
    return [
        PolicyError(
            f"{key.address} declares allowlist=[], so it works from anywhere in the world. Whoever gets hold "
            "of its secret can use it.",
            next_step="Name the networks its process calls from: allowlist=[...]",
            address=key.address,
            source=key.source,
        )
        for key in desired.of(Key)
        if key.networks == ()
    ]


RULES: tuple[Rule, ...] = (keys_of_production_have_an_allowlist,)


def violations(desired: Desired) -> list[PolicyError]:
    """Everything the rules refuse, by address."""
    return sorted((found for rule in RULES for found in rule(desired)), key=lambda v: v.address or "")
