"""What holds of every plan, whatever is declared, recorded and seen."""

import json
import random
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate import Permission
from krakenstate.engine import plan_keys
from krakenstate.engine.plan_kept import plan_plainly_kept
from krakenstate.errors import Source
from krakenstate.model.plan import Action, StepClass
from krakenstate.model.provenance import Missing
from krakenstate.model.state import AccountStatus
from krakenstate.model.task import TaskKind
from tests.support.looks import as_described, look_at, missing, plan_of, present, served, task_of
from tests.support.strategies import INSTANTS, WIDE, desks, settled_desks
from tests.support.world import COLO, RUNNER, spot_key

quick = settings(deadline=None, max_examples=50)
WRITES = {Action.CREATE, Action.UPDATE, Action.DELETE, Action.FORGET}


@quick
@given(desks(), st.randoms(use_true_random=False))
def test_planning_is_a_pure_function(scene, order):
    """The same look gives the same plan byte for byte, in whatever order anything was declared or
    recorded."""
    first = plan_of(scene.look()).model_dump_json()
    assert plan_of(scene.look()).model_dump_json() == first
    shuffled = {
        name: tuple(order.sample(getattr(scene, name), len(getattr(scene, name))))
        for name in ("declarations", "records", "tasks", "observations", "arrivals")
    }
    assert plan_of(scene.look(**shuffled)).model_dump_json() == first


@quick
@given(desks(), INSTANTS, st.integers(1, 999), st.booleans())
def test_the_digest_speaks_of_the_proposals_alone(scene, now, line, other_serial):
    """Time, ages, source lines, serial and the instant of the snapshot leave the digest as it is.

    Only a rotation that time makes due is another decision.
    """
    before = plan_of(scene.look())
    look = scene.look(now=now)
    if other_serial:
        look.state.index = look.state.index.model_copy(update={"serial": 99})
    lines = {a: d.source for a, d in look.desired.resources.items()}
    try:
        for declaration in look.desired.resources.values():
            declaration.with_source(Source("elsewhere.py", line, "text"))
        after = plan_of(look)
    finally:
        for address, source in lines.items():
            look.desired.resources[address].with_source(source)
    if Action.ROTATE in {s.action for s in (*before.proposals, *after.proposals)}:
        return
    assert after.digest == before.digest
    assert [s.address for s in after.proposals] == [s.address for s in before.proposals]


@quick
@given(desks(), st.sampled_from([RUNNER, COLO, None]))
def test_the_same_proposals_have_the_same_digest_from_every_site(scene, site):
    """Where a run speaks from matters only if it changes what is proposed."""
    here, there = plan_of(scene.look()), plan_of(scene.look(site=site))
    same = [s.model_dump() for s in here.proposals] == [s.model_dump() for s in there.proposals]
    assert not same or here.digest == there.digest


@quick
@given(
    permissions=st.frozensets(st.sampled_from(Permission), max_size=6),
    one=st.sampled_from(Permission),
    day=st.dates(date(2027, 1, 1), date(2028, 1, 1)),
    days=st.integers(1, 400),
    networks=st.sampled_from([([], [RUNNER]), ([RUNNER], [RUNNER, COLO]), ([RUNNER], [WIDE]), (None, [])]),
)
def test_the_digest_differs_with_every_permission_network_and_expiry(permissions, one, day, days, networks):
    """Adding or taking away one permission, network or day makes another decision."""

    def digest(**changes):
        fields = {"permissions": permissions, "expires": day, "allowlist": networks[0], **changes}
        return plan_of(look_at([COLO, WIDE, spot_key(**fields)])).digest

    variants = [
        digest(),
        digest(permissions=permissions ^ {one}),
        digest(expires=day + timedelta(days=days)),
        digest(expires=None),
        digest(allowlist=networks[1]),
    ]
    assert len(set(variants)) == len(variants)


