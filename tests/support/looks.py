"""Outlooks put together by hand: what a planner sees, without anything that was seen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from krakenstate import DerivativesKey, Grant, SpotKey
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_keys import name_at_kraken
from krakenstate.engine.planner import build_plan
from krakenstate.engine.work import policies_of
from krakenstate.model.declarations import Account, Allowlist, Key
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration
from krakenstate.model.index import Index
from krakenstate.model.plan import Plan
from krakenstate.model.provenance import Fact, Missing, Provenance
from krakenstate.model.snapshot import Arrival, Observation, Place, Presence, Snapshot
from krakenstate.model.state import (
    AccountRecord,
    AccountStatus,
    Candidate,
    GrantRecord,
    KeyRecord,
    Published,
    State,
)
from krakenstate.model.task import Attestation, Task, TaskKind, TaskStatus, task_id
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.providers.vault.provider import VaultGrants
from tests.support.world import BASIS, HEAD, RUNNER, VERBS

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
LINEAGE = "5d2f0a52-6f1c-4a7e-9d55-0c2a4b6e7f10"
FINGERPRINT, LAST_FOUR = "3f2a91c07b44", "9fQa"
Records = Iterable[AccountRecord | KeyRecord | GrantRecord]


def new_state(records: Records = (), tasks: Iterable[Task] = ()) -> State:
    """A state that holds these."""
    index = Index(
        krakenstate_version="test",
        lineage=LINEAGE,
        serial=7,
        stack=HEAD.name,
        environment=HEAD.environment.name,
        spot_origin="https://api.kraken.com",
        futures_origin="https://futures.kraken.com",
        created_at=NOW,
        written_at=NOW,
    )
    state = State(index, {})
    for record in records:
        state.put(record)
    for task in tasks:
        state.put_task(task)
    return state


def new_snapshot(
    observations: Iterable[Observation] = (),
    arrivals: Iterable[Arrival] = (),
    *,
    site: Allowlist | None = RUNNER,
    at: datetime = NOW,
) -> Snapshot:
    """A snapshot that holds these."""
    return Snapshot(
        lineage=LINEAGE,
        stack=HEAD.name,
        environment=HEAD.environment.name,
        site=site.name if site else None,
        site_networks=site.networks if site else (),
        observed_at=at,
        observations={o.address: o for o in observations},
        arrivals=tuple(arrivals),
    )


def look_at(
    declarations: Iterable[Declaration],
    records: Records = (),
    tasks: Iterable[Task] = (),
    observations: Iterable[Observation] = (),
    arrivals: Iterable[Arrival] = (),
    *,
    site: Allowlist | None = RUNNER,
    now: datetime = NOW,
) -> Outlook:
    """What a planner looks at; ``BASIS`` is declared too, where it is not declared otherwise."""
    given = {d.address: d for d in (*BASIS, *declarations)}
    desired = Desired(HEAD, given.values())
    return Outlook(
        desired=desired,
        snapshot=new_snapshot(observations, arrivals, site=site, at=now),
        state=new_state(records, tasks),
        now=now,
        verbs=VERBS,
        policies=policies_of(desired, VaultGrants()),
    )


def plan_of(look: Outlook) -> Plan:
    """The plan."""
    return build_plan(look, version="test")


def as_described(key: Key, **changes: Any) -> KeyDescription:
    """What a key as declared says of itself, or one that differs."""
    fields: dict[str, Any] = {
        "api": key.api,
        "fingerprint": FINGERPRINT,
        "last_four": LAST_FOUR,
        "iiban": "AA12 N84G ABCD 3F5K",
        "networks": key.networks or (),
    }
    if isinstance(key, SpotKey):
        fields |= {"key_name": f"{key.name}-g1", "permissions": tuple(sorted(key.permissions or ()))}
        days = {"valid_until": key.expires, "query_from": key.query_from, "query_to": key.query_to}
        for name, day in days.items():
            if day is not None:
                fields[name] = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        fields["nonce_window"] = key.nonce_window or 0
    if isinstance(key, DerivativesKey):
        fields |= {"general": key.general or "NO_ACCESS", "transfer": key.transfer or "NO_ACCESS"}
    return KeyDescription(**{**fields, **changes})


def key_record(key: Key, **changes: Any) -> KeyRecord:
    """A key as approved, nothing handed in."""
    fields: dict[str, Any] = {
        "address": key.address,
        "account": key.account.address,
        "process": key.process.address,
        "key_name": name_at_kraken(key, 1),
        "terms": KeyTerms.of(key),
    }
    return KeyRecord(**{**fields, **changes})


def served(key: Key, **changes: Any) -> KeyRecord:
    """A key in service, described as declared."""
    fields: dict[str, Any] = {
        "published": Published(
            fingerprint=FINGERPRINT,
            last_four=LAST_FOUR,
            path=f"kv/kraken/prod/{key.process.name}/{key.address}",
            version=1,
            at=NOW - timedelta(days=3),
        ),
        "description": as_described(key),
        "described_at": NOW - timedelta(days=3),
        "provenance": Provenance.OBSERVED,
    }
    return key_record(key, **{**fields, **changes})


def candidate(**changes: Any) -> Candidate:
    """A key in quarantine."""
    fields: dict[str, Any] = {"fingerprint": FINGERPRINT, "last_four": LAST_FOUR, "received_at": NOW}
    return Candidate(**{**fields, **changes})


def account_record(
    account: Account, status: AccountStatus = AccountStatus.EXISTS, **changes: Any
) -> AccountRecord:
    """An account as recorded."""
    master = getattr(account, "master", None)
    fields: dict[str, Any] = {
        "address": account.address,
        "status": status,
        "email": account.email,
        "username": getattr(account, "username", None),
        "master": master.address if master else None,
    }
    return AccountRecord(**{**fields, **changes})


def grant_record(grant: Grant, **changes: Any) -> GrantRecord:
    """A policy as approved, installed."""
    policy = policies_of(Desired(HEAD, [*BASIS, grant]), VaultGrants())[grant.address]
    fields: dict[str, Any] = {
        "address": grant.address,
        "process": grant.process.address,
        "policy_name": policy.name,
        "policy": policy.text,
        "installed": Attestation(by="ann", at=NOW),
    }
    return GrantRecord(**{**fields, **changes})


def task_of(kind: TaskKind, address: str, **changes: Any) -> Task:
    """An open task."""
    fields: dict[str, Any] = {
        "id": task_id(address, kind, changes.get("generation", 0), changes.get("round", 1)),
        "kind": kind,
        "address": address,
        "assignee": "risk",
        "opened_at": NOW - timedelta(days=1),
        "status": TaskStatus.OPEN,
        "title": f"{kind.value} {address}",
        "instructions": "1. Do it.",
        "evidence": "somebody's word",
    }
    return Task(**{**fields, **changes})


def present(address: str, **changes: Any) -> Observation:
    """It is there."""
    return Observation(**{"address": address, "presence": Presence.PRESENT, "at": NOW, **changes})


def absent(address: str) -> Observation:
    """A complete answer says that it is not there."""
    return Observation(address=address, presence=Presence.ABSENT, at=NOW)


def missing(address: str, why: Missing, **changes: Any) -> Observation:
    """It is not known."""
    code = "KS2001" if why is Missing.UNREADABLE else ""
    return Observation(
        **{"address": address, "presence": Presence.UNKNOWN, "missing": why, "code": code, **changes}
    )


def fact(value: Any) -> Fact:
    """Something observed."""
    return Fact(value=value, provenance=Provenance.OBSERVED, at=NOW)


def arrived(address: str, place: Place, fingerprint: str | None = FINGERPRINT) -> Arrival:
    """A secret that waits."""
    return Arrival(
        address=address, place=place, version=1, fingerprint=None if place is Place.INBOX else fingerprint
    )
