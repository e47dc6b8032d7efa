"""Recovery: what an earlier run left unfinished, and what can be said about it.

How this works: a run that ended in an orderly way closed its journal. For one that did not, each intent is
looked at. A creation without an answer may have taken effect: it becomes ``unknown``, and a task asks a
person;
it is never sent again by itself. Everything else can be looked at again (a stored secret, a switch), so the
next observation and the next settlement finish it.
"""

from __future__ import annotations

from krakenstate.engine.accounts import new_account_record, why_unknown
from krakenstate.engine.session import Session, Writing
from krakenstate.engine.work import Work
from krakenstate.model.declarations import SpotSubaccount
from krakenstate.model.desired import Desired
from krakenstate.model.run import CallKind, Intent, Result
from krakenstate.model.state import AccountRecord, AccountStatus, State
from krakenstate.model.task import TaskKind
from krakenstate.tasks import life


def recover(run: Writing) -> list[str]:
    """Closes the journals of runs that never ended; says what was found and concluded, a line each."""
    said: list[str] = []
    for earlier, intents in run.journal.unfinished():
        conclusions = [line for intent in intents for line in _conclude(run, intent)]
        run.save()
        text = "; ".join(conclusions) or "nothing was left undone"
        run.journal.recovered(earlier, text)
        said.append(f"An earlier {earlier.operation} ({earlier.id}, by {earlier.who}) did not end: {text}.")
    return said


def foresee(session: Session, state: State) -> list[str]:
    """What recovery would conclude, in memory alone, for commands that only read.

    A creation without an answer is shown as unknown, so that no plan proposes what may have happened.
    """
    said: list[str] = []
    for earlier, intents in session.records.journal.unfinished():
        for intent in intents:
            declared = _meant(session.desired, intent)
            known = state.account(declared.address if declared else intent.address)
            if not _is_open_creation(intent, known) or declared is None:
                continue
            done = intent.result is Result.DONE
            state.put(new_account_record(declared, AccountStatus.EXISTS if done else AccountStatus.UNKNOWN))
        said.append(
            f"An earlier {earlier.operation} ({earlier.id}, by {earlier.who}) is still running or did not "
            "end; the next apply or settle says what became of it."
        )
    return said


def _meant(desired: Desired, intent: Intent) -> SpotSubaccount | None:
    """The declaration a creation was for, also where it was renamed since: a user name is one account."""
    found = desired.resources.get(desired.moved_to(intent.address))
    if isinstance(found, SpotSubaccount):
        return found
    username = intent.details.get("username")
    return next((a for a in desired.of(SpotSubaccount) if a.username == username), None)


def _is_open_creation(intent: Intent, known: AccountRecord | None) -> bool:
    """Whether an intent is a creation that may have happened and is recorded nowhere."""
    if intent.kind is not CallKind.CREATE_SUBACCOUNT or intent.result is Result.FAILED:
        return False
    return known is None or known.status is AccountStatus.AWAITED


def _conclude(run: Writing, intent: Intent) -> list[str]:
    if intent.kind is CallKind.CREATE_SUBACCOUNT:
        return _creation(run, intent)
    if intent.result is None:
        return [
            f"{intent.kind.value} for {intent.address} may or may not have happened; it is looked at again"
        ]
    return []


def _creation(run: Writing, intent: Intent) -> list[str]:
    declared = _meant(run.session.desired, intent)
    known = run.state.account(declared.address if declared else intent.address)
    if not _is_open_creation(intent, known) or declared is None:
        return []
    done = intent.result is Result.DONE
    record = new_account_record(declared, AccountStatus.EXISTS if done else AccountStatus.UNKNOWN)
    run.state.put(record.model_copy(update={"existed_at": intent.result_at if done else None}))
    kind = TaskKind.FINISH_EMAIL_SETUP if done else TaskKind.SETTLE_UNKNOWN
    why = "" if done else why_unknown(intent.result_detail)
    task = Work(run).account(kind, declared, "account owner", why_unknown=why)
    if done:
        life.unblock(run.state, declared.address)
        return [f'the subaccount "{declared.username}" was created and is recorded now']
    return [f'the subaccount "{declared.username}" may exist; task {task.id} asks what became of it']
