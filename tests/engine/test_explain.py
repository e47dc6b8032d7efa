"""A key that names its calls is explained: the plan and its task say what each right is for."""

import pytest

from krakenstate import Access, Permission
from krakenstate.engine.explain import reasons_of
from krakenstate.model.task import TaskKind
from krakenstate.model.terms import KeyTerms
from tests.support.looks import as_described, look_at, plan_of, served
from tests.support.world import derivatives_key, spot_key

READS = {Permission.QUERY_FUNDS, Permission.QUERY_OPEN_TRADES}
BY_CALLS = spot_key(permissions=None, calls=["Balance", "TradeBalance"])
BY_RIGHTS = spot_key(permissions=READS)


def note_of(name, plan):
    """What the plan's one step says of an attribute."""
    [step] = [s for s in plan.steps if s.changes]
    [change] = [c for c in step.changes if c.name == name]
    return change.note


@pytest.mark.parametrize(("key", "attribute", "note"), [
    (BY_CALLS, "permissions",
     ("query-funds (Balance, TradeBalance), query-open-trades (TradeBalance); "
      "in doubt by Kraken's pages: TradeBalance")),
    (spot_key(permissions=READS, calls=["Balance"]), "permissions",
     "query-funds (Balance), query-open-trades (none of its calls)"),
    (spot_key(permissions=None, calls=["GetApiKeyInfo"]), "permissions", "its calls need none"),
    (BY_RIGHTS, "permissions", ""),
    (derivatives_key(general=None, transfer=None, calls=["POST sendorder", "GET fills"]), "general",
     "for POST sendorder"),
    (derivatives_key(general=None, transfer=None, calls=["POST sendorder", "GET fills"]), "transfer",
     "none of its calls needs more"),
    (derivatives_key(calls=["GET accounts"], general=Access.FULL_ACCESS), "general", "for none of its calls"),
])  # fmt: skip
def test_a_plan_says_which_calls_each_right_is_for(key, attribute, note):
    """The note stands at the attribute it explains, and only where calls are declared."""
    assert note_of(attribute, plan_of(look_at([key]))) == note


def test_calls_and_permissions_give_the_same_digest():
    """The decision holds what is derived, so a reviewer approves the same key either way."""
    by_calls, by_rights = plan_of(look_at([BY_CALLS])), plan_of(look_at([BY_RIGHTS]))
    assert by_calls.steps[0].after["permissions"] == ["query-funds", "query-open-trades"]
    assert by_calls.digest == by_rights.digest


def test_naming_the_calls_of_a_key_in_service_changes_nothing():
    """The key is as declared before and after, so nothing is proposed."""
    assert plan_of(look_at([BY_CALLS], [served(BY_RIGHTS)])).proposals == []


def test_one_more_call_is_an_edit_with_its_reason():
    """The edit adds the one permission that the new call needs."""
    wider = spot_key(permissions=None, calls=["Balance", "TradeBalance", "AddOrder"])
    plan = plan_of(look_at([wider], [served(BY_RIGHTS, description=as_described(BY_RIGHTS))]))
    [step] = plan.proposals
    [change] = step.changes
    assert change.added == ("modify-trades",)
    assert change.note.startswith("modify-trades (AddOrder), query-funds (Balance, TradeBalance), ")


def test_a_task_is_told_the_reasons_of_what_was_approved():
    """A line for each right; none where the stack asks for other rights by now."""
    assert reasons_of(BY_CALLS, KeyTerms.of(BY_CALLS)) == (
        "query-funds (Balance, TradeBalance)",
        "query-open-trades (TradeBalance)",
        "in doubt by Kraken's pages: TradeBalance",
    )
    assert reasons_of(BY_CALLS, KeyTerms.of(spot_key())) == ()
    assert reasons_of(BY_RIGHTS, KeyTerms.of(BY_RIGHTS)) == ()
    assert reasons_of(None, KeyTerms.of(BY_RIGHTS)) == ()


def test_the_task_to_create_a_key_says_what_it_is_for(world):
    """Whoever ticks the boxes reads which call each of them is there for."""
    world.declare(BY_CALLS)
    world.initialise()
    world.apply()
    task = world.task(TaskKind.CREATE_KEY, BY_CALLS.address)
    assert "What pnl needs it for, by the calls it makes:\n" in task.instructions
    assert "    query-open-trades (TradeBalance)\n" in task.instructions
