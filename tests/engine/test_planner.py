"""The planner, case by case: what was declared, recorded and observed decides the action, and it says why."""

import hashlib
import json
from datetime import date, timedelta

import pytest

from krakenstate import (
    Access,
    Allowlist,
    DerivativesSubaccount,
    MasterAccount,
    NonceUnit,
    Permission,
    Process,
    SpotSubaccount,
)
from krakenstate.errors import StackProblems
from krakenstate.model.plan import Action, Reason
from krakenstate.model.provenance import Missing
from krakenstate.model.snapshot import Place
from krakenstate.model.state import AccountStatus, Removal, Verdict
from krakenstate.model.task import TaskKind, TaskStatus
from krakenstate.model.terms import KeyTerms
from tests.support.looks import (
    NOW,
    absent,
    account_record,
    arrived,
    as_described,
    candidate,
    fact,
    grant_record,
    key_record,
    look_at,
    missing,
    plan_of,
    present,
    served,
    task_of,
)
from tests.support.world import (
    CARRY,
    COLO,
    CONTROLLER,
    CREATOR,
    DESK,
    HEDGER,
    MM,
    derivatives_key,
    grant,
    spot_key,
)

KEY, PERP = spot_key(), derivatives_key()
ADDRESS, PERP_ADDRESS = "spot_key.pnl", "derivatives_key.hedger"
NARROW = spot_key(permissions={Permission.QUERY_FUNDS})
UNIT = spot_key(nonce_unit=NonceUnit.SECONDS)
READS = KeyTerms.of(NARROW)
CREATE_TASK = task_of(TaskKind.CREATE_KEY, ADDRESS, generation=1)
EDIT_TASK = task_of(TaskKind.EDIT_KEY, ADDRESS, generation=1)
PERP_EDIT = task_of(TaskKind.EDIT_KEY, PERP_ADDRESS, generation=1)
WIDER = as_described(KEY, permissions=("query-funds", "query-ledger", "withdraw-funds"))


def step_of(address, *what, **more):
    """The one step of an address."""
    [step] = [s for s in plan_of(look_at(*what, **more)).steps if s.address == address]
    return step


def ended(task, status=TaskStatus.CANCELLED):
    """The task, no longer open."""
    return task.model_copy(update={"status": status, "closed_at": NOW})


