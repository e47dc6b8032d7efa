"""What was there before: recorded by somebody's word, never asked, never made, never written to."""

from datetime import date

import pytest

from krakenstate import Process, Removed, SpotSubaccount
from krakenstate.engine.adoption import keep_inventory
from krakenstate.errors import HandInNotExpected, PathNotManaged, StackProblems
from krakenstate.model.desired import Desired
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.plan import Action, Reason
from krakenstate.model.provenance import Provenance
from krakenstate.model.run import Effect
from krakenstate.model.state import AccountStatus
from krakenstate.model.task import TaskKind
from krakenstate.stack.check import check_declarations, check_vault_paths
from tests.engine.test_rebuild import lose_the_state, make_anew
from tests.support.adopted import ENTRY, FIELDS, KEY, PATH
from tests.support.world import BASIS, CREATOR, DESK, HEAD, MM, RUNNER, derivatives_key, is_empty, spot_key

FUTURES = derivatives_key(key_name="futures")


def test_an_adopted_key_is_recorded_and_nothing_else(world, made):
    """Approved once, it is generation 0 under its own name and path, attested, and never asked."""
    world.declare(KEY, FUTURES)
    world.initialise()
    before = world.kv.read(PATH), world.kv.metadata(PATH)
    step = world.step(KEY.address)
    assert (step.action, step.reason, step.task_kind) == (Action.UPDATE, Reason.ADOPTED, None)
    assert (world.plan().summary.import_, world.plan().summary.change) == (2, 0)
    world.apply()
    record = world.state.key(KEY.address)
    assert (record.generation, record.key_name, record.provenance) == (0, "PNL (old)", Provenance.ATTESTED)
    assert (record.published.path, record.published.last_four) == (f"kv/{PATH}", made["api_key"][-4:])
    assert (record.adopted.vault_path, record.adopted.is_shared) == (PATH, False)
    assert record.adopted.by
    assert world.state.key(FUTURES.address).published is None
    assert is_empty(world.plan())
    world.settle()
    assert world.calls("GetApiKeyInfo") == world.calls("check") == []
    assert (world.kv.read(PATH), world.kv.metadata(PATH)) == before


def test_an_adopted_subaccount_is_never_created(world):
    """It says that it is there, or a key that was there sits on it; no call and no request is proposed."""
    there = SpotSubaccount(name="arb", master=DESK, username="arb", email="arb@desk.example", adopted=True)
    world.declare(CREATOR, MM, there, spot_key(account=MM, key_name="K"))
    world.initialise()
    for address in (MM.address, there.address):
        assert world.step(address).reason is Reason.ADOPTED
    world.apply()
    for address in (MM.address, there.address):
        record = world.state.account(address)
        assert (record.status, record.provenance) == (AccountStatus.EXISTS, Provenance.ATTESTED)
        assert record.adopted.by
    assert world.calls("CreateSubaccount") == []
    assert world.open_tasks(MM.address) == []


def test_what_the_list_says_is_recorded(world, made):
    """Who uses the key, and when it was last used, stand in its record; several users are a check."""
    world.declare(KEY)
    world.initialise()
    with world.writing("inventory add") as run:
        assert keep_inventory(run, [ENTRY], ("used_by",), "ana") == (1, 0)
    assert [c.code for c in world.plan().facts.checks if c.code.startswith("KS131")] == []
    world.apply()
    adopted = world.state.key(KEY.address).adopted
    assert (adopted.used_by, adopted.last_used, adopted.is_shared) == (
        ("pnl", "dashboard"),
        date(2026, 11, 1),
        True,
    )
    [check] = [c for c in world.plan().facts.checks if c.code == "KS1312"]
    assert "pnl and dashboard" in check.text


def test_adding_again_changes_only_what_the_table_tells(world):
    """A table without a column leaves what an earlier one said."""
    world.declare()
    world.initialise()
    with world.writing("inventory add") as run:
        keep_inventory(run, [ENTRY], ("used_by",), "ana")
        bare = InventoryEntry(name=ENTRY.name, account=ENTRY.account, used_by=("new",))
        assert keep_inventory(run, [bare], ("name", "account", "used_by"), "ben") == (0, 1)
        assert keep_inventory(run, [bare], ("name", "account", "used_by"), "eve") == (0, 0)
    [entry] = world.state.inventory
    assert (entry.used_by, entry.last_used, entry.added_by) == (("new",), ENTRY.last_used, "ben")
    [check] = [c for c in world.plan().facts.checks if c.code == "KS1311"]
    assert '"PNL (old)" on desk' in check.text


def test_an_edit_of_an_adopted_key_is_a_task(world, made):
    """What was attested is compared; the task ends with its owner's word, and still nothing is asked."""
    world.declare(KEY)
    world.initialise()
    world.apply()
    world.declare(
        spot_key(key_name="PNL (old)", vault_path=PATH, vault_fields=FIELDS, permissions={"query-funds"})
    )
    assert world.step(KEY.address).task_kind is TaskKind.EDIT_KEY
    world.apply()
    world.attest(TaskKind.EDIT_KEY, KEY.address)
    assert is_empty(world.plan())
    assert world.calls("GetApiKeyInfo") == []


