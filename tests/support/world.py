"""A whole world in one process: a simulated Kraken on a real socket, a key-value store, people, one clock.

The engine runs on the program's own providers, custody and stores; only the key-value store below them is in
memory. Krakenstate and Kraken share one clock, which moves when a test moves it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from krakenstate import (
    Access,
    Allowlist,
    DerivativesKey,
    DerivativesSubaccount,
    Environment,
    Grant,
    MasterAccount,
    NonceUnit,
    Permission,
    Process,
    SpotKey,
    SpotSubaccount,
    Vault,
)
from krakenstate.engine import observe, people, reading, runs
from krakenstate.engine.apply import outlook_of
from krakenstate.engine.audience import Nobody
from krakenstate.engine.runs import Settled
from krakenstate.engine.session import Origins, Session
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.desired import Desired, StackHead
from krakenstate.model.entry import Declaration
from krakenstate.model.plan import Action, Plan, Step
from krakenstate.model.run import Outcome
from krakenstate.model.snapshot import Snapshot
from krakenstate.model.state import State
from krakenstate.model.task import Task, TaskKind
from krakenstate.model.vocabulary import Api
from krakenstate.providers.base import Providers
from krakenstate.providers.kraken_derivatives.provider import TARIFF as DERIVATIVES_TARIFF
from krakenstate.providers.kraken_derivatives.provider import DerivativesProvider
from krakenstate.providers.kraken_derivatives.verbs import VERBS as DERIVATIVES_VERBS
from krakenstate.providers.kraken_spot.provider import TARIFF as SPOT_TARIFF
from krakenstate.providers.kraken_spot.provider import SpotProvider
from krakenstate.providers.kraken_spot.verbs import VERBS as SPOT_VERBS
from krakenstate.providers.vault.custody import VaultCustody
from krakenstate.providers.vault.provider import VaultGrants
from krakenstate.providers.vault.verbs import VERBS as VAULT_VERBS
from krakenstate.secret.redactor import Redactor
from krakenstate.sim import admin
from krakenstate.sim.app import build_app
from krakenstate.sim.arrival import AbruptProtocol
from krakenstate.sim.clock import SimClock
from krakenstate.sim.server import listen
from krakenstate.sim.simulation import Simulation
from krakenstate.store.base import Records
from krakenstate.store.vault.evidence import VaultEvidence
from krakenstate.store.vault.journal import VaultJournal
from krakenstate.store.vault.ledger import VaultLedger
from krakenstate.store.vault.lock import VaultLockKeeper
from krakenstate.store.vault.snapshots import VaultSnapshots
from krakenstate.store.vault.state import VaultStateStore
from krakenstate.transport.client import HttpOrigin
from krakenstate.transport.lanes import Lanes
from tests.support.memory import Mains, MemoryAdministration, MemoryKeyValue, PowerCut, Watch
from tests.support.simulator import Nowhere

BEGINS = datetime(2026, 11, 2, 9, tzinfo=UTC)
MOUNT, SECRETS, STATE = "kv", "kraken/prod", "krakenstate/prod"
HEAD = StackHead(
    name="prod",
    environment=Environment.production(),
    vault=Vault(mount=MOUNT, secrets=SECRETS, state=STATE),
)
VERBS = {**SPOT_VERBS, **DERIVATIVES_VERBS, **VAULT_VERBS}
IIBAN = "AA12 N84G ABCD 3F5K"

RUNNER = Allowlist(name="runner", networks=["192.0.2.10"])
COLO = Allowlist(name="colo", networks=["203.0.113.7", "2001:db8:1::/64"])
DESK = MasterAccount(name="desk", email="ops@desk.example", iiban=IIBAN)
MM = SpotSubaccount(name="mm", master=DESK, username="desk-mm", email="kraken+mm@desk.example")
CARRY = DerivativesSubaccount(
    name="carry", master=DESK, email="kraken+carry@desk.example", trading_enabled=True
)
PNL = Process(name="pnl", owner="risk")
HEDGER = Process(name="hedger", owner="market-making")
PLATFORM = Process(name="krakenstate", owner="platform")
CREATOR = SpotKey(
    name="spot-creator",
    account=DESK,
    process=PLATFORM,
    controls=DESK,
    permissions={Permission.WITHDRAW_FUNDS},
    allowlist=[RUNNER],
    expires=date(2026, 12, 31),
)
CONTROLLER = DerivativesKey(
    name="derivatives-controller",
    account=DESK,
    process=PLATFORM,
    controls=DESK,
    general=Access.FULL_ACCESS,
    transfer=Access.NO_ACCESS,
    allowlist=[RUNNER],
)
BASIS: tuple[Declaration, ...] = (RUNNER, COLO, DESK, PNL, HEDGER, PLATFORM)
"""What every stack of these tests begins with."""


def spot_key(**changes: Any) -> SpotKey:
    """The key ``spot_key.pnl`` on the master, or one that differs."""
    fields: dict[str, Any] = {
        "name": "pnl",
        "account": DESK,
        "process": PNL,
        "permissions": {Permission.QUERY_FUNDS, Permission.QUERY_LEDGER},
        "allowlist": [RUNNER],
        "expires": date(2027, 6, 30),
        "nonce_unit": NonceUnit.MILLISECONDS,
    }
    return SpotKey(**{**fields, **changes})


def derivatives_key(**changes: Any) -> DerivativesKey:
    """The key ``derivatives_key.hedger`` on the master, or one that differs."""
    fields: dict[str, Any] = {
        "name": "hedger",
        "account": DESK,
        "process": HEDGER,
        "general": Access.READ_ONLY,
        "transfer": Access.NO_ACCESS,
        "allowlist": [RUNNER],
    }
    return DerivativesKey(**{**fields, **changes})


def grant(**changes: Any) -> Grant:
    """The grant of the process pnl, or one that differs."""
    return Grant(**{"name": "pnl", "process": PNL, **changes})


class Told(Nobody):
    """An audience that keeps what was said."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def say(self, line: str) -> None:
        """Kept as it was said."""
        self._said.append(line)

    def end(self, outcome: Outcome) -> None:
        """Kept as the command line would begin it."""
        self._said.append(f"{outcome.address}: {outcome.text}")

    def opened(self, task: Task) -> None:
        """Kept as the command line would say it."""
        self._said.append(f"{task.address}: task {task.id} opened for {task.assignee}: {task.kind.value}")


