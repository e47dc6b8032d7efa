"""Handing in the keys of an account one after another: which key is meant, and what became of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from krakenstate.model.run import Effect, Outcome
from krakenstate.model.state import KeyRecord
from krakenstate.model.task import Task
from krakenstate.model.terms import KeyTerms
from krakenstate.views.style import DEFAULT_WIDTH, plain, wrap
from krakenstate.views.words import count

_WORDS = {
    Effect.PUBLISHED: "published",
    Effect.WAITING: "in quarantine",
    Effect.REJECTED: "rejected",
    Effect.FAILED: "not stored",
}


def describe_awaited(
    record: KeyRecord, task: Task, account: str, place: str, *, width: int = DEFAULT_WIDTH
) -> str:
    """``1 of 3: spot_key.pnl, key "pnl-g1" on account desk, for risk``, and below it what was approved."""
    name = f'key "{record.key_name}"' if record.key_name else "key"
    lines = wrap(f"{place}: {record.address}, {name} on account {account}, for {task.assignee}", width, "")
    lines += wrap("; ".join(_terms(record.terms)), width, "    ")
    if record.candidate is not None:
        held = f"(...{record.candidate.last_four}) is in quarantine already"
        lines += wrap(f"A key {held}{': ' if task.rejection else ''}{task.rejection}", width, "    ")
    return "\n".join(plain(line) for line in lines)


def hand_in_complete(account: str, outcomes: Sequence[Outcome], skipped: int, refused: int = 0) -> str:
    """``Account desk: 2 published, 1 in quarantine, 1 skipped.``"""
    counts = Counter(outcome.effect for outcome in outcomes)
    parts = [f"{counts[effect]} {word}" for effect, word in _WORDS.items() if counts[effect]]
    parts += [f"{skipped} skipped"] if skipped else []
    parts += [f"{count(refused, 'line')} refused"] if refused else []
    return f"Account {plain(account)}: {', '.join(parts) or 'nothing handed in'}."


def _terms(terms: KeyTerms) -> list[str]:
    """What was approved, in short; what is not managed is left out."""
    told = []
    if terms.permissions is not None:
        told.append(f"permissions {', '.join(terms.permissions) or 'none'}")
    told += [f"general {terms.general}"] if terms.general else []
    told += [f"transfer {terms.transfer}"] if terms.transfer else []
    if terms.networks is not None:
        told.append(f"from {', '.join(map(str, terms.networks)) or 'anywhere'}")
    told += [f"expires {terms.expires}"] if terms.expires else []
    return told or ["nothing of it is managed"]