def test_a_key_of_nobody_finds_its_process(world):
    """Another process is recorded and no more."""
    unknown = Process(name="unknown-pnl", owner="unknown")
    world.declare(unknown, spot_key(process=unknown, key_name="K"))
    world.initialise()
    world.apply()
    assert world.state.key(KEY.address).adopted.used_by == ()
    world.declare(unknown, spot_key(key_name="K"))
    assert world.step(KEY.address).reason is Reason.ADOPTED
    world.apply()
    record = world.state.key(KEY.address)
    assert (record.process, record.adopted.used_by) == ("process.pnl", ("pnl",))
    assert is_empty(world.plan())


def test_an_adopted_key_leaves_by_tasks_and_its_secret_stays(world, made):
    """Stopped and deleted by people; the desk's own path is not written to."""
    world.declare(KEY)
    world.initialise()
    world.apply()
    world.declare()
    world.apply()
    for kind in (TaskKind.STOP_PROCESS, TaskKind.DELETE_KEY):
        world.attest(kind, KEY.address)
        outcomes = world.settle().outcomes
    assert outcomes[0].effect is Effect.DESTROYED
    assert f"kv/{PATH}" in outcomes[0].text
    assert world.state.key(KEY.address) is None
    assert world.kv.read(PATH).data["secret"] == made["api_secret"]


def test_letting_go_of_an_adopted_key_writes_nothing_beside_its_secret(world, made):
    """Its metadata is as it was."""
    world.declare(KEY)
    world.initialise()
    world.apply()
    before = world.kv.metadata(PATH)
    world.desired = Desired(HEAD, BASIS, (), [Removed(address=KEY.address)])
    world.apply()
    assert world.state.key(KEY.address) is None
    assert world.kv.metadata(PATH) == before


def test_an_adopted_path_is_never_written_to(world, made):
    """Publishing there and removing it are refused, also where the path is free."""
    world.declare(KEY)
    world.initialise()
    world.apply()
    session = world.session()
    slot = session.shelf(world.state.key(KEY.address))
    with pytest.raises(PathNotManaged, match="never written"):
        session.custody.drop_published(slot)
    world.kv.delete(PATH)
    with pytest.raises(PathNotManaged, match="never written"):
        session.custody.publish(slot, world.make_key(spot_key()), None)


def test_an_adopted_key_whose_secret_is_not_in_vault_is_not_handed_in(world):
    """There is nothing to compare with, and asking it could disturb its process."""
    world.declare(spot_key(key_name="K"))
    world.initialise()
    world.apply()
    with pytest.raises(HandInNotExpected, match="nothing to compare with") as refused:
        world.hand_in(KEY.address, world.make_key(spot_key()))
    assert "declare vault_path=" in refused.value.next_step
    assert world.quarantine("pnl", KEY.address) is None


def test_only_observed_it_is_not_recorded(world):
    """What would be recorded is shown."""
    world.declare(spot_key(key_name="K", observe_only=True))
    world.initialise()
    assert world.step(KEY.address).would is Action.UPDATE
    world.apply()
    assert world.state.key(KEY.address) is None


def test_a_lost_state_asks_nothing_about_adopted_keys(world, made):
    """Their declarations say that they are there, and no plan makes them anew."""
    world.declare(MM, KEY, spot_key(name="k", account=MM, key_name="K"))
    world.initialise()
    world.apply()
    lose_the_state(world)
    make_anew(world)
    assert world.state.key(KEY.address).adopted is not None
    assert world.open_tasks() == []
    assert is_empty(world.plan())


def test_a_key_in_service_through_krakenstate_is_not_adopted(world):
    """It has a name and a path already."""
    world.put_in_service(spot_key())
    world.declare(spot_key(key_name="other"))
    with pytest.raises(StackProblems, match="through krakenstate"):
        world.plan()


@pytest.mark.parametrize(("paths", "said"), [
    pytest.param(("a/b", "kv/a/b"), "lies there too", id="shared"),
    pytest.param(("krakenstate/prod/index", None), "its own records", id="state"),
    pytest.param(("a/b", "a/c"), "", id="apart"),
])  # fmt: skip
def test_each_adopted_secret_has_a_path_of_its_own(paths, said):
    """With or without the mount in front, two keys do not share one, and none lies among the records."""
    keys = [spot_key(vault_path=paths[0]), derivatives_key(vault_path=paths[1])]
    problems = check_vault_paths(Desired(HEAD, [*BASIS, *keys]))
    assert [said in p.message for p in problems] == ([True] if said else [])


def test_a_controller_is_not_adopted():
    """krakenstate acts with it, and others use an adopted key."""
    [problem] = check_declarations([DESK, RUNNER, spot_key(controls=DESK, key_name="K")])
    assert "others use it" in problem.message
