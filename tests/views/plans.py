"""Plans as the planner makes them, built by hand so that each view can be read beside its data."""

from datetime import UTC, date, datetime, timedelta

from krakenstate.engine.stakes import blast_changes_of
from krakenstate.model.address import Address
from krakenstate.model.plan import (
    Action,
    Actor,
    AttributeChange,
    Check,
    DriftItem,
    Facts,
    ObservationFact,
    OpenTask,
    Plan,
    PlanSource,
    Reason,
    Risk,
    RiskWord,
    Step,
    Upcoming,
)
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.task import TaskKind, task_id
from tests.support import looks
from tests.support.looks import look_at, plan_of, served
from tests.support.world import spot_key

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
OBSERVED = NOW - timedelta(minutes=2)
DIGEST = "7be1c0" + "0" * 58
COMMIT = "1f3c9aa0b5d24c1e8f7a6b3c2d1e0f9a8b7c6d5e"

PNL, CARRY = Address("spot_key.pnl"), Address("derivatives_subaccount.carry")
PNL_LABEL = 'key "pnl-g1" (...9fQa) on account desk-mm'

PNL_TERMS = {
    "account": "spot_subaccount.mm",
    "permissions": ["query-closed-trades", "query-funds", "query-ledger", "query-open-trades"],
}

KEYS = {
    "spot_key.spot-creator": ("platform", "desk", ["withdraw-funds"], ["192.0.2.10/32"]),
    "spot_key.mm-quoter": (
        "market-making",
        "desk-mm",
        ["close-trades", "modify-trades", "query-funds", "query-open-trades"],
        ["203.0.113.7/32", "2001:db8:1::/64"],
    ),
    "spot_key.pnl": (
        "risk",
        "desk-mm",
        ["query-closed-trades", "query-funds", "query-ledger", "query-open-trades"],
        ["192.0.2.10/32", "198.51.100.0/28"],
    ),
}


def step(address: str, action: Action, reason: Reason, **fields) -> Step:
    """A step at an address given as text."""
    return Step(address=Address(address), action=action, reason=reason, **fields)


def plan(*steps: Step, risks: tuple[Risk, ...] = (), complete: bool = True, **facts) -> Plan:
    """A plan of these steps; facts fall back to a run on the runner, two minutes after observing."""
    defaults = {"planned_at": NOW, "observed_at": OBSERVED, "site": "runner", "commit": COMMIT, "serial": 7}
    return Plan(
        krakenstate_version="0.1.0",
        stack="prod",
        environment="production",
        lineage="5a1d6c2e",
        steps=steps,
        risks=risks,
        blast=blast_changes_of(steps),
        digest=DIGEST,
        complete=complete,
        facts=Facts.model_validate(defaults | facts),
    )


def create_key(address: str) -> Step:
    """A key that nobody has handed in yet."""
    owner, account, permissions, networks = KEYS[address]
    waits = ("spot_subaccount.mm",) if account == "desk-mm" else ()
    return step(
        address,
        Action.MANUAL,
        Reason.NOT_HANDED_IN,
        actor=Actor.PERSON,
        label=f'key "{Address(address).name}-g1" on account {account}',
        note="no API creates keys; verified by asking the key itself",
        task_kind=TaskKind.CREATE_KEY,
        assignee=owner,
        waits_on=waits,
        after={
            "account": f"spot_subaccount.{account.removeprefix('desk-')}" if waits else "master_account.desk",
            "permissions": permissions,
            "ip_allowlist": networks,
            "nonce_window": None,
        },
    )


def install_grant(name: str) -> Step:
    """A policy a Vault administrator installs."""
    return step(
        f"grant.{name}",
        Action.MANUAL,
        Reason.NOT_INSTALLED,
        actor=Actor.PERSON,
        label=f'policy "krakenstate-prod-{name}" for process {name}',
        note="krakenstate holds no right to write policies; confirmed by the administrator's attestation",
        task_kind=TaskKind.INSTALL_GRANT,
        assignee="vault administrator",
        after={
            "process": f"process.{name}",
            "reads": f'path "kv/data/kraken/prod/{name}/*" {{\n  capabilities = ["read"]\n}}\n',
        },
        changes=(AttributeChange(name="process", after=f"process.{name}"),),
    )


