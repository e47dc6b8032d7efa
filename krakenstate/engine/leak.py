"""The night of a leak: what people order outside of any plan, and with breakers open.

How this works: an order is journalled with its reason before anything else, then recorded, and the tasks it
needs are open at once. Nothing here asks for a plan. A key that can move funds is deleted before the new one
is made; any other when the new one is there, while its dialog is still open. The new key is handed in with
``key ingest``, which publishes it and asks the leaked one, once each, past the account's breaker. A lockout
of this address is respected: nobody gets an answer then.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from krakenstate.engine.deletion import Deletions
from krakenstate.engine.nonces import unit_of
from krakenstate.engine.retirement import Retirement
from krakenstate.engine.rotation import Rotations
from krakenstate.engine.session import Session, Writing
from krakenstate.engine.trading import switch_trading
from krakenstate.engine.work import Work, key_job, owner_of
from krakenstate.errors import NotInService, UsageError
from krakenstate.model.declarations import Account, DerivativesSubaccount, Key
from krakenstate.model.rotation import Rotation, Stage, can_move_funds
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.state import KeyRecord, State
from krakenstate.model.task import Task, TaskKind
from krakenstate.model.vocabulary import Api

BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True)
class Orders:
    """What people must do now, in this order, and what to know before."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...] = ()


def rotate_now(run: Writing, key: Key, reason: str, who: str) -> Orders:
    """Replaces a key at once, or speeds up the rotation that is under way.

    Raises:
        NotInService: There is no key in service to replace, or it is being removed or revoked.
    """
    record = _in_service(run, key)
    if record.rotation is not None and not record.rotation.replaces:
        raise NotInService(
            f"{key.address} is being revoked, and nothing replaces it.",
            next_step="Have it revoked to the end first: krakenstate task list",
            address=key.address,
        )
    rotations = Rotations(run)
    earlier = "" if record.rotation is None or record.awaits_successor else record.rotation.old.named

    def order() -> None:
        hurried = rotations.hurry(record, reason) if record.rotation else None
        if record.awaits_successor:
            run.state.put(record.model_copy(update={"rotation": hurried}))
        else:
            rotations.start(key, BY_HAND, because=reason, by=who, urgent=True, before=hurried)
        run.save()

    run.write(CallKind.ORDER, key.address, _details("key rotate --now", reason, who), order)
    now = _again(run, record)
    assert now.rotation is not None  # noqa: S101 - just ordered
    rotations.retire(now)
    deletions = Deletions(run).ask_for_deletions(_again(run, record), f"leaked: {reason}")
    run.save()
    creation = [t for t in run.state.open_tasks(key.address) if t.kind is TaskKind.CREATE_KEY]
    first, later = _by_danger(now, deletions)
    notes = [_order_of(bool(first))]
    if earlier:
        leaked = now.rotation.old.named.capitalize()
        notes.insert(
            0,
            f"An earlier rotation of {key.address} had not ended: {earlier}, which it replaced, is to be "
            f"deleted now too. {leaked}, in service, is taken to be the one that leaked.",
        )
    return Orders((*first, *creation, *later), tuple(notes))


def revoke(
    run: Writing,
    key: Key | None,
    record: KeyRecord,
    reason: str,
    who: str,
    *,
    ordered: str = "key revoke",
) -> Orders:
    """Revokes a key without replacing it: its process is stopped, and it is deleted.

    Raises:
        NotInService: There is no key in service.
    """
    if not record.is_in_use:
        raise NotInService(f"{record.address} is not in service, so there is nothing to revoke.")
    rotations, work = Rotations(run), Work(run)
    owner = key.process.owner if key else record.process.name

    def order() -> None:
        rotations.give_up(_again(run, record))
        current = _again(run, record)
        hurried = rotations.hurry(current, reason) if current.rotation else None
        if hurried is None or hurried.replaces:
            hurried = Rotation(
                stage=Stage.DRAINING,
                reason=BY_HAND,
                because=reason,
                by=who,
                at=run.now,
                generation=current.generation,
                key_name=current.key_name,
                terms=current.terms,
                old=current.in_service,
                urgent=True,
                replaces=False,
                before=hurried,
            )
        run.state.put(current.model_copy(update={"rotation": hurried}))
        run.save()

    run.write(CallKind.ORDER, record.address, _details(ordered, reason, who), order)
    now = _again(run, record)
    assert now.rotation is not None  # noqa: S101 - just ordered
    first, later = _by_danger(now, Deletions(run).ask_for_deletions(now, f"revoked: {reason}"))
    rotations.retire(now)
    stop = work.stop_process(_again(run, record), owner)
    run.save()
    notes = [
        f"{old.named.capitalize()}, which was replaced, is to be deleted too." for old in now.outgoing[1:]
    ]
    return Orders((*first, *later, stop), tuple(notes))


