"""Plan files: what is read, what is refused and how, and what ``show`` says of one."""

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from krakenstate.cli import app
from krakenstate.cli.pipelines import VARIABLES
from krakenstate.cli.saved import parse_plan, read_plan
from krakenstate.errors import PlanAltered, PlanUnreadable
from krakenstate.model.decision import Decision, digest_of
from krakenstate.model.plan import Facts, Plan, PlanSource
from krakenstate.model.saved import SavedFacts, dump_plan
from tests.support.golden import UPDATE, check_golden
from tests.support.looks import look_at, plan_of, served
from tests.support.strategies import desks
from tests.support.world import MM, derivatives_key, grant, spot_key
from tests.views.plans import COMMIT

SHOWN = "plan.json"


def a_plan() -> Plan:
    """A key to make, a policy, a subaccount; one key in service that is edited."""
    edited = spot_key(permissions={"query-funds", "withdraw-funds"})
    made = plan_of(look_at([edited, derivatives_key(), MM, grant()], [served(spot_key())]))
    line = PlanSource(file="stacks/prod.py", line=42, text="stack.add(SpotKey(")
    told = {"commit": COMMIT, "sources": dict.fromkeys(made.facts.sources, line)}
    facts = made.facts.model_copy(update=told)
    return made.model_copy(update={"krakenstate_version": "0.1.0", "facts": facts})


@cache
def text() -> bytes:
    """Its file."""
    return dump_plan(a_plan()).encode()


def altered(change: Any) -> bytes:
    """Its file, with the JSON changed by a function."""
    value = json.loads(text())
    change(value)
    return json.dumps(value).encode()


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch, tmp_path):
    """No settings from outside, nobody's pull request, and an empty working folder."""
    names = [n for n in os.environ if n.startswith("KRAKENSTATE_") and n != UPDATE]
    for name in [*names, *VARIABLES, "NO_COLOR", "FORCE_COLOR", "CI"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("KRAKENSTATE_SPOT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("KRAKENSTATE_FUTURES_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("KRAKENSTATE_NOW", "2026-11-02T09:10:00Z")
    monkeypatch.chdir(tmp_path)


# -- what is read ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(desks())
def test_a_plan_comes_back_as_it_was_saved(scene):
    """Decision and facts, byte for byte, whatever is planned."""
    made = plan_of(scene.look())
    written = dump_plan(made)
    read = parse_plan(written.encode(), SHOWN)
    assert read == made
    assert dump_plan(read) == written


def test_everything_a_plan_knows_is_in_its_file():
    """Each field of a plan stands in the decision or among the facts."""
    known = set(Plan.model_fields) - {"facts", "digest", "format_version"}
    assert known <= set(Decision.model_fields) | set(SavedFacts.model_fields)
    assert set(Facts.model_fields) <= set(SavedFacts.model_fields)


def test_decision_and_facts_stand_apart():
    """The digest is that of the part called decision, and nobody needs this program to check it."""
    value = json.loads(text())
    assert list(value) == ["format_version", "plan_digest", "decision", "facts"]
    assert digest_of(value["decision"]) == value["plan_digest"] == a_plan().digest
    assert set(value["decision"]) == {"stack", "environment", "lineage", "proposals"}
    check_golden("views/plan-file.json", text().decode())


# -- what is refused ---------------------------------------------------------------------------------------


def decides_the_same_or_is_refused(data: bytes) -> bool:
    """Whether a file does what the good one does, or is refused in a sentence that names it."""
    try:
        read = parse_plan(data, SHOWN)
    except (PlanAltered, PlanUnreadable) as refused:
        return refused.message.startswith(f"{SHOWN} ")
    return read.digest == Decision.of(read).digest == a_plan().digest


@settings(deadline=None, max_examples=400)
@given(position=st.integers(0, len(text()) - 1), byte=st.integers(0, 255))
@example(position=len(text()) - 1, byte=0)
def test_a_file_with_one_byte_changed_is_refused_or_decides_the_same(position, byte):
    """Wherever the byte stands; and the message is one of ours."""
    data = bytearray(text())
    data[position] = byte
    assert decides_the_same_or_is_refused(bytes(data))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(text())), st.integers(0, 40))
def test_a_file_with_a_hole_is_refused_or_decides_the_same(start, length):
    """Cut off, or with a piece missing."""
    assert decides_the_same_or_is_refused(text()[:start] + text()[start + length :])


def test_an_edited_decision_is_refused():
    """A right was added to what is decided, and the digest left as it was approved."""

    def add(value):
        value["decision"]["proposals"][0]["after"]["permissions"] = ["withdraw-funds"]

    with pytest.raises(
        PlanAltered, match="It was changed after it was made, or damaged on its way"
    ) as caught:
        parse_plan(altered(add), SHOWN)
    assert caught.value.exit_code == 7


