"""Planning keys: made by hand, verified by asking them, published for one process each."""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.asking import is_second_probe
from krakenstate.engine.diff import compare_terms, terms_values
from krakenstate.engine.key_values import attributes_of, compared_values, recorded_values
from krakenstate.engine.outlook import Outlook, account_name, key_label, known_last_four
from krakenstate.engine.plan_adopted import plan_adoption, taken_copy
from krakenstate.engine.plan_kept import plan_plainly_kept
from krakenstate.engine.plan_rotation import cannot_be_made, plan_stage, why_rotate
from krakenstate.engine.reach import can_be_asked, sites_of
from krakenstate.engine.reports import is_reported, known_of
from krakenstate.engine.steps import (
    additions,
    by_api,
    differences,
    held_up,
    in_sync,
    manual,
    replacement,
    settlement,
    unread,
    waiting,
)
from krakenstate.errors import AttributeFixed
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.plan import Action, AttributeChange, Reason, Step
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.rotation import ADOPTED_GENERATION, Stage
from krakenstate.model.snapshot import Arrival, Place
from krakenstate.model.state import Candidate, KeyRecord, Removal, Verdict
from krakenstate.model.task import Task, TaskKind
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Api
from krakenstate.tasks.life import is_deleted

FIRST_GENERATION = 1


def name_at_kraken(key: Key, generation: int) -> str | None:
    """``<name>-g<generation>``, or the one it was adopted under; Derivatives keys have none there."""
    if generation == ADOPTED_GENERATION:
        return key.key_name
    return f"{key.name}-g{generation}" if key.api is Api.SPOT else None


def plan_key(key: Key, look: Outlook) -> Step:
    """The one thing to do about a declared key now.

    Raises:
        AttributeFixed: Account or process of a key in service was changed in the stack.
    """
    record = look.state.key(key.address)
    if record is not None:
        kept = plan_plainly_kept(key, record, look)
        if kept is not None:
            return kept
        if record.removal is not None:
            return _removing(record, look)
    adoption = plan_adoption(key, record, look)
    if adoption is not None:
        return adoption
    if record is not None and record.rotation is not None:
        return _rotating(key, record, look)
    if record is None or not record.is_in_use:
        return _unborn(key, record, look)
    return _in_service(key, record, look)


