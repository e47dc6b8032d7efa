"""Canonical JSON (RFC 8785) of what the state holds, at the speed of Python's own encoder.

Where all text is ASCII and no number is a fraction, Python's encoder with sorted keys and no spaces writes
the bytes that the RFC asks for, a hundred times faster than code that follows it step by step. The state's
models have no fractions; a document that somebody gave one is not what krakenstate wrote, and its digest says
so. Other text goes the long way.
"""

from __future__ import annotations

import json
from typing import Any

import rfc8785


def canonical(data: dict[str, Any]) -> bytes:
    """The canonical bytes.

    Raises:
        ValueError: It has none, or is none of ours.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return text.encode() if text.isascii() else rfc8785.dumps(data)