def edit_key() -> Step:
    """A key whose allowlist is edited by hand."""
    return step(
        "spot_key.pnl",
        Action.MANUAL,
        Reason.DECLARATION_CHANGED,
        actor=Actor.PERSON,
        label=PNL_LABEL,
        note="keys made by hand are edited by hand; verified by GetApiKeyInfo",
        task_kind=TaskKind.EDIT_KEY,
        assignee="risk",
        before={**PNL_TERMS, "ip_allowlist": ["192.0.2.10/32", "198.51.100.0/28"]},
        after={**PNL_TERMS, "ip_allowlist": ["192.0.2.10/32", "198.51.100.0/28", "203.0.113.9/32"]},
        changes=(
            AttributeChange(
                name="ip_allowlist",
                before=["192.0.2.10/32", "198.51.100.0/28"],
                after=["192.0.2.10/32", "198.51.100.0/28", "203.0.113.9/32"],
                added=("203.0.113.9/32",),
                removed=(),
            ),
        ),
    )


def stop_trading() -> Step:
    """The one attribute of an account an API changes."""
    return step(
        "derivatives_subaccount.carry",
        Action.UPDATE,
        Reason.ATTRIBUTES_DIFFER,
        actor=Actor.API,
        label='Derivatives subaccount "kraken+carry@desk.example" of desk',
        before={"master": "master_account.desk", "trading_enabled": True},
        after={"master": "master_account.desk", "trading_enabled": False},
        changes=(
            AttributeChange(
                name="trading_enabled", before=True, after=False, note="stops trading on this account"
            ),
        ),
        unchanged=2,
    )


def in_sync(address: str) -> Step:
    """Nothing to do about an address."""
    return step(address, Action.NO_OP, Reason.IN_SYNC)


def waiting(task: OpenTask, note: str = "") -> Step:
    """A step that waits on an open task."""
    return Step(
        address=task.address,
        action=Action.WAIT,
        reason=Reason.TASK_OPEN,
        actor=Actor.PERSON,
        note=note or task.rejection,
        task_kind=task.kind,
        task_id=task.id,
        assignee=task.assignee,
        waits_on=task.waits_on,
    )


def open_task(address: str, kind: TaskKind, assignee: str, title: str, **fields) -> OpenTask:
    """An open task with the id it would have."""
    id_ = task_id(address, kind, 1)
    return OpenTask(id=id_, kind=kind, address=Address(address), assignee=assignee, title=title, **fields)


CREATE_PNL = open_task("spot_key.pnl", TaskKind.CREATE_KEY, "risk", 'Create key "pnl-g1" on account desk-mm')
LINK_CARRY = open_task(
    "derivatives_subaccount.carry", TaskKind.LINK_DERIVATIVES, "platform", "Ask Kraken to link carry to desk"
)

WIDENS = Risk(address=PNL, word=RiskWord.WIDENS, text="allowlist 17 -> 18 addresses")
STOPS = Risk(address=CARRY, word=RiskWord.LOSES, text="trading on this account")
EXPIRES = Upcoming(address=Address("spot_key.spot-creator"), on=date(2026, 12, 1), text="expires 2026-12-01")


