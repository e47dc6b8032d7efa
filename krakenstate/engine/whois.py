"""Whose key an alert is about: everything that the state and the stored snapshot know by a fingerprint.

How this works: ``_sightings`` lists every place where a fingerprint is kept; one more place is one more line
there. Nothing is asked and no secret is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from krakenstate.engine.credentials import account_label, owner_of
from krakenstate.errors import KeyNotRecognised
from krakenstate.model.clue import Clue
from krakenstate.model.credential_row import CredentialRow, Stage
from krakenstate.model.declarations import Key, Process
from krakenstate.model.desired import Desired
from krakenstate.model.sighting import Looked, Owner, Role, Sighting
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import KeyRecord, State

_HEX = re.compile("[0-9a-f]+")
_SEEN_AGAIN = {Role.INBOX, Role.AT_PATH, Role.REPORTED, Role.DESCRIBED}


def find_owners(
    clue: Clue,
    desired: Desired,
    state: State,
    snapshot: Snapshot | None,
    rows: tuple[CredentialRow, ...] = (),
) -> tuple[list[Owner], Looked]:
    """Every place whose key fits, keys in service first, and where was looked.

    Args:
        clue: What is known of the key.
        desired: What is declared.
        state: What is recorded.
        snapshot: The stored one; one of another lineage is not used.
        rows: Of the register; what it knows of an address goes with the answer, and its unmanaged keys count.

    Raises:
        KeyNotRecognised: Nothing fits.
    """
    seen = snapshot if snapshot and snapshot.lineage == state.index.lineage else None
    sightings = list(_sightings(state, seen, rows))
    looked = Looked(
        keys=sum(isinstance(r, KeyRecord) for r in state.records),
        tasks=sum(bool(t.subject) for t in state.tasks),
        observed_at=seen.observed_at if seen else None,
    )
    telling = _without_repeats(s for s in sightings if clue.fits(s.fingerprint, s.last_four))
    if not telling:
        raise KeyNotRecognised(
            f"The stack {desired.head.name} knows no key by the {clue}. Looked at: {looked}."
        )
    order = list(Role)
    telling.sort(key=lambda s: (order.index(s.role), s.address, s.task_id or ""))
    return [_owner(s, desired, state, rows) for s in telling], looked


def _without_repeats(fitting: Iterable[Sighting]) -> list[Sighting]:
    """One per address and role; what is only seen again somewhere else is left out."""
    first: dict[tuple[str, Role, str | None], Sighting] = {}
    for sighting in fitting:
        first.setdefault((sighting.address, sighting.role, sighting.fingerprint), sighting)
    held = {(address, which) for address, role, which in first if role in {Role.IN_SERVICE, Role.QUARANTINE}}
    return [s for s in first.values() if s.role not in _SEEN_AGAIN or (s.address, s.fingerprint) not in held]


def _sightings(
    state: State, snapshot: Snapshot | None, rows: tuple[CredentialRow, ...]
) -> Iterator[Sighting]:
    for record in state.records:
        if isinstance(record, KeyRecord):
            yield from _recorded(record)
    for task in state.tasks:
        if _HEX.fullmatch(task.subject):  # else its key was never shown
            yield Sighting(task.address, Role.TO_DELETE, task.subject, at=task.opened_at, task_id=task.id)
    for row in rows:
        if row.stage is Stage.UNMANAGED:
            yield Sighting(row.address, Role.UNMANAGED, row.fingerprint, row.last_four)
    if snapshot is not None:
        yield from _observed(snapshot)


def _recorded(record: KeyRecord) -> Iterator[Sighting]:
    address, name, generation = record.address, record.key_name, record.generation
    published, candidate, told = record.published, record.candidate, record.description
    if published:
        yield Sighting(
            address,
            Role.IN_SERVICE,
            published.fingerprint,
            published.last_four,
            generation,
            name,
            published.at,
        )
    if candidate:
        yield Sighting(
            address,
            Role.QUARANTINE,
            candidate.fingerprint,
            candidate.last_four,
            generation,
            name,
            candidate.received_at,
        )
    for rotation in record.rotation.chain if record.rotation else ():
        old = rotation.old
        if old.fingerprint and (published is None or old.number != generation):
            yield Sighting(
                address,
                Role.REPLACED,
                old.fingerprint,
                old.last_four,
                old.number,
                old.key_name,
                rotation.at,
            )
    if told:
        yield Sighting(
            address,
            Role.DESCRIBED,
            told.fingerprint,
            told.last_four,
            key_name=told.key_name,
            at=record.described_at,
        )


def _observed(snapshot: Snapshot) -> Iterator[Sighting]:
    for arrival in snapshot.arrivals:
        role = Role.INBOX if arrival.place.value == "inbox" else Role.QUARANTINE
        yield Sighting(arrival.address, role, arrival.fingerprint, at=snapshot.observed_at)
    for address, seen in snapshot.observations.items():
        lies = seen.facts.get("secret")
        if lies is not None and isinstance(lies.value, str):
            yield Sighting(address, Role.AT_PATH, lies.value, at=lies.at)
        answer = seen.report.answer if seen.report else None
        if answer is not None:
            yield Sighting(
                address, Role.REPORTED, answer.fingerprint, answer.description.last_four, at=answer.at
            )


def _owner(sighting: Sighting, desired: Desired, state: State, rows: tuple[CredentialRow, ...]) -> Owner:
    record = state.key(sighting.address)
    key = next((k for k in desired.of(Key) if k.address == sighting.address), None)
    row = next((row for row in rows if row.address == sighting.address), None)
    account = record.account if record else key.account.address if key else None
    process = record.process if record else key.process.address if key else None
    program = desired.resources.get(process) if process else None
    known_by = " ".join(row.used_by) if row else ""
    return Owner(
        sighting=sighting,
        account=str(account) if account else row.account if row else None,
        account_label=account_label(desired, state, account) if account else row.account_label if row else "",
        process=process.name if process else known_by or None,
        owner=owner_of(desired, process) if process else row.owner if row else None,
        purpose=program.purpose if isinstance(program, Process) else "",
        row=row,
    )
