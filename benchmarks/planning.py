"""Planning alone, in this process: a settled desk against one deepdiff of the same records."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime
from pathlib import Path

from deepdiff import DeepDiff

from krakenstate.engine.outlook import Outlook
from krakenstate.engine.planner import build_plan
from krakenstate.model.declarations import Key, SpotSubaccount
from krakenstate.model.desired import Desired
from krakenstate.model.identity import fingerprint
from krakenstate.model.plan import Action
from krakenstate.model.provenance import Provenance
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import (
    AccountRecord,
    AccountStatus,
    Index,
    KeyRecord,
    Published,
    State,
)
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.providers.kraken_spot.provider import VERBS
from krakenstate.stack.load import load_stack

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def settled_outlook(stack_file: Path) -> Outlook:
    """A stack whose every key is in service as declared."""
    desired = load_stack(str(stack_file)).desired
    return Outlook(
        desired=desired,
        snapshot=Snapshot(lineage="bench", stack="bench", environment="production", observed_at=NOW),
        state=_settled_state(desired),
        now=NOW,
        verbs=VERBS,
        policies={},
    )


def plan_once(look: Outlook) -> float:
    """Seconds for one plan, which must find nothing to do."""
    began = time.perf_counter()
    plan = build_plan(look, version="bench")
    took = time.perf_counter() - began
    if {step.action for step in plan.steps} != {Action.NO_OP}:
        raise RuntimeError("the settled desk is not settled")
    return took


def deepdiff_once(look: Outlook) -> float:
    """Seconds for one deepdiff of all records against a copy."""
    before = [record.model_dump(mode="json") for record in look.state.records]
    after = copy.deepcopy(before)
    began = time.perf_counter()
    if DeepDiff(before, after):
        raise RuntimeError("a copy differs")
    return time.perf_counter() - began


def _settled_state(desired: Desired) -> State:
    index = Index(
        krakenstate_version="bench",
        lineage="bench",
        serial=1,
        stack="bench",
        environment="production",
        spot_origin="https://spot.example",
        futures_origin="https://futures.example",
        created_at=NOW,
        written_at=NOW,
    )
    state = State(index, {})
    for account in desired.of(SpotSubaccount):
        state.put(
            AccountRecord(
                address=account.address,
                status=AccountStatus.EXISTS,
                email=account.email,
                username=account.username,
                master=account.master.address,
            )
        )
    for key in desired.of(Key):
        state.put(_key_record(key))
    return state


def _key_record(key: Key) -> KeyRecord:
    terms, print_ = KeyTerms.of(key), fingerprint(key.name)
    return KeyRecord(
        address=key.address,
        account=key.account.address,
        process=key.process.address,
        key_name=f"{key.name}-g1",
        terms=terms,
        published=Published(fingerprint=print_, last_four="abcd", path="kv/bench", version=1, at=NOW),
        description=KeyDescription(
            api=key.api,
            fingerprint=print_,
            last_four="abcd",
            permissions=terms.permissions,
            networks=terms.networks or (),
        ),
        described_at=NOW,
        provenance=Provenance.OBSERVED,
    )
