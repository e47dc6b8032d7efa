"""JSON, indented by two, as Python's own encoder writes it: the same bytes, a part at a time.

How this works: that encoder takes no iterator, so that all rows would have to be there at once; and made anew
for each row it leaves its functions to the garbage collector, 45 MiB of them for 10,000 keys. Only brackets
and indentation are made here; names and values are that encoder's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

_text = json.JSONEncoder().encode
_ROWS_ABOVE = 2
"""An object and its fields are given row by row; what lies deeper is small, and given whole."""


def indented(value: object, level: int = 0) -> Iterator[str]:
    """The text of a JSON value that stands below so many others, in parts.

    An iterator is a list, whose rows are made one by one.
    """
    rows: Iterable[tuple[str, object]]
    if isinstance(value, Mapping):
        begin, end, rows = "{", "}", ((f"{_text(name)}: ", below) for name, below in value.items())
    elif isinstance(value, list | tuple | Iterator):
        begin, end, rows = "[", "]", (("", below) for below in value)
    else:
        yield _whole(value, "")
        return
    inside = "  " * (level + 1)
    before = begin
    for name, below in rows:
        yield f"{before}\n{inside}{name}"
        if level + 1 < _ROWS_ABOVE:
            yield from indented(below, level + 1)
        else:
            yield _whole(below, inside)
        before = ","
    yield f"{begin}{end}" if before == begin else f"\n{'  ' * level}{end}"


def _whole(value: object, pad: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        inside = f"{pad}  "
        rows = [f"\n{inside}{_text(name)}: {_whole(below, inside)}" for name, below in value.items()]
        return f"{{{','.join(rows)}\n{pad}}}" if rows else "{}"
    if isinstance(value, list | tuple):
        inside = f"{pad}  "
        rows = [f"\n{inside}{_whole(below, inside)}" for below in value]
        return f"[{','.join(rows)}\n{pad}]" if rows else "[]"
    return _text(value)
