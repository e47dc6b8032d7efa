"""Rules: for each a stack that breaks it, and one that just keeps it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from krakenstate import (
    Access,
    Allowlist,
    Environment,
    Permission,
    Process,
    SpotKey,
    Vault,
)
from krakenstate.errors import PolicyError, catalogue
from krakenstate.model.address import Address
from krakenstate.model.desired import Desired, StackHead
from krakenstate.model.plan import Severity
from krakenstate.model.proof import Promoted, Proof
from krakenstate.model.provenance import Provenance
from krakenstate.policy.base import Case, breaks
from krakenstate.policy.rules import RULES
from tests.docs.markdown import ROOT
from tests.support.world import (
    BASIS,
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    HEAD,
    HEDGER,
    MM,
    PLATFORM,
    derivatives_key,
    spot_key,
)

TODAY = date(2026, 11, 2)
UAT = StackHead(
    name="prod",
    environment=Environment(name="uat", spot_url="https://uat.example", futures_url="https://uat-f.example"),
    vault=Vault(mount="kv", secrets="kraken/uat", state="krakenstate/uat"),
)
P, FULL, NONE = Permission, Access.FULL_ACCESS, Access.NO_ACCESS
BANK = {"permissions": {P.WITHDRAW_FUNDS}, "expires": date(2026, 12, 31)}
TRADER = Process(name="trader", owner="arbitrage")
PROOF = Proof(Address("spot_key.pnl"), datetime(2026, 11, 1, tzinfo=UTC), Provenance.OBSERVED)


def lists(*networks):
    """One allowlist of these networks, and a key that uses it."""
    listed = Allowlist(name="wide", networks=networks)
    return [listed, spot_key(allowlist=[listed])]


def halves():
    """Two allowlists that are narrow alone and broad together."""
    one, two = (
        Allowlist(name=n, networks=[net]) for n, net in (("one", "10.0.0.0/17"), ("two", "10.0.128.0/17"))
    )
    return [one, two, spot_key(allowlist=[one, two])]


def trader(**changes):
    """A key of another owner's process on the subaccount mm."""
    fields = {"name": "trader", "account": MM, "process": TRADER, "permissions": {P.MODIFY_TRADES}}
    return spot_key(**{**fields, **changes})


BREAKS = [
    ("production-allowlist", [spot_key(allowlist=[])], "spot_key.pnl"),
    ("production-allowlist", [spot_key(allowlist=None)], "spot_key.pnl"),
    ("production-allowlist", [derivatives_key(allowlist=[])], "derivatives_key.hedger"),
    ("broad-network", lists("0.0.0.0/0"), "allowlist.wide"),
    ("broad-network", lists("10.20.0.0/16"), "allowlist.wide"),
    ("broad-network", lists("10.0.0.0/17", "10.0.128.0/17"), "allowlist.wide"),
    ("broad-network", lists("2001:db8::/47"), "allowlist.wide"),
    ("broad-network", halves(), "spot_key.pnl"),
    ("withdrawal-bounds", [spot_key(**BANK | {"expires": None})], "spot_key.pnl"),
    ("withdrawal-bounds", [spot_key(**BANK | {"allowlist": []})], "spot_key.pnl"),
    ("withdrawal-bounds", [spot_key(permissions={P.ADD_WITHDRAW_ADDRESS}, expires=None)], "spot_key.pnl"),
    ("withdrawal-bounds", [derivatives_key(transfer=FULL)], "derivatives_key.hedger"),
    ("withdrawal-and-trading", [spot_key(permissions={P.WITHDRAW_FUNDS, P.CLOSE_TRADES})], "spot_key.pnl"),
    ("withdrawal-and-trading", [derivatives_key(general=FULL, transfer=FULL)], "derivatives_key.hedger"),
    (
        "withdrawal-and-addresses",
        [spot_key(permissions={P.WITHDRAW_FUNDS, P.ADD_WITHDRAW_ADDRESS})],
        "spot_key.pnl",
    ),
    ("withdrawal-on-subaccount", [MM, spot_key(account=MM, **BANK)], "spot_key.pnl"),
    (
        "withdrawal-on-subaccount",
        [CARRY, derivatives_key(account=CARRY, transfer=FULL)],
        "derivatives_key.hedger",
    ),
    ("maximum-age", [derivatives_key(rotate_every=timedelta(days=367))], "derivatives_key.hedger"),
    ("maximum-lifetime", [spot_key(expires=TODAY + timedelta(days=367))], "spot_key.pnl"),
    ("key-age", [spot_key(), derivatives_key(name="old")], "derivatives_key.old"),
    ("nonce-window", [spot_key(nonce_window=1)], "spot_key.pnl"),
    ("controller-process", [CREATOR, spot_key(process=PLATFORM)], "spot_key.spot-creator"),
    ("spot-key-end", [spot_key(expires=None)], "spot_key.pnl"),
    ("trading-owners", [MM, TRADER, trader(), trader(name="other", process=HEDGER)], "spot_key.trader"),
    (
        "trading-owners",
        [TRADER, trader(account=DESK), derivatives_key(general=FULL)],
        "spot_key.trader",
    ),
    ("rights-beyond-calls", [spot_key(calls=["Balance"])], "spot_key.pnl"),
    ("rights-beyond-calls", [derivatives_key(calls=["GET fills"], general=FULL)], "derivatives_key.hedger"),
    ("promotion", [spot_key(), spot_key(name="unproven", process=PLATFORM)], "spot_key.unproven"),
]  # fmt: skip

