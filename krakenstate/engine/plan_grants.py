"""Planning grants: a Vault policy per process, installed by an administrator."""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.outlook import Outlook
from krakenstate.engine.steps import additions, by_api, in_sync, manual, waiting
from krakenstate.model.declarations import Grant
from krakenstate.model.plan import Action, Reason, Step
from krakenstate.model.state import GrantRecord
from krakenstate.model.task import TaskKind

ADMINISTRATOR = "vault administrator"


def plan_grant(grant: Grant, look: Outlook) -> Step:
    """The one thing to do about a declared grant now."""
    policy = look.policies[grant.address]
    record = look.state.grant(grant.address)
    label = f'policy "{policy.name}" for process {grant.process.name}'
    changed = record is not None and (record.policy, record.policy_name) != (policy.text, policy.name)
    question = look.open_task(grant.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None:
        return waiting(grant.address, question, label)
    task = look.open_task(grant.address, TaskKind.INSTALL_GRANT)
    if task is not None and not changed:
        return waiting(grant.address, task, label)
    if record is not None and record.installed is not None and not changed:
        return in_sync(grant.address, label)
    after: dict[str, JsonValue] = {
        "process": str(grant.process.address),
        "policy": policy.name,
        "reads": policy.text,
    }
    return manual(
        grant.address,
        TaskKind.INSTALL_GRANT,
        Reason.DECLARATION_CHANGED if changed else Reason.NOT_INSTALLED,
        label,
        note="krakenstate holds no right to write policies; confirmed by the administrator's attestation",
        assignee=ADMINISTRATOR,
        after=after,
        changes=(change for change in additions(after) if change.name != "reads"),
    )


def plan_removed_grant(record: GrantRecord, look: Outlook) -> Step:
    """Letting go of a grant the stack no longer declares."""
    label = f'policy "{record.policy_name}"'
    question = look.open_task(record.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None:
        return waiting(record.address, question, label)
    return by_api(
        record.address,
        Action.FORGET,
        Reason.REMOVED_FROM_STACK,
        label,
        note=f"an administrator removes it: bao policy delete {record.policy_name}",
        before={"policy": record.policy_name},
    )
