"""What is recorded of accounts, and what the first accepted key of one shows."""

from __future__ import annotations

from krakenstate.engine.session import Writing
from krakenstate.errors import MayExist
from krakenstate.model.declarations import Account
from krakenstate.model.provenance import Provenance
from krakenstate.model.state import AccountRecord, AccountStatus
from krakenstate.model.task import TaskKind
from krakenstate.model.terms import KeyDescription
from krakenstate.tasks import life


def new_account_record(account: Account, status: AccountStatus) -> AccountRecord:
    """What is recorded of an account before anything is known of it."""
    master = getattr(account, "master", None)
    return AccountRecord(
        address=account.address,
        status=status,
        email=account.email,
        username=getattr(account, "username", None),
        master=master.address if master is not None else None,
        protect=account.protect,
    )


def why_unknown(code: str) -> str:
    """Why a person is asked whether an account exists, told by the code its creation failed with.

    Empty after no answer, which is what is said otherwise.
    """
    if code != MayExist.code:
        return ""
    return (
        "Kraken refused to create it, and a refusal can mean that its user name or e-mail is taken: by it, "
        "if it exists already, or by another account"
    )


def accept_account(run: Writing, account: Account, description: KeyDescription, *, is_asked: bool) -> None:
    """The first accepted key of an account shows that it exists, and, if it was asked here, who it is."""
    state, now = run.state, run.now
    # A report pins no identity: a wrong one would make later keys be dropped as another account's.
    record = state.account(account.address) or new_account_record(account, AccountStatus.AWAITED)
    known = record.provenance if record.existed_at else None
    exists = record.status is AccountStatus.EXISTS or account.type_name != "derivatives_subaccount"
    state.put(
        record.model_copy(
            update={
                "status": AccountStatus.EXISTS if exists else record.status,
                "iiban": record.iiban or (description.iiban if is_asked else None),
                "account_uid": record.account_uid or (description.account_uid if is_asked else None),
                "existed_at": record.existed_at or (now if exists else None),
                "provenance": Provenance.OBSERVED if is_asked else (known or Provenance.REPORTED),
            }
        )
    )
    if exists:
        life.unblock(state, account.address)
    settled = {
        TaskKind.FINISH_EMAIL_SETUP,
        TaskKind.REQUEST_SPOT_SUBACCOUNT,
        TaskKind.SETTLE_UNKNOWN,
    }
    for task in state.open_tasks(account.address):
        if task.kind in settled:
            life.close(state, task, "a key of the account answers", now)
            run.session.audience.say(
                f"{account.address}: task {task.id} closed: a key of the account answers"
            )
