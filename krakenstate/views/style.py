"""How things look: symbols, colours, and the cleaning of foreign text."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from krakenstate.model.plan import Action, RiskWord

DEFAULT_WIDTH = 80

_SGR = {
    "bold": "1",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
}


class Mark(NamedTuple):
    """How an action is shown: its symbol, colour, legend entry, and the sentence about an address."""

    symbol: str
    colour: str
    legend: str
    sentence: str


_CREATE = Mark("+", "green", "create", "will be created")
_UPDATE = Mark("~", "yellow", "update in-place", "will be updated in-place")
_DELETE = Mark("-", "red", "destroy", "will be destroyed")
_ROTATE = Mark("+/-", "yellow", "create new, later remove old", "must be replaced")
_READ = Mark("<=", "cyan", "read during apply", "will be read during apply")
_FORGET = Mark(".", "red", "forget", "will be removed from the state but will not be destroyed")
_PERSON = Mark("@", "magenta", "a person must act", "needs a manual step")
_UNKNOWN = Mark("?", "cyan", "cannot be read now", "could not be observed; no action")

MARKS: dict[Action, Mark] = {
    Action.DELETE: _DELETE,
    Action.ROTATE: _ROTATE,
    Action.MANUAL: _PERSON,
    Action.UPDATE: _UPDATE,
    Action.CREATE: _CREATE,
    Action.FORGET: _FORGET,
    Action.INGEST: _READ,
    Action.VERIFY: _READ,
    Action.ADVANCE: _READ,
    Action.CLOSE: _READ,
    Action.WAIT: _PERSON,
    Action.UNKNOWN: _UNKNOWN,
    Action.NO_OP: Mark("", "", "", "is as declared"),
}
"""Every action's mark, in the order in which a plan shows its blocks."""

_LEAF_COLOURS = {mark.symbol: mark.colour for mark in (_CREATE, _UPDATE, _DELETE, _PERSON, _UNKNOWN)}


def shown_first(action: Action) -> int:
    """Where an action's blocks stand within a plan."""
    return tuple(MARKS).index(action)


@dataclass(frozen=True, slots=True)
class Paint:
    """Puts colour on text that is clean already, or leaves it as it is."""

    colour: bool

    def over(self, colour: str, text: str) -> str:
        """The text in that colour, or in bold type."""
        return f"\x1b[{_SGR[colour]}m{text}\x1b[0m" if self.colour and colour and text else text

    def bold(self, text: str) -> str:
        """The text in bold type."""
        return self.over("bold", text)

    def mark(self, mark: Mark) -> str:
        """An action's symbol, flush right in the three columns before a block."""
        pad = " " * (3 - len(mark.symbol))
        if mark is _ROTATE:
            return f"{pad}{self.over('green', '+')}/{self.over('red', '-')}"
        return pad + self.over(mark.colour, mark.symbol)

    def titled(self, mark: Mark, address: str, title: str) -> str:  # noqa: ARG002 - a diff names the address
        """The first line of a block that is about an address."""
        return f"{self.mark(mark)} {title}"

    def signed(self, symbol: str, column: int, text: str) -> str:
        """A line inside a block, with the symbol of what becomes of it at a column."""
        return f"{' ' * column}{self.over(_LEAF_COLOURS.get(symbol, ''), symbol)} {text}".rstrip()

    def risk(self, word: RiskWord) -> str:
        """A risk word; what lets somebody do more stands out."""
        return self.over("red" if word.is_gain else "green", word.value)


def plain(text: str) -> str:
    """Foreign text as one line that can neither steer a terminal nor pretend to be a line of ours.

    Line breaks and tabs become spaces; control, formatting and direction characters disappear; half a
    surrogate pair becomes U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return str(text)
    return "".join(_clean(character) for character in text)


def plain_lines(text: str) -> list[str]:
    """Foreign text of several lines: its ``\\n`` are kept as breaks, everything else is cleaned."""
    return [plain(line).rstrip() for line in text.replace("\r\n", "\n").split("\n")]


def _clean(character: str) -> str:
    if character in "\n\r\t\v\f\x85":
        return " "
    match unicodedata.category(character):
        case "Cc" | "Cf":
            return ""
        case "Zl" | "Zp":
            return " "
        case "Cs":
            return "\ufffd"
        case _:
            return character


_PROGRAMS = {
    "krakenstate": "apply doctor drift force-unlock import init inventory key lock observe panic plan policy "
    "render report settle show state task validate",
    "(?:bao|vault)": "kv policy read secrets write",
}
_SUBCOMMANDS = (
    "add attest cancel claim destroy enable get info ingest list metadata mv put pull rebuild revoke rm "
    "rotate settle show verify whois write"
)


def _either(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


_COMMAND = re.compile(
    rf"\b(?:{'|'.join(f'{program} {_either(words)}' for program, words in _PROGRAMS.items())})\b"
    rf"(?: (?:{_either(_SUBCOMMANDS)}|-[\w-]+|\S*[A-Z0-9._/=:\"]\S*)(?![^\s),;.:]))*"
)
"""A command with its subcommand, flags and arguments, as messages write them."""

_HARD_SPACE = "\u00a0"


def wrap(text: str, width: int, first: str, rest: str | None = None) -> list[str]:
    """One-line text in lines of at most ``width`` columns where it can be broken.

    Addresses, URLs and commands stay whole, however long they are.

    Args:
        text: Foreign or our own; it is cleaned here.
        width: Columns, prefixes included.
        first: What the first line starts with.
        rest: What every other line starts with; spaces as wide as ``first`` unless given.
    """
    held = _COMMAND.sub(lambda match: match.group().replace(" ", _HARD_SPACE), plain(text))
    lines = textwrap.wrap(
        held,
        width=max(width, 20),
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_HARD_SPACE, " ") for line in lines] or [first.rstrip()]
