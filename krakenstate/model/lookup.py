"""Where the state's records and tasks are found, kept beside its documents: no question walks them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from krakenstate.model.task import Task

if TYPE_CHECKING:
    from krakenstate.model.state import Document, Record


class Lookup:
    """The documents' contents by address, and in order; what is sorted stays so until something changes.

    Args:
        documents: By name; whoever replaces one says so with ``note``.
    """

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = documents
        self._homes: dict[str, str] = {}
        for name, document in documents.items():
            for address in document.records:
                self._homes.setdefault(address, name)
        self._records: tuple[Record, ...] | None = None
        self._tasks: tuple[Task, ...] | None = None
        self._open: dict[str, list[Task]] = {}

    def find(self, address: str) -> Record | None:
        """The record at an address, if there is one."""
        home = self._homes.get(address)
        if home is None:
            return None
        return self._documents[home].records[address]  # type: ignore[index]  # what has a home is an address

    @property
    def records(self) -> tuple[Record, ...]:
        """All records, by address."""
        if self._records is None:
            everything = (r for d in self._documents.values() for r in d.records.values())
            self._records = tuple(sorted(everything, key=lambda r: r.address))
        return self._records

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, oldest first, then by address."""
        if self._tasks is None:
            everything = (t for d in self._documents.values() for t in d.tasks.values())
            self._tasks = tuple(sorted(everything, key=lambda t: (t.opened_at, t.address, t.id)))
            self._open = {}
            for task in self._tasks:
                if task.is_open:
                    self._open.setdefault(task.address, []).append(task)
        return self._tasks

    def open_tasks(self, address: str | None) -> list[Task]:
        """Tasks somebody still has to act on, of one address or all, in the order of ``tasks``."""
        tasks = self.tasks
        return [t for t in tasks if t.is_open] if address is None else list(self._open.get(address, ()))

    def has_open_task(self, address: str) -> bool:
        """Whether somebody still has to act on a task at an address."""
        return bool(self.tasks) and address in self._open

    def note(self, name: str, before: Document) -> None:
        """A document was replaced; ``before`` is what it was."""
        after = self._documents[name]
        for address in after.records.keys() - before.records.keys():
            self._homes.setdefault(address, name)
        for address in before.records.keys() - after.records.keys():
            home = next((n for n, d in self._documents.items() if address in d.records), None)
            if home is None:
                del self._homes[address]
            else:
                self._homes[address] = home
        self._records = self._tasks = None
