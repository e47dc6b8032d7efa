"""The desk's own rules: what a policy file is given, what it may do, and what a bad one comes to."""

from pathlib import Path
from textwrap import dedent

import pytest

from krakenstate.stack import process
from krakenstate.stack.desk import Ruled, look_at_rules
from krakenstate.stack.find import find_rules

DESIRED = {"stack": {"name": "prod"}, "resources": [{"type": "process", "name": "pnl"}]}
PLAN = {"summary": {"manual": 2}}
CANARY = "canary-3f9a77"

FILES = {
    "good": """
        from krakenstate import Violation

        def processes_have_teams(plan, desired):
            '''Each process belongs to a team.

            The rest of the docstring is for readers of the file.
            '''
            for item in desired["resources"]:
                yield Violation(message=f"{item['name']} has none.", address=f"process.{item['name']}",
                                remedy="Name one.")
            desired["resources"].clear()

        def one_at_once(plan, desired):
            if plan is None or plan["summary"]["manual"] < 2:
                return None
            text = f"{plan['summary']['manual']} of {len(desired['resources'])}"
            return [Violation(message=text, severity="warning")]

        def _helper(anything):
            raise AssertionError
        """,
    "spy": """
        import os
        from krakenstate import Violation

        def tells(plan, desired):
            yield Violation(message=f"environment {sorted(os.environ)}")
            for place in (f"/proc/{os.getppid()}/environ", ".env", "/etc/hostname"):
                try:
                    yield Violation(message=open(place).read() or "nothing")
                except OSError as refused:
                    yield Violation(message=f"{type(refused).__name__}")
        """,
    "raises": "def rule(plan, desired):\n    return plan['no such field']\n",
    "wrong": "def rule(plan, desired):\n    return ['no violation']\n",
    "other": "def helper(x):\n    pass\n",
    "empty": "RULES = []\n",
    "chance": """
        from krakenstate import Violation

        def by_hash(plan, desired):
            yield Violation(message=str(hash("x")))
        """,
    "leaves": "def rule(plan, desired):\n    raise SystemExit\n",
    "marks": """
        from krakenstate import Violation

        def marks(plan, desired):
            yield Violation(message="one\\x1b[2J\\u202etwo\\nthree")
        """,
    "_hidden": "raise AssertionError\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    """A project with these policy files."""
    (folder / "policies").mkdir(parents=True)
    for name, text in files.items():
        (folder / "policies" / f"{name}.py").write_text(dedent(text), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ruled]:
    """What each file came to, looked at once, with a canary in the parent's environment."""
    project = write(tmp_path_factory.mktemp("project"), FILES)
    (project / ".env").write_text(CANARY, encoding="utf-8")
    (project / "policies" / "link.py").symlink_to(project / "policies" / "good.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAULT_TOKEN", CANARY)
        return {r.stem: r for r in look_at_rules(project, DESIRED, PLAN, kernel_only=False)}


def test_rules_are_the_public_functions_of_the_file(ruled: dict[str, Ruled]) -> None:
    """Named by file and function, with the first line of their docstring; helpers are none."""
    assert ruled["good"].stem == "good"
    assert [(r.name, r.says) for r in ruled["good"].rules] == [
        ("processes_have_teams", "Each process belongs to a team."), ("one_at_once", ""),
    ]  # fmt: skip


def test_a_rule_says_what_breaks_it_and_spoils_no_other_rule_s_data(ruled: dict[str, Ruled]) -> None:
    """The second rule still sees what the first one emptied."""
    one, two = ruled["good"].violations
    assert (one.rule, one.message, one.address, one.remedy, one.severity) == (
        "processes_have_teams", "pnl has none.", "process.pnl", "Name one.", "error",
    )  # fmt: skip
    assert (two.rule, two.message, two.address, two.severity) == ("one_at_once", "2 of 1", None, "warning")


def test_a_rule_sees_neither_environment_nor_secrets(ruled: dict[str, Ruled]) -> None:
    """No variable, no other process, no hidden file, whatever the isolation; the canary is nowhere."""
    told = [v.message for v in ruled["spy"].violations]
    assert told[0] == "environment ['PYDANTIC_DISABLE_PLUGINS']"
    assert told[1] == "PermissionError"
    assert CANARY not in "".join(told[:2])
    if not process_is_confined():
        pytest.skip("without kernel isolation files can be read, as docs/render.md says")
    assert told[2:] == ["PermissionError", "PermissionError"]


def process_is_confined() -> bool:
    """Whether this machine holds children by the kernel."""
    here = Path(__file__)
    [child] = process.run_children(here, "x.py", here.parent, [0], 10.0, kernel_only=True)
    return child.isolation.kind == "kernel"


@pytest.mark.parametrize(("stem", "why", "line"), [
    ("raises", "KeyError: 'no such field'.", 2),
    ("wrong", "rule gave a str; a rule returns or yields Violation(...).", 1),
    ("other", "helper does not take plan and desired.", 1),
    ("empty", "It defines no rule.", 1),
    ("chance", "Two runs of it, with different hash seeds, gave different results.", 1),
    ("leaves", "It called exit before its end.", 2),
    ("link", "It is a link or no file, and links could lead to any file.", 1),
])  # fmt: skip
def test_a_file_that_fails_counts_as_failed(ruled: dict[str, Ruled], stem: str, why: str, line: int) -> None:
    """It is never one that found nothing: why and where is told, and none of its findings."""
    failed = ruled[stem]
    assert failed.failure.startswith(why)
    assert (failed.line, failed.violations, failed.rules) == (line, (), ())


def test_what_rules_say_is_one_harmless_line(ruled: dict[str, Ruled]) -> None:
    """Control characters and line breaks of a rule's text forge nothing."""
    [violation] = ruled["marks"].violations
    assert violation.message == "one[2Jtwo three"


def test_files_that_begin_with_an_underscore_are_none(ruled: dict[str, Ruled]) -> None:
    """They are not run; a project without the folder has no rules."""
    assert "_hidden" not in ruled
    assert find_rules(Path("/nowhere")) == []


def test_without_the_kernel_a_file_that_needs_it_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why, and its rules count neither as kept nor as broken."""
    monkeypatch.setattr(process, "CONFINED", False)
    [unheld] = look_at_rules(write(tmp_path, {"good": FILES["good"]}), DESIRED, None, kernel_only=True)
    assert unheld.unheld == "it was not asked for"
    assert (unheld.rules, unheld.violations) == ((), ())
