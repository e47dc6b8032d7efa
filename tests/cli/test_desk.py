"""The desk's own rules as commands look at them: where they are found, and when they may not run."""

from pathlib import Path

import pytest

from krakenstate.cli.desk import desk_of
from krakenstate.stack import process
from krakenstate.stack.load import LoadedStack, load_stack

STACK = """
from krakenstate import *
stack = Stack(name="prod", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"))
stack.add(Process(name="pnl", owner="risk"))
"""
RULE = """
from krakenstate import Violation

def no_process(plan, desired):
    '''Nobody has a process.'''
    yield Violation(message=f"a process, and {'a' if plan else 'no'} plan", address="process.pnl")
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedStack:
    """A stack beside which lies one file of rules."""
    project = tmp_path_factory.mktemp("project")
    for folder, name, text in (("stacks", "prod", STACK), ("policies", "desk", RULE)):
        (project / folder).mkdir()
        (project / folder / f"{name}.py").write_text(text, encoding="utf-8")
    return load_stack(str(project / "stacks" / "prod.py"))


@pytest.mark.parametrize(("ci", "credentials", "codes"), [
    pytest.param("", True, ["KS5201"], id="on-a-machine-of-its-owner"),
    pytest.param("true", False, ["KS5201"], id="in-a-job-without-credentials"),
    pytest.param("true", True, ["KS5203"], id="in-a-job-with-credentials"),
])  # fmt: skip
def test_beside_credentials_in_ci_rules_need_the_kernel(
    loaded: LoadedStack, monkeypatch: pytest.MonkeyPatch, ci: str, credentials: bool, codes: list[str]
) -> None:
    """Where the kernel does not hold them they are refused there, and run elsewhere as stack files do."""
    monkeypatch.setattr(process, "CONFINED", False)
    monkeypatch.setenv("CI", ci)
    look = desk_of(loaded, from_file=False, credentials=credentials)
    assert look is not None
    ruling = look(None)
    assert [(b.code, b.severity) for b in ruling.broken] == [(code, "error") for code in codes]
    if codes == ["KS5203"]:
        assert "policies/desk.py were not looked at: CI is set" in ruling.broken[0].text
        return
    assert ruling.rules == (("desk.no_process", "Nobody has a process."),)
    [broken] = ruling.broken
    assert (broken.rule, broken.address, broken.text) == (
        "desk.no_process", "process.pnl", "a process, and no plan",
    )  # fmt: skip
    assert broken.source is not None
    assert broken.source.file.endswith("prod.py")


def test_rules_that_are_missing_in_the_checkout_are_told(
    loaded: LoadedStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A rendered stack says which files lay beside it; the working folder's are the ones that are run."""
    assert loaded.rendered.policies == ("desk.py",)
    monkeypatch.chdir(tmp_path)
    look = desk_of(loaded, from_file=True, credentials=True)
    assert look is not None
    [absent] = look(None).broken
    assert (absent.code, absent.severity) == ("KS5204", "warning")
    assert absent.text.startswith("policies/desk.py lay beside the stack")


def test_without_rules_nothing_is_run(loaded: LoadedStack, tmp_path: Path) -> None:
    """A project without policies/ costs no process."""
    bare = LoadedStack(loaded.desired, tmp_path / "stacks" / "prod.py", "process")
    assert desk_of(bare, from_file=False, credentials=True) is None
