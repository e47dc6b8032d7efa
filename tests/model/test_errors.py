"""The catalogue of errors: every situation has one stable code, a headline, a reason and a way out."""

import re

import pytest

from krakenstate import errors
from krakenstate.errors import KrakenstateError, Source, catalogue

LEAVES = list(catalogue())


def test_codes_are_unique():
    """No two situations share a code."""
    codes = [leaf.code for leaf in LEAVES]
    assert len(codes) == len(set(codes)) > 50


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_situation_is_explained(leaf):
    """A code of four digits, a headline without a full stop, a docstring of its own and a remedy."""
    assert re.fullmatch(r"KS[1-9][0-9]{3}", leaf.code)
    assert leaf.headline
    assert not leaf.headline.endswith(".")
    assert leaf.headline[0].isupper()
    assert vars(leaf).get("__doc__", "").strip().endswith(".")
    assert leaf.remedy.strip()


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_exit_code_is_one_of_the_conventions(leaf):
    """Scripts rely on them; a plain failure is one."""
    assert leaf.exit_code in {1, 3, 4, 5, 6, 7, 9, 130, 143}


@pytest.mark.parametrize(("branch", "codes"), [
    ("StackError", "KS1"), ("KrakenError", "KS[23]"), ("HandInError", "KS22"), ("StateError", "KS30"),
    ("TaskError", "KS31"), ("VaultError", "KS4"), ("PolicyError", "KS5"), ("LockError", "KS6"),
    ("PlanError", "KS7"), ("UsageError", "KS8"), ("InternalError", "KS9"),
])  # fmt: skip
def test_a_branch_keeps_to_its_codes(branch, codes):
    """The first digits tell the room; OutcomeUnknown alone answers under the tasks it becomes."""
    root = getattr(errors, branch)
    strays = [leaf.__name__ for leaf in LEAVES if issubclass(leaf, root) and not re.match(codes, leaf.code)]
    assert strays == []
    stray_in = [
        leaf for leaf in LEAVES if issubclass(leaf, errors.KrakenError) and leaf.code.startswith("KS3")
    ]
    assert stray_in == [errors.OutcomeUnknown]


def test_every_leaf_is_on_the_front_page():
    """What can be raised can be caught by name from ``krakenstate.errors``."""
    ours = [leaf for leaf in LEAVES if leaf.__module__.startswith("krakenstate.errors.")]
    assert [leaf.__name__ for leaf in ours if leaf.__name__ not in errors.__all__] == []


def test_an_occurrence_falls_back_to_its_situations_remedy():
    """Without a next step of its own the class's remedy is shown; line and address are kept from the
    first."""
    error = errors.InvalidKey("It was rejected.")
    assert error.next_step == errors.InvalidKey.remedy
    assert errors.InvalidKey("x", next_step="do this").next_step == "do this"
    line = Source("stacks/prod.py", 7, "SpotKey()")
    assert error.at(line).at(Source("other.py", 1)).source == line
    assert error.at_address("spot_key.a").at_address("spot_key.b").address == "spot_key.a"
    assert str(line) == "stacks/prod.py line 7: SpotKey()"
    assert isinstance(error, KrakenstateError)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.code)
def test_a_command_ends_its_line(leaf):
    """Printed on a line of its own it can be pasted; a sentence behind it would be pasted with it."""
    for line in leaf.remedy.split("\n"):
        before, colon, command = line.partition(": krakenstate ")
        assert not (colon and re.search(r"[.;] ", command)), (before, command)
