"""Attribute values as text, and as JSON with what is never shown taken out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from pydantic import JsonValue

from krakenstate.views.style import plain, plain_lines

SENSITIVE = "(sensitive value)"
UNKNOWN = "(known after apply)"
FINGERPRINT_SHOWN = 4

_FINGERPRINT = re.compile(r"fp (?:[0-9a-f]{4}|gone)")
_SENSITIVE_NAME = re.compile(r"(?:^|_)(?:secret|password|passphrase|token|private_key|api_key)$")


def is_sensitive(name: str, value: JsonValue = None) -> bool:
    """Whether an attribute of this name is never shown; a fingerprint in its place may be."""
    if isinstance(value, str) and _FINGERPRINT.fullmatch(value):
        return False
    return _SENSITIVE_NAME.search(name) is not None


def quoted(text: str) -> str:
    """Foreign text in double quotes, on one line."""
    return json.dumps(plain(text), ensure_ascii=False)


def literal(value: JsonValue) -> str:
    """A value on one line, the way Terraform writes it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(literal(element) for element in value)}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{plain(name)} = {shown(name, leaf)}" for name, leaf in sorted(value.items()))
        return f"{{ {inside} }}" if inside else "{}"
    return json.dumps(value)


def shown(name: str, value: JsonValue) -> str:
    """An attribute's value on one line: secrets masked, fingerprints shortened."""
    if is_sensitive(name, value):
        return SENSITIVE
    if isinstance(value, str) and _FINGERPRINT.fullmatch(value):
        return value
    if name == "fingerprint" and isinstance(value, str):
        return f"fp {plain(value)[:FINGERPRINT_SHOWN]}"
    return literal(value)


def arrow(name: str, before: JsonValue, after: JsonValue) -> str:
    """``old -> new``; secrets are masked, fingerprints shortened."""
    old, new = shown(name, before), shown(name, after)
    if SENSITIVE in {old, new}:
        return SENSITIVE
    return f"{old} -> {new.removeprefix('fp ')}" if old.startswith("fp ") else f"{old} -> {new}"


def is_text_block(value: JsonValue) -> bool:
    """Whether a value is text of several lines, like a policy."""
    return isinstance(value, str) and "\n" in value.strip("\n")


def text_lines(value: JsonValue) -> list[str]:
    """The lines of such a text; none for anything else."""
    return plain_lines(value.strip("\n")) if isinstance(value, str) else []


def clean_json(value: JsonValue, name: str = "") -> JsonValue:
    """The same JSON without control characters (line breaks stay), and secrets as ``null``."""
    if value is not None and is_sensitive(name, value):
        return None
    if isinstance(value, str):
        return "\n".join(plain_lines(value)) if "\n" in value else plain(value)
    if isinstance(value, list):
        return [clean_json(element) for element in value]
    if isinstance(value, dict):
        return {plain(key): clean_json(leaf, key) for key, leaf in sorted(value.items())}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def clean_object(value: Mapping[str, JsonValue] | None) -> JsonValue:
    """:func:`clean_json` of an object that may be missing."""
    return None if value is None else clean_json(dict(value))


def sensitive_leaves(value: JsonValue) -> JsonValue:
    """``true`` at each place :func:`clean_json` masks, in the shape Terraform uses: an object, or ``{}``."""
    if not isinstance(value, dict):
        return {}
    found: dict[str, JsonValue] = {}
    for name, leaf in sorted(value.items()):
        if is_sensitive(name, leaf):
            found[plain(name)] = True
        elif isinstance(leaf, dict) and (inner := sensitive_leaves(leaf)):
            found[plain(name)] = inner
    return found


def dump(value: JsonValue) -> str:
    """JSON text as commands print it: indented, ASCII only, so that a terminal can show any of it safely."""
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)
