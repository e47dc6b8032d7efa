"""Rules and thresholds through the command line: shown with the plan, and in the way of every apply."""

from collections.abc import Callable
from textwrap import dedent

from tests.support.e2e import APPLY, AT_RUNNER, HEADER, MASTER, PNL, PNL_PERMISSIONS, RUNNER, Desk

OPEN_KEY = PNL.replace("allowlist=[runner]", "allowlist=[]")
KEY, SECRET = "spot_key.pnl", "kraken/prod/pnl/spot_key.pnl"
RULE = """
    from krakenstate import Violation

    def one_task_at_once(plan, desired):
        if plan is not None and plan["summary"]["manual"]:
            yield Violation(message="A task would be opened.", address="spot_key.pnl")
    """
WAIVER = """waivers=[Waiver(rule="desk.one_task_at_once", owner="risk", reason="first key",
    until=date(2027, 1, 31))], rotate_every=timedelta(days=90), nonce_unit"""
TIGHT = 'name="prod", thresholds=Thresholds(destroys=0, existing=1),'


def test_what_a_rule_refuses_is_shown_and_never_applied(new_desk: Callable[[str], Desk]) -> None:
    """Built-in and the desk's own, also from a rendered stack under CI; a waiver lets it through."""
    desk = new_desk(HEADER + OPEN_KEY)
    desk.run("init")
    shown = desk.run("plan", *AT_RUNNER, code=5, expect=('task "create-key"', "KS5101", "Refused: 1 error"))
    assert "stacks/prod.py line 15, rule production-allowlist" in shown.stdout
    plan = desk.data("plan", *AT_RUNNER, code=5)
    assert (plan["applyable"], plan["checks"][0]["severity"]) == (False, "error")
    desk.fails("KS5101", *APPLY, code=5)
    desk.fails("KS5101", "validate", code=5)

    rules = desk.folder / "policies"
    rules.mkdir()
    (rules / "desk.py").write_text(dedent(RULE), encoding="utf-8")
    desk.declare(HEADER + PNL)
    desk.run("policy", "check", expect=("Policy of prod is kept: 1 warning.", "16 rules looked at."))
    desk.run("plan", *AT_RUNNER, code=5, expect="rule desk.one_task_at_once, KS5201")
    refused = desk.run(*APPLY, code=5)
    assert "A task would be opened." in refused.stderr
    desk.run("render", "--out", "desired.json")
    in_ci = {"CI": "true"}
    desk.run("plan", "--desired", "desired.json", *AT_RUNNER, code=5, env=in_ci, expect="KS5201")
    desk.run("policy", "check", "--strict", code=5, expect="KS5111")
    assert desk.tasks() == {}
    assert not [path for path in desk.lasting() if "/resources/" in path]

    desk.edit("nonce_unit", WAIVER)
    desk.run(*APPLY, expect="waived spot_key.pnl: need not keep desk.one_task_at_once until 2027-01-31")
    assert len(desk.tasks()) == 1


def test_a_threshold_is_forced_for_one_plan(new_desk: Callable[[str], Desk]) -> None:
    """The stop exits 9; the forced plan has a digest of its own, and its file is applied without a flag."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    desk.hand_in(KEY, made, *AT_RUNNER)
    assert SECRET in desk.vault()
    desk.declare(HEADER.replace('name="prod",', TIGHT, 1))
    stopped = desk.data("plan", *AT_RUNNER, code=9)
    [check] = [c for c in stopped["checks"] if c["rule"] == "bulk-change"]
    assert check["text"].startswith("1 of 1 spot_key would be destroyed (100 %); Thresholds(destroys=0)")
    desk.fails("KS5301", *APPLY, code=9)
    desk.run("plan", *AT_RUNNER, "--out", "stopped.json", code=9)
    desk.fails("KS5301", "apply", "stopped.json", *AT_RUNNER, code=9)

    forced = desk.data("plan", *AT_RUNNER, "--force-threshold", "--out", "forced.json")
    assert forced["plan_digest"] != stopped["plan_digest"]
    desk.run("apply", "forced.json", *AT_RUNNER, expect="Apply complete!")
    assert [t["kind"] for t in desk.tasks().values()] == ["stop-process"]
