"""``Moved`` and ``Removed`` between file and plan: rendered, read back, and held against each other."""

import json

import pytest

from krakenstate import Moved, Removed
from krakenstate.model.address import Address
from krakenstate.stack.load import dump_rendered, load_desired, load_stack
from krakenstate.stack.renames import check_renames
from tests.support.world import BASIS, DESK, spot_key

HEAD = """\
from krakenstate import *
stack = Stack(name="prod", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
stack.add(Moved(old="master_account.a", new="master_account.b"))
stack.add(Moved(old="master_account.b", new="master_account.desk"))
stack.add(Removed(address="spot_key.old"))
"""


DECLARED = (*BASIS, spot_key())


def problems(*entries):
    """What is said about them."""
    moves = [e for e in entries if isinstance(e, Moved)]
    removed = [e for e in entries if isinstance(e, Removed)]
    return [p.message for p in check_renames(moves, removed, DECLARED, [])]


def keys(old, new):
    """A rename of keys."""
    return Moved(old=f"spot_key.{old}", new=f"spot_key.{new}")


def test_a_stacks_renames_reach_the_desired_state_by_either_way(tmp_path, monkeypatch):
    """The file and what ``render`` wrote of it say the same, lines included."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "prod.py").write_text(HEAD)
    monkeypatch.chdir(tmp_path)
    loaded = load_stack("prod")
    file = tmp_path / "desired.json"
    file.write_text(dump_rendered(loaded.rendered))
    again = load_desired(file)
    for one in (loaded.desired, again.desired):
        assert {m.old: m.new for m in one.moves.values()} == {
            "master_account.a": "master_account.b",
            "master_account.b": "master_account.desk",
        }
        assert one.moved_to(Address("master_account.a")) == DESK.address
        assert [r.source.line for r in one.removed.values()] == [7]
    assert again.rendered == loaded.rendered


def test_a_rendered_file_without_renames_is_read(tmp_path):
    """Files of before have no such fields."""
    file = tmp_path / "desired.json"
    stack = {
        "name": "prod",
        "environment": {"name": "production"},
        "vault": {"mount": "kv", "secrets": "a", "state": "b"},
    }
    plain = {"format_version": "1.0", "krakenstate_version": "0", "isolation": "process", "stack": stack}
    file.write_text(json.dumps({**plain, "resources": []}))
    assert load_desired(file).desired.moves == {}


def test_renames_in_a_row_are_fine():
    """Only the end must be declared."""
    assert problems(keys("a", "b"), keys("b", "pnl")) == []


@pytest.mark.parametrize(
    ("entries", "count"),
    [
        pytest.param([keys("a", "b"), keys("b", "a")], 2, id="a circle"),
        pytest.param([keys("a", "pnl"), keys("b", "pnl")], 1, id="two to one"),
        pytest.param([keys("a", "pnl"), keys("a", "b")], 1, id="one to two"),
        pytest.param([keys("a", "b")], 1, id="to nothing"),
        pytest.param([keys("a", "pnl"), Removed(address="spot_key.a")], 1, id="renamed and removed"),
        pytest.param([Removed(address="spot_key.pnl")], 1, id="still declared"),
    ],
)
def test_what_cannot_be_is_said_once_for_each_line(entries, count):
    """A rename that leads nowhere in particular is refused."""
    assert len(problems(*entries)) == count