@pytest.mark.parametrize(
    ("record", "tasks", "arrivals", "action", "reason"),
    [
        pytest.param(None, [], [], Action.MANUAL, Reason.NOT_HANDED_IN, id="never-applied"),
        pytest.param(
            None,
            [],
            [arrived(ADDRESS, Place.INBOX)],
            Action.MANUAL,
            Reason.NOT_HANDED_IN,
            id="in-the-inbox-before-any-approval",
        ),
        pytest.param(key_record(KEY), [CREATE_TASK], [], Action.WAIT, Reason.TASK_OPEN, id="task-open"),
        pytest.param(
            key_record(KEY),
            [ended(CREATE_TASK)],
            [],
            Action.MANUAL,
            Reason.NOT_HANDED_IN,
            id="task-cancelled",
        ),
        pytest.param(
            key_record(KEY, terms=READS),
            [CREATE_TASK],
            [],
            Action.MANUAL,
            Reason.DECLARATION_CHANGED,
            id="edited-while-the-task-is-open",
        ),
        pytest.param(
            key_record(KEY, process="process.hedger"),
            [CREATE_TASK],
            [],
            Action.MANUAL,
            Reason.DECLARATION_CHANGED,
            id="moved-to-another-process",
        ),
        pytest.param(
            key_record(KEY, account="spot_subaccount.mm"),
            [CREATE_TASK],
            [],
            Action.MANUAL,
            Reason.DECLARATION_CHANGED,
            id="moved-to-another-account",
        ),
        pytest.param(
            key_record(KEY),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.INBOX)],
            Action.INGEST,
            Reason.HANDED_IN,
            id="in-the-inbox",
        ),
        pytest.param(
            key_record(KEY),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE)],
            Action.VERIFY,
            Reason.HANDED_IN,
            id="in-quarantine-never-seen",
        ),
        pytest.param(
            key_record(KEY, candidate=candidate()),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE)],
            Action.VERIFY,
            Reason.HANDED_IN,
            id="in-quarantine",
        ),
        pytest.param(
            key_record(KEY, candidate=candidate(verdict=Verdict.DIFFERS)),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE)],
            Action.VERIFY,
            Reason.HANDED_IN,
            id="differs",
        ),
        pytest.param(
            key_record(KEY, candidate=candidate(verdict=Verdict.REFUSED)),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE)],
            Action.WAIT,
            Reason.TASK_OPEN,
            id="refused",
        ),
        pytest.param(
            key_record(KEY, candidate=candidate(verdict=Verdict.REFUSED)),
            [ended(CREATE_TASK)],
            [arrived(ADDRESS, Place.QUARANTINE)],
            Action.MANUAL,
            Reason.NOT_HANDED_IN,
            id="refused-and-task-cancelled",
        ),
        pytest.param(
            key_record(KEY, candidate=candidate(verdict=Verdict.REFUSED)),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE, "0" * 12)],
            Action.VERIFY,
            Reason.HANDED_IN,
            id="another-after-a-refused-one",
        ),
        pytest.param(
            key_record(KEY, candidate=candidate(verdict=Verdict.REFUSED)),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE), arrived(ADDRESS, Place.INBOX)],
            Action.INGEST,
            Reason.HANDED_IN,
            id="another-in-the-inbox-after-a-refused-one",
        ),
    ],
)
def test_a_key_on_its_way_in(record, tasks, arrivals, action, reason):
    """A key without a secret in service is pending: asked for, waited for, or taken in, never absent."""
    step = step_of(ADDRESS, [KEY], [record] if record else [], tasks, arrivals=arrivals)
    assert (step.action, step.reason) == (action, reason)


@pytest.mark.parametrize("site", [None, COLO])
def test_a_key_in_quarantine_waits_for_an_admitted_site(site):
    """From elsewhere it is neither asked nor asked for again."""
    step = step_of(
        ADDRESS, [KEY], [key_record(KEY)], [CREATE_TASK], (), [arrived(ADDRESS, Place.QUARANTINE)], site=site
    )
    assert (step.action, step.reason, step.task_id) == (
        Action.WAIT,
        Reason.DEPENDENCY_UNFINISHED,
        CREATE_TASK.id,
    )


def test_a_key_waits_on_an_account_that_does_not_exist_yet():
    """Its task is opened all the same and names the account."""
    step = step_of(ADDRESS, [MM, spot_key(account=MM)])
    assert (step.action, step.task_kind, step.waits_on) == (
        Action.MANUAL,
        TaskKind.CREATE_KEY,
        ("spot_subaccount.mm",),
    )


