"""What people say about their tasks, and what it changes in the state."""

from __future__ import annotations

from datetime import UTC, datetime, time

from krakenstate.engine.reach import edit_can_be_asked
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.errors import TaskNotPossible
from krakenstate.model.declarations import DerivativesSubaccount, Key, SpotSubaccount
from krakenstate.model.provenance import Provenance
from krakenstate.model.rotation import Stage
from krakenstate.model.state import AccountRecord, AccountStatus, GrantRecord, KeyRecord, State
from krakenstate.model.task import Attestation, Task, TaskKind
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.tasks import life


def attest(run: Writing, task: Task, who: str, note: str) -> Task:
    """Closes a task by a person's word and records what it says.

    Raises:
        TaskNotPossible: The task ended, or an API verifies its kind.
    """
    state, address = run.state, task.address
    # a task can outlive its record: a stray key is still to be deleted
    edited = state.key(address)
    can_be_asked = edited is None or edit_can_be_asked(run.session.desired, edited)
    closed = life.attest(state, task, who, note, run.now, can_be_asked=can_be_asked)
    record = state.key(address) or state.account(address) or state.grant(address)
    if task.kind is TaskKind.INSTALL_GRANT and isinstance(record, GrantRecord):
        run.state.put(record.model_copy(update={"installed": closed.attestation}))
    elif task.kind is TaskKind.REQUEST_SPOT_SUBACCOUNT and isinstance(record, AccountRecord):
        run.state.put(
            record.model_copy(
                update={
                    "status": AccountStatus.EXISTS,
                    "existed_at": run.now,
                    "provenance": Provenance.ATTESTED,
                }
            )
        )
        life.unblock(run.state, record.address)
    elif task.kind is TaskKind.ADOPT_KEY and isinstance(record, KeyRecord) and record.rotation:
        if record.rotation.stage is Stage.PUBLISHED:
            said = {"stage": Stage.ADOPTED, "adopted_at": run.now, "adopted_by": Provenance.ATTESTED}
            run.state.put(record.model_copy(update={"rotation": record.rotation.model_copy(update=said)}))
    elif task.kind is TaskKind.EDIT_KEY and isinstance(record, KeyRecord) and record.description:
        run.state.put(
            record.model_copy(
                update={
                    "description": as_declared(record.description, record.terms),
                    "described_at": run.now,
                    "provenance": Provenance.ATTESTED,
                }
            )
        )
    run.save()
    return closed


def settle_unknown(run: Writing, task: Task, *, created: bool, who: str = "") -> Task:
    """Answers what became of a creation. Nothing is created by either answer.

    Raises:
        TaskNotPossible: The task asks something else, or has ended.
    """
    if task.kind is not TaskKind.SETTLE_UNKNOWN or not task.is_open:
        raise TaskNotPossible(
            f"Task {task.id} ({task.kind}, {task.status}) is not an open question about an unknown outcome.",
            address=task.address,
        )
    record = run.state.record(task.address)
    declared = run.session.desired.resources.get(task.address)
    answer = "it exists" if created else "it does not exist"
    closed = life.close(run.state, task, f"answered: {answer}", run.now)
    if created and isinstance(declared, Key) and isinstance(record, KeyRecord):
        Work(run).create_key(record, declared.process.owner, ())
    elif created and isinstance(record, GrantRecord):
        word = Attestation(by=who or task.assignee, at=run.now, note=answer)
        run.state.put(record.model_copy(update={"installed": word}))
    elif created and isinstance(declared, DerivativesSubaccount) and isinstance(record, AccountRecord):
        run.state.put(record.model_copy(update={"status": AccountStatus.AWAITED}))
        Work(run).account(TaskKind.LINK_DERIVATIVES, declared, task.assignee)
    elif created and isinstance(record, AccountRecord):
        run.state.put(
            record.model_copy(
                update={
                    "status": AccountStatus.EXISTS,
                    "existed_at": run.now,
                    "provenance": Provenance.ATTESTED,
                }
            )
        )
        life.unblock(run.state, record.address)
        if isinstance(declared, SpotSubaccount) and not _has_key_in_service(run.state, record):
            Work(run).account(TaskKind.FINISH_EMAIL_SETUP, declared, task.assignee)
    elif not created:
        run.state.forget(task.address, with_tasks=False)  # the next question gets an id of its own
    run.save()
    return closed


def _has_key_in_service(state: State, account: AccountRecord) -> bool:
    """Whether a key of the account was accepted already, so that its set-up is finished."""
    keys = (record for record in state.records if isinstance(record, KeyRecord))
    return any(key.account == account.address and key.published for key in keys)


def as_declared(description: KeyDescription, terms: KeyTerms) -> KeyDescription:
    """A description with every managed attribute as the terms say: what a person attested."""
    changes: dict[str, object] = {}
    for name in ("permissions", "general", "transfer", "networks", "nonce_window"):
        if getattr(terms, name) is not None:
            changes[name] = getattr(terms, name)
    days = {"valid_until": terms.expires, "query_from": terms.query_from, "query_to": terms.query_to}
    for name, day in days.items():
        if day is not None:
            changes[name] = datetime.combine(day, time(12), tzinfo=UTC)
    return description.model_copy(update=changes)
