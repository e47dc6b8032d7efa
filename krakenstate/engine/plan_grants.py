"""Planning grants: a Vault policy per process, and the role its process logs in with, if one is declared.

An administrator installs both and says so; with ``manage=True`` they are read, compared and written here.
"""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.outlook import Outlook, PolicyText
from krakenstate.engine.steps import additions, by_api, differences, in_sync, manual, unread, waiting
from krakenstate.model.declarations import Grant
from krakenstate.model.plan import Action, AttributeChange, Reason, Risk, RiskWord, Step
from krakenstate.model.snapshot import Observation, Presence
from krakenstate.model.state import GrantRecord
from krakenstate.model.task import TaskKind

ADMINISTRATOR = "vault administrator"
_BY_ITSELF = "krakenstate writes it itself: its token decides who reads these secrets"


def plan_grant(grant: Grant, look: Outlook) -> Step:
    """The one thing to do about a declared grant now."""
    policy = look.policies[grant.address]
    record = look.state.grant(grant.address)
    label = f'policy "{policy.name}" for process {grant.process.name}'
    question = look.open_task(grant.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None:
        return waiting(grant.address, question, label)
    if grant.manage:
        return _plan_managed(grant, policy, record, label, look)
    if record is not None and record.managed:
        return by_api(
            grant.address,
            Action.UPDATE,
            Reason.DECLARATION_CHANGED,
            label,
            note="recorded in the state alone; an administrator looks after what stands in Vault",
            before={"managed": True},
            after={"managed": False},
            changes=[AttributeChange(name="managed", before=True, after=False)],
        )
    return _plan_by_hand(grant, policy, record, label, look)


def _plan_by_hand(
    grant: Grant, policy: PolicyText, record: GrantRecord | None, label: str, look: Outlook
) -> Step:
    changed = record is not None and not _is_recorded(record, policy)
    task = look.open_task(grant.address, TaskKind.INSTALL_GRANT)
    if task is not None and not changed:
        return waiting(grant.address, task, label)
    if record is not None and record.installed is not None and not changed:
        return in_sync(grant.address, label)
    after = _wanted(grant, policy)
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


def _plan_managed(
    grant: Grant, policy: PolicyText, record: GrantRecord | None, label: str, look: Outlook
) -> Step:
    seen = look.snapshot.of(grant.address)
    if seen.presence is Presence.UNKNOWN:
        return unread(grant.address, seen, label)
    ours = record is not None and record.managed
    after: dict[str, JsonValue] = {**_wanted(grant, policy), "managed": True}
    replaces = record is not None and ours and not _has_places(record, policy)
    if seen.presence is Presence.ABSENT and not replaces:
        return by_api(
            grant.address,
            Action.CREATE,
            Reason.NOT_FOUND,
            label,
            note=_BY_ITSELF,
            after=after,
            changes=(change for change in additions(after) if change.name != "reads"),
        )
    before = {**after, **_found(seen), "managed": ours}
    if record is not None and ours:
        before |= {"process": str(record.process), "policy": record.policy_name}
        if record.role_place != policy.role_place:
            before["role"] = record.role_place or None
    changes = differences(before, after)
    same = record is not None and _is_recorded(record, policy) and not record.leftover
    if ours and same and not changes:
        return in_sync(grant.address, label)
    note = _BY_ITSELF if ours else "exists already, and this stack did not make it; " + _BY_ITSELF
    reason = Reason.ATTRIBUTES_DIFFER if same else Reason.DECLARATION_CHANGED
    return by_api(
        grant.address, Action.UPDATE, reason, label, note=note, before=before, after=after, changes=changes
    )


def plan_removed_grant(record: GrantRecord, look: Outlook) -> Step:
    """Letting go of a grant the stack no longer declares; what krakenstate made of it is removed."""
    label = f'policy "{record.policy_name}"'
    question = look.open_task(record.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None:
        return waiting(record.address, question, label)
    before: dict[str, JsonValue] = {"policy": record.policy_name}
    if not record.managed:
        note = f"an administrator removes it: bao policy delete {record.policy_name}"
        if record.role_place:
            note += f"; bao delete {record.role_place}"
        return by_api(
            record.address, Action.FORGET, Reason.REMOVED_FROM_STACK, label, note=note, before=before
        )
    seen = look.snapshot.of(record.address)
    if seen.presence is Presence.UNKNOWN:
        return unread(record.address, seen, label)
    before["process"] = str(record.process)
    if record.role_place:
        before["role"] = record.role_place
    return by_api(
        record.address,
        Action.DELETE,
        Reason.REMOVED_FROM_STACK,
        label,
        note="krakenstate made it and removes it; tokens that were issued end by themselves",
        before=before,
    )


def risks_of_grant(step: Step) -> list[Risk]:
    """Who will read a process's secrets, and whether this program decides that by itself."""
    told = step.after if step.after and "process" in step.after else step.before or {}
    process = str(told.get("process", "")).partition(".")[2]
    if step.action is Action.FORGET:
        text = f"what policy {told['policy']} allows, once an administrator removed it"
        return [Risk(address=step.address, word=RiskWord.LOSES, text=text)] if told.get("policy") else []
    if not process:  # only who looks after it changes
        return []
    if step.action is Action.MANUAL:
        text = f"process {process} reads its own secrets"
        return [Risk(address=step.address, word=RiskWord.GAINS, text=text)]
    if step.action is Action.DELETE:
        text = f"process {process} can no longer log in to read its secrets"
        return [Risk(address=step.address, word=RiskWord.LOSES, text=text)]
    what = f"policy {told.get('policy')}" + (f" and role {told['role']}" if told.get("role") else "")
    text = f"process {process} reads its own secrets; krakenstate itself writes {what} in Vault"
    return [Risk(address=step.address, word=RiskWord.GAINS, text=text)]


def grant_drift(record: GrantRecord, look: Outlook) -> list[AttributeChange]:
    """What somebody changed of a policy or role that this program wrote."""
    seen = look.snapshot.of(record.address)
    declared = look.policies.get(record.address)
    elsewhere = declared is not None and not _has_places(record, declared)
    if not record.managed or seen.presence is Presence.UNKNOWN or elsewhere:
        return []
    recorded: dict[str, JsonValue] = {"reads": record.policy}
    if record.role_place:
        recorded["logs_in"] = record.role
    return list(differences(recorded, {**recorded, **_found(seen)}))


def _has_places(record: GrantRecord, policy: PolicyText) -> bool:
    return (record.policy_name, record.role_place) == (policy.name, policy.role_place)


def _is_recorded(record: GrantRecord, policy: PolicyText) -> bool:
    recorded = (record.policy, record.policy_name, record.role_place, record.role)
    return recorded == (policy.text, policy.name, policy.role_place, policy.role)


def _wanted(grant: Grant, policy: PolicyText) -> dict[str, JsonValue]:
    wanted: dict[str, JsonValue] = {
        "process": str(grant.process.address),
        "policy": policy.name,
        "reads": policy.text,
    }
    if policy.role_place:
        wanted |= {"role": policy.role_place, "logs_in": policy.role}
    return wanted


def _found(seen: Observation) -> dict[str, JsonValue]:
    """What Vault holds, under the names people see."""
    names = {"policy": "reads", "role": "logs_in"}
    return {names[name]: fact.value for name, fact in seen.facts.items() if name in names}
