"""A report or a rendered file may hold anything anywhere: it ends in a stack or in a problem."""

import copy
import json

import pytest

from krakenstate.errors import KrakenstateError, StackProblems, StackResultInvalid
from krakenstate.stack import process
from krakenstate.stack.load import dump_rendered, load_desired, load_stack
from krakenstate.stack.plain import ITEMS_MAX, VALUES_MAX, parse_json
from krakenstate.stack.running import SEEDS
from tests.support.stacks import write_stack

STACK = """
pnl = stack.add(Process(name="pnl", owner="risk"))
runner = stack.add(Allowlist(name="runner", networks=["192.0.2.10"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
stack.add(SpotKey(name="pnl", account=desk, process=pnl, permissions=roles.RECONCILIATION, allowlist=[runner],
    rotate_every=timedelta(days=3)))
stack.add(Grant(name="pnl", process=pnl, auth=AppRole(mount="approle")))
stack.add(Moved(old="spot_key.a", new="spot_key.pnl"))
stack.add(Removed(address="spot_key.b"))
"""
PROBLEM = {
    "code": "KS1002",
    "message": "m",
    "address": "a.b",
    "source": {"file": "stacks/prod.py", "line": 1},
}
HOSTILE = [
    "\ud800",
    "a\0b.py",
    "x" * 5000,
    "a/" * 1500 + "x.py",
    "../outside.py",
    "\u202e\x1b[2J\nError: forged",
    None,
    -1,
    1e308,
    2**53 + 1,
    [[]],
    {"\ud800": 1},
]


def places(value, place=()):
    """Where something stands, from the whole to the leaves."""
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*place, name))


def replaced(value, place, new):
    """A copy with something else in one place."""
    if not place:
        return new
    value = at = copy.deepcopy(value)
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = new
    return value


def variants(value):
    """Each hostile value in each place, as JSON."""
    for place in places(value):
        for new in HOSTILE:
            yield json.dumps(replaced(value, place, new)).encode()


def ends_well(load):
    """Whether what was loaded can be written, or the problem that came of it, in one line, can be told."""
    try:
        dump_rendered(load().rendered).encode()
    except KrakenstateError as told:
        for problem in told.problems if isinstance(told, StackProblems) else (told,):
            text = f"{problem.message}{problem.address}{problem.source}"
            assert text.encode()
            assert not {"\x1b", "\u202e", "\n"} & set(text)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder with the stack, as working folder."""
    monkeypatch.chdir(tmp_path)
    write_stack(tmp_path, STACK)
    return tmp_path


def test_a_report_may_hold_anything(project, monkeypatch):
    """Half characters, NUL, long names, other kinds of values: told as a problem, in each place."""
    kept = process.run_children(
        project / "stacks" / "prod.py", "stacks/prod.py", project, SEEDS, process.TIME_MAX_S
    )
    report = json.loads(kept[0].report)
    report["problems"] = [PROBLEM]
    monkeypatch.setattr(process, "run_children", lambda *a, **k: kept)
    for data in variants(report):
        for child in kept:
            child.report = bytearray(data)
        ends_well(lambda: load_stack("prod"))


def test_a_rendered_file_may_hold_anything(project):
    """The same for what a pull request's pipeline passes on."""
    rendered = json.loads(dump_rendered(load_stack("prod").rendered))
    file = project / "desired.json"
    for data in variants(rendered):
        file.write_bytes(data)
        ends_well(lambda: load_desired(file))


def test_a_field_of_countless_entries_is_refused_before_they_are_looked_at(project):
    """One declaration with a million networks is a problem at its line, and costs no minutes."""
    rendered = json.loads(dump_rendered(load_stack("prod").rendered))
    (runner,) = [r for r in rendered["resources"] if r["type"] == "allowlist"]
    runner["attributes"]["networks"] = ["192.0.2.10"] * (ITEMS_MAX + 1)
    (project / "desired.json").write_text(json.dumps(rendered))
    with pytest.raises(KrakenstateError, match="10001 entries are more than 10000"):
        load_desired(project / "desired.json")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 10**6, id="deep"),
        pytest.param(b'{"a":' * 10**5, id="deep objects"),
        pytest.param(b'{"a":[' + b"[]," * (VALUES_MAX + 1) + b"[]]}", id="many"),
        pytest.param(b'{"a":' + b"9" * 10**5 + b"}", id="a long number"),
        pytest.param(b'{"a":"\\udc00"}', id="half a character"),
        pytest.param(b'{"a":NaN}', id="no number"),
        pytest.param(b"\xff\xfe{}", id="another encoding"),
    ],
)
def test_what_would_take_all_memory_or_cannot_be_written_is_no_result(data):
    """It is refused before it is built up, in one sentence."""
    with pytest.raises(StackResultInvalid) as told:
        parse_json(data, "it")
    assert len(str(told.value)) < 200


def test_a_whole_character_beyond_the_first_plane_is_text():
    """What JSON writes as two halves is one character, and passes."""
    assert parse_json(b'{"a":"\\ud83d\\ude00"}', "it") == {"a": "\U0001f600"}
