"""Keys on their way out: removed from the stack, or no longer wanted before they came into service."""

from __future__ import annotations

from krakenstate.engine.identity import Misplaced
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.model.declarations import Key
from krakenstate.model.rotation import Stage
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord, Removal


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
        """A key in quarantine that is no longer wanted: a task to delete it, then its secret goes."""
        candidate = record.candidate
        if candidate is None:
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
        slot = self._session.shelf(record)
        self._run.write(
            CallKind.DROP_SECRET,
            key.address,
            {"fingerprint": candidate.fingerprint},
            lambda: self._session.custody.drop(Place.QUARANTINE, slot),
        )