KEEPS = [
    ("production-allowlist", [spot_key(), derivatives_key()]),
    ("broad-network", lists("10.20.0.0/17", "2001:db8::/48")),
    ("broad-network", [Allowlist(name="unused", networks=["0.0.0.0/0"])]),
    ("withdrawal-bounds", [spot_key(**BANK)]),
    ("withdrawal-bounds", [CREATOR, CONTROLLER]),
    ("withdrawal-bounds", [derivatives_key(transfer=FULL, rotate_every=timedelta(days=90))]),
    ("withdrawal-and-trading", [spot_key(permissions={P.WITHDRAW_FUNDS, P.QUERY_OPEN_TRADES})]),
    ("withdrawal-and-trading", [CONTROLLER, derivatives_key(transfer=FULL)]),
    ("withdrawal-and-addresses", [spot_key(permissions={P.WITHDRAW_FUNDS, P.QUERY_FUNDS})]),
    ("withdrawal-on-subaccount", [MM, spot_key(**BANK), spot_key(name="mm", account=MM)]),
    ("maximum-age", [derivatives_key(rotate_every=timedelta(days=366))]),
    ("maximum-lifetime", [spot_key(expires=TODAY + timedelta(days=366))]),
    ("key-age", [spot_key(), derivatives_key(name="new")]),
    ("nonce-window", [spot_key(nonce_window=0)]),
    ("controller-process", [CREATOR, CONTROLLER, spot_key()]),
    ("spot-key-end", [spot_key(expires=None, rotate_every=timedelta(days=90))]),
    ("trading-owners", [MM, TRADER, trader(), trader(name="other", process=HEDGER, account=DESK)]),
    (
        "trading-owners",
        [MM, TRADER, trader(), trader(name="brake", process=HEDGER, permissions={P.CLOSE_TRADES})],
    ),
    ("trading-owners", [CONTROLLER, TRADER, trader(account=DESK)]),
    ("rights-beyond-calls", [spot_key(calls=["Balance", "Ledgers"]), derivatives_key(calls=["GET fills"])]),
    ("rights-beyond-calls", [spot_key(), derivatives_key()]),
    ("promotion", [spot_key()]),
]


def found(rule, declared, head=HEAD):
    """The breaks of one rule in a stack of the basis and these.

    A key is promoted unless called unproven, and in service for as long as it may be; an old one longer.
    """
    unique = {d.address: d for d in [*BASIS, *declared]}
    promotions = tuple(
        Promoted(
            d.address, "uat", proof=None if d.name == "unproven" else PROOF, why_not="no key there has it"
        )
        for d in declared
        if isinstance(d, SpotKey)
    )
    days = {address: 367 if d.name == "old" else 366 for address, d in unique.items() if d.name != "new"}
    since = {address: TODAY - timedelta(days=age) for address, age in days.items()}
    case = Case(Desired(head, unique.values()), TODAY, promotions=promotions, since=since)
    return breaks(RULES[rule], case)


@pytest.mark.parametrize(("rule", "declared", "address"), BREAKS)
def test_a_stack_that_breaks_the_rule_is_found(rule, declared, address):
    """One finding, at the declaration that has to change, with the rule's code, a line and a way out."""
    [broken] = found(rule, declared)
    [about] = [d for d in declared if d.address == address]
    assert (broken.rule, broken.address, broken.source) == (rule, address, about.source)
    assert address in broken.text
    assert (broken.code, broken.severity) == (RULES[rule].error.code, RULES[rule].severity)
    assert broken.remedy.endswith((".", "]", ")"))


@pytest.mark.parametrize(("rule", "declared"), KEEPS)
def test_a_stack_that_just_keeps_the_rule_passes(rule, declared):
    """The nearest stack on the right side of the rule is not found."""
    assert found(rule, declared) == []


def test_every_rule_is_tried_on_both_sides():
    """A rule that is added needs a stack that breaks it and one that just keeps it."""
    assert {rule for rule, *_ in BREAKS} == set(RULES)
    assert {rule for rule, *_ in KEEPS} == set(RULES)


@pytest.mark.parametrize("rule", ["production-allowlist", "broad-network"])
def test_rules_of_production_leave_other_environments_alone(rule):
    """A key that is open outside production is no finding there."""
    assert found(rule, [spot_key(allowlist=[]), *lists("0.0.0.0/0")[:1]], UAT) == []


def test_every_rule_has_a_code_of_its_own():
    """Codes tell the rules apart, and each is an error of the catalogue that exits 5."""
    leaves = [rule.error for rule in RULES.values()]
    assert len({leaf.code for leaf in leaves}) == len(RULES)
    assert set(leaves) <= set(catalogue())
    assert all(issubclass(leaf, PolicyError) and leaf.exit_code == 5 for leaf in leaves)


def test_the_page_lists_the_rules_as_they_are():
    """docs/policy.md has one row per rule: name, what it says, severity, code."""
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    for rule in RULES.values():
        link = f"[{rule.error.code}](errors.md#{rule.error.code.lower()})"
        assert f"| `{rule.name}` | {rule.says} | {rule.severity.value} | {link} |" in page
    assert page.count("(errors.md#ks51") == len(RULES)


def test_the_controllers_of_a_desk_keep_every_rule():
    """What krakenstate itself needs on a master account passes, the right to move funds included."""
    case = Case(Desired(HEAD, [*BASIS, CREATOR, CONTROLLER]), TODAY)
    assert [broken for rule in RULES.values() for broken in breaks(rule, case)] == []


def test_the_severities_are_what_users_rely_on():
    """Four rules warn, the others refuse."""
    assert {r.name for r in RULES.values() if r.severity is Severity.WARNING} == {
        "key-age", "rights-beyond-calls", "spot-key-end", "trading-owners",
    }  # fmt: skip
