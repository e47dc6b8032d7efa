"""Which keys of an account somebody is asked to make and hand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from krakenstate.engine.reading import load_state
from krakenstate.engine.session import Session
from krakenstate.errors import AddressUnknown, HandInNotExpected
from krakenstate.model.address import Address
from krakenstate.model.declarations import Account, Key
from krakenstate.model.desired import Desired
from krakenstate.model.state import KeyRecord
from krakenstate.model.task import Task, TaskKind


@dataclass(frozen=True, slots=True)
class Awaited:
    """A declared key, what was approved of it, and the open task that asks for it."""

    key: Key
    record: KeyRecord
    task: Task


def find_account(desired: Desired, name: str) -> Account:
    """The declared account of a name or an address.

    Raises:
        AddressUnknown: There is none, or more than one has that name.
    """
    accounts = desired.of(Account)
    found = [a for a in accounts if name in {a.name, str(a.address)}]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(sorted(str(a.address) for a in found))
        raise AddressUnknown(f"{len(found)} accounts are called {name}.", next_step=f"Name one: {listed}")
    listed = ", ".join(sorted(str(a.address) for a in accounts)) or "none"
    raise AddressUnknown(
        f'The stack declares no account "{name[:100]}".', next_step=f"It declares these: {listed}"
    )


def awaited_keys(session: Session, account: Account) -> list[Awaited]:
    """The open create-key tasks of one Kraken account, by address; other declarations of it count as well."""
    state = load_state(session)
    found = []
    for task in state.open_tasks():
        record, key = state.key(task.address), session.desired.resources.get(task.address)
        if task.kind is not TaskKind.CREATE_KEY or record is None or not isinstance(key, Key):
            continue
        if key.account.identity == account.identity:
            found.append(Awaited(key, record, task))
    return sorted(found, key=lambda one: one.key.address)


def awaited_at(keys: Sequence[Awaited], address: Address, account: Account) -> Awaited:
    """The awaited key of an address.

    Raises:
        HandInNotExpected: None of these tasks asks for it.
    """
    found = next((one for one in keys if one.key.address == address), None)
    if found is None:
        raise HandInNotExpected(
            f'No open task asks for a key "{address}" on account {account.name}, so it was not stored.',
            next_step="See what is asked for: krakenstate task list",
        )
    return found
