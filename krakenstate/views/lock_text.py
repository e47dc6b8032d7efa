"""The lock: whose it is, what for, and until when."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from krakenstate.model.base import format_instant
from krakenstate.model.run import Lock
from krakenstate.views import values
from krakenstate.views.style import plain
from krakenstate.views.words import age

FORMAT_VERSION = "1.0"
NOT_HELD = "Nobody holds the lock."


def render_lock(lock: Lock | None, now: datetime) -> str:
    """Who holds the lock, or that nobody does, with whose lease ended if one was never given back."""
    if lock is None:
        return NOT_HELD
    is_held = lock.expires_at > now
    title = (
        f"{plain(lock.who)} holds the lock for {plain(lock.operation)}."
        if is_held
        else f"{NOT_HELD} The lease of {plain(lock.who)} for {plain(lock.operation)} has ended, and the next "
        "run takes over."
    )
    until = format_instant(lock.expires_at)
    facts = {
        "id": lock.id,
        "since": f"{format_instant(lock.created)} ({age(lock.created, now)})",
        "lease": f"until {until}, renewed while its owner works" if is_held else f"ended {until}",
        "host": lock.host,
        "run": lock.run_link or "",
        "version": f"krakenstate {lock.version}",
        "path": lock.path,
    }
    return "\n".join([title, *(f"  {name:<8} {plain(value)}" for name, value in facts.items() if value)])


def lock_json(lock: Lock | None, now: datetime) -> dict[str, JsonValue]:
    """Whether the lock is held, and its record; ``lock`` is null when it was given back."""
    return {
        "format_version": FORMAT_VERSION,
        "held": lock is not None and lock.expires_at > now,
        "lock": values.clean_object(lock.model_dump(mode="json") if lock else None),
    }