def first_run() -> Plan:
    """Everything is new: keys and grants for people, and what waits for them."""
    keys = [create_key(address) for address in KEYS]
    grants = [install_grant(name) for name in ("hedger", "mm-quoter", "pnl")]
    people = [
        step(
            f"derivatives_subaccount.{name}",
            Action.MANUAL,
            Reason.NOT_FOUND,
            actor=Actor.PERSON,
            label=f'Derivatives subaccount "kraken+{name}@desk.example" of desk',
            note="links are made by Kraken's support; verified by the master's list of subaccounts",
            task_kind=TaskKind.LINK_DERIVATIVES,
            assignee="platform",
            after={"email": f"kraken+{name}@desk.example", "trading_enabled": True},
            after_unknown=("account_uid",),
        )
        for name in ("basis", "carry", "funding")
    ]
    waits = [
        step(
            f"spot_subaccount.{name}",
            Action.WAIT,
            Reason.DEPENDENCY_UNFINISHED,
            actor=Actor.API,
            note="waits for the controller key to be in service",
            waits_on=("spot_key.spot-creator",),
        )
        for name in ("mm", "arb")
    ]
    return plan(
        *keys,
        *grants,
        *people,
        *waits,
        in_sync("master_account.desk"),
        risks=(
            Risk(
                address=Address("spot_key.spot-creator"),
                word=RiskWord.GAINS,
                text="withdraw-funds on desk; can move funds",
                critical=True,
            ),
            Risk(
                address=Address("spot_key.mm-quoter"),
                word=RiskWord.GAINS,
                text="close-trades, modify-trades, query-funds, query-open-trades on mm",
            ),
        ),
        site=None,
        observations=tuple(
            ObservationFact(address=Address(address), missing=Missing.PENDING) for address in KEYS
        ),
        upcoming=(
            Upcoming(address=PNL, on=None, text="rotation every 180 days from the day it goes into service"),
            EXPIRES,
        ),
    )


def edit() -> Plan:
    """The pull request of the conventions: one attribute by API, one by hand."""
    return plan(
        stop_trading(),
        edit_key(),
        risks=(STOPS, WIDENS),
        upcoming=(EXPIRES,),
        sources={PNL: PlanSource(file="stacks/prod.py", line=42, text="stack.add(SpotKey(")},
        observations=(ObservationFact(address=PNL, provenance=Provenance.OBSERVED, at=OBSERVED),),
    )


def every_block() -> Plan:
    """One block of each kind, in an order that the view has to correct."""
    policy = 'path "kv/data/a/*" {\n  capabilities = ["read"]\n}\n'
    return plan(
        step(
            "spot_subaccount.old",
            Action.FORGET,
            Reason.REMOVED_FROM_STACK,
            actor=Actor.API,
            label='account "desk-old"',
            note="nothing at Kraken changes; no API closes an account",
            before={"email": "kraken+old@desk.example"},
        ),
        step(
            "spot_subaccount.new",
            Action.CREATE,
            Reason.NOT_FOUND,
            actor=Actor.API,
            label='Spot subaccount "desk-new" of desk',
            note="sent once; then the owner of the e-mail finishes its set-up",
            after={"master": "master_account.desk", "username": "desk-new"},
            after_unknown=("iiban",),
        ),
        stop_trading(),
        step(
            "spot_key.hot",
            Action.ROTATE,
            Reason.ATTRIBUTES_DIFFER,
            actor=Actor.API,
            label='key "hot-g1" (...7Kd2) on account desk-mm',
            changes=(
                AttributeChange(name="fingerprint", before="3f2a11112222", after="91c033334444"),
                AttributeChange(name="api_secret", before="c2VjcmV0", after="bmV3ZXI="),
                AttributeChange(name="generation", before=1, after=2, note="forces replacement"),
            ),
        ),
        step(
            "grant.pnl",
            Action.UPDATE,
            Reason.ATTRIBUTES_DIFFER,
            actor=Actor.API,
            changes=(
                AttributeChange(
                    name="policy",
                    before=policy,
                    after=policy.replace('"read"', '"read", "list"'),
                    note="listing shows the names of all of the process's keys, not their secrets",
                ),
            ),
            unchanged=1,
        ),
        step(
            "derivatives_key.gone",
            Action.DELETE,
            Reason.REMOVED_FROM_STACK,
            actor=Actor.API,
            label="key (...0aB1) on account carry",
            before={"general": "FULL_ACCESS", "ip_allowlist": ["203.0.113.7/32"]},
        ),
        edit_key(),
        step(
            "spot_key.mm-quoter",
            Action.VERIFY,
            Reason.HANDED_IN,
            actor=Actor.API,
            label='key "mm-quoter-g1" (...Zz19) on account desk-mm',
            note="handed in; it is asked and compared",
        ),
        step(
            "derivatives_key.hedger",
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            note="Kraken did not answer within 10 s",
            missing=Missing.UNREADABLE,
            code="KS2001",
        ),
        risks=(STOPS, WIDENS),
        complete=False,
    )