def test_a_decision_edited_with_its_digest_shows_itself():
    """Whoever computes the digest anew as well has to change what is shown too, or it is refused."""

    def add(value):
        proposal = next(p for p in value["decision"]["proposals"] if p["address"] == "derivatives_key.hedger")
        proposal["after"]["general"] = "FULL_ACCESS"
        value["plan_digest"] = digest_of(value["decision"])

    with pytest.raises(PlanAltered, match="shows other steps than it decides"):
        parse_plan(altered(add), SHOWN)


def test_a_step_that_hides_what_is_decided_is_refused():
    """A plan that is shown without one of its proposals has another digest."""
    with pytest.raises(PlanAltered, match="shows other steps than it decides"):
        parse_plan(altered(lambda value: value["facts"]["steps"].pop(0)), SHOWN)


def edit_step(value):
    """The step that edits a key in service, in a file's JSON."""
    return next(s for s in value["facts"]["steps"] if s["task_kind"] == "edit-key")


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda step: step.update(changes=[]), id="hides them all"),
        pytest.param(lambda step: step["changes"][0].update(added=["query-ledger"]), id="another element"),
        pytest.param(lambda step: step["changes"][0].update(added=[]), id="hides an element"),
        pytest.param(lambda step: step["changes"][0].update(after=["query-funds"]), id="another value"),
        pytest.param(
            lambda step: step["changes"].append({"name": "expires", "before": "2027-06-30", "after": None}),
            id="one more",
        ),
    ],
)
def test_a_step_that_shows_another_change_than_it_decides_is_refused(lie):
    """What a block shows is what is decided: no change is hidden, made up, or shown as another."""
    with pytest.raises(PlanAltered, match=r"shows another change of spot_key\.pnl than it decides"):
        parse_plan(altered(lambda value: lie(edit_step(value))), SHOWN)


def test_risks_are_said_anew_from_what_is_decided():
    """A file without its risks and blast radii is shown with them, since they follow from the decision."""
    found = parse_plan(altered(lambda value: value["facts"].update(risks=[], blast=[])), SHOWN)
    assert (found.risks, found.blast) == (a_plan().risks, a_plan().blast)
    assert [risk.word.value for risk in found.risks if risk.critical] == ["GAINS"]


def deep(value):
    """Nests more deeply than any plan."""
    value["facts"]["steps"][0]["after"] = {"a": json.loads("[" * 100 + "]" * 100)}


GARBAGE = {
    "empty": b"",
    "words": b"a plan\n",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "an object": b"{}",
    "rendered stack": b'{"format_version": "1.0", "resources": []}',
    "another major format": altered(lambda v: v.update(format_version="2.0")),
    "no format": altered(lambda v: v.pop("format_version")),
    "a format that is a number": altered(lambda v: v.update(format_version=1)),
    "an unknown field": altered(lambda v: v.update(force=True)),
    "an unknown fact": altered(lambda v: v["facts"].update(force=True)),
    "a stack that is a path": altered(lambda v: v["decision"].update(stack="../../tmp/evil.py")),
    "a name twice": text().replace(b'"stack": "prod"', b'"stack": "prod", "stack": "prod"', 1),
    "NaN": text().replace(b'"horizon_days": 30', b'"horizon_days": NaN', 1),
    "infinity": text().replace(b'"horizon_days": 30', b'"horizon_days": 1e999', 1),
    "a huge number": text().replace(b'"horizon_days": 30', b'"horizon_days": 1' + b"0" * 400, 1),
    "a number of many digits": text().replace(b'"horizon_days": 30', b'"horizon_days": ' + b"9" * 10_000, 1),
    "deep": altered(deep),
    "very deep": b'{"format_version":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a surrogate": altered(lambda v: v["decision"]["proposals"][0].update(reason="\ud800")),
    "half a surrogate in what is free": altered(
        lambda v: v["decision"]["proposals"][0]["after"].update(process="\ud800")
    ),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_calmly(name):
    """A sentence that names the file, and no traceback."""
    with pytest.raises(PlanUnreadable) as caught:
        parse_plan(GARBAGE[name], SHOWN)
    assert caught.value.message.startswith("plan.json ")
    assert len(caught.value.message) < 300


def test_a_file_of_a_hundred_megabytes_is_not_read_whole(tmp_path, capsys):
    """It is refused by its size."""
    with (tmp_path / SHOWN).open("wb") as file:
        file.truncate(100 * 2**20)
    assert app.run(["show", SHOWN]) == 1
    assert "plan.json is larger than 32 MiB." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "apply"])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"garbage", (1, "KS7055")),
        (altered(lambda v: v["decision"].update(lineage="x")), (7, "KS7054")),
        (None, (1, "KS8003")),
    ],
    ids=["garbage", "altered", "missing"],
)
def test_both_commands_say_the_same_of_a_bad_file(tmp_path, capsys, command, data, told):
    """Before a stack is run or a socket opened."""
    if data is not None:
        (tmp_path / SHOWN).write_bytes(data)
    code = app.run([command, SHOWN])
    out, err = capsys.readouterr()
    assert (out, (code, err.split()[-1])) == ("", told)


