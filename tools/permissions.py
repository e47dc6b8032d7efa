"""Writes ``docs/permissions.md``: what each call of Kraken needs, from the tables that derive it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from krakenstate.errors import CallsExceedRights, CallUnknown, PermissionDenied
from krakenstate.model import roles
from krakenstate.model.endpoints import DERIVATIVES, READ_ON, SPOT, DerivativesCall, SpotCall
from krakenstate.model.vocabulary import MOVES_FUNDS, Access, Permission

_INTRODUCTION = f"""\
# Permissions by call

A key that lists the calls its process makes gets the least that they need, and the plan and the task to
create it say what each right is there for:

```python
SpotKey(name="quoter", account=mm, process=quoter, calls=["AddOrder", "CancelOrder", "OpenOrders"])
```

It is the same key, with the same plan digest, as one whose `permissions` are `modify-trades`,
`close-trades` and `query-open-trades`. A name must be exactly one of those below; another is refused with
what is spelled alike ({CallUnknown.code}). Where `calls` and `permissions` are both declared the
permissions count: too few are refused ({CallsExceedRights.code}), and those that no call needs are
pointed out. `calls=[]` is no rights at all.

The tables follow Kraken's pages as of {READ_ON}; no row was tried against a live account. The page of the
endpoint decides. Where Kraken's guide or support pages name another right as well, it is added if it is a
right to read, to deposit or to cancel; a right to trade or to move funds never is, but for orders over
WebSocket. *In doubt* marks what is contradictory or inferred. When Kraken denies a call
({PermissionDenied.code}), krakenstate does not widen the key: declare what is missing, in review.

What is in no table is not derived: the management calls of Prime and Custody, portfolio margining, FIX,
and `update-withdraw-address`, which no page names. With a permission in **bold** funds can leave."""

_ROLES = """\
The [roles](kraken.md#roles) are sets of permissions derived from these calls:"""

_SPOT = """\
REST calls go by the end of their path (`/0/private/AddOrder` is `AddOrder`), those of Funding (Beta) by
method and path, WebSocket channels and methods by their own name. `QueryOrders` and `OrderAmends` need
both rights to read orders unless the process asks for open, or for closed ones alone."""

_DERIVATIVES = """\
`general` is the highest level that any of the calls asks for; `transfer` is `FULL_ACCESS` for `POST
withdrawal` and `NO_ACCESS` without it. REST calls go by method and path below `/derivatives/api/v3/`, or
by the whole path where they lie elsewhere; feeds by their own name."""


def permissions_page(generated: str) -> str:
    """Every call with what is derived for it, by platform and family.

    Args:
        generated: The line that says that a page was made from the code.
    """
    parts = [generated, _INTRODUCTION, _ROLES, _table(("Role", "Calls"), _roles())]
    parts += ["## Spot", _SPOT]
    for family in dict.fromkeys(call.family for call in SPOT):
        rows = [_spot_row(call) for call in SPOT if call.family == family]
        parts += [f"### {family}", _table(("Call", "Permissions", "Its page asks for", "Remarks"), rows)]
    parts += ["## Derivatives", _DERIVATIVES]
    for family in dict.fromkeys(call.family for call in DERIVATIVES):
        rows = [_derivatives_row(call) for call in DERIVATIVES if call.family == family]
        parts += [f"### Derivatives: {family}", _table(("Call", "`general`", "`transfer`", "Remarks"), rows)]
    return "\n\n".join(parts) + "\n"


def _roles() -> list[tuple[str, ...]]:
    return [(f"`{name}`", ", ".join(f"`{call}`" for call in calls)) for name, calls in roles.CALLS.items()]


def _spot_row(call: SpotCall) -> tuple[str, ...]:
    needs = ", ".join(_permission(p) for p in Permission if p in call.needs)
    return f"`{call.name}`", needs or "none", call.documented, _remarks(call)


def _permission(permission: Permission) -> str:
    shown = f"`{permission.value}`"
    return f"**{shown}**" if permission in MOVES_FUNDS else shown


def _derivatives_row(call: DerivativesCall) -> tuple[str, ...]:
    return f"`{call.name}`", _level(call.general), _level(call.transfer), _remarks(call)


def _level(level: Access) -> str:
    return "none" if level is Access.NO_ACCESS else f"`{level.value}`"


def _remarks(call: SpotCall | DerivativesCall) -> str:
    doubt = f"*in doubt*: {call.doubt}" if call.doubt else ""
    return "; ".join(text for text in (doubt, call.remark) if text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
