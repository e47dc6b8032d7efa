"""What a task waits on: an account that does not exist yet, and nothing once it does."""

from krakenstate import Process
from krakenstate.model.run import CallKind, Result
from krakenstate.model.task import TaskKind
from tests.support.world import BASIS, CREATOR, MM, World, spot_key

QUOTER = Process(name="mm-quoter", owner="market-making")
KEY = spot_key(name="quoter", account=MM, process=QUOTER)


def declare(world: World, *declarations) -> None:
    world.declare(CREATOR, *declarations, also=(*BASIS, QUOTER))


def waits_of_the_key(world: World) -> tuple[str, ...]:
    return world.task(TaskKind.CREATE_KEY, KEY.address).waits_on


def test_a_key_asked_for_with_the_account_that_the_same_plan_creates_waits_on_nothing(world):
    """The plan names the account it waits on; by the time its task opens, the account is there."""
    declare(world)
    world.put_in_service(CREATOR)
    declare(world, MM, KEY)
    assert world.step(KEY.address).waits_on == (MM.address,)
    world.apply()
    assert waits_of_the_key(world) == ()
    assert world.step(KEY.address).waits_on == ()


def test_a_key_waits_no_longer_on_an_account_that_recovery_finds_created(world):
    """The power went between Kraken's answer and the state; the next run records the account."""
    declare(world, MM, KEY)
    world.put_in_service(CREATOR)
    assert waits_of_the_key(world) == (MM.address,)

    def answered(moment, path, data):
        is_creation = "/journal/" in path and data.get("kind") == CallKind.CREATE_SUBACCOUNT.value
        return is_creation and moment == "after" and data["result"] == Result.DONE.value

    world.cut_power_at(answered, world.apply)
    assert waits_of_the_key(world) == (MM.address,)
    world.settle()
    assert waits_of_the_key(world) == ()
