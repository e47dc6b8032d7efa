"""Markdown for the comments and issues of a forge.

How this works: foreign text stands in three places alone, and can leave none of them. In a code span or a
fence nothing is Markdown, HTML, a mention or a reference; :func:`prose` escapes what would be. All of it is
one line, cleaned by ``plain``, and no line begins with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from krakenstate.model.plan import DriftItem, Risk
from krakenstate.views.blocks import is_loud, ordered_risks
from krakenstate.views.plan_words import ROWS, more
from krakenstate.views.style import Mark, Paint, plain
from krakenstate.views.words import count

COMMENT_MAX = 60_000
"""Characters of a comment or an issue. GitHub takes 65,536."""
WIDTH = 100
"""Columns of a fence."""
WARNING = ":warning: "
ROW_MAX = 300
"""Characters of foreign text in one row of a list; the rest stands in the diff."""

_SPECIAL = re.compile(r"[\\`*_\[\]~|$!#]")
_SIGIL = re.compile(r"([@#!%$~])(?=[\w\"'])")
_LINK = re.compile(r"(?i)(://|\bwww\.|\bGH-|\bmailto:)")
_BREAK = "\u200b"
"""Zero width: put where a forge would see a mention, a reference or a link. Written as an entity."""


def code(text: str) -> str:
    """Foreign text as a code span: no character of it means anything."""
    inside = clipped(plain(text))
    fence = "`" * (_longest_run(inside) + 1)
    pad = " " if not inside.strip() or inside[0] in "` " or inside[-1] in "` " else ""
    return f"{fence}{pad}{inside or ' '}{pad}{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def prose(text: str) -> str:
    """Foreign text between words of ours: it reads as it is, and neither links nor calls anybody."""
    broken = _SIGIL.sub(rf"\1{_BREAK}", clipped(plain(text)))
    broken = _LINK.sub(lambda match: f"{match[0][:-1]}{_BREAK}{match[0][-1]}", broken)
    escaped = broken.replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\g<0>", escaped).replace(_BREAK, "&#8203;").strip()


def clipped(text: str) -> str:
    """At most :data:`ROW_MAX` characters, with dots where some are missing."""
    return text if len(text) <= ROW_MAX else f"{text[: ROW_MAX - 3]}..."


def word(text: str) -> str:
    """Foreign text in a marker or a file's name: letters, digits, dots, dashes; anything else is a dash."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:100]


def link(title: str, address: str | None) -> str:
    """A link, or the title alone where the address is none that can be written safely."""
    is_safe = address is not None and re.fullmatch(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+", address)
    return f"[{title}](<{address}>)" if is_safe else title


def fenced(lines: Iterable[str], language: str) -> str:
    """Lines in a fence that none of them can close."""
    text = "\n".join(lines)
    fence = "`" * fence_length(text)
    return f"{fence}{language}\n{text}\n{fence}"


def fence_length(text: str) -> int:
    """How many backticks fence a text in."""
    return max(3, _longest_run(text) + 1)


def fitting(rows: Iterable[str], room: int) -> tuple[list[str], int]:
    """As many whole rows as there is room for, line breaks included, and how many are left out."""
    kept: list[str] = []
    left = 0
    for row in rows:
        room -= len(row) + 1
        if room >= 0 and not left:
            kept.append(row)
        else:
            left += 1
    return kept, left


def section(title: str, rows: Sequence[str], room: int, most: int = ROWS) -> Iterator[str]:
    """A list under its title, of as many rows as are read and fit; nothing where there is none."""
    if rows:
        kept, _ = fitting(rows[:most], room)
        left = rows[len(kept) :]
        critical = sum(row.startswith(f"- {WARNING}") for row in left)
        yield "\n".join([f"#### {title}\n", *kept, *([f"- {more(len(left), critical)}"] if left else [])])


def risk_row(risk: Risk) -> str:
    """A risk as a row; what lets somebody do more has a sign before it."""
    mark = WARNING if is_loud(risk) else ""
    return f"- {mark}{code(risk.address)} **{risk.word.value}** {prose(risk.text)}"


def drift_row(item: DriftItem) -> str:
    """What has changed elsewhere about one address, as a row."""
    names = ", ".join(sorted(change.name for change in item.changes))
    risks = "".join(f"; {risk.word.value} {risk.text}" for risk in ordered_risks(item.risks))
    mark = WARNING if any(map(is_loud, item.risks)) else ""
    return f"- {mark}{code(item.address)} has changed: {prose(f'{names}{risks}')}"


def folded(title: str, blocks: Iterable[list[str]], room: int, rest: str) -> str:
    """Blocks in a folded fence, as many as fit; where they end it says how many are missing.

    Args:
        title: What they are together.
        blocks: Each a list of lines that :class:`DiffPaint` painted.
        room: Characters for all of it.
        rest: Where those that are missing can be read, as Markdown.
    """
    texts = ["\n".join(block) for block in blocks]
    if not texts:
        return ""
    head = f"<details><summary>{title}: {count(len(texts), 'block')}</summary>\n"
    cut = f"\n\nThis is cut here: {{}} of {len(texts)} blocks are shown. All of it: {rest}."
    room -= len(head) + len(cut) + _FRAME + 2 * max(map(fence_length, texts))
    kept, left = fitting((f"{text}\n" for text in texts), room)
    fence = fenced("\n".join(kept).rstrip("\n").split("\n"), "diff") if kept else ""
    return f"{head}\n{fence}{cut.format(len(kept)) if left else ''}\n\n</details>"


_FRAME = 60
"""Characters of the fence, the empty lines around it, and the end of the fold."""


@dataclass(frozen=True, slots=True)
class DiffPaint(Paint):
    """Puts each symbol first on its line, where a ``diff`` fence gives it its colour."""

    colour: bool = False

    def titled(self, mark: Mark, address: str, title: str) -> str:
        """The symbol, or for a person's work the address as the head of a hunk."""
        if mark.symbol == "@":
            return f"@@ {address} @@ {title}"
        return f"{_coloured(mark.symbol).ljust(3)} {title}"

    def signed(self, symbol: str, column: int, text: str) -> str:
        """The symbol, then the text where it would stand anyway."""
        return f"{_coloured(symbol)}{' ' * column} {text}".rstrip()


def _coloured(symbol: str) -> str:
    return "!" if symbol == "~" else symbol