def revoke_all(run: Writing, account: Account, reason: str, who: str) -> Orders:
    """Revokes every key of an account, in the order in which to delete them.

    A key that was handed in and is in no service yet is to be deleted as well, and its secret is dropped.
    """
    tasks: list[Task] = []
    for record in keys_of(run.state, account):
        declared = run.session.desired.resources.get(record.address)
        key = declared if isinstance(declared, Key) else None
        if record.is_in_use:
            tasks += revoke(run, key, record, reason, who, ordered="panic").tasks
        elif key is not None:
            candidate = record.candidate
            run.write(CallKind.ORDER, record.address, _details("panic", reason, who), run.save)
            Retirement(run).withdraw(key, record, f"revoked: {reason}")
            subject = candidate.fingerprint if candidate else ""
            tasks += [t for t in run.state.open_tasks(record.address) if subject and t.subject == subject]
    return Orders(tuple(sorted(tasks, key=lambda t: t.kind is not TaskKind.DELETE_KEY)))


def after_hand_in(run: Writing, key: Key, outcome: Outcome) -> Outcome:
    """In an urgent rotation the leaked key is asked as soon as the new one is in service, once.

    A key whose unit is not declared is asked only after somebody said that it is deleted: nobody knows which
    nonce would leave its process alone, were it still alive.
    """
    record = run.state.key(key.address)
    rotation = record.rotation if record else None
    if record is None or rotation is None or not rotation.urgent or rotation.stage is not Stage.DRAINING:
        return outcome
    if key.api is Api.SPOT and unit_of(rotation.old.terms) is None:
        return outcome
    proof = Deletions(run).prove(record)
    is_bad = proof.effect is Effect.REJECTED
    return outcome.model_copy(
        update={"text": f"{outcome.text}; {proof.text}", "code": proof.code if is_bad else outcome.code}
    )


def keys_of(state: State, account: Account) -> list[KeyRecord]:
    """The keys of an account that exist, in the order in which to delete them: what moves funds first."""
    found = [
        r
        for r in state.records
        if isinstance(r, KeyRecord) and r.account == account.address and (r.is_in_use or r.candidate)
    ]
    return sorted(found, key=lambda r: (not can_move_funds(r.terms), r.address))


def deletions(session: Session, state: State, account: Account, why: str) -> list[tuple[str, str]]:
    """Which keys of an account to delete, in order: a title and a click list each. Nothing is written."""
    out = []
    for record in keys_of(state, account):
        job = key_job(record, owner_of(record, session.desired, state), session.desired, state)
        funds = " (can move funds)" if can_move_funds(record.terms) else ""
        text = session.providers.keys[record.terms.api].delete_key(job, why)
        out.append((f"{record.address}{funds}", text))
    return out


def stop_trading(run: Writing, account: DerivativesSubaccount, reason: str, who: str) -> bool:
    """Switches Derivatives trading off, past the account's breaker; whether Kraken says that it is off.

    Raises:
        NotInService: There is no controller in service, or the link was never seen.
        KrakenError: It was refused, or the outcome is unknown.
    """
    known = run.state.account(account.address)
    if known is None or known.account_uid is None:
        raise NotInService(f"The link of {account.address} was never seen, so its account id is not known.")
    because = _details("panic", reason, who)
    became = switch_trading(run, account, known.account_uid, False, because=because, urgent=True)
    run.save()
    return not became


def check_reason(reason: str) -> str:
    """The reason itself.

    Raises:
        UsageError: It says nothing.
    """
    if not reason.strip():
        raise UsageError("A reason is needed; it goes into the journal.", next_step='Add: --reason "..."')
    return reason.strip()


def _in_service(run: Writing, key: Key) -> KeyRecord:
    record = run.state.key(key.address)
    if record is None or not record.is_in_use:
        raise NotInService(
            f"{key.address} has no key in service, so there is nothing to replace.", address=key.address
        )
    if record.removal is not None:
        raise NotInService(
            f"{key.address} is being removed; have its deletion done at once.",
            next_step="See what is open: krakenstate task list",
            address=key.address,
        )
    return record


def _details(order: str, reason: str, who: str) -> dict[str, JsonValue]:
    return {"order": order, "reason": reason, "by": who}


def _by_danger(record: KeyRecord, deletions: list[Task]) -> tuple[list[Task], list[Task]]:
    """Those deletions that come before anything else, since the key can move funds, and the others."""
    dangerous = {old.subject for old in record.outgoing if can_move_funds(old.terms)}
    first = [task for task in deletions if task.subject in dangerous]
    return first, [task for task in deletions if task not in first]


def _again(run: Writing, record: KeyRecord) -> KeyRecord:
    return run.state.key(record.address) or record


def _order_of(first_delete: bool) -> str:
    if first_delete:
        return "The key can move funds: delete it first, then make the new one and hand it in."
    return (
        "Make the new key first and keep its dialog open; then delete the old one in another tab; then hand "
        "the new one in."
    )
