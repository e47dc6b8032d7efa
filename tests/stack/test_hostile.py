"""Hostile stacks end as the table in docs/render.md says, as root and as an ordinary user."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pydantic
import pytest

from tests.support.cli import ROOT
from tests.support.hostile import FOLDER

CANARY = "canary-5d0b77e1"
NOBODY = 65534
PAGE = ROOT / "docs" / "render.md"
ROW = re.compile(
    r"^\| \[(?P<name>\w+)\]\(\S+/(?P=name)\.py\) \| (?P<claim>.+) \| (?P<kernel>.+) \| (?P<process>.+) \|$",
    re.MULTILINE,
)
ROWS = {row["name"]: row for row in ROW.finditer(PAGE.read_text("utf-8"))}
USERS = ("root", "user")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the table is about Linux")


@functools.cache
def ordinary_python() -> str | None:
    """An interpreter that an ordinary user can run this checkout with; root's own may lie in its home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(candidate).exists():
            try:
                done = run_as("user", candidate, "-c", "import tests.support.hostile")
            except PermissionError:
                continue
            if done.returncode == 0:
                return candidate
    return None


def run_as(user: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command with the canary in its environment, as nobody if root is not wanted."""
    libraries = Path(pydantic.__file__).parents[1]
    environment = {"PATH": os.defpath, "PYTHONPATH": f"{ROOT}:{libraries}", "VAULT_TOKEN": CANARY}
    lesser = (
        {"user": NOBODY, "group": NOBODY, "extra_groups": []} if user == "user" and not os.getuid() else {}
    )
    return subprocess.run(
        command,
        env=environment,
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
        **lesser,
    )


@functools.cache
def outcomes(user: str, isolation: str):
    """What came of all the stacks; skips where this machine cannot tell."""
    if user == "root" and os.getuid():
        pytest.skip("these tests do not run as root")
    python = sys.executable if os.getuid() or user == "root" else ordinary_python()
    if python is None:
        pytest.skip("no Python here that an ordinary user can run")
    done = run_as(user, python, "-B", "-m", "tests.support.hostile", isolation)
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    said = json.loads(done.stdout)
    if isolation == "kernel" and said["stacks"]["looks"]["isolation"] != "kernel":
        pytest.skip(f"no kernel isolation here: {said['stacks']['looks']['reason']}")
    return said


def in_groups(names):
    """Each name with each user and isolation, those that share a run on one worker."""
    return [
        pytest.param(
            user,
            isolation,
            name,
            id=f"{user}-{isolation}-{name}",
            marks=pytest.mark.xdist_group(f"hostile-{user}-{isolation}"),
        )
        for user in USERS
        for isolation in ("kernel", "process")
        for name in names
    ]


@pytest.mark.parametrize(("user", "isolation", "name"), in_groups(ROWS))
def test_a_hostile_stack_ends_as_the_table_says(user, isolation, name):
    """Each cell of the table is true for root and for an ordinary user, and nobody sees the canary."""
    told = outcomes(user, isolation)["stacks"][name]
    word = re.sub(r"\[(KS\d+)\]\(\S+\)", r"\1", ROWS[name][isolation])
    verdicts = set(told["verdicts"])
    if word.startswith("KS"):
        assert verdicts == {word}, told
        return
    assert (told["isolation"], told["ending"]) == (isolation, ""), told
    if word == "possible" or word == {"root": "possible for root", "user": "possible for users"}[user]:
        assert "done" in verdicts, told
    else:
        assert verdicts == {"harmless" if word == "harmless" else "refused"}, told


@pytest.mark.parametrize(("user", "isolation", "name"), in_groups(["left"]))
def test_nothing_is_left_on_the_disk(user, isolation, name):
    """Rendering leaves no core file, byte code or report, and under the kernel no stack leaves anything."""
    theirs = re.compile(r"home/notes\.\w+")
    left = outcomes(user, isolation)[name]
    assert [path for path in left if isolation == "kernel" or not theirs.fullmatch(path)] == []


def test_the_table_and_the_stacks_are_the_same():
    """Each stack has a row and each row a stack, whose docstring is the row's text."""
    claims = {file.stem: file.read_text().split('"""')[1].rstrip(".") for file in FOLDER.glob("*.py")}
    assert claims == {name: row["claim"] for name, row in ROWS.items()}
