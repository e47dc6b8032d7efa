"""From the calls that a process makes to the least that its key must be allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from krakenstate.model.endpoints import DERIVATIVES, SPOT, DerivativesCall, SpotCall
from krakenstate.model.vocabulary import Access, Permission

SPOT_CALLS: Mapping[str, SpotCall] = {call.name: call for call in SPOT}
DERIVATIVES_CALLS: Mapping[str, DerivativesCall] = {call.name: call for call in DERIVATIVES}
LEVELS = ("general", "transfer")
"""The two of a Derivatives key, by the names of their fields."""

_SUGGESTED_MAX = 3
_SHOWN_MAX = 60


class UnknownCall(ValueError):
    """A call that no table has, so that nothing can be derived from it."""


class TooLittle(ValueError):
    """What is declared does not suffice for the calls that are declared with it."""


def check_spot_call(name: str) -> str:
    """The name itself.

    Raises:
        UnknownCall: No Spot call is called exactly so.
    """
    return _check(name, SPOT_CALLS, DERIVATIVES_CALLS, "Derivatives")


def check_derivatives_call(name: str) -> str:
    """The name itself.

    Raises:
        UnknownCall: No Derivatives call is called exactly so.
    """
    return _check(name, DERIVATIVES_CALLS, SPOT_CALLS, "Spot")


def permissions_of(calls: Iterable[str]) -> frozenset[Permission]:
    """The smallest set of permissions with which a Spot key can make all of these known calls."""
    return frozenset(permission for name in calls for permission in SPOT_CALLS[name].needs)


def level_of(which: str, calls: Iterable[str]) -> Access:
    """The lowest ``general`` or ``transfer`` level with which a Derivatives key can make all of them."""
    asked: list[Access] = [getattr(DERIVATIVES_CALLS[name], which) for name in calls]
    return max(asked, key=lambda level: level.rank, default=Access.NO_ACCESS)


def permissions_with(
    declared: frozenset[Permission] | None, calls: Sequence[str] | None
) -> frozenset[Permission] | None:
    """What a key with these calls may do: what they need unless permissions are declared as well.

    Raises:
        TooLittle: The declared permissions do not suffice.
    """
    if calls is None:
        return declared
    needed = permissions_of(calls)
    if declared is None:
        return needed
    if missing := needed - declared:
        raise TooLittle(
            f"its calls need {explain(permission_reasons(missing, calls))}, which permissions leaves out"
        )
    return declared


def level_with(which: str, declared: Access | None, calls: Sequence[str] | None) -> Access | None:
    """The same for a level of a Derivatives key.

    Raises:
        TooLittle: The declared level does not suffice.
    """
    if calls is None:
        return declared
    needed = level_of(which, calls)
    if declared is None:
        return needed
    if declared.rank < needed.rank:
        why = explain({f"{which} {needed.value}": _asking(which, needed, calls)})
        raise TooLittle(f"its calls need {why}, and {declared.value} is declared")
    return declared


def permission_reasons(permissions: Iterable[Permission], calls: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Which calls each permission is there for, by permission; none where none needs it."""
    return {
        permission.value: tuple(name for name in calls if permission in SPOT_CALLS[name].needs)
        for permission in sorted(permissions)
    }


def level_reasons(levels: Mapping[str, Access | None], calls: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Which calls ask for each level that is more than nothing; none where they ask for less."""
    return {
        f"{which} {level.value}": _asking(which, level, calls)
        for which, level in levels.items()
        if level is not None and level is not Access.NO_ACCESS
    }


def explain(reasons: Mapping[str, Sequence[str]]) -> str:
    """``close-trades (CancelOrder), query-funds (Balance, BalanceEx)``."""
    return ", ".join(
        f"{right} ({', '.join(calls) if calls else 'none of its calls'})" for right, calls in reasons.items()
    )


def unneeded(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """The rights that no call is the reason for."""
    return [right for right, calls in reasons.items() if not calls]


def doubtful(calls: Iterable[str]) -> list[str]:
    """Those of some known calls whose row is contradictory or inferred."""
    rows: dict[str, SpotCall | DerivativesCall] = {**DERIVATIVES_CALLS, **SPOT_CALLS}
    return [name for name in calls if rows[name].doubt]


def _asking(which: str, level: Access, calls: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in calls if getattr(DERIVATIVES_CALLS[name], which) is level)


def _check(name: str, known: Mapping[str, object], others: Mapping[str, object], of_others: str) -> str:
    if name in known:
        return name
    shown = f'"{name[:_SHOWN_MAX]}"'
    if name in others:
        raise UnknownCall(f"{shown} is a call of {of_others} keys, which work on the other platform alone")
    near = _near(name, known)
    hint = f". Did you mean {_either(near)}?" if near else ""
    raise UnknownCall(f"{shown} is no call whose needs are known, so none can be derived{hint}")


def _either(words: Sequence[str]) -> str:
    """``A, B or C``."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _near(name: str, known: Mapping[str, object]) -> list[str]:
    """Names that differ in case, in what goes before the last word, or in a few letters."""
    word = name.lower()
    by_form: dict[str, list[str]] = {}
    for each in known:
        by_form.setdefault(each.lower(), []).append(each)
    ends = [
        each for form, names in by_form.items() if form.endswith((f"/{word}", f" {word}")) for each in names
    ]
    alike = [
        each
        for form in difflib.get_close_matches(word, by_form, n=_SUGGESTED_MAX, cutoff=0.7)
        for each in by_form[form]
    ]
    return list(dict.fromkeys([*ends, *alike]))[:_SUGGESTED_MAX]
