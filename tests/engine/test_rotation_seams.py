"""The power goes after each write of a rotation: the next runs arrive where the dead one was going.

Whatever was cut, the path of the process holds a key that exists, the old secret is somewhere until the old
key is dead, and that key is not asked twice in a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from krakenstate.model.credential import Credential
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from tests.engine.test_rotation import AGING, SPOT, delete_old, due, next_key, retired, says_it_uses
from tests.support.memory import PowerCut, Watch
from tests.support.world import STATE, World, halves, is_empty


class Desk:
    """A world on its way through one rotation."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old = due(world)
        self.new: Credential | None = None
        self.is_deleted = False

    def begin(self) -> object:
        """The proposal is applied."""
        return self.world.apply()

    def hand_in(self) -> object:
        """The successor is handed in; who was told to has it in quarantine, and does it no second time."""
        world = self.world
        if self.new is None:
            self.new = next_key(world)
        record = world.state.key(SPOT)
        if record.awaits_successor and world.quarantine("pnl", SPOT) is None:
            return world.hand_in(SPOT, self.new)
        return world.settle()

    def adopt(self) -> object:
        """The process says which key it uses."""
        if self.new is not None:
            says_it_uses(self.world, self.new)
        return self.world.settle()

    def drain(self) -> object:
        """The overlap is over."""
        return self.world.settle()

    def prove(self) -> object:
        """The old key is deleted, and somebody said so."""
        if not self.is_deleted:
            delete_old(self.world, self.old)
            self.is_deleted = True
        if TaskKind.DELETE_KEY in self.world.open_tasks(SPOT):
            self.world.attest(TaskKind.DELETE_KEY, SPOT)
        return self.world.settle()

    def check(self) -> None:
        """The process can work, and no secret of a living key is lost."""
        held = self.world.published("pnl", SPOT)
        assert held is not None
        served = [c for c in (self.old, self.new) if c and halves(c).items() <= held.items()]
        assert served, "a stranger's key lies at the path"
        if not self.is_deleted:
            aside = retired(self.world)
            assert served == [self.old] or (aside and halves(self.old).items() <= aside.items())


STEPS: list[tuple[Callable[[Desk], object], int, int]] = [
    (Desk.begin, 0, 2),
    (Desk.hand_in, 0, 23),
    (Desk.adopt, 0, 3),
    (Desk.drain, 3, 2),
    (Desk.prove, 0, 18),
]
"""Each step, how many days it waits, and how many writes it makes."""


def after_write(number: int) -> Watch:
    """Cuts the power once so many writes have taken effect."""
    seen = 0

    def watch(moment: str, path: str, data: Mapping[str, Any]) -> bool:
        nonlocal seen
        del data
        if moment == "after" and not path.endswith("/lock") and not path.endswith("/snapshot"):
            seen += 1
        return moment == "after" and seen == number

    return watch


@pytest.mark.parametrize(
    ("cut", "number"),
    [
        pytest.param(index, number, id=f"{step.__name__}-{number}")
        for index, (step, _, writes) in enumerate(STEPS)
        for number in range(1, writes + 1)
    ],
)
def test_a_rotation_survives_the_loss_of_power_after_every_write(world, cut, number):
    """The step that died is done by the next run, nothing is lost, and in the end nothing is left to do."""
    desk = Desk(world)
    for index, (step, days, _) in enumerate(STEPS):
        world.clock.advance(days=days)
        if index != cut:
            step(desk)
            continue
        world.mains.watch = after_write(number)
        with pytest.raises(PowerCut):
            step(desk)
        world.mains.restore()
        world.clock.advance(minutes=20)
        desk.check()
        step(desk)
        desk.check()
    for _ in range(3):
        world.settle()
    assert is_empty(world.plan())
    assert halves(desk.new).items() <= world.published("pnl", SPOT).items()
    assert retired(world) is None
    assert not [p for p in world.kv.paths if p.startswith(f"{STATE}/quarantine/")]
    proofs = [c for c in world.calls(only=desk.old) if c["outcome"] != "ok"]
    assert len(proofs) <= 2
    assert world.state.key(SPOT).generation == AGING.address.count("pnl") + 1
    assert Effect.FAILED not in {o.effect for o in world.settle().outcomes}
