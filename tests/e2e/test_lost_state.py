"""What may happen to recorded things, by the command line: a lost state, renames, letting go."""

from collections.abc import Callable

import pytest

from krakenstate.model.task import TaskKind
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    CREATOR,
    HEADER,
    HEDGER,
    MASTER,
    MM,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    SUBACCOUNT,
    Desk,
)

STATE = "krakenstate/prod"
CREATE = "CreateSubaccount"


def lose_the_state(desk: Desk) -> None:
    """Everything below the state's prefix but breakers and nonces is deleted, history included."""
    for path in desk.vault():
        if path.startswith(STATE) and "/breakers/" not in path and "/probes/" not in path:
            desk.bao.request("DELETE", f"{desk.mount}/metadata/{path}")


@pytest.mark.timeout(300)
def test_a_lost_state_is_rebuilt_and_nothing_is_created(new_desk: Callable[[str], Desk]) -> None:
    """Rebuild, plan, apply, settle: no creation is proposed or sent; the answers lead to no changes."""
    desk = new_desk(HEADER + CREATOR + SUBACCOUNT + PNL.replace("account=desk", "account=mm"))
    desk.run("init")
    desk.run(*APPLY)
    creator = desk.make_key(
        MASTER,
        "spot",
        name="spot-creator-g1",
        permission=["withdraw-funds"],
        ip=[RUNNER],
        expires="2026-12-31",
    )
    desk.hand_in("spot_key.spot-creator", creator, *AT_RUNNER)
    desk.run(*APPLY, expect="Resources: 1 added")
    desk.kraken.people("email-confirm", email=MM)
    desk.fails("KS3021", "state", "rebuild")
    lose_the_state(desk)

    desk.fails("KS3001", "plan", *AT_RUNNER)
    desk.fails("KS3020", "init")
    made = desk.data("state", "rebuild", *AT_RUNNER)
    assert made["keys"] == ["spot_key.spot-creator"]
    assert {t["address"] for t in made["tasks"]} == {"spot_subaccount.mm", "spot_key.pnl"}

    plan = desk.data("plan", *AT_RUNNER)
    assert not {c["change"]["actions"][0] for c in plan["resource_changes"]} & {"create", "manual"}
    desk.run(*APPLY, expect="No changes to propose. 2 manual tasks open.")
    desk.run("settle", *AT_RUNNER)
    assert len(desk.calls(CREATE)) == 1

    desk.run("task", "settle", desk.task(TaskKind.SETTLE_UNKNOWN, "spot_subaccount.mm"), "--created")
    desk.run("task", "settle", desk.task(TaskKind.SETTLE_UNKNOWN, "spot_key.pnl", generation=1), "--created")
    made = desk.make_key("desk-mm", "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    desk.hand_in("spot_key.pnl", made, *AT_RUNNER)
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", expect=NO_CHANGES)
    assert len(desk.calls(CREATE)) == 1


@pytest.mark.timeout(240)
def test_renaming_and_letting_go(new_desk: Callable[[str], Desk]) -> None:
    """By Moved, by ``state mv``, by ``state rm``: approved, told, and without touching key or secret."""
    desk = new_desk(HEADER + HEDGER)
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER])
    desk.hand_in("derivatives_key.hedger", made, *AT_RUNNER)
    secret = desk.secret_at("kraken/prod/hedger/derivatives_key.hedger")

    desk.edit('DerivativesKey(name="hedger"', 'DerivativesKey(name="hedge"')
    desk.run("plan", *AT_RUNNER, expect='stack.add(Moved(old="derivatives_key.hedger"')
    text = desk.stack_file.read_text(encoding="utf-8")
    line = '\nstack.add(Moved(old="derivatives_key.hedger", new="derivatives_key.hedge"))\n'
    desk.stack_file.write_text(text + line, encoding="utf-8")
    plan = desk.data("plan", *AT_RUNNER)
    [change] = [c for c in plan["resource_changes"] if c["previous_address"]]
    assert (change["previous_address"], change["class"]) == ("derivatives_key.hedger", "proposal")
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=2, expect="has moved to")
    desk.run(*APPLY)
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", expect=NO_CHANGES)

    words = ("state", "mv", "derivatives_key.hedge", "derivatives_key.perp")
    desk.fails("KS7003", *words)
    desk.run(*words, "--auto-approve", expect="Moved derivatives_key.hedge to derivatives_key.perp.")
    desk.declare(HEADER + HEDGER.replace('name="hedger"', 'name="perp"'))
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", expect=NO_CHANGES)
    assert desk.secret_at("kraken/prod/hedger/derivatives_key.hedger") == secret

    desk.fails("KS1209", "state", "rm", "spot_key.none", "--auto-approve")
    desk.fails("KS7003", "state", "rm", "derivatives_key.perp")
    desk.run("state", "rm", "derivatives_key.perp", "--auto-approve", expect=("stays at Kraken", "hedger"))
    assert desk.secret_at("kraken/prod/hedger/derivatives_key.hedger") == secret
    assert desk.data("state", "list")["records"] == [{"address": "master_account.desk", "kind": "account"}]
    assert secret["api_secret"] not in "".join(desk.said)


def test_a_part_of_a_plan_is_applied_alone(new_desk: Callable[[str], Desk]) -> None:
    """--target opens one task and warns; --exclude leaves one out; both together are refused."""
    desk = new_desk(HEADER + PNL + HEDGER)
    desk.run("init")
    both = ("--target", "spot_key.pnl", "--exclude", "spot_key.pnl")
    desk.fails("KS8001", "plan", *AT_RUNNER, *both)
    desk.fails("KS1209", "plan", *AT_RUNNER, "--target", "spot_key.none")
    desk.run("plan", *AT_RUNNER, "--exclude", "spot_key.pnl", expect=("--exclude is in effect", "1 manual."))
    desk.run(
        *APPLY, "--target", "spot_key.pnl", expect=("Warning: --target is in effect", "1 manual pending")
    )
    assert list(desk.tasks()) == [desk.task(TaskKind.CREATE_KEY, "spot_key.pnl", generation=1)]
    assert desk.data("plan", *AT_RUNNER, "--target", "spot_key.pnl")["targets"] == ["spot_key.pnl"]
