"""Numbered steps as plain text: paragraphs wrapped, exact values on lines of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 100
_INDENT = " " * 4
VALUE = " " * 4
"""Before an exact value: such a line is never wrapped."""


def paragraph(text: str) -> str:
    """Wrapped to the width; words, addresses and commands are never broken."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def numbered(steps: Iterable[Sequence[str]]) -> str:
    """Steps from 1. Lines that begin with ``VALUE`` are kept as they are, the others wrapped."""
    out = []
    for number, lines in enumerate(steps, start=1):
        first = True
        for line in lines:
            if line.startswith(VALUE):
                out.append(_INDENT + line)
                continue
            lead = f"{number}.".ljust(len(_INDENT)) if first else _INDENT
            first = False
            out.append(
                textwrap.fill(
                    line,
                    WIDTH,
                    initial_indent=lead,
                    subsequent_indent=_INDENT,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    return "\n".join(out)


def comma_list(items: Sequence[str]) -> list[str]:
    """Exact values delimited by commas, on as many lines as they need; each but the last ends in a comma."""
    joined = ", ".join(items)
    wrapped = textwrap.wrap(
        joined,
        WIDTH - len(_INDENT) - len(VALUE),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [VALUE + line.replace(", ", ",") for line in wrapped]


def document(*parts: str) -> str:
    """Parts with an empty line between them, and a line break at the end."""
    return "\n\n".join(part for part in parts if part) + "\n"
