"""Writes what is made from the code: ``docs/commands.md``, ``errors.md``, ``permissions.md``, schemas.

``python -m tools.docs`` writes them; with ``--check`` it writes nothing and fails if one is out of date.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from krakenstate.cli.app import PROGRAM, build
from krakenstate.errors import KrakenstateError, catalogue
from krakenstate.views.schemas import SCHEMAS, schema
from tools.permissions import permissions_page

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDTH = 100
_GENERATED = "<!-- Made from the code by `make docs`; edit the code, not this page. -->"

_COMMANDS_INTRODUCTION = """\
What each command prints with `--help`. Streams, exit codes and environment variables are in
[concepts](concepts.md); what a command needs from Vault is there too, under
[Vault rights](concepts.md#vault-rights)."""

_ERRORS_INTRODUCTION = """\
Every error ends with a code. An error says what happened and what to do next; this page says what is always
true of the situation. With `--json` the code stands in the error envelope on standard output, too. *Again*
says whether the same command, run again later, can succeed without anything being corrected. Exit codes are
explained in [concepts](concepts.md#exit-codes). Where an error stands for several problems of a stack, each
is printed with its own code."""

_BRANCHES = {
    "KS10": "Stack files",
    "KS11": "Declarations",
    "KS12": "What must hold between declarations",
    "KS20": "What Kraken answered",
    "KS21": "Authentication at Kraken",
    "KS22": "Hand-in",
    "KS30": "State and journal",
    "KS31": "Tasks and unknown outcomes",
    "KS40": "Vault",
    "KS50": "Policy",
    "KS51": "The built-in rules",
    "KS52": "The desk's own rules",
    "KS53": "Thresholds",
    "KS60": "The lock",
    "KS70": "Plan, approval, apply",
    "KS80": "The command line",
    "KS90": "Rehearsal, interrupts, bugs",
}


def pages() -> dict[str, str]:
    """Every generated page: its file name below ``docs/``, and its text."""
    return {
        "commands.md": commands_page(),
        "errors.md": errors_page(),
        "permissions.md": permissions_page(_GENERATED),
        **{f"schemas/{name}.json": json.dumps(schema(name), indent=2) + "\n" for name in SCHEMAS},
    }


def commands_page() -> str:
    """Each command's help, as the program prints it."""
    parts = [_GENERATED, "# Commands", _COMMANDS_INTRODUCTION]
    for path, text in helps():
        level = "##" if len(path) <= 2 else "###"
        parts += [f"{level} {' '.join(path)}", f"```text\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def helps() -> Iterator[tuple[tuple[str, ...], str]]:
    """Each command's words and its help, groups before their commands, as the front door lists them."""
    yield from _walk(build(), PROGRAM, None, (PROGRAM,))


def _walk(
    command: Any, name: str, parent: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    context = typer.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    with context:
        yield path, _tidy(command.get_help(context))
    for child, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _walk(below, child, context, (*path, child))


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def errors_page() -> str:
    """Each code with its headline, cause, remedy and exit code."""
    parts = [_GENERATED, "# Errors", _ERRORS_INTRODUCTION]
    for branch, leaves in groupby(catalogue(), key=lambda leaf: leaf.code[:4]):
        parts.append(f"## {_BRANCHES.get(branch, branch)}")
        parts += [_describe(leaf) for leaf in leaves]
    return "\n\n".join(parts) + "\n"


def _describe(leaf: type[KrakenstateError]) -> str:
    cause = inspect.cleandoc(vars(leaf).get("__doc__") or "")
    return (
        f"### {leaf.code}\n\n"
        f"**{leaf.headline}.** {_escape(cause)}\n\n"
        f"- What to do: {_escape(leaf.remedy)}\n"
        f"- Exit code {leaf.exit_code}. Again: {'yes' if leaf.retryable else 'no'}."
    )


def _escape(text: str) -> str:
    """Text of the program as Markdown shows it: nothing in it is markup, and lines flow."""
    flowing = " ".join(text.split())
    return "".join(f"\\{char}" if char in "*_<>[]" else char for char in flowing)


def main(arguments: Sequence[str]) -> int:
    """Writes the pages, or checks them; returns the exit code."""
    if [word for word in arguments if word != "--check"]:
        print("Usage: python -m tools.docs [--check]", file=sys.stderr)
        return 1
    stale = {name: text for name, text in pages().items() if _present(name) != text}
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is out of date. Run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for name, text in stale.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    print(f"Wrote {', '.join(f'docs/{name}' for name in stale)}." if stale else "Nothing to write.")
    return 0


def _present(name: str) -> str | None:
    file = DOCS / name
    return file.read_text(encoding="utf-8") if file.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
