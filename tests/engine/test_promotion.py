"""Promotion: a Spot key's configuration is verified in another stack before it is made here."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from krakenstate import NonceUnit, Permission, Promotion, Vault, Waiver
from krakenstate.engine import observe, reading, runs
from krakenstate.engine.promotion import find_proof, new_or_changed, verified_upstream
from krakenstate.errors import NotPromoted, VaultDenied, catalogue
from krakenstate.model.desired import Desired
from krakenstate.model.proof import Proof
from krakenstate.model.provenance import Provenance
from krakenstate.model.report import Answer, Report
from krakenstate.model.state import Adoption
from krakenstate.policy.base import Case
from krakenstate.policy.judge import judge
from krakenstate.store.base import Upstream
from krakenstate.store.vault.snapshots import VaultSnapshots
from krakenstate.store.vault.state import VaultStateStore
from tests.support.looks import (
    NOW,
    as_described,
    key_record,
    new_snapshot,
    new_state,
    present,
    served,
)
from tests.support.world import BASIS, COLO, HEAD, HEDGER, MOUNT, RUNNER, derivatives_key, spot_key

UAT = Promotion(stack="uat")
KEY = spot_key()
ELSEWHERE = spot_key(
    name="trial", allowlist=[COLO, RUNNER], expires=date(2026, 12, 1), nonce_unit=NonceUnit.SECONDS
)
"""From other places, until another day, of a client that counts in another way: the same configuration."""
WIDER = spot_key(permissions={Permission.QUERY_FUNDS, Permission.QUERY_LEDGER, Permission.MODIFY_TRADES})
TOLD = Answer(at=NOW, who="bot", host="uat-1", krakenstate_version="test", description=as_described(KEY))
THREE_DAYS_AGO = NOW - timedelta(days=3)


@pytest.mark.parametrize(("record", "address", "provenance"), [
    pytest.param(served(KEY), "spot_key.pnl", Provenance.OBSERVED, id="its-namesake"),
    pytest.param(served(ELSEWHERE), "spot_key.trial", Provenance.OBSERVED, id="another-key"),
    pytest.param(
        served(KEY, provenance=Provenance.REPORTED), "spot_key.pnl", Provenance.REPORTED, id="reported"
    ),
])  # fmt: skip
def test_a_key_that_said_so_there_is_the_proof(record, address, provenance):
    """Networks, days, names and units are each environment's own; the proof names key, instant and source."""
    found = find_proof(KEY, UAT, new_state([record]), None, NOW)
    assert found.proof == Proof(address, THREE_DAYS_AGO, provenance)
    assert (found.address, found.stack, found.why_not) == ("spot_key.pnl", "uat", "")


@pytest.mark.parametrize(("records", "why"), [
    pytest.param([], "no key there has it, and none is called spot_key.pnl", id="none"),
    pytest.param([served(WIDER)], "spot_key.pnl there differs in permissions", id="permissions"),
    pytest.param(
        [served(spot_key(allowlist=[], expires=None, nonce_window=5))],
        "spot_key.pnl there differs in whether there is an allowlist, whether it expires, nonce window",
        id="all-the-rest",
    ),
    pytest.param(
        [served(derivatives_key())],
        "no key there has it, and none is called spot_key.pnl",
        id="of-the-other-platform",
    ),
    pytest.param(
        [key_record(KEY)], "spot_key.pnl there is declared so, and has not yet said so itself", id="pending"
    ),
    pytest.param(
        [served(KEY, provenance=Provenance.ATTESTED)],
        "spot_key.pnl there is declared so, and has not yet said so itself",
        id="a-person's-word",
    ),
    pytest.param(
        [served(KEY, description=as_described(WIDER))],
        "spot_key.pnl there is declared so, and has not yet said so itself",
        id="not-as-declared",
    ),
    pytest.param(
        [served(KEY, described_at=NOW - timedelta(days=31))],
        "spot_key.pnl had it on 2026-10-02, 31 days ago",
        id="too-old",
    ),
    pytest.param(
        [served(KEY, described_at=NOW + timedelta(hours=1))],
        "spot_key.pnl there is declared so, and has not yet said so itself",
        id="tomorrow",
    ),
])  # fmt: skip
def test_what_is_no_proof_says_why(records, why):
    """Only a key that answered as declared, in time, proves anything."""
    found = find_proof(KEY, UAT, new_state(records), None, NOW)
    assert (found.proof, found.why_not) == (None, why)


