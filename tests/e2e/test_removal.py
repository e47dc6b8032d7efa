"""Letting go, and changing one's mind: removed declarations, edited ones, and what people say about tasks."""

from collections.abc import Callable

import pytest

from krakenstate.model.task import TaskKind
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    CREATOR,
    HEADER,
    MASTER,
    MM,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    SUBACCOUNT,
    Desk,
)

CODES = "--detailed-exitcode"
KEY, GRANT, ACCOUNT = "spot_key.pnl", "grant.pnl", "spot_subaccount.mm"
PNL_OF_MM = PNL.replace("account=desk", "account=mm")
GRANT_OF_PNL = '\nstack.add(Grant(name="pnl", process=pnl))\n'
SECRET = "kraken/prod/pnl/spot_key.pnl"


def actions(desk: Desk) -> dict[str, str]:
    """What a plan says of each address."""
    plan = desk.data("plan", *AT_RUNNER)
    return {c["address"]: c["change"]["actions"][0] for c in plan["resource_changes"]}


def effects(outcomes: list[dict[str, str]]) -> dict[str, str]:
    """What a run did to each address."""
    return {o["address"]: o["effect"] for o in outcomes}


@pytest.mark.timeout(300)
def test_a_key_is_changed_and_leaves_in_order_and_its_account_after_it(
    new_desk: Callable[[str], Desk],
) -> None:
    """Edited, then removed: process stopped, key deleted, secret gone, forgotten; only then the account."""
    desk = new_desk(HEADER + CREATOR + SUBACCOUNT + PNL_OF_MM + GRANT_OF_PNL)
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
    made = desk.make_key("desk-mm", "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    public = desk.hand_in(KEY, made, *AT_RUNNER)
    asked = desk.calls(last4=public[-4:])
    desk.run("task", "attest", desk.task(TaskKind.INSTALL_GRANT, GRANT), "--note", "installed")
    desk.run("plan", *AT_RUNNER, CODES, expect=NO_CHANGES)

    edits_a_key_in_service(desk)
    removes_the_key(desk, public)
    forgets_the_account(desk)
    assert desk.calls(last4=public[-4:]) == asked, "a key in service was asked"


def edits_a_key_in_service(desk: Desk) -> None:
    """An edited declaration of a key in service is a task to edit the key, closed by its owner's word."""
    desk.edit("NonceUnit.MILLISECONDS))", "NonceUnit.MILLISECONDS, expires=date(2027, 6, 30)))")
    desk.run(
        "plan", *AT_RUNNER, CODES, code=2, expect=('@ task "edit-key" for risk', "SHORTENS", "2027-06-30")
    )
    applied = desk.events(*APPLY)[-1]
    assert effects(applied["outcomes"]) == {KEY: "opened"}
    task = desk.task(TaskKind.EDIT_KEY, KEY, generation=1)
    assert [t["id"] for t in applied["tasks"]] == [task]
    assert actions(desk)[KEY] == "wait"

    desk.edit("date(2027, 6, 30)", "date(2027, 9, 30)")
    desk.run(*APPLY, CODES, code=8, expect="1 manual pending")
    second = desk.task(TaskKind.EDIT_KEY, KEY, generation=1, round_=2)
    everything = desk.tasks("--all")
    assert (everything[task]["status"], everything[second]["status"]) == ("cancelled", "open")
    assert (
        "30 Sep 2027" in everything[second]["instructions"]
        or "2027-09-30" in everything[second]["instructions"]
    )
    desk.kraken.people("edit-key", account="desk-mm", name="pnl-g1", expires="2027-09-30")
    desk.run("task", "attest", second, "--note", "edited")
    desk.run("plan", *AT_RUNNER, CODES, expect=NO_CHANGES)


def removes_the_key(desk: Desk, public: str) -> None:
    """Two people act, one after the other; between them nothing is deleted."""
    desk.declare(HEADER + CREATOR)
    assert {a: w for a, w in actions(desk).items() if a in {KEY, GRANT, ACCOUNT}} == {
        KEY: "manual",
        GRANT: "forget",
        ACCOUNT: "wait",
    }
    applied = desk.run(*APPLY, CODES, code=8, expect=("1 forgotten", "1 manual pending"))
    assert "krakenstate-prod-pnl" in applied.stdout  # the policy's name: somebody has to take it away
    stop = desk.task(TaskKind.STOP_PROCESS, KEY, generation=1)
    assert list(desk.tasks()) == [stop]
    desk.run(*APPLY, CODES, code=8, expect="No changes to propose. 1 manual task open.")
    assert SECRET in desk.vault()

    desk.run("task", "attest", stop, "--note", "stopped")
    settled = desk.events("settle", *AT_RUNNER)[-1]
    assert effects(settled["outcomes"]) == {KEY: "advanced"}
    delete = desk.task(TaskKind.DELETE_KEY, KEY, generation=1)
    assert f"ends in {public[-4:]}" in desk.tasks()[delete]["instructions"]
    assert SECRET in desk.vault()

    desk.kraken.people("delete-key", account="desk-mm", key=public)
    desk.run("task", "attest", delete, "--note", "deleted")
    settled = desk.events("settle", *AT_RUNNER)[-1]
    assert effects(settled["outcomes"]) == {KEY: "destroyed"}
    assert SECRET not in desk.vault()
    desk.fails("KS1209", "state", "show", KEY)


def forgets_the_account(desk: Desk) -> None:
    """The account leaves the state after its last key, and stays at Kraken."""
    desk.run("plan", *AT_RUNNER, CODES, code=2, expect="1 to forget")
    desk.run(*APPLY, CODES, expect="1 forgotten")
    assert "desk-mm" in {a["username"] for a in desk.kraken.people("state")["accounts"]}
    desk.run("plan", *AT_RUNNER, CODES, expect=NO_CHANGES)
    assert {r["address"] for r in desk.data("state", "list")["records"]} == {
        "master_account.desk",
        "spot_key.spot-creator",
    }
    assert len(desk.calls("CreateSubaccount")) == 1


@pytest.mark.timeout(240)
def test_a_declaration_edited_or_cancelled_while_its_task_is_open_is_asked_for_anew(
    new_desk: Callable[[str], Desk],
) -> None:
    """The old task is cancelled and a new one opened; a cancelled one is proposed again."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    first, second, third = (
        desk.task(TaskKind.CREATE_KEY, KEY, generation=1, round_=number) for number in (1, 2, 3)
    )
    assert list(desk.tasks()) == [first]

    desk.edit("allowlist=[runner]", "allowlist=[runner, colo]")
    desk.run("plan", *AT_RUNNER, CODES, code=2, expect="1 manual.")
    desk.run(*APPLY, CODES, code=8, expect="1 manual pending")
    everything = desk.tasks("--all")
    assert (everything[first]["status"], everything[second]["status"]) == ("cancelled", "open")
    assert "203.0.113.7" in everything[second]["instructions"]
    assert "203.0.113.7" not in everything[first]["instructions"]

    desk.run("task", "cancel", second, "--reason", "not this week", expect="cancelled")
    desk.run("task", "cancel", second, code=1, expect="KS3103")
    desk.run("plan", *AT_RUNNER, CODES, code=2, expect="1 manual.")
    desk.run(*APPLY, CODES, code=8, expect="1 manual pending")
    assert list(desk.tasks()) == [third]

    desk.declare(HEADER)
    desk.run(*APPLY, CODES, expect="1 forgotten")
    desk.run("plan", *AT_RUNNER, CODES, expect=NO_CHANGES)


def test_people_can_only_say_what_no_api_shows(new_desk: Callable[[str], Desk]) -> None:
    """A word does not replace the key's own answer, and a task claimed by one is not claimed by another."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    task = desk.task(TaskKind.CREATE_KEY, KEY, generation=1)
    desk.fails("KS3103", "task", "attest", task, "--note", "I made it")
    desk.fails("KS3103", "task", "settle", task, "--created")

    alice, bob = {"LOGNAME": "alice"}, {"LOGNAME": "bob"}
    desk.run("task", "claim", task, env=alice, expect="claimed by alice")
    desk.fails("KS3103", "task", "claim", task, env=bob)
    assert (desk.tasks()[task]["status"], desk.tasks()[task]["claimed_by"]) == ("claimed", "alice")

    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    desk.hand_in(KEY, made, *AT_RUNNER)
    assert desk.tasks() == {}
