"""Recovery: what an earlier run left unfinished, and what can be said about it.

How this works: a run that ended in an orderly way closed its journal. For one that did not, each intent is
looked at. A creation without an answer may have taken effect: it becomes ``unknown``, and a task asks a
person;
it is never sent again by itself. Everything else can be looked at again (a stored secret, a switch), so the
next observation and the next settlement finish it.
"""

from __future__ import annotations

from krakenstate.engine.handover import new_account_record
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.model.declarations import SpotSubaccount
from krakenstate.model.run import CallKind, Intent, Result
from krakenstate.model.state import AccountStatus
from krakenstate.model.task import TaskKind


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


def _conclude(run: Writing, intent: Intent) -> list[str]:
    if intent.kind is CallKind.CREATE_SUBACCOUNT:
        return _creation(run, intent)
    if intent.result is None:
        return [
            f"{intent.kind.value} for {intent.address} may or may not have happened; it is looked at again"
        ]
    return []


def _creation(run: Writing, intent: Intent) -> list[str]:
    known = run.state.account(intent.address)
    declared = run.session.desired.resources.get(intent.address)
    if intent.result is Result.FAILED or not isinstance(declared, SpotSubaccount):
        return []
    if known is not None and known.status is not AccountStatus.AWAITED:
        return []
    done = intent.result is Result.DONE
    record = new_account_record(declared, AccountStatus.EXISTS if done else AccountStatus.UNKNOWN)
    run.state.put(record.model_copy(update={"existed_at": intent.result_at if done else None}))
    kind = TaskKind.FINISH_EMAIL_SETUP if done else TaskKind.SETTLE_UNKNOWN
    task = Work(run).account(kind, declared, "account owner")
    if done:
        return [f'the subaccount "{declared.username}" was created and is recorded now']
    return [f'the subaccount "{declared.username}" may exist; task {task.id} asks what became of it']
