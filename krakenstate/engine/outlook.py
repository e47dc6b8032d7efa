"""What a planner looks at: desired, snapshot, state and a clock, and the questions asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from krakenstate.model.address import Address
from krakenstate.model.declarations import Account, Key, MasterAccount, SpotSubaccount
from krakenstate.model.desired import Desired
from krakenstate.model.network import admits
from krakenstate.model.snapshot import Arrival, Place, Snapshot
from krakenstate.model.state import AccountRecord, AccountStatus, KeyRecord, State
from krakenstate.model.task import Task, TaskKind
from krakenstate.providers.base import Verbs


class PolicyText(NamedTuple):
    """A grant's policy, and its role if it declares one, as their provider writes them."""

    name: str
    text: str
    place: str = ""
    role_place: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Everything planning may know. No network, no secrets."""

    desired: Desired
    snapshot: Snapshot
    state: State
    now: datetime
    verbs: Mapping[str, Verbs]
    policies: Mapping[Address, PolicyText]
    _waiting: dict[tuple[str, Place], Arrival] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        waiting = {(a.address, a.place): a for a in reversed(self.snapshot.arrivals)}
        object.__setattr__(self, "_waiting", waiting)

    def open_task(self, address: str, kind: TaskKind) -> Task | None:
        """The open task of a kind at an address, if any."""
        for task in self.state.open_tasks(address):
            if task.kind is kind:
                return task
        return None

    def arrival(self, address: str, place: Place) -> Arrival | None:
        """A secret that waits for this address."""
        return self._waiting.get((address, place))

    def site_admits(self, key: Key) -> bool:
        """Whether a key may be asked from this run's site, by its declaration and its last description."""
        record = self.state.key(key.address)
        site = self.snapshot.site_networks or None
        seen = record.description.networks if record and record.description else key.networks
        return admits(key.networks, site) and admits(seen, site)

    def account_exists(self, account: Account) -> bool:
        """Whether keys can be made on an account already."""
        if isinstance(account, MasterAccount):
            return True
        record = self.state.account(account.address)
        return record is not None and record.status is AccountStatus.EXISTS

    def label(self, account: Account) -> str:
        """How people know an account."""
        return account.username if isinstance(account, SpotSubaccount) else account.name


def key_label(name: str | None, last_four: str | None, account: str) -> str:
    """A key as every block shows it."""
    shown = f'key "{name}"' if name else "key"
    return f"{shown}{f' (...{last_four})' if last_four else ''} on account {account}"


def known_last_four(record: KeyRecord | None) -> str | None:
    """The end of the public half of the key in service, or of the one on its way in."""
    if record is None:
        return None
    if record.published:
        return record.published.last_four
    return record.candidate.last_four if record.candidate else None


def account_name(record: AccountRecord | None, address: str) -> str:
    """How an account is called in a label when its declaration may be gone."""
    return record.username if record and record.username else Address(address).name
