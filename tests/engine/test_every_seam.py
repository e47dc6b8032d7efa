"""The power goes, or an answer, at every seam of every kind of remote write: the next run tells the truth.

``SCENARIOS`` is the table: one line per thing a run can do. Seams are counted in each by playing it
(``tests/support/seams.py``). After each accident comes the next command, and what people would do: repeat
what they were not told is done, answer what is asked. Then nothing may be left to propose, and everything
must be as if there had been no accident.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from krakenstate import AppRole, MasterAccount, Moved, NonceUnit, Permission, Removed
from krakenstate.engine import leak, moves, reading, runs
from krakenstate.engine.adoption import adopt_everything, keep_inventory
from krakenstate.engine.rebuild import rebuild
from krakenstate.engine.reporting import Here, report_here
from krakenstate.engine.session import Writing
from krakenstate.errors import LineageMissing
from krakenstate.model.address import Address
from krakenstate.model.desired import Desired
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.plan import Action
from krakenstate.model.provenance import Provenance
from krakenstate.model.run import CallKind
from krakenstate.model.task import TaskKind
from krakenstate.store.vault import packs
from tests.support.seams import (
    FATES,
    PACKAGE,
    Reached,
    Stage,
    differences,
    ends_somehow,
    journalled_sites,
    key_value_sites,
    noting_callers,
    signed_methods,
)
from tests.support.world import (
    BASIS,
    CARRY,
    COLO,
    CONTROLLER,
    CREATOR,
    HEAD,
    MM,
    PNL,
    RUNNER,
    STATE,
    derivatives_key,
    grant,
    halves,
    spot_key,
)

SPOT, HEDGER = "spot_key.pnl", "derivatives_key.hedger"
RENAMED = spot_key(name="reporting")
MAKER = MM.model_copy(update={"name": "maker"})
AT_COLO = derivatives_key(allowlist=[COLO])
DAILY = spot_key(probe_in_service=True)
ADOPTED = spot_key(key_name="K")
ADOPTED_AT = spot_key(key_name="K", vault_path="trading/pnl")
ADOPTED_HEDGER = derivatives_key(key_name="K", vault_path="trading/hedger")
REPLACED = spot_key(key_name="K", vault_path="trading/pnl", rotate_every=timedelta(days=90))
AGING = spot_key(rotate_every=timedelta(days=90))
MANAGED = grant(auth=AppRole(), manage=True)
OFF = CARRY.model_copy(update={"trading_enabled": False})
SECOND = MasterAccount(name="second", email="ops@second.example")
HERE = Here("bot@colo-1", "colo-1")
LEASE_S = 61


# -- where scenarios begin ---------------------------------------------------------------------------------


def approved(key):
    """An approved key, made by somebody and not handed in yet."""

    def prepare(stage: Stage) -> None:
        stage.world.declare(key)
        stage.world.apply()
        stage.memo["made"] = stage.world.make_key(key)

    return prepare


def in_service(*keys):
    """Keys in service."""

    def prepare(stage: Stage) -> None:
        for key in keys:
            stage.world.put_in_service(key)

    return prepare


def then(*steps):
    """One after the other."""

    def prepare(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return prepare


def declared(*declarations, moved=(), removed=()):
    """The stack is edited."""

    def prepare(stage: Stage) -> None:
        listed = [Moved(old=old, new=new) for old, new in moved]
        gone = [Removed(address=address) for address in removed]
        stage.world.desired = Desired(HEAD, [*BASIS, *declarations], listed, gone)

    return prepare


def applied(stage: Stage) -> None:
    """As approved."""
    stage.world.apply()


def settled(stage: Stage) -> None:
    """As scheduled."""
    stage.world.settle()


def attested(kind, address):
    """Somebody gives their word."""
    return lambda stage: stage.attest(kind, address)


def in_inbox(process, address):
    """The key that was made waits in the inbox."""

    def prepare(stage: Stage) -> None:
        credential = stage.memo["made"]
        stage.world.leave_in_inbox(process, address, credential)
        stage.books.promise(credential, process, address)

    return prepare


def two_in_inbox(stage: Stage) -> None:
    """Approved keys of two accounts wait in the inbox, so that they are taken in side by side."""
    stage.world.people("create-account", name="second", email=SECOND.email)
    keys = {"pnl": spot_key(), "hedger": derivatives_key(account=SECOND)}
    stage.world.declare(SECOND, *keys.values())
    stage.world.apply()
    for process, key in keys.items():
        credential = stage.world.make_key(key)
        stage.world.leave_in_inbox(process, key.address, credential)
        stage.books.promise(credential, process, key.address)


def handed_in(address, site="runner"):
    """The key that was made is handed in."""
    return lambda stage: stage.hand_in(address, stage.memo["made"], site)


def made(key, **other):
    """Somebody makes another key."""

    def prepare(stage: Stage) -> None:
        stage.memo["made"] = stage.world.make_key(key, **other)

    return prepare


def made_elsewhere(stage: Stage) -> None:
    """Somebody was signed in to another account."""
    stage.world.people("create-account", name="private", email="ann@home.example")
    stage.memo["made"] = stage.world.make_key(spot_key(), account="ann@home.example")


def trades(stage: Stage) -> None:
    """A linked account that trades."""
    stage.world.put_in_service(CONTROLLER)
    stage.world.declare(CONTROLLER, CARRY)
    stage.world.apply()
    stage.world.link_carry()
    stage.world.settle()


def linked_unseen(stage: Stage) -> None:
    """Support linked the account, and no run has seen it."""
    stage.world.put_in_service(CONTROLLER)
    stage.world.declare(CONTROLLER, CARRY)
    stage.world.apply()
    stage.world.link_carry()


def edited_at_kraken(**fields):
    """Somebody edits the key in service in the web page."""

    def prepare(stage: Stage) -> None:
        key = stage.books.made[-1].api_key.get_secret_value()
        stage.world.people("edit-key", account="desk", key=key, **fields)

    return prepare


def reported(stage: Stage) -> None:
    """The host asks the key in quarantine, and leaves a report."""
    stage.world.people("egress", address="203.0.113.7")
    try:
        report_here(stage.world.session("colo"), AT_COLO, HERE)
    finally:
        stage.world.people("egress", address="192.0.2.10")


def a_day_later(stage: Stage) -> None:
    """Time passes."""
    stage.world.clock.advance(hours=25)


def later(**span):
    """Time passes."""
    return lambda stage: stage.world.clock.advance(**span)


def succeeded(stage: Stage) -> None:
    """The next generation is in service, and its process uses it."""
    then(
        in_service(AGING),
        later(days=91),
        applied,
        made(AGING, name="pnl-g2"),
        handed_in(SPOT),
        attested(TaskKind.ADOPT_KEY, SPOT),
    )(stage)


def deleted_at_kraken(number: int):
    """Somebody deletes a key in the web page, and says so."""

    def prepare(stage: Stage) -> None:
        key = stage.books.made[number].api_key.get_secret_value()
        stage.world.people("delete-key", account="desk", key=key)
        stage.attest(TaskKind.DELETE_KEY, SPOT)

    return prepare


def beside(stage: Stage) -> None:
    """A second key was handed in unseen while a run published the first."""
    second = stage.world.make_key(spot_key(), name="second")
    slot = stage.world.session().slot(PNL.address, SPOT)
    stage.world.session().custody.store_quarantine(slot, second)
    stage.books.promise(second, "pnl", SPOT)


def state_lost(stage: Stage) -> None:
    """Somebody deleted everything that records anything."""
    for path in stage.world.kv.paths:
        if path.startswith((f"{STATE}/index", f"{STATE}/resources/")):
            stage.world.kv.delete(path)


def many_runs(stage: Stage) -> None:
    """So many runs have ended that the oldest journal goes with the next one."""
    for _ in range(49):
        stage.world.clock.advance(seconds=1)
        journal = stage.world.session().records.journal
        journal.begin("settle")
        journal.end("done")


# -- what dies -----------------------------------------------------------------------------------------------


def slowly(run):
    """Each write takes so long that the lease is renewed meanwhile."""

    def slow(stage: Stage) -> None:
        stage.line.before_each = lambda: stage.world.clock.advance(seconds=9)
        try:
            run(stage)
        finally:
            stage.line.before_each = lambda: None

    return slow


def moved_by_command(stage: Stage) -> None:
    """``state mv``, unless it is done."""
    with stage.world.writing("state mv", None) as run:
        if run.state.key(SPOT):
            moves.carry_out(run, Address(SPOT), RENAMED.address)


def released_by_command(stage: Stage) -> None:
    """``state rm``, unless it is done."""
    with stage.world.writing("state rm", None) as run:
        if run.state.key(SPOT):
            moves.let_go(run, run.state.record(SPOT))


def rebuilt(stage: Stage) -> None:
    """``state rebuild``, unless it is done."""
    session = stage.world.session()
    try:
        reading.load_state(session)
    except LineageMissing:
        rebuild(session, lineage=None, wait_s=0)


def initialised(stage: Stage) -> None:
    """``init``, which may be repeated."""
    stage.world.initialise()


def rotate_now(run: Writing) -> None:
    """``key rotate --now``."""
    leak.rotate_now(run, run.session.desired.get(SPOT), "leaked", "ann")


def revoke(run: Writing) -> None:
    """``key revoke``."""
    leak.revoke(run, run.session.desired.get(SPOT), run.state.key(SPOT), "leaked", "ann")


def revoke_everything(run: Writing) -> None:
    """``panic``."""
    leak.revoke_all(run, run.session.desired.get("master_account.desk"), "leaked", "ann")


def of_the_desk(stage: Stage) -> None:
    """A key of the desk's own is recorded, with its secret at the desk's path, and is to be replaced."""
    old = stage.world.make_key(spot_key(), name="K")
    stage.world.kv.write("trading/pnl", halves(old), 0)
    then(declared(ADOPTED_AT), applied, declared(REPLACED))(stage)


def shown_late(stage: Stage) -> None:
    """A key of the desk's own is recorded, and only then its secret comes to the desk's path."""
    then(declared(ADOPTED_HEDGER), applied, made(ADOPTED_HEDGER))(stage)
    stage.world.kv.write("trading/hedger", halves(stage.memo["made"]), 0)


def recognised(stage: Stage) -> None:
    """``key ingest`` of an adopted key, which may be repeated until it has told what it is."""
    session = stage.world.session()
    key = runs.expect_hand_in(session, HEDGER)
    if stage.world.state.key(HEDGER).provenance is not Provenance.OBSERVED:
        made = stage.memo["made"]
        stored = lambda _path: stage.books.promise(made, "hedger", HEDGER)  # noqa: E731 - said in one place
        runs.hand_in(session, key, made, stored=stored, wait_s=0)


def ordered(order):
    """An order of the night of a leak; whoever was not told that it is carried out gives it again."""

    def give(stage: Stage) -> None:
        with stage.world.writing("key rotate --now") as run:
            order(run)

    return give


def imported(stage: Stage) -> None:
    """``import``, which may be repeated."""
    with stage.world.writing("import") as run:
        adopt_everything(run, "ann")


def listed(stage: Stage) -> None:
    """``inventory add``, which may be repeated."""
    with stage.world.writing("inventory add") as run:
        keep_inventory(run, [InventoryEntry(name="K", account="desk")], ("name", "account"), "ann")


def observed(stage: Stage) -> None:
    """``observe``."""
    stage.world.observe()


def unlocked(stage: Stage) -> None:
    """``force-unlock`` of the run that died, unless it is done."""
    session = stage.world.session()
    held = session.records.locks.last()
    if held is not None:
        runs.break_lock(session, held.id)


def locked(stage: Stage) -> None:
    """A run died under the lock."""
    stage.world.session().records.locks.acquire("apply", wait_s=0)


def answered(stage: Stage) -> None:
    """``task settle``."""
    stage.answer()


def nothing(_stage: Stage) -> None:
    """Nobody has to repeat anything."""


@dataclass(frozen=True)
class Scenario:
    """What a run can do: where it begins, the run, and what a person repeats after an accident."""

    prepare: Callable[[Stage], None]
    run: Callable[[Stage], object]
    repeat: Callable[[Stage], object] = nothing
    is_new: bool = False
    """Whether there is no state yet."""
    begins_recorded: bool = True
    """Whether there is one when the run begins."""
    may_differ: tuple[str, ...] = ()
    """What an accident may leave less known than without one."""
    asks_somebody: bool = False
    """Whether it ends with a decision that only a person can make."""


SCENARIOS = {
    "init": Scenario(nothing, initialised, initialised, is_new=True, begins_recorded=False),
    "apply opens tasks": Scenario(declared(spot_key(), derivatives_key(), grant()), applied),
    "apply creates a subaccount": Scenario(then(in_service(CREATOR), declared(CREATOR, MM)), applied),
    "apply hears that it may exist": Scenario(
        then(
            in_service(CREATOR),
            declared(CREATOR, MM),
            lambda stage: stage.world.people(
                "create-account", name="by-hand", email=MM.email, username=MM.username, kind="sub"
            ),
        ),
        applied,
    ),
    "apply switches trading off": Scenario(then(trades, declared(CONTROLLER, OFF)), applied),
    "settle sees a link": Scenario(linked_unseen, settled),
    "key ingest, Spot": Scenario(approved(spot_key()), handed_in(SPOT), handed_in(SPOT)),
    "key ingest, Derivatives": Scenario(approved(derivatives_key()), handed_in(HEDGER), handed_in(HEDGER)),
    "key ingest of another key": Scenario(
        then(approved(spot_key()), handed_in(SPOT, None), made(spot_key(), name="another")),
        handed_in(SPOT, None),
        handed_in(SPOT, None),
    ),
    "key ingest of a wrong account's key": Scenario(
        then(approved(spot_key()), made_elsewhere), handed_in(SPOT), handed_in(SPOT)
    ),
    "key ingest of a key that is refused": Scenario(
        then(approved(spot_key()), made(spot_key(), name="refused", ip=["198.51.100.1"])),
        handed_in(SPOT),
        handed_in(SPOT),
        may_differ=("/candidate",),  # its breaker alone may be known; it is asked once more after that
    ),
    "settle takes from the inbox": Scenario(then(approved(spot_key()), in_inbox("pnl", SPOT)), settled),
    "settle takes from the inbox, side by side": Scenario(two_in_inbox, settled),
    "settle publishes from quarantine": Scenario(then(approved(spot_key()), handed_in(SPOT, None)), settled),
    "settle publishes on a report": Scenario(then(approved(AT_COLO), handed_in(HEDGER), reported), settled),
    "settle holds a key that differs": Scenario(
        then(
            approved(spot_key()),
            made(spot_key(), name="x", permission=["query-funds"]),
            handed_in(SPOT, None),
        ),
        settled,
    ),
    "settle, slowly": Scenario(
        then(approved(derivatives_key()), in_inbox("hedger", HEDGER)), slowly(settled)
    ),
    "settle sees a second key": Scenario(then(in_service(spot_key()), beside), settled),
    "settle drops a second key": Scenario(
        then(in_service(spot_key()), beside, settled, attested(TaskKind.DELETE_KEY, SPOT)), settled
    ),
    "settle prunes journals": Scenario(then(approved(spot_key()), handed_in(SPOT, None), many_runs), settled),
    "apply withdraws a key from quarantine": Scenario(
        then(
            approved(spot_key()), handed_in(SPOT, None), declared(derivatives_key(), spot_key(account=MM), MM)
        ),
        applied,
    ),
    "apply relabels": Scenario(
        then(in_service(spot_key()), declared(spot_key(nonce_unit=NonceUnit.NANOSECONDS))), applied
    ),
    "apply asks for an edit": Scenario(
        then(in_service(spot_key()), declared(spot_key(permissions={Permission.QUERY_FUNDS}))), applied
    ),
    "attest an edit": Scenario(
        then(in_service(spot_key()), declared(spot_key(permissions={Permission.QUERY_FUNDS})), applied),
        attested(TaskKind.EDIT_KEY, SPOT),
        attested(TaskKind.EDIT_KEY, SPOT),
    ),
    "settle sees an edit": Scenario(
        then(
            in_service(derivatives_key()),
            declared(derivatives_key(allowlist=[RUNNER, COLO])),
            applied,
            edited_at_kraken(ip=[str(n) for n in (*RUNNER.networks, *COLO.networks)]),
        ),
        settled,
    ),
    "attest a grant": Scenario(
        then(declared(grant()), applied),
        attested(TaskKind.INSTALL_GRANT, "grant.pnl"),
        attested(TaskKind.INSTALL_GRANT, "grant.pnl"),
    ),
    "apply begins a removal": Scenario(then(in_service(spot_key()), declared()), applied),
    "settle asks for a deletion": Scenario(
        then(in_service(spot_key()), declared(), applied, attested(TaskKind.STOP_PROCESS, SPOT)), settled
    ),
    "settle ends a removal": Scenario(
        then(
            in_service(spot_key()),
            declared(),
            applied,
            attested(TaskKind.STOP_PROCESS, SPOT),
            settled,
            attested(TaskKind.DELETE_KEY, SPOT),
        ),
        settled,
    ),
    "apply forgets what was never made": Scenario(
        then(declared(spot_key(), grant()), applied, declared()), applied
    ),
    "apply renames a key": Scenario(
        then(in_service(spot_key()), declared(RENAMED, moved=[(SPOT, RENAMED.address)])), applied
    ),
    "apply renames an account with a task": Scenario(
        then(
            in_service(CREATOR),
            declared(CREATOR, MM),
            applied,
            declared(CREATOR, MAKER, moved=[(MM.address, MAKER.address)]),
        ),
        applied,
    ),
    "state mv": Scenario(then(in_service(spot_key()), declared(RENAMED)), moved_by_command, moved_by_command),
    "apply lets go": Scenario(then(in_service(spot_key()), declared(removed=[SPOT])), applied),
    "state rm": Scenario(then(in_service(spot_key()), declared()), released_by_command, released_by_command),
    "state rebuild": Scenario(
        then(in_service(derivatives_key()), declared(derivatives_key(), grant()), applied, state_lost),
        rebuilt,
        rebuilt,
        begins_recorded=False,
        may_differ=("/description", "/account_uid"),  # of a key that could not be asked
    ),
    "apply writes a managed grant": Scenario(declared(MANAGED), applied),
    "apply removes a managed grant": Scenario(then(declared(MANAGED), applied, declared()), applied),
    "apply adopts a key": Scenario(declared(ADOPTED), applied),
    "import": Scenario(declared(ADOPTED), imported, imported),
    "key ingest of an adopted key": Scenario(shown_late, recognised, recognised),
    "settle leaves an adopted key": Scenario(
        then(
            declared(ADOPTED),
            applied,
            declared(),
            applied,
            attested(TaskKind.STOP_PROCESS, SPOT),
            settled,
            attested(TaskKind.DELETE_KEY, SPOT),
        ),
        settled,
    ),
    "inventory add": Scenario(declared(), listed, listed),
    "apply begins a rotation": Scenario(then(in_service(AGING), later(days=91)), applied),
    "settle publishes a successor": Scenario(
        then(in_service(AGING), later(days=91), applied, made(AGING, name="pnl-g2"), in_inbox("pnl", SPOT)),
        settled,
    ),
    "settle drains the old generation": Scenario(succeeded, settled),
    "settle proves the old generation dead": Scenario(
        then(succeeded, settled, deleted_at_kraken(0)), settled, a_day_later
    ),
    "apply gives a rotation up": Scenario(
        then(
            in_service(AGING),
            later(days=91),
            applied,
            made(AGING, name="pnl-g2"),
            handed_in(SPOT, None),
            declared(),
        ),
        applied,
    ),
    "key rotate --now": Scenario(in_service(spot_key()), ordered(rotate_now), ordered(rotate_now)),
    "key revoke": Scenario(in_service(spot_key()), ordered(revoke), ordered(revoke)),
    "key revoke gives a rotation up": Scenario(
        then(
            in_service(AGING),
            later(days=91),
            applied,
            made(AGING, name="pnl-g2"),
            handed_in(SPOT, None),
        ),
        ordered(revoke),
        ordered(revoke),
    ),
    "key rotate --now before the last one is over": Scenario(
        then(succeeded, settled), ordered(rotate_now), ordered(rotate_now)
    ),
    "panic": Scenario(
        then(
            in_service(spot_key()),
            declared(spot_key(), derivatives_key()),
            applied,
            made(derivatives_key()),
            handed_in(HEDGER, None),
        ),
        ordered(revoke_everything),
        ordered(revoke_everything),
    ),
    "settle publishes in the place of an adopted key": Scenario(
        then(of_the_desk, applied, made(REPLACED, name="pnl-g1"), in_inbox("pnl", SPOT)), settled
    ),
    "settle ends a revocation": Scenario(
        then(in_service(spot_key()), ordered(revoke), deleted_at_kraken(0)),
        settled,
        then(a_day_later, settled),  # the apply after it approves a new key, so the old one must be done with
        asks_somebody=True,
    ),
    "the daily question": Scenario(then(in_service(DAILY), a_day_later), observed),
    "key verify --report": Scenario(then(approved(AT_COLO), handed_in(HEDGER)), reported, reported),
    "force-unlock": Scenario(then(in_service(derivatives_key()), locked), unlocked, unlocked),
    "task settle": Scenario(
        then(
            in_service(CREATOR),
            declared(CREATOR, MM),
            lambda stage: stage.world.people("fault", kind="drop-after", path="/0/private/CreateSubaccount"),
            applied,
        ),
        answered,
    ),
}
"""By name. A new kind of remote write adds its line here; the last tests say which is missing."""


@pytest.fixture(autouse=True)
def packs_of_few(monkeypatch):
    """States as small as these are packed too."""
    monkeypatch.setattr(packs, "FEWEST", 2)


NOBODY_CALLS = "in close_breaker"
"""The only write that no command makes."""


def go_on(stage: Stage, scenario: Scenario) -> None:
    """What follows an accident: a person repeats what they were not told is done, then one run."""
    scenario.repeat(stage)
    stage.world.apply()
    if stage.answer():
        stage.world.apply()


def play(stage: Stage, scenario: Scenario) -> tuple[list[str], dict]:
    """The scenario without an accident: its remote writes in order, and where it leads."""
    if not scenario.is_new:
        stage.world.initialise()
    scenario.prepare(stage)
    stage.keep()
    stage.recorded = stage.books.recorded_to_stay() if scenario.begins_recorded else set()
    stage.put_back()
    stage.reached.is_on = True
    ends_somehow(lambda: scenario.run(stage))
    stage.reached.is_on = False
    seen = list(stage.line.seen)
    stage.world.clock.advance(seconds=LEASE_S)
    go_on(stage, scenario)
    return seen, stage.essence()


def meet(stage: Stage, scenario: Scenario, number: int, fate: str, expected: dict) -> None:
    """One accident, the command after it, and what must hold then."""
    stage.put_back()
    stage.line.cut(number, fate)
    ends_somehow(lambda: scenario.run(stage))
    assert len(stage.line.seen) > number, "the accident did not happen"
    stage.line.whole()
    stage.line.before_each = lambda: None
    if scenario.begins_recorded:  # so nothing is recorded as done that is not, and no secret is lost
        stage.books.check(stage.recorded - {SPOT}, mid_publication=True)
    stage.world.clock.advance(seconds=LEASE_S)
    go_on(stage, scenario)
    stage.books.check(stage.recorded - {SPOT})
    plan = stage.plan()
    proposed = [s for s in plan.proposals if not (scenario.asks_somebody and s.action is Action.MANUAL)]
    assert not proposed, [(s.address, s.action, s.note) for s in proposed]
    found = differences(stage.essence(), expected)
    assert [line for line in found if not any(path in line for path in scenario.may_differ)] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_happens_at_a_seam_the_next_run_arrives(switchboard, name):
    """Nothing is lost, made twice or said too early; one more run is where there had been no accident."""
    stage, scenario = Stage(switchboard, Reached()), SCENARIOS[name]
    try:
        seen, expected = play(stage, scenario)
        for number, label in enumerate(seen):
            for fate in FATES:
                try:
                    meet(stage, scenario, number, fate, expected)
                except BaseException as problem:
                    problem.add_note(f"{name}: {fate} {number} ({label}) of {seen}")
                    raise
    finally:
        stage.close()


def test_no_remote_write_of_the_code_escapes(switchboard, monkeypatch):
    """Every kind of call, every place that writes and every signed question is met by a scenario."""
    reached = Reached()
    monkeypatch.setattr(Writing, "write", noting_callers(reached))
    counted = {}
    for name, scenario in SCENARIOS.items():
        stage = Stage(switchboard, reached)
        try:
            counted[name] = len(play(stage, scenario)[0])
        finally:
            stage.close()
    assert reached.kinds == set(CallKind)
    journalled, stored, signed = journalled_sites(), key_value_sites(), signed_methods()
    assert reached.missed(journalled) == []
    assert [site for site in reached.missed(stored) if not site.endswith(NOBODY_CALLS)] == []
    assert signed - reached.methods == set()

    seams = len(FATES) * sum(counted.values())
    places = len(journalled) + len(stored) + len(signed)
    count = f"{seams} seams in {len(counted)} scenarios, from {places} places in the code"
    print(f"{count}: {counted}")  # noqa: T201 - for whoever runs it with -s
    assert seams > len(FATES) * places


def test_what_no_scenario_meets_is_called_by_nobody():
    """The one write that is left out above is one that no code of the product makes."""
    calls = [path for path in PACKAGE.rglob("*.py") if ".close_breaker(" in path.read_text(encoding="utf-8")]
    assert calls == []
