"""Carrying out a plan: one step after another, each recorded before the next.

Independent steps go on after a failure; what was done is in the state, what failed is in the outcomes. A lost
lock, a state somebody else wrote, or an unreachable Vault ends the run at once: nothing more could be
recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from krakenstate.engine import leak, moves
from krakenstate.engine.accounts import new_account_record, why_unknown
from krakenstate.engine.adoption import adopt
from krakenstate.engine.audience import Witness
from krakenstate.engine.grants import Grants
from krakenstate.engine.handover import Handover
from krakenstate.engine.labels import relabel
from krakenstate.engine.moves import leans_on_move
from krakenstate.engine.observe import subject_of
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_keys import (
    FIRST_GENERATION,
    clears_quarantine,
    name_at_kraken,
    rotation_comes_first,
)
from krakenstate.engine.reports import known_of
from krakenstate.engine.retirement import Retirement
from krakenstate.engine.rotation import Rotations
from krakenstate.engine.session import Writing
from krakenstate.engine.taking_in import settle_steps
from krakenstate.engine.trading import controller_of, switch_trading
from krakenstate.engine.work import Work, policies_of
from krakenstate.errors import (
    Interrupted,
    KrakenstateError,
    LockError,
    OutcomeUnknown,
    PermissionDenied,
    StateError,
    VaultError,
)
from krakenstate.model.declarations import (
    DerivativesSubaccount,
    Key,
    SpotSubaccount,
)
from krakenstate.model.plan import Action, Plan, Reason, Step, StepClass
from krakenstate.model.provenance import Provenance
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Presence, Snapshot
from krakenstate.model.state import (
    AccountRecord,
    AccountStatus,
    KeyRecord,
    Removal,
    Verdict,
)
from krakenstate.model.task import Task, TaskKind
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Api, NonceUnit, Permission, SignedCall
from krakenstate.tasks import life

FATAL = (Interrupted, LockError, StateError, VaultError)
_FIRST = {Action.CREATE: 0, Action.UPDATE: 1, Action.ROTATE: 2, Action.MANUAL: 3, Action.FORGET: 4}


def outlook_of(run: Writing, snapshot: Snapshot) -> Outlook:
    """What the planner looks at, in a run that writes."""
    session = run.session
    return Outlook(
        desired=session.desired,
        snapshot=snapshot,
        state=run.state,
        now=session.clock(),
        verbs=session.providers.verbs,
        policies=policies_of(session.desired, session.providers.grants),
    )


class Application:
    """Carries out the steps of one plan."""

    def __init__(self, run: Writing, snapshot: Snapshot, *, tells: bool = True) -> None:
        self._run = run
        self._snapshot = snapshot
        self._session = run.session
        self._work = Work(run)
        self._handover = Handover(run)
        self._grants = Grants(run, self._work)
        self._rotations = Rotations(run)
        self._asker = run.session.asker
        self._tell = Witness(run.session.audience, run.state).look if tells else lambda: None

    def apply(self, plan: Plan) -> list[Outcome]:
        """Proposals first, then the settlements that were ready.

        That the plan is applied is noted with the first step, so that it is not carried out twice.
        """
        if plan.proposals:
            self._run.state.note_applied(plan.digest)
        outcomes = self._carry_out(plan.moves, self._move)
        own = [s for s in plan.proposals if s.action.step_class is StepClass.PROPOSAL]
        outcomes += self._carry_out(sorted(own, key=lambda s: (_FIRST.get(s.action, 9), s.address)))
        return outcomes + self._settle(s for s in plan.steps if s.action.step_class is StepClass.SETTLEMENT)

    def settle(self, plan: Plan) -> list[Outcome]:
        """What an earlier approval already allows; proposals, and what sits on a rename, are left alone."""
        pending = {s.address: s.previous_address for s in plan.moves if s.previous_address}
        resources = self._session.desired.resources
        ready = [s for s in plan.settlements if not leans_on_move(resources.get(s.address), pending)]
        return self._settle(ready)

    def _settle(self, steps: Iterable[Step]) -> list[Outcome]:
        part = partial(Application, snapshot=self._snapshot, tells=False)
        outcomes = settle_steps(
            self._run, steps, lambda run: (self if run is self._run else part(run))._carry_out
        )
        self._tell()
        return outcomes

    def _carry_out(
        self, steps: Iterable[Step], act: Callable[[Step], Outcome] | None = None
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for step in steps:
            self._run.stop_requested()
            self._session.audience.begin(step.address, step.action)
            try:
                outcome = (act or self._one)(step)
            except FATAL:
                raise
            except KrakenstateError as error:
                outcome = Outcome(
                    address=step.address, effect=Effect.FAILED, text=error.message, code=error.code
                )
            self._run.save()
            outcomes.append(outcome)
            self._session.audience.end(outcome)
            self._tell()
        return outcomes

    def _one(self, step: Step) -> Outcome:
        if self._grants.takes(step):
            return self._grants.carry_out(step)
        table: dict[Action, Callable[[Step], Outcome]] = {
            Action.CREATE: self._create,
            Action.UPDATE: self._update,
            Action.MANUAL: self._manual,
            Action.FORGET: self._forget,
            Action.ROTATE: self._rotate,
            Action.INGEST: lambda s: self._taken(s, self._handover.ingest),
            Action.VERIFY: lambda s: self._taken(s, self._handover.verify),
            Action.ADVANCE: self._advance,
            Action.CLOSE: self._close,
        }
        return table[step.action](step)

    def _move(self, step: Step) -> Outcome:
        assert step.previous_address is not None  # noqa: S101 - a move names where from
        moves.carry_out(self._run, step.previous_address, step.address)
        return Outcome(
            address=step.address, effect=Effect.MOVED, text=f"renamed; it was {step.previous_address}"
        )

    # -- proposals -------------------------------------------------------------------------------------

    def _create(self, step: Step) -> Outcome:
        account = self._session.desired.get(step.address)
        assert isinstance(account, SpotSubaccount)  # noqa: S101 - the planner proposes no other creation
        controller, credential = controller_of(self._run, account.master, Api.SPOT)
        record = self._run.state.key(controller.address)
        held = record.description.permissions if record and record.description else None
        if held is not None and Permission.WITHDRAW_FUNDS.value not in held:
            raise PermissionDenied(
                f"{controller.address} lacks withdraw-funds, which Kraken's reference asks for to create "
                "subaccounts, so nothing was sent.",
                address=step.address,
            )
        nonce = self._asker.clock_nonce(credential.fingerprint, NonceUnit.MILLISECONDS)
        creator = self._session.providers.subaccounts
        new = new_account_record(account, AccountStatus.EXISTS)
        try:
            self._run.write(
                CallKind.CREATE_SUBACCOUNT,
                step.address,
                {"username": account.username, "email": account.email},
                lambda: self._asker.call(
                    subject_of(controller, record),
                    credential,
                    lambda: creator.create_subaccount(credential, nonce, account.username, account.email),
                    kind=SignedCall.CREATE_SUBACCOUNT,
                ),
            )
        except OutcomeUnknown as error:
            self._run.state.put(new.model_copy(update={"status": AccountStatus.UNKNOWN}))
            task = self._work.account(
                TaskKind.SETTLE_UNKNOWN,
                account,
                controller.process.owner,
                why_unknown=why_unknown(error.code),
            )
            self._run.save()
            return Outcome(
                address=step.address,
                effect=Effect.FAILED,
                text=f"outcome unknown; task {task.id} asks what became of it. {error.message}",
                code=error.code,
            )
        self._run.state.put(new.model_copy(update={"existed_at": self._run.now}))
        life.unblock(self._run.state, account.address)
        self._work.account(TaskKind.FINISH_EMAIL_SETUP, account, controller.process.owner)
        self._run.save()  # at once: a run that dies between the two would leave the task to nobody
        return Outcome(
            address=step.address,
            effect=Effect.CREATED,
            text=f"Creation complete [username={account.username}]",
        )

    def _update(self, step: Step) -> Outcome:
        resource = self._session.desired.get(step.address)
        if step.reason is Reason.ADOPTED:
            return adopt(self._run, resource)
        if {change.name for change in step.changes} == {"protect"}:
            known = self._run.state.record(step.address)
            self._run.state.put(known.model_copy(update={"protect": resource.protect}))
            word = str(resource.protect).lower()
            return Outcome(
                address=step.address, effect=Effect.UPDATED, text=f"Modifications complete [protect={word}]"
            )
        if isinstance(resource, Key):
            record = self._key_record(step)
            changed = record.model_copy(update={"terms": KeyTerms.of(resource)})
            self._cancel(step.address, "the key is as declared", TaskKind.EDIT_KEY)
            self._run.state.put(changed)
            if not changed.is_as_adopted:
                relabel(self._run, resource, changed)
            return Outcome(address=step.address, effect=Effect.UPDATED, text="Modifications complete")
        assert isinstance(resource, DerivativesSubaccount)  # noqa: S101 - nothing else is updated by API
        return self._switch_trading(resource)

    def _switch_trading(self, account: DerivativesSubaccount) -> Outcome:
        wanted = account.trading_enabled
        uid = self._snapshot.of(account.address).facts.get("account_uid")
        assert wanted is not None  # noqa: S101 - the planner compared it
        assert uid is not None  # noqa: S101 - the planner saw the link
        became = switch_trading(self._run, account, str(uid.value), wanted)
        if became is not wanted:
            return Outcome(
                address=account.address,
                effect=Effect.FAILED,
                text=f"Kraken reports trading_enabled = {str(became).lower()} after the change",
            )
        return Outcome(
            address=account.address,
            effect=Effect.UPDATED,
            text=f"Modifications complete [trading_enabled={str(became).lower()}]",
        )

    def _manual(self, step: Step) -> Outcome:
        table: dict[TaskKind, Callable[[Step], Task]] = {
            TaskKind.CREATE_KEY: self._ask_for_key,
            TaskKind.EDIT_KEY: self._ask_for_edit,
            TaskKind.STOP_PROCESS: self._start_removal,
            TaskKind.DELETE_KEY: self._start_removal,
            TaskKind.LINK_DERIVATIVES: self._ask_for_account,
            TaskKind.REQUEST_SPOT_SUBACCOUNT: self._ask_for_account,
            TaskKind.INSTALL_GRANT: self._grants.ask,
        }
        kind = step.task_kind
        assert kind is not None  # noqa: S101 - every manual step names its task
        task = table[kind](step)
        report = task.instructions if kind is TaskKind.LINK_DERIVATIVES else ""
        return Outcome(
            address=step.address,
            effect=Effect.OPENED,
            text=f"task {task.id} ({kind.value}) is open for {task.assignee}",
            report=report,
        )

    def _ask_for_key(self, step: Step) -> Task:
        key = self._key(step)
        record = self._run.state.key(key.address)
        if record is not None and record.awaits_successor:
            return self._rotations.ask_again(key)
        if record is not None:
            moved = (record.account, record.process) != (key.account.address, key.process.address)
            if moved:
                Retirement(self._run).retire_candidate(key, record, "the stack now asks for another key")
                self._cancel(key.address, "the declaration changed", TaskKind.CREATE_KEY)
                self._run.state.forget(key.address)
                record = None
        candidate = record.candidate if record else None
        if candidate is not None and candidate.verdict is Verdict.DIFFERS:
            candidate = candidate.model_copy(update={"verdict": Verdict.RECEIVED, "findings": ()})
        generation = record.generation + bool(record.revoked) if record else FIRST_GENERATION
        new = KeyRecord(
            address=key.address,
            account=key.account.address,
            process=key.process.address,
            generation=generation,
            key_name=name_at_kraken(key, generation),
            terms=KeyTerms.of(key),
            candidate=candidate,
            declined=record.declined if record else None,
            protect=key.protect,
            adopted=record.adopted if record else None,
            kept_as=record.kept_as if record and candidate else None,
        )
        self._cancel(key.address, "the declaration changed; a new task takes its place", TaskKind.CREATE_KEY)
        self._run.state.put(new)
        return self._work.create_key(new, key.process.owner, step.waits_on)

    def _ask_for_edit(self, step: Step) -> Task:
        key = self._key(step)
        record = self._key_record(step).model_copy(update={"terms": KeyTerms.of(key)})
        self._cancel(key.address, "the declaration changed; a new task takes its place", TaskKind.EDIT_KEY)
        self._run.state.put(record)
        return self._work.edit_key(record, key.process.owner, step.changes)

    def _rotate(self, step: Step) -> Outcome:
        task = self._rotations.start(self._key(step), step.reason.value)
        text = f"rotation begun; task {task.id} (create-key) is open for {task.assignee}"
        return Outcome(address=step.address, effect=Effect.OPENED, text=text)

    def _start_removal(self, step: Step) -> Task:
        record = self._key_record(step)
        self._rotations.give_up(record)
        record = self._key_record(step)
        stopping = step.task_kind is TaskKind.STOP_PROCESS
        record = record.model_copy(update={"removal": Removal.STOPPING if stopping else Removal.DELETING})
        self._cancel(step.address, "the key was removed from the stack")
        self._run.state.put(record)
        owner = step.assignee or record.process.name
        if stopping:
            return self._work.stop_process(record, owner)
        return self._work.delete_key(record, owner, "it was removed from the stack before it was used")

    def _ask_for_account(self, step: Step) -> Task:
        account = self._session.desired.get(step.address)
        assert isinstance(account, SpotSubaccount | DerivativesSubaccount)  # noqa: S101 - as planned
        assert step.task_kind is not None  # noqa: S101 - as planned
        known = self._run.state.account(account.address)
        fresh = new_account_record(account, AccountStatus.AWAITED)
        pinned = {"iiban": known.iiban, "account_uid": known.account_uid} if known else {}
        self._cancel(account.address, "a new task takes its place", step.task_kind)
        self._run.state.put(fresh.model_copy(update=pinned))
        return self._work.account(step.task_kind, account, step.assignee or "account owner")

    def _forget(self, step: Step) -> Outcome:
        record = self._run.state.record(step.address)
        if step.reason is Reason.LET_GO:
            stays = moves.let_go(self._run, record)
            return Outcome(
                address=step.address, effect=Effect.FORGOTTEN, text=f"removed from the state; {stays}"
            )
        report = ""
        if isinstance(record, AccountRecord) and step.address.type == DerivativesSubaccount.type_name:
            report = self._work.unlink_text(record)
        self._cancel(step.address, "it was removed from the stack")
        self._run.state.forget(step.address)
        return Outcome(
            address=step.address,
            effect=Effect.FORGOTTEN,
            text="removed from the state; nothing else was touched",
            report=report,
        )

    # -- settlements -----------------------------------------------------------------------------------

    def _taken(self, step: Step, take: Callable[[Key], Outcome]) -> Outcome:
        outcome = take(self._key(step))
        is_published = outcome.effect is Effect.PUBLISHED
        return leak.after_hand_in(self._run, self._key(step), outcome) if is_published else outcome

    def _advance(self, step: Step) -> Outcome:
        record = self._key_record(step)
        look = outlook_of(self._run, self._snapshot)
        if record.removal is None and (record.rotation is None or clears_quarantine(record, look)):
            return Retirement(self._run).clear_quarantine(record, self._key(step).process.owner)
        if record.rotation is not None and (record.removal is None or rotation_comes_first(record, look)):
            key = self._key(step) if record.removal is None else None
            return self._rotations.advance(record, key, self._snapshot.of(step.address).report)
        earlier = [t.assignee for t in self._run.state.tasks if t.address == step.address]
        return Retirement(self._run).advance_removal(record, earlier[-1] if earlier else record.process.name)

    def _close(self, step: Step) -> Outcome:
        seen = self._snapshot.of(step.address)
        now = self._run.now
        resource = self._session.desired.get(step.address)
        if isinstance(resource, Key):
            record = self._key_record(step)
            known = known_of(record, seen)
            self._run.state.put(
                record.model_copy(
                    update={
                        "terms": KeyTerms.of(resource),
                        "description": known.description,
                        "described_at": known.at,
                        "provenance": known.provenance,
                    }
                )
            )
            because = "the key is as declared"
        else:
            assert isinstance(resource, DerivativesSubaccount)  # noqa: S101 - as planned
            assert seen.presence is Presence.PRESENT  # noqa: S101 - the planner saw it
            self._record_link(resource, seen.facts["account_uid"].value, seen.facts.get("trading_enabled"))
            because = "the link is there"
        life.unblock(self._run.state, step.address)
        closing = {TaskKind.EDIT_KEY, TaskKind.LINK_DERIVATIVES, TaskKind.SETTLE_UNKNOWN}
        for task in self._run.state.open_tasks(step.address):
            if task.kind in closing:
                life.close(self._run.state, task, because, now)
        return Outcome(address=step.address, effect=Effect.CLOSED, text=because)

    def _record_link(self, account: DerivativesSubaccount, uid: object, trading: object) -> None:
        known = self._run.state.account(account.address)
        record = known or new_account_record(account, AccountStatus.EXISTS)
        value = getattr(trading, "value", None)
        self._run.state.put(
            record.model_copy(
                update={
                    "status": AccountStatus.EXISTS,
                    "account_uid": str(uid),
                    "trading_enabled": value if isinstance(value, bool) else record.trading_enabled,
                    "existed_at": record.existed_at or self._run.now,
                    "provenance": Provenance.OBSERVED,
                }
            )
        )

    # -- shared ----------------------------------------------------------------------------------------

    def _cancel(self, address: str, because: str, kind: TaskKind | None = None) -> None:
        for task in self._run.state.open_tasks(address):
            if kind in {None, task.kind} and not task.subject:
                life.cancel(self._run.state, task, because, self._run.now)

    def _key(self, step: Step) -> Key:
        resource = self._session.desired.get(step.address)
        assert isinstance(resource, Key)  # noqa: S101 - the planner made the step for a key
        return resource

    def _key_record(self, step: Step) -> KeyRecord:
        record = self._run.state.key(step.address)
        assert record is not None  # noqa: S101 - the planner read it
        return record
