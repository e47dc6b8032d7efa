"""Whole runs that write: the lock is held while they do.

How this works: a writing run takes the lock, reads the state under it, closes what an earlier run left
unfinished, does its work, and gives the lock back whatever happens. Its journal is opened by the first remote
write and closed by an orderly end; one that stays open is what the next run's recovery looks at.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from krakenstate.engine import approval, leak, moves
from krakenstate.engine.apply import Application, outlook_of
from krakenstate.engine.guardrails import refuse_guarded
from krakenstate.engine.handover import Handover
from krakenstate.engine.lazy_journal import LazyJournal
from krakenstate.engine.observe import take_snapshot
from krakenstate.engine.planner import build_plan
from krakenstate.engine.reading import load_state, make_plan
from krakenstate.engine.recognition import is_compared, recognise
from krakenstate.engine.recovery import recover
from krakenstate.engine.scope import Scope
from krakenstate.engine.session import Session, Writing
from krakenstate.errors import (
    HandInNotExpected,
    Interrupted,
    KrakenstateError,
    LineageExists,
    LineageMissing,
    LockHeld,
    PlanLooksAhead,
    StateError,
    StateLost,
    VaultError,
)
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.index import Index
from krakenstate.model.plan import Plan
from krakenstate.model.run import Effect, Intent, Lock, Outcome
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import State

log = logging.getLogger("krakenstate.runs")
Stop = Callable[[], None]


def never() -> None:
    """Nobody asked this run to stop."""


def initialise(session: Session) -> tuple[State, bool]:
    """The stack's state, and whether it was created now.

    Raises:
        StateLost: There is none, and secrets of the stack show that there was one.
        StateOfAnother: Another stack's state lives at the path.
        OriginMismatch: It was initialised against other servers.
    """
    try:
        return load_state(session), False
    except LineageMissing:
        _refuse_lost(session)
    try:
        return session.records.state.create(new_index(session)), True
    except LineageExists:
        return load_state(session), False


def new_index(session: Session) -> Index:
    """The head of a lineage that begins now."""
    now = session.clock()
    head = session.desired.head
    return Index(
        krakenstate_version=session.version,
        lineage=str(uuid.uuid4()),
        serial=0,
        stack=head.name,
        environment=head.environment.name,
        spot_origin=session.origins.spot,
        futures_origin=session.origins.futures,
        created_at=now,
        written_at=now,
    )


def _refuse_lost(session: Session) -> None:
    shelf = session.custody.shelf()
    if shelf:
        listed = ", ".join(sorted({found.slot.address for found in shelf})[:5])
        raise StateLost(
            f"There is no state at {session.records.state.location}, and {len(shelf)} secrets of the stack "
            f"{session.desired.head.name} lie in Vault ({listed}{', ...' if len(shelf) > 5 else ''}). An "
            "empty state would ask for everything once more."
        )


@contextmanager
def writing(session: Session, operation: str, *, wait_s: float, stop: Stop = never) -> Iterator[Writing]:
    """Holds the lock for the body's duration.

    Raises:
        LockHeld: Somebody else holds it.
        LockLost: It was lost while the body worked.
    """
    lease = session.records.locks.acquire(operation, wait_s=wait_s, stop=stop)
    journal = LazyJournal(session.records.journal, operation)
    run: Writing | None = None
    try:
        run = Writing(
            session=session, lease=lease, journal=journal, state=load_state(session), stop_requested=stop
        )
        for line in recover(run):
            session.audience.say(line)
        yield run
        run.save()
    except KrakenstateError as error:
        cut_off = next(iter(journal.open_intents), None) if isinstance(error, Interrupted) else None
        if journal.open_intents or (run is not None and run.state.changed):
            journal.abandon()  # what it did is written in it alone, so recovery shall look at it
        _end_quietly(journal, f"stopped: {error.code or type(error).__name__}")
        if cut_off is not None:
            raise _name_cut_off(error, cut_off) from None
        raise
    except BaseException:
        journal.abandon()
        raise
    else:
        journal.end("done")
        session.records.state.pack(run.state)
    finally:
        lease.release()


def _name_cut_off(error: KrakenstateError, intent: Intent) -> KrakenstateError:
    """The interrupt, saying which call was under way."""
    return type(error)(
        f"Stopped at once. {intent.kind.value} for {intent.address} was under way, and may or may not have "
        "taken effect; the next run looks at its journal and says what it found.",
        address=intent.address,
    )


def _end_quietly(journal: LazyJournal, conclusion: str) -> None:
    """Closes the journal of a run that fails; what made it fail is said, not this."""
    try:
        journal.end(conclusion)
    except (StateError, VaultError) as error:
        log.warning("The journal was not closed: %s", error.message)


def break_lock(session: Session, lock_id: str) -> Lock:
    """Breaks another run's lock, and leaves a journal that says so.

    Raises:
        LockMismatch: Another lock is held.
        LockNotHeld: None is.
    """
    journal, locks = session.records.journal, session.records.locks
    held = locks.last()
    if held is None or held.id != lock_id:
        return locks.force_unlock(lock_id)  # refused, and worth no journal
    journal.begin("force-unlock")
    try:
        broken = locks.force_unlock(lock_id)
    except KrakenstateError as error:
        journal.end(f"stopped: {error.code}")
        raise
    journal.end(f"broke the lock {broken.id} of {broken.who} ({broken.operation})")
    return broken


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settle did, and what is left to do afterwards."""

    outcomes: list[Outcome]
    plan: Plan
    snapshot: Snapshot
    closed_tasks: int


