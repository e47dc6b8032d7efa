"""What a step means, who acts and why, for people who know neither Kraken nor this program."""

from __future__ import annotations

from typing import NamedTuple

from krakenstate.model.declarations import DerivativesKey, Grant, SpotKey
from krakenstate.model.plan import Action, Actor, Reason, Step, StepClass
from krakenstate.model.task import TaskKind

_KEYS = {SpotKey.type_name, DerivativesKey.type_name}

WHAT_OF_A_TASK = {
    TaskKind.CREATE_KEY: "a person makes a new key in Kraken's web page and hands its secret in; the key is "
    "compared with the declaration before its process gets it",
    TaskKind.EDIT_KEY: "a person changes the key in Kraken's web page; its secret stays the same, and until "
    "then the key can do what it could before",
    TaskKind.DELETE_KEY: "a person deletes the key in Kraken's web page; whatever still uses it stops",
    TaskKind.STOP_PROCESS: "a person confirms that the process no longer uses the key; only then the key is "
    "deleted, and its secret after it",
    TaskKind.ADOPT_KEY: "a person confirms that the process uses the new key; only then the old one goes",
    TaskKind.REQUEST_SPOT_SUBACCOUNT: "a person asks Kraken's relationship manager for the subaccount",
    TaskKind.FINISH_EMAIL_SETUP: "the owner of the mailbox follows the link that Kraken sent",
    TaskKind.LINK_DERIVATIVES: "a person asks Kraken's support to link the account to its master, with a "
    "text that is ready to paste",
    TaskKind.UNLINK_DERIVATIVES: "a person asks Kraken's support to end the link",
    TaskKind.CONFIRM_IDENTITY: "a person confirms which account this is",
    TaskKind.INSTALL_GRANT: "an administrator installs a policy in Vault, which says who may read the "
    "secrets of the process",
    TaskKind.SETTLE_UNKNOWN: "a person looks whether an earlier call took effect; it is never sent again "
    "by itself",
}

WHAT = {
    Action.CREATE: "it is created by one call, which is never repeated if its answer is lost",
    Action.UPDATE: "its attributes are changed by a call",
    Action.DELETE: "it is removed by a call, and does not come back",
    Action.MANUAL: "a person has to act",
    Action.ROTATE: "a new key takes the place of the old one: made by a person, compared, given to the "
    "process; both work until the old one is deleted",
    Action.FORGET: "it is no longer looked after; nothing happens to it where it is",
    Action.INGEST: "a secret that somebody left in the inbox is taken in",
    Action.VERIFY: "a key that was handed in is asked what it is, and goes to its process if it is as "
    "declared",
    Action.ADVANCE: "what is under way goes on to its next stage",
    Action.CLOSE: "a task is closed, since what it asked for is there",
}
"""By action; what is nobody's step (waiting, not known, nothing to do) has no block, and needs none."""

WHY = {
    Reason.NOT_FOUND: "the stack declares it, and it does not exist",
    Reason.NOT_HANDED_IN: "the stack declares the key, and nobody has handed one in",
    Reason.NOT_INSTALLED: "the stack declares it, and nobody has said that it is installed",
    Reason.ATTRIBUTES_DIFFER: "what exists is not what the stack declares",
    Reason.DECLARATION_CHANGED: "the stack declares something else than was approved before",
    Reason.REMOVED_FROM_STACK: "the stack no longer declares it",
    Reason.ROTATION_DUE: "the key is older than rotate_every allows",
    Reason.EXPIRING: "the key stops working soon",
    Reason.EXPIRED: "the key no longer works, since its last day has passed",
    Reason.REVOKED: "the key was revoked, and the stack still declares one",
    Reason.HANDED_IN: "somebody handed a key in",
    Reason.EVIDENCE_READY: "what it waited for is there",
    Reason.LET_GO: "the stack says to let go of it",
    Reason.ADOPTED: "it existed before, and the stack now declares it",
}
"""By reason; those of steps without a block are left to what the plan says of them."""


class Explanation(NamedTuple):
    """A step in plain language."""

    what: str
    who: str
    why: str


def explanation(step: Step) -> Explanation:
    """A step that has a block, in plain language."""
    why = WHY.get(step.reason, step.reason.value.replace("_", " "))
    waits = f"; first {', '.join(step.waits_on)} has to be there" if step.waits_on else ""
    return Explanation(what=_what(step), who=_who(step), why=f"{why}{waits}")


def _what(step: Step) -> str:
    if step.previous_address and step.action.step_class is None:
        return "its record gets another address; nothing changes anywhere else"
    if step.task_kind is not None and step.action is Action.MANUAL:
        return WHAT_OF_A_TASK[step.task_kind]
    if step.is_import:
        return "what exists is recorded, so that it stands under review from now on; it is not touched"
    if step.action is Action.UPDATE and step.address.type in _KEYS:
        return "only the record of the key changes; the key itself is as declared already"
    if step.address.type == Grant.type_name and step.action is Action.FORGET:
        return "it is no longer looked after; the policy holds until an administrator removes it"
    return WHAT.get(step.action, "nothing is done")


def _who(step: Step) -> str:
    if step.action is Action.ROTATE:
        return "krakenstate opens the tasks, one stage after another; people make and delete the keys"
    if step.actor is Actor.PERSON:
        return f"{step.assignee or 'whoever owns it'}, with a task that opens when this plan is applied"
    if step.step_class is StepClass.SETTLEMENT:
        return "krakenstate, at the next settle or apply; it needs no approval"
    return "krakenstate, when this plan is applied"
