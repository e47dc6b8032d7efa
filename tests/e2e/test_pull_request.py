"""The pull request, from a stranger's clone to what was approved and no more, job by job as in a pipeline.

Each job has a checkout and a token of its own, with the policy that docs/concepts.md gives it.
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from krakenstate.model.task import TaskKind
from tests.support.cli import ROOT
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    HEADER,
    HEDGER,
    MASTER,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    Desk,
)
from tests.support.rights import JOBS, policy

EXAMPLE = ROOT / "examples" / "ci" / "github"
PLANTED = "planted-5c1e77"
PULL = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"}
PUSH = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
NO_VAULT = {"VAULT_ADDR": None, "VAULT_TOKEN": None}
MARKER = "<!-- krakenstate:plan:prod:production -->\n"
WIDER = ("roles.RECONCILIATION", "roles.RECONCILIATION | {Permission.QUERY_FUNDS, Permission.EXPORT_DATA}")
LOOKING = """
import os
above, beside = f"/proc/{os.getppid()}/environ", "../home/.vault-token"
for path in (above, "/proc/self/environ", ".git/config", ".env", beside):
    try:
        with open(path, "rb") as file:
            print("found", file.read().hex())
    except OSError:
        print("found")
print("found", repr(os.environ).encode().hex())
stack.add(Process(name="looker", owner="mallory", purpose="looks around"))
"""


def git(folder: Path, *words: str) -> str:
    """One git command of a person who is nobody in particular."""
    who = ("-c", "user.name=dev", "-c", "user.email=dev@desk.example", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


class Pipeline:
    """Jobs of a forge: each in a fresh checkout, knowing what its event says and holding its own token."""

    def __init__(self, desk: Desk, origin: Path) -> None:
        self.desk, self.origin = desk, origin
        self.tokens = {job: desk.bao.token_with(policy(name, desk.mount)) for job, name in JOBS.items()}
        self.number = 0

    def checkout(self, ref: str) -> Desk:
        """A job's working folder."""
        self.number += 1
        folder = self.origin.parent / f"job-{self.number}"
        git(self.origin.parent, "clone", "--quiet", "--branch", ref, str(self.origin), str(folder))
        job = copy.copy(self.desk)
        job.folder = folder
        return job

    def render(self, ref: str, event: dict[str, str]) -> Path:
        """The stack of a branch as data, from a job without Vault; what the pipeline passes on."""
        job = self.checkout(ref)
        job.run(
            "render",
            "prod",
            "--out",
            "desired.json",
            env={"CI": "true", "RUNNER": PLANTED, **event, **NO_VAULT},
        )
        return job.folder / "desired.json"

    def run(self, job: str, event: dict[str, str], *words: str, **more):
        """A job with credentials, on the main branch's checkout."""
        at = self.checkout("main")
        done = at.run(*words, env={"CI": "true", **event, "VAULT_TOKEN": self.tokens[job]}, **more)
        return at.folder, done

    def step(self, workflow: str, job: str, event: dict[str, str], **more: Path | str) -> Path:
        """The step of a job of examples/ci/github that logs in, as it stands there; its folder.

        Its variables come from ``more``, and the files whose names it expects.
        """
        at = self.checkout("main")
        about = YAML(typ="safe").load(EXAMPLE / ".github" / "workflows" / f"krakenstate-{workflow}.yml")
        (run,) = [s["run"] for s in about["jobs"][job]["steps"] if "ci/with-vault" in s.get("run", "")]
        for name, value in more.items():
            if isinstance(value, Path):
                place = at.folder / {"theirs": "from-the-pull-request/desired.json"}.get(name, f"{name}.json")
                place.parent.mkdir(exist_ok=True)
                shutil.copy(value, place)
        (at.folder / "ci").mkdir()
        login = at.folder / "ci" / "with-vault"
        login.write_text('#!/bin/sh\ntest "$1" = "$ROLE" && shift && exec "$@"\n')
        login.chmod(0o755)
        variables = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "CI": "true",
            "ROLE": f"krakenstate-{'observe' if job == 'drift' else job}",
            "VAULT_TOKEN": self.tokens[{"settle": "apply", "drift": "observe"}.get(job, job)],
            **event,
            **{f"GITHUB_{name}": str(at.folder / name.lower()) for name in ("OUTPUT", "STEP_SUMMARY")},
            **about["env"],
            **{name: value for name, value in more.items() if isinstance(value, str)},
        }
        done = subprocess.run(
            ["bash", "-e", "-c", run],
            cwd=at.folder,
            env=at.environment(variables),
            capture_output=True,
            text=True,
            check=False,
        )
        self.desk.said += [done.stdout, done.stderr]
        assert done.returncode == 0, done.stdout + done.stderr
        return at.folder


def output(folder: Path, name: str) -> str:
    """What a step told the jobs after it."""
    lines = (folder / "output").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)[name]


def standing(desk: Desk) -> list[str]:
    """A desk with two keys in service and nothing to do; the secrets that nobody may see."""
    desk.run("init")
    desk.run(*APPLY)
    pnl = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    hedger = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER])
    desk.hand_in("spot_key.pnl", pnl, *AT_RUNNER)
    desk.hand_in("derivatives_key.hedger", hedger, *AT_RUNNER)
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)
    return [json.loads(made)["api_secret"] for made in (pnl, hedger)]