@pytest.mark.parametrize(
    ("key", "record", "tasks", "seen", "action", "reason"),
    [
        pytest.param(
            KEY,
            served(KEY),
            [],
            missing(ADDRESS, Missing.NOT_ASKED),
            Action.NO_OP,
            Reason.IN_SYNC,
            id="spot-not-asked",
        ),
        pytest.param(KEY, served(KEY), [], None, Action.NO_OP, Reason.IN_SYNC, id="spot-nothing-noted"),
        pytest.param(
            KEY,
            served(KEY, description=WIDER),
            [],
            missing(ADDRESS, Missing.NOT_ASKED),
            Action.MANUAL,
            Reason.ATTRIBUTES_DIFFER,
            id="spot-recorded-wider",
        ),
        pytest.param(
            KEY,
            served(KEY, description=WIDER),
            [EDIT_TASK],
            missing(ADDRESS, Missing.NOT_ASKED),
            Action.WAIT,
            Reason.TASK_OPEN,
            id="spot-recorded-wider-task-open",
        ),
        pytest.param(
            NARROW,
            served(KEY),
            [],
            missing(ADDRESS, Missing.NOT_ASKED),
            Action.MANUAL,
            Reason.DECLARATION_CHANGED,
            id="spot-edited-in-the-stack",
        ),
        pytest.param(
            NARROW,
            served(KEY, description=WIDER),
            [EDIT_TASK],
            None,
            Action.MANUAL,
            Reason.DECLARATION_CHANGED,
            id="spot-edited-again-while-the-task-is-open",
        ),
        pytest.param(
            UNIT,
            served(KEY),
            [],
            missing(ADDRESS, Missing.NOT_ASKED),
            Action.UPDATE,
            Reason.DECLARATION_CHANGED,
            id="spot-unit-changed",
        ),
        pytest.param(
            NARROW,
            served(KEY, description=as_described(NARROW)),
            [],
            None,
            Action.UPDATE,
            Reason.DECLARATION_CHANGED,
            id="spot-stack-follows-the-key",
        ),
        pytest.param(
            KEY,
            served(KEY, description=None),
            [],
            None,
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            id="spot-never-described",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [],
            present(PERP_ADDRESS, description=as_described(PERP)),
            Action.NO_OP,
            Reason.IN_SYNC,
            id="derivatives-as-declared",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [],
            present(PERP_ADDRESS, description=as_described(PERP, general="FULL_ACCESS")),
            Action.MANUAL,
            Reason.ATTRIBUTES_DIFFER,
            id="derivatives-wider",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [PERP_EDIT],
            present(PERP_ADDRESS, description=as_described(PERP, general="FULL_ACCESS")),
            Action.WAIT,
            Reason.TASK_OPEN,
            id="derivatives-wider-task-open",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [PERP_EDIT],
            present(PERP_ADDRESS, description=as_described(PERP)),
            Action.CLOSE,
            Reason.EVIDENCE_READY,
            id="derivatives-edited",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [],
            missing(PERP_ADDRESS, Missing.UNREADABLE),
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            id="derivatives-unreadable",
        ),
        pytest.param(
            PERP,
            served(PERP, description=as_described(PERP, general="FULL_ACCESS")),
            [],
            missing(PERP_ADDRESS, Missing.UNREADABLE),
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            id="derivatives-unreadable-recorded-wider",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [PERP_EDIT],
            missing(PERP_ADDRESS, Missing.UNREADABLE),
            Action.WAIT,
            Reason.TASK_OPEN,
            id="derivatives-unreadable-task-open",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [],
            missing(PERP_ADDRESS, Missing.NOT_ASKED),
            Action.NO_OP,
            Reason.IN_SYNC,
            id="derivatives-not-asked",
        ),
        pytest.param(
            PERP,
            served(PERP),
            [],
            missing(PERP_ADDRESS, Missing.PENDING),
            Action.NO_OP,
            Reason.IN_SYNC,
            id="derivatives-secret-gone",
        ),
    ],
)
def test_a_key_in_service(*, key, record, tasks, seen, action, reason):
    """What the key says, or last said, is compared with the stack; what cannot be read changes nothing."""
    step = step_of(key.address, [key], [record], tasks, [seen] if seen else [])
    assert (step.action, step.reason) == (action, reason)


def test_what_kraken_does_not_hold_is_not_a_change_of_the_key():
    """Rotation spans are reminders: changing them proposes nothing."""
    key = spot_key(rotate_every=timedelta(days=90), overlap=timedelta(days=2))
    assert step_of(ADDRESS, [key], [served(KEY)]).action is Action.NO_OP


