"""A stand-in for GitHub's command line: `gh api` on issues, comments, statuses and pulls kept in a JSON file.

Run as a program with ``GH_WORLD`` naming the file. It knows the few calls that examples/ci/github makes.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

BOT = {"login": "github-actions[bot]"}


def main(words: list[str]) -> None:
    """One call."""
    assert words.pop(0) == "api"
    method, fields, program, path = "GET", {}, None, ""
    while words:
        word = words.pop(0)
        if word == "--method":
            method = words.pop(0)
        elif word == "--field":
            name, _, value = words.pop(0).partition("=")
            fields[name] = Path(value[1:]).read_text("utf-8") if value.startswith("@") else value
        elif word == "--jq":
            program = words.pop(0)
        elif word not in {"--silent", "--paginate"}:
            path = word
    file = Path(os.environ["GH_WORLD"])
    world = json.loads(file.read_text("utf-8"))
    world["calls"].append(f"{method} {path}")
    answer = answer_to(world, method, path.partition("?")[0].removeprefix("repos/desk/accounts/"), fields)
    file.write_text(json.dumps(world), "utf-8")
    text = json.dumps(answer)
    if program:
        text = subprocess.run(
            ["jq", "--raw-output", program], input=text, capture_output=True, text=True, check=True
        ).stdout
    if method == "GET":
        sys.stdout.write(text)


def answer_to(world: dict[str, Any], method: str, path: str, fields: dict[str, str]) -> Any:
    """What GitHub would say, and what it would keep."""
    if method == "GET":
        return [i for i in world["issues"] if i["state"] == "open"] if path == "issues" else world[path]
    if match := re.fullmatch(r"issues/comments/(\d+)", path):
        row = next(c for n in world for c in world[n] if is_comment(n) and c["id"] == int(match[1]))
        row.update(fields)
        return row
    if match := re.fullmatch(r"issues/(\d+)", path):
        row = next(i for i in world["issues"] if i["number"] == int(match[1]))
        row.update(fields)
        return row
    number = 100 + len(world["calls"])
    row = {"id": number, "number": number, "user": BOT, "state": "open", **fields}
    world.setdefault(path, []).append(row)
    return row


def is_comment(name: str) -> bool:
    """Whether rows of this name are comments of an issue or a pull request."""
    return bool(re.fullmatch(r"issues/\d+/comments", name))


if __name__ == "__main__":
    main(sys.argv[1:])
