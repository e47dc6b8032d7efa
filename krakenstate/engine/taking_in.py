"""Settlements: keys are taken in account by account, side by side; all else is done one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from krakenstate.engine.lockstep import play
from krakenstate.engine.session import Writing
from krakenstate.errors import Interrupted
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key, api_of
from krakenstate.model.plan import Action, Step
from krakenstate.model.run import Outcome
from krakenstate.model.vocabulary import SignedCall

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
    count = sum(map(len, lanes.values()))
    calls = [
        (account, api_of(s.address), SignedCall.DESCRIBE_KEY) for account, lane in lanes.items() for s in lane
    ]
    with run.session.audience.work(count, run.session.lanes.least_s(calls)) as done:
        if len(lanes) > 1:
            jobs = [partial(_take_in, run, lane, carry_out, done) for lane in lanes.values()]
            taken = [outcome for lane in play(run, jobs) for outcome in lane]
            if len(taken) < count:
                run.stop_requested()
        else:
            take = carry_out(run)
            taken = [_counted(take, step, done) for step in ready]
    outcomes = {outcome.address: outcome for outcome in taken}
    rest = carry_out(run)([step for step in ready if step.address not in outcomes])
    outcomes |= {outcome.address: outcome for outcome in rest}
    return [outcomes[step.address] for step in ready]


def _take_in(
    run: Writing,
    lane: Sequence[Step],
    carry_out: Callable[[Writing], CarryOut],
    done: Callable[[], None],
    part: Writing,
) -> list[Outcome]:
    """One account's keys, until somebody asks to stop."""
    outcomes: list[Outcome] = []
    take = carry_out(part)
    for step in lane:
        try:
            run.stop_requested()
        except Interrupted:
            break
        outcomes.append(_counted(take, step, done))
    return outcomes


def _counted(take: CarryOut, step: Step, done: Callable[[], None]) -> Outcome:
    [outcome] = take([step])
    if step.action in _TAKES_IN:
        done()
    return outcome


def _lanes(run: Writing, steps: Sequence[Step]) -> dict[Address, list[Step]]:
    """The steps that take a key in, by account. A leaked key's successor is not among them.

    Its publication is followed by questions that go past a breaker, one at a time.
    """
    found: dict[Address, list[Step]] = {}
    for step in steps:
        key, record = run.session.desired.resources.get(step.address), run.state.key(step.address)
        is_urgent = record is not None and record.rotation is not None and record.rotation.urgent
        if step.action in _TAKES_IN and isinstance(key, Key) and not is_urgent:
            found.setdefault(key.account.identity, []).append(step)
    return found