def test_an_edit_says_before_and_after():
    """The step holds the difference as sets, and how much of the key stays as it is."""
    step = step_of(
        PERP_ADDRESS,
        [derivatives_key(allowlist=[COLO])],
        [served(PERP)],
        (),
        [present(PERP_ADDRESS, description=as_described(PERP, general="FULL_ACCESS"))],
    )
    assert [(c.name, c.before, c.after, c.added, c.removed) for c in step.changes] == [
        ("general", "FULL_ACCESS", "READ_ONLY", None, None),
        (
            "ip_allowlist",
            ["192.0.2.10/32"],
            ["203.0.113.7/32", "2001:db8:1::/64"],
            ("203.0.113.7/32", "2001:db8:1::/64"),
            ("192.0.2.10/32",),
        ),
    ]
    assert (step.task_kind, step.assignee, step.unchanged) == (TaskKind.EDIT_KEY, "market-making", 3)


@pytest.mark.parametrize(
    ("record", "tasks", "arrivals", "action", "kind"),
    [
        pytest.param(served(KEY), [], [], Action.MANUAL, TaskKind.STOP_PROCESS, id="in-service"),
        pytest.param(key_record(KEY), [CREATE_TASK], [], Action.FORGET, None, id="nothing-handed-in"),
        pytest.param(
            key_record(KEY, candidate=candidate()),
            [CREATE_TASK],
            [],
            Action.MANUAL,
            TaskKind.DELETE_KEY,
            id="handed-in",
        ),
        pytest.param(
            key_record(KEY),
            [CREATE_TASK],
            [arrived(ADDRESS, Place.QUARANTINE)],
            Action.MANUAL,
            TaskKind.DELETE_KEY,
            id="in-quarantine-never-seen",
        ),
        pytest.param(
            served(KEY, removal=Removal.STOPPING),
            [task_of(TaskKind.STOP_PROCESS, ADDRESS, generation=1)],
            [],
            Action.WAIT,
            TaskKind.STOP_PROCESS,
            id="stopping",
        ),
        pytest.param(served(KEY, removal=Removal.STOPPING), [], [], Action.ADVANCE, None, id="stopped"),
        pytest.param(
            served(KEY, removal=Removal.DELETING),
            [task_of(TaskKind.DELETE_KEY, ADDRESS, generation=1)],
            [],
            Action.WAIT,
            TaskKind.DELETE_KEY,
            id="deleting",
        ),
        pytest.param(served(KEY, removal=Removal.DELETING), [], [], Action.ADVANCE, None, id="deleted"),
    ],
)
def test_a_key_that_left_the_stack(record, tasks, arrivals, action, kind):
    """Process stopped, key deleted, secret gone, forgotten: one stage after the other, and none without
    a word."""
    step = step_of(ADDRESS, [], [record], tasks, arrivals=arrivals)
    assert (step.action, step.task_kind) == (action, kind)


def test_a_key_declared_again_while_it_is_removed_finishes_its_removal():
    """What people were told to delete is deleted first."""
    step = step_of(ADDRESS, [KEY], [served(KEY, removal=Removal.STOPPING)], [])
    assert step.action is Action.ADVANCE


@pytest.mark.parametrize(
    "changed",
    [
        spot_key(process=HEDGER),
        spot_key(account=MM),
    ],
)
def test_a_key_in_service_keeps_its_account_and_process(changed):
    """Giving it to another is no plan but a problem of the stack, with its code."""
    with pytest.raises(StackProblems) as caught:
        plan_of(look_at([MM, changed], [served(KEY), account_record(MM)]))
    assert [problem.code for problem in caught.value.problems] == ["KS7002"]


IN_SERVICE = [served(CREATOR), served(CONTROLLER)]
UNENTITLED = MasterAccount(name="desk", email="ops@desk.example", spot_subaccounts=False)


