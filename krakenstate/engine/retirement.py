"""Keys on their way out: removed from the stack, or no longer wanted before they came into service."""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.identity import Misplaced
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.rotation import Stage
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord, Removal
from krakenstate.model.task import TaskKind
from krakenstate.secret.base import Slot
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
        if record.adopted is not None:
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
        if not known:
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
            f"it was handed in beside another key, so nobody uses it.{named}",
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
    ) -> None:
        """A key in quarantine that is no longer wanted: a task to delete it, then its secret goes."""
        candidate = record.candidate
        if candidate is None:
            self._drop_what_a_dead_run_left(record)
            return
        self._work.delete_key(
            record,
            key.process.owner,
            why,
            subject=candidate.fingerprint,
            last_four=candidate.last_four,
            misplaced=misplaced,
        )
        current = self._run.state.key(record.address) or record
        rotation = current.rotation
        if rotation is not None and current.awaits_successor:
            rotation = rotation.model_copy(update={"stage": Stage.REQUESTED})
        self._run.state.put(current.model_copy(update={"candidate": None, "rotation": rotation}))
        self._run.save()
        self._drop(record, {"fingerprint": candidate.fingerprint}, self._session.shelf(record))
