"""What closes each kind of task: what an API says, or a person's word where no API can say it."""

from __future__ import annotations

from typing import NamedTuple

from krakenstate.model.task import TaskKind
from krakenstate.model.vocabulary import Api


class Evidence(NamedTuple):
    """How a task is closed.

    ``text`` says it to the person. ``attestable`` is whether a person's word closes it.
    """

    text: str
    attestable: bool


_EVIDENCE = {
    TaskKind.CREATE_KEY: Evidence("the key is handed in, answers for itself, and is as declared", False),
    TaskKind.DELETE_KEY: Evidence(
        "whoever deleted it says so; asking a deleted key would count as a failed authentication", True
    ),
    TaskKind.STOP_PROCESS: Evidence("the process's owner says that it is stopped", True),
    TaskKind.ADOPT_KEY: Evidence("the process reports the new key, or its owner says so", True),
    TaskKind.REQUEST_SPOT_SUBACCOUNT: Evidence(
        "whoever asked says that it exists; or its first accepted key", True
    ),
    TaskKind.FINISH_EMAIL_SETUP: Evidence("the first accepted key of the account; or its owner's word", True),
    TaskKind.LINK_DERIVATIVES: Evidence("the master's list of subaccounts shows it", False),
    TaskKind.UNLINK_DERIVATIVES: Evidence("support's answer, attested", True),
    TaskKind.CONFIRM_IDENTITY: Evidence("whoever looked says what the account's settings show", True),
    TaskKind.INSTALL_GRANT: Evidence("the administrator who installed it says so", True),
    TaskKind.SETTLE_UNKNOWN: Evidence("an answer: krakenstate task settle ID --created, or --absent", False),
}

_EDIT = {
    Api.SPOT: Evidence(
        "whoever edited it says so; a Spot key in service is not asked, since asking moves its nonce", True
    ),
    Api.DERIVATIVES: Evidence("the key says so itself (v3/check), from a site inside its allowlist", False),
}
_EDIT_UNASKED = Evidence(
    "a report from where its process runs (krakenstate key verify ADDRESS --report), or whoever edited it "
    "says so; no site lies inside both its old and its new allowlist",
    True,
)


def evidence_for(kind: TaskKind, api: Api | None = None, *, can_be_asked: bool = True) -> Evidence:
    """What closes a task of this kind.

    Args:
        kind: Of the task.
        api: The key's platform, for ``edit-key``.
        can_be_asked: Whether any site may ask the edited key; a Spot key in service is never asked for this.
    """
    if kind is not TaskKind.EDIT_KEY:
        return _EVIDENCE[kind]
    found = _EDIT[api or Api.SPOT]
    return found if found.attestable or can_be_asked else _EDIT_UNASKED