@pytest.mark.parametrize(
    ("record", "tasks", "keys", "action", "reason", "kind"),
    [
        pytest.param(None, [], IN_SERVICE, Action.CREATE, Reason.NOT_FOUND, None, id="never-created"),
        pytest.param(
            None, [], [], Action.WAIT, Reason.DEPENDENCY_UNFINISHED, None, id="creator-not-in-service"
        ),
        pytest.param(account_record(MM), [], IN_SERVICE, Action.NO_OP, Reason.IN_SYNC, None, id="exists"),
        pytest.param(
            account_record(MM),
            [task_of(TaskKind.FINISH_EMAIL_SETUP, MM.address)],
            IN_SERVICE,
            Action.NO_OP,
            Reason.IN_SYNC,
            None,
            id="email-setup-blocks-nothing",
        ),
        pytest.param(
            account_record(MM, AccountStatus.UNKNOWN),
            [],
            IN_SERVICE,
            Action.UNKNOWN,
            Reason.OUTCOME_UNKNOWN,
            None,
            id="unknown",
        ),
        pytest.param(
            account_record(MM, AccountStatus.UNKNOWN),
            [task_of(TaskKind.SETTLE_UNKNOWN, MM.address)],
            IN_SERVICE,
            Action.WAIT,
            Reason.TASK_OPEN,
            TaskKind.SETTLE_UNKNOWN,
            id="question-open",
        ),
        pytest.param(
            account_record(MM, AccountStatus.AWAITED),
            [task_of(TaskKind.REQUEST_SPOT_SUBACCOUNT, MM.address)],
            IN_SERVICE,
            Action.WAIT,
            Reason.TASK_OPEN,
            TaskKind.REQUEST_SPOT_SUBACCOUNT,
            id="request-open",
        ),
    ],
)
def test_a_spot_subaccount(*, record, tasks, keys, action, reason, kind):
    """Created once, by API, when its controller can; an unknown outcome never leads to another creation."""
    step = step_of(MM.address, [CREATOR, CONTROLLER, MM], [*keys, *([record] if record else [])], tasks)
    assert (step.action, step.reason, step.task_kind) == (action, reason, kind)


@pytest.mark.parametrize("site", [None, COLO])
def test_a_spot_subaccount_is_created_only_from_where_the_creator_is_admitted(site):
    """Elsewhere the creation waits for a run from inside the controller's allowlist."""
    step = step_of(MM.address, [CREATOR, MM], [served(CREATOR)], site=site)
    assert (step.action, step.waits_on) == (Action.WAIT, ("spot_key.spot-creator",))


def test_a_spot_subaccount_without_a_declared_creator_waits():
    """It says which key is missing from the stack."""
    step = step_of(MM.address, [MM])
    assert (step.action, step.note) == (
        Action.WAIT,
        "no Spot key with controls= is declared on the master",
    )


def test_an_unentitled_master_asks_a_person():
    """Where the master may not create subaccounts by API, the relationship manager is asked."""
    sub = SpotSubaccount(name="mm", master=UNENTITLED, username="desk-mm", email=MM.email)
    step = step_of(MM.address, [UNENTITLED, sub])
    assert (step.action, step.task_kind) == (Action.MANUAL, TaskKind.REQUEST_SPOT_SUBACCOUNT)


LINKED = account_record(CARRY, account_uid="uid", trading_enabled=True)
LINK_TASK = task_of(TaskKind.LINK_DERIVATIVES, CARRY.address)
THERE = present(CARRY.address, facts={"account_uid": fact("uid"), "trading_enabled": fact(True)})
STOPPED = present(CARRY.address, facts={"account_uid": fact("uid"), "trading_enabled": fact(False)})
UNMANAGED = DerivativesSubaccount(name="carry", master=DESK, email=CARRY.email)