def tasks_open() -> Plan:
    """The second run: nothing new, two tasks open."""
    return plan(
        waiting(CREATE_PNL),
        waiting(LINK_CARRY),
        in_sync("master_account.desk"),
        tasks=(CREATE_PNL, LINK_CARRY),
        observations=(ObservationFact(address=PNL, missing=Missing.PENDING),),
    )


def rejected() -> Plan:
    """A task that came back with the reason."""
    task = CREATE_PNL.model_copy(
        update={"rejection": "permissions: declared query-funds, found query-funds and withdraw-funds"}
    )
    return plan(waiting(task), tasks=(task,))


def nothing() -> Plan:
    """Everything is as declared; a key in service was not asked, which is normal."""
    fact = ObservationFact(
        address=PNL, provenance=Provenance.OBSERVED, at=NOW - timedelta(days=3), missing=Missing.NOT_ASKED
    )
    return plan(in_sync("spot_key.pnl"), in_sync("master_account.desk"), observations=(fact,))


def provenances() -> Plan:
    """Each of the four ways to know and of the three reasons not to, with ages."""
    known = (
        ("derivatives_key.hedger", Provenance.OBSERVED, OBSERVED, None),
        ("derivatives_key.quoter", Provenance.REPORTED, NOW - timedelta(hours=5), Missing.NOT_ASKED),
        ("spot_key.mm-quoter", Provenance.ATTESTED, NOW - timedelta(days=2), Missing.NOT_ASKED),
        ("spot_key.pnl", Provenance.REPORTED, NOW - timedelta(minutes=9), Missing.PENDING),
        ("spot_key.spot-creator", None, None, Missing.PENDING),
        ("spot_subaccount.mm", Provenance.RECORDED, NOW - timedelta(days=40), Missing.NOT_ASKED),
        ("derivatives_subaccount.carry", Provenance.OBSERVED, NOW - timedelta(hours=1), Missing.UNREADABLE),
    )
    facts = tuple(
        ObservationFact(address=Address(address), provenance=provenance, at=at, missing=missing)
        for address, provenance, at, missing in known
    )
    return plan(in_sync("master_account.desk"), observations=facts, complete=False)


def settlements() -> Plan:
    """Two keys were handed in, a task may close, and nothing is proposed."""
    return plan(
        step(
            "spot_key.mm-quoter",
            Action.INGEST,
            Reason.HANDED_IN,
            actor=Actor.API,
            label='key "mm-quoter-g1" on account desk-mm',
            note="a secret waits in the inbox",
        ),
        step(
            "derivatives_subaccount.carry",
            Action.CLOSE,
            Reason.EVIDENCE_READY,
            actor=Actor.API,
            label='Derivatives subaccount "kraken+carry@desk.example" of desk',
            note="the link is there",
            task_id=LINK_CARRY.id,
        ),
        tasks=(LINK_CARRY,),
    )


def unreadable() -> Plan:
    """One key could not be read, one creation's outcome is not known."""
    return plan(
        step(
            "spot_key.pnl",
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            label=PNL_LABEL,
            note="Kraken answered EAPI:Invalid key: the key was revoked, or this runner is not on its "
            "allowlist; nothing can tell the two apart",
            missing=Missing.UNREADABLE,
            code="KS2102",
        ),
        step(
            "spot_subaccount.mm",
            Action.UNKNOWN,
            Reason.OUTCOME_UNKNOWN,
            note="it was asked for and may exist; it is never asked for again by itself",
            missing=Missing.NOT_ASKED,
        ),
        complete=False,
        observations=(
            ObservationFact(address=PNL, missing=Missing.UNREADABLE, detail="EAPI:Invalid key"),
            ObservationFact(address=Address("spot_key.mm-quoter"), missing=Missing.NOT_ASKED),
            ObservationFact(address=Address("spot_key.spot-creator"), missing=Missing.NOT_ASKED),
            ObservationFact(address=Address("derivatives_key.hedger"), missing=Missing.PENDING),
        ),
        checks=(
            Check(
                code="KS2206",
                address=PNL,
                text="somebody replaced the secret at kraken/prod/pnl/spot_key.pnl",
            ),
        ),
    )


