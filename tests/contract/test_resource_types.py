"""What every resource type promises: created, changed and deleted, each time the next plan is empty.

A new resource type joins with one more ``Type``. Where an API cannot do something, simulated people do it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from krakenstate import (
    Access,
    DerivativesSubaccount,
    Grant,
    Permission,
    Process,
    SpotSubaccount,
)
from krakenstate.model.entry import Declaration
from krakenstate.model.plan import Action
from krakenstate.model.run import CallKind
from krakenstate.model.task import TaskKind
from tests.engine.test_seams import AFTER_INTENT, seam
from tests.support.memory import Watch
from tests.support.world import (
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    MM,
    World,
    derivatives_key,
    grant,
    is_empty,
    spot_key,
)

RESEARCH = Process(name="research", owner="research")
Deed = Callable[[World], None]


def nothing(_world: World) -> None:
    """Nobody has to do anything."""


@dataclass(frozen=True)
class Type:
    """One resource type: an example, what it stands on, an edit of it, and the people's part in each.

    ``created``, ``changed`` and ``deleted`` are what people do after the apply. ``cut`` is where its creation
    is cut off, and ``noticed`` what the next plan then says.
    """

    name: str
    declared: Declaration
    edited: Declaration
    stands_on: tuple[Declaration, ...] = ()
    created: Deed = nothing
    changed: Deed = nothing
    deleted: Deed = nothing
    cut: Watch | None = None
    noticed: tuple[Action, TaskKind | None] = (Action.NO_OP, None)

    @property
    def address(self) -> str:
        """Of the example."""
        return self.declared.address


def before_index(moment: str, path: str, _data: object) -> bool:
    """The first time the state would be written."""
    return moment == "before" and path.endswith("/index")


def finish_setup(world: World) -> None:
    """The owner of the subaccount's mailbox confirms."""
    world.people("email-confirm", email=MM.email)
    world.attest(TaskKind.FINISH_EMAIL_SETUP, MM.address)


def link(world: World) -> None:
    """Support acts on the ticket, the owner confirms, and the next settle sees it."""
    world.people("support-process", text=world.task(TaskKind.LINK_DERIVATIVES, CARRY.address).instructions)
    world.people("email-confirm", email=CARRY.email)
    world.settle()


def make(key: Declaration) -> Deed:
    """Somebody makes the key and hands it in."""

    def deed(world: World) -> None:
        world.hand_in(key.address, world.make_key(key))

    return deed


def edit_spot(world: World) -> None:
    """The owner ticks the permissions and says so."""
    world.people("edit-key", account="desk", name="pnl-g1", permission=["query-funds"])
    world.attest(TaskKind.EDIT_KEY, "spot_key.pnl")


def edit_derivatives(world: World) -> None:
    """The owner changes the level; the key itself says so."""
    [key] = world.people("list-keys", account="desk")["keys"]
    world.people("edit-key", account="desk", key=key["api_key"], general="FULL_ACCESS")
    world.settle()


def retire(address: str) -> Deed:
    """The process is stopped, the key deleted, both attested."""

    def deed(world: World) -> None:
        world.attest(TaskKind.STOP_PROCESS, address)
        world.settle()
        [key] = world.people("list-keys", account="desk")["keys"]
        world.people("delete-key", account="desk", key=key["api_key"])
        world.attest(TaskKind.DELETE_KEY, address)
        world.settle()

    return deed


def install(world: World) -> None:
    """The administrator installs the policy."""
    world.attest(TaskKind.INSTALL_GRANT, "grant.pnl")


