"""The register of credentials, from desired, state, the stored snapshot and a clock. No network, no secrets.

Of a key in service the newest that is known counts: its own description as observed or reported, else the
record. Where it was never described, what was declared stands in its place, and the row says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from krakenstate.engine.outlook import account_name, key_label, known_last_four
from krakenstate.engine.plan_adopted import managed_by
from krakenstate.engine.reports import Known, known_of
from krakenstate.engine.upcoming import rotation_due
from krakenstate.model.ability import moves_funds
from krakenstate.model.address import Address
from krakenstate.model.credential_row import CredentialReport, CredentialRow, FindingKind, RowFinding, Stage
from krakenstate.model.declarations import Account, Key, Process, SpotSubaccount, api_of
from krakenstate.model.desired import Desired
from krakenstate.model.identity import mask_tail
from krakenstate.model.inventory import UNKNOWN_OWNER, InventoryEntry
from krakenstate.model.network import count_addresses
from krakenstate.model.provenance import Provenance
from krakenstate.model.snapshot import Observation, Place, Presence, Snapshot
from krakenstate.model.state import KeyRecord, State
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import Api


def build_report(
    desired: Desired,
    state: State,
    snapshot: Snapshot | None,
    *,
    now: datetime,
    within: timedelta,
    as_of: datetime | None = None,
    others: Iterable[CredentialRow] = (),
) -> CredentialReport:
    """One row for each key that is declared, recorded, or in the inventory alone, by address.

    Args:
        desired: What is declared.
        state: What is recorded.
        snapshot: The stored one; one of another lineage is not used.
        now: When the report is made.
        within: How far ahead an expiry or a rotation is a finding.
        as_of: A later instant to tell what is due from.
        others: Rows of keys that are known from elsewhere and belong to no stack.
    """
    seen = snapshot if snapshot and snapshot.lineage == state.index.lineage else None
    declared = {key.address for key in desired.of(Key)}
    recorded = {record.address for record in state.records if isinstance(record, KeyRecord)}
    known = (_row(address, desired, state, seen) for address in declared | recorded)
    listed = (_listed(entry) for entry in state.inventory if managed_by(entry, desired, state) is None)
    rows = sorted((*known, *listed, *others), key=lambda row: row.address)
    shared = _sharers(rows)
    today = (as_of or now).date()
    return CredentialReport(
        stack=desired.head.name,
        environment=desired.head.environment.name,
        serial=state.index.serial,
        now=now,
        as_of=as_of.date() if as_of else None,
        within_days=within.days,
        observed_at=seen.observed_at if seen else None,
        rows=tuple(
            row.model_copy(update={"findings": (*row.findings, *_findings(row, shared, today, within))})
            for row in rows
        ),
    )


def stage_of(record: KeyRecord | None, snapshot: Snapshot | None) -> Stage:
    """Where a key is in its life; a secret that waits in quarantine counts before anybody asked it."""
    if record is not None and record.removal is not None:
        return Stage.REMOVING
    if record is not None and record.is_in_use:
        is_rotating = record.rotation is not None or record.candidate is not None
        return Stage.ROTATING if is_rotating else Stage.IN_SERVICE
    arrivals = snapshot.arrivals if snapshot else ()
    waits = record is not None and any(
        a.address == record.address and a.place is Place.QUARANTINE for a in arrivals
    )
    is_in = record is not None and record.candidate is not None
    return Stage.QUARANTINE if is_in or waits else Stage.PENDING


def account_label(desired: Desired, state: State, address: Address) -> str:
    """How people know an account, whether or not it is still declared."""
    declared = desired.resources.get(address)
    if isinstance(declared, SpotSubaccount):
        return declared.username
    return account_name(state.account(address), address)


def owner_of(desired: Desired, process: Address) -> str | None:
    """Who answers for a process, if it is declared."""
    declared = desired.resources.get(process)
    return declared.owner if isinstance(declared, Process) else None


def label_of(record: KeyRecord, desired: Desired, state: State) -> str:
    """A key as every block shows it."""
    account = account_label(desired, state, record.account)
    return key_label(record.key_name, known_last_four(record), account)


def _row(address: Address, desired: Desired, state: State, snapshot: Snapshot | None) -> CredentialRow:
    declared, record = desired.resources.get(address), state.key(address)
    key = declared if isinstance(declared, Key) else None
    account = record.account if record else _declared(key).account.address
    process = record.process if record else _declared(key).process.address
    seen = snapshot.of(address) if snapshot else Observation(address=address, presence=Presence.UNKNOWN)
    known = known_of(record, seen) if record else Known(None, None, None)
    told, terms = known.description, record.terms if record else KeyTerms.of(_declared(key))
    half = (record.published or record.candidate) if record else None
    in_service = record.published.at if record and record.published else None
    return CredentialRow(
        address=str(address),
        api=api_of(address),
        account=str(account),
        account_label=account_label(desired, state, account),
        iiban_end=_iiban_end(desired, state, account),
        used_by=_users(record, process, owner_of(desired, process)),
        owner=owner_of(desired, process),
        key_name=(told.key_name if told else None) or (record.key_name if record else None),
        generation=record.generation if record else None,
        fingerprint=half.fingerprint if half else None,
        last_four=half.last_four if half else None,
        rights=_rights(told or terms),
        moves_funds=moves_funds(told or terms),
        addresses=_addresses(told, terms),
        described=told is not None,
        since=(told.created_at if told else None) or in_service,
        expires=told.valid_until.date() if told and told.valid_until else _if_untold(told, terms),
        never_expires=told is not None and told.api is Api.SPOT and told.valid_until is None,
        last_used_at=(told.last_used_at if told else None) or _last_listed(record),
        rotation_due=rotation_due(key, record) if key else None,
        stage=stage_of(record, snapshot),
        evidence=known.provenance if told else None,
        evidence_at=known.at if told else None,
        findings=tuple(_belonging(key, record)),
    )


def _users(record: KeyRecord | None, process: Address, owner: str | None) -> tuple[str, ...]:
    """Who uses a key: its process; of an adopted one whom the desk's list names, if anybody."""
    if record is None or record.adopted is None or not record.is_as_adopted:
        return (process.name,)
    named = record.adopted.used_by
    return named or (() if owner == UNKNOWN_OWNER else (process.name,))