def test_the_declared_time_decides_how_old_a_proof_may_be():
    """A verification counts to the end of the time, and not a second longer."""
    state = new_state([served(KEY, described_at=NOW - timedelta(days=60))])
    assert find_proof(KEY, Promotion(stack="uat", within=timedelta(days=60)), state, None, NOW).proof
    late = NOW + timedelta(seconds=1)
    assert not find_proof(KEY, Promotion(stack="uat", within=timedelta(days=60)), state, None, late).proof


def test_the_namesake_is_named_before_a_newer_stranger():
    """A reviewer looks for the key of the same name first."""
    state = new_state([served(KEY), served(ELSEWHERE, described_at=NOW)])
    assert find_proof(KEY, UAT, state, None, NOW).proof == Proof(
        "spot_key.pnl", THREE_DAYS_AGO, Provenance.OBSERVED
    )


@pytest.mark.parametrize(("seen", "proof"), [
    pytest.param(
        present("spot_key.pnl", description=as_described(KEY)),
        Proof("spot_key.pnl", NOW, Provenance.OBSERVED),
        id="asked-again",
    ),
    pytest.param(
        present(
            "spot_key.pnl",
            report=Report(path="kv/evidence", answer=TOLD),
        ),
        Proof("spot_key.pnl", NOW, Provenance.REPORTED),
        id="reported-again",
    ),
    pytest.param(present("spot_key.pnl", description=as_described(WIDER)), None, id="changed-since"),
])  # fmt: skip
def test_what_was_last_seen_there_counts(seen, proof):
    """A key that is asked or reported again is verified again, and one that was changed no longer is."""
    state = new_state([served(KEY, described_at=NOW - timedelta(days=90))])
    assert find_proof(KEY, UAT, state, new_snapshot([seen]), NOW).proof == proof


ADOPTED = spot_key(key_name="old")


def adopted(was, **changes):
    """The record of the adopted key, which was as this one when it was adopted."""
    fields = {"generation": 0, "adopted": Adoption(by="ann", at=NOW), "description": as_described(was)}
    return served(ADOPTED, **fields | changes)


@pytest.mark.parametrize(("declared", "records", "addresses"), [
    pytest.param([KEY], [], ["spot_key.pnl"], id="new"),
    pytest.param([WIDER], [served(KEY)], ["spot_key.pnl"], id="changed"),
    pytest.param([KEY], [served(KEY)], [], id="as-approved"),
    pytest.param([KEY], [key_record(KEY)], [], id="approved-and-not-made-yet"),
    pytest.param([KEY], [served(KEY, description=as_described(WIDER))], [], id="drifted-and-put-right"),
    pytest.param([spot_key(allowlist=[COLO])], [served(KEY)], [], id="other-networks"),
    pytest.param([spot_key(expires=date(2027, 1, 31))], [served(KEY)], [], id="another-day"),
    pytest.param([spot_key(observe_only=True)], [], [], id="only-observed"),
    pytest.param([ADOPTED], [], [], id="adopted"),
    pytest.param([ADOPTED], [adopted(ADOPTED)], [], id="adopted-as-it-was"),
    pytest.param([ADOPTED], [adopted(WIDER)], ["spot_key.pnl"], id="adopted-and-changed"),
    pytest.param([ADOPTED], [adopted(KEY, description=None)], [], id="adopted-and-not-known"),
    pytest.param(
        [spot_key(key_name="old", expires=date(2027, 5, 1))], [adopted(KEY)], [], id="adopted-for-another-day"
    ),
    pytest.param(
        [spot_key(key_name="old", allowlist=[])], [adopted(KEY)], ["spot_key.pnl"], id="adopted-and-opened"
    ),
    pytest.param([derivatives_key()], [], [], id="derivatives"),
])  # fmt: skip
def test_only_a_new_or_changed_configuration_is_looked_for(declared, records, addresses):
    """What was approved here is not asked about again; nor what krakenstate does not make."""
    desired = Desired(HEAD, [*BASIS, *declared])
    found = new_or_changed(desired, new_state(records), new_snapshot())
    assert [key.address for key in found] == addresses


