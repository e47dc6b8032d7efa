"""The pins of a state with many documents, in pages of their own.

How this works: an index that can hold its pins holds them. One with more documents is given pages instead:
each document's pin stands on the page that a hash of its name sends it to, so that a change touches one page;
the index pins the pages as it would documents, and vouches for all through them. Pages are entries beside the
documents, called ``pins.1`` to ``pins.n``; no address ends like that.
"""

import hashlib
import re
from collections.abc import Mapping

from krakenstate.model.base import Model
from krakenstate.model.index import Index, Pin
from krakenstate.store.vault.canonical import canonical
from krakenstate.store.vault.parts import MAX_STRINGS, Part, number_of, strings_in

_STRINGS_INLINE = 4
"""The name of a document and its pin's two fields, one of them a string."""
_PINS_PER_PAGE = 256
_PAGE = re.compile(r"pins\.[1-9][0-9]*")


class Page(Model):
    """Some of a state's pins: by a document's name, its version and digest with a space between."""

    lineage: str
    name: str
    pins: dict[str, str]

    def unfold(self) -> dict[str, Pin]:
        """The pins by name.

        Raises:
            ValueError: One has another form.
        """
        found = {name: text.split(" ") for name, text in self.pins.items()}
        return {name: Pin(version=int(version), digest=digest) for name, (version, digest) in found.items()}


def is_page(name: str) -> bool:
    """Whether an entry beside the documents holds pins."""
    return _PAGE.fullmatch(name) is not None


def pages_of(index: Index, pins: Mapping[str, Pin]) -> dict[str, Part]:
    """The pages for so many pins; none where the index can hold them."""
    head = strings_in(index.model_copy(update={"documents": {}}).model_dump(mode="json"))
    if head + _STRINGS_INLINE * len(pins) <= MAX_STRINGS:
        return {}
    count = 2
    while len(pins) > _PINS_PER_PAGE * count:
        count *= 2
    shares: dict[str, dict[str, str]] = {}
    for name, pin in sorted(pins.items()):
        page = f"pins.{number_of(name, count) + 1}"
        shares.setdefault(page, {})[name] = f"{pin.version} {pin.digest}"
    return {name: _part(Page(lineage=index.lineage, name=name, pins=share)) for name, share in shares.items()}


def _part(page: Page) -> Part:
    data = page.model_dump(mode="json")
    bytes_ = canonical(data)
    return Part(data, hashlib.sha256(bytes_).hexdigest(), len(bytes_), strings_in(data))
