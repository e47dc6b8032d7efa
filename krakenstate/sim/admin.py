"""The people's side door: their deeds over HTTP below `/_sim/`, behind a token.

`POST /_sim/<operation>` with a JSON object; HTTP 200 with the result, 400 with `error` and `next_step`,
403 without the token.
"""

import hmac
from collections.abc import Callable
from datetime import UTC
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from krakenstate.sim import mail, web
from krakenstate.sim.errors import DevError
from krakenstate.sim.networks import checked_address
from krakenstate.sim.remote import ADMIN_HEADER
from krakenstate.sim.requests import (
    AccountChoice,
    Address,
    BudgetChange,
    CidrChange,
    ClockChange,
    DialectChange,
    DuplicatesChange,
    Egress,
    Empty,
    KeyChoice,
    KeyEdit,
    LockoutChange,
    NewAccount,
    NewFault,
    NewKey,
    TicketText,
)
from krakenstate.sim.simulation import Simulation
from krakenstate.sim.views import describe_world
from krakenstate.sim.world import Dialect, Fault

ADMIN_PREFIX = "/_sim/"


def is_admitted(headers: dict[str, str], token: str) -> bool:
    """Whether the caller knows the token of this simulator."""
    return hmac.compare_digest(headers.get(ADMIN_HEADER, "").encode(), token.encode())


def perform(sim: Simulation, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carry out one operation and keep its effect.

    Raises:
        DevError: it cannot be done; the world is as before.
    """
    if operation not in DEEDS:
        raise DevError(f"The simulator knows no operation {operation}", "Use the same version on both sides.")
    model, deed = DEEDS[operation]
    try:
        request = model.model_validate(arguments)
    except ValidationError as problem:
        raise DevError(_explain(problem), "See the command's --help.") from problem
    result = deed(sim, request)
    sim.save()
    return result


def _explain(problem: ValidationError) -> str:
    """The first thing that is wrong, without the value that was given."""
    first = problem.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "request"
    return f"{where.replace('_', '-')}: {first['msg'].removeprefix('Value error, ')}"


def _egress(sim: Simulation, request: Egress) -> dict[str, Any]:
    if request.address is not None:
        sim.world.egress = checked_address(request.address)
    return {"egress": sim.world.egress}


def _budget(sim: Simulation, request: BudgetChange) -> dict[str, Any]:
    if request.on is not None:
        sim.world.budgets = request.on
    return {"budgets": sim.world.budgets}


def _lockout(sim: Simulation, request: LockoutChange) -> dict[str, Any]:
    if request.scope is not None:
        sim.world.lockout = request.scope
    return {"lockout": sim.world.lockout}


def _duplicates(sim: Simulation, request: DuplicatesChange) -> dict[str, Any]:
    if request.answer is not None:
        sim.world.duplicates = request.answer
    return {"duplicates": sim.world.duplicates}


def _cidr(sim: Simulation, request: CidrChange) -> dict[str, Any]:
    if request.fields is not None:
        sim.world.cidr_fields = request.fields
    return {"cidr_fields": sim.world.cidr_fields}


def _dialect(sim: Simulation, request: DialectChange) -> dict[str, Any]:
    if request.words is not None:
        sim.world.dialects = cast("list[Dialect]", request.words)
    return {"dialects": sim.world.dialects}


def _add_fault(sim: Simulation, request: NewFault) -> dict[str, Any]:
    attributes = request.model_dump(exclude={"times"})
    sim.world.faults.append(Fault(left=request.times, **attributes))
    return _list_faults(sim, Empty())


def _list_faults(sim: Simulation, _: Empty) -> dict[str, Any]:
    return {"faults": [fault.model_dump(mode="json") for fault in sim.world.faults]}


def _clear_faults(sim: Simulation, _: Empty) -> dict[str, Any]:
    sim.world.faults = []
    return _list_faults(sim, Empty())


def _clock(sim: Simulation, request: ClockChange) -> dict[str, Any]:
    if request.set is not None:
        sim.clock.set_to(request.set if request.set.tzinfo else request.set.replace(tzinfo=UTC))
    sim.clock.advance(request.advance_s)
    return {"now": sim.now().isoformat(), "offset_s": sim.clock.offset_s}


def _calls(sim: Simulation, _: Empty) -> dict[str, Any]:
    return {"calls": [call.model_dump(mode="json") for call in sim.world.calls]}


def _state(sim: Simulation, _: Empty) -> dict[str, Any]:
    return describe_world(sim.world, sim.now())


DEEDS: dict[str, tuple[type[BaseModel], Callable[[Simulation, Any], dict[str, Any]]]] = {
    "create-account": (NewAccount, web.create_account),
    "unlock-derivatives": (AccountChoice, web.unlock_derivatives),
    "create-key": (NewKey, web.create_key),
    "edit-key": (KeyEdit, web.edit_key),
    "delete-key": (KeyChoice, web.delete_key),
    "list-keys": (AccountChoice, web.show_keys),
    "support-process": (TicketText, mail.process_ticket),
    "email-list": (Empty, mail.list_mails),
    "email-confirm": (Address, mail.confirm),
    "egress": (Egress, _egress),
    "budget": (BudgetChange, _budget),
    "lockout": (LockoutChange, _lockout),
    "duplicates": (DuplicatesChange, _duplicates),
    "cidr": (CidrChange, _cidr),
    "dialect": (DialectChange, _dialect),
    "fault": (NewFault, _add_fault),
    "fault-list": (Empty, _list_faults),
    "fault-clear": (Empty, _clear_faults),
    "clock": (ClockChange, _clock),
    "calls": (Empty, _calls),
    "state": (Empty, _state),
}
