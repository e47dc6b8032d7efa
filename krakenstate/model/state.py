"""The state: what krakenstate recorded, in one document per account and an index that pins their versions."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from krakenstate.errors import AddressUnknown, TaskNotFound
from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.index import FORMAT_VERSION, Index
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.key_record import (
    Adoption,
    Candidate,
    Declined,
    Finding,
    KeyRecord,
    Published,
    Removal,
    Verdict,
)
from krakenstate.model.lookup import Lookup
from krakenstate.model.provenance import Provenance
from krakenstate.model.task import Attestation, Task

__all__ = [
    "AccountRecord",
    "AccountStatus",
    "Adoption",
    "Candidate",
    "Declined",
    "Document",
    "Finding",
    "GrantRecord",
    "KeyRecord",
    "Published",
    "Record",
    "Removal",
    "State",
    "Verdict",
    "document_of",
]

INVENTORY_DOCUMENT = "inventory"
"""The document of the desk's own list of keys."""
STACK_DOCUMENT = "stack"
"""The document of what belongs to no account: grants."""


class AccountStatus(StrEnum):
    """How far an account has come."""

    AWAITED = "awaited"
    """Its creation or link was approved; nothing shows yet that it exists."""
    EXISTS = "exists"
    UNKNOWN = "unknown"
    """A creation was sent, and its answer does not tell whether the account exists."""


class AccountRecord(Model):
    """An account as recorded."""

    kind: Literal["account"] = "account"
    address: Address
    status: AccountStatus
    email: str
    username: str | None = None
    master: Address | None = None
    iiban: str | None = None
    account_uid: str | None = None
    trading_enabled: bool | None = None
    existed_at: Instant | None = None
    provenance: Provenance = Provenance.RECORDED
    adopted: Attestation | None = None
    """Who said that it was there before krakenstate."""
    protect: bool = False


class GrantRecord(Model):
    """A Vault policy as approved, and who said that it is installed.

    ``role_place`` and ``role`` are the role with which the process logs in, if the grant declares one, as its
    provider writes it. With ``managed`` this program writes both and removes them; ``leftover`` are the
    places of what it made under an earlier declaration and has still to remove.
    """

    kind: Literal["grant"] = "grant"
    address: Address
    process: Address
    policy_name: str
    policy: str
    role_place: str = ""
    role: str = ""
    managed: bool = False
    leftover: tuple[str, ...] = ()
    installed: Attestation | None = None
    protect: bool = False


Record = Annotated[AccountRecord | KeyRecord | GrantRecord, Field(discriminator="kind")]


