"""The daily question to a Spot key in service that may be asked: when, by whom, and what is told of it."""

import json
from datetime import timedelta

import pytest

from krakenstate.engine.doctor import examine
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.snapshot import Presence
from krakenstate.model.task import TaskKind
from krakenstate.model.vocabulary import NonceUnit, Permission
from krakenstate.stack.check import check_declarations
from krakenstate.views.plan_text import render_plan
from tests.cli.test_doctor import Probe as VaultAnswers
from tests.cli.test_doctor import Silent
from tests.support.world import STATE, derivatives_key, spot_key

KEY = "spot_key.pnl"


@pytest.fixture
def probed(world):
    """A key in service that may be asked, a day after it was handed in; as its credential."""
    credential = world.put_in_service(spot_key(probe_in_service=True))
    world.clock.advance(days=1)
    return credential


def look(world, site="runner"):
    """What one more observation says of the key."""
    return world.observe(site).of(KEY)


def asked(world, credential):
    """How often the key was asked since it is in service."""
    return len(world.calls(only=credential)) - 1


def test_it_is_asked_once_a_day_whoever_looks(world, probed):
    """Plans, settles and observations of one day ask it once, those of the next day once more."""
    first = look(world)
    assert (first.presence, first.at) == (Presence.PRESENT, world.clock())
    assert first.description.key_name == "pnl-g1"
    for hours in (0, 1, 22.9):
        world.clock.advance(hours=hours)
        world.plan()
        world.settle()
        look(world)
    assert asked(world, probed) == 1
    world.clock.advance(hours=0.1)
    assert look(world).presence is Presence.PRESENT
    look(world)
    assert asked(world, probed) == 2


def test_handing_it_in_counts_as_that_day_s_question(world):
    """Right after its publication there is nothing to ask."""
    credential = world.put_in_service(spot_key(probe_in_service=True))
    world.clock.advance(hours=23)
    assert look(world).detail == "asked 23 hours ago; at most once a day"
    assert asked(world, credential) == 0


def test_the_nonce_is_the_clock_in_the_declared_unit(world, probed):
    """Milliseconds of this instant, and the claim is written before the call."""
    look(world)
    nonce = world.calls(only=probed)[-1]["nonce"]
    assert nonce == int(world.clock().timestamp() * 1000)
    kept = world.kv.read(f"{STATE}/probes/{probed.fingerprint}").data
    assert kept["nonce"] == str(nonce)


def test_in_between_the_last_answer_counts_with_its_age(world, probed):
    """What was seen in the morning is still in the plan of the evening, also in another run's, and drift."""
    world.people("edit-key", account="desk", name="pnl-g1", permission=["query-funds", "withdraw-funds"])
    morning = world.plan()
    world.clock.advance(hours=5)
    seen, evening = look(world), world.plan()
    assert (seen.presence, seen.missing) == (Presence.UNKNOWN, Missing.NOT_ASKED)
    assert seen.detail == "asked 5 hours ago; at most once a day"
    assert seen.at == world.clock() - timedelta(hours=5)
    assert evening.digest == morning.digest
    assert [p.task_kind for p in evening.proposals] == [TaskKind.EDIT_KEY]
    assert [d.address for d in evening.facts.drift] == [KEY]
    [fact] = [f for f in evening.facts.observations if f.address == KEY]
    assert (fact.provenance, fact.at) == (Provenance.OBSERVED, seen.at)
    assert "spot_key.pnl (observed 5 h ago)" in render_plan(evening, now=world.clock())


def test_an_edit_is_verified_by_the_next_day_s_answer(world, probed):
    """The edit task closes by whichever run comes after the question, and the record is renewed."""
    world.people("edit-key", account="desk", name="pnl-g1", permission=["query-funds"])
    world.apply()
    assert world.open_tasks(KEY) == [TaskKind.EDIT_KEY]
    as_declared = sorted(p.value for p in spot_key().permissions)
    world.people("edit-key", account="desk", name="pnl-g1", permission=as_declared)
    world.clock.advance(hours=12)
    world.settle()
    assert world.open_tasks(KEY) == [TaskKind.EDIT_KEY]
    world.clock.advance(hours=12)
    world.plan()
    at = world.clock()
    world.clock.advance(hours=1)
    world.settle()
    assert world.open_tasks(KEY) == []
    record = world.state.key(KEY)
    assert (record.described_at, record.provenance) == (at, Provenance.OBSERVED)
    assert asked(world, probed) == 2


def test_a_newer_word_of_a_person_is_not_overruled_by_an_older_answer(world, probed):
    """An owner attests the edit in the evening; the morning's answer no longer counts."""
    world.people("edit-key", account="desk", name="pnl-g1", permission=["query-funds"])
    world.apply()
    world.clock.advance(hours=5)
    world.attest(TaskKind.EDIT_KEY, KEY)
    assert look(world).description is None
    assert world.plan().proposals == []


def test_of_two_runs_at_once_one_asks(world, probed):
    """A second run asks between the first one's decision and its claim: the first one finds it taken."""
    seen = []

    def meanwhile(moment, path, _data):
        if moment == "before" and "/probes/" in path and not seen:
            seen.append(None)
            seen[0] = look(world)
        return False

    world.mains.watch = meanwhile
    late = look(world)
    assert seen[0].presence is Presence.PRESENT
    assert (late.missing, late.detail) == (
        Missing.NOT_ASKED,
        "another run asks it just now; at most once a day",
    )
    assert late.description == seen[0].description
    assert asked(world, probed) == 1


