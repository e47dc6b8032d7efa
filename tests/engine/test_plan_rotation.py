"""Planning rotations, without a world: when one is due, and what a stage waits for."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate import Permission
from krakenstate.model.plan import Action, Reason, RiskWord
from krakenstate.model.provenance import Missing
from krakenstate.model.rotation import Generation, Rotation, Stage
from krakenstate.model.snapshot import Place
from krakenstate.model.task import TaskKind, TaskStatus
from krakenstate.model.terms import KeyTerms
from tests.support.looks import NOW, arrived, as_described, look_at, missing, plan_of, served, task_of
from tests.support.world import COLO, RUNNER, spot_key

SPOT = "spot_key.pnl"
DAYS = timedelta(days=1)
OLD = "0ld0ld0ld0ld"


def aged(key, days, **changes):
    """A key that went into service so many days ago."""
    record = served(key, **changes)
    return record.model_copy(
        update={"published": record.published.model_copy(update={"at": NOW - days * DAYS})}
    )


def turning(key, stage, **changes):
    """A key whose rotation is at a stage; from its publication on the new generation is in service."""
    record = served(key)
    old = Generation(
        number=1,
        key_name="pnl-g1",
        fingerprint=OLD,
        last_four="0ld0",
        terms=record.terms,
        networks=key.networks,
    )
    fields = {
        "stage": stage,
        "reason": "rotation_due",
        "at": NOW - 5 * DAYS,
        "generation": 2,
        "key_name": "pnl-g2",
        "terms": KeyTerms.of(key),
        "old": old,
        "retired": not stage.is_before_publication,
    }
    is_new = not stage.is_before_publication
    return record.model_copy(
        update={
            "rotation": Rotation(**{**fields, **changes}),
            "generation": 2 if is_new else 1,
            "key_name": "pnl-g2" if is_new else "pnl-g1",
        }
    )


def step_of(*what, **more):
    """The step of the one key."""
    [step] = [s for s in plan_of(look_at(*what, **more)).steps if s.address == SPOT]
    return step


@pytest.mark.parametrize(
    ("fields", "days", "reason"),
    [
        pytest.param({"rotate_every": 90 * DAYS}, 90, Reason.ROTATION_DUE, id="on-the-day"),
        pytest.param({"rotate_every": 90 * DAYS}, 89, None, id="the-day-before"),
        pytest.param({}, 1000, None, id="no-age-declared"),
        pytest.param({"expires": NOW.date() + 14 * DAYS}, 40, Reason.EXPIRING, id="two-weeks-left"),
        pytest.param({"expires": NOW.date() + 15 * DAYS}, 40, None, id="a-day-more"),
        pytest.param(
            {"expires": NOW.date() + 30 * DAYS, "rotate_before": 30 * DAYS},
            40,
            Reason.EXPIRING,
            id="a-longer-lead",
        ),
        pytest.param({"expires": NOW.date() + 5 * DAYS}, 1, None, id="made-to-expire-so-soon"),
    ],
)
def test_age_and_expiry_make_a_rotation_due(fields, days, reason):
    """Counted in whole spans from the publication, and back from the expiry."""
    key = spot_key(**{"expires": date(2029, 1, 1), **fields})
    step = step_of([key], [aged(key, days)], [], [missing(SPOT, Missing.NOT_ASKED)])
    assert (step.action, step.reason) == (
        (Action.ROTATE, reason) if reason else (Action.NO_OP, Reason.IN_SYNC)
    )


def test_a_rotation_shows_what_the_next_generation_may_do_more():
    """Its terms are those declared now, so gains lead the plan as ever."""
    old, new = (
        spot_key(expires=NOW.date() + 5 * DAYS),
        spot_key(permissions={Permission.QUERY_FUNDS, Permission.QUERY_LEDGER, Permission.WITHDRAW_FUNDS}),
    )
    plan = plan_of(look_at([new], [aged(old, 90)]))
    [step] = plan.proposals
    assert (step.action, step.reason) == (Action.ROTATE, Reason.EXPIRING)
    assert RiskWord.GAINS in {risk.word for risk in plan.risks}
    assert {c.name for c in step.changes} == {"expires", "generation", "name", "permissions"}


def test_what_could_not_be_read_is_not_replaced_for_its_age():
    """A failed read never becomes a change."""
    key = spot_key(rotate_every=90 * DAYS)
    step = step_of([key], [aged(key, 91)], [], [missing(SPOT, Missing.UNREADABLE)])
    assert step.action is Action.UNKNOWN


def ended(status):
    """The task to delete the old generation, no longer open."""
    task = task_of(TaskKind.DELETE_KEY, SPOT, generation=1, subject=OLD)
    return task.model_copy(update={"status": status, "closed_at": NOW})


CREATE = task_of(TaskKind.CREATE_KEY, SPOT, generation=2)
DELETE = task_of(TaskKind.DELETE_KEY, SPOT, generation=1, subject=OLD)
LASTING = spot_key(overlap=7 * DAYS)


@pytest.mark.parametrize(
    ("record", "tasks", "arrivals", "site", "action"),
    [
        pytest.param(turning(LASTING, Stage.REQUESTED), [CREATE], [], RUNNER, Action.WAIT, id="asked-for"),
        pytest.param(turning(LASTING, Stage.REQUESTED), [], [], RUNNER, Action.MANUAL, id="task-cancelled"),
        pytest.param(
            turning(LASTING, Stage.REQUESTED),
            [CREATE],
            [arrived(SPOT, Place.INBOX)],
            RUNNER,
            Action.INGEST,
            id="in-the-inbox",
        ),
        pytest.param(
            turning(LASTING, Stage.VERIFIED),
            [CREATE],
            [arrived(SPOT, Place.QUARANTINE, "123456abcdef")],
            None,
            Action.VERIFY,
            id="verified-and-cut-off",
        ),
        pytest.param(
            turning(LASTING, Stage.PUBLISHED),
            [task_of(TaskKind.ADOPT_KEY, SPOT, generation=2)],
            [],
            RUNNER,
            Action.WAIT,
            id="not-adopted",
        ),
        pytest.param(turning(LASTING, Stage.ADOPTED), [], [], RUNNER, Action.ADVANCE, id="adopted"),
        pytest.param(
            turning(LASTING, Stage.DRAINING, adopted_at=NOW - 6 * DAYS),
            [],
            [],
            RUNNER,
            Action.WAIT,
            id="within-the-overlap",
        ),
        pytest.param(
            turning(LASTING, Stage.DRAINING, adopted_at=NOW - 7 * DAYS),
            [],
            [],
            RUNNER,
            Action.ADVANCE,
            id="overlap-over",
        ),
        pytest.param(turning(LASTING, Stage.DRAINING), [DELETE], [], RUNNER, Action.WAIT, id="to-be-deleted"),
        pytest.param(
            turning(LASTING, Stage.DRAINING),
            [ended(TaskStatus.ATTESTED)],
            [],
            RUNNER,
            Action.ADVANCE,
            id="deletion-attested",
        ),
        pytest.param(
            turning(LASTING, Stage.REVOKED, revoked_task=DELETE.id),
            [ended(TaskStatus.ATTESTED)],
            [],
            RUNNER,
            Action.ADVANCE,
            id="may-be-asked",
        ),
        pytest.param(
            turning(LASTING, Stage.REVOKED, revoked_task="another"),
            [DELETE],
            [],
            COLO,
            Action.WAIT,
            id="somebody-looks",
        ),
        pytest.param(turning(LASTING, Stage.PROVEN), [], [], None, Action.ADVANCE, id="proven"),
    ],
)
def test_each_stage_has_one_thing_to_do(record, tasks, arrivals, site, action):
    """A settlement when the stage can move on, else what it waits for."""
    step = step_of([LASTING], [record], tasks, [], arrivals, site=site)
    assert step.action is action


@settings(deadline=None, max_examples=60)
@given(
    stage=st.sampled_from(Stage),
    replaces=st.booleans(),
    urgent=st.booleans(),
    retired=st.booleans(),
    declared=st.booleans(),
    edited=st.booleans(),
    tasks=st.lists(st.sampled_from([CREATE, DELETE, ended(TaskStatus.CANCELLED)]), unique_by=id),
    site=st.sampled_from([RUNNER, COLO, None]),
    days=st.integers(0, 1000),
)
def test_no_second_rotation_is_proposed_while_one_is_under_way(
    *, stage, replaces, urgent, retired, declared, edited, tasks, site, days
):
    """Whatever its stage, however old the keys: one step, and never another rotation."""
    key = spot_key(rotate_every=30 * DAYS)
    record = turning(key, stage, replaces=replaces, urgent=urgent, retired=retired)
    if edited:
        key = spot_key(rotate_every=30 * DAYS, permissions={Permission.QUERY_FUNDS})
    unique = {t.id: t for t in tasks}
    plan = plan_of(
        look_at([key] if declared else [], [record], unique.values(), site=site, now=NOW + days * DAYS)
    )
    [step] = [s for s in plan.steps if s.address == SPOT]
    assert step.action is not Action.ROTATE
    assert as_described(key).fingerprint == record.published.fingerprint
