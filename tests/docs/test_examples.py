"""Every example is a stack the program takes."""

from datetime import UTC, datetime

import pytest

from krakenstate.policy.base import Case
from krakenstate.policy.judge import judge
from krakenstate.stack.load import load_stack
from tests.docs.markdown import ROOT

STACKS = sorted((ROOT / "examples").glob("*/stacks/*.py"))


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.relative_to(ROOT / "examples").as_posix())
def test_an_example_renders_and_keeps_the_rules(file):
    """It runs, is right in itself, and no built-in rule finds anything in it."""
    loaded = load_stack(str(file))
    assert loaded.desired.head.name == file.stem
    assert judge(Case(loaded.desired, datetime.now(UTC).date())) == ()


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.relative_to(ROOT / "examples").as_posix())
def test_an_example_explains_itself(file):
    """It has a README beside its stacks folder that names the file."""
    readme = file.parents[1] / "README.md"
    assert f"stacks/{file.name}" in readme.read_text(encoding="utf-8")
