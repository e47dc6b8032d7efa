"""Python source as a formatter leaves it: calls and lists on one line where they fit, else an item a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from krakenstate.stack.text import clean

WIDTH = 88
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Group:
    """A call, a list or a set: what opens it, its items, and what closes it.

    Args:
        opening: ``SpotKey(`` or ``[``.
        items: Each with its keyword in front of it, or an empty text.
        closing: ``)``, ``]`` or ``}``.
    """

    opening: str
    items: tuple[tuple[str, Node], ...]
    closing: str


Node = str | Group


def call(name: str, /, *arguments: Node, **keywords: Node | None) -> Group:
    """A call; keywords that are ``None`` are left out."""
    items = [("", argument) for argument in arguments]
    items += [(f"{name}=", value) for name, value in keywords.items() if value is not None]
    return Group(f"{name}(", tuple(items), ")")


def listed(items: Iterable[Node], brackets: str = "[]") -> Group:
    """A list, or a set with other brackets."""
    return Group(brackets[0], tuple(("", item) for item in items), brackets[1])


def quoted(text: str) -> str:
    """A cleaned text as a literal, in the quotes a formatter prefers; whatever it holds, it stays one."""
    literal = json.dumps(clean(text), ensure_ascii=False)
    if '"' in text and "'" not in text:
        return "'" + literal[1:-1].replace('\\"', '"') + "'"
    return literal


def statement(node: Node, *, target: str = "", comments: Sequence[str] = ()) -> str:
    """A line of a module, or several, with comments above."""
    start = f"{target} = " if target else ""
    return "\n".join([*(f"# {line}" for line in comments), start + _render(node, "", len(start))])


def _render(node: Node, indent: str, before: int, after: int = 0) -> str:
    """A node's text; ``before`` and ``after`` are how much of its line others take."""
    flat = _flat(node)
    if isinstance(node, str) or before + len(flat) + after <= WIDTH:
        return flat
    inner = indent + _INDENT
    alone = len(node.items) == 1 and node.closing == ")"
    comma = "" if alone else ","
    lines = [
        f"{inner}{keyword}{_render(item, inner, len(inner) + len(keyword), len(comma))}{comma}"
        for keyword, item in node.items
    ]
    return "\n".join([node.opening, *lines, indent + node.closing])


def _flat(node: Node) -> str:
    if isinstance(node, str):
        return node
    return node.opening + ", ".join(keyword + _flat(item) for keyword, item in node.items) + node.closing