TYPES = [
    Type(
        "spot_subaccount",
        MM,
        SpotSubaccount(
            name="mm", master=DESK, username="desk-mm", email=MM.email, iiban="AA00 AAAA AAAA 0001"
        ),
        stands_on=(CREATOR,),
        created=finish_setup,
        cut=seam(CallKind.CREATE_SUBACCOUNT, AFTER_INTENT),
        noticed=(Action.WAIT, TaskKind.SETTLE_UNKNOWN),
    ),
    Type(
        "derivatives_subaccount",
        CARRY,
        DerivativesSubaccount(name="carry", master=DESK, email=CARRY.email, trading_enabled=False),
        stands_on=(CONTROLLER,),
        created=link,
        cut=before_index,
        noticed=(Action.MANUAL, TaskKind.LINK_DERIVATIVES),
    ),
    Type(
        "spot_key",
        spot_key(),
        spot_key(permissions={Permission.QUERY_FUNDS}),
        created=make(spot_key()),
        changed=edit_spot,
        deleted=retire("spot_key.pnl"),
        cut=before_index,
        noticed=(Action.MANUAL, TaskKind.CREATE_KEY),
    ),
    Type(
        "derivatives_key",
        derivatives_key(),
        derivatives_key(general=Access.FULL_ACCESS),
        created=make(derivatives_key()),
        changed=edit_derivatives,
        deleted=retire("derivatives_key.hedger"),
        cut=before_index,
        noticed=(Action.MANUAL, TaskKind.CREATE_KEY),
    ),
    Type(
        "grant",
        grant(),
        Grant(name="pnl", process=RESEARCH),
        stands_on=(RESEARCH,),
        created=install,
        changed=install,
        cut=before_index,
        noticed=(Action.MANUAL, TaskKind.INSTALL_GRANT),
    ),
]


@pytest.fixture(params=TYPES, ids=lambda t: t.name)
def type_(request: pytest.FixtureRequest, world: World) -> Type:
    """Each resource type, in a world where what it stands on is in service."""
    found: Type = request.param
    for declaration in found.stands_on:
        if declaration.type_name.endswith("_key"):
            world.put_in_service(declaration)
    world.people("create-account", name="carry", email=CARRY.email, kind="sub")
    world.declare(*found.stands_on)
    return found


def create(world: World, type_: Type) -> None:
    """Declares, applies, and lets people do their part."""
    world.declare(*type_.stands_on, type_.declared)
    assert type_.address in [s.address for s in world.plan().proposals]
    world.apply()
    type_.created(world)


def test_after_creating_the_plan_is_empty(world, type_):
    """What was declared, applied and done by people needs nothing more."""
    create(world, type_)
    plan = world.plan()
    assert is_empty(plan)
    assert plan.complete
    assert world.open_tasks() == []


def test_after_changing_the_plan_is_empty(world, type_):
    """An edited declaration is carried out in one apply and its people's part."""
    create(world, type_)
    world.declare(*type_.stands_on, type_.edited)
    world.apply()
    type_.changed(world)
    assert is_empty(world.plan())
    assert world.open_tasks() == []


def test_after_deleting_the_plan_is_empty(world, type_):
    """A removed declaration leaves neither record nor task nor secret."""
    create(world, type_)
    world.declare(*type_.stands_on)
    assert type_.address in [s.address for s in world.plan().proposals]
    world.apply()
    type_.deleted(world)
    assert is_empty(world.plan())
    assert type_.address not in [r.address for r in world.state.records]
    assert world.open_tasks(type_.address) == []
    assert [path for path in world.kv.paths if path.endswith(f"/{type_.address}")
            and "/resources/" not in path] == []  # fmt: skip


def test_a_declaration_is_proposed_once(world, type_):
    """Applying again before people have acted proposes, opens and sends nothing new."""
    world.declare(*type_.stands_on, type_.declared)
    world.apply()
    tasks, calls = world.state.tasks, len(world.calls("CreateSubaccount"))
    assert [s for s in world.plan().proposals if s.address == type_.address] == []
    world.apply()
    assert (world.state.tasks, len(world.calls("CreateSubaccount"))) == (tasks, calls)


def test_observing_twice_changes_nothing(world, type_):
    """Two observations give one snapshot, one plan, one state, and leave every secret where it is."""
    create(world, type_)
    first, state = world.plan(), world.state.index
    kept = {p: world.kv.metadata(p) for p in world.kv.paths if not p.endswith("/snapshot")}
    second = world.plan()
    assert second == first
    assert world.state.index == state
    assert {p: world.kv.metadata(p) for p in world.kv.paths if not p.endswith("/snapshot")} == kept
    assert {call["outcome"] for call in world.calls()} <= {"ok"}


def test_a_creation_cut_off_halfway_is_noticed(world, type_):
    """After the power went the next apply says what is to be done, and nothing is made twice."""
    world.declare(*type_.stands_on, type_.declared)
    world.cut_power_at(type_.cut, world.apply)
    action, kind = type_.noticed
    if kind is TaskKind.SETTLE_UNKNOWN:
        world.settle()
    step = world.step(type_.address)
    assert (step.action, step.task_kind) == (action, kind)
    world.apply()
    world.apply()
    assert world.open_tasks(type_.address) == [kind]
