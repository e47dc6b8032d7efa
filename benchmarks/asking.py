"""Figures 9 and 10: how close an observation comes to what round trips and Kraken's call budget allow."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Contestant, Figure, Sample
from benchmarks.publishing import credential
from benchmarks.workshop import ROOT, Workshop
from krakenstate.cli.output import Output
from krakenstate.cli.wiring import wire
from krakenstate.engine import runs
from krakenstate.engine.labels import label_of
from krakenstate.engine.observe import observe
from krakenstate.engine.session import Session
from krakenstate.model.address import Address
from krakenstate.model.declarations import Key
from krakenstate.model.state import KeyRecord, Published, State
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.providers.kraken_spot.provider import TARIFF, SpotProvider
from krakenstate.sim.openbao import MOUNT
from krakenstate.transport.client import HttpOrigin
from krakenstate.transport.lanes import Lanes
from tests.support.simulator import simulated_kraken

ACCOUNTS, KEYS_PER_ACCOUNT = 32, 10
ROUND_TRIP_S = 0.05
CALLS = 18
MAXIMUM, DECAY_PER_S = 15, 0.33
_STACK = """\
from krakenstate import Access, Allowlist, DerivativesKey, Environment, MasterAccount, Process, Stack, Vault

stack = Stack(
    name="asking",
    environment=Environment.production(),
    vault=Vault(mount="{mount}", secrets="kraken/asking", state="krakenstate/asking"),
)
office = stack.add(Allowlist(name="office", networks=["192.0.2.0/28"]))
for a in range({accounts}):
    account = stack.add(MasterAccount(name=f"a{{a}}", email=f"a{{a}}@desk.example"))
    for k in range({keys}):
        process = stack.add(Process(name=f"p{{a}}-{{k}}", owner="desk"))
        stack.add(DerivativesKey(
            name=f"k{{a}}-{{k}}", account=account, process=process, general=Access.READ_ONLY,
            transfer=Access.NO_ACCESS, allowlist=[office]))
"""


def figures(shop: Workshop) -> Iterator[Figure]:
    """Calls in a second beside what round trips allow; seconds of a throttled run beside the formula."""
    rate = ACCOUNTS / ROUND_TRIP_S
    yield Figure(
        "9",
        f"observe of {ACCOUNTS} accounts at {ROUND_TRIP_S * 1000:g} ms answers, calls in a second, against "
        "accounts / round trip",
        0.9,
        observation(shop),
        formula("accounts / round trip", lambda: Sample(1 / rate, per_second=rate)),
        measure="per_second",
        at_least=True,
    )
    yield Figure(
        "10",
        f"{CALLS} Spot calls on one account of the lowest tier, against (calls - maximum) / decay",
        1.05,
        throttled(),
        formula("(calls - maximum) / decay", lambda: Sample((CALLS - MAXIMUM) / DECAY_PER_S)),
    )


def formula(name: str, give: Callable[[], Sample]) -> Contestant:
    """A bound that no program can beat."""
    return Contestant(name, lambda: None, give)


def observation(shop: Workshop) -> Contestant:
    """Every key asked once, its secret read from Vault before; ten keys to an account, one after another."""
    made: list[tuple[Session, State]] = []

    def prepare() -> None:
        made.append(_keys_in_service(shop))

    def run() -> Sample:
        session, state = made[-1]
        began = time.perf_counter()
        snapshot = observe(session, state)
        took = time.perf_counter() - began
        answered = sum(seen.description is not None for seen in snapshot.observations.values())
        if answered != ACCOUNTS * KEYS_PER_ACCOUNT:
            raise RuntimeError(f"{answered} keys answered")
        return Sample(took, per_second=answered / took)

    return Contestant("krakenstate observes", prepare, run)


def throttled() -> Contestant:
    """Signed calls through the lane of one account, to a simulated Kraken that counts them as Kraken does."""

    def run() -> Sample:
        with simulated_kraken() as kraken:
            kraken.people("create-account", name="desk", email="ops@desk.example", tier="starter")
            secret, account = kraken.key("desk", name="k"), Address("master_account.desk")
            with HttpOrigin(kraken.origin, user_agent="krakenstate/bench") as origin:
                spot, lanes = SpotProvider(origin), Lanes({Api.SPOT: TARIFF})
                began = time.perf_counter()
                for nonce in range(1, CALLS + 1):
                    lanes.run(
                        account,
                        Api.SPOT,
                        SignedCall.DESCRIBE_KEY,
                        lambda nonce=nonce: spot.describe_key(secret, nonce),
                    )
                took = time.perf_counter() - began
            answers = [call["outcome"] for call in kraken.calls()]
        if answers != ["ok"] * CALLS:
            raise RuntimeError(f"Kraken refused some of {answers}")
        return Sample(took)

    return Contestant("krakenstate asks within the budget", lambda: None, run)


def _keys_in_service(shop: Workshop) -> tuple[Session, State]:
    """A session against the slow server, and a state in which every key is published."""
    file = shop.folder / "work" / "asking" / "stacks" / "asking.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = _STACK.format(mount=MOUNT, accounts=ACCOUNTS, keys=KEYS_PER_ACCOUNT)
    file.write_text(text, encoding="utf-8")
    origin = shop.starts(_slow_kraken)
    environment = {
        **shop.vault.environment,
        "KRAKENSTATE_SPOT_URL": origin,
        "KRAKENSTATE_FUTURES_URL": origin,
    }
    session = wire(str(file), output=Output(), site="office", environment=environment).session
    state, _ = runs.initialise(session)
    for key in session.desired.of(Key):
        state.put(_published(session, key))
    return session, state


def _published(session: Session, key: Key) -> KeyRecord:
    secret, now = credential(key.name), session.clock()
    record = KeyRecord(
        address=key.address, account=key.account.address, process=key.process.address, terms=KeyTerms.of(key)
    )
    held = session.custody.publish(session.slot_of(key), secret, label_of(session, key, record, None))
    published = Published(
        fingerprint=secret.fingerprint, last_four=secret.last_four, path=held.path, version=1, at=now
    )
    return record.model_copy(update={"published": published})


def _slow_kraken() -> tuple[str, subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.slow_kraken", str(ROUND_TRIP_S)]
    server = subprocess.Popen(command, cwd=Path(ROOT), stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return f"http://127.0.0.1:{server.stdout.readline().strip()}", server