def refuse_look_ahead(plan: Plan) -> None:
    """Makes sure that a plan, made now or read from a file, is one to be carried out.

    Raises:
        PlanLooksAhead: It was made as of a later day.
    """
    if plan.facts.as_of is not None:
        raise PlanLooksAhead(f"This plan was made as of {plan.facts.as_of}: it tells what will be due then.")


def plan_again(run: Writing, saved: Plan, *, commit: str | None, isolation: str) -> tuple[Snapshot, Plan]:
    """Observes, and makes a saved plan anew by its own clock, so that it can be carried out.

    Raises:
        PlanLooksAhead, PlanOfAnother, PlanAppliedAlready: It is not to be carried out on this state.
        PlanStale: It would be another plan now.
        PolicyError, StackProblems: The policy refused it when it was made.
    """
    refuse_look_ahead(saved)
    refuse_guarded(saved)
    approval.refuse_other(saved, run.session.desired)
    approval.refuse_used(saved, run.state, run.now)
    snapshot = take_snapshot(run.session, run.state)
    current = make_plan(
        run.session,
        run.state,
        snapshot,
        commit=commit,
        isolation=isolation,
        scope=Scope(saved.targets, saved.excluded),
        now=saved.facts.planned_at,
    )
    approval.refuse_stale(saved, current)
    return snapshot, current


def apply(run: Writing, snapshot: Snapshot, plan: Plan) -> list[Outcome]:
    """Carries out a plan made in this run.

    Raises:
        PlanLooksAhead: It was made as of a later day.
        PolicyError, StackProblems: The policy refuses it.
    """
    refuse_look_ahead(plan)
    refuse_guarded(plan)
    outcomes = Application(run, snapshot).apply(plan)
    run.save()
    return outcomes


def settle(run: Writing) -> Settled:
    """Observes, and carries out what applied declarations already allow."""
    snapshot = take_snapshot(run.session, run.state)
    look = outlook_of(run, snapshot)
    plan = build_plan(look, version=run.session.version)
    open_before = {t.id for t in run.state.open_tasks()}
    outcomes = Application(run, snapshot).settle(plan)
    run.save()
    closed = open_before - {t.id for t in run.state.open_tasks()}
    return Settled(outcomes=outcomes, plan=plan, snapshot=snapshot, closed_tasks=len(closed))