@pytest.mark.parametrize(
    ("account", "record", "tasks", "seen", "action", "reason"),
    [
        pytest.param(CARRY, None, [], absent(CARRY.address), Action.MANUAL, Reason.NOT_FOUND, id="absent"),
        pytest.param(
            CARRY,
            None,
            [],
            missing(CARRY.address, Missing.PENDING),
            Action.MANUAL,
            Reason.NOT_FOUND,
            id="never-asked-for",
        ),
        pytest.param(
            CARRY,
            account_record(CARRY, AccountStatus.AWAITED),
            [LINK_TASK],
            absent(CARRY.address),
            Action.WAIT,
            Reason.TASK_OPEN,
            id="ticket-open",
        ),
        pytest.param(
            CARRY,
            account_record(CARRY, AccountStatus.AWAITED),
            [LINK_TASK],
            missing(CARRY.address, Missing.UNREADABLE),
            Action.WAIT,
            Reason.TASK_OPEN,
            id="ticket-open-unreadable",
        ),
        pytest.param(
            CARRY,
            account_record(CARRY, AccountStatus.AWAITED),
            [LINK_TASK],
            THERE,
            Action.CLOSE,
            Reason.EVIDENCE_READY,
            id="link-appeared",
        ),
        pytest.param(CARRY, None, [], THERE, Action.CLOSE, Reason.EVIDENCE_READY, id="was-linked-already"),
        pytest.param(CARRY, LINKED, [], THERE, Action.NO_OP, Reason.IN_SYNC, id="linked"),
        pytest.param(CARRY, LINKED, [], STOPPED, Action.UPDATE, Reason.ATTRIBUTES_DIFFER, id="trading-off"),
        pytest.param(UNMANAGED, LINKED, [], STOPPED, Action.NO_OP, Reason.IN_SYNC, id="trading-not-managed"),
        pytest.param(
            CARRY, LINKED, [], absent(CARRY.address), Action.MANUAL, Reason.NOT_FOUND, id="unlinked"
        ),
        pytest.param(
            CARRY,
            LINKED,
            [],
            missing(CARRY.address, Missing.UNREADABLE),
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            id="unreadable",
        ),
        pytest.param(
            CARRY,
            LINKED,
            [],
            missing(CARRY.address, Missing.NOT_ASKED),
            Action.NO_OP,
            Reason.IN_SYNC,
            id="not-asked",
        ),
        pytest.param(
            CARRY,
            LINKED,
            [],
            present(
                CARRY.address,
                facts={
                    "account_uid": fact("uid"),
                    "trading_enabled": fact(None).model_copy(
                        update={"provenance": None, "missing": Missing.UNREADABLE}
                    ),
                },
            ),
            Action.UNKNOWN,
            Reason.NOT_OBSERVED,
            id="trading-unreadable",
        ),
    ],
)
def test_a_derivatives_subaccount(*, account, record, tasks, seen, action, reason):
    """Asked for by ticket, closed by the master's list, and only that list can say that a link is gone."""
    step = step_of(account.address, [CONTROLLER, account], [record] if record else [], tasks, [seen])
    assert (step.action, step.reason) == (action, reason)


@pytest.mark.parametrize("account", [MM, CARRY, DESK])
def test_an_account_leaves_the_state_after_its_keys(account):
    """While a key of it is recorded it waits, and names the key; then the state lets go of it."""
    key = spot_key(account=account)
    declared = [] if account is not DESK else [spot_key(name="other", account=CARRY), CARRY]
    record = account_record(account)
    if account is DESK:
        assert step_of(DESK.address, declared, [record]).action is Action.NO_OP
        return
    waits = step_of(account.address, [], [record, served(key)])
    assert (waits.action, waits.waits_on) == (Action.WAIT, (key.address,))
    assert step_of(account.address, [], [record]).action is Action.FORGET


