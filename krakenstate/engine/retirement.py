"""Keys on their way out: removed from the stack, or no longer wanted before they came into service."""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.identity import Misplaced, held_elsewhere, why_not_taken
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.model.address import Address
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.rotation import Stage
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import Candidate, KeyRecord, Removal
from krakenstate.model.task import TaskKind
from krakenstate.secret.base import Slot
from krakenstate.tasks import life
from krakenstate.tasks.life import is_deleted


class Retirement:
    """Takes keys out during one writing run."""

    def __init__(self, run: Writing) -> None:
        self._run = run
        self._session = run.session
        self._work = Work(run)

    def advance_removal(self, record: KeyRecord, owner: str) -> Outcome:
        """The next stage of a key's removal, once a person attested the last one."""
        if record.removal is Removal.STOPPING:
            changed = record.model_copy(update={"removal": Removal.DELETING})
            self._run.state.put(changed)
            task = self._work.delete_key(changed, owner, "it was removed from the stack")
            self._run.save()
            return Outcome(
                address=record.address, effect=Effect.ADVANCED, text=f"task {task.id} opened: delete-key"
            )
        second = self._second(record)
        if second is not None and not is_deleted(self._run.state, record.address, second.fingerprint):
            return self._ask_for_deletion(record, owner, second)
        if record.is_as_adopted:
            return self._leave(record)
        slot = self._session.shelf(record)
        for drop in (
            lambda: self._session.custody.drop_published(slot),
            lambda: self._session.custody.drop(Place.QUARANTINE, slot),
        ):
            self._run.write(CallKind.DROP_SECRET, record.address, {"process": str(record.process)}, drop)
        self._run.state.forget(record.address)
        self._run.save()
        return Outcome(
            address=record.address,
            effect=Effect.DESTROYED,
            text="deleted at Kraken as attested; its secret left Vault",
        )

    def clear_quarantine(self, record: KeyRecord, owner: str) -> Outcome:
        """What lies in quarantine of a key in service: its own copy goes; another key is to be deleted first.

        A second key is there when somebody handed it in beside a run that was publishing the first.

        Raises:
            CredentialMalformed: It is no key.
        """
        second, text = self._second(record), "its copy in quarantine was dropped"
        if second is not None:
            if not is_deleted(self._run.state, record.address, second.fingerprint):
                return self._ask_for_deletion(record, owner, second)
            text = f"the second key (...{second.last_four}) is deleted as attested; its secret is gone"
        self._drop(record, {"place": Place.QUARANTINE.value}, self._session.shelf(record))
        return Outcome(address=record.address, effect=Effect.ADVANCED, text=text)

    def _drop_what_a_dead_run_left(self, record: KeyRecord) -> None:
        """A run can die between asking for a key's deletion and dropping its secret."""
        slot = self._session.shelf(record)
        left = self._session.custody.read(Place.QUARANTINE, slot)
        asked = {t.subject for t in self._run.state.tasks if t.kind is TaskKind.DELETE_KEY}
        if left is not None and left.fingerprint in asked:
            self._drop(record, {"fingerprint": left.fingerprint}, slot)

    def _drop(self, record: KeyRecord, details: dict[str, JsonValue], slot: Slot) -> None:
        self._run.write(
            CallKind.DROP_SECRET,
            record.address,
            details,
            lambda: self._session.custody.drop(Place.QUARANTINE, slot),
        )

    def _second(self, record: KeyRecord) -> Credential | None:
        """The key in quarantine, if it is neither the one in service nor the one on its way in."""
        known = {held.fingerprint for held in (record.published, record.candidate) if held is not None}
        if not known and not record.revoked:
            return None
        there = self._session.custody.read(Place.QUARANTINE, self._session.shelf(record))
        return there if there is not None and there.fingerprint not in known else None

    def _ask_for_deletion(self, record: KeyRecord, owner: str, second: Credential) -> Outcome:
        """A task to delete a second key; its secret stays until somebody says that it is deleted."""
        kept = record.published
        named = f" The one in service (...{kept.last_four}) stays." if kept and not record.removal else ""
        task = self._work.delete_key(
            record.model_copy(update={"key_name": None}),  # names are unique, so it has another one
            owner,
            _unless_used(record, second.fingerprint)
            or f"it was handed in beside another key, so nobody uses it.{named}",
            subject=second.fingerprint,
            last_four=second.last_four,
        )
        return Outcome(
            address=record.address,
            effect=Effect.OPENED,
            text=f"task {task.id} ({task.kind.value}) is open for {owner}: a second key "
            f"(...{second.last_four}) lies in quarantine",
        )

    def _leave(self, record: KeyRecord) -> Outcome:
        """An adopted key is gone; its secret lies at a place of the desk's own, which is not written to."""
        stays = (
            f"; its secret is still at {record.published.path}: remove it there" if record.published else ""
        )
        self._run.state.forget(record.address)
        self._run.write(CallKind.RELEASE, record.address, {"in": "state"}, self._run.save)
        return Outcome(
            address=record.address, effect=Effect.DESTROYED, text=f"deleted at Kraken as attested{stays}"
        )

    def retire_candidate(
        self, key: Key, record: KeyRecord, why: str, misplaced: Misplaced | None = None
    ) -> bool:
        """A key in quarantine that is no longer wanted: a task to delete it, then its secret goes.

        Where it is held for another address as well, that one goes on with it, and nobody is asked to delete
        it. Whether somebody is comes back.
        """
        candidate = record.candidate
        if candidate is None:
            self._drop_what_a_dead_run_left(record)
            return False
        is_asked = self.ask_for_deletion(key, record, why, misplaced)
        self._let_go(record, candidate)
        return is_asked

    def withdraw(self, key: Key, record: KeyRecord, why: str) -> None:
        """As ``retire_candidate``, by an order that is given again if this run dies.

        That the key is gone is recorded last, so whoever gives the order again comes here again.
        """
        candidate = record.candidate
        if candidate is not None:
            self._delete(key, record, candidate, why)
            self._run.save()
            self._drop(record, {"fingerprint": candidate.fingerprint}, self._session.shelf(record))
            current = self._run.state.key(record.address) or record
            self._run.state.put(current.model_copy(update={"candidate": None}))
            self._run.save()

    def turn_away(self, record: KeyRecord, candidate: Candidate, why: str) -> str:
        """Drops from quarantine the copy of a key that is in service already; says why it is not taken."""
        reason = f"{why}. Only its copy in quarantine was dropped; make another key"
        for task in self._run.state.open_tasks(record.address):
            if task.kind is TaskKind.CREATE_KEY:
                life.reject(self._run.state, task, reason)
        self._let_go(record, candidate)
        return reason

    def _let_go(self, record: KeyRecord, candidate: Candidate) -> None:
        current = self._run.state.key(record.address) or record
        rotation = current.rotation
        if rotation is not None and current.awaits_successor:
            rotation = rotation.model_copy(update={"stage": Stage.REQUESTED})
        self._run.state.put(current.model_copy(update={"candidate": None, "rotation": rotation}))
        self._run.save()
        self._drop(record, {"fingerprint": candidate.fingerprint}, self._session.shelf(record))

    def ask_for_deletion(
        self, key: Key, record: KeyRecord, why: str, misplaced: Misplaced | None = None
    ) -> bool:
        """A task to delete the key in quarantine, unless it is held for another address as well."""
        candidate = record.candidate
        if candidate is None or held_elsewhere(self._run.state, key.address, candidate.fingerprint):
            return False
        if _unless_used(record, candidate.fingerprint):  # it may be in use, and was to be dropped unasked
            return False
        self._delete(key, record, candidate, why, misplaced)
        return True

    def _delete(
        self,
        key: Key,
        record: KeyRecord,
        candidate: Candidate,
        why: str,
        misplaced: Misplaced | None = None,
    ) -> None:
        self._work.delete_key(
            record,
            key.process.owner,
            _unless_used(record, candidate.fingerprint) or why,
            subject=candidate.fingerprint,
            last_four=candidate.last_four,
            misplaced=misplaced,
        )

    def spare(self, address: Address, fingerprint: str) -> None:
        """A key comes into service: whoever was to delete it may not, from the same moment on."""
        state = self._run.state
        for task in state.open_tasks():
            record = state.key(task.address)
            waiting = record.candidate.fingerprint if record and record.candidate else ""
            if task.kind is TaskKind.DELETE_KEY and (task.subject or waiting) == fingerprint:
                life.cancel(state, task, f"the key is in service for {address}", self._run.now)

    def turn_others_away(self, address: Address, fingerprint: str) -> None:
        """No other address waits with a key that came into service."""
        for record in list(self._run.state.records):
            if not isinstance(record, KeyRecord) or record.candidate is None or record.address == address:
                continue
            if record.candidate.fingerprint == fingerprint:
                why = why_not_taken(self._run.state, record.address, fingerprint)
                reason = self.turn_away(record, record.candidate, why)
                self._session.audience.say(f"{record.address}: {reason}.")


def _unless_used(record: KeyRecord, fingerprint: str) -> str:
    """Why to delete a key that was handed in as an adopted one and is another; empty of any other key."""
    if record.adopted is None or record.adopted.turned_away != fingerprint:
        return ""
    return "it was handed in as the adopted key and is another. See first that nobody uses it"