def test_an_adopted_key_that_was_not_known_counts_as_it_is_first_seen():
    """Declared wider than its host reports it, it is changed; its name and path alone approve nothing."""
    desired = Desired(HEAD, [*BASIS, ADOPTED])
    state = new_state([adopted(ADOPTED, description=None)])
    told = Answer(at=NOW, who="bot", host="h", krakenstate_version="test", description=as_described(WIDER))
    seen = new_snapshot([present("spot_key.pnl", report=Report(path="kv/evidence", answer=told))])
    assert [key.address for key in new_or_changed(desired, state, seen)] == ["spot_key.pnl"]


@pytest.mark.parametrize(("promotion", "state", "path"), [
    (Promotion(stack="uat"), "krakenstate/prod", "krakenstate/uat"),
    (Promotion(stack="uat"), "prod", "uat"),
    (Promotion(stack="uat", state="desk/records/uat"), "krakenstate/prod", "desk/records/uat"),
])  # fmt: skip
def test_the_other_stack_s_records_lie_beside_these(promotion, state, path):
    """Unless a path is given, it is this stack's with the other's name at its end."""
    assert promotion.state_beside(Vault(mount="kv", secrets="kraken/prod", state=state)) == path


WIDE = spot_key(name="wide")
PROMOTING = HEAD.model_copy(update={"promotes_from": UAT})
WAIVED = spot_key(
    waivers=[Waiver(rule="promotion", owner="risk", reason="urgent", until=NOW.date() + timedelta(days=60))]
)


class Shut:
    """A key-value store that shows nothing to this token."""

    def read(self, path, version=None):
        """Refused."""
        raise VaultDenied(f"{path} may not be read.")


def set_up_uat(world, *records, **head):
    """The other stack's state, with these records; ``head`` are fields of its index."""
    fields = {"stack": "uat", "environment": "uat", "spot_origin": "https://uat.example", "serial": 0}
    index = new_state().index.model_copy(update=fields | head)
    store = VaultStateStore(world.mains, MOUNT, "krakenstate/uat", version="test")
    state = store.create(index)
    for record in records:
        state.put(record)
    store.save(state, NOW)


def promoting(world, *keys, kv=None):
    """A session of the stack that promotes from uat."""
    session = world.session()
    kv = kv or world.mains
    upstream = Upstream(
        VaultStateStore(kv, MOUNT, "krakenstate/uat", version="test"),
        VaultSnapshots(kv, MOUNT, "krakenstate/uat"),
    )
    return replace(
        session,
        desired=Desired(PROMOTING, [*BASIS, *keys]),
        records=session.records._replace(upstream=upstream),
    )


def plan_of(session):
    """Observed and planned."""
    state = reading.load_state(session)
    return reading.make_plan(session, state, observe.take_snapshot(session, state))


def found_in(plan):
    """What the rule found: code, severity, and the error's exit code."""
    codes = {leaf.code: leaf.exit_code for leaf in catalogue()}
    return [(c.code, c.severity.value, codes[c.code]) for c in plan.facts.checks if c.rule == "promotion"]


def test_the_plan_names_the_proof(world):
    """A key that was verified in the other stack is proposed, and its step says where and when."""
    world.initialise()
    set_up_uat(world, served(KEY))
    plan = plan_of(promoting(world, KEY))
    [step] = plan.proposals
    assert step.note.endswith(
        "; the same configuration was verified in uat: spot_key.pnl, observed 2026-10-30T09:00:00Z"
    )
    assert found_in(plan) == []
    world.declare(KEY)
    assert plan.digest == world.plan().digest


