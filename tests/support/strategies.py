"""Desks as hypothesis draws them: declarations, what was recorded of them, and what is seen now."""

from __future__ import annotations

import random
from collections.abc import Callable
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
VARIANTS = 80
BOOLEANS = st.booleans()


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


def _spot_key(dice: random.Random, name: str) -> SpotKey:
    lists = [RUNNER, COLO, WIDE]
    return SpotKey(
        name=name,
        account=dice.choice([DESK, MM, CARRY]),
        process=PNL,
        permissions=dice.choice([None, dice.sample(list(Permission), dice.randint(0, 5))]),
        allowlist=dice.choice([None, dice.sample(lists, dice.randint(0, 3))]),
        expires=dice.choice([None, date(2026, 10, 1) + timedelta(days=dice.randint(0, 400))]),
        query_from=dice.choice([None, date(2026, 10, 1) + timedelta(days=dice.randint(0, 400))]),
        nonce_window=dice.choice([None, 0, 1000]),
        nonce_unit=dice.choice([None, *NonceUnit]),
        rotate_every=dice.choice([None, timedelta(days=90)]),
    )


def _derivatives_key(dice: random.Random, name: str) -> DerivativesKey:
    return DerivativesKey(
        name=name,
        account=dice.choice([DESK, CARRY]),
        process=HEDGER,
        general=dice.choice([None, *Access]),
        transfer=dice.choice([None, *Access]),
        allowlist=dice.choice([None, dice.sample([RUNNER, COLO, WIDE], dice.randint(0, 3))]),
    )


def _pool(make: Callable[[random.Random, str], Key], name: str) -> st.SearchStrategy[Any]:
    """Keys made once, since making one costs more than planning it; always the same ones."""
    dice = random.Random(name)
    return st.sampled_from([make(dice, name) for _ in range(VARIANTS)])


KEYS = {
    f"{api}.{name}": _pool(make, name)
    for api, make in (("spot_key", _spot_key), ("derivatives_key", _derivatives_key))
    for name in ("a", "b", "spot-creator", "derivatives-controller")
}
DESKS_OWN = st.tuples(*(KEYS[f"{api}.{name}"] for api in ("spot_key", "derivatives_key") for name in "ab"))
STAGES = st.sampled_from(["new", "asked", "handed in", "in service", "leaving"])
SITES = st.sampled_from([RUNNER, COLO, None])
SWITCHES = st.sampled_from([None, True, False])
CONTROLLERS = st.sampled_from([[], [CREATOR], [CREATOR, CONTROLLER]])
ADDRESSES = st.sets(
    st.sampled_from([f"{api}.{name}" for api in ("spot_key", "derivatives_key") for name in "ab"])
)
REMOVALS = st.sampled_from([TaskKind.STOP_PROCESS, TaskKind.DELETE_KEY])
INBOXES = st.sampled_from([(), (Place.INBOX,)])
VERDICTS = st.sampled_from(Verdict)
FINGERPRINTS = st.sampled_from([FINGERPRINT, "0" * 12])
REASONS = st.sampled_from(Missing)
STATUSES = st.sampled_from([None, *AccountStatus])
SIGHTS = st.sampled_from([Presence.PRESENT, Presence.ABSENT, *Missing])
KINDS = {
    MM.address: st.sampled_from(
        [TaskKind.SETTLE_UNKNOWN, TaskKind.REQUEST_SPOT_SUBACCOUNT, TaskKind.FINISH_EMAIL_SETUP]
    ),
    CARRY.address: st.just(TaskKind.LINK_DERIVATIVES),
}


def same_place(key: Key, other: Key) -> Key:
    """The other key's terms on this key's account: what an edit in place looks like."""
    fields = {name: getattr(other, name) for name in type(other).model_fields}
    return type(key)(**{**fields, "account": key.account, "process": key.process})


