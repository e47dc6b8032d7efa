"""What every run begins with, and what one that only reads comes to: the state and a plan.

Nothing is written. It stands apart from ``runs.py``: a plan would import what carries plans out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from krakenstate.engine.outlook import Outlook
from krakenstate.engine.planner import HORIZON, build_plan
from krakenstate.engine.promotion import judged
from krakenstate.engine.recovery import foresee
from krakenstate.engine.scope import EVERYTHING, Scope
from krakenstate.engine.session import Session
from krakenstate.engine.work import policies_of
from krakenstate.errors import OriginMismatch, StateOfAnother
from krakenstate.model.plan import Plan
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import State


def load_state(session: Session, *, without_packs: bool = False) -> State:
    """The stack's state, made for this stack and these servers.

    Args:
        session: Of this run.
        without_packs: Whether each document is read itself, also where a copy of it would do.

    Raises:
        LineageMissing: There is none; never taken for an empty one.
        StateOfAnother: It is another stack's or environment's.
        OriginMismatch: It was initialised against other servers.
    """
    state = session.records.state.load(without_packs=without_packs)
    index, head, origins = state.index, session.desired.head, session.origins
    if (index.stack, index.environment) != (head.name, head.environment.name):
        raise StateOfAnother(
            f"The state at {session.records.state.location} was made for the stack {index.stack} in "
            f"{index.environment}; this is {head.name} in {head.environment.name}."
        )
    if (index.spot_origin, index.futures_origin) != (origins.spot, origins.futures):
        raise OriginMismatch(
            f"The state at {session.records.state.location} was initialised against {index.spot_origin} and "
            f"{index.futures_origin}; this run points at {origins.spot} and {origins.futures}. Keys of one "
            "would be invalid at the other, and count as failed authentications."
        )
    return state


def load_for_reading(session: Session) -> State:
    """The state, with what an unfinished run may have done shown as unknown. Nothing is written."""
    state = load_state(session)
    for line in foresee(session, state):
        session.audience.say(line)
    return state


def make_plan(
    session: Session,
    state: State,
    snapshot: Snapshot,
    *,
    commit: str | None = None,
    isolation: str = "process",
    horizon: timedelta = HORIZON,
    as_of: datetime | None = None,
    scope: Scope = EVERYTHING,
    now: datetime | None = None,
) -> Plan:
    """The plan, from what was read, of the whole stack or of a part, and what the policy says of it.

    It is made by the session's clock in whole seconds, as a saved plan tells them, or as of ``now``.
    """
    look = Outlook(
        desired=session.desired,
        snapshot=snapshot,
        state=state,
        now=now or session.clock().replace(microsecond=0),
        verbs=session.providers.verbs,
        policies=policies_of(session.desired, session.providers.grants),
    )
    plan = build_plan(
        look,
        version=session.version,
        commit=commit,
        isolation=isolation,
        horizon=horizon,
        as_of=as_of,
        scope=scope,
    )
    return judged(plan, look, session)
