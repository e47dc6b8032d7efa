"""Keys on their way out: removed from the stack, or no longer wanted before they came into service."""

from __future__ import annotations

from krakenstate.engine.identity import Misplaced, held_elsewhere
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import Candidate, KeyRecord, Removal
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
    ) -> bool:
        """A key in quarantine that is no longer wanted: a task to delete it, then its secret goes.

        Where it is held for another address as well, that one goes on with it, and nobody is asked to delete
        it. Whether somebody is comes back.
        """
        candidate = record.candidate
        if candidate is None:
            return False
        is_asked = self.ask_for_deletion(key, record, why, misplaced)
        self._let_go(record, candidate)
        return is_asked

    def turn_away(self, record: KeyRecord, candidate: Candidate, serves: Address) -> str:
        """Drops from quarantine the copy of a key that is in service for another address; says why."""
        reason = (
            f"the key is in service for {serves}, and two processes never share one. Only its copy in "
            "quarantine was dropped; make another key"
        )
        for task in self._run.state.open_tasks(record.address):
            if task.kind is TaskKind.CREATE_KEY:
                life.reject(self._run.state, task, reason)
        self._let_go(record, candidate)
        return reason

    def _let_go(self, record: KeyRecord, candidate: Candidate) -> None:
        self._run.state.put(record.model_copy(update={"candidate": None}))
        self._run.save()
        slot = self._session.shelf(record)
        self._run.write(
            CallKind.DROP_SECRET,
            record.address,
            {"fingerprint": candidate.fingerprint},
            lambda: self._session.custody.drop(Place.QUARANTINE, slot),
        )

    def ask_for_deletion(
        self, key: Key, record: KeyRecord, why: str, misplaced: Misplaced | None = None
    ) -> bool:
        """A task to delete the key in quarantine, unless it is held for another address as well."""
        candidate = record.candidate
        if candidate is None or held_elsewhere(self._run.state, key.address, candidate.fingerprint):
            return False
        self._work.delete_key(
            record,
            key.process.owner,
            why,
            subject=candidate.fingerprint,
            last_four=candidate.last_four,
            misplaced=misplaced,
        )
        return True

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
            if not isinstance(record, KeyRecord) or record.candidate is None:
                continue
            if record.candidate.fingerprint == fingerprint:
                reason = self.turn_away(record, record.candidate, address)
                self._session.audience.say(f"{record.address}: {reason}.")
