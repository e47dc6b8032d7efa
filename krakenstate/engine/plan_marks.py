"""What a planner adds to a step: protection, watching only, renames, letting go."""

from __future__ import annotations

from krakenstate.engine.key_values import recorded_values
from krakenstate.engine.moves import Renames, what_stays
from krakenstate.engine.outlook import Outlook, account_name, key_label, known_last_four
from krakenstate.engine.steps import by_api, held_up
from krakenstate.errors import MoveImpossible, Protected, RenameLikely
from krakenstate.model.address import Address
from krakenstate.model.declarations import (
    DerivativesSubaccount,
    Grant,
    Key,
    SpotSubaccount,
)
from krakenstate.model.entry import Declaration
from krakenstate.model.plan import Action, AttributeChange, Check, Reason, Step
from krakenstate.model.state import AccountRecord, GrantRecord, KeyRecord

AnyRecord = AccountRecord | KeyRecord | GrantRecord


def marked(step: Step, resource: Declaration, look: Outlook, pending: Renames) -> Step:
    """A declared resource's step, after what its declaration says of protection, watching and renames."""
    step = _only_observed(step) if resource.observe_only else _protected(step, resource, look)
    previous = pending.get(step.address) if pending else None
    return step.model_copy(update={"previous_address": previous}) if previous else step


def refuse_protected(record: AnyRecord, look: Outlook) -> None:
    """Nothing protected leaves.

    Raises:
        Protected: The record says that it is.
    """
    if record.protect:
        said = look.desired.removed.get(record.address)
        how = "Removed says to let go of it" if said else "the stack no longer declares it"
        raise Protected(
            f"{record.address} was applied with protect=True, and {how}. A protected resource stays, also "
            "without its block.",
            address=record.address,
            source=said.source if said else None,
        )


def plan_let_go(record: AnyRecord, look: Outlook) -> Step:
    """The state lets go as a ``Removed`` says; an account after its keys."""
    label = record_label(record, look)
    keys = tuple(str(key.address) for key in look.state.keys_on(record.address))
    if keys:
        return held_up(record.address, label, "an account leaves the state after its keys", waits_on=keys)
    note = f"as Removed says; {what_stays(record)}"
    before = recorded_values(record) if isinstance(record, KeyRecord) else {}
    return by_api(record.address, Action.FORGET, Reason.LET_GO, label, note=note, before=before)


def record_label(record: AnyRecord, look: Outlook) -> str:
    """How people know what is recorded."""
    match record:
        case KeyRecord():
            account = account_name(look.state.account(record.account), record.account)
            return key_label(record.key_name, known_last_four(record), account)
        case AccountRecord():
            return f'account "{record.username or record.address.name}"'
        case GrantRecord():
            return f'policy "{record.policy_name}"'


def find_rename_checks(look: Outlook) -> tuple[Check, ...]:
    """Renames without a ``Moved``, and a ``Moved`` that renames nothing."""
    recorded = {record.address: record for record in look.state.records}
    found: list[Check] = []
    for address, record in recorded.items():
        if address in look.desired.resources or address in look.desired.removed:
            continue
        for resource in look.desired.resources.values():
            if resource.address in recorded or resource.type_name != address.type:
                continue
            same = _identity(record, resource)
            if same:
                text = (
                    f"{address} leaves and {resource.address} is new, and both are {same}. If it was "
                    f'renamed, say so: stack.add(Moved(old="{address}", new="{resource.address}"))'
                )
                found.append(Check(code=RenameLikely.code, address=resource.address, text=text))
    for move in look.desired.moves.values():
        new = look.desired.moved_to(move.old)
        if new not in recorded and move.old not in recorded:
            line = f" on line {move.source.line}" if move.source else ""
            text = f"Moved{line} renames nothing: the state records neither {move.old} nor {new}"
            found.append(Check(code=MoveImpossible.code, address=new, text=text))
    return tuple(sorted(found, key=lambda c: (c.address or Address("a.a"), c.text)))


def _identity(record: AnyRecord, resource: Declaration) -> str:
    """What makes a recorded and a declared resource the same one, in a few words; empty if nothing does."""
    match record, resource:
        case KeyRecord(), Key() if (record.process, record.account) == (
            resource.process.address,
            resource.account.address,
        ):
            return f"the key of {record.process} on {record.account}"
        case AccountRecord(), SpotSubaccount() if record.username == resource.username:
            return f'the account "{record.username}"'
        case AccountRecord(), SpotSubaccount() | DerivativesSubaccount() if record.email == resource.email:
            return f"the account of {record.email}"
        case GrantRecord(), Grant() if record.process == resource.process.address:
            return f"the policy of {record.process}"
        case _:
            return ""


def _only_observed(step: Step) -> Step:
    """Nothing is done; what would be done is told."""
    if step.action.step_class is None:
        return step
    return step.model_copy(
        update={
            "action": Action.NO_OP,
            "reason": Reason.OBSERVE_ONLY,
            "would": step.action,
            "actor": None,
            "task_kind": None,
            "task_id": None,
            "assignee": None,
        }
    )


def _protected(step: Step, resource: Declaration, look: Outlook) -> Step:
    """Recording that protection was switched on or off is a change of its own, once nothing else is to do."""
    if step.action is not Action.NO_OP:
        return step
    record = look.state.find(resource.address)
    if record is None or record.protect is resource.protect:
        return step
    return by_api(
        step.address,
        Action.UPDATE,
        Reason.DECLARATION_CHANGED,
        step.label,
        note="recorded in the state alone",
        before={"protect": record.protect},
        after={"protect": resource.protect},
        changes=[AttributeChange(name="protect", before=record.protect, after=resource.protect)],
    )
