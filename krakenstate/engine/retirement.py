"""Keys on their way out: removed from the stack, or no longer wanted before they came into service."""

from __future__ import annotations

from krakenstate.engine.identity import Misplaced, held_elsewhere
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.model.declarations import Key
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord, Removal
from krakenstate.model.task import TaskKind
from krakenstate.tasks import life


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

    def retire_candidate(
        self, key: Key, record: KeyRecord, why: str, misplaced: Misplaced | None = None
    ) -> None:
        """A key in quarantine that is no longer wanted: a task to delete it, then its secret goes.

        Where it is held for another address as well, that one goes on with it, and nobody is asked to delete
        it.
        """
        candidate = record.candidate
        if candidate is None:
            return
        self.ask_for_deletion(key, record, why, misplaced)
        self._run.state.put(record.model_copy(update={"candidate": None}))
        self._run.save()
        slot = self._session.shelf(record)
        self._run.write(
            CallKind.DROP_SECRET,
            key.address,
            {"fingerprint": candidate.fingerprint},
            lambda: self._session.custody.drop(Place.QUARANTINE, slot),
        )

    def ask_for_deletion(
        self, key: Key, record: KeyRecord, why: str, misplaced: Misplaced | None = None
    ) -> None:
        """A task to delete the key in quarantine, unless it is held for another address as well."""
        candidate = record.candidate
        if candidate is None or held_elsewhere(self._run.state, key.address, candidate.fingerprint):
            return
        self._work.delete_key(
            record,
            key.process.owner,
            why,
            subject=candidate.fingerprint,
            last_four=candidate.last_four,
            misplaced=misplaced,
        )

    def spare(self, key: Key, fingerprint: str) -> None:
        """A key came into service that was once to be deleted: nobody may delete it any more."""
        for task in self._run.state.open_tasks():
            if task.kind is TaskKind.DELETE_KEY and task.subject == fingerprint:
                life.cancel(self._run.state, task, f"it is in service for {key.address}", self._run.now)
