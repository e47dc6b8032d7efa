"""The published secrets that an observation opens, and what metadata tells of the others.

How this works: a lane waits for its key's answer, so the secret of its next key is read meanwhile, by two
threads besides those of the lanes: one ahead per lane, and only of a key that may be asked. It is opened when
that key's turn has come and it may be asked still; what nobody has begun to read is read then. What metadata
tells of a key comes with its secret; of all other keys it is asked for in one call, where one can tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Self, TypeVar

from krakenstate.engine.session import Session
from krakenstate.engine.side_by_side import AT_MOST, Ahead, Later
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.state import State
from krakenstate.secret.base import Held, Kept, Slot

T = TypeVar("T")

READERS = 2
"""Threads that read ahead. A lane whose secret neither has begun to read reads it itself, so a slow store is
asked by as many as there are lanes. With eight an observation of 32 accounts took a tenth longer, measured:
they take the processor from each other and from the lanes.
"""


class Secrets:
    """Of one observation. Safe to share between its lanes, each of which has keys of its own.

    Args:
        session: The run.
        state: What is recorded of the keys.
        is_asked: Whether a key will be asked for certain, as far as nothing happens meanwhile.
    """

    def __init__(self, session: Session, state: State, is_asked: Callable[[Key], bool]) -> None:
        self._session = session
        self._state = state
        self._is_asked = is_asked
        self._ahead = Ahead(READERS)
        self._coming: dict[Slot, Later[Kept | None]] = {}
        self._held: Mapping[Slot, Held | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ahead.end()

    def read_first(self, asked: Iterable[Key]) -> None:
        """Begins to read what the lanes that start at once ask first."""
        first: dict[Address, Key] = {}
        for key in asked:
            first.setdefault(key.account.identity, key)
        for account in sorted(first)[:AT_MOST]:
            self.read_ahead(first[account])

    def read_ahead(self, key: Key | None) -> None:
        """Begins to read the secret of the key that a lane asks next, if there is one."""
        record = self._state.key(key.address) if key else None
        if key is None or record is None or not self._is_asked(key):
            return
        slot = self._session.shelf(record)
        if slot not in self._coming:
            self._coming[slot] = self._ahead.ask(partial(self._session.custody.open_published, slot))

    def look(self, asked: Collection[Address]) -> None:
        """Asks what metadata tells of every published secret but of those keys that are asked."""
        keys = (key for key in self._session.desired.of(Key) if key.address not in asked)
        records = (self._state.key(key.address) for key in keys)
        shelves = [self._session.shelf(record) for record in records if record and record.published]
        self._held = (self._session.custody.held_at_once(shelves) if shelves else None) or {}

    def meanwhile(self, question: Callable[[], T]) -> Later[T]:
        """The answer to another question to the store, which can be asked while lanes wait for Kraken."""
        return self._ahead.ask(question)

    def open(self, slot: Slot) -> Kept | None:
        """The secret, read already or read now.

        Raises:
            KrakenstateError: As ``CredentialStore.open_published``.
        """
        coming = self._coming.pop(slot, None)
        return coming.result() if coming is not None else self._session.custody.open_published(slot)

    def told(self, slot: Slot) -> Held | None:
        """What metadata alone tells of a published secret."""
        return self._held[slot] if slot in self._held else self._session.custody.held(slot)