DRIFT = (
    DriftItem(
        address=PNL,
        label=PNL_LABEL,
        changes=(
            AttributeChange(
                name="permissions",
                before=["query-funds"],
                after=["query-funds", "withdraw-funds"],
                added=("withdraw-funds",),
                removed=(),
            ),
            AttributeChange(
                name="ip_allowlist",
                before=["198.51.100.0/28"],
                after=["198.51.100.0/24"],
                added=("198.51.100.0/24",),
                removed=("198.51.100.0/28",),
                note="16 -> 256 addresses",
            ),
            AttributeChange(name="secret", before="fp 3f2a", after="fp 91c0"),
        ),
        risks=(
            Risk(address=PNL, word=RiskWord.WIDENS, text="allowlist 16 -> 256 addresses"),
            Risk(address=PNL, word=RiskWord.GAINS, text="withdraw-funds; can move funds", critical=True),
        ),
    ),
)


def drift() -> Plan:
    """Somebody widened a key in the web page."""
    return plan(edit_key(), risks=(WIDENS,), drift=DRIFT)


def moves() -> Plan:
    """One key renamed, one renamed and edited, one account let go of."""
    edited = edit_key().model_copy(update={"previous_address": Address("spot_key.reports")})
    return plan(
        step(
            "spot_key.quotes",
            Action.NO_OP,
            Reason.IN_SYNC,
            label='key "mm-quoter-g1" (...Zk3w) on account desk-mm',
            previous_address=Address("spot_key.mm-quoter"),
        ),
        edited,
        step(
            "spot_subaccount.old",
            Action.FORGET,
            Reason.LET_GO,
            actor=Actor.API,
            label='account "desk-old"',
            note="as Removed says; the account desk-old stays at Kraken",
        ),
        risks=(WIDENS,),
    )


def only_observed() -> Plan:
    """What would be done is told, and a part of the stack was planned."""
    watched = create_key("spot_key.mm-quoter").model_copy(
        update={
            "action": Action.NO_OP,
            "reason": Reason.OBSERVE_ONLY,
            "would": Action.MANUAL,
            "actor": None,
            "task_kind": None,
            "assignee": None,
        }
    )
    return plan(watched).model_copy(update={"targets": (Address("spot_key.mm-quoter"),)})


def rotation() -> Plan:
    """A key whose rotation is due, as the planner proposes it; another one whose old key drains."""
    key = spot_key(rotate_every=timedelta(days=90), overlap=timedelta(days=2))
    record = served(key)
    assert record.published is not None
    aged = record.published.model_copy(update={"at": looks.NOW - timedelta(days=91)})
    look = look_at([key], [record.model_copy(update={"published": aged})])
    [due] = [s for s in plan_of(look).steps if s.action is Action.ROTATE]
    text = (
        "rotation to generation 2 is draining, since 2026-11-01; the old key (...7Kd2) is to be deleted from "
        "2026-11-03"
    )
    return plan(due, upcoming=(Upcoming(address=Address("spot_key.hot"), on=date(2026, 11, 3), text=text),))


PLANS = {
    "moves": moves,
    "rotation": rotation,
    "only-observed": only_observed,
    "first-run": first_run,
    "edit": edit,
    "every-block": every_block,
    "tasks-open": tasks_open,
    "rejected": rejected,
    "nothing": nothing,
    "provenances": provenances,
    "settlements": settlements,
    "unreadable": unreadable,
    "drift": drift,
}
