"""A key-value store in memory, and one that can lose its power.

``MemoryKeyValue`` behaves as a KV version 2 mount does: versions, check-and-set, custom metadata, the last
ten versions kept. ``tests/contract/test_key_value.py`` holds it to the same suite as the real client on a
real server.
"""

from __future__ import annotations

import builtins
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import SecretStr

from krakenstate.errors import (
    KrakenstateError,
    VaultConflict,
    VaultDenied,
    VaultSealed,
    VaultUnreachable,
    WrappingTokenInvalid,
)
from krakenstate.store.base import Entry, KeyValue, Metadata

KEPT_VERSIONS = 10
T = TypeVar("T")


@dataclass
class _Kept:
    version: int = 0
    custom: dict[str, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    keeps: int = 0
    written: dict[int, str] = field(default_factory=dict)


class MemoryKeyValue:
    """``store.base.KeyValue`` in a dictionary. Safe to share between threads.

    ``keeps`` is how many versions the mount keeps.
    """

    def __init__(self, keeps: int = KEPT_VERSIONS) -> None:
        self._mutex = threading.Lock()
        self._keeps = keeps
        self._entries: dict[str, _Kept] = {}
        self._writes = itertools.count()

    def read(self, path: str, version: int | None = None) -> Entry | None:
        kept = self._entries.get(path)
        wanted = kept.version if kept and version is None else version
        if kept is None or wanted not in kept.texts:
            return None
        written_at = kept.written[wanted]
        data = json.loads(kept.texts[wanted])
        return Entry(data=data, version=wanted, written_at=written_at, custom=dict(kept.custom))

    def look(self, path: str) -> tuple[Entry | None, int]:
        kept = self._entries.get(path)
        return self.read(path), kept.version if kept else 0

    def heads(self, folder: str) -> dict[str, Metadata] | None:
        inside = {p: self.metadata(p) for p in tuple(self._entries) if p.startswith(f"{folder}/")}
        return {p.removeprefix(f"{folder}/"): head for p, head in inside.items() if head}

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        text = json.dumps(dict(data))
        with self._mutex:
            kept = self._entries.get(path) or _Kept()
            if kept.version != cas:
                raise VaultConflict(f"{path} is at version {kept.version}, not {cas}.")
            self._entries[path] = kept
            kept.version += 1
            kept.texts[kept.version] = text
            kept.written[kept.version] = f"write {next(self._writes)}"
            oldest = kept.version - max(self._keeps, kept.keeps) + 1
            kept.texts = {version: text for version, text in kept.texts.items() if version >= oldest}
            return kept.version

    def delete(self, path: str) -> None:
        self._entries.pop(path, None)

    def list(self, path: str) -> builtins.list[str]:
        folder = f"{path}/"
        below = (p.removeprefix(folder) for p in tuple(self._entries) if p.startswith(folder))
        return sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in below})

    def metadata(self, path: str) -> Metadata | None:
        kept = self._entries.get(path)
        if kept is None:
            return None
        return Metadata(
            version=kept.version,
            custom=dict(kept.custom),
            gone=kept.version not in kept.texts,
            keeps=kept.keeps,
            written_at=kept.written.get(kept.version, ""),
        )

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        kept = self._entries.setdefault(path, _Kept())
        kept.custom = {**(kept.custom if before is None else before), **custom}

    def keep_versions(self, path: str, count: int) -> None:
        self._entries.setdefault(path, _Kept()).keeps = count

    def unwrap(self, token: SecretStr) -> dict[str, Any]:
        """Nothing was ever wrapped here."""
        raise WrappingTokenInvalid("This store knows no wrapping token.")

    @property
    def paths(self) -> builtins.list[str]:
        """Every entry there is."""
        return sorted(self._entries)

    def everything(self, *, apart_from: Callable[[str], bool] = lambda _path: False) -> str:
        """All data of all versions, and all metadata, as one text to search."""
        return "\n".join(
            f"{path} {kept.custom} {text}"
            for path, kept in self._entries.items()
            if not apart_from(path)
            for text in kept.texts.values()
        )


class PowerCut(BaseException):
    """The machine went off: nothing of the run goes on, and nothing it holds can be given back."""


Watch = Callable[[str, str, Mapping[str, Any]], bool]


