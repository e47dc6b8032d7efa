"""``--target`` and ``--exclude``: a part of a plan is a part of the plan."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.engine.planner import build_plan
from krakenstate.engine.scope import Scope
from krakenstate.errors import AddressUnknown
from krakenstate.model.address import Address
from tests.support.looks import look_at, plan_of
from tests.support.strategies import desks
from tests.support.world import CREATOR, MM, grant, spot_key

quick = settings(deadline=None, max_examples=40)
KEY = spot_key(account=MM)
STACK = [CREATOR, MM, KEY, grant()]


def part_of(look, *, targets=(), excluded=()):
    """The plan of a part."""
    scope = Scope(tuple(map(Address, targets)), tuple(map(Address, excluded)))
    return build_plan(look, version="test", scope=scope)


@quick
@given(desks(), st.data())
def test_a_part_has_steps_of_the_whole_and_no_others(scene, data):
    """Whatever is named: each step is the whole plan's, and only the digest is another."""
    look = scene.look()
    whole = plan_of(look)
    named = data.draw(st.lists(st.sampled_from([s.address for s in whole.steps]), min_size=1, unique=True))
    targeted, rest = part_of(look, targets=named), part_of(look, excluded=named)
    for part in (targeted, rest):
        assert all(step in whole.steps for step in part.steps)
        assert part.digest != whole.digest
        assert {r.address for r in part.risks} <= {s.address for s in part.steps}
    assert set(named) <= {s.address for s in targeted.steps}
    assert not set(named) & {s.address for s in rest.steps}


def test_a_target_brings_what_it_depends_on():
    """A key needs its account, the account its master and the controller that creates it."""
    steps = {s.address for s in part_of(look_at(STACK), targets=[KEY.address]).steps}
    assert steps == {KEY.address, MM.address, CREATOR.address, "master_account.desk"}


def test_what_depends_on_an_excluded_one_is_excluded():
    """Without its account a key is not asked for."""
    steps = {s.address for s in part_of(look_at(STACK), excluded=[MM.address]).steps}
    assert steps == {CREATOR.address, "grant.pnl", "master_account.desk"}


def test_a_part_says_that_it_is_one():
    """The same proposals approved as a part are another decision than as the whole."""
    look = look_at([KEY.model_copy(update={"account": CREATOR.account})])
    whole, part = plan_of(look), part_of(look, targets=[KEY.address])
    assert [s.address for s in whole.proposals] == [s.address for s in part.proposals]
    assert whole.digest != part.digest
    assert part.targets == (KEY.address,)


def test_an_address_nobody_knows_is_no_target():
    """A typing mistake is not an empty plan."""
    with pytest.raises(AddressUnknown):
        part_of(look_at(STACK), targets=["spot_key.none"])