def expect_hand_in(session: Session, address: str) -> Key:
    """The key somebody is about to hand in; asked before its secret is read.

    Raises:
        AddressUnknown: The stack declares nothing there.
        HandInNotExpected: It is no key, was not applied, or is in service already.
    """
    resource = session.desired.get(address)
    state = load_state(session)
    record = state.key(resource.address)
    pending = moves.foreseen(session.desired, state)[1]
    if resource.address in pending or moves.leans_on_move(resource, pending):
        raise HandInNotExpected(
            f"{address} or its account was renamed in the stack, and that was not applied yet.",
            next_step="Run: krakenstate apply",
            address=address,
            source=resource.source,
        )
    if resource.observe_only:
        raise HandInNotExpected(
            f"{address} is only observed (observe_only=True): nothing is taken in for it.",
            address=address,
            source=resource.source,
        )
    if not isinstance(resource, Key):
        raise HandInNotExpected(f"{address} is no key.", address=address, source=resource.source)
    if record is None:
        raise HandInNotExpected(
            f"{address} is declared, but its declaration was never applied, so nobody approved this key.",
            address=address,
            source=resource.source,
        )
    if record.rotation is not None and not record.rotation.replaces:
        raise HandInNotExpected(
            f"{address} is being revoked, and nothing replaces it.",
            next_step="Have it revoked to the end first: krakenstate task list",
            address=address,
            source=resource.source,
        )
    if record.revoked:
        raise HandInNotExpected(
            f"{address} was revoked, and no new key was approved since.",
            next_step="Approve one: krakenstate apply",
            address=address,
            source=resource.source,
        )
    if record.is_as_adopted and record.rotation is None and not is_compared(record):
        raise HandInNotExpected(
            f"{address} was adopted and is in use, and its secret is not in Vault: there is nothing to "
            "compare with, and to ask a key that a process uses could disturb that process.",
            next_step="Put it at a path of yours, declare vault_path=..., and apply; it is known then by its "
            f"fingerprint. Or have it replaced: krakenstate key rotate {address} --now",
            address=address,
            source=resource.source,
        )
    if record.is_in_use and not record.awaits_successor and not is_compared(record):
        raise HandInNotExpected(
            f"{address} is in service already; a second key is not taken beside it.",
            next_step="If somebody made a new key for it, delete that key in the web page.",
            address=address,
            source=resource.source,
        )
    if record.removal is not None:
        raise HandInNotExpected(
            f"{address} is being removed.",
            next_step="If somebody made a new key for it, delete that key in the web page.",
            address=address,
            source=resource.source,
        )
    return resource


def hand_in(
    session: Session,
    key: Key,
    credential: Credential,
    *,
    stored: Callable[[str], None],
    wait_s: float,
    stop: Stop = never,
) -> Outcome | None:
    """Quarantine first; then, if the lock is free, the key is verified at once.

    Neither a breaker nor somebody else's lock keeps a secret out of quarantine; only another key that lies
    there does, while a run is at work on it.

    Args:
        key: From ``expect_hand_in``.
        credential: Its form was checked.
        stored: Told the place as soon as the secret is stored and read back: the dialog may be closed.

    Returns:
        What verifying came to, or ``None`` when somebody else holds the lock: the next settle takes over.

    Raises:
        QuarantineFailed: It is not certain that the secret is stored.
    """
    record = load_state(session).key(key.address)
    slot = session.shelf(record) if record else session.slot(key.process.address, key.address)
    try:
        with writing(session, "key ingest", wait_s=wait_s, stop=stop) as run:
            if is_compared(run.state.key(key.address)):
                return recognise(run, key, credential, stored)
            handover = Handover(run)
            held = handover.quarantine(key, credential)
            stored(held.path)
            outcome = handover.verify(key)
            if outcome.effect is Effect.PUBLISHED:
                outcome = leak.after_hand_in(run, key, outcome)
            run.save()
            return outcome
    except LockHeld as busy:
        if is_compared(record):  # nobody waits for it, and no settle takes it up
            raise
        held = session.custody.store_quarantine(slot, credential)
        stored(held.path)
        session.audience.say(busy.message)
        return None
