"""Saved plans on the command line: planned, shown, approved and carried out, against real servers."""

import json
from collections.abc import Callable

from tests.support.e2e import AT_RUNNER, HEADER, HEDGER, PNL, Desk

PNL_KEY, HEDGER_KEY = "spot_key.pnl", "derivatives_key.hedger"


def test_a_plan_is_saved_shown_and_carried_out_once(new_desk: Callable[[str], Desk]) -> None:
    """As a pipeline does it: rendered without credentials, the digest approved, no stack in the file."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    told = desk.run("plan", *AT_RUNNER, "--out", "plan.json", expect="1 manual.").stderr
    digest = json.loads((desk.folder / "plan.json").read_text(encoding="utf-8"))["plan_digest"]
    assert f"Saved the plan {digest[:6]}... to plan.json." in told
    desk.advance(3600)
    desk.run("show", "plan.json", expect=("Saved plan: made 1 h ago", PNL_KEY, digest[:6]))

    ci: dict[str, str | None] = {"CI": "true"}
    desk.run("render", "--out", "desired.json", env={**ci, "VAULT_TOKEN": None})
    approved = ("apply", "plan.json", *AT_RUNNER, "--desired", "desired.json", "--approved-digest", digest)
    done = desk.run(*approved, env=ci, expect="0 destroyed, 1 manual pending.")
    assert f"Applying the plan {digest[:6]}... of prod, made 1 h ago." in done.stderr
    desk.fails("KS7052", *approved, code=7, env=ci)

    desk.declare(HEADER + PNL + HEDGER)
    desk.run("plan", *AT_RUNNER, "--out", "next.json")
    desk.edit("general=Access.READ_ONLY", "general=Access.FULL_ACCESS")
    stale = desk.fails("KS7051", "apply", "next.json", *AT_RUNNER, code=7)
    said = " ".join(stale.stderr.split())
    assert f'{HEDGER_KEY}: general was approved as "READ_ONLY", and is "FULL_ACCESS" now.' in said
    assert desk.lock_is_free()


def test_a_look_ahead_is_saved_and_never_applied(new_desk: Callable[[str], Desk]) -> None:
    """A plan made with --as-of is for reading."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run("plan", *AT_RUNNER, "--as-of", "2027-01-31", "--out", "ahead.json")
    desk.run("show", "ahead.json", expect="as of 2027-01-31, not to be applied")
    desk.fails("KS7041", "apply", "ahead.json", *AT_RUNNER)
