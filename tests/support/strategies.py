"""Desks as hypothesis draws them: declarations, what was recorded of them, and what is seen now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from krakenstate import (
    Access,
    Allowlist,
    DerivativesKey,
    DerivativesSubaccount,
    NonceUnit,
    Permission,
    SpotKey,
    SpotSubaccount,
)
from krakenstate.engine.outlook import Outlook
from krakenstate.model.declarations import Account, Grant, Key
from krakenstate.model.entry import Declaration
from krakenstate.model.provenance import Missing
from krakenstate.model.snapshot import Arrival, Observation, Place, Presence
from krakenstate.model.state import AccountStatus, Removal, Verdict
from krakenstate.model.task import Task, TaskKind
from krakenstate.model.terms import KeyTerms
from tests.support.looks import (
    FINGERPRINT,
    NOW,
    account_record,
    arrived,
    as_described,
    candidate,
    fact,
    grant_record,
    key_record,
    look_at,
    missing,
    present,
    served,
    task_of,
)
from tests.support.world import CARRY, COLO, CONTROLLER, CREATOR, DESK, HEDGER, MM, PNL, RUNNER, grant

WIDE = Allowlist(name="wide", networks=["192.0.2.0/24"])
ALLOWLISTS = st.none() | st.lists(st.sampled_from([RUNNER, COLO, WIDE]), max_size=3, unique_by=lambda a: a.name)
PERMISSIONS = st.none() | st.frozensets(st.sampled_from(Permission), max_size=5)
DAYS = st.none() | st.dates(date(2026, 10, 1), date(2028, 1, 1))
LEVELS = st.none() | st.sampled_from(Access)


@dataclass(frozen=True)
class Scene:
    """Everything an outlook is made of."""

    declarations: tuple[Declaration, ...]
    records: tuple[Any, ...] = ()
    tasks: tuple[Task, ...] = ()
    observations: tuple[Observation, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    site: Allowlist | None = RUNNER
    now: datetime = NOW

    def look(self, **changes: Any) -> Outlook:
        """The outlook, or one that differs."""
        scene = replace(self, **changes)
        return look_at(
            scene.declarations,
            scene.records,
            scene.tasks,
            scene.observations,
            scene.arrivals,
            site=scene.site,
            now=scene.now,
        )


def spot_keys(name: str) -> st.SearchStrategy[SpotKey]:
    """Spot keys of one name."""
    return st.builds(
        SpotKey,
        name=st.just(name),
        account=st.sampled_from([DESK, MM, CARRY]),
        process=st.just(PNL),
        permissions=PERMISSIONS,
        allowlist=ALLOWLISTS,
        expires=DAYS,
        query_from=DAYS,
        nonce_window=st.none() | st.integers(0, 1000),
        nonce_unit=st.none() | st.sampled_from(NonceUnit),
        rotate_every=st.none() | st.just(timedelta(days=90)),
    )


def derivatives_keys(name: str) -> st.SearchStrategy[DerivativesKey]:
    """Derivatives keys of one name."""
    return st.builds(
        DerivativesKey,
        name=st.just(name),
        account=st.sampled_from([DESK, CARRY]),
        process=st.just(HEDGER),
        general=LEVELS,
        transfer=LEVELS,
        allowlist=ALLOWLISTS,
    )


def same_place(key: Key, other: Key) -> Key:
    """The other key's terms on this key's account: what an edit in place looks like."""
    fields = {name: getattr(other, name) for name in type(other).model_fields}
    return type(key)(**{**fields, "account": key.account, "process": key.process})


@st.composite
def desks(draw: st.DrawFn) -> Scene:
    """Any desk: keys at every stage, accounts in every status, declared, removed or new."""
    carry = DerivativesSubaccount(
        name="carry", master=DESK, email=CARRY.email, trading_enabled=draw(st.none() | st.booleans())
    )
    accounts: list[Account] = [MM, carry]
    keys: list[Key] = [
        *draw(st.tuples(*(spot_keys(n) for n in ("a", "b")))),
        *draw(st.tuples(*(derivatives_keys(n) for n in ("a", "b")))),
    ]
    keys = [_onto(key, carry) for key in keys]
    controllers: list[Key] = draw(st.sampled_from([[], [CREATOR], [CREATOR, CONTROLLER]]))
    grants = [grant()] if draw(st.booleans()) else []
    removed = draw(st.sets(st.sampled_from([k.address for k in keys])))
    parts = [_key(draw, key, key.address in removed) for key in [*keys, *controllers]]
    parts += [_account(draw, account) for account in accounts]
    parts += [_grant(draw, g) for g in grants]
    return Scene(
        declarations=(*accounts, *(k for k in keys if k.address not in removed), *controllers, *grants, WIDE),
        records=tuple(r for p in parts for r in p.records),
        tasks=tuple(t for p in parts for t in p.tasks),
        observations=tuple(o for p in parts for o in p.observations),
        arrivals=tuple(a for p in parts for a in p.arrivals),
        site=draw(st.sampled_from([RUNNER, COLO, None])),
    )


def _onto(key: Key, carry: DerivativesSubaccount) -> Key:
    if key.account is not CARRY:
        return key
    fields = {name: getattr(key, name) for name in type(key).model_fields}
    return type(key)(**{**fields, "account": carry})


@dataclass(frozen=True)
class _Part:
    records: tuple[Any, ...] = ()
    tasks: tuple[Task, ...] = ()
    observations: tuple[Observation, ...] = ()
    arrivals: tuple[Arrival, ...] = ()


def _key(draw: st.DrawFn, key: Key, removed: bool) -> _Part:
    stage = draw(st.sampled_from(["new", "asked", "handed in", "in service", "leaving"]))
    if stage == "new":
        return _Part()
    recorded = key if draw(st.booleans()) else same_place(key, draw(_like(key)))
    open_kind = {
        "asked": TaskKind.CREATE_KEY,
        "handed in": TaskKind.CREATE_KEY,
        "in service": TaskKind.EDIT_KEY,
        "leaving": draw(st.sampled_from([TaskKind.STOP_PROCESS, TaskKind.DELETE_KEY])),
    }[stage]
    tasks = (task_of(open_kind, key.address, generation=1),) if draw(st.booleans()) else ()
    if stage == "asked":
        places = draw(st.sampled_from([(), (Place.INBOX,)]))
        return _Part((key_record(recorded),), tasks, (), tuple(arrived(key.address, p) for p in places))
    if stage == "handed in":
        verdict = draw(st.sampled_from(Verdict))
        held = arrived(key.address, Place.QUARANTINE, draw(st.sampled_from([FINGERPRINT, "0" * 12])))
        return _Part((key_record(recorded, candidate=candidate(verdict=verdict)),), tasks, (), (held,))
    removal = None
    if stage == "leaving":
        removal = Removal.STOPPING if open_kind is TaskKind.STOP_PROCESS else Removal.DELETING
    described = as_described(same_place(key, draw(_like(key)))) if draw(st.booleans()) else as_described(recorded)
    record = served(recorded, description=described, removal=removal)
    return _Part((record,), tasks, (_seen(draw, key),))


def _like(key: Key) -> st.SearchStrategy[Any]:
    return spot_keys(key.name) if isinstance(key, SpotKey) else derivatives_keys(key.name)


def _seen(draw: st.DrawFn, key: Key) -> Observation:
    if draw(st.booleans()):
        return missing(key.address, draw(st.sampled_from(Missing)), detail="why not")
    return present(key.address, description=as_described(same_place(key, draw(_like(key)))))


def _account(draw: st.DrawFn, account: Account) -> _Part:
    status = draw(st.none() | st.sampled_from(AccountStatus))
    records = (account_record(account, status, account_uid=_uid(account, status)),) if status else ()
    kinds = {
        MM.address: [TaskKind.SETTLE_UNKNOWN, TaskKind.REQUEST_SPOT_SUBACCOUNT, TaskKind.FINISH_EMAIL_SETUP],
        CARRY.address: [TaskKind.LINK_DERIVATIVES],
    }[account.address]
    tasks = (task_of(draw(st.sampled_from(kinds)), account.address),) if status and draw(st.booleans()) else ()
    if isinstance(account, SpotSubaccount):
        return _Part(records, tasks, (missing(account.address, Missing.NOT_ASKED),))
    seen = draw(st.sampled_from([Presence.PRESENT, Presence.ABSENT, *Missing]))
    if isinstance(seen, Missing):
        return _Part(records, tasks, (missing(account.address, seen),))
    facts = {"account_uid": fact("uid"), "trading_enabled": fact(draw(st.booleans()))}
    there = seen is Presence.PRESENT
    found = Observation(address=account.address, presence=seen, facts=facts if there else {}, at=NOW)
    return _Part(records, tasks, (found,))


def _uid(account: Account, status: AccountStatus | None) -> str | None:
    linked = isinstance(account, DerivativesSubaccount) and status is AccountStatus.EXISTS
    return "uid" if linked else None


def _grant(draw: st.DrawFn, declared: Grant) -> _Part:
    if draw(st.booleans()):
        return _Part()
    installed = draw(st.booleans())
    record = grant_record(declared) if installed else grant_record(declared, installed=None)
    tasks = () if installed or draw(st.booleans()) else (task_of(TaskKind.INSTALL_GRANT, declared.address),)
    return _Part((record,), tasks)


@st.composite
def settled_desks(draw: st.DrawFn) -> Scene:
    """Desks whose declarations are exactly what was recorded."""
    scene = draw(desks())
    declared = {d.address: d for d in scene.declarations}
    records = tuple(
        r.model_copy(update={"terms": KeyTerms.of(declared[r.address])})
        for r in scene.records
        if r.kind == "key" and r.address in declared
    )
    others = tuple(r for r in scene.records if r.kind != "key")
    return replace(scene, records=(*records, *others))


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