def _last_listed(record: KeyRecord | None) -> datetime | None:
    """When an adopted key was used last, as the desk's list has it."""
    day = record.adopted.last_used if record and record.adopted and record.is_as_adopted else None
    return datetime.combine(day, time(), UTC) if day else None


def _listed(entry: InventoryEntry) -> CredentialRow:
    """A key that the desk's list has, and no stack."""
    terms = KeyTerms(
        api=entry.api,
        permissions=entry.permissions,
        general=entry.general,
        transfer=entry.transfer,
        networks=entry.networks,
        expires=entry.expires,
    )
    return CredentialRow(
        address=entry.identity,
        api=entry.api,
        account=entry.account,
        account_label=entry.account,
        used_by=entry.used_by,
        key_name=entry.name,
        rights=_rights(terms),
        moves_funds=moves_funds(terms),
        addresses=_addresses(None, terms),
        described=True,
        expires=entry.expires,
        last_used_at=datetime.combine(entry.last_used, time(), UTC) if entry.last_used else None,
        stage=Stage.UNMANAGED,
        evidence=Provenance.ATTESTED,
        evidence_at=entry.added_at,
    )


def _declared(key: Key | None) -> Key:
    assert key is not None  # noqa: S101 - an address is declared or recorded
    return key


def _iiban_end(desired: Desired, state: State, account: Address) -> str | None:
    record, declared = state.account(account), desired.resources.get(account)
    iiban = record.iiban if record else None
    if iiban is None and isinstance(declared, Account):
        iiban = getattr(declared, "iiban", None)
    return mask_tail(iiban) if iiban else None


def _rights(held: KeyDescription | KeyTerms) -> tuple[str, ...] | None:
    if held.api is Api.SPOT:
        return None if held.permissions is None else tuple(sorted(held.permissions))
    levels = (("general", held.general), ("transfer", held.transfer))
    return tuple(f"{name}={level}" for name, level in levels if level is not None)


def _addresses(told: KeyDescription | None, terms: KeyTerms) -> int | None:
    networks = told.networks if told else terms.networks
    return None if networks is None else count_addresses(networks)


def _if_untold(told: KeyDescription | None, terms: KeyTerms) -> date | None:
    """The declared expiry, where the key did not say otherwise."""
    return terms.expires if told is None else None


def _belonging(key: Key | None, record: KeyRecord | None) -> Iterable[RowFinding]:
    if record is None:
        yield RowFinding(kind=FindingKind.NOT_APPROVED, text="declared, and never applied")
    if key is None and record is not None and record.removal is None:
        yield RowFinding(kind=FindingKind.NOT_DECLARED, text="recorded, and not in the stack")


def _sharers(rows: Iterable[CredentialRow]) -> dict[str, list[CredentialRow]]:
    """Rows by fingerprint."""
    found: dict[str, list[CredentialRow]] = defaultdict(list)
    for row in rows:
        if row.fingerprint:
            found[row.fingerprint].append(row)
    return found


def _findings(
    row: CredentialRow, shared: dict[str, list[CredentialRow]], today: date, within: timedelta
) -> Iterable[RowFinding]:
    same = [r.address for r in shared.get(row.fingerprint or "", ()) if r.address != row.address]
    if len(row.used_by) > 1:
        yield RowFinding(kind=FindingKind.SHARED, text=f"used by {' and '.join(row.used_by)}")
    if same:
        yield RowFinding(kind=FindingKind.SHARED, text=f"the same key as {', '.join(same)}")
    if not row.used_by:
        yield RowFinding(kind=FindingKind.UNKNOWN, text="nobody knows what uses it")
    elif row.owner is None and row.stage is not Stage.UNMANAGED:
        yield RowFinding(kind=FindingKind.UNKNOWN, text="its process is not declared, so it has no owner")
    if row.stage is Stage.UNMANAGED:
        yield RowFinding(kind=FindingKind.UNMANAGED, text="in no stack")
    if row.addresses == 0:
        yield RowFinding(kind=FindingKind.OPEN, text="works from anywhere: it has no allowlist")
    yield from _due(row, today, within)


def _due(row: CredentialRow, today: date, within: timedelta) -> Iterable[RowFinding]:
    if row.expires is not None and row.expires < today:
        yield RowFinding(kind=FindingKind.EXPIRED, text=f"expired {row.expires}")
    elif row.expires is not None and row.expires <= today + within:
        yield RowFinding(kind=FindingKind.EXPIRING, text=f"expires {row.expires}")
    due = row.rotation_due
    if due is not None and due < today:
        yield RowFinding(kind=FindingKind.ROTATION_OVERDUE, text=f"rotation overdue since {due}")
    elif due is not None and due <= today + within:
        yield RowFinding(kind=FindingKind.ROTATION_DUE, text=f"rotation due {due}")