class MemoryAdministration:
    """Policies and roles in memory, for a token that may do everything; tests/e2e has the real server."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def read(self, place: str, like: str) -> str | None:
        """Whatever stands there; it has the form it was written in."""
        del like
        return self.held.get(place)

    def write(self, place: str, text: str) -> None:
        """Kept as it is."""
        self.held[place] = text

    def delete(self, place: str) -> None:
        """Removing nothing is fine."""
        self.held.pop(place, None)

    def lacking(self, places: Sequence[str]) -> builtins.list[str]:
        """Nothing."""
        del places
        return []


class Mains:
    """A key-value store whose user can lose its power at a write.

    ``watch(moment, path, data)`` is asked ``before`` and ``after`` each write; when it says yes the power is
    gone until ``restore``: every call raises ``PowerCut``, so that what ``finally`` blocks try comes to
    nothing either, as after SIGKILL.
    """

    def __init__(self, inner: KeyValue) -> None:
        self.inner = inner
        self.watch: Watch | None = None
        self.is_off = False

    def restore(self) -> None:
        """The power is back, and nobody watches."""
        self.watch, self.is_off = None, False

    def read(self, path: str, version: int | None = None) -> Entry | None:
        return self._live.read(path, version)

    def look(self, path: str) -> tuple[Entry | None, int]:
        return self._live.look(path)

    def heads(self, folder: str) -> dict[str, Metadata] | None:
        return self._live.heads(folder)

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        live = self._live
        self._look("before", path, data)
        version = live.write(path, data, cas)
        self._look("after", path, data)
        return version

    def delete(self, path: str) -> None:
        self._live.delete(path)

    def list(self, path: str) -> builtins.list[str]:
        return self._live.list(path)

    def metadata(self, path: str) -> Metadata | None:
        return self._live.metadata(path)

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        self._live.write_metadata(path, custom, before)

    def keep_versions(self, path: str, count: int) -> None:
        self._live.keep_versions(path, count)

    @property
    def _live(self) -> KeyValue:
        if self.is_off:
            raise PowerCut
        return self.inner

    def _look(self, moment: str, path: str, data: Mapping[str, Any]) -> None:
        if self.watch is not None and self.watch(moment, path, data):
            self.is_off = True
            raise PowerCut


FAILURES: dict[str, type[KrakenstateError]] = {
    "unreachable": VaultUnreachable,
    "sealed": VaultSealed,
    "denied": VaultDenied,
    "lost": VaultUnreachable,
}
"""How a call can fail. ``lost``: it took effect, and its answer never came."""


class Unreliable:
    """A key-value store whose so-manyth call from now fails, and some that follow."""

    def __init__(self, inner: KeyValue) -> None:
        self._inner = inner
        self.mend()

    def mend(self) -> None:
        """Every call works again."""
        self._failure, self._first, self._last, self._number = "", 0, 0, 0

    def fail(self, failure: str, number: int, times: int = 1) -> None:
        """The call of that number from now, the first being 0, fails so, and ``times - 1`` after it."""
        self._failure, self._first, self._last, self._number = failure, number, number + times - 1, -1

    def read(self, path: str, version: int | None = None) -> Entry | None:
        return self._call(lambda: self._inner.read(path, version))

    def look(self, path: str) -> tuple[Entry | None, int]:
        return self._call(lambda: self._inner.look(path))

    def heads(self, folder: str) -> dict[str, Metadata] | None:
        return self._call(lambda: self._inner.heads(folder))

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        return self._call(lambda: self._inner.write(path, data, cas))

    def delete(self, path: str) -> None:
        self._call(lambda: self._inner.delete(path))

    def list(self, path: str) -> builtins.list[str]:
        return self._call(lambda: self._inner.list(path))

    def metadata(self, path: str) -> Metadata | None:
        return self._call(lambda: self._inner.metadata(path))

    def keep_versions(self, path: str, count: int) -> None:
        self._call(lambda: self._inner.keep_versions(path, count))

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        self._call(lambda: self._inner.write_metadata(path, custom, before))

    def _call(self, call: Callable[[], T]) -> T:
        self._number += 1
        if not self._failure or not self._first <= self._number <= self._last:
            return call()
        if self._failure == "lost":
            call()
        raise FAILURES[self._failure]("The call failed, as this test wants it.")