# -- apply, before anything is opened ----------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A good plan file in the working folder."""
    (tmp_path / SHOWN).write_bytes(text())


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (["--auto-approve"], "--auto-approve"),
        (["--input=false"], "--input"),
        (["--target", "spot_key.pnl"], "--target"),
        (["--exclude", "spot_key.pnl"], "--exclude"),
        (["--detailed-exitcode"], "--detailed-exitcode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("saved")
def test_only_a_few_options_stand_beside_a_plan(capsys, option, named):
    """Nothing that would make another plan of it, and nothing about questions: none is asked."""
    assert app.run(["apply", SHOWN, *option]) == 1
    assert f"{named} cannot be given with a plan file" in capsys.readouterr().err


@pytest.mark.usefixtures("saved")
def test_another_approved_digest_is_refused_at_once(capsys):
    """Before the stack is rendered or Vault is asked."""
    assert app.run(["apply", SHOWN, "--approved-digest", "0" * 64]) == 7
    assert "\n  KS7001\n" in capsys.readouterr().err
    assert app.run(["apply", SHOWN, "--approved-digest", a_plan().digest[:6]]) == 7
    said = " ".join(capsys.readouterr().err.split())
    assert f"The approved digest {a_plan().digest[:6]} is not whole." in said
    assert "It stands whole as plan_digest in: krakenstate plan --json KS7001" in said


@pytest.mark.usefixtures("saved")
def test_under_ci_a_plan_needs_its_digest_and_a_rendered_stack(capsys, monkeypatch):
    """The file alone is no approval there, and the stack is never taken from it."""
    monkeypatch.setenv("CI", "true")
    assert app.run(["apply", SHOWN]) == 1
    assert "\n  KS7003\n" in capsys.readouterr().err
    assert app.run(["apply", SHOWN, "--approved-digest", a_plan().digest]) == 1
    assert "\n  KS1014\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["apply"], ["apply", SHOWN]], ids=" ".join)
@pytest.mark.parametrize(
    "event",
    [
        {"GITHUB_EVENT_NAME": "pull_request"},
        {"GITHUB_EVENT_NAME": "pull_request_target"},
        {"CI_PIPELINE_SOURCE": "merge_request_event"},
    ],
    ids=lambda event: next(iter(event.values())),
)
@pytest.mark.usefixtures("saved")
def test_apply_is_refused_on_a_pull_request(capsys, monkeypatch, words, event):
    """With a plan and without one, whatever was approved."""
    for name, value in event.items():
        monkeypatch.setenv(name, value)
    assert app.run([*words, "--approved-digest", a_plan().digest]) == 1
    assert "Error: Apply on a pull request\n" in (told := capsys.readouterr().err)
    assert "\n  KS7056\n" in told


# -- show --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("saved")
def test_show_tells_the_plan_and_its_age(capsys):
    """As it was made, under a line that says when."""
    assert app.run(["show", SHOWN]) == 0
    check_golden("views/show.txt", capsys.readouterr().out)


@pytest.mark.usefixtures("saved")
def test_show_labels_an_old_plan_and_refuses_none(capsys, monkeypatch):
    """Whether it still holds, only apply can find out."""
    monkeypatch.setenv("KRAKENSTATE_NOW", "2026-11-03T09:00:00Z")
    assert app.run(["show", SHOWN]) == 0
    assert capsys.readouterr().out.startswith("Probably stale: made 1 day ago (2026-11-02T09:00:00Z) by ")
    assert app.run(["show", SHOWN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["saved"] == {"age": 86_400, "probably_stale": True}


@pytest.mark.usefixtures("saved")
def test_show_as_json_is_the_plan_as_json(capsys):
    """With the fields of plan --json, at the instant of showing."""
    assert app.run(["show", SHOWN, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["plan_digest"], shown["planned_at"]) == (a_plan().digest, "2026-11-02T09:00:00Z")
    assert shown["timestamp"] == "2026-11-02T09:10:00Z"
    assert shown["saved"] == {"age": 600, "probably_stale": False}
    assert len(shown["resource_changes"]) == len(a_plan().steps)


@pytest.mark.parametrize("words", [["show", "prod"], ["plan", "prod", "--out", "plan.txt"]], ids=" ".join)
def test_a_plan_file_is_known_by_its_name(capsys, words):
    """Another name would be taken for a stack later, so it is refused now."""
    assert app.run(words) == 1
    assert "does not end in .json" in capsys.readouterr().err


def test_a_plan_is_read_from_its_file(tmp_path):
    """As the bytes of it are."""
    (tmp_path / SHOWN).write_bytes(text())
    assert read_plan(tmp_path / SHOWN) == a_plan()
    assert a_plan().facts.planned_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
