"""Plans as text and as JSON."""

import json

import pytest

from krakenstate.model.plan import Action, Reason, Summary
from krakenstate.views.plan_json import plan_json
from krakenstate.views.plan_text import render_plan
from krakenstate.views.plan_words import IN_SYNC, summary_line
from krakenstate.views.values import dump
from tests.support.golden import check_golden
from tests.views import plans
from tests.views.plans import NOW, PLANS, step


def text_of(plan, **options):
    """The plan at the tests' instant."""
    return render_plan(plan, now=NOW, **options)


@pytest.mark.parametrize("name", PLANS)
def test_each_plan_reads_as_reviewed(name):
    """The text of each situation is the one that was reviewed."""
    check_golden(f"views/plan-{name}.txt", text_of(PLANS[name]()) + "\n")


@pytest.mark.parametrize("name", PLANS)
def test_each_plan_has_the_reviewed_json(name):
    """The JSON of each situation is the one that was reviewed, and any JSON library reads it back."""
    found = plan_json(PLANS[name](), now=NOW)
    assert json.loads(dump(found)) == found
    check_golden(f"views/plan-{name}.json", dump(found) + "\n")


def test_json_has_the_promised_fields():
    """Scripts find every field that the conventions name."""
    found = plan_json(plans.edit(), now=NOW)
    promised = (
        "format_version krakenstate_version timestamp planned_at environment stack site commit plan_digest "
        "applyable complete errored resource_changes resource_drift checks manual_tasks risks upcoming "
        "observations summary"
    )
    assert set(promised.split(" ")) <= set(found)
    (account, key) = found["resource_changes"]
    assert account["change"]["actions"] == ["update"]
    assert key["change"]["actions"] == ["manual"]
    assert (key["class"], key["actor"]) == ("proposal", "person")
    assert set(found["summary"]) == {"import", "add", "change", "remove", "forget", "manual"}


def test_json_keeps_secret_leaves_to_itself():
    """A leaf that could be a secret is null, and marked as sensitive."""
    secret = step(
        "spot_key.pnl",
        Action.UPDATE,
        Reason.ATTRIBUTES_DIFFER,
        before={"api_secret": "canary-one", "nested": {"token": "canary-two"}},
        after={"api_secret": "canary-three"},
    )
    found = plan_json(plans.plan(secret), now=NOW)
    assert "canary" not in dump(found)
    change = found["resource_changes"][0]["change"]
    assert change["before"] == {"api_secret": None, "nested": {"token": None}}
    assert change["before_sensitive"] == {"api_secret": True, "nested": {"token": True}}


def test_text_keeps_secret_leaves_to_itself():
    """A secret leaf shows that it changes and not what it is."""
    text = text_of(plans.every_block())
    assert "~ api_secret  = (sensitive value)" in text
    assert "c2VjcmV0" not in text
    assert "~ fingerprint = fp 3f2a -> 91c0" in text


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        pytest.param(
            Summary(), "Plan: 0 to add, 0 to change, 0 to destroy.", id="the three are always there"
        ),
        pytest.param(
            Summary(import_=1, add=1, change=2, forget=1, manual=1),
            "Plan: 1 to import, 1 to add, 2 to change, 0 to destroy, 1 to forget, 1 manual.",
            id="all",
        ),
    ],
)
def test_summary_has_the_exact_form(summary, line):
    """The summary line is the one that scripts look for."""
    assert summary_line(summary) == line


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        pytest.param(plans.nothing(), IN_SYNC, id="nothing"),
        pytest.param(plans.rejected(), "No changes to propose. 1 manual task open.", id="one task"),
        pytest.param(plans.tasks_open(), "No changes to propose. 2 manual tasks open.", id="two tasks"),
        pytest.param(plans.plan(complete=False), "No changes to propose.", id="incomplete"),
        pytest.param(
            plans.plan(step("spot_subaccount.mm", Action.WAIT, Reason.DEPENDENCY_UNFINISHED)),
            "No changes to propose.",
            id="something waits",
        ),
        pytest.param(plans.edit(), "Plan: 0 to add, 1 to change, 0 to destroy, 1 manual.", id="proposals"),
    ],
)
def test_conclusion_claims_no_more_than_is_known(plan, line):
    """ "Accounts match" is said only when nothing is proposed, ready, waiting, open or unreadable."""
    lines = text_of(plan).splitlines()
    assert line in lines
    assert (IN_SYNC in lines) is (line == IN_SYNC)


def test_settlements_name_the_command_only_where_hints_help():
    """Automation gets the count; a person also gets the command."""
    assert "2 settlements are ready: krakenstate settle" in text_of(plans.settlements())
    assert "krakenstate settle" not in text_of(plans.settlements(), hints=False)
    assert "2 settlements are ready." in text_of(plans.settlements(), hints=False)


def test_headline_leaves_out_what_is_absent():
    """Without commit, site and observation the headline is shorter, not full of blanks."""
    plan = plans.plan(site=None, commit=None, observed_at=None)
    assert text_of(plan).splitlines()[0] == "krakenstate plan: prod   digest 7be1c0..."


def test_blocks_follow_the_agreed_order():
    """Destroys come first, then replacements, work for people, updates, creations, what is let go of."""
    lines = text_of(plans.every_block()).splitlines()
    blocks = [line.split()[1] for line in lines if line.startswith("  # ") and "(" not in line[:5]]
    assert blocks == [
        "derivatives_key.gone",
        "spot_key.hot",
        "spot_key.pnl",
        "derivatives_subaccount.carry",
        "grant.pnl",
        "spot_subaccount.new",
        "spot_subaccount.old",
        "spot_key.mm-quoter",
    ]


def test_gains_lead_the_risk_list():
    """What lets somebody do more comes before what takes something away."""
    lines = text_of(plans.edit()).splitlines()
    at = lines.index("Risk")
    assert lines[at + 1 : at + 3] == [
        "  ! spot_key.pnl WIDENS allowlist 17 -> 18 addresses",
        "    derivatives_subaccount.carry LOSES trading on this account",
    ]


def test_legend_lists_only_what_is_there():
    """A symbol that does not occur is not explained."""
    text = text_of(plans.edit())
    assert "  ~ update in-place" in text
    assert "  @ a person must act" in text
    assert "destroy\n" not in text


def test_attributes_stay_whole_in_a_narrow_terminal():
    """Notes wrap; attribute lines and commands never break."""
    note = "hand it in where its process runs, then run: krakenstate key ingest spot_key.pnl --wrapped"
    narrow = step(
        "spot_key.pnl",
        Action.MANUAL,
        Reason.NOT_HANDED_IN,
        note=note,
        after={"email": "a-long-address-that-is-wider-than-the-terminal@desk.example"},
    )
    lines = text_of(plans.plan(narrow), width=40).splitlines()
    assert any("krakenstate key ingest spot_key.pnl --wrapped" in line for line in lines)
    assert any('"a-long-address-that-is-wider-than-the-terminal@desk.example"' in line for line in lines)


def test_a_note_to_a_listed_task_is_not_lost():
    """A wait that says more than its task says it beside the task."""
    wait = plans.waiting(plans.CREATE_PNL, "Kraken rejected the key; hand in a correct one")
    text = text_of(plans.plan(wait, tasks=(plans.CREATE_PNL,)))
    assert "      Kraken rejected the key; hand in a correct one" in text
    assert "Waiting:" not in text
