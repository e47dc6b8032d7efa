"""Long text in an entry: compressed, as one text, since a server on integrated storage takes a MiB in one."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

_AT_ONCE = 256 * 1024


def pack(text: bytes) -> str:
    """The text, compressed, in letters that JSON takes as they are."""
    return base64.b64encode(zlib.compress(text)).decode()


def unpack(packed: object, most: int) -> Iterator[bytes]:
    """What was packed, piece by piece, so that nobody need hold all of it.

    Args:
        packed: What lies in the entry.
        most: How many bytes are believed. A text can say that it is a thousand times its own length.

    Raises:
        ValueError: It is longer, or not what was packed here.
    """
    opened = zlib.decompressobj()
    left = base64.b64decode(str(packed), validate=True)
    try:
        while not opened.eof:
            piece = opened.decompress(left, _AT_ONCE)
            left = opened.unconsumed_tail
            most -= len(piece)
            if most < 0 or not (piece or left or opened.eof):
                raise ValueError("a text that is too long, or has no end")
            yield piece
    except zlib.error as error:
        raise ValueError("not a compressed text") from error
