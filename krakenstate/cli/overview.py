"""The overall help, laid out as typer lays out help, but without importing it or any command."""

from __future__ import annotations

import os
import sys

from krakenstate.cli.commands import ENTRIES, PANELS

ABOUT = "Kraken accounts and API keys, declared in Python, reviewed and verified."
OPTIONS = {
    "--chdir DIR": "Change to this folder first.",
    "--no-color": "No colours; works after a command too.",
    "--version": "Print the version and exit.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the installation.",
    "--help": "Show this message and exit.",
}
_WIDTH = 80


def overview(width: int) -> str:
    """The help of the program as a whole, in lines of at most that many characters."""
    sections = [("Options", OPTIONS)]
    for panel in PANELS:
        listed = {name: entry.summary for name, entry in ENTRIES.items() if entry.panel == panel}
        sections.append((f"{panel} commands", listed))
    parts = ["Usage: krakenstate [OPTIONS] COMMAND [ARGS]...", "\n".join(_wrap("  ", ABOUT, width))]
    parts += ["\n".join([f"{title}:", *_rows(rows, width)]) for title, rows in sections]
    return "\n\n".join(parts)


def help_width() -> int:
    """How wide help is made: as typer does, the terminal's width, at most 80, less a margin."""
    told = os.environ.get("COLUMNS", "")
    columns = int(told) if told.isdecimal() else 0
    if not columns:
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except (ValueError, OSError):  # no terminal
            columns = _WIDTH
    return max(min(columns, _WIDTH) - 2, 50)


def _rows(rows: dict[str, str], width: int) -> list[str]:
    """Names in a column, what they are in another, words wrapped there."""
    indent = max(map(len, rows)) + 4
    return [line for name, text in rows.items() for line in _wrap(f"  {name}".ljust(indent), text, width)]


def _wrap(line: str, text: str, width: int) -> list[str]:
    """Words after the beginning of a line, those that do not fit on further lines below them."""
    indent = len(line)
    lines = []
    for word in text.split(" "):
        if len(line) > indent and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = " " * indent
        line += word if len(line) == indent else f" {word}"
    return [*lines, line]
