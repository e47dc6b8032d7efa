"""The state: what krakenstate recorded, in one document per account and an index that pins their versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from krakenstate.errors import AddressUnknown, TaskNotFound
from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.declarations import VaultFields
from krakenstate.model.index import FORMAT_VERSION, Index
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.lookup import Lookup
from krakenstate.model.provenance import Provenance
from krakenstate.model.rotation import Generation, Rotation
from krakenstate.model.task import Attestation, Task
from krakenstate.model.terms import KeyDescription, KeyTerms

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


class Verdict(StrEnum):
    """What was found when a handed-in key was asked."""

    RECEIVED = "received"
    """In quarantine, not asked yet."""
    DIFFERS = "differs"
    """It answered, and is not as declared."""
    REFUSED = "refused"
    """Authentication failed: it is not asked again by itself."""


class Finding(Model):
    """One attribute in which a key is not as declared.

    ``summary`` says it in a few words (``permissions: add-funds too many``).
    """

    attribute: str
    declared: str
    found: str
    summary: str = ""


class Candidate(Model):
    """A key in quarantine.

    ``again_at`` is set while a key that was created moments ago may be asked a second time, once: Kraken can
    reject a fresh key for some minutes.
    """

    fingerprint: str
    last_four: str
    received_at: Instant
    verdict: Verdict = Verdict.RECEIVED
    findings: tuple[Finding, ...] = ()
    asked_at: Instant | None = None
    fresh: bool = True
    refusal: str = ""
    again_at: Instant | None = None


class Declined(Model):
    """A version in the inbox that is no key. It is left where it is, and not looked at again."""

    version: int
    written_at: str


class Published(Model):
    """A key in service: where its secret lies and which key it is."""

    fingerprint: str
    last_four: str
    path: str
    version: int
    at: Instant


class Removal(StrEnum):
    """The stages of a key's removal."""

    STOPPING = "stopping"
    DELETING = "deleting"


class Adoption(Model):
    """A key that was there before krakenstate: who says so, and what the desk's list of keys said of it.

    ``vault_path`` is where its secret lies below the stack's mount, ``fields`` what its halves are called
    there; krakenstate never writes to it. ``used_by`` are the programs that use the key as the list has them:
    none means that nobody knows, several that they share it.
    """

    by: str
    at: Instant
    vault_path: str | None = None
    fields: VaultFields = VaultFields()
    used_by: tuple[str, ...] = ()
    last_used: date | None = None

    @property
    def is_shared(self) -> bool:
        """Whether several programs use the key, so that each overtakes the other's nonces."""
        return len(self.used_by) > 1


class KeyRecord(Model):
    """A key as approved, handed in, published and last described.

    ``declined`` is what lay in its inbox and was no key.

    ``kept_as`` is the address under which its secrets lie in Vault, where that is not its own: the key was
    renamed, and its process goes on reading where it always did. ``rotation`` is the one under way;
    ``revoked`` says why the last generation was revoked without one that replaces it.
    """

    kind: Literal["key"] = "key"
    address: Address
    account: Address
    process: Address
    generation: int = 1
    key_name: str | None = None
    terms: KeyTerms
    candidate: Candidate | None = None
    declined: Declined | None = None
    published: Published | None = None
    description: KeyDescription | None = None
    described_at: Instant | None = None
    provenance: Provenance | None = None
    removal: Removal | None = None
    protect: bool = False
    kept_as: Address | None = None
    adopted: Adoption | None = None
    rotation: Rotation | None = None
    revoked: str = ""

    @property
    def awaits_successor(self) -> bool:
        """Whether a next generation is on its way in."""
        return (
            self.rotation is not None and self.rotation.replaces and self.rotation.stage.is_before_publication
        )

    @property
    def coming(self) -> KeyRecord:
        """The key on its way in: the next generation while a rotation waits for it, else this one."""
        rotation = self.rotation
        if rotation is None or not self.awaits_successor:
            return self
        return self.model_copy(
            update={
                "generation": rotation.generation,
                "key_name": rotation.key_name,
                "terms": rotation.terms,
                "published": None,
                "description": None,
            }
        )

    @property
    def in_service(self) -> Generation:
        """The generation that its process uses.

        Raises:
            ValueError: None is.
        """
        if self.published is None:
            raise ValueError(f"{self.address} is not in service")
        return Generation(
            number=self.generation,
            key_name=self.key_name,
            fingerprint=self.published.fingerprint,
            last_four=self.published.last_four,
            terms=self.terms,
            networks=self.description.networks if self.description else None,
        )

    def leaving(self, old: Generation) -> KeyRecord:
        """The record as it was for a generation on its way out."""
        return self.model_copy(
            update={
                "generation": old.number,
                "key_name": old.key_name,
                "terms": old.terms,
                "candidate": None,
            }
        )

    @property
    def shelf(self) -> Address:
        """The address its secrets are kept under in Vault."""
        return self.kept_as or self.address


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
        yield from self._lookup.records

    @property
    def tasks(self) -> list[Task]:
        """All tasks, oldest first, then by address."""
        return list(self._lookup.tasks)

    def open_tasks(self, address: str | None = None) -> list[Task]:
        """Tasks somebody still has to act on, of one address or all."""
        return self._lookup.open_tasks(address)

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

    def copy(self) -> State:
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
