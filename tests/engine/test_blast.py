"""Blast radius: what somebody could do who had a key's secret."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from krakenstate import Access, DerivativesKey, Permission, SpotKey, roles
from krakenstate.engine.blast import blast_of
from krakenstate.engine.risk import risks_of_changes
from krakenstate.engine.stakes import blast_changes_of, restated, risks_of
from krakenstate.model.declarations import Removed
from krakenstate.model.desired import Desired
from krakenstate.model.plan import Action, AttributeChange
from tests.support.looks import NOW, key_record, look_at, plan_of, served
from tests.support.world import BASIS, CARRY, COLO, DESK, HEAD, HEDGER, PNL, RUNNER, spot_key


def told(type_name="spot_key", **values):
    """The sentence about a key with these attributes."""
    return blast_of(type_name, "mm", values).text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param(
            {
                "permissions": ["query-funds", "query-open-trades", "modify-trades", "close-trades"],
                "ip_allowlist": ["203.0.113.7/32", "203.0.113.8/32"],
                "expires": "2027-06-30",
            },
            "can trade and cancel on mm, from 2 addresses, until 2027-06-30; cannot withdraw",
            id="market-maker",
        ),
        pytest.param(
            {"permissions": ["query-funds", "query-ledger"], "ip_allowlist": ["198.51.100.0/28"]},
            "can only read mm, from 16 addresses, without an end; cannot trade or withdraw",
            id="reconciliation",
        ),
        pytest.param(
            {"permissions": ["withdraw-funds"], "ip_allowlist": ["192.0.2.10/32"]},
            "can withdraw on mm, from 1 address, without an end; cannot trade",
            id="controller",
        ),
        pytest.param(
            {"permissions": ["add-withdraw-address", "withdraw-funds", "modify-trades"], "ip_allowlist": []},
            "can withdraw, add withdrawal addresses and trade on mm, from anywhere in the world, "
            "without an end",
            id="everything-from-everywhere",
        ),
        pytest.param(
            {"permissions": ["fix-orders", "query-funds"], "ip_allowlist": ["2001:db8:1::/64"]},
            "can use fix-orders on mm, from about 2^64 addresses, without an end; cannot trade or withdraw",
            id="a-permission-nobody-published",
        ),
        pytest.param(
            {"permissions": [], "ip_allowlist": ["192.0.2.10/32"]},
            "can do nothing on mm, from 1 address, without an end",
            id="no-rights",
        ),
        pytest.param(
            {"permissions": ["close-trades"]},
            "can cancel on mm, from where is not declared, without an end; cannot trade or withdraw",
            id="allowlist-not-managed",
        ),
        pytest.param(
            {"ip_allowlist": ["192.0.2.10/32"], "expires": "2027-06-30T12:00:00Z"},
            "can do on mm what is not declared, from 1 address, until 2027-06-30",
            id="permissions-not-managed",
        ),
    ],
)
def test_a_spot_key_is_told_in_plain_words(values, text):
    """What it can do in order of harm, from how many addresses, until when, and what it cannot."""
    assert told(**values) == text


@pytest.mark.parametrize(
    ("general", "transfer", "text", "critical"),
    [
        ("FULL_ACCESS", "NO_ACCESS", "can trade, cancel and transfer between its own accounts on mm", False),
        ("READ_ONLY", "NO_ACCESS", "can only read mm", False),
        ("NO_ACCESS", "FULL_ACCESS", "can withdraw on mm", True),
        ("READ_ONLY", "READ_ONLY", "can only read mm", False),
        ("NO_ACCESS", "NO_ACCESS", "can do nothing on mm", False),
        ("FULL_ACCESS", None, "can do on mm what is not declared", True),
    ],
)
def test_a_derivatives_key_is_told_by_its_levels(general, transfer, text, critical):
    """Full general access trades and moves funds within; only the transfer level withdraws."""
    values = {"general": general, "ip_allowlist": ["203.0.113.7/32"]}
    blast = blast_of("derivatives_key", "mm", values | ({"transfer": transfer} if transfer else {}))
    assert blast.text.startswith(f"{text}, from 1 address, without an end")
    assert blast.critical is critical


@pytest.mark.parametrize(
    ("values", "critical"),
    [
        ({"permissions": ["modify-trades"], "ip_allowlist": ["192.0.2.10/32"]}, False),
        ({"permissions": ["withdraw-funds"], "ip_allowlist": ["192.0.2.10/32"]}, True),
        ({"permissions": ["query-funds"], "ip_allowlist": []}, True),
        ({"permissions": ["query-funds"]}, True),
        ({"ip_allowlist": ["192.0.2.10/32"]}, True),
    ],
)
def test_what_is_open_moves_funds_or_is_not_declared_is_critical(values, critical):
    """A narrow key that cannot move funds is the only kind that is not."""
    assert blast_of("spot_key", "mm", values).critical is critical


def judged(*declarations, records=(), **options):
    """Before and after of each key that a plan's proposals are about, and its risks, from the steps alone."""
    plan = plan_of(look_at(declarations, records, **options))
    assert (plan.risks, plan.blast) == (risks_of(plan.steps), blast_changes_of(plan.steps))
    sides = [(c.before and c.before.text, c.after and c.after.text) for c in plan.blast]
    return sides, [f"{r.word.value} {r.text}" for r in plan.risks]


READS = "can only read desk, from 1 address, without an end; cannot trade or withdraw"
TRADES = "can trade and cancel on desk, from 1 address, without an end; cannot withdraw"
TRADER = spot_key(permissions=roles.TRADING, expires=None)