@quick
@given(desks() | settled_desks(), INSTANTS)
def test_what_is_plainly_kept_is_kept_when_looked_at(scene, now):
    """The short cut for a key that nothing is to do about leaves every plan as it is without it."""
    look = scene.look(now=now)
    at_a_glance = plan_of(look).model_dump_json()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_keys, "plan_plainly_kept", lambda *_: None)
        assert plan_of(look).model_dump_json() == at_a_glance


def test_a_key_in_service_as_declared_is_plainly_kept():
    """The short cut is taken: asked now or known from earlier, and not while a task is open."""
    key = spot_key(expires=None, rotate_every=timedelta(days=90))
    record = served(key, description=as_described(key))
    seen, unseen = (
        present(key.address, description=as_described(key)),
        missing(key.address, Missing.NOT_ASKED),
    )
    edit = task_of(TaskKind.EDIT_KEY, key.address, generation=1)
    looks = [
        look_at([key], [record], [], [seen]),
        look_at([key], [record], [], [unseen]),
        look_at([key], [record], [edit], [seen]),
    ]
    steps = [plan_plainly_kept(key, record, look) for look in looks]
    assert [step and step.action for step in steps] == [Action.NO_OP, Action.NO_OP, None]


@quick
@given(desks())
def test_every_address_has_exactly_one_step(scene):
    """Each declared account, key and grant and each record has one step; addresses are sorted in each
    group."""
    look = scene.look()
    plan = plan_of(look)
    subjects = {a for a in look.desired.resources if not a.startswith(("process.", "allowlist."))}
    subjects |= {r.address for r in look.state.records}
    assert Counter(s.address for s in plan.steps) == Counter(subjects)
    groups = {}
    for step in plan.steps:
        groups.setdefault(step.action, []).append(step.address)
    assert all(addresses == sorted(addresses) for addresses in groups.values())


@quick
@given(desks())
def test_the_summary_counts_the_steps(scene):
    """Each number of the closing line is the number of steps it speaks of."""
    plan = plan_of(scene.look())
    count = Counter(s.action for s in plan.steps)
    summary = plan.summary
    assert (summary.add, summary.change, summary.remove, summary.forget, summary.manual) == (
        count[Action.CREATE] + count[Action.ROTATE],
        count[Action.UPDATE],
        count[Action.ROTATE],
        count[Action.FORGET],
        count[Action.MANUAL],
    )
    assert len(plan.proposals) == summary.add + summary.change + summary.forget + summary.manual
    assert len(plan.proposals) + len(plan.settlements) == sum(1 for s in plan.steps if s.step_class)


@quick
@given(settled_desks(), st.sampled_from(Missing))
def test_unknown_is_never_absence(scene, why):
    """Whatever exists by the record and is declared as recorded is left alone when it cannot be seen."""
    declared = {d.address for d in scene.declarations}
    unseen = tuple(missing(a, why) for a in sorted(declared) if not a.startswith(("process.", "allowlist.")))
    plan = plan_of(scene.look(observations=unseen))
    existing = {
        r.address
        for r in scene.records
        if r.address in declared
        and (
            (r.kind == "key" and r.published and not r.removal)
            or (r.kind == "account" and r.status is not AccountStatus.AWAITED)
        )
    }
    assert {s.address for s in plan.steps if s.action in WRITES} & existing == set()
    unknown_links = {s.address: s for s in plan.steps if s.address in existing and "account" in s.address}
    assert all(
        s.step_class is not StepClass.PROPOSAL
        for s in unknown_links.values()
        if any(r.address == s.address and r.status is AccountStatus.EXISTS for r in scene.records)
    )