def test_a_run_that_dies_before_the_answer_has_used_the_day_up(world, probed):
    """The claim comes before the call, so a crash costs an answer and never leads to a second question."""

    def cut(moment, path, _data):
        return moment == "after" and "/probes/" in path

    world.cut_power_at(cut, lambda: look(world))
    assert look(world).detail == "asked less than an hour ago; at most once a day"
    assert asked(world, probed) == 0


def test_no_answer_is_not_asked_for_again(world, probed):
    """When the answer is lost it is unreadable in this run, and the record serves for the rest of the day."""
    world.loses_answers_to = "/GetApiKeyInfo"
    assert look(world).missing is Missing.UNREADABLE
    world.loses_answers_to = ""
    world.clock.advance(hours=2)
    later = look(world)
    assert later.detail.startswith("asked 2 hours ago and failed (KS200")
    assert world.plan().proposals == []
    assert asked(world, probed) == 1


def test_a_pull_request_asks_nothing(world, probed):
    """On a pull request's run not even the key that may be asked is, however often."""
    world.on_pull_request = True
    for _ in range(2):
        assert look(world).detail == "in service: never asked on a pull request"
        world.plan()
        world.clock.advance(days=2)
    assert asked(world, probed) == 0


@pytest.mark.parametrize("site", ["colo", None])
def test_a_site_that_it_does_not_admit_asks_nothing(world, probed, site):
    """Consent to being asked is no admission."""
    assert "site" in look(world, site).detail
    assert asked(world, probed) == 0


@pytest.mark.parametrize("unit", [NonceUnit.NANOSECONDS, NonceUnit.SECONDS])
def test_a_unit_that_is_not_applied_yet_is_not_used(world, probed, unit):
    """Somebody edits the unit and plans: nothing is sent in a unit that nobody approved."""
    world.desired.resources.clear()
    world.declare(spot_key(probe_in_service=True, nonce_unit=unit))
    assert look(world).detail == "in service: its nonce_unit is not applied as it is declared now"
    assert asked(world, probed) == 0


def test_without_consent_nothing_is_asked(world):
    """A declared unit alone is no consent."""
    credential = world.put_in_service(spot_key())
    world.clock.advance(days=2)
    assert look(world).detail == "in service: asking it would move its nonce"
    assert asked(world, credential) == 0


def test_a_clock_that_was_turned_back_does_not_lead_to_a_larger_nonce(world, probed):
    """When the last nonce is ahead of the clock it is not asked, instead of with one more than the last."""
    path = f"{STATE}/probes/{probed.fingerprint}"
    kept = world.kv.read(path)
    ahead = str(int((world.clock() + timedelta(hours=1)).timestamp() * 1000))
    world.kv.write(path, kept.data | {"nonce": ahead}, kept.version)
    assert "the clock in its unit has not reached" in look(world).detail
    assert asked(world, probed) == 0


def test_a_process_ahead_of_its_unit_is_told_once_and_changes_nothing(world, probed):
    """A client that counts in a larger unit: the breaker opens, the cause is named, nothing is proposed."""
    world.simulation.world.find_spot_key(probed.api_key.get_secret_value())[1].last_nonce = 10**18
    step = world.step(KEY)
    assert (step.action, step.missing, step.code) == ("unknown", "unreadable", "KS2103")
    assert "process.pnl is ahead of that: it counts in another unit or by itself" in step.note
    assert "take probe_in_service=True away" in step.note
    again = look(world)
    assert again.detail.startswith("after a failed authentication (KS2103) its credential is not asked")
    world.clock.advance(hours=3)
    assert look(world).detail == "asked 3 hours ago and failed (KS2103); at most once a day"
    plan = world.plan()
    assert (plan.proposals, plan.settlements) == ([], [])
    assert asked(world, probed) == 1


def test_a_key_that_answers_for_another_account_is_told_all_day(world, probed):
    """The finding does not vanish with the run that made it, and never becomes a change."""
    path = f"{STATE}/probes/{probed.fingerprint}"
    look(world)
    kept = world.kv.read(path)
    other = kept.data["description"] | {"iiban": "AA12 N84G ABCD 9Z9Z"}
    world.kv.write(path, kept.data | {"description": other}, kept.version)
    assert look(world).code == "KS2104"
    assert world.plan().proposals == []


def test_on_a_derivatives_key_consent_changes_nothing(world):
    """It is valid there and has no effect: without a nonce such a key is asked at each observation anyway."""
    key = derivatives_key(probe_in_service=True)
    assert check_declarations([key]) == []
    credential = world.put_in_service(key)
    for _ in range(2):
        world.plan()
    assert [c["nonce"] for c in world.calls(only=credential)] == [None] * 3


def test_doctor_tells_when_it_is_asked_again_and_asks_nothing(world, probed):
    """Before and after the day's question."""

    def told():
        checkup = examine(world.session(), VaultAnswers(), Silent())
        [text] = [c.text for c in checkup.checks if c.name == KEY]
        return text

    assert told() == "may be asked from this site."
    look(world)
    assert told() == "not asked: asked less than an hour ago; at most once a day."
    assert asked(world, probed) == 1


def test_no_secret_is_kept_with_the_answer(world, probed):
    """What lies beside the claim holds neither half of the key."""
    look(world)
    kept = json.dumps(world.kv.read(f"{STATE}/probes/{probed.fingerprint}").data)
    for half in (probed.api_key, probed.api_secret):
        assert half.get_secret_value() not in kept
    assert Permission.QUERY_FUNDS.value in kept