def test_without_a_proof_the_plan_is_shown_and_refused(world):
    """The rule says what is nearest, exits 5, and an apply writes nothing."""
    world.initialise()
    set_up_uat(world, served(WIDER))
    session = promoting(world, KEY)
    plan = plan_of(session)
    assert [step.address for step in plan.proposals] == ["spot_key.pnl"]
    assert found_in(plan) == [("KS5114", "error", 5)]
    [check] = [c for c in plan.facts.checks if c.rule == "promotion"]
    assert check.text == (
        "spot_key.pnl is new or changed, and the stack uat has not verified its configuration in time: "
        "spot_key.pnl there differs in permissions."
    )
    with runs.writing(session, "apply", wait_s=0) as run, pytest.raises(NotPromoted):
        runs.apply(run, observe.take_snapshot(session, run.state), plan)
    assert world.open_tasks() == []


def test_a_waiver_lets_a_key_pass(world):
    """Somebody answers for it until a day, and the plan says so."""
    world.initialise()
    set_up_uat(world)
    assert found_in(plan_of(promoting(world, WAIVED))) == [("KS5114", "note", 5)]


UNREADABLE, DENIED = ("KS5031", "error", 1), ("KS5032", "error", 3)


@pytest.mark.parametrize(("head", "found", "said"), [
    pytest.param(None, UNREADABLE, "There is no state at kv/krakenstate/uat.", id="no-state"),
    pytest.param({"stack": "dev"}, UNREADABLE, "is of the stack dev, not uat", id="another-stack"),
    pytest.param({"environment": "production"}, UNREADABLE, "where it counts already", id="production"),
    pytest.param({"spot_origin": "ours"}, UNREADABLE, "where it counts already", id="same-server"),
    pytest.param("shut", DENIED, "may not be read", id="denied"),
])  # fmt: skip
def test_records_that_cannot_be_read_are_no_absence(world, head, found, said):
    """The refusal says that it is not known, with the exit code of what kept it from being read."""
    world.initialise()
    if isinstance(head, dict):
        known = {name: world.origin if value == "ours" else value for name, value in head.items()}
        set_up_uat(world, served(KEY), **known)
    plan = plan_of(promoting(world, KEY, kv=Shut() if head == "shut" else None))
    assert found_in(plan) == [found]
    [check] = [c for c in plan.facts.checks if c.rule == "promotion"]
    assert "whether the stack uat has verified it cannot be told" in check.text
    assert said in check.text


def test_three_places_are_read_there_and_none_is_written(world):
    """Once for all keys: the index, the documents that it pins, the last snapshot."""
    world.initialise()
    set_up_uat(world, served(KEY))
    read = []

    class Watched:
        """A key-value store that can only be read."""

        def read(self, path, version=None):
            """Read, and noted."""
            read.append(path.removeprefix("krakenstate/uat/"))
            return world.kv.read(path, version)

    plan = plan_of(promoting(world, KEY, spot_key(name="second", process=HEDGER), kv=Watched()))
    assert [step.address for step in plan.proposals] == ["spot_key.pnl", "spot_key.second"]
    assert read == ["index", "resources/master_account.desk", "snapshot"]


def test_nothing_is_read_there_unless_a_key_is_new_or_changed(world):
    """A stack whose keys are as approved does not depend on the other one."""
    world.declare(KEY)
    world.initialise()
    world.apply()
    assert found_in(plan_of(promoting(world, KEY, kv=Shut()))) == []
    assert found_in(plan_of(promoting(world, WIDER, kv=Shut()))) == [DENIED]


def test_what_the_other_stack_could_prove_is_known(world):
    """Every Spot key there that answered in time, whatever is declared here."""
    set_up_uat(world, served(KEY), served(ELSEWHERE, described_at=NOW - timedelta(days=40)), key_record(WIDE))
    assert verified_upstream(promoting(world), UAT) == [
        Proof("spot_key.pnl", THREE_DAYS_AGO, Provenance.OBSERVED)
    ]


def test_a_waiver_is_not_called_idle_where_nobody_looked():
    """Validating a stack says nothing about a rule that looks at another one."""
    case = Case(Desired(PROMOTING, [*BASIS, WAIVED]), NOW.date())
    assert judge(case) == ()
    assert [c.code for c in judge(case._replace(promotions=()))] == ["KS5013"]
