"""What a run asks of Vault and of Kraken, counted: by method, and by what lies at the path."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from krakenstate.store.base import Entry, KeyValue, Metadata
from tests.support.world import SECRETS, STATE

T = TypeVar("T")


class Counting:
    """A key-value store that counts its calls, each of which is one request of the real client.

    ``data`` counts what reads or writes data, ``heads`` what reads or writes metadata; by the folder below
    the stack's prefixes, a published secret being ``secrets``. ``can_scan`` is whether the server tells all
    heads at once, as OpenBao does.
    """

    def __init__(self, inner: KeyValue, *, can_scan: bool = True) -> None:
        self._inner = inner
        self._can_scan = can_scan
        self._mutex = threading.Lock()
        self.data: Counter[str] = Counter()
        self.heads_: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """All requests."""
        return self.data.total() + self.heads_.total()

    def start(self) -> None:
        """Counting begins anew."""
        self.data.clear()
        self.heads_.clear()

    def read(self, path: str, version: int | None = None) -> Entry | None:
        return self._count(self.data, path, lambda: self._inner.read(path, version))

    def look(self, path: str) -> tuple[Entry | None, int]:
        return self._count(self.data, path, lambda: self._inner.look(path))

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        return self._count(self.data, path, lambda: self._inner.write(path, data, cas))

    def delete(self, path: str) -> None:
        self._count(self.heads_, path, lambda: self._inner.delete(path))

    def list(self, path: str) -> Any:
        return self._count(self.heads_, path, lambda: self._inner.list(path))

    def metadata(self, path: str) -> Metadata | None:
        return self._count(self.heads_, path, lambda: self._inner.metadata(path))

    def heads(self, folder: str) -> dict[str, Metadata] | None:
        if not self._can_scan:
            return None
        return self._count(self.heads_, folder, lambda: self._inner.heads(folder))

    def keep_versions(self, path: str, count: int) -> None:
        self._count(self.heads_, path, lambda: self._inner.keep_versions(path, count))

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        if before is None:  # the real client reads what it merges into
            self._count(self.heads_, path, lambda: self._inner.metadata(path))
        self._count(self.heads_, path, lambda: self._inner.write_metadata(path, custom, before))

    def _count(self, counter: Counter[str], path: str, call: Callable[[], T]) -> T:
        folder = "secrets" if path.startswith(SECRETS) else path.removeprefix(f"{STATE}/").partition("/")[0]
        with self._mutex:
            counter[folder] += 1
        return call()
