"""Waivers: what they excuse, for how long, and what happens when they do not fit."""

from datetime import date, timedelta

import pytest

from krakenstate import Waiver
from krakenstate.errors import WaiverEnded
from krakenstate.model.desired import Desired
from krakenstate.model.plan import Severity
from krakenstate.policy.base import Broken, Case, Ruling
from krakenstate.policy.judge import broken, judge, refuse
from krakenstate.policy.rules import PRODUCTION_ALLOWLIST
from tests.support.world import BASIS, HEAD, derivatives_key, spot_key

TODAY = date(2026, 11, 2)


def waiver(until, rule=PRODUCTION_ALLOWLIST):
    """One that risk answers for."""
    return Waiver(rule=rule, owner="risk", reason="changed over in spring", until=until)


def verdict(*waivers, strict=False, **changes):
    """What is said of one key, open to the world unless changed, with these waivers."""
    key = spot_key(**{"allowlist": [], **changes}, waivers=waivers)
    return judge(Case(Desired(HEAD, [*BASIS, key]), TODAY), strict=strict)


@pytest.mark.parametrize(("days", "severity"), [
    pytest.param(15, "note", id="long"),
    pytest.param(14, "warning", id="last-fortnight"),
    pytest.param(0, "warning", id="last-day"),
])  # fmt: skip
def test_a_waiver_holds_up_to_its_last_day(days, severity):
    """Until then the rule refuses nothing; who answers is told, and the last fortnight warns."""
    until = TODAY + timedelta(days=days)
    [check] = verdict(waiver(until))
    assert (check.severity, check.code, check.rule) == (severity, "KS5101", PRODUCTION_ALLOWLIST)
    expected = (
        f"need not keep production-allowlist until {until}, as risk answers for: changed over in spring"
    )
    assert check.text.startswith(expected)
    assert check.waiver == waiver(until)


def test_a_waiver_that_ended_is_an_error():
    """From the next day on the rule refuses again, and says whose waiver it was."""
    [check] = verdict(waiver(date(2026, 11, 1)))
    assert (check.severity, check.code) == ("error", "KS5011")
    assert check.text.endswith("Its waiver, which risk answers for, ended on 2026-11-01.")


def test_the_waiver_that_lasts_longest_counts():
    """A renewed waiver may stand beside the old one."""
    [check] = verdict(waiver(date(2026, 11, 1)), waiver(date(2027, 1, 1)))
    assert check.severity == "note"


def test_a_waiver_of_no_rule_is_an_error():
    """A name that is no rule's is refused, so that a typing error is noticed."""
    checks = verdict(waiver(TODAY, rule="production-alowlist"))
    assert [(c.code, c.severity) for c in checks] == [("KS5101", "error"), ("KS5012", "error")]
    assert "withdrawal-bounds" in checks[1].text


def test_a_waiver_that_excuses_nothing_is_a_warning():
    """A declaration that keeps the rule needs no waiver of it."""
    [check] = verdict(waiver(TODAY + timedelta(days=90), rule="nonce-window"), allowlist=spot_key().allowlist)
    assert (check.code, check.severity) == ("KS5013", "warning")


def test_strict_makes_warnings_errors_and_leaves_notes():
    """A waiver that holds is no warning; one that is about to end is."""
    assert [c.severity for c in verdict(waiver(TODAY + timedelta(days=90)), strict=True)] == ["note"]
    assert [c.severity for c in verdict(waiver(TODAY), strict=True)] == ["error"]


def test_a_refusal_is_the_error_of_its_code_with_line_and_way_out():
    """What refuses a plan is raised as the leaf that has its code."""
    with pytest.raises(WaiverEnded) as raised:
        refuse(verdict(waiver(date(2026, 11, 1))))
    assert (raised.value.address, raised.value.exit_code) == ("spot_key.pnl", 5)
    assert raised.value.next_step == "Name the networks its process calls from: allowlist=[...]"
    assert raised.value.source is not None


def test_what_breaks_a_rule_is_listed_whether_waived_or_not():
    """An import gives a waiver to each declaration that a rule would refuse, not to those it warns of."""
    key = spot_key(allowlist=[], expires=None, waivers=[waiver(TODAY)])
    stack = Desired(HEAD, [*BASIS, key, derivatives_key(allowlist=[])])
    assert broken(stack, TODAY) == [
        (PRODUCTION_ALLOWLIST, "derivatives_key.hedger"), (PRODUCTION_ALLOWLIST, "spot_key.pnl"),
    ]  # fmt: skip


FAILED = Broken("desk", Severity.ERROR, "KS5202", "policies/desk.py could not be looked at.", "Correct it.")
FOUND = Broken("desk.rule", Severity.ERROR, "KS5201", "It breaks it.", "Keep it.", address=spot_key().address)


@pytest.mark.parametrize(("desk", "codes"), [
    pytest.param(None, [], id="not-looked-at"),
    pytest.param(Ruling((("desk.rule", ""),)), [], id="kept"),
    pytest.param(Ruling((("desk.other", ""),)), ["KS5012"], id="no-such-rule"),
    pytest.param(Ruling((), (FAILED,)), ["KS5202"], id="its-file-failed"),
    pytest.param(Ruling((("desk.rule", ""),), (FOUND,)), ["KS5201"], id="needed"),
])  # fmt: skip
def test_a_waiver_of_a_desk_s_rule_is_judged_once_that_was_looked_at(desk, codes):
    """Its name has a dot; whether it is kept is not judged, since it may look at a plan that there is not."""
    key = spot_key(waivers=[waiver(date(2027, 1, 31), rule="desk.rule")])
    checks = judge(Case(Desired(HEAD, [*BASIS, key]), TODAY), desk=desk)
    assert [c.code for c in checks] == codes
    assert {c.severity for c in checks if c.code == "KS5201"} <= {"note"}