@pytest.mark.parametrize(
    ("account", "record", "code"),
    [
        (MM, account_record(MM, username="desk-mm2"), "KS7002"),
        (MM, account_record(MM, master="master_account.other"), "KS7002"),
        (
            SpotSubaccount(
                name="mm", master=DESK, username="desk-mm", email=MM.email, iiban="AA00 AAAA AAAA 0001"
            ),
            account_record(MM, iiban="AA00 AAAA AAAA 0002"),
            "KS7002",
        ),
    ],
)
def test_what_names_an_existing_account_cannot_change(account, record, code):
    """Another user name, master or IIBAN would speak of a different account."""
    with pytest.raises(StackProblems) as caught:
        plan_of(look_at([account], [record]))
    assert [problem.code for problem in caught.value.problems] == [code]


GRANT = grant()
INSTALL = task_of(TaskKind.INSTALL_GRANT, GRANT.address)
OTHER = grant(process=Process(name="research", owner="research"))


@pytest.mark.parametrize(
    ("declared", "record", "tasks", "action", "reason"),
    [
        pytest.param(GRANT, None, [], Action.MANUAL, Reason.NOT_INSTALLED, id="new"),
        pytest.param(GRANT, grant_record(GRANT), [], Action.NO_OP, Reason.IN_SYNC, id="installed"),
        pytest.param(
            GRANT, grant_record(GRANT, installed=None), [INSTALL], Action.WAIT, Reason.TASK_OPEN, id="open"
        ),
        pytest.param(
            GRANT,
            grant_record(GRANT, installed=None),
            [ended(INSTALL)],
            Action.MANUAL,
            Reason.NOT_INSTALLED,
            id="cancelled",
        ),
        pytest.param(OTHER, grant_record(GRANT), [], Action.MANUAL, Reason.DECLARATION_CHANGED, id="changed"),
        pytest.param(
            OTHER,
            grant_record(GRANT, installed=None),
            [INSTALL],
            Action.MANUAL,
            Reason.DECLARATION_CHANGED,
            id="changed-while-open",
        ),
        pytest.param(None, grant_record(GRANT), [], Action.FORGET, Reason.REMOVED_FROM_STACK, id="removed"),
    ],
)
def test_a_grant(declared, record, tasks, action, reason):
    """A policy is asked for, waited for, and asked for again when it would say something else."""
    declarations = [declared, declared.process] if declared else []
    step = step_of(GRANT.address, declarations, [record] if record else [], tasks)
    assert (step.action, step.reason) == (action, reason)


def test_all_problems_of_a_plan_are_reported_together():
    """Two declarations that cannot be carried out are named in one go."""
    look = look_at([MM, spot_key(process=HEDGER)], [served(KEY), account_record(MM, username="desk-mm2")])
    with pytest.raises(StackProblems) as caught:
        plan_of(look)
    assert [p.address for p in caught.value.problems] == ["spot_key.pnl", "spot_subaccount.mm"]


def test_gains_lead_the_plan_and_destruction_precedes_creation():
    """Steps are shown in the order of the conventions: manual, update, create, forget, settlement, wait."""
    look = look_at(
        [CREATOR, CONTROLLER, MM, CARRY, UNIT, derivatives_key()],
        [*IN_SERVICE, served(KEY), LINKED, key_record(PERP), grant_record(GRANT)],
        [],
        [STOPPED],
        [arrived(PERP_ADDRESS, Place.INBOX)],
    )
    assert [(s.action, s.address) for s in plan_of(look).steps] == [
        (Action.UPDATE, "derivatives_subaccount.carry"),
        (Action.UPDATE, "spot_key.pnl"),
        (Action.CREATE, "spot_subaccount.mm"),
        (Action.FORGET, "grant.pnl"),
        (Action.INGEST, "derivatives_key.hedger"),
        (Action.NO_OP, "derivatives_key.derivatives-controller"),
        (Action.NO_OP, "master_account.desk"),
        (Action.NO_OP, "spot_key.spot-creator"),
    ]


