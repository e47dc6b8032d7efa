"""Renames and letting go: what may happen to a record while nothing happens at Kraken.

How this works: a rename changes what the state calls something. Where its secret lies stays as it is: the
process reads that path, and a secret that moved away from under it would stop it at its next start. The
record keeps the address the path was made from (``kept_as``), and the secret's metadata says which key it now
is, so that a lost state can be made anew. Letting go notes beside a secret that nobody manages it any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from krakenstate.engine.session import Writing
from krakenstate.errors import AddressTaken, MoveImpossible, Protected
from krakenstate.model.address import Address
from krakenstate.model.declarations import Account, Key
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration
from krakenstate.model.run import CallKind
from krakenstate.model.state import AccountRecord, GrantRecord, KeyRecord, State
from krakenstate.model.task import Task, TaskStatus

Renames = Mapping[Address, Address]
"""Old addresses by new ones."""


def foreseen(desired: Desired, state: State) -> tuple[State, Renames]:
    """The state as it will be once the stack's ``Moved`` were carried out, and which of them are not yet.

    Raises:
        AddressTaken: The state records something at both ends.
    """
    pending: dict[Address, Address] = {}
    if not desired.moves:
        return state, pending
    for record in state.records:
        new = desired.moved_to(record.address)
        if new == record.address:
            continue
        if new in pending or _is_recorded(state, new):
            raise AddressTaken(
                f"{desired.moves[record.address].old} is to become {new}, and the state records something at "
                f"{'both' if _is_recorded(state, new) else 'two addresses that lead there'}.",
                address=new,
                source=desired.moves[record.address].source,
            )
        pending[new] = record.address
    if not pending:
        return state, {}
    seen = state.copy()
    for new, old in pending.items():
        rename(seen, old, new)
    return seen, pending


def refuse_occupied(resource: Key, state: State) -> None:
    """A new key does not come to where the secret of a renamed one still lies.

    Its path in Vault is made from process and address, and a renamed key keeps the path of its first
    address: the new secret would replace the one in service there.

    Raises:
        AddressTaken: Another key's secrets are kept under this address, or will be.
    """
    if (own := state.find(resource.address)) is not None and isinstance(own, KeyRecord) and own.published:
        return
    for other in state.records:
        if isinstance(other, KeyRecord) and other.kept_as == resource.address != other.address:
            raise AddressTaken(
                f"{other.address} was called {resource.address} before, and its secrets still lie in Vault "
                "under that address, where its process reads them. A new key there would replace them.",
                next_step="Declare the new key under another name.",
                address=resource.address,
            )


def leans_on_move(resource: Declaration | None, pending: Renames) -> bool:
    """Whether a resource sits on an account that the state still knows by its old address."""
    account = resource.account if isinstance(resource, Key) else resource
    on = [account, getattr(account, "master", None)]
    return any(isinstance(a, Account) and a.address in pending for a in on)


def rename(state: State, old: Address, new: Address) -> None:
    """Renames in memory: the record, its tasks, and whatever refers to it.

    Raises:
        AddressUnknown: Nothing is recorded at ``old``.
    """
    record = state.record(old)
    changes: dict[str, object] = {"address": new}
    if isinstance(record, KeyRecord):
        left = record.adopted is not None and record.adopted.turned_away  # in quarantine
        stays = not record.is_as_adopted or record.rotation is not None or left  # else nothing is kept there
        changes["kept_as"] = record.shelf if stays else None
    _replace(state, record, changes, old, new)
    for other in list(state.records):
        referring: dict[str, object] = {}
        if isinstance(other, AccountRecord) and other.master == old:
            referring["master"] = new
        if isinstance(other, KeyRecord) and other.account == old:
            referring["account"] = new
        if isinstance(other, KeyRecord) and other.terms.controls == old:
            referring["terms"] = other.terms.model_copy(update={"controls": str(new)})
        if referring:
            _replace(state, other, referring, old, new)
    for task in state.tasks:
        if old in task.waits_on:
            state.put_task(task.model_copy(update={"waits_on": _swapped(task.waits_on, old, new)}))


def check_move(state: State, old: Address, new: Address) -> None:
    """Whether something recorded may take another address.

    Raises:
        AddressUnknown: Nothing is recorded at ``old``.
        AddressTaken: Something is recorded at ``new``.
        MoveImpossible: The types differ.
    """
    state.record(old)
    if old.type != new.type:
        raise MoveImpossible(f"{old} cannot become {new}: a rename keeps the type.", address=old)
    if _is_recorded(state, new):
        raise AddressTaken(f"The state records something at {new} already.", address=new)


def check_release(state: State, record: AccountRecord | KeyRecord | GrantRecord) -> None:
    """Whether the state may let go of a record.

    Raises:
        Protected: It was applied with ``protect=True``.
        MoveImpossible: It is an account whose keys are recorded.
    """
    if record.protect:
        raise Protected(f"{record.address} was applied with protect=True.", address=record.address)
    keys = [key.address for key in state.keys_on(record.address)]
    if keys:
        raise MoveImpossible(
            f"{record.address} has keys: an account leaves the state after {', '.join(keys)}.",
            next_step=f"First: krakenstate state rm {keys[0]}",
            address=record.address,
        )


def carry_out(run: Writing, old: Address, new: Address) -> None:
    """Renames for good: first beside the secret, then in the state. Either can be repeated.

    Raises:
        AddressUnknown: Nothing is recorded at ``old``.
        AddressTaken: Something is recorded at ``new``.
        PathNotManaged: The secret belongs to somebody else.
    """
    check_move(run.state, old, new)
    record = run.state.record(old)
    if isinstance(record, KeyRecord) and record.published is not None and not record.is_as_adopted:
        slot = run.session.shelf(record)
        run.write(
            CallKind.MOVE,
            old,
            {"new": str(new), "in": "metadata"},
            lambda: run.session.custody.note_address(slot, new),
        )
    rename(run.state, old, new)
    run.write(CallKind.MOVE, new, {"old": str(old), "in": "state"}, run.save)


def let_go(run: Writing, record: AccountRecord | KeyRecord | GrantRecord) -> str:
    """The state forgets a record and its tasks; what stays, and where, comes back as a sentence.

    Raises:
        PathNotManaged: The secret belongs to somebody else.
    """
    stays = "nothing else was touched"
    if isinstance(record, KeyRecord) and record.published is not None and not record.is_as_adopted:
        slot = run.session.shelf(record)
        run.write(
            CallKind.RELEASE, record.address, {"in": "metadata"}, lambda: run.session.custody.release(slot)
        )
    for task in run.state.open_tasks(record.address):
        if not task.subject:  # one about another key that exists and is nobody's stays open
            ended = {"status": TaskStatus.CANCELLED, "closed_at": run.now, "closed_because": "let go of"}
            run.state.put_task(task.model_copy(update=ended))
    run.state.forget(record.address)
    run.write(CallKind.RELEASE, record.address, {"in": "state"}, run.save)
    return f"{what_stays(record) or stays}"


def what_stays(record: AccountRecord | KeyRecord | GrantRecord) -> str:
    """What nobody looks after any more once the state has let go of a record."""
    match record:
        case AccountRecord():
            return f"the account {record.username or record.email} stays at Kraken"
        case GrantRecord():
            role = f" and the role {record.role_place}" if record.role_place else ""
            return f"the policy {record.policy_name}{role} stay{'' if role else 's'} in Vault"
        case KeyRecord() if record.published is not None:
            named = f'the key "{record.key_name}"' if record.key_name else "the key"
            chain = record.rotation.chain if record.rotation else ()
            also = "".join(f"; so do {r.old.named} and its retired secret" for r in chain if r.retired)
            return (
                f"{named} (...{record.published.last_four}) stays at Kraken, and its secret at "
                f"{record.published.path}{also}"
            )
        case KeyRecord() if record.is_as_adopted:
            return f'the key "{record.key_name}" stays at Kraken'
        case KeyRecord() if record.candidate is not None:
            return f"the key (...{record.candidate.last_four}) stays at Kraken, and its secret in quarantine"
        case _:
            return "no key was handed in"


def _replace(
    state: State,
    record: AccountRecord | KeyRecord | GrantRecord,
    changes: Mapping[str, object],
    old: Address,
    new: Address,
) -> None:
    """Puts a record in another's place; its tasks go with it, into the document it now belongs to."""
    changed = record.model_copy(update=dict(changes))
    tasks = state.take_out(record.address)
    state.put(changed)
    for task in tasks:
        state.put_task(_renamed(task.model_copy(update={"address": changed.address}), old, new))


def _renamed(task: Task, old: Address, new: Address) -> Task:
    """A task whose texts name the new address; its id stays, since people hold it."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(old)}(?![\w-])")
    texts = {name: pattern.sub(new, getattr(task, name)) for name in ("title", "instructions", "correction")}
    return task.model_copy(update=texts)


def _swapped(addresses: tuple[str, ...], old: Address, new: Address) -> tuple[str, ...]:
    return tuple(str(new) if address == old else address for address in addresses)


def _is_recorded(state: State, address: Address) -> bool:
    return state.find(address) is not None