@st.composite
def desks(draw: st.DrawFn) -> Scene:
    """Any desk: keys at every stage, accounts in every status, declared, removed or new."""
    carry = DerivativesSubaccount(
        name="carry", master=DESK, email=CARRY.email, trading_enabled=draw(SWITCHES)
    )
    accounts: list[Account] = [MM, carry]
    keys = [_onto(key, carry) for key in draw(DESKS_OWN)]
    controllers: list[Key] = draw(CONTROLLERS)
    grants = [grant()] if draw(BOOLEANS) else []
    removed = draw(ADDRESSES)
    parts = [_key(draw, key, key.address in removed) for key in [*keys, *controllers]]
    parts += [_account(draw, account) for account in accounts]
    parts += [_grant(draw, g) for g in grants]
    return Scene(
        declarations=(*accounts, *(k for k in keys if k.address not in removed), *controllers, *grants, WIDE),
        records=tuple(r for p in parts for r in p.records),
        tasks=tuple(t for p in parts for t in p.tasks),
        observations=tuple(o for p in parts for o in p.observations),
        arrivals=tuple(a for p in parts for a in p.arrivals),
        site=draw(SITES),
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
    stage = draw(STAGES)
    if stage == "new":
        return _Part()
    recorded = key if draw(BOOLEANS) else same_place(key, draw(KEYS[key.address]))
    open_kind = {
        "asked": TaskKind.CREATE_KEY,
        "handed in": TaskKind.CREATE_KEY,
        "in service": TaskKind.EDIT_KEY,
        "leaving": draw(REMOVALS),
    }[stage]
    tasks = (task_of(open_kind, key.address, generation=1),) if draw(BOOLEANS) else ()
    if stage == "asked":
        places = draw(INBOXES)
        return _Part((key_record(recorded),), tasks, (), tuple(arrived(key.address, p) for p in places))
    if stage == "handed in":
        verdict = draw(VERDICTS)
        held = arrived(key.address, Place.QUARANTINE, draw(FINGERPRINTS))
        return _Part((key_record(recorded, candidate=candidate(verdict=verdict)),), tasks, (), (held,))
    removal = None
    if stage == "leaving":
        removal = Removal.STOPPING if open_kind is TaskKind.STOP_PROCESS else Removal.DELETING
    described = (
        as_described(same_place(key, draw(KEYS[key.address]))) if draw(BOOLEANS) else as_described(recorded)
    )
    record = served(recorded, description=described, removal=removal)
    return _Part((record,), tasks, (_seen(draw, key),))


def _seen(draw: st.DrawFn, key: Key) -> Observation:
    if draw(BOOLEANS):
        return missing(key.address, draw(REASONS), detail="why not")
    return present(key.address, description=as_described(same_place(key, draw(KEYS[key.address]))))


def _account(draw: st.DrawFn, account: Account) -> _Part:
    status = draw(STATUSES)
    records = (account_record(account, status, account_uid=_uid(account, status)),) if status else ()
    tasks = (task_of(draw(KINDS[account.address]), account.address),) if status and draw(BOOLEANS) else ()
    if isinstance(account, SpotSubaccount):
        return _Part(records, tasks, (missing(account.address, Missing.NOT_ASKED),))
    seen = draw(SIGHTS)
    if isinstance(seen, Missing):
        return _Part(records, tasks, (missing(account.address, seen),))
    facts = {"account_uid": fact("uid"), "trading_enabled": fact(draw(BOOLEANS))}
    there = seen is Presence.PRESENT
    found = Observation(address=account.address, presence=seen, facts=facts if there else {}, at=NOW)
    return _Part(records, tasks, (found,))


def _uid(account: Account, status: AccountStatus | None) -> str | None:
    linked = isinstance(account, DerivativesSubaccount) and status is AccountStatus.EXISTS
    return "uid" if linked else None


def _grant(draw: st.DrawFn, declared: Grant) -> _Part:
    if draw(BOOLEANS):
        return _Part()
    installed = draw(BOOLEANS)
    record = grant_record(declared) if installed else grant_record(declared, installed=None)
    tasks = () if installed or draw(BOOLEANS) else (task_of(TaskKind.INSTALL_GRANT, declared.address),)
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