class Document(Model):
    """One account's part of the state."""

    format_version: int = FORMAT_VERSION
    lineage: str
    name: str
    records: dict[Address, Record] = Field(default_factory=dict)
    tasks: dict[str, Task] = Field(default_factory=dict)
    inventory: dict[str, InventoryEntry] = Field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing, so that it need not be kept."""
        return not (self.records or self.tasks or self.inventory)


class State:
    """The state in memory. Changing it marks documents; a store writes what was marked.

    Args:
        index: The head it was read under.
        documents: By name; missing ones are empty. Changed by the methods here alone.
    """

    def __init__(self, index: Index, documents: dict[str, Document]) -> None:
        self.index = index
        self.documents = documents
        self.changed: set[str] = set()
        self._lookup = Lookup(documents)

    @property
    def records(self) -> Iterator[AccountRecord | KeyRecord | GrantRecord]:
        """All records, by address."""
        return iter(self._lookup.records)

    @property
    def tasks(self) -> list[Task]:
        """All tasks, oldest first, then by address."""
        return list(self._lookup.tasks)

    def open_tasks(self, address: str | None = None) -> list[Task]:
        """Tasks somebody still has to act on, of one address or all."""
        return self._lookup.open_tasks(address)

    def has_open_task(self, address: str) -> bool:
        """Whether somebody still has to act on a task at an address."""
        return self._lookup.has_open_task(address)

    def find(self, address: str) -> AccountRecord | KeyRecord | GrantRecord | None:
        """The record at an address, if there is one."""
        return self._lookup.find(address)

    def keys_on(self, account: Address) -> list[KeyRecord]:
        """The records of an account's keys, by address."""
        found = self._document(account).records.values()
        return sorted((r for r in found if isinstance(r, KeyRecord)), key=lambda r: r.address)

    def account(self, address: str) -> AccountRecord | None:
        """The record of an account, if there is one."""
        found = self.find(address)
        return found if isinstance(found, AccountRecord) else None

    def key(self, address: str) -> KeyRecord | None:
        """The record of a key, if there is one."""
        found = self.find(address)
        return found if isinstance(found, KeyRecord) else None

    def grant(self, address: str) -> GrantRecord | None:
        """The record of a grant, if there is one."""
        found = self.find(address)
        return found if isinstance(found, GrantRecord) else None

    def record(self, address: str) -> AccountRecord | KeyRecord | GrantRecord:
        """The record at an address.

        Raises:
            AddressUnknown: There is none.
        """
        found = self.find(address)
        if found is None:
            raise AddressUnknown(f"The state records nothing at {address}.")
        return found

    def task(self, prefix: str) -> Task:
        """The task whose id begins like that.

        Raises:
            TaskNotFound: None does, or more than one.
        """
        found = [t for t in self.tasks if prefix and t.id.startswith(prefix)]
        if len(found) != 1:
            what = "No task has" if not found else f"{len(found)} tasks have"
            raise TaskNotFound(f'{what} an id beginning with "{prefix[:40]}".')
        return found[0]

    def put(self, record: AccountRecord | KeyRecord | GrantRecord) -> None:
        """Records, replacing what was recorded at that address."""
        name = document_of(record)
        document = self._document(name)
        if document.records.get(record.address) != record:
            self._set(name, records={**document.records, record.address: record})

    def forget(self, address: str, *, with_tasks: bool = True) -> None:
        """Lets go of a record, and of its closed tasks unless told; nothing remote is touched."""
        for name, document in list(self.documents.items()):
            records = {a: r for a, r in document.records.items() if a != address}
            tasks = {
                i: t for i, t in document.tasks.items() if t.address != address or t.is_open or not with_tasks
            }
            if len(records) != len(document.records) or len(tasks) != len(document.tasks):
                self._set(name, records=records, tasks=tasks)

    def take_out(self, address: str) -> list[Task]:
        """Removes a record and all its tasks, open ones too; the tasks come back."""
        taken = [task for task in self.tasks if task.address == address]
        for name, document in list(self.documents.items()):
            records = {a: r for a, r in document.records.items() if a != address}
            tasks = {i: t for i, t in document.tasks.items() if t.address != address}
            if len(records) != len(document.records) or len(tasks) != len(document.tasks):
                self._set(name, records=records, tasks=tasks)
        return taken

    @property
    def inventory(self) -> list[InventoryEntry]:
        """The desk's list of its keys as people wrote it down, by account and name."""
        everything = (e for d in self.documents.values() for e in d.inventory.values())
        return sorted(everything, key=lambda e: (e.account.casefold(), e.name))

    def put_inventory(self, entries: Iterable[InventoryEntry]) -> None:
        """Keeps what was listed; an entry of the same account and name is replaced."""
        before = self._document(INVENTORY_DOCUMENT).inventory
        after = {**before, **{entry.identity: entry for entry in entries}}
        if after != before:
            self._set(INVENTORY_DOCUMENT, inventory=after)

    def copy(self) -> "State":
        """The same state; changing one leaves the other as it is."""
        return State(self.index, dict(self.documents))

    def put_task(self, task: Task) -> None:
        """Keeps a task in the document of what it is about."""
        subject = self.find(task.address)
        name = next((n for n, d in self.documents.items() if task.id in d.tasks), None)
        name = name or (document_of(subject) if subject else STACK_DOCUMENT)
        document = self._document(name)
        if document.tasks.get(task.id) != task:
            self._set(name, tasks={**document.tasks, task.id: task})

    def note_applied(self, digest: str) -> None:
        """Remembers that a plan is applied under this serial; the last hundred are kept."""
        noted = {**self.index.applied_digests, digest: self.index.serial}
        kept = dict(sorted(noted.items(), key=lambda item: (item[1], item[0]))[-100:])
        self.index = self.index.model_copy(update={"applied_digests": kept})
        self.changed.add("index")

    def _document(self, name: str) -> Document:
        return self.documents.get(name) or Document(lineage=self.index.lineage, name=name)

    def _set(self, name: str, **changes: object) -> None:
        before = self._document(name)
        self.documents[name] = before.model_copy(update=changes)
        self.changed.add(name)
        self._lookup.note(name, before)


def document_of(record: AccountRecord | KeyRecord | GrantRecord) -> str:
    """The name of the document a record is kept in."""
    match record:
        case AccountRecord():
            return str(record.address)
        case KeyRecord():
            return str(record.account)
        case GrantRecord():
            return STACK_DOCUMENT