class HandClock:
    """A clock that moves when it is moved."""

    def __init__(self, start: datetime = BEGINS) -> None:
        self.instant = start

    def __call__(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        """Its seconds."""
        return self.instant.timestamp()

    def advance(self, **span: float) -> None:
        """Moves on by a ``timedelta``'s arguments."""
        self.instant += timedelta(**span)


class Switchboard:
    """One listening server; each world plugs its own application in."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def switchboard() -> Iterator[Switchboard]:
    """The server of this test session."""
    with listen() as listener:
        board = Switchboard(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(
            uvicorn.Config(board, log_level="critical", lifespan="off", ws="none", http=AbruptProtocol)
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield board
        finally:
            server.should_exit = True
            thread.join(10)


class World:
    """Kraken, Vault, people, and krakenstate's runs among them."""

    def __init__(self, board: Switchboard) -> None:
        self.clock = HandClock()
        self.kv = MemoryKeyValue()
        self.mains = Mains(self.kv)
        self.administration = MemoryAdministration()
        self.simulation = Simulation(Nowhere(), SimClock(0.0, real=self.clock))
        self.loses_answers_to = ""
        self.on_pull_request = False
        self.said: list[str] = []
        self.redactor = Redactor()
        self.origin = board.origin
        board.app = self._app(build_app(self.simulation, "the-people"))
        self._http = [HttpOrigin(self.origin, user_agent="krakenstate/test") for _ in range(2)]
        spot, derivatives = SpotProvider(self._http[0]), DerivativesProvider(self._http[1])
        self.providers = Providers(
            clock=spot,
            keys={Api.SPOT: spot, Api.DERIVATIVES: derivatives},
            subaccounts=spot,
            links=derivatives,
            grants=VaultGrants(),
            verbs=VERBS,
            administrator=self.administration,
        )
        self.desired = Desired(HEAD, BASIS)
        self.people("create-account", name="desk", email="ops@desk.example", iiban=IIBAN)

    def close(self) -> None:
        """Closes connections."""
        for origin in self._http:
            origin.close()

    # -- Kraken and its people -------------------------------------------------------------------------

    def people(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One deed of the simulated people."""
        return json.loads(json.dumps(admin.perform(self.simulation, operation, arguments), default=str))

    def make_key(self, key: Key, **other: Any) -> Credential:
        """Somebody makes a key as declared, apart from what ``other`` says."""
        fields: dict[str, Any] = {
            "account": key.account.email,
            "api": key.api.value,
            "ip": [str(n) for n in key.networks or ()],
        }
        if isinstance(key, SpotKey):
            fields |= {"name": f"{key.name}-g1", "permission": sorted(key.permissions or ())}
            days = {"expires": key.expires, "query_from": key.query_from, "query_to": key.query_to}
            fields |= {name: day.isoformat() for name, day in days.items() if day}
            if key.nonce_window is not None:
                fields["nonce_window"] = key.nonce_window
        if isinstance(key, DerivativesKey):
            levels = {"general": key.general, "transfer": key.transfer}
            fields |= {name: level.value for name, level in levels.items() if level}
        made = self.people("create-key", **{**fields, **other})
        return Credential(api_key=SecretStr(made["api_key"]), api_secret=SecretStr(made["api_secret"]))

    def link_carry(self) -> None:
        """Somebody signs ``carry`` up, support links it to the desk, and its owner confirms."""
        self.people("create-account", name="carry", email=CARRY.email)
        self.people("support-process", master=DESK.email, subaccount=CARRY.email)
        self.people("email-confirm", email=CARRY.email)

    def calls(self, ending: str = "", *, only: Credential | None = None) -> list[dict[str, Any]]:
        """What Kraken was asked, apart from the time."""
        return [
            call
            for call in self.people("calls")["calls"]
            if call["path"].endswith(ending)
            and not call["path"].endswith("/Time")
            and (only is None or call["key_fingerprint"] == only.fingerprint)
        ]

    # -- the stack -------------------------------------------------------------------------------------

    def declare(self, *declarations: Declaration, also: Iterable[Declaration] = BASIS) -> None:
        """Edits the stack: it now declares this, and what every stack here does."""
        self.desired = Desired(HEAD, [*also, *declarations])

    def session(self, site: str | None = "runner") -> Session:
        """What one run is given."""
        kv, clock = self.mains, self.clock
        custody = VaultCustody(
            kv,
            mount=MOUNT,
            secrets=SECRETS,
            state=STATE,
            stack=HEAD.name,
            environment=HEAD.environment.name,
            unwrap=self.kv.unwrap,
            register=self.redactor.register,
            clock=clock,
        )
        who = {"who": "ann@desk", "version": "test"}
        records = Records(
            state=VaultStateStore(kv, MOUNT, STATE, version="test"),
            locks=VaultLockKeeper(
                kv,
                MOUNT,
                STATE,
                clock=clock,
                host="desk",
                in_background=False,
                sleep=lambda s: clock.advance(seconds=s),
                **who,
            ),
            journal=VaultJournal(kv, MOUNT, STATE, clock=clock, scrub=self.redactor.scrub, **who),
            snapshots=VaultSnapshots(kv, MOUNT, STATE),
            ledger=VaultLedger(kv, MOUNT, STATE, clock=clock),
            evidence=VaultEvidence(kv, MOUNT, STATE, stack=HEAD.name),
        )
        return Session(
            desired=self.desired,
            origins=Origins(self.origin, self.origin),
            providers=self.providers,
            custody=custody,
            records=records,
            site=self.desired.site(site) if site else None,
            clock=clock,
            version="test",
            lanes=Lanes(
                {Api.SPOT: SPOT_TARIFF, Api.DERIVATIVES: DERIVATIVES_TARIFF},
                clock=clock,
                monotonic=clock.monotonic,
                sleep=lambda s: clock.advance(seconds=s),
            ),
            audience=Told(self.said),
            on_pull_request=self.on_pull_request,
        )

    # -- runs ------------------------------------------------------------------------------------------

    def initialise(self) -> None:
        """Creates the lineage."""
        runs.initialise(self.session())

    def plan(self, site: str | None = "runner") -> Plan:
        """Observes and plans, as ``krakenstate plan`` does."""
        session = self.session(site)
        state = reading.load_state(session)
        return reading.make_plan(session, state, observe.take_snapshot(session, state))

    def observe(self, site: str | None = "runner") -> Snapshot:
        """As ``krakenstate observe`` does."""
        session = self.session(site)
        return observe.take_snapshot(session, reading.load_state(session))

    def step(self, address: str, site: str | None = "runner") -> Step:
        """The one step a plan has for an address."""
        [step] = [s for s in self.plan(site).steps if s.address == address]
        return step

    def apply(self, site: str | None = "runner") -> list[Outcome]:
        """Plans and applies, as ``krakenstate apply --auto-approve`` does."""
        with self.writing("apply", site) as run:
            snapshot = observe.take_snapshot(run.session, run.state)
            plan = runs.build_plan(outlook_of(run, snapshot), version="test")
            return runs.apply(run, snapshot, plan)

    def settle(self, site: str | None = "runner") -> Settled:
        """As ``krakenstate settle`` does."""
        with self.writing("settle", site) as run:
            return runs.settle(run)

    def hand_in(self, address: str, credential: Credential, site: str | None = "runner") -> Outcome:
        """As ``krakenstate key ingest`` does."""
        session = self.session(site)
        key = runs.expect_hand_in(session, address)
        outcome = runs.hand_in(session, key, credential, stored=lambda _path: None, wait_s=0)
        assert outcome is not None
        return outcome

    def leave_in_inbox(self, process: str, address: str, fields: Credential | dict[str, Any]) -> str:
        """An operator puts something into the inbox; its path comes back."""
        path = f"{STATE}/inbox/{process}/{address}"
        head = self.kv.metadata(path)
        self.kv.write(path, halves(fields) if isinstance(fields, Credential) else fields,
                      head.version if head else 0)  # fmt: skip
        return path

    def attest(self, kind: TaskKind, address: str) -> Task:
        """A person's word, as ``krakenstate task attest`` takes it."""
        with self.writing("task attest", None) as run:
            return people.attest(run, self._open(run.state, kind, address), "ann", "done")

    def answer(self, address: str, *, created: bool) -> Task:
        """A person's answer, as ``krakenstate task settle`` takes it."""
        with self.writing("task settle", None) as run:
            task = self._open(run.state, TaskKind.SETTLE_UNKNOWN, address)
            return people.settle_unknown(run, task, created=created)

    def writing(self, operation: str, site: str | None = "runner") -> Any:
        """A run that holds the lock."""
        return runs.writing(self.session(site), operation, wait_s=0)

    def put_in_service(self, key: Key) -> Credential:
        """Declared, applied, made, handed in and published."""
        if key.address not in self.desired.resources:
            self.declare(*self.desired.resources.values(), key, also=())
        self.apply()
        credential = self.make_key(key)
        outcome = self.hand_in(key.address, credential)
        assert outcome.effect == "published", outcome
        return credential

    def cut_power_at(self, watch: Watch, run: Callable[[], object]) -> None:
        """Runs until ``watch`` cuts the power; afterwards it is back, and the dead run's lease has ended."""
        self.mains.watch = watch
        with pytest.raises(PowerCut):
            run()
        self.mains.restore()
        self.clock.advance(minutes=2)

    # -- what is -----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state as the next run would read it."""
        return self.session().records.state.load()

    def open_tasks(self, address: str | None = None) -> list[TaskKind]:
        """The kinds of the open tasks, sorted."""
        return sorted(task.kind for task in self.state.open_tasks(address))

    def task(self, kind: TaskKind, address: str) -> Task:
        """The only open task of a kind at an address."""
        return self._open(self.state, kind, address)

    def published(self, process: str, address: str) -> dict[str, Any] | None:
        """What lies at a process's path."""
        return self._data(f"{SECRETS}/{process}/{address}")

    def quarantine(self, process: str, address: str) -> dict[str, Any] | None:
        """What lies in quarantine."""
        return self._data(f"{STATE}/quarantine/{process}/{address}")

    def inbox(self, process: str, address: str) -> dict[str, Any] | None:
        """What lies in the inbox."""
        return self._data(f"{STATE}/inbox/{process}/{address}")

    def _data(self, path: str) -> dict[str, Any] | None:
        entry = self.kv.read(path)
        return entry.data if entry else None

    @staticmethod
    def _open(state: State, kind: TaskKind, address: str) -> Task:
        [task] = [t for t in state.open_tasks(address) if t.kind is kind]
        return task

    def _app(self, inner: ASGIApp) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if self.loses_answers_to and scope["path"].endswith(self.loses_answers_to):
                await inner(scope, receive, _nowhere)
                await send({"type": "http.response.start", "status": 504, "headers": []})
                await send({"type": "http.response.body", "body": b"gateway timeout"})
                return
            await inner(scope, receive, send)

        return app


async def _nowhere(_message: Message) -> None:
    """Where a lost answer goes."""


def halves(credential: Credential) -> dict[str, str]:
    """Both halves as an operator would paste them."""
    return {
        "api_key": credential.api_key.get_secret_value(),
        "api_secret": credential.api_secret.get_secret_value(),
    }


def is_empty(plan: Plan) -> bool:
    """Whether there is nothing to propose, to settle, to wait for or to find out."""
    return {step.action for step in plan.steps} <= {Action.NO_OP}


@pytest.fixture
def world(switchboard: Switchboard) -> Iterator[World]:
    """A world with a master account called desk, and an empty state."""
    made = World(switchboard)
    made.initialise()
    yield made
    made.close()
