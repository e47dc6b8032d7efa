"""Guardrails: how much one plan may change, what it may never lose unasked, what the state tells rules."""

from dataclasses import replace
from datetime import timedelta

import pytest

from krakenstate import Moved, Permission, Process, Removed, SpotKey, Thresholds
from krakenstate.engine.guard import Guard
from krakenstate.engine.guardrails import guarded, refuse_guarded
from krakenstate.errors import BulkChange, ManagementLost
from krakenstate.model.decision import Decision
from krakenstate.model.desired import Desired
from tests.support.looks import NOW, account_record, as_described, key_record, look_at, plan_of, served
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    HEAD,
    MM,
    RUNNER,
    derivatives_key,
    spot_key,
)

NAMES = [f"k{number:02}" for number in range(20)]
PROCESSES = {name: Process(name=name, owner="risk") for name in NAMES}


def fleet(size, **changes):
    """So many keys, each of a process of its own."""
    return [spot_key(name=name, process=PROCESSES[name], **changes) for name in NAMES[:size]]


def checks(declared, records, guard=None, **head):
    """What the thresholds say of the plan."""
    desired = Desired(HEAD.model_copy(update=head), {d.address: d for d in [*BASIS, *declared]}.values())
    look = replace(look_at(declared, records), desired=desired)
    return [
        c for c in guarded(plan_of(look), look, guard or Guard()).facts.checks if c.code.startswith("KS53")
    ]


def told(*what, **more):
    """Their texts."""
    return [c.text for c in checks(*what, **more)]


def removing(gone, size=10):
    """A fleet in service of which so many leave the stack, their processes staying."""
    keys = fleet(size)
    return [*keys[gone:], *PROCESSES.values()], [served(key) for key in keys]


def test_a_plan_that_removes_too_much_is_refused_with_the_numbers():
    """The message names what, how many of how many, the setting and the flag for one run."""
    [check] = checks(*removing(4))
    assert check.text == (
        "4 of 10 spot_key would be destroyed (40 %); Thresholds(destroys=30) allows 30 % at once."
    )
    assert (check.code, check.severity, check.rule) == ("KS5301", "error", "bulk-change")
    assert "--force-threshold" in check.remedy


@pytest.mark.parametrize(("gone", "size"), [
    pytest.param(3, 10, id="just-as-much-as-allowed"),
    pytest.param(9, 9, id="few-objects"),
])  # fmt: skip
def test_a_plan_that_just_stays_within_passes(gone, size):
    """30 % of ten may go, and all of nine."""
    assert checks(*removing(gone, size)) == []


def test_updates_are_counted_apart():
    """Edits of keys that stay are updates, whoever carries them out."""
    wider = fleet(10, permissions={Permission.QUERY_FUNDS})
    records = [served(key) for key in fleet(10)]
    assert told([*wider[:4], *fleet(10)[4:]], records) == [
        "4 of 10 spot_key would be updated (40 %); Thresholds(updates=30) allows 30 % at once."
    ]


def test_a_rotation_counts_as_one_destroyed():
    """A period that is too short would replace every key at once, and the message says so."""
    keys = fleet(10, rotate_every=timedelta(days=1))
    records = [served(key, description=as_described(key, created_at=NOW - timedelta(days=9))) for key in keys]
    [text] = told(keys, records)
    assert text == (
        "10 of 10 spot_key would be destroyed (100 %), 10 of them to be replaced by rotation; "
        "Thresholds(destroys=30) allows 30 % at once."
    )


def test_what_does_not_exist_yet_is_not_counted():
    """Declarations whose keys nobody handed in may come and go."""
    assert checks([*PROCESSES.values()], [key_record(key) for key in fleet(20)]) == []


def test_letting_go_destroys_nothing():
    """Each ``Removed`` is written by hand, and touches nothing."""
    keys = fleet(10)
    look = look_at([*PROCESSES.values()], [served(key) for key in keys])
    gone = [Removed(address=key.address) for key in keys]
    look = replace(look, desired=Desired(HEAD, look.desired.resources.values(), removed=gone))
    plan = guarded(plan_of(look), look, Guard())
    assert len(plan.proposals) == 10
    assert plan.refusals == []


def test_a_rename_is_counted_under_its_new_address():
    """Renaming every key is no bulk change of what they are."""
    keys = fleet(10)
    renamed = [spot_key(name=f"new-{k.name}", process=PROCESSES[k.name]) for k in keys]
    look = look_at([*renamed, *PROCESSES.values()], [served(key) for key in keys])
    moves = [Moved(old=old.address, new=new.address) for old, new in zip(keys, renamed, strict=True)]
    look = replace(look, desired=Desired(HEAD, look.desired.resources.values(), moves=moves))
    plan = guarded(plan_of(look), look, Guard())
    assert {s.previous_address for s in plan.proposals} == {k.address for k in keys}
    assert plan.refusals == []


def test_the_flag_makes_it_a_warning_for_one_run():
    """Also with --strict: the flag speaks of thresholds, --strict of rules."""
    [check] = checks(*removing(10), guard=Guard(strict=True, force_threshold=True))
    assert (check.severity, check.text.endswith("Forced for this plan.")) == ("warning", True)