def test_the_digest_of_a_decision_is_stable():
    """It is the SHA-256 of the decision's canonical JSON: the same on every machine, tomorrow too."""
    decision = {
        "environment": "production",
        "lineage": "5d2f0a52-6f1c-4a7e-9d55-0c2a4b6e7f10",
        "proposals": [
            {
                "action": "manual",
                "address": "spot_key.pnl",
                "after": {
                    "account": "master_account.desk",
                    "expires": "2027-06-30",
                    "ip_allowlist": ["192.0.2.10/32"],
                    "nonce_unit": "milliseconds",
                    "permissions": ["query-funds", "query-ledger"],
                    "process": "process.pnl",
                },
                "before": None,
                "reason": "not_handed_in",
                "task": "create-key",
            }
        ],
        "stack": "prod",
    }
    canonical = json.dumps(decision, separators=(",", ":"), sort_keys=True).encode()
    assert plan_of(look_at([KEY])).digest == hashlib.sha256(canonical).hexdigest()
    assert hashlib.sha256(canonical).hexdigest() == (
        "14648ec5c6cec0ed1ad928283fc4af9948c6f4a697aeedf7c5bc5a124ec68705"
    )


@pytest.mark.parametrize(
    ("expires", "texts"),
    [
        (date(2027, 6, 30), []),
        (date(2026, 12, 2), ["expires 2026-12-02"]),
        (date(2026, 12, 3), []),
        (date(2026, 11, 1), ["expired 2026-11-01"]),
    ],
)
def test_expiries_within_the_horizon_are_upcoming(expires, texts):
    """Thirty days ahead, to the day, and what has expired already."""
    key = spot_key(expires=expires)
    assert [u.text for u in plan_of(look_at([key], [served(key)])).facts.upcoming] == texts


@pytest.mark.parametrize(
    ("held", "texts"),
    [
        ("3f2a91c07b44", []),
        ("0000000000aa", ["somebody replaced the secret at kv/kraken/prod/pnl/spot_key.pnl"]),
        (None, ["the secret is gone from kv/kraken/prod/pnl/spot_key.pnl"]),
    ],
)
def test_a_secret_that_is_not_where_it_was_put_is_a_finding(held, texts):
    """A replaced or removed secret is said, and proposes nothing."""
    seen = missing(ADDRESS, Missing.NOT_ASKED, facts={"secret": fact(held)})
    plan = plan_of(look_at([KEY], [served(KEY)], (), [seen]))
    assert [check.text for check in plan.facts.checks] == texts
    assert plan.proposals == []


def test_drift_is_what_somebody_changed_elsewhere():
    """What was recorded beside what was observed, managed or not, with what it means."""
    seen = present(PERP_ADDRESS, description=as_described(PERP, transfer="FULL_ACCESS"))
    plan = plan_of(look_at([derivatives_key(transfer=None)], [served(PERP)], (), [seen]))
    [item] = plan.facts.drift
    assert [(c.name, c.before, c.after) for c in item.changes] == [("transfer", "NO_ACCESS", "FULL_ACCESS")]
    assert [(r.word, r.critical) for r in item.risks] == [("GAINS", True)]


def test_an_open_site_needs_no_name():
    """A key open to the world may be verified without a site; one inside a range from an address of it."""
    for allowlist, site in (([], None), ([Allowlist(name="wide", networks=["192.0.2.0/24"])], "runner")):
        key = spot_key(allowlist=allowlist)
        more = {} if site else {"site": None}
        step = step_of(ADDRESS, [key, *allowlist], [key_record(key)], [CREATE_TASK], (),
                       [arrived(ADDRESS, Place.QUARANTINE)], **more)  # fmt: skip
        assert step.action is Action.VERIFY


def test_levels_not_declared_are_not_managed():
    """An absent field is nobody's business: whatever the key says, nothing is proposed."""
    key = derivatives_key(general=None, transfer=None, allowlist=None)
    seen = present(
        PERP_ADDRESS, description=as_described(PERP, general=Access.FULL_ACCESS.value, networks=())
    )
    assert step_of(PERP_ADDRESS, [key], [served(key)], (), [seen]).action is Action.NO_OP
