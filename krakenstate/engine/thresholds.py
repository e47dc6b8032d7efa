"""Thresholds for bulk changes: a plan that would change or remove too much at once is stopped.

What is counted is what exists: an account that is there, a key that was published or adopted, a grant that is
installed. A rotation counts as one to destroy, as it does in the plan's summary. Letting go by ``Removed``
destroys nothing and is written object by object, so it counts as nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from krakenstate.engine.outlook import Outlook
from krakenstate.errors import BulkChange, ManagementLost, ThresholdLoose
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.limits import Thresholds
from krakenstate.model.plan import Action, Check, Plan, Reason, Severity, Step
from krakenstate.model.state import AccountRecord, AccountStatus, GrantRecord, KeyRecord
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Access, Api, Permission

BULK, LAST_CONTROLLER = "bulk-change", "last-controller"
STOPS = frozenset({BULK, LAST_CONTROLLER})


def find_stops(plan: Plan, look: Outlook) -> tuple[Check, ...]:
    """What stops a plan for its size or for what would be lost with it.

    Args:
        plan: What would be done.
        look: As it was planned from, renames foreseen.
    """
    proposals = plan.proposals
    return (*_bulk(proposals, look), *_lost_control(proposals, look)) if proposals else ()


def forced(stop: Check) -> Check:
    """The same as a warning, in a run that was told to go on."""
    text = f"{stop.text} Forced for this plan."
    return stop.model_copy(update={"severity": Severity.WARNING, "remedy": "", "text": text})


def _bulk(proposals: list[Step], look: Outlook) -> Iterator[Check]:
    limits = look.desired.head.thresholds
    existing = {r.address for r in look.state.records if _exists(r)}
    sizes = Counter(address.type for address in existing)
    steps = [s for s in proposals if s.address in existing]
    for type_, size in sorted(sizes.items()):
        if size < limits.existing:
            continue
        ours = [s for s in steps if s.address.type == type_]
        gone = [s for s in ours if _destroys(s)]
        changed = [s for s in ours if not _destroys(s) and _updates(s)]
        for name, chosen in (("destroys", gone), ("updates", changed)):
            most = getattr(limits, name)
            if len(chosen) * 100 > most * size:
                text = (
                    f"{_share(name, chosen, type_, size)}; Thresholds({name}={most}) allows {most} % at once."
                )
                yield Check(
                    code=BulkChange.code,
                    text=text,
                    severity=Severity.ERROR,
                    rule=BULK,
                    remedy=BulkChange.remedy,
                )


def _share(name: str, chosen: list[Step], type_: str, size: int) -> str:
    rotated = sum(1 for s in chosen if s.action is Action.ROTATE)
    tail = f", {rotated} of them to be replaced by rotation" if rotated else ""
    verb = "destroyed" if name == "destroys" else "updated"
    return f"{len(chosen)} of {size} {type_} would be {verb} ({len(chosen) * 100 / size:.3g} %){tail}"


def _exists(record: AccountRecord | KeyRecord | GrantRecord) -> bool:
    match record:
        case KeyRecord():
            return record.published is not None or record.adopted is not None
        case AccountRecord():
            return record.status is AccountStatus.EXISTS
        case GrantRecord():
            return record.managed or record.installed is not None


def _destroys(step: Step) -> bool:
    return step.action in {Action.DELETE, Action.ROTATE} or (
        step.action in {Action.MANUAL, Action.FORGET} and step.reason is Reason.REMOVED_FROM_STACK
    )


def _updates(step: Step) -> bool:
    return step.action in {Action.UPDATE, Action.MANUAL} and not step.is_import


def _lost_control(proposals: list[Step], look: Outlook) -> Iterator[Check]:
    """Masters whose subaccounts nothing could manage any more, after what is proposed."""
    proposed = {s.address for s in proposals}
    records = [r for r in look.state.records if isinstance(r, KeyRecord) and _manages(r.terms) and _exists(r)]
    for master, api in sorted({(Address(r.terms.controls or ""), r.terms.api) for r in records}):
        holders = [r for r in records if (r.terms.controls, r.terms.api) == (master, api)]
        kept = [r for r in holders if r.removal is None and _stays(r, look)]
        lost = [r for r in holders if r.address in proposed and r not in kept]
        managed = _subaccounts(master, api, look)
        if kept or not lost or not managed:
            continue
        yield Check(
            code=ManagementLost.code,
            address=lost[0].address,
            text=(
                f"{lost[0].address} is the last {api.value} key with which krakenstate manages {master}, and "
                f"this plan takes that from it, while {', '.join(managed[:5])}"
                f"{', ...' if len(managed) > 5 else ''} still belong to it."
            ),
            severity=Severity.ERROR,
            rule=LAST_CONTROLLER,
            remedy=ManagementLost.remedy,
        )


def _manages(terms: KeyTerms) -> bool:
    """Whether krakenstate can act with a key; rights that are not managed may be there."""
    if terms.controls is None:
        return False
    if terms.api is Api.SPOT:
        return terms.permissions is None or Permission.WITHDRAW_FUNDS.value in terms.permissions
    return terms.general in {None, Access.FULL_ACCESS}


def _stays(record: KeyRecord, look: Outlook) -> bool:
    declared = look.desired.resources.get(record.address)
    if not isinstance(declared, Key):
        return False
    terms = KeyTerms.of(declared)
    return terms.controls == record.terms.controls and _manages(terms)


def _subaccounts(master: Address, api: Api, look: Outlook) -> list[str]:
    """The recorded subaccounts of a master on one platform."""
    type_ = "spot_subaccount" if api is Api.SPOT else "derivatives_subaccount"
    return [
        str(r.address)
        for r in look.state.records
        if isinstance(r, AccountRecord) and r.master == master and r.address.type == type_
    ]


def find_loose(set_to: Thresholds) -> Iterable[Check]:
    """Thresholds that let more pass than the usual ones, told as a note."""
    usual = Thresholds()
    loose = [
        f"{name}={getattr(set_to, name)} instead of {getattr(usual, name)}"
        for name in Thresholds.model_fields
        if getattr(set_to, name) > getattr(usual, name)
    ]
    if loose:
        yield Check(code=ThresholdLoose.code, text=f"the stack's thresholds are loose: {', '.join(loose)}")
