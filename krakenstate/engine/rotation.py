"""Rotation: a key replaced by its next generation, one safe stage per run.

How this works: the next generation is asked for by a task, handed in and compared as any key is, while the
old one stays in service. Before it is published the old secret is put aside and read back. Once the process
uses the new generation, and the overlap is over, the old one is seen out; ``deletion.py`` says how. A stop at
any point leaves a stage that the next run goes on from.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from krakenstate.engine.deletion import Deletions, named, rotation_of
from krakenstate.engine.plan_keys import name_at_kraken
from krakenstate.engine.plan_rotation import (
    deletion_task,
    drained_at,
    is_attested_again,
    reported_by,
)
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.errors import (
    CredentialMalformed,
    PathNotManaged,
    SecretDisappeared,
    VaultDenied,
)
from krakenstate.model.base import format_instant
from krakenstate.model.declarations import Key
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
        self._deletions = Deletions(run)

    # -- before the new generation is in service ---------------------------------------------------------

    def start(
        self,
        key: Key,
        reason: str,
        *,
        because: str = "",
        by: str = "",
        urgent: bool = False,
        before: Rotation | None = None,
    ) -> Task:
        """A rotation begins, after ``before`` that it interrupts: a task asks for the next generation.

        The caller saves.
        """
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
            before=before,
        )
        self._put(record, rotation)
        self._cancel(key.address, TaskKind.EDIT_KEY, "the next generation is made as declared")
        return self._ask_for(key)

    def ask_again(self, key: Key) -> Task:
        """The declaration changed before the next generation was published: the task is superseded."""
        record = self._record(key)
        rotation = rotation_of(record)
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
        """Ends a rotation that has published nothing; a key that was handed in is to be deleted.

        That it ended is recorded last: whoever repeats what a dead run was ordered comes here again, and no
        secret of a key that was withdrawn stays behind.
        """
        if not record.awaits_successor:
            return
        candidate = record.candidate
        if candidate is not None:
            self._work.delete_key(
                record.coming,
                self._deletions.owner_of(record),
                "the rotation it was made for was given up",
                subject=candidate.fingerprint,
                last_four=candidate.last_four,
            )
            self._run.save()
            slot = self._session.shelf(record)
            self._run.write(
                CallKind.DROP_SECRET,
                record.address,
                {"fingerprint": candidate.fingerprint},
                lambda: self._session.custody.drop(Place.QUARANTINE, slot),
            )
        self._cancel(record.address, TaskKind.CREATE_KEY, "the rotation was given up")
        before = rotation_of(record).before
        self._run.state.put(record.model_copy(update={"rotation": before, "candidate": None}))
        self._run.save()

    def put_aside(self, key: Key, checked: Checked) -> Rotation:
        """Keeps what the new generation said, then puts the old secret aside."""
        record = self._record(key)
        self._put(
            record, rotation_of(record).model_copy(update={"stage": Stage.VERIFIED, "checked": checked})
        )
        self._run.save()
        return self.retire(self._record(key))

    def retire(self, record: KeyRecord) -> Rotation:
        """Copies the secret of the old generation aside, if it is known and not there yet.

        Raises:
            SecretDisappeared: Another key is at the process's path. An urgent rotation goes on without, and
                so does that of an adopted key: nothing is put in the place of its secret.
            PathNotManaged: Another key lies aside already; the same.
        """
        rotation = rotation_of(record)
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
        rotation = rotation_of(record)
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
        rotation = rotation_of(record)
        if rotation.stage is Stage.PUBLISHED and key is not None:
            told = reported_by(record, report)
            if told is None:
                asked = self._work.adopt_key(record, key.process.owner)
                return _advanced(record, f"task {asked.id} opened: adopt-key")
            self._end_adoption(record, "its process reports the new key")
            return self._drain(record, key.overlap, adopted_at=told[0], adopted_by=told[1])
        if rotation.stage in {Stage.PUBLISHED, Stage.ADOPTED}:
            self._end_adoption(record, "nothing waits for it any more")
            return self._drain(record, key.overlap if key else None)
        task = deletion_task(record, self._run.state.tasks)
        if rotation.stage is Stage.DRAINING:
            if task is not None and task.status is TaskStatus.ATTESTED:
                return self._deletions.revoked(record, task)
            opened = self._deletions.ask_for_deletion(record)
            return _advanced(record, f"task {opened.id} opened: delete-key")
        if rotation.stage is Stage.REVOKED and not is_attested_again(rotation, task):
            return self._deletions.prove(record)
        return self._deletions.finish(record, "gone")

    def hurry(self, record: KeyRecord, reason: str) -> Rotation:
        """The rotation under way as it is when it waits for nothing any more. The caller keeps it."""
        rotation = rotation_of(record)
        changes: dict[str, object] = {"urgent": True, "because": reason}
        if rotation.stage in {Stage.PUBLISHED, Stage.ADOPTED}:
            changes["stage"] = Stage.DRAINING
            self._end_adoption(record, "nothing waits for it any more")
        return rotation.model_copy(update=changes)

    # -- inside --------------------------------------------------------------------------------------------

    def _drain(
        self,
        record: KeyRecord,
        overlap: timedelta | None,
        *,
        adopted_at: datetime | None = None,
        adopted_by: Provenance | None = None,
    ) -> Outcome:
        rotation = rotation_of(record)
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
            return _advanced(record, f"the old key {named(rotation)} drains until {format_instant(ends)}")
        task = self._deletions.ask_for_deletion(self._again(record))
        return _advanced(record, f"task {task.id} opened: delete-key")

    def _ask_for(self, key: Key) -> Task:
        return self._work.create_key(self._record(key).coming, key.process.owner, ())

    def _cancel(self, address: str, kind: TaskKind, because: str) -> None:
        for task in self._run.state.open_tasks(address):
            if task.kind is kind and not task.subject:
                life.cancel(self._run.state, task, because, self._run.now)

    def _end_adoption(self, record: KeyRecord, because: str) -> None:
        for task in self._run.state.open_tasks(record.address):
            if task.kind is TaskKind.ADOPT_KEY:
                life.close(self._run.state, task, because, self._run.now)

    def _record(self, key: Key) -> KeyRecord:
        record = self._run.state.key(key.address)
        assert record is not None  # noqa: S101 - the planner read it
        return record

    def _again(self, record: KeyRecord) -> KeyRecord:
        """The record as it is now."""
        return self._run.state.key(record.address) or record

    def _put(self, record: KeyRecord, rotation: Rotation) -> None:
        self._run.state.put(record.model_copy(update={"rotation": rotation}))


def _advanced(record: KeyRecord, text: str) -> Outcome:
    return Outcome(address=record.address, effect=Effect.ADVANCED, text=text)
