"""Renders every stack of ``tests/stack/hostile`` and prints what came of each, as JSON.

Run as a program, ``python -m tests.support.hostile kernel|process``, by whichever user the test chooses, with
a canary in its environment. It makes the places that the stacks attack, so that they belong to that user.
"""

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydantic

from krakenstate.errors import KrakenstateError
from krakenstate.stack import load, process
from krakenstate.stack.listening import Ending
from tests.support.cli import ROOT
from tests.support.stacks import HEADER

FOLDER = ROOT / "tests" / "stack" / "hostile"
RENDERED = (
    *("core", "differs", "endless", "forged", "halves", "imitates", "lies", "memory", "output", "poisons"),
    "stops",
)
"""Those that are judged by how ``load_stack`` ends; the others print verdicts."""

BYSTANDER = "bystander-5b7e10"
PRELUDE = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
places = json.load(open("data/places.json"))
REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAGAIN)

def verdict(word):
    os.write(1, f"verdict {word}\\n".encode())

def say_seen(value):
    os.write(1, f"seen {value!r}\\n".encode())

def call(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result

def attempt(deed):
    try:
        deed()
    except OSError as failed:
        verdict("refused" if failed.errno in REFUSALS else f"failed:{errno.errorcode.get(failed.errno)}")
    except ImportError:
        verdict("refused")
    else:
        verdict("done")

def gone_by_the_end(pid):
    os.write(1, f"left {pid}\\n".encode())
"""
"""What the stacks share. They are run one by one, and cannot import it."""


def make_project(folder: Path, bystander: int) -> Path:
    """The attacked project, and beside it a home and a neighbour."""
    project = folder / "project"
    for name in ("project/stacks", "project/data", "project/.git", "home/.ssh", "neighbour"):
        (folder / name).mkdir(parents=True)
    (project / "data" / "desks.csv").write_text("mm\n")
    for name in ("project/.env", "project/.git/config", "home/.ssh/key", "neighbour/secret", "home/notes"):
        (folder / name).write_text("planted-3fa9\n")
    (project / "link-to-file").symlink_to(folder / "neighbour" / "secret")
    (project / "link-to-folder").symlink_to(folder / "neighbour")
    for name in ("json", "csv", "wave", "neighbour_module"):
        for place in (project, project / "stacks"):
            (place / f"{name}.py").write_text("planted = 1\n")
    with tempfile.NamedTemporaryFile(dir=folder.parent, delete=False) as temporary:
        pass
    places = {
        "bystander": bystander,
        "clone": str(ROOT / "README.md"),
        "site": pydantic.__file__,
        "project": str(project / "data" / "desks.csv"),
        "home": str(folder / "home" / "notes"),
        "tmp": temporary.name,
        "ssh": str(folder / "home" / ".ssh" / "key"),
        "neighbour": str(folder / "neighbour" / "secret"),
    }
    (project / "data" / "places.json").write_text(json.dumps(places))
    for hostile in FOLDER.glob("*.py"):
        name = hostile.stem.replace("_", "-")
        header = HEADER.replace('"prod"', f'"{name}"') + PRELUDE
        (project / "stacks" / f"{name}.py").write_text(header + hostile.read_text())
    return project


def outcome_of(file: Path, project: Path) -> dict[str, object]:
    """What one stack said, or the code with which its rendering ended."""
    name = file.stem
    if name in RENDERED:
        try:
            loaded = load.load_stack(str(file), time_max_s=0.8 if name in {"endless", "stops"} else 8.0)
        except KrakenstateError as problem:
            return {"verdicts": [problem.code], "text": str(problem)}
        text = load.dump_rendered(loaded.rendered)
        return {"verdicts": ["rendered"], "text": text}
    child = process.run_children(file, f"stacks/{file.name}", project, [0], 8.0)[0]
    text = bytes(child.printed).decode("utf-8", "replace")
    words = [line.split() for line in text.splitlines()]
    verdicts = [word[1] for word in words if word[:1] == ["verdict"]]
    verdicts += ["harmless" if is_gone(int(word[1])) else "done" for word in words if word[:1] == ["left"]]
    ending = "" if child.ending is Ending.BY_ITSELF else child.ending.value
    report = child.report.decode("utf-8", "replace")
    standing = {"isolation": child.isolation.kind, "reason": child.isolation.reason}
    return {"verdicts": verdicts, "text": text + report, "ending": ending, **standing}


def is_gone(pid: int) -> bool:
    """Whether a killed process ends, which takes a moment; one that waits to be reaped has ended."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def main() -> None:
    """Renders them all, three at a time."""
    process.CONFINED = sys.argv[1] == "kernel"
    with tempfile.TemporaryDirectory() as outer:
        bystander = subprocess.Popen(["sleep", "60"], env={"BYSTANDER": BYSTANDER})
        try:
            folder = Path(outer).resolve() / "desk"
            folder.mkdir()
            project = make_project(folder, bystander.pid)
            before = set(folder.rglob("*"))
            files = sorted((project / "stacks").glob("*.py"))
            files = [file for file in files if (FOLDER / f"{file.stem.replace('-', '_')}.py").is_file()]
            with ThreadPoolExecutor(3) as pool:
                outcomes = pool.map(lambda file: outcome_of(file, project), files)
                result = {
                    file.stem.replace("-", "_"): told for file, told in zip(files, outcomes, strict=True)
                }
            left = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - before)
        finally:
            bystander.kill()
            bystander.wait()
    sys.stdout.write(json.dumps({"stacks": result, "left": left}))


if __name__ == "__main__":
    main()