def test_what_a_stranger_proposes_is_shown_approved_and_carried_out_exactly(new_desk):
    """No secret is readable on the way; one digest from pull request to apply; no other, and none twice."""
    desk = new_desk(HEADER + PNL + HEDGER)
    secrets = [*standing(desk), PLANTED, desk.bao.root_token]
    root = desk.folder.parent
    origin, theirs = root / "accounts.git", root / "stranger"
    git(desk.folder, "init", "--quiet")
    git(desk.folder, "add", "stacks")
    git(desk.folder, "commit", "--quiet", "--message", "The desk")
    git(root, "clone", "--quiet", "--bare", str(desk.folder), str(origin))
    pipeline = Pipeline(desk, origin)
    before, asked = desk.vault(), desk.signed_calls()

    # a stranger's clone: a right more, and a stack that looks around
    git(root, "clone", "--quiet", str(origin), str(theirs))
    git(theirs, "switch", "--quiet", "--create", "more")
    file = theirs / "stacks" / "prod.py"
    file.write_text(file.read_text(encoding="utf-8").replace(*WIDER) + LOOKING, encoding="utf-8")
    git(theirs, "commit", "--quiet", "--all", "--message", "One right more")
    git(theirs, "push", "--quiet", "origin", "more")

    # the pull request: rendered without secrets, planned with the program of the base branch
    desired = pipeline.render("more", PULL)
    job = pipeline.step("pull-request", "plan", PULL, theirs=desired)
    comment = (job / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith(MARKER)
    assert "`spot_key.pnl` **GAINS** export-data" in comment
    digest = output(job, "plan_digest")
    assert digest in comment
    assert (desk.vault(), desk.signed_calls()) == (before, asked)
    for words in (("plan", "prod", "--refresh=false"), ("observe", "prod", *AT_RUNNER)):
        pipeline.run("plan", PULL, *words, code=1, expect="a program that anybody")
    approved = ("--approved-digest", digest, "--desired", str(desired), *AT_RUNNER)
    pipeline.run("apply", PULL, "apply", "prod", *approved, code=1, expect="KS7056")
    pipeline.run("apply", PULL, "settle", "prod", *approved[2:], code=1, expect="KS7056")
    assert desk.vault() == before

    # merged as one commit, with a comment that nobody planned
    git(desk.folder, "pull", "--quiet", "--squash", str(origin), "more")
    with desk.stack_file.open("a", encoding="utf-8") as stack:
        stack.write("# asked for by risk\n")
    git(desk.folder, "commit", "--quiet", "--all", "--message", "One right more (#7)")
    git(desk.folder, "push", "--quiet", str(origin), "HEAD:main")

    # an hour later, on another machine, with a key that arrived meanwhile
    desk.advance(3600)
    arrived = {"data": json.loads(desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER]))}
    inbox = f"{desk.mount}/data/krakenstate/prod/inbox/hedger/derivatives_key.hedger"
    desk.bao.request("POST", inbox, arrived)
    desired = pipeline.render("main", PUSH)
    pipeline.step("merge", "observe", PUSH, desired=desired)
    job = pipeline.step("merge", "plan", PUSH, desired=desired)
    merged = job / "plan.json"
    assert (output(job, "plan_digest"), output(job, "proposals")) == (digest, "true")
    assert "**GAINS** export-data" in (job / "step_summary").read_text(encoding="utf-8")

    # the gate: what was approved, from the merged commit, once
    written = desk.lasting()
    tampered = root / "tampered.json"
    tampered.write_text(desired.read_text().replace('"export-data"', '"modify-trades"'), encoding="utf-8")
    refused = [
        ("KS7001", ("--approved-digest", "0" * 64, "--desired", str(desired), *AT_RUNNER)),
        ("KS7051", ("--approved-digest", digest, "--desired", str(tampered), *AT_RUNNER)),
    ]
    for ks, words in refused:
        pipeline.run("apply", PUSH, "apply", str(merged), *words, code=7, expect=ks)
    assert desk.lasting() == written
    pipeline.step("merge", "apply", PUSH, desired=desired, plan=merged, DIGEST=digest)
    assert "0 added, 0 changed, 0 destroyed, 1 manual pending" in "".join(desk.said[-2:])
    task = desk.tasks()[desk.task(TaskKind.EDIT_KEY, "spot_key.pnl", generation=1)]
    assert "Export data" in task["instructions"]
    assert len(desk.tasks()) == 1
    approved = ("--approved-digest", digest, "--desired", str(desired), *AT_RUNNER)
    pipeline.run("apply", PUSH, "apply", str(merged), *approved, code=7, expect="KS7052")

    # the schedule: nothing is there to take up, and nobody changed a thing elsewhere
    pipeline.step("schedule", "settle", PUSH, desired=desired)
    job = pipeline.step("schedule", "drift", PUSH, desired=desired)
    assert "**No drift." in (job / "issue.md").read_text(encoding="utf-8")

    told = "".join(desk.said) + "".join(p.read_text(encoding="utf-8") for p in root.rglob("*.json"))
    found = [bytes.fromhex(hexed) for hexed in re.findall(r"printed: found ?([0-9a-f]*)", told)]
    assert len(found) >= 6
    seen = [told.encode(), *found]
    assert [secret for secret in secrets if any(secret.encode() in data for data in seen)] == []
