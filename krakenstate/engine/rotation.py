"""Rotation: a key replaced by its next generation, one safe stage per run.

How this works: the next generation is asked for by a task, handed in and compared as any key is, while the
old one stays in service. Before it is published the old secret is put aside and read back. Once the process
uses the new generation, and the overlap is over, a task asks to delete the old one. Whoever did it says so;
then the old key is asked once from an admitted site, and must be unknown to Kraken. Only after that, or after
somebody looked and says that it is gone, its secret leaves Vault, and the rotation ends. A stop at any point
leaves a stage that the next run goes on from.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from krakenstate.engine.asking import Subject
from krakenstate.engine.nonces import unit_of
from krakenstate.engine.plan_keys import name_at_kraken
from krakenstate.engine.plan_rotation import (
    deletion_task,
    drained_at,
    is_attested_again,
    may_prove,
    reported_by,
)
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.errors import (
    BreakerOpen,
    CredentialMalformed,
    KrakenstateError,
    PathNotManaged,
    SecretDisappeared,
    StillAlive,
    VaultDenied,
)
from krakenstate.model.base import format_instant
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.network import IPNetwork
from krakenstate.model.provenance import Provenance
from krakenstate.model.report import Report
from krakenstate.model.rotation import Checked, Rotation, Stage
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord, Verdict
from krakenstate.model.task import Task, TaskKind, TaskStatus
from krakenstate.model.terms import KeyTerms
from krakenstate.tasks import life


class Rotations:
    """Moves rotations on during one writing run."""

    def __init__(self, run: Writing) -> None:
        self._run = run
        self._session = run.session
        self._work = Work(run)

    # -- before the new generation is in service ---------------------------------------------------------

    def start(self, key: Key, reason: str, *, because: str = "", by: str = "", urgent: bool = False) -> Task:
        """A rotation begins: a task asks for the next generation. The caller saves."""
        record = self._record(key)
        number = record.generation + 1
        rotation = Rotation(
            reason=reason,
            because=because,
            by=by or self._run.lease.lock.who,
            at=self._run.now,
            generation=number,
            key_name=name_at_kraken(key, number),
            terms=KeyTerms.of(key),
            old=record.in_service,
            urgent=urgent,
        )
        self._put(record, rotation)
        self._cancel(key.address, TaskKind.EDIT_KEY, "the next generation is made as declared")
        return self._ask_for(key)

    def ask_again(self, key: Key) -> Task:
        """The declaration changed before the next generation was published: the task is superseded."""
        record = self._record(key)
        rotation = _of(record)
        name = name_at_kraken(key, rotation.generation)
        candidate = record.candidate
        if candidate is not None:
            candidate = candidate.model_copy(update={"verdict": Verdict.RECEIVED, "findings": ()})
        self._run.state.put(
            record.model_copy(
                update={
                    "candidate": candidate,
                    "rotation": rotation.model_copy(update={"terms": KeyTerms.of(key), "key_name": name}),
                }
            )
        )
        self._cancel(key.address, TaskKind.CREATE_KEY, "the declaration changed; a new task takes its place")
        return self._ask_for(key)

    def give_up(self, record: KeyRecord) -> None:
        """Ends a rotation that has published nothing; a key that was handed in is to be deleted."""
        if not record.awaits_successor:
            return
        candidate = record.candidate
        if candidate is not None:
            self._work.delete_key(
                record.coming,
                self._owner(record),
                "it was made to replace a key that leaves the stack",
                subject=candidate.fingerprint,
                last_four=candidate.last_four,
            )
        self._cancel(record.address, TaskKind.CREATE_KEY, "the rotation was given up")
        self._run.state.put(record.model_copy(update={"rotation": None, "candidate": None}))
        self._run.save()
        if candidate is not None:
            slot = self._session.shelf(record)
            self._run.write(
                CallKind.DROP_SECRET,
                record.address,
                {"fingerprint": candidate.fingerprint},
                lambda: self._session.custody.drop(Place.QUARANTINE, slot),
            )

    def put_aside(self, key: Key, checked: Checked) -> Rotation:
        """Keeps what the new generation said, then puts the old secret aside."""
        record = self._record(key)
        self._put(record, _of(record).model_copy(update={"stage": Stage.VERIFIED, "checked": checked}))
        self._run.save()
        return self.retire(self._record(key))

    def retire(self, record: KeyRecord) -> Rotation:
        """Copies the secret of the old generation aside, if it is known and not there yet.

        Raises:
            SecretDisappeared: Another key is at the process's path. An urgent rotation goes on without, and
                so does that of an adopted key: nothing is put in the place of its secret.
            PathNotManaged: Another key lies aside already; the same.
        """
        rotation = _of(record)
        if rotation.retired or not rotation.old.fingerprint:
            return rotation
        slot, old = self._session.shelf(record), rotation.old
        try:
            held = self._run.write(
                CallKind.RETIRE,
                record.address,
                {"fingerprint": old.fingerprint, "generation": old.number},
                lambda: self._session.custody.retire(slot, old.number, old.fingerprint),
            )
        except (CredentialMalformed, PathNotManaged, SecretDisappeared, VaultDenied) as error:
            if not (rotation.urgent or record.is_as_adopted):
                raise
            # In the night of a leak the new key goes first; somebody will look whether the old one is gone.
            self._session.audience.say(f"{record.address}: its old secret was not put aside. {error.message}")
            return rotation
        rotation = rotation.model_copy(update={"retired": held is not None})
        self._put(record, rotation)
        self._run.save()
        return rotation

    def published(self, key: Key) -> None:
        """What follows publication; in the same save as the record of it."""
        record = self._record(key)
        rotation = _of(record)
        now = self._run.now
        changes: dict[str, object] = {"stage": Stage.PUBLISHED, "published_at": now, "checked": None}
        if rotation.urgent:
            changes["stage"] = Stage.DRAINING
        elif key.controls is not None:  # its process is this program, which reads the path at each run
            changes |= {"stage": Stage.ADOPTED, "adopted_at": now, "adopted_by": Provenance.OBSERVED}
        self._put(record, rotation.model_copy(update=changes))
        if changes["stage"] is Stage.PUBLISHED:
            self._work.adopt_key(self._record(key), key.process.owner)

    # -- afterwards ----------------------------------------------------------------------------------------

    def advance(self, record: KeyRecord, key: Key | None, report: Report | None) -> Outcome:
        """The next stage, as it was planned."""
        rotation = _of(record)
        if rotation.stage is Stage.PUBLISHED and key is not None:
            told = reported_by(record, report)
            if told is None:
                asked = self._work.adopt_key(record, key.process.owner)
                return _advanced(record, f"task {asked.id} opened: adopt-key")
            self._cancel_adoption(record, "its process reports the new key")
            return self._drain(record, key.overlap, adopted_at=told[0], adopted_by=told[1])
        if rotation.stage in {Stage.PUBLISHED, Stage.ADOPTED}:
            self._cancel_adoption(record, "nothing waits for it any more")
            return self._drain(record, key.overlap if key else None)
        task = deletion_task(record, self._run.state.tasks)
        if rotation.stage is Stage.DRAINING:
            if task is not None and task.status is TaskStatus.ATTESTED:
                return self._revoked(record, task)
            opened = self.ask_for_deletion(record)
            return _advanced(record, f"task {opened.id} opened: delete-key")
        if rotation.stage is Stage.REVOKED and not is_attested_again(rotation, task):
            return self.prove(record)
        return self.finish(record, "gone")

    def ask_for_deletion(self, record: KeyRecord, why: str = "") -> Task:
        """The task to delete the old generation; it stays one until somebody says that it is done."""
        rotation = _of(record)
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
            record.leaving(old), self._owner(record), why, subject=old.subject, last_four=old.last_four
        )

    def prove(self, record: KeyRecord) -> Outcome:
        """Asks the old key once: it must be unknown to Kraken. An answer means that it was not deleted."""
        rotation, now = _of(record), self._run.now
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
                text=f"the old key {_named(rotation)} gave no answer that tells: {error.message}",
                code=error.code,
            )
        record = self._again(record)
        return self.finish(record, "proven dead: Kraken does not know it") if dead else self._alive(record)

    def finish(self, record: KeyRecord, how: str) -> Outcome:
        """The old generation is dead: its secret leaves Vault, and the rotation ends."""
        rotation = _of(record)
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
            self._cancel(record.address, TaskKind.STOP_PROCESS, "its key is gone")
            record = record.model_copy(
                update={"published": None, "revoked": rotation.because or rotation.reason}
            )
        self._run.state.put(record.model_copy(update={"rotation": None}))
        self._run.save()
        return Outcome(
            address=record.address,
            effect=Effect.DESTROYED,
            text=f"the old key {_named(rotation)} is {how}; "
            + (f"its secret at {left} is your own: remove it there" if left else "its secret left Vault"),
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _drain(
        self,
        record: KeyRecord,
        overlap: timedelta | None,
        *,
        adopted_at: datetime | None = None,
        adopted_by: Provenance | None = None,
    ) -> Outcome:
        rotation = _of(record)
        since = adopted_at or rotation.adopted_at or self._run.now
        rotation = rotation.model_copy(
            update={
                "stage": Stage.DRAINING,
                "adopted_at": min(since, self._run.now),
                "adopted_by": adopted_by or rotation.adopted_by,
            }
        )
        self._put(record, rotation)
        ends = drained_at(rotation, overlap)
        if ends > self._run.now:
            return _advanced(record, f"the old key {_named(rotation)} drains until {format_instant(ends)}")
        task = self.ask_for_deletion(self._again(record))
        return _advanced(record, f"task {task.id} opened: delete-key")

    def _revoked(self, record: KeyRecord, task: Task) -> Outcome:
        rotation = _of(record).model_copy(
            update={"stage": Stage.REVOKED, "revoked_at": self._run.now, "revoked_task": task.id}
        )
        self._put(record, rotation)
        self._run.save()
        if may_prove(rotation, self._session.site_networks, self._run.now):
            return self.prove(self._again(record))
        return self._look(self._again(record), f"deleted, as attested in task {task.id}; not proven yet")

    def _look(self, record: KeyRecord, why: str) -> Outcome:
        """It cannot be asked now: somebody may look at the list of keys instead."""
        rotation = _of(record)
        if rotation.stage is Stage.REVOKED:
            task = self.ask_for_deletion(
                record, "it was said to be deleted; look at the list of keys, and say so if it is gone"
            )
            why = f"{why}; task {task.id} asks somebody to look"
            self._run.save()
        return Outcome(
            address=record.address,
            effect=Effect.WAITING,
            text=f"the old key {_named(rotation)} is not proven dead: {why}",
        )

    def _alive(self, record: KeyRecord) -> Outcome:
        rotation = _of(record).model_copy(
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
            text=f"the old key {_named(rotation)} is NOT revoked: Kraken knows it. Task {task.id} is open",
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

    def _ask_for(self, key: Key) -> Task:
        return self._work.create_key(self._record(key).coming, key.process.owner, ())

    def _cancel(self, address: str, kind: TaskKind, because: str) -> None:
        for task in self._run.state.open_tasks(address):
            if task.kind is kind and not task.subject:
                life.cancel(self._run.state, task, because, self._run.now)

    def _cancel_adoption(self, record: KeyRecord, because: str) -> None:
        for task in self._run.state.open_tasks(record.address):
            if task.kind is TaskKind.ADOPT_KEY:
                life.close(self._run.state, task, because, self._run.now)

    def _owner(self, record: KeyRecord) -> str:
        declared = self._session.desired.resources.get(record.address)
        if isinstance(declared, Key):
            return declared.process.owner
        earlier = [t.assignee for t in self._run.state.tasks if t.address == record.address]
        return earlier[-1] if earlier else record.process.name

    def _record(self, key: Key) -> KeyRecord:
        record = self._run.state.key(key.address)
        assert record is not None  # noqa: S101 - the planner read it
        return record

    def _again(self, record: KeyRecord) -> KeyRecord:
        """The record as it is now."""
        return self._run.state.key(record.address) or record

    def _put(self, record: KeyRecord, rotation: Rotation) -> None:
        self._run.state.put(record.model_copy(update={"rotation": rotation}))


def _of(record: KeyRecord) -> Rotation:
    rotation = record.rotation
    assert rotation is not None  # noqa: S101 - whoever calls has looked
    return rotation


def _named(rotation: Rotation) -> str:
    ending = f", ...{rotation.old.last_four}" if rotation.old.last_four else ""
    return f"(generation {rotation.old.number}{ending})"


def _advanced(record: KeyRecord, text: str) -> Outcome:
    return Outcome(address=record.address, effect=Effect.ADVANCED, text=text)