@quick
@given(desks(), st.sampled_from(Missing))
def test_losing_sight_never_adds_a_write(scene, why):
    """Replacing what was seen by a reason for not knowing it adds no call of any API."""
    seeing = {(s.address, s.action) for s in plan_of(scene.look()).steps if s.action in WRITES}
    blind = tuple(missing(o.address, why) for o in scene.observations)
    more = {
        (s.address, s.action) for s in plan_of(scene.look(observations=blind)).steps if s.action in WRITES
    } - seeing
    described = {r.address for r in scene.records if r.kind == "key" and r.published}
    assert {address for address, action in more if action is not Action.UPDATE} == set()
    assert {address for address, _ in more} <= described  # an edited stack that the record already fulfils


@quick
@given(desks())
def test_only_an_unread_answer_makes_a_plan_incomplete(scene):
    """Not asked and pending are normal; a failed read is said."""
    unread = any(o.missing is Missing.UNREADABLE for o in scene.observations)
    assert plan_of(scene.look()).complete is not unread


@quick
@given(settled_desks())
def test_an_open_task_is_waited_for_and_not_proposed_again(scene):
    """As long as its declaration stays as it was applied, what has an open task is no proposal.

    A key that expires is the exception: it is replaced, whatever edit is open.
    """
    plan = plan_of(scene.look())
    declared = {d.address for d in scene.declarations}
    recorded = {r.address: r for r in scene.records}
    waiting = {
        t.address
        for t in scene.tasks
        if t.address in declared and t.address in recorded and _asks_for_its_object(t, recorded[t.address])
    }
    assert {s.address for s in plan.proposals if s.action is not Action.ROTATE} & waiting == set()


def _asks_for_its_object(task, record):
    """Whether the record is one such a task can be open at: an edit only of a key in service, and so on."""
    if record.kind == "account":
        wanted = {
            AccountStatus.EXISTS: {TaskKind.FINISH_EMAIL_SETUP},
            AccountStatus.UNKNOWN: {TaskKind.SETTLE_UNKNOWN},
            AccountStatus.AWAITED: {TaskKind.LINK_DERIVATIVES, TaskKind.REQUEST_SPOT_SUBACCOUNT},
        }
        return task.kind in wanted[record.status]
    return True


@quick
@given(desks(), st.integers(0, 2**32))
def test_a_plan_holds_no_secret(scene, seed):
    """No text of a plan looks like half a key, not even when somebody put one where it does not belong."""
    plan = plan_of(scene.look())
    texts = list(_texts(json.loads(plan.model_dump_json())))
    assert [t for t in texts if len(t) >= 40 and t != plan.digest and _looks_like_base64(t)] == []
    assert random.Random(seed).choice(texts) is not None


def _texts(value):
    """Every word of every text in a JSON value."""
    if isinstance(value, str):
        yield from value.split()
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)


def _looks_like_base64(text):
    return all(c.isalnum() or c in "+/=" for c in text)


@quick
@given(desks())
def test_applying_a_plan_twice_is_named_once(scene):
    """Proposals name the task they will open, and settlements never carry one that needs approval."""
    plan = plan_of(scene.look())
    assert all(s.task_kind is not None and s.assignee for s in plan.proposals if s.action is Action.MANUAL)
    assert all(s.task_kind is None for s in plan.settlements)
    assert all(s.actor is not None for s in plan.steps if s.step_class)


@quick
@given(desks())
def test_risks_speak_of_proposals_only_and_gains_lead(scene):
    """Every risk belongs to a step that needs approval; critical ones first, then gains."""
    plan = plan_of(scene.look())
    assert {r.address for r in plan.risks} <= {s.address for s in plan.proposals}
    ranks = [(not r.critical, not r.word.is_gain) for r in plan.risks]
    assert ranks == sorted(ranks)


def test_the_drawn_desks_reach_every_action():
    """The scenes above are no empty ones: between them they come to every action there is."""
    found = set()

    @settings(deadline=None, max_examples=150, database=None, derandomize=True)
    @given(desks())
    def collect(scene):
        found.update(s.action for s in plan_of(scene.look()).steps)

    collect()
    assert found == set(Action) - {Action.DELETE}