def test_a_new_key_has_no_before():
    """What does not exist cannot leak."""
    sides, risks = judged(TRADER)
    assert sides == [(None, TRADES)]
    assert risks == ["GAINS close-trades, modify-trades, query-funds, query-open-trades on desk"]


def test_an_edit_has_both_sides():
    """Before is what is recorded of the key, after what is declared."""
    record = served(spot_key(permissions={Permission.QUERY_FUNDS}, expires=None))
    sides, risks = judged(TRADER, records=[record])
    assert sides == [(READS, TRADES)]
    assert risks == ["GAINS close-trades, modify-trades, query-open-trades"]


def test_a_removed_key_has_no_after():
    """Whoever had its secret can do nothing any more, once it is deleted: a loss, by its words."""
    sides, risks = judged(records=[served(TRADER)])
    assert sides == [(TRADES, None)]
    assert risks == [
        "LOSES close-trades, modify-trades, query-funds, query-open-trades on desk, once its key is deleted"
    ]


def test_a_rotation_says_what_the_next_generation_can_do():
    """A key that is replaced as it is stays as dangerous; one that is replaced by a longer one is a risk."""
    aged = served(TRADER)
    published = aged.published.model_copy(update={"at": NOW - timedelta(days=91)})
    aged = aged.model_copy(update={"published": published})
    same = spot_key(permissions=roles.TRADING, expires=None, rotate_every=timedelta(days=90))
    assert judged(same, records=[aged]) == ([(TRADES, TRADES)], [])
    ends = [
        spot_key(permissions=roles.TRADING, expires=date(*day)) for day in ((2026, 11, 10), (2027, 6, 30))
    ]
    sides, risks = judged(ends[1], records=[served(ends[0])])
    until = [TRADES.replace("without an end", f"until {key.expires}") for key in ends]
    assert sides == [(until[0], until[1])]
    assert risks == ["EXTENDS expiry 2026-11-10 -> 2027-06-30"]


def test_an_adopted_key_is_told_although_nothing_changes():
    """Approving an adoption is approving what the key can do: it stands in the plan, and in its digest."""
    reader = spot_key(permissions={Permission.QUERY_FUNDS}, expires=None, key_name="old bot")
    mover = spot_key(permissions={Permission.WITHDRAW_FUNDS}, expires=None, key_name="old bot")
    assert judged(reader) == ([(READS, READS)], [])
    plans = [plan_of(look_at([key])) for key in (reader, mover)]
    assert [c.critical for plan in plans for c in plan.blast] == [False, True]
    assert plans[0].digest != plans[1].digest


def test_a_key_that_is_let_go_stays_as_it_is():
    """Letting go does nothing at Kraken, so the secret is worth as much afterwards."""
    desired = Desired(HEAD, BASIS, (), [Removed(address=TRADER.address)])
    look = replace(look_at([], [served(TRADER)]), desired=desired)
    plan = plan_of(look)
    assert [(s.address, s.action) for s in plan.proposals] == [(TRADER.address, Action.FORGET)]
    assert [(c.before.text, c.after.text) for c in plan.blast] == [(TRADES, TRADES)]


def test_a_key_that_nobody_handed_in_is_not_told():
    """Forgetting what was never made changes nobody's reach."""
    assert judged(records=[key_record(TRADER)]) == ([], [])


def test_a_controller_of_derivatives_is_told_by_what_its_level_reaches():
    """Full access at the master moves funds between accounts, and says so."""
    key = DerivativesKey(
        name="hedger",
        account=CARRY,
        process=HEDGER,
        general=Access.FULL_ACCESS,
        transfer=Access.NO_ACCESS,
        allowlist=[COLO],
    )
    [(before, after)], _ = judged(CARRY, key)
    assert before is None
    assert after.startswith(
        "can trade, cancel and transfer between its own accounts on carry, from about 2^64"
    )
    assert after.endswith("addresses, without an end; cannot withdraw")


def test_the_worst_key_stands_first():
    """Critical blast radii lead the list, then the addresses."""
    reader = SpotKey(name="a", account=DESK, process=PNL, permissions=roles.DASHBOARD, allowlist=[RUNNER])
    plan = plan_of(look_at([reader, spot_key(name="z", process=HEDGER, allowlist=[])]))
    assert [(c.address.name, c.critical) for c in plan.blast] == [("z", True), ("a", False)]


def test_what_a_plan_means_is_read_from_what_its_digest_covers():
    """A plan whose risk list, blast radii and shown changes were emptied says again what its steps do."""
    record = served(spot_key(permissions={Permission.QUERY_FUNDS}, expires=None))
    plan = plan_of(look_at([spot_key(permissions=roles.TRADING, expires=None, allowlist=[])], [record]))
    assert [r.word.value for r in plan.risks] == ["WIDENS", "GAINS"]
    emptied = plan.model_copy(
        update={
            "risks": (),
            "blast": (),
            "steps": tuple(s.model_copy(update={"changes": (), "note": "", "label": ""}) for s in plan.steps),
        }
    )
    assert (restated(emptied).risks, restated(emptied).blast) == (plan.risks, plan.blast)


def test_the_same_addresses_in_other_words_are_no_risk():
    """An allowlist that is only written differently neither widens nor narrows."""
    pair = {"before": ["192.0.2.0/25", "192.0.2.128/25"], "after": ["192.0.2.0/24"]}
    assert risks_of_changes(TRADER.address, [AttributeChange(name="ip_allowlist", **pair)]) == []
