"""The books of a trial: what was promised, approved and attested, held against what is.

How this works: secrets that somebody was told are stored, deletions that people attested, creations that were
approved and journalled are noted when they happen. ``Books.check`` compares that with what Vault, the state
and the simulated Kraken hold, reading past every fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from krakenstate.model.credential import Credential
from krakenstate.model.plan import Action, Plan
from krakenstate.model.rotation import Stage
from krakenstate.model.state import AccountStatus, KeyRecord, Removal, State
from krakenstate.model.task import TaskKind
from krakenstate.store.vault.state import VaultStateStore
from tests.support.world import MOUNT, SECRETS, STATE, World, halves

DESKS_OWN = "trading"
"""Where a desk keeps the secrets that it had before."""
SECRET_PLACES = tuple(
    f"{top}/"
    for top in (SECRETS, DESKS_OWN, *(f"{STATE}/{name}" for name in ("quarantine", "inbox", "retired")))
)
"""Where a secret may lie."""


@dataclass(frozen=True)
class Promise:
    """A secret somebody was told is stored: which, and for which key of which process."""

    credential: Credential
    process: str
    address: str


class Books:
    """What one world owes to those who live in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read: tuple[int, State] | None = None
        self.made: list[Credential] = []
        self.promised: dict[str, Promise] = {}
        self.attested_deletions: set[str] = set()
        self.absent: set[str] = set()
        self.strays: dict[str, dict[str, str]] = {}
        self.texts: list[str] = []
        self.approved = 0
        self.intended = 0

    def count(self, moment: str, path: str, data: Mapping[str, Any]) -> bool:
        """Watches writes for intents to create; cuts no power."""
        is_creation = "/journal/" in path and data.get("kind") == "create-subaccount"
        self.intended += moment == "after" and is_creation and data["result"] is None
        return False

    def promise(self, credential: Credential, process: str, address: str) -> None:
        """Somebody was told that their secret is stored."""
        self.promised[credential.fingerprint] = Promise(credential, process, address)

    def look_at(self, plan: Plan) -> None:
        """A failed read never becomes a change, and letting go is for what left the stack."""
        self.texts.append(plan.model_dump_json())
        unread = {f.address for f in plan.facts.observations if f.missing == "unreadable"}
        for step in plan.steps:
            changes = step.action in {Action.CREATE, Action.DELETE, Action.FORGET, Action.UPDATE}
            assert not (step.address in unread and changes), step
            asks = step.task_kind in {TaskKind.LINK_DERIVATIVES, TaskKind.DELETE_KEY}
            assert not (step.address in unread and asks and step.step_class), step
            if step.action in {Action.FORGET, Action.DELETE}:
                assert step.address not in self._world.desired.resources, step

    @property
    def state(self) -> State:
        """What is recorded now, read past every fault."""
        head = self._world.kv.metadata(f"{STATE}/index")
        version = head.version if head else 0
        if self._read is None or self._read[0] != version:
            self._read = (version, VaultStateStore(self._world.kv, MOUNT, STATE, version="test").load())
        return self._read[1]

    def recorded_to_stay(self) -> set[str]:
        """What is recorded and must not leave: what the stack declares, and what was applied as protected."""
        declared = self._world.desired.resources
        return {str(r.address) for r in self.state.records if r.address in declared or r.protect}

    def check(self, before: set[str], *, mid_publication: bool = False) -> None:
        """Holds the books against Vault, state and Kraken.

        Args:
            before: What was recorded and declared.
            mid_publication: Whether a run may just have died between a secret's path and the record of it.
        """
        state = self.state
        self._no_promise_is_broken(state)
        self._no_secret_is_anywhere_else()
        there = {path: entry and entry.data for path in self.strays for entry in [self._world.kv.read(path)]}
        assert there == self.strays, "what no task asked for was touched"
        self._creations_were_approved_and_written_down()
        self._the_state_is_true(state, mid_publication)
        self._keys_in_service_are_left_alone(state)
        recorded = {str(r.address) for r in state.records}
        gone = {a for a in before - recorded - self.absent if f"all of {a}" not in self.attested_deletions}
        assert gone == set(), "declared or protected, and yet the state let go of it"

    def _no_promise_is_broken(self, state: State) -> None:
        for of_key, promise in self.promised.items():
            if self._is_at_its_place(promise, state):
                continue
            if {of_key, f"all of {promise.address}"} & self.attested_deletions:
                continue
            record = state.key(promise.address)
            if record and record.candidate and record.candidate.fingerprint == of_key:
                continue  # replaced by another; the next look at that one asks for this one's deletion
            subjects = {t.subject for t in state.tasks if t.kind is TaskKind.DELETE_KEY}
            assert of_key in subjects, (
                f"the secret of {promise.address} ({of_key}) is nowhere, and nobody is asked to delete "
                "its key"
            )

    def _is_at_its_place(self, promise: Promise, state: State) -> bool:
        """Where it was promised to be, or where another key's record says that it is."""
        wanted, of_key = halves(promise.credential).items(), promise.credential.fingerprint
        desks = []
        slots = {f"{promise.process}/{promise.address}"}
        for record in state.records:
            if isinstance(record, KeyRecord):
                held = (record.published, record.candidate)
                if of_key in {one.fingerprint for one in held if one is not None}:
                    slots.add(f"{record.process.name}/{record.shelf}")
                if record.published and record.published.fingerprint == of_key:
                    desks.append(record.published.path.partition("/")[2])
        places = (SECRETS, f"{STATE}/quarantine", f"{STATE}/inbox")
        paths = [f"{place}/{slot}" for place in places for slot in slots]
        retired = [
            path
            for path in self._world.kv.paths
            for slot in slots
            if path.startswith(f"{STATE}/retired/{slot}-g")
        ]
        found = [
            entry.data.items() for path in (*paths, *desks, *retired) if (entry := self._world.kv.read(path))
        ]
        return any(wanted <= there for there in found)

    def _no_secret_is_anywhere_else(self) -> None:
        texts = "\n".join([*self.texts, *self._world.said, self._world.kv.everything(apart_from=_is_a_place)])
        self.texts.clear()
        self._world.said.clear()
        for credential in self.made:
            for half in halves(credential).values():
                assert half not in texts, "half a key is where no key belongs"

    def _creations_were_approved_and_written_down(self) -> None:
        calls = self._world.calls("CreateSubaccount")
        assert len(calls) <= self.approved
        assert len(calls) <= self.intended
        assert [c["outcome"] for c in calls].count("ok") <= 1
        emails = [a.email for a in self._world.simulation.world.accounts]
        assert len(emails) == len(set(emails))

    def _keys_in_service_are_left_alone(self, state: State) -> None:
        keys = [r for r in state.records if isinstance(r, KeyRecord) and r.published]
        serving = [r.published.fingerprint for r in keys if r.published]
        assert len(serving) == len(set(serving)), "one key serves two processes"
        to_delete = {t.subject for t in state.open_tasks() if t.kind is TaskKind.DELETE_KEY}
        kept = {r.published.fingerprint for r in keys if r.published and r.rotation is None}
        assert not to_delete & kept, "somebody is asked to delete a key in service"

    def _the_state_is_true(self, state: State, mid_publication: bool) -> None:
        emails = {a.email for a in self._world.simulation.world.accounts}
        for record in state.records:
            assert not (record.protect and isinstance(record, KeyRecord) and record.removal), record.address
            if record.kind == "account" and record.status is AccountStatus.EXISTS:
                assert record.email in emails, f"{record.address} is recorded and does not exist"
            if isinstance(record, KeyRecord) and record.published:
                path = record.published.path.partition("/")[2]
                entry = self._world.kv.read(path)
                is_leaving = record.removal is Removal.DELETING or (
                    record.rotation is not None and not record.rotation.replaces
                )
                assert entry is not None or is_leaving, f"{path} is recorded; empty"
                if entry is not None:
                    fingerprints = {
                        c.fingerprint for c in self.made if halves(c).items() <= entry.data.items()
                    }
                    coming = _coming(record) if mid_publication else None
                    assert fingerprints in ({record.published.fingerprint}, {coming})


def _coming(record: KeyRecord) -> str | None:
    """The next generation, if it is recorded as about to be published and the old one lies aside."""
    rotation = record.rotation
    if rotation is None or rotation.stage is not Stage.VERIFIED or rotation.checked is None:
        return None
    return rotation.checked.fingerprint if rotation.retired else None


def _is_a_place(path: str) -> bool:
    return path.startswith(SECRET_PLACES)
