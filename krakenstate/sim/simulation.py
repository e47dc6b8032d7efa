"""A running world: its data, its clock, the file it is kept in, and the record of its calls."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from krakenstate.sim.clock import SimClock
from krakenstate.sim.store import WorldStore
from krakenstate.sim.world import MAX_CALLS_KEPT, Call, World, fingerprint

Platform = Literal["spot", "derivatives"]
FAULT_IN_EFFECT: ContextVar[str | None] = ContextVar("FAULT_IN_EFFECT", default=None)


@dataclass(frozen=True)
class Request:
    """What an API handler needs of an HTTP request. `path` and `query` are as sent, still percent-encoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def signed_path(self) -> str:
        """The path with the query string, if there is one."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass
class CallNotes:
    """What a handler learnt about a call, for the call log."""

    public: str | None = None
    nonce: int | None = None


class Simulation:
    """One world being served. Handlers change it without awaiting, so each call is atomic."""

    def __init__(self, store: WorldStore, clock: SimClock | None = None) -> None:
        self.store = store
        self.world: World = store.load()
        self.clock = clock or SimClock(self.world.clock_offset_s)

    def now(self) -> datetime:
        """The simulated instant."""
        return self.clock.now()

    def record(self, platform: Platform, request: Request, notes: CallNotes, outcome: str) -> None:
        """Add a call to the log; the oldest ones give way."""
        self.world.calls_made += 1
        self.world.calls.append(Call(
            n=self.world.calls_made, at=self.now(), platform=platform, method=request.method,
            path=request.signed_path, key_last4=notes.public[-4:] if notes.public else None,
            key_fingerprint=fingerprint(notes.public) if notes.public else None,
            egress=self.world.egress, nonce=notes.nonce, outcome=outcome,
            fault=FAULT_IN_EFFECT.get(),
        ))  # fmt: skip
        del self.world.calls[:-MAX_CALLS_KEPT]

    def save(self) -> None:
        """Write the world to its file."""
        self.world.clock_offset_s = self.clock.offset_s
        self.store.save(self.world)
