"""What a run called and what it waited for, for ``--stats``: as text, and as one JSON object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from krakenstate.model.traffic import Tally, Traffic
from krakenstate.views.words import count

SYSTEMS = {"kraken": "Kraken", "vault": "Vault"}
BUDGET = "budget"
"""What ``Traffic`` calls the waits of lanes."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one run: by the wall clock, and of processors, those of its children among them."""

    elapsed_s: float
    computing_s: float


def render_stats(traffic: Traffic, spent: Spent) -> str:
    """A line per endpoint under a line per system, then the time."""
    lines = []
    for system, name in SYSTEMS.items():
        rows = {endpoint: t for (which, endpoint), t in traffic.tallies.items() if which == system}
        calls = sum(t.calls for t in rows.values())
        sent, received = (sum(getattr(t, way) for t in rows.values()) for way in ("sent", "received"))
        sizes = f"; {_size(sent)} sent, {_size(received)} received" if calls else ""
        lines.append(f"{name}: {count(calls, 'call')}{sizes}")
        wide = max(map(len, rows), default=0)
        lines += [f"  {endpoint:<{wide}}{_columns(tally)}" for endpoint, tally in rows.items()]
    waited = traffic.waited_s
    lines.append(
        f"Time: {spent.elapsed_s:.2f}s; waiting for Kraken {waited.get('kraken', 0):.2f}s, for its call "
        f"budget {waited.get(BUDGET, 0):.2f}s, for Vault {waited.get('vault', 0):.2f}s; computing "
        f"{spent.computing_s:.2f}s"
    )
    return "\n".join(lines)


def stats_json(traffic: Traffic, spent: Spent) -> dict[str, Any]:
    """The same: bytes of bodies, seconds."""
    return {
        "stats": {
            "elapsed_s": round(spent.elapsed_s, 3),
            "computing_s": round(spent.computing_s, 3),
            "waiting_s": {what: round(traffic.waited_s.get(what, 0.0), 3) for what in (*SYSTEMS, BUDGET)},
            "calls": [
                {
                    "system": system,
                    "endpoint": endpoint,
                    "calls": tally.calls,
                    "sent_bytes": tally.sent,
                    "received_bytes": tally.received,
                    "seconds": round(tally.seconds, 3),
                }
                for (system, endpoint), tally in traffic.tallies.items()
            ],
        }
    }


def _columns(tally: Tally) -> str:
    sizes = f"{_size(tally.sent):>9}  {_size(tally.received):>9}"
    return f"  {tally.calls:>6}  {sizes}  {tally.seconds:>8.2f}s"


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"
