"""The README's promises in code: its stack, its plan, and its walkthrough, copied line by line."""

import os
import re
from pathlib import Path

import pytest

from krakenstate.model.task import TaskKind, task_id
from krakenstate.providers.vault.provider import VaultGrants
from tests.docs.markdown import ROOT, Page, blocks
from tests.docs.shell import SCRIPT_MAX_S, run

README = Page(ROOT / "README.md")
PLAN_MARK = "<!-- plan of examples/one-key -->\n```text\n"
NO_CHANGES = "No changes. Your accounts match the configuration."
UPDATE = "KRAKENSTATE_UPDATE_GOLDEN"


def processes_in(folder: Path) -> list[str]:
    """Command lines of the processes that work below a folder or name it; empty where that cannot be seen."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            works_in = str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in command or works_in.startswith(str(folder)):
            found.append(command)
    return found


@pytest.mark.timeout(SCRIPT_MAX_S + 60)
def test_the_walkthrough_works_as_it_is_printed(folder):
    """Every line of the walkthrough, run in order in one shell, ends well and leaves nothing behind."""
    section = README.section("Walkthrough")
    done = run("".join(blocks(section, "bash")), folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("You may close the dialog.") == 2
    for shown in blocks(section, "text"):
        assert shown.strip() in done.stdout
    assert NO_CHANGES in done.stdout
    assert "Plan: 0 to add, 0 to change, 0 to destroy, 3 manual." in done.stdout
    assert re.search(r"^api_secret +[A-Za-z0-9+/]{86}==$", done.stdout, re.MULTILINE)
    assert processes_in(folder) == []
    left = {file.name for file in folder.rglob("*") if file.is_file() and "home" not in file.parts}
    assert left <= {".gitignore"}


def test_the_stack_on_the_first_screen_is_the_example():
    """The ten lines of the README are examples/one-key, so they load."""
    example = (ROOT / "examples" / "one-key" / "stacks" / "dev.py").read_text(encoding="utf-8")
    shown = blocks(README.text, "python")[0]
    assert example.partition("\n\n")[2] == shown


@pytest.mark.timeout(SCRIPT_MAX_S + 60)
def test_the_plan_on_the_first_screen_is_what_the_program_prints(folder):
    """The plan below the ten lines is real; KRAKENSTATE_UPDATE_GOLDEN=1 writes it anew."""
    script = (
        f"cp -R '{ROOT / 'examples' / 'one-key' / 'stacks'}' .\n"
        'eval "$(krakenstate dev up)"\nkrakenstate init >/dev/null\nkrakenstate plan\n'
    )
    done = run(script, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    printed = re.sub(r"digest [0-9a-f]{6}", "digest 7ff0ff", done.stdout)  # it pins the state's lineage
    before, mark, rest = README.text.partition(PLAN_MARK)
    assert mark, "the README has lost the mark above its plan"
    shown, fence, after = rest.partition("```\n")
    if os.environ.get(UPDATE) == "1":
        README.path.write_text(before + mark + printed + fence + after, encoding="utf-8")
        return
    assert shown == printed, f"the plan in README.md differs; if that is meant, run again with {UPDATE}=1"


@pytest.mark.timeout(SCRIPT_MAX_S + 60)
def test_the_example_s_readme_can_be_played(folder):
    """The lines in examples/one-key/README.md work in a copy of that folder."""
    page = Page(ROOT / "examples" / "one-key" / "README.md")
    script = f"cp -R '{page.path.parent / 'stacks'}' .\n" + "".join(blocks(page.text, "bash"))
    done = run(script, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "No changes to propose. 1 manual task open." in done.stdout
    assert processes_in(folder) == []


def test_the_ids_in_the_walkthrough_are_those_of_its_tasks():
    """A task's id is a hash of what it is about, so the README can name it before it is opened."""
    section = README.section("Walkthrough")
    named = set(re.findall(r"\b[0-9a-f]{8}\b", section))
    assert named == {
        task_id("spot_key.creator", TaskKind.CREATE_KEY, 1),
        task_id("grant.quoter", TaskKind.INSTALL_GRANT),
    }


def test_the_policy_in_the_walkthrough_is_the_one_the_program_writes():
    """The policy a reader pastes grants what the task asks for, no more and no less."""
    written = VaultGrants().policy("kv", "kraken/first", "quoter", "krakenstate/first")
    wanted = [line for line in written.splitlines() if line and not line.startswith("#")]
    script = "".join(blocks(README.section("Walkthrough"), "bash"))
    shown = script.partition("<<'EOF_POLICY'\n")[2].partition("EOF_POLICY")[0]
    assert [line for line in shown.splitlines() if line] == wanted
