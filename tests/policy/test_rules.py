"""Rules: for each a stack that breaks it, and one that just keeps it."""

from datetime import date, timedelta

import pytest

from krakenstate import Allowlist, Environment, Vault, Waiver
from krakenstate.errors import catalogue
from krakenstate.model.desired import Desired, StackHead
from krakenstate.policy.rules import PRODUCTION_ALLOWLIST, RULES, violations
from tests.support.world import BASIS, HEAD, RUNNER, derivatives_key, spot_key

UAT = StackHead(
    name="prod",
    environment=Environment(name="uat", spot_url="https://uat.example", futures_url="https://uat-f.example"),
    vault=Vault(mount="kv", secrets="kraken/uat", state="krakenstate/uat"),
)
WORLD = Allowlist(name="world", networks=["0.0.0.0/0"])


@pytest.mark.parametrize("make", [spot_key, derivatives_key])
def test_a_production_key_open_to_the_world_is_refused(make):
    """An empty allowlist in production is refused with the key's address, line and a way out."""
    key = make(allowlist=[])
    [refused] = violations(Desired(HEAD, [*BASIS, key]))
    assert (refused.address, refused.exit_code, refused.source) == (key.address, 5, key.source)
    assert "works from anywhere in the world" in refused.message
    assert "allowlist=[...]" in refused.next_step
    assert refused.code.startswith("KS5")


@pytest.mark.parametrize(("head", "changes"), [
    pytest.param(HEAD, {}, id="one-address"),
    pytest.param(HEAD, {"allowlist": [WORLD]}, id="the-world-written-out"),
    pytest.param(HEAD, {"allowlist": None}, id="not-managed"),
    pytest.param(UAT, {"allowlist": []}, id="open-outside-production"),
])  # fmt: skip
def test_a_stack_that_just_keeps_the_rule_passes(head, changes):
    """A named allowlist, an unmanaged one, and an open key elsewhere are no violations."""
    assert violations(Desired(head, [*BASIS, WORLD, spot_key(**changes), derivatives_key(**changes)])) == []


def test_every_violation_is_reported_by_address():
    """Two open keys are two findings, in order of address."""
    declared = [
        *BASIS,
        spot_key(allowlist=[]),
        derivatives_key(allowlist=[]),
        spot_key(name="x", allowlist=[RUNNER]),
    ]
    found = violations(Desired(HEAD, declared))
    assert [v.address for v in found] == ["derivatives_key.hedger", "spot_key.pnl"]


def test_every_refusal_has_a_code():
    """A rule's refusals are errors of the catalogue; each rule is tried above."""
    [refused] = violations(Desired(HEAD, [*BASIS, spot_key(allowlist=[])]))
    assert type(refused) in set(catalogue())
    assert len(RULES) == 1


TODAY = date(2026, 11, 2)


def waived(until, rule=PRODUCTION_ALLOWLIST):
    """An open production key that somebody answers for."""
    waiver = Waiver(rule=rule, owner="risk", reason="changed over in spring", until=until)
    return Desired(HEAD, [*BASIS, spot_key(allowlist=[], waivers=[waiver])])


@pytest.mark.parametrize("days", [0, 30])
def test_a_waiver_holds_up_to_its_last_day(days):
    """Until then the rule refuses nothing."""
    assert violations(waived(TODAY + timedelta(days=days)), TODAY) == []


def test_a_waiver_that_ended_is_an_error():
    """From the next day on the rule refuses again, and says whose waiver it was."""
    [refused] = violations(waived(TODAY - timedelta(days=1)), TODAY)
    assert (refused.code, refused.exit_code) == ("KS5011", 5)
    assert "risk" in refused.message
    assert "2026-11-01" in refused.message


def test_a_waiver_of_another_rule_helps_nobody():
    """A name that is no rule's is refused as well, so that a typing error is noticed."""
    found = violations(waived(TODAY, rule="production-alowlist"), TODAY)
    assert [v.code for v in found] == ["KS5001", "KS5012"]
