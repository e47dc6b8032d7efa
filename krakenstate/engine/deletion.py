"""The end of an old generation: a person deletes it, one call proves it dead, and its secret leaves Vault.

How this works: a task asks for the deletion. Whoever did it says so; then the key is asked once from an
admitted site, and must be unknown to Kraken. Where it cannot be asked, somebody looks at the list of keys.
Only after either its secret goes, and the rotation ends; one that it had interrupted goes on.
"""

from __future__ import annotations

from krakenstate.engine.asking import Subject
from krakenstate.engine.nonces import unit_of
from krakenstate.engine.plan_rotation import deletion_task, may_prove
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work, owner_of
from krakenstate.errors import BreakerOpen, KrakenstateError, StillAlive
from krakenstate.model.base import format_instant
from krakenstate.model.credential import Credential
from krakenstate.model.network import IPNetwork
from krakenstate.model.rotation import Rotation, Stage
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.state import KeyRecord
from krakenstate.model.task import Task, TaskKind, TaskStatus
from krakenstate.tasks import life


class Deletions:
    """Sees old generations out during one writing run."""

    def __init__(self, run: Writing) -> None:
        self._run = run
        self._session = run.session
        self._work = Work(run)

    def ask_for_deletions(self, record: KeyRecord, why: str) -> list[Task]:
        """The tasks to delete the old generation, and those of the rotations that were interrupted."""
        asked = [self.ask_for_deletion(record, why)]
        for earlier in rotation_of(record).chain[1:]:
            known = deletion_task(record, self._run.state.tasks, earlier)
            if earlier.stage is Stage.DRAINING and (known is None or known.status is not TaskStatus.ATTESTED):
                asked.append(self.ask_for_deletion(record, rotation=earlier))
        return asked

    def ask_for_deletion(self, record: KeyRecord, why: str = "", rotation: Rotation | None = None) -> Task:
        """The task to delete the old generation; it stays one until somebody says that it is done."""
        rotation = rotation or rotation_of(record)
        old = rotation.old
        why = (
            why
            or rotation.because
            or (f"generation {rotation.generation} replaced it" if rotation.replaces else "it was revoked")
        )
        left = self._session.left_at(record, old)
        if left:
            why += f". Its secret at {left} is your own: remove it there once the key is deleted"
        return self._work.delete_key(
            record.leaving(old),
            self.owner_of(record),
            why,
            subject=old.subject,
            last_four=old.last_four,
        )

    def prove(self, record: KeyRecord) -> Outcome:
        """Asks the old key once: it must be unknown to Kraken. An answer means that it was not deleted."""
        rotation, now = rotation_of(record), self._run.now
        old, asker = rotation.old, self._session.asker
        subject = Subject(record.address, record.account, self._networks(rotation), old.networks)
        if not may_prove(rotation, self._session.site_networks, now):
            never = not rotation.retired and not old.fingerprint
            why = "its secret was never shown" if never else "no site that its allowlist admits asks it now"
            return self._look(record, why)
        refusal = asker.refusal(subject, "", urgent=rotation.urgent)
        if refusal:
            return self._look(record, refusal)
        slot = self._session.shelf(record)
        credential = self._session.custody.read_retired(slot, old.number)
        if credential is None or credential.fingerprint != old.fingerprint:
            self._put(record, rotation.model_copy(update={"retired": False}))
            self._run.save()
            return self._look(self._again(record), "its secret is not in Vault any more")
        inspector = self._session.providers.keys[old.terms.api]
        nonce = self._nonce(rotation, credential) if inspector.takes_nonce else None
        self._put(record, rotation.model_copy(update={"proof_at": now}))
        self._run.save()  # before it is asked: whatever happens, it is not asked again in a moment
        try:
            dead = self._run.write(
                CallKind.PROBE,
                record.address,
                {"fingerprint": old.fingerprint, "proof": True},
                lambda: asker.is_dead(inspector, subject, credential, nonce, urgent=rotation.urgent),
            )
        except BreakerOpen as error:
            return self._look(self._again(record), error.message)
        except KrakenstateError as error:
            return Outcome(
                address=record.address,
                effect=Effect.WAITING,
                text=f"the old key {named(rotation)} gave no answer that tells: {error.message}",
                code=error.code,
            )
        record = self._again(record)
        return self.finish(record, "proven dead: Kraken does not know it") if dead else self._alive(record)

    def finish(self, record: KeyRecord, how: str) -> Outcome:
        """The old generation is dead: its secret leaves Vault, and the rotation ends."""
        rotation = rotation_of(record)
        if rotation.stage is not Stage.PROVEN:
            rotation = rotation.model_copy(update={"stage": Stage.PROVEN})
            self._put(record, rotation)
            for task in self._run.state.open_tasks(record.address):
                if task.kind is TaskKind.DELETE_KEY and task.subject == rotation.old.subject:
                    life.close(self._run.state, task, f"the key is {how}", self._run.now)
            self._run.save()
        slot, old = self._session.shelf(record), rotation.old
        self._run.write(
            CallKind.DROP_SECRET,
            record.address,
            {"retired": old.number},
            lambda: self._session.custody.drop_retired(slot, old.number),
        )
        record = self._again(record)
        left = self._session.left_at(record, old)
        if not rotation.replaces:
            if not record.is_as_adopted:
                self._run.write(
                    CallKind.DROP_SECRET,
                    record.address,
                    {"fingerprint": old.fingerprint},
                    lambda: self._session.custody.drop_published(slot),
                )
            for task in self._run.state.open_tasks(record.address):
                if task.kind is TaskKind.STOP_PROCESS:
                    life.cancel(self._run.state, task, "its key is gone", self._run.now)
            record = record.model_copy(
                update={"published": None, "revoked": rotation.because or rotation.reason}
            )
        self._run.state.put(record.model_copy(update={"rotation": rotation.before}))
        self._run.save()
        return Outcome(
            address=record.address,
            effect=Effect.DESTROYED,
            text=f"the old key {named(rotation)} is {how}; "
            + (f"its secret at {left} is your own: remove it there" if left else "its secret left Vault"),
        )

    def revoked(self, record: KeyRecord, task: Task) -> Outcome:
        rotation = rotation_of(record).model_copy(
            update={"stage": Stage.REVOKED, "revoked_at": self._run.now, "revoked_task": task.id}
        )
        self._put(record, rotation)
        self._run.save()
        if may_prove(rotation, self._session.site_networks, self._run.now):
            return self.prove(self._again(record))
        return self._look(self._again(record), f"deleted, as attested in task {task.id}; not proven yet")

    def _look(self, record: KeyRecord, why: str) -> Outcome:
        """It cannot be asked now: somebody may look at the list of keys instead."""
        rotation = rotation_of(record)
        if rotation.stage is Stage.REVOKED:
            task = self.ask_for_deletion(
                record, "it was said to be deleted; look at the list of keys, and say so if it is gone"
            )
            why = f"{why}; task {task.id} asks somebody to look"
            self._run.save()
        return Outcome(
            address=record.address,
            effect=Effect.WAITING,
            text=f"the old key {named(rotation)} is not proven dead: {why}",
        )

    def _alive(self, record: KeyRecord) -> Outcome:
        rotation = rotation_of(record).model_copy(
            update={"stage": Stage.DRAINING, "revoked_at": None, "revoked_task": ""}
        )
        self._put(record, rotation)
        task = self.ask_for_deletion(self._again(record))
        reason = f"NOT deleted: it answered at {format_instant(self._run.now)}"
        life.reject(self._run.state, task, reason)
        self._run.save()
        return Outcome(
            address=record.address,
            effect=Effect.REJECTED,
            text=f"the old key {named(rotation)} is NOT revoked: Kraken knows it. Task {task.id} is open",
            code=StillAlive.code,
        )

    def _nonce(self, rotation: Rotation, credential: Credential) -> int:
        """In its unit from the clock; a key without one is asked with a small nonce, which shows life too."""
        unit, asker = unit_of(rotation.old.terms), self._session.asker
        if unit is None:
            return asker.fresh_nonce(credential.fingerprint)
        return asker.clock_nonce(credential.fingerprint, unit)

    @staticmethod
    def _networks(rotation: Rotation) -> tuple[IPNetwork, ...] | None:
        declared = rotation.old.terms.networks
        return declared if declared is not None else rotation.old.networks

    def owner_of(self, record: KeyRecord) -> str:
        """Who acts on a key: its process's owner, or whoever its last task was for."""
        return owner_of(record, self._session.desired, self._run.state)

    def _again(self, record: KeyRecord) -> KeyRecord:
        """The record as it is now."""
        return self._run.state.key(record.address) or record

    def _put(self, record: KeyRecord, rotation: Rotation) -> None:
        self._run.state.put(record.model_copy(update={"rotation": rotation}))


def rotation_of(record: KeyRecord) -> Rotation:
    rotation = record.rotation
    assert rotation is not None  # noqa: S101 - whoever calls has looked
    return rotation


def named(rotation: Rotation) -> str:
    ending = f", ...{rotation.old.last_four}" if rotation.old.last_four else ""
    return f"(generation {rotation.old.number}{ending})"
