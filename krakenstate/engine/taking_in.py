"""Settlements: keys are taken in account by account, side by side; all else is done one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from krakenstate.engine.lockstep import play
from krakenstate.engine.session import Writing
from krakenstate.errors import Interrupted
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.plan import Action, Step
from krakenstate.model.run import Outcome

CarryOut = Callable[[Sequence[Step]], list[Outcome]]
_TAKES_IN = {Action.INGEST, Action.VERIFY}


def settle_steps(
    run: Writing, steps: Iterable[Step], carry_out: Callable[[Writing], CarryOut]
) -> list[Outcome]:
    """What each step came to, in their order.

    Args:
        run: The run that holds the lock.
        steps: Settlements that are ready.
        carry_out: Gives what carries steps out, one after another, for the run that it is given.

    Raises:
        Interrupted: Somebody asked the run to stop; every key that was begun was finished first.
    """
    ready = list(steps)
    lanes = _lanes(run, ready)
    if len(lanes) < 2:
        return carry_out(run)(ready)
    taken = [
        outcome
        for lane in play(run, [partial(_take_in, run, lane, carry_out) for lane in lanes])
        for outcome in lane
    ]
    if len(taken) < sum(map(len, lanes)):
        run.stop_requested()
    outcomes = {outcome.address: outcome for outcome in taken}
    rest = carry_out(run)([step for step in ready if step.address not in outcomes])
    outcomes |= {outcome.address: outcome for outcome in rest}
    return [outcomes[step.address] for step in ready]


def _take_in(
    run: Writing, lane: Sequence[Step], carry_out: Callable[[Writing], CarryOut], part: Writing
) -> list[Outcome]:
    """One account's keys, until somebody asks to stop."""
    outcomes: list[Outcome] = []
    take = carry_out(part)
    for step in lane:
        try:
            run.stop_requested()
        except Interrupted:
            break
        outcomes += take([step])
    return outcomes


def _lanes(run: Writing, steps: Sequence[Step]) -> list[list[Step]]:
    """The steps that take a key in, by account. A leaked key's successor is not among them.

    Its publication is followed by questions that go past a breaker, one at a time.
    """
    found: dict[Address, list[Step]] = {}
    for step in steps:
        key, record = run.session.desired.resources.get(step.address), run.state.key(step.address)
        is_urgent = record is not None and record.rotation is not None and record.rotation.urgent
        if step.action in _TAKES_IN and isinstance(key, Key) and not is_urgent:
            found.setdefault(key.account.identity, []).append(step)
    return list(found.values())
