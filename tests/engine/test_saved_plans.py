"""Saved plans: the digest of a decision, what makes a plan stale, and that one is carried out once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from krakenstate import Permission
from krakenstate.engine import observe, reading, runs
from krakenstate.engine.scope import Scope
from krakenstate.errors import PlanAppliedAlready, PlanLooksAhead, PlanOfAnother, PlanStale
from krakenstate.model.address import Address
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from krakenstate.stack.load import load_stack
from tests.support.world import World, derivatives_key, grant, spot_key

KEY, PERP = spot_key(), derivatives_key()


@pytest.fixture
def ready(world: World) -> World:
    """A state, and a stack with one key that was never applied."""
    world.initialise()
    world.declare(KEY)
    return world


def apply_saved(world, saved):
    """As ``krakenstate apply plan.json`` does."""
    with world.writing("apply") as run:
        snapshot, plan = runs.plan_again(run, saved, commit=None, isolation="process")
        return runs.apply(run, snapshot, plan)


def plan_in(world, **changes):
    """A plan of this world, by a session that differs."""
    session = replace(world.session(), **changes)
    state = reading.load_state(session)
    return reading.make_plan(
        session, state, observe.take_snapshot(session, state), commit=changes.get("version")
    )


# -- the digest --------------------------------------------------------------------------------------------


def test_two_machines_an_hour_apart_have_the_same_digest(ready):
    """Version, site, commit and instant of a plan are facts."""
    here = ready.plan()
    ready.clock.advance(hours=1)
    there = plan_in(ready, version="another", site=None)
    assert (there.digest, there.facts.commit, there.facts.site) == (here.digest, "another", None)
    assert there.facts.planned_at - here.facts.planned_at == timedelta(hours=1)


STACK = """
from krakenstate import *
stack = Stack(name="prod", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"))
runner = stack.add(Allowlist(name="runner", networks=["192.0.2.10"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example", iiban="AA12 N84G ABCD 3F5K"))
pnl = stack.add(Process(name="pnl", owner="risk"))
stack.add(SpotKey(name="pnl", account=desk, process=pnl, permissions={Permission.QUERY_FUNDS},
    allowlist=[runner]))
"""


def test_a_comment_and_another_folder_leave_the_digest_as_it_is(ready, tmp_path):
    """Lines move and the file lies elsewhere, as after a squash merge; the decision is the same."""
    digests, lines = [], []
    for folder, text in (("branch", STACK), ("main", f"# reviewed\n# twice\n{STACK}")):
        file = tmp_path / folder / "stacks" / "prod.py"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        ready.desired = load_stack(str(file)).desired
        made = ready.plan()
        digests.append(made.digest)
        lines.append(made.facts.sources[KEY.address].line)
    assert digests[0] == digests[1]
    assert lines[1] == lines[0] + 2


def test_keys_that_arrive_in_the_inbox_leave_the_digest_as_it_is(ready):
    """What was handed in is a settlement; what is still to be approved stays the decision."""
    ready.apply()
    ready.declare(KEY, PERP)
    before = ready.plan()
    ready.leave_in_inbox("pnl", KEY.address, ready.make_key(KEY))
    ready.leave_in_inbox("hedger", PERP.address, ready.make_key(PERP))
    after = ready.plan()
    assert [s.address for s in after.settlements] == [KEY.address]
    assert [s.address for s in after.proposals] == [PERP.address]
    assert after.digest == before.digest


def test_one_permission_makes_another_digest(ready):
    """Approving one plan does not approve the other."""
    before = ready.plan()
    ready.declare(spot_key(permissions={*KEY.permissions, Permission.WITHDRAW_FUNDS}))
    assert ready.plan().digest != before.digest


# -- carried out, once -------------------------------------------------------------------------------------


def test_a_saved_plan_is_carried_out(ready):
    """Days later, while nothing that it decides has changed."""
    saved = ready.plan()
    ready.clock.advance(days=3)
    outcomes = apply_saved(ready, saved)
    assert [(o.address, o.effect) for o in outcomes] == [(KEY.address, Effect.OPENED)]


def test_a_plan_is_carried_out_once(ready):
    """The second run is told when the first one was, by serial, whatever became of it."""
    saved = ready.plan()
    apply_saved(ready, saved)
    with pytest.raises(PlanAppliedAlready, match=r"made at serial 0 of the state and applied at serial 0\. "):
        apply_saved(ready, saved)


def test_a_plan_that_was_applied_without_its_file_is_not_applied_with_it(ready):
    """The digest is what is remembered."""
    saved = ready.plan()
    ready.apply()
    with pytest.raises(PlanAppliedAlready):
        apply_saved(ready, saved)


def test_a_plan_whose_every_step_failed_is_noted_all_the_same(ready, monkeypatch):
    """It had its turn; a plan made since, which decides the same, may be carried out."""
    ready.declare(grant(manage=True))
    saved = ready.plan()
    monkeypatch.setattr(ready.administration, "lacking", list)
    assert [o.effect for o in apply_saved(ready, saved)] == [Effect.FAILED]
    assert ready.state.index.applied_digests == {saved.digest: 0}
    with pytest.raises(PlanAppliedAlready):
        apply_saved(ready, saved)
    again = ready.plan()
    assert again.digest == saved.digest
    monkeypatch.undo()
    assert [o.effect for o in apply_saved(ready, again)] == [Effect.CREATED]


def test_the_same_decision_may_come_again(ready):
    """A policy installed, let go and asked for once more is a plan like any other."""
    ready.declare(grant())
    first = ready.plan()
    apply_saved(ready, first)
    ready.attest(TaskKind.INSTALL_GRANT, "grant.pnl")
    ready.declare()
    apply_saved(ready, ready.plan())
    ready.declare(grant())
    second = ready.plan()
    assert second.digest == first.digest
    outcomes = apply_saved(ready, second)
    assert [(o.address, o.effect) for o in outcomes] == [("grant.pnl", Effect.OPENED)]


# -- stale -------------------------------------------------------------------------------------------------


def test_the_first_difference_is_named(ready):
    """By address and attribute, with what was approved and what would be done now."""
    saved = ready.plan()
    ready.declare(spot_key(permissions={Permission.QUERY_FUNDS, Permission.WITHDRAW_FUNDS}))
    with pytest.raises(PlanStale) as caught:
        apply_saved(ready, saved)
    assert caught.value.exit_code == 7
    assert caught.value.message == (
        "What was approved is not what would be done now. spot_key.pnl: permissions was approved as "
        '["query-funds", "query-ledger"], and is ["query-funds", "withdraw-funds"] now. Nothing was done.'
    )


def test_a_proposal_that_went_away_is_named(ready):
    """It was approved, and is not proposed now."""
    ready.declare(KEY, grant())
    saved = ready.plan()
    ready.declare(KEY)
    with pytest.raises(
        PlanStale, match=r"grant\.pnl: manual \(install-grant\) was approved, and is not prop"
    ):
        apply_saved(ready, saved)


def test_a_proposal_that_came_is_named(ready):
    """It was not approved, so nothing at all is done."""
    saved = ready.plan()
    ready.declare(KEY, grant())
    with pytest.raises(PlanStale, match=r"grant\.pnl: manual \(install-grant\) is proposed now, and was not"):
        apply_saved(ready, saved)
    assert ready.open_tasks() == []


def test_what_becomes_due_meanwhile_waits_for_the_next_plan(ready):
    """A saved plan is made anew by its own clock, so time alone makes none stale."""
    turning = spot_key(rotate_every=timedelta(days=90))
    ready.put_in_service(turning)
    ready.declare(turning, grant())
    saved = ready.plan()
    ready.clock.advance(days=91)
    assert [s.action for s in ready.plan().proposals] == ["rotate", "manual"]
    assert [o.address for o in apply_saved(ready, saved)] == ["grant.pnl"]


def test_documents_written_meanwhile_make_a_plan_stale(ready):
    """Somebody worked on the same account, even where the decision is still the same."""
    ready.declare(KEY)
    ready.apply()
    ready.declare(KEY, PERP, grant())
    saved = ready.plan()
    ready.hand_in(KEY.address, ready.make_key(KEY))
    assert ready.plan().digest == saved.digest
    with pytest.raises(PlanStale, match=r"written in between: master_account\.desk\. Nothing was done\."):
        apply_saved(ready, saved)


def test_documents_of_others_make_no_plan_stale(ready):
    """A key published on an account that the plan proposes nothing for is no reason."""
    ready.declare(KEY)
    ready.apply()
    ready.declare(KEY, grant())
    saved = ready.plan()
    ready.hand_in(KEY.address, ready.make_key(KEY))
    assert [o.address for o in apply_saved(ready, saved)] == ["grant.pnl"]


def test_a_part_of_a_stack_is_planned_anew_as_that_part(ready):
    """What --target left out stays out."""
    ready.declare(KEY, grant())
    session = ready.session()
    state = reading.load_state(session)
    part = Scope(targets=(Address("grant.pnl"),))
    saved = reading.make_plan(session, state, observe.take_snapshot(session, state), scope=part)
    assert [o.address for o in apply_saved(ready, saved)] == ["grant.pnl"]


# -- of another --------------------------------------------------------------------------------------------


def test_a_plan_of_another_lineage_is_refused(ready):
    """Nothing is asked before."""
    saved = ready.plan().model_copy(update={"lineage": "11111111-2222-4333-8444-555555555555"})
    calls = len(ready.calls())
    with pytest.raises(PlanOfAnother, match="was made for the lineage 11111111-2222-4333-8444-555555555555"):
        apply_saved(ready, saved)
    assert len(ready.calls()) == calls


@pytest.mark.parametrize("other", [{"stack": "staging"}, {"environment": "uat"}])
def test_a_plan_of_another_stack_or_environment_is_refused(ready, other):
    """Whatever its digest says."""
    with pytest.raises(PlanOfAnother, match="this is prod in production"):
        apply_saved(ready, ready.plan().model_copy(update=other))


def test_a_plan_from_the_future_is_refused(ready):
    """What becomes due until then was not to be approved; five minutes between clocks are let pass."""
    saved = ready.plan()

    def made_at(**ahead):
        facts = saved.facts.model_copy(update={"planned_at": ready.clock() + timedelta(**ahead)})
        return saved.model_copy(update={"facts": facts})

    with pytest.raises(PlanLooksAhead, match="2026-11-02T09:06:00Z, and it is 2026-11-02T09:00:00Z now"):
        apply_saved(ready, made_at(minutes=6))
    assert apply_saved(ready, made_at(minutes=4))
