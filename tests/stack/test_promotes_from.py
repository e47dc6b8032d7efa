"""``promotes_from``: a stack says in which other one its Spot keys are verified first."""

import json
from datetime import timedelta

import pytest

from krakenstate import Environment, Promotion, Stack, Vault
from krakenstate.errors import DeclarationInvalid
from krakenstate.stack.load import dump_rendered, load_desired, load_stack

HEADER = """\
from datetime import timedelta
from krakenstate import Environment, Promotion, Stack, Vault
vault = Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod")
stack = Stack(name="prod", environment=Environment.production(), vault=vault, promotes_from=%s)
"""


def declared(promotes_from):
    """A stack that says so."""
    vault = Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod")
    return Stack(name="prod", environment=Environment.production(), vault=vault, promotes_from=promotes_from)


@pytest.mark.parametrize(("written", "known"), [
    ("None", None),
    ("'uat'", Promotion(stack="uat")),
    ("Promotion(stack='uat', within=timedelta(days=14), state='desk/uat')",
     Promotion(stack="uat", within=timedelta(days=14), state="desk/uat")),
])  # fmt: skip
def test_a_rendered_stack_says_from_which_it_promotes(tmp_path, monkeypatch, written, known):
    """The short and the long form come back from the stack file and from what render wrote."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "prod.py").write_text(HEADER % written)
    loaded = load_stack("prod")
    assert loaded.desired.head.promotes_from == known
    file = tmp_path / "desired.json"
    file.write_text(dump_rendered(loaded.rendered))
    assert load_desired(file).desired.head.promotes_from == known
    value = json.loads(file.read_text())
    del value["stack"]["promotes_from"]
    file.write_text(json.dumps(value))
    assert load_desired(file).desired.head.promotes_from is None


@pytest.mark.parametrize(("given", "said"), [
    ("prod", "Stack: field promotes_from names this stack itself."),
    (Promotion(stack="prod"), "Stack: field promotes_from names this stack itself."),
    ("../uat", "Stack: field promotes_from takes the name of a stack, which '../uat' cannot be."),
    (7, "Stack: field promotes_from takes the name of a stack, or a Promotion."),
])  # fmt: skip
def test_what_is_no_other_stack_is_refused(given, said):
    """With the line of the stack."""
    with pytest.raises(DeclarationInvalid) as refused:
        declared(given)
    assert refused.value.message == said
    assert refused.value.source.file == __file__


def test_a_verification_counts_for_some_time():
    """No time at all would refuse every key."""
    with pytest.raises(ValueError, match="longer than nothing"):
        Promotion(stack="uat", within=timedelta(0))
