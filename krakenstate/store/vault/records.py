"""Single records in the key-value store: read as a model, written over whatever version is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pydantic import ValidationError

from krakenstate.errors import KrakenstateError, StateDamaged, VaultConflict
from krakenstate.model.base import Model, lighten
from krakenstate.store.base import Entry, KeyValue

M = TypeVar("M", bound=Model)
T = TypeVar("T")
AT_ONCE = 8
"""Documents that are read or written at the same time."""
ATTEMPTS = 25
"""How often a write is tried again that lost to another writer; losing so often in a row is no accident."""


def side_by_side(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What the jobs return, in order; several are done at the same time. Raises what the first one raised."""
    if len(jobs) < 2:
        return [job() for job in jobs]
    with ThreadPoolExecutor(min(AT_ONCE, len(jobs)), "store") as pool:
        return [done.result() for done in [pool.submit(job) for job in jobs]]


def parse(cls: type[M], entry: Entry, path: str, error: type[KrakenstateError] = StateDamaged) -> M:
    """The entry's data as a model.

    Raises:
        StateDamaged: It has another form (or ``error``, where the caller has a better name for that).
    """
    try:
        found = cls.model_validate(entry.data)
    except ValidationError as problem:
        fields = sorted({".".join(str(part) for part in e["loc"]) or "it" for e in problem.errors()})
    else:
        return lighten(found)
    raise error(
        f"{path} is not what krakenstate wrote there: {', '.join(fields[:5])} cannot be read.",
        next_step=f"See its history: bao kv metadata get {path}",
    )


def update(kv: KeyValue, path: str, change: Callable[[Entry | None], dict[str, Any] | None]) -> None:
    """Replaces an entry by what ``change`` makes of it, trying again when another writer was faster.

    Args:
        kv: Where.
        path: Below the mount.
        change: From what is there to what shall be there; ``None`` leaves it alone.

    Raises:
        VaultConflict: Others were faster every time.
    """
    for attempt in range(ATTEMPTS):
        entry, version = kv.look(path)
        data = change(entry)
        if data is None:
            return
        try:
            kv.write(path, data, version)
        except VaultConflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return
