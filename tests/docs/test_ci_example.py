"""The workflows in examples/ci: sound in form, safe by zizmor's rules, their programs do as they say."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT
from tests.support.gh import BOT

EXAMPLE = ROOT / "examples" / "ci" / "github"
WORKFLOWS = sorted((EXAMPLE / ".github" / "workflows").glob("*.yml"))
USES = re.compile(r"^ +(?:- )?uses: (\S+)(.*)$", re.MULTILINE)
MARKER = "<!-- krakenstate:plan:prod:production -->"
HOSTILE = "`$(touch stolen)` ${{ secrets.X }} @admins '; touch stolen; ' \" @stolen\n```\n</details>\n"


def tool(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A program of the project's environment, or of the machine."""
    program = Path(sys.executable).with_name(name)
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_zizmor_finds_nothing():
    """No credentials left behind, no text of others in a script, least rights: pedantically."""
    done = tool(
        "zizmor", "--offline", "--no-progress", "--persona=pedantic", "--strict-collection",
        f"--config={EXAMPLE / 'zizmor.yml'}", *map(str, WORKFLOWS),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr


def test_the_workflows_have_the_form_that_github_takes():
    """Each is valid by the schema of GitHub's workflows."""
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_an_action_is_pinned_and_a_job_begins_without_rights(file):
    """Actions of others are named by a commit and its version; rights are given job by job."""
    text = file.read_text(encoding="utf-8")
    for action, comment in USES.findall(text):
        assert action.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), action
        assert action.startswith("./") or re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    assert "\npermissions: {}\n" in text
    checkouts = text.count("actions/checkout@")
    assert text.count("persist-credentials: false") == checkouts > 0


def test_only_the_job_that_may_log_in_can():
    """The identity is given to the jobs that use ci/with-vault, and to no other; no secret is named."""
    for file in WORKFLOWS:
        text = file.read_text(encoding="utf-8")
        assert "secrets." not in text
        for job in re.split(r"\n  (?=\w+:\n    name:)", text)[1:]:
            assert ("id-token: write" in job) == ("ci/with-vault" in job), job
            assert ("environment: krakenstate-" in job) == bool(
                re.search(r"krakenstate (apply|settle) ", job)
            )


def test_on_a_pull_request_its_code_runs_in_the_render_job_alone():
    """All other jobs check out the base branch, and nothing there can apply."""
    text = (EXAMPLE / ".github/workflows/krakenstate-pull-request.yml").read_text(encoding="utf-8")
    assert (
        text.count("ref: ${{ github.event.pull_request.base.sha }}") == text.count("actions/checkout@") == 2
    )
    assert not re.search(r"krakenstate-(apply|settle|observe)", text)
    assert "pull_request_target" not in text


class Forge:
    """A stand-in for GitHub in a folder, with the example's programs at hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "world.json"
        (folder / "bin").mkdir()
        gh = folder / "bin" / "gh"
        gh.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.support.gh "$@"\n')
        gh.chmod(0o755)
        self.keep({"calls": [], "issues": [], "issues/7/comments": []})

    def keep(self, world) -> None:
        self.file.write_text(json.dumps(world), encoding="utf-8")

    @property
    def world(self):
        return json.loads(self.file.read_text(encoding="utf-8"))

    def run(self, name: str, text: str | None = None, **variables: str) -> None:
        """A program of the example, with a text as its file."""
        if text is not None:
            (self.folder / "text.md").write_text(text, encoding="utf-8")
        environment = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(ROOT),
            "GH_WORLD": str(self.file),
            "GITHUB_REPOSITORY": "desk/accounts",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "STACK": "prod",
            "NUMBER": "7",
            **variables,
        }
        arguments = [] if text is None else ["text.md"]
        done = subprocess.run(
            [EXAMPLE / "ci" / name, *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.fixture
def forge(tmp_path):
    """An empty one."""
    if shutil.which("jq") is None:
        pytest.skip("the example's programs need jq")
    return Forge(tmp_path)


def test_the_comment_is_edited_in_place(forge):
    """One comment per stack and environment, whatever else stands there, with the text as it is."""
    others = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{MARKER}\nforged"},
        {"id": 2, "user": BOT, "body": "<!-- krakenstate:plan:uat:uat -->\nanother stack's"},
    ]
    forge.keep({"calls": [], "issues": [], "issues/7/comments": others})
    forge.run("comment", f"{MARKER}\nfirst\n")
    forge.run("comment", f"{MARKER}\n{HOSTILE}")
    comments = forge.world["issues/7/comments"]
    assert comments[:2] == others
    assert [c["body"] for c in comments[2:]] == [f"{MARKER}\n{HOSTILE}"]
    assert not list(forge.folder.glob("stolen"))


def test_the_gate_says_whether_the_plan_is_the_reviewed_one(forge):
    """The same digest, another one, none, and no pull request are told apart; no text gets through."""
    here, there = "a" * 64, "b" * 64

    def said(description, *, pull=True):
        world = {
            "calls": [],
            "commits/c0/pulls": [{"number": 12}] if pull else [],
            "pulls/12": {"head": {"sha": "h1"}},
        }
        statuses = (
            [] if description is None else [{"context": "krakenstate/prod", "description": description}]
        )
        forge.keep(world | {"commits/h1/status": {"statuses": statuses}})
        (forge.folder / "summary.md").unlink(missing_ok=True)
        forge.run("compare", DIGEST=here, GITHUB_SHA="c0")
        return (forge.folder / "summary.md").read_text(encoding="utf-8")

    assert said(f"digest {here}") == "This is the plan that pull request #12 showed.\n"
    assert "**This is another plan than the one that pull request #12 showed**" in said(f"digest {there}")
    assert said(None) == said(HOSTILE) == "Pull request #12 showed no plan.\n"
    assert "through no pull request" in said(None, pull=False)


def test_drift_is_one_issue(forge):
    """Opened once, written anew with a comment when the findings change, else quiet, and closed."""
    none = hashlib.sha256().hexdigest()

    def told(findings, text=""):
        marker = "<!-- krakenstate:drift:prod:production -->"
        forge.run("drift-issue", f"{marker}\n<!-- findings:{findings} -->\n{text}\n")
        return forge.world["issues"]

    assert told(none) == []
    (opened,) = told("a" * 64, "one")
    assert (opened["title"], opened["state"]) == ("Drift of the stack prod", "open")
    assert told("a" * 64, "one, in other words") == [opened]
    (changed,) = told("b" * 64, HOSTILE)
    assert changed["body"].endswith(f"{HOSTILE}\n")
    assert len(forge.world[f"issues/{changed['number']}/comments"]) == 1
    assert [issue["state"] for issue in told(none)] == ["closed"]
    assert not list(forge.folder.glob("stolen"))