def test_what_was_forced_is_part_of_the_decision():
    """Another digest, which its own decision gives; where nothing stops the plan the flag changes nothing."""
    look = look_at(*removing(10))
    plain, stopped = plan_of(look), guarded(plan_of(look), look, Guard())
    gone_on = guarded(plan_of(look), look, Guard(force_threshold=True))
    assert stopped.digest == plain.digest != gone_on.digest
    assert (gone_on.forced, Decision.of(gone_on).digest) == (True, gone_on.digest)
    small = look_at(*removing(1))
    assert guarded(plan_of(small), small, Guard(force_threshold=True)).digest == plan_of(small).digest


def test_the_flag_lifts_no_rule():
    """A key that breaks a rule is refused all the same."""
    declared, records = removing(10)
    look = look_at([*declared, derivatives_key(allowlist=[])], records)
    plan = guarded(plan_of(look), look, Guard(force_threshold=True))
    assert [c.code for c in plan.refusals] == ["KS5101"]


def test_a_stack_sets_its_own_thresholds():
    """Tighter ones stop more; looser ones let pass, and each plan notes that they are loose."""
    tight = Thresholds(destroys=0, existing=1)
    assert [c.code for c in checks(*removing(1, 5), thresholds=tight)] == ["KS5301"]
    [note] = checks(*removing(10), thresholds=Thresholds(destroys=100))
    assert (note.code, note.severity) == ("KS5303", "note")
    assert note.text == "the stack's thresholds are loose: destroys=100 instead of 30"


def test_a_stopped_plan_is_not_carried_out():
    """The gate that every apply passes raises what the check says, with exit code 9."""
    declared, records = removing(10)
    look = look_at(declared, records)
    with pytest.raises(BulkChange) as raised:
        refuse_guarded(guarded(plan_of(look), look, Guard()))
    assert raised.value.exit_code == 9
    assert "10 of 10 spot_key" in raised.value.message


ACCOUNTS = [MM, CARRY]
RECORDS = [account_record(MM), account_record(CARRY), served(CREATOR), served(CONTROLLER)]
SECOND = SpotKey(
    name="second-creator", account=DESK, process=BASIS[5], controls=None,
    permissions={Permission.WITHDRAW_FUNDS}, allowlist=[RUNNER], expires=CREATOR.expires,
)  # fmt: skip


@pytest.mark.parametrize(("declared", "lost"), [
    pytest.param([CONTROLLER], "spot_key.spot-creator", id="taken-out"),
    pytest.param([CREATOR], "derivatives_key.derivatives-controller", id="of-derivatives"),
    pytest.param(
        [CREATOR.model_copy(update={"permissions": frozenset({Permission.QUERY_FUNDS})}), CONTROLLER],
        "spot_key.spot-creator", id="loses-its-right",
    ),
    pytest.param([CONTROLLER, SECOND.model_copy(update={"controls": DESK})], "spot_key.spot-creator",
                 id="its-successor-is-not-there-yet"),
])  # fmt: skip
def test_the_last_key_that_manages_an_account_is_kept(declared, lost):
    """At any size: without it nothing could be done about the subaccounts that are there."""
    [check] = checks([*ACCOUNTS, *declared], RECORDS)
    assert (check.code, check.address, check.rule) == ("KS5302", lost, "last-controller")
    assert ManagementLost.exit_code == 9


@pytest.mark.parametrize("declared", [
    pytest.param([*ACCOUNTS, CREATOR, CONTROLLER], id="kept"),
    pytest.param([*ACCOUNTS, CONTROLLER, CREATOR.model_copy(update={"expires": None})], id="edited"),
])  # fmt: skip
def test_a_controller_that_goes_on_managing_may_change(declared):
    """What else changes about it is no matter of thresholds."""
    assert checks(declared, RECORDS) == []


def test_a_controller_of_nothing_may_go():
    """Once no subaccount is recorded any more, nothing needs it."""
    assert checks([CONTROLLER], [served(CREATOR), served(CONTROLLER)]) == []


def test_the_age_of_a_key_is_the_state_s_to_tell():
    """What was published here counts from then, if the key does not say when it was made."""
    key = spot_key(rotate_every=timedelta(days=366))
    aged = served(key)
    assert aged.published is not None
    old = aged.published.model_copy(update={"at": NOW - timedelta(days=367)})
    records = [aged.model_copy(update={"published": old})]
    look = look_at([key], records)
    texts = [c.text for c in guarded(plan_of(look), look, Guard()).facts.checks if c.rule == "key-age"]
    assert texts == [
        "spot_key.pnl has been in service since 2025-10-31, 367 days; at most 366 days are allowed."
    ]
    made = as_described(key, created_at=NOW - timedelta(days=1))
    young = look_at([key], [records[0].model_copy(update={"description": made})])
    assert [c for c in guarded(plan_of(young), young, Guard()).facts.checks if c.rule == "key-age"] == []