def plan_removed_key(record: KeyRecord, look: Outlook) -> Step:
    """The one thing to do about a recorded key that the stack no longer declares."""
    if record.removal is not None:
        return _removing(record, look)
    label = _record_label(record, look)
    question = look.open_task(record.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None:
        return waiting(record.address, question, label)
    if record.is_in_use:
        note = "its process is stopped first, then the key is deleted, then its secret"
        return _remove(record, TaskKind.STOP_PROCESS, label, note, look)
    if record.candidate is not None or look.arrival(record.address, Place.QUARANTINE):
        note = "a key was handed in and never published; it is deleted at Kraken"
        return _remove(record, TaskKind.DELETE_KEY, label, note, look)
    return by_api(
        record.address,
        Action.FORGET,
        Reason.REMOVED_FROM_STACK,
        label,
        note="no key was handed in; its open task is cancelled",
        before=terms_values(record.terms),
    )


def _remove(record: KeyRecord, kind: TaskKind, label: str, note: str, look: Outlook) -> Step:
    return manual(
        record.address,
        kind,
        Reason.REMOVED_FROM_STACK,
        label,
        note=note,
        assignee=_owner(record, look),
        before=recorded_values(record),
    )


def _unborn(key: Key, record: KeyRecord | None, look: Outlook) -> Step:
    """A key that has no secret in service yet: pending, never absent."""
    terms = KeyTerms.of(key)
    label = _label(key, record, look)
    if record is None:
        return _create(key, Reason.NOT_HANDED_IN, label, look)
    question = look.open_task(key.address, TaskKind.SETTLE_UNKNOWN)
    arrival = look.arrival(key.address, Place.QUARANTINE)
    delivered = look.arrival(key.address, Place.INBOX)
    if delivered is not None and is_declined(record, delivered):
        delivered = None
    if question is not None and arrival is None and delivered is None:
        return waiting(key.address, question, label)
    moved = (record.account, record.process) != (key.account.address, key.process.address)
    if record.terms != terms or moved:
        return _create(key, Reason.DECLARATION_CHANGED, label, look, before=recorded_values(record))
    if record.revoked:
        return _after_revocation(key, record, arrival, label, look)
    if delivered is not None:
        return settlement(key.address, Action.INGEST, label, "a secret waits in the inbox")
    task = look.open_task(key.address, TaskKind.CREATE_KEY)
    if arrival is not None:
        known = record.candidate
        if is_reported(key, record, arrival, look):
            note = "handed in; asked where its process runs, and compared as reported"
            return settlement(key.address, Action.VERIFY, label, note)
        if known is not None and _is_refused(known, arrival) and not is_second_probe(known, look.now):
            note = f"Kraken rejected the key ({known.refusal}); hand in a correct one, or this again later"
            return (
                waiting(key.address, task, label, note)
                if task
                else _create(key, Reason.NOT_HANDED_IN, label, look)
            )
        if look.site_admits(key):
            return settlement(key.address, Action.VERIFY, label, "handed in; it is asked and compared")
        note = f"handed in; waits for a run from {_sites(key)}, or for a report from there"
        return held_up(key.address, label, note, task=task)
    return waiting(key.address, task, label) if task else _create(key, Reason.NOT_HANDED_IN, label, look)


def _sites(key: Key) -> str:
    return " or ".join(f"--site {name}" for name in sites_of(key)) or "a site inside its allowlist"


def _after_revocation(key: Key, record: KeyRecord, copy: Arrival | None, label: str, look: Outlook) -> Step:
    """Nobody approved a key since the last one was revoked: what was handed in meanwhile is not taken."""
    if copy is not None and _second_keys_task(record, copy, look) is None:
        is_gone = copy.fingerprint and is_deleted(look.state, record.address, copy.fingerprint)
        what = "its secret is dropped" if is_gone else "a task to delete it opens"
        note = f"revoked; a key that was handed in is not wanted: {what}"
        return settlement(key.address, Action.ADVANCE, label, note)
    note = f"it was revoked ({record.revoked}); take it out of the stack, or have a new one made"
    return _create(key, Reason.REVOKED, label, look, note=note)


def is_declined(record: KeyRecord, delivered: Arrival) -> bool:
    """Whether this version in the inbox was looked at before, and is no key."""
    known = record.declined
    return known is not None and (known.version, known.written_at) == (
        delivered.version,
        delivered.written_at,
    )


def _is_refused(known: Candidate, arrival: Arrival) -> bool:
    """Whether what lies in quarantine is the key that Kraken rejected."""
    return known.fingerprint == arrival.fingerprint and known.verdict is Verdict.REFUSED


def _in_service(key: Key, record: KeyRecord, look: Outlook) -> Step:
    """What is to do about a key in service: what expires is replaced first, what is old after all else."""
    _refuse_moved(key, record)
    why = why_rotate(key, record, look.snapshot.of(key.address).description, look.now)
    if why is None:
        return _kept(key, record, look)
    impossible = cannot_be_made(key, look)
    if why[0] is not Reason.ROTATION_DUE and not impossible:
        return _replace(key, record, *why, look)
    step = _kept(key, record, look)
    if step.action not in {Action.NO_OP, Action.UNKNOWN} or step.missing is Missing.UNREADABLE:
        return step
    if impossible:
        return held_up(key.address, _label(key, record, look), f"{why[1]}; {impossible}")
    return _replace(key, record, *why, look)


def _replace(key: Key, record: KeyRecord, reason: Reason, why: str, look: Outlook) -> Step:
    """A rotation is proposed: the next generation is made as declared, and the old one goes in the end."""
    number = record.generation + 1
    names: dict[str, JsonValue] = {"generation": number, "name": name_at_kraken(key, number)}
    described = known_of(record, look.snapshot.of(key.address)).description
    if described:
        changes = compare_terms(KeyTerms.of(key), described)
    else:
        changes = [*differences(recorded_values(record), compared_values(key))]
    was = {**compared_values(key), **{change.name: change.before for change in changes}}
    before = {**was, "generation": record.generation, "name": record.key_name}
    if record.adopted is not None and record.is_as_adopted:
        names["vault_path"] = f"{look.desired.head.vault.secrets}/{key.process.name}/{record.shelf}"
        before["vault_path"] = record.adopted.vault_path
    after = {**attributes_of(key), **{name: value for name, value in names.items() if value is not None}}
    changes += differences({name: before[name] for name in names}, {name: after.get(name) for name in names})
    note = (
        f"{why}; a task asks {key.process.owner} for the next generation, and the old one is deleted once "
        f"the process uses it{', from its new path' if record.is_as_adopted else ''}"
    )
    return replacement(
        key.address,
        reason,
        _label(key, record, look),
        note=note,
        before=before,
        after=after,
        changes=changes,
    )


def _rotating(key: Key, record: KeyRecord, look: Outlook) -> Step:
    """A rotation is under way: the new generation on its way in, or the old one on its way out."""
    _refuse_moved(key, record)
    rotation = record.rotation
    assert rotation is not None  # noqa: S101 - the caller looked
    label = _label(key, record, look)
    copy = taken_copy(record, look)
    if copy is not None and clears_quarantine(record, look):
        return settlement(key.address, Action.ADVANCE, label, _what_becomes_of(copy, record, look))
    if record.awaits_successor:
        if rotation.stage is Stage.VERIFIED and look.arrival(key.address, Place.QUARANTINE):
            return settlement(key.address, Action.VERIFY, label, "it is as declared, and is published")
        return _unborn(key, record.coming, look)
    step, first = plan_stage(key, record, label, look)
    if first or not rotation.replaces or not record.is_in_use:
        return step
    other = _kept(key, record, look)
    return other if other.step_class else step


def _refuse_moved(key: Key, record: KeyRecord) -> None:
    """A key in service stays with its account and process.

    Raises:
        AttributeFixed: The stack gives it another one.
    """
    if (record.account, record.process) != (key.account.address, key.process.address):
        what = "account" if record.account != key.account.address else "process"
        raise AttributeFixed(
            f"{key.address} is in service for {record.process} on {record.account}; the stack now gives it "
            f"another {what}. A key belongs to one process on one account for all its life.",
            address=key.address,
            source=key.source,
        )


def _kept(key: Key, record: KeyRecord, look: Outlook) -> Step:
    """What is to do about a key in service apart from replacing it."""
    terms = KeyTerms.of(key)
    label = _label(key, record, look)
    copy = taken_copy(record, look)
    second = _second_keys_task(record, copy, look)
    if copy is not None and second is None and record.published is not None:
        return settlement(key.address, Action.ADVANCE, label, _what_becomes_of(copy, record, look))
    observation = look.snapshot.of(key.address)
    task = look.open_task(key.address, TaskKind.EDIT_KEY)
    known = known_of(record, observation)
    described = known.description
    if observation.missing is Missing.UNREADABLE or described is None:
        if task is not None:
            return waiting(key.address, task, label)
        return unread(key.address, observation, label)
    changes = compare_terms(terms, described)
    is_approved = record.terms is terms or record.terms == terms  # equal ones are shared, nearly always
    if changes:
        if task is not None and is_approved:
            return waiting(key.address, task, label)
        return _edit(key, record, changes, label, look)
    is_shown = observation.description is not None or (
        task is not None
        and known.provenance is Provenance.REPORTED
        and known.at is not None
        and known.at > task.opened_at
    )
    if task is not None and is_shown and is_approved:
        note = "the key is as declared; its edit task closes"
        return settlement(key.address, Action.CLOSE, label, note, task=task)
    if not is_approved:
        return _rerecord(key, record, label)
    if second is not None:
        note = "in service; a second key that was handed in is to be deleted, then its secret is dropped"
        return waiting(key.address, second, label, note)
    return in_sync(key.address, label)


def clears_quarantine(record: KeyRecord, look: Outlook) -> bool:
    """Whether what lies in quarantine beside a key in service is looked at next; a successor waits there."""
    copy = taken_copy(record, look)
    if copy is None or record.published is None:
        return False
    if copy.fingerprint == record.published.fingerprint:
        return True
    return not record.awaits_successor and _second_keys_task(record, copy, look) is None


def _second_keys_task(record: KeyRecord, copy: Arrival | None, look: Outlook) -> Task | None:
    """The open task to delete the key in quarantine that is not the one in service."""
    if copy is None:
        return None
    return next(
        (
            task
            for task in look.state.open_tasks(record.address)
            if task.kind is TaskKind.DELETE_KEY and task.subject and copy.fingerprint in {None, task.subject}
        ),
        None,
    )


def _what_becomes_of(copy: Arrival, record: KeyRecord, look: Outlook) -> str:
    """Of what lies in quarantine of a key in service, in a few words."""
    if record.published is not None and copy.fingerprint == record.published.fingerprint:
        return "in service; its copy in quarantine is dropped"
    if copy.fingerprint and is_deleted(look.state, record.address, copy.fingerprint):
        return "in service; the second key is deleted as attested, and its secret is dropped"
    return "in service; a second key was handed in beside it: a task to delete that one opens"


def _edit(key: Key, record: KeyRecord, changes: list[AttributeChange], label: str, look: Outlook) -> Step:
    after = attributes_of(key)
    evidence = "confirmed by its owner's attestation"
    seen = record.description.networks if record.description else None
    if key.api is Api.DERIVATIVES and can_be_asked(look.desired, key.networks, seen):
        evidence = "verified by v3/check"
    elif key.api is Api.DERIVATIVES:
        evidence = "confirmed by a report from where its process runs, or by its owner's attestation"
    elif key.probe_in_service:
        evidence = "verified when it is next asked, or confirmed by its owner's attestation"
    return manual(
        key.address,
        TaskKind.EDIT_KEY,
        Reason.ATTRIBUTES_DIFFER if record.terms == KeyTerms.of(key) else Reason.DECLARATION_CHANGED,
        label,
        note=f"keys made by hand are edited by hand; {evidence}",
        assignee=key.process.owner,
        before={**after, **{change.name: change.before for change in changes}},
        after=after,
        changes=changes,
    )


def _rerecord(key: Key, record: KeyRecord, label: str) -> Step:
    """The declaration changed in what Kraken does not hold, or holds so already."""
    before, after = recorded_values(record), compared_values(key)
    return by_api(
        key.address,
        Action.UPDATE,
        Reason.DECLARATION_CHANGED,
        label,
        note="the key at Kraken is already so; what is recorded beside its secret is brought up to date",
        before=before,
        after=after,
        changes=differences(before, after),
    )


def _create(
    key: Key,
    reason: Reason,
    label: str,
    look: Outlook,
    *,
    before: dict[str, JsonValue] | None = None,
    note: str = "no API creates keys; verified by asking the key itself",
) -> Step:
    after = attributes_of(key)
    waits = () if look.account_exists(key.account) else (str(key.account.address),)
    return manual(
        key.address,
        TaskKind.CREATE_KEY,
        reason,
        label,
        note=cannot_be_made(key, look) or note,  # told beside it: time makes no other decision of a creation
        assignee=key.process.owner,
        waits_on=waits,
        before=before,
        after=after,
        changes=additions(after) if before is None else differences(before, compared_values(key)),
    )


def _removing(record: KeyRecord, look: Outlook) -> Step:
    kind = TaskKind.STOP_PROCESS if record.removal is Removal.STOPPING else TaskKind.DELETE_KEY
    label = _record_label(record, look)
    if rotation_comes_first(record, look):  # an older generation goes too, and the record outlives it
        return plan_stage(None, record, label, look)[0]
    task = look.open_task(record.address, kind)
    if task is not None:
        return waiting(record.address, task, label, task.rejection or "the key is being removed")
    if record.rotation is not None and record.removal is Removal.DELETING:
        return plan_stage(None, record, label, look)[0]
    note = (
        "its process is stopped: a task to delete the key opens"
        if record.removal is Removal.STOPPING
        else "the key is deleted: its secret leaves Vault, and the state lets go of it"
    )
    return settlement(record.address, Action.ADVANCE, label, note)


def rotation_comes_first(record: KeyRecord, look: Outlook) -> bool:
    """Whether the rotation of a key that is being removed has a stage to go on to."""
    return record.rotation is not None and plan_stage(None, record, "", look)[1]


def _label(key: Key, record: KeyRecord | None, look: Outlook) -> str:
    generation = ADOPTED_GENERATION if key.is_adopted else FIRST_GENERATION
    name = record.key_name if record else name_at_kraken(key, generation)
    return key_label(name, known_last_four(record), look.label(key.account))


def _record_label(record: KeyRecord, look: Outlook) -> str:
    account = account_name(look.state.account(record.account), record.account)
    return key_label(record.key_name, known_last_four(record), account)


def _owner(record: KeyRecord, look: Outlook) -> str:
    """Who acts on a key whose declaration is gone: whoever its last task was for."""
    earlier = [t.assignee for t in look.state.tasks if t.address == record.address]
    return earlier[-1] if earlier else Address(record.process).name
