"""The story the demo tells, in assertions on the resulting world."""

import urllib.error
from collections.abc import Callable
from typing import Any

import pytest

from krakenstate.model.task import TaskKind
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    CARRY,
    COLO,
    COLO_NETWORKS,
    EXAMPLE,
    MASTER,
    MM,
    NO_CHANGES,
    PNL_PERMISSIONS,
    RUNNER,
    Desk,
)

CODES = "--detailed-exitcode"
QUARANTINE = "krakenstate/prod/quarantine"
SECRETS = {
    "hedger": "kraken/prod/hedger/derivatives_key.hedger",
    "mm-quoter": "kraken/prod/mm-quoter/spot_key.mm-quoter",
    "pnl": "kraken/prod/pnl/spot_key.pnl",
}
CONTROLLERS = {
    "kraken/prod/krakenstate/spot_key.spot-creator",
    "kraken/prod/krakenstate/derivatives_key.derivatives-controller",
}
HEDGER_NETWORKS = [*COLO_NETWORKS, RUNNER]


@pytest.mark.timeout(400)
def test_a_desk_comes_into_being_and_is_kept_as_declared(new_desk: Callable[[str], Desk]) -> None:
    """From the first declaration to "No changes", each command does its part, once, and says so."""
    desk = new_desk(EXAMPLE.read_text(encoding="utf-8"))
    desk.kraken.people("create-account", name="carry", email=CARRY)
    keys: dict[str, str] = {}

    opens_tasks(desk)
    takes_the_controllers(desk, keys)
    creates_the_subaccount(desk)
    refuses_what_is_wrong(desk, keys)
    publishes_what_was_put_right(desk, keys)
    served = {name: desk.calls(last4=keys[name][-4:]) for name in ("pnl", "mm-quoter")}
    installs_grants(desk)
    nothing_is_left(desk)
    drifts_and_returns(desk, keys)
    stops_trading(desk)

    for name, calls in served.items():
        assert desk.calls(last4=keys[name][-4:]) == calls, f"{name} was asked while in service"
    assert [c["nonce"] for c in served["pnl"]] == [1, 2, 3]
    assert [c["nonce"] for c in served["mm-quoter"]] == [1]
    creator = desk.calls(last4=keys["spot-creator"][-4:])
    assert [c["path"].rpartition("/")[2] for c in creator] == ["GetApiKeyInfo", "CreateSubaccount"]
    assert creator[0]["nonce"] == 1
    derivatives = [c for c in desk.signed_calls() if c["platform"] == "derivatives"]
    assert derivatives
    assert {c["nonce"] for c in derivatives} == {None}
    assert {c["outcome"] for c in desk.signed_calls()} == {"ok"}


def opens_tasks(desk: Desk) -> None:
    """Nothing exists yet: all of it is proposed, and people are asked for what only they can do."""
    desk.run("init", expect="has been initialised")
    shown = desk.run(
        "plan", *AT_RUNNER, CODES, code=2, expect="Plan: 0 to add, 0 to change, 0 to destroy, 9 manual."
    )
    assert shown.stdout.index("Risk\n") < shown.stdout.index("krakenstate will perform")
    assert "spot_key.spot-creator GAINS withdraw-funds" in shown.stdout.partition("Risk\n")[2].splitlines()[0]
    first, second = desk.data("plan", *AT_RUNNER), desk.data("plan", *AT_RUNNER)
    assert first["plan_digest"] == second["plan_digest"]
    assert first["summary"]["manual"] == 9
    assert first["complete"] is True
    assert desk.signed_calls() == []

    applied = desk.run(*APPLY, CODES, code=8, expect=("9 manual pending", f"Kraken account to add: {CARRY}"))
    assert applied.stdout.count("----- ticket -----") == 2
    assert {(t["kind"], t["address"]) for t in desk.tasks().values()} == {
        ("create-key", "derivatives_key.derivatives-controller"),
        ("create-key", "derivatives_key.hedger"),
        ("create-key", "spot_key.mm-quoter"),
        ("create-key", "spot_key.pnl"),
        ("create-key", "spot_key.spot-creator"),
        ("link-derivatives", "derivatives_subaccount.carry"),
        ("install-grant", "grant.hedger"),
        ("install-grant", "grant.mm-quoter"),
        ("install-grant", "grant.pnl"),
    }
    assert desk.signed_calls() == []

    written = desk.lasting()
    desk.run(*APPLY, CODES, code=8, expect="No changes to propose. 9 manual tasks open.")
    desk.run("settle", *AT_RUNNER, CODES, code=8, expect="Nothing to settle.")
    desk.run("plan", *AT_RUNNER, CODES, code=8, expect="No changes to propose. 9 manual tasks open.")
    assert desk.lasting() == written
    assert desk.signed_calls() == []


def takes_the_controllers(desk: Desk, keys: dict[str, str]) -> None:
    """People make the two keys that krakenstate itself needs; one settle puts both into service."""
    keys["spot-creator"] = desk.hand_in(
        "spot_key.spot-creator",
        desk.make_key(
            MASTER,
            "spot",
            name="spot-creator-g1",
            permission=["withdraw-funds"],
            ip=[RUNNER],
            expires="2026-12-31",
        ),
    )
    keys["controller"] = desk.hand_in(
        "derivatives_key.derivatives-controller",
        desk.make_key(MASTER, "derivatives", general="FULL_ACCESS", ip=[RUNNER]),
    )
    assert desk.signed_calls() == []  # no site was named, so nobody was asked
    settled = desk.events("settle", *AT_RUNNER)[-1]
    assert {o["address"]: o["effect"] for o in settled["outcomes"]} == {
        "spot_key.spot-creator": "published",
        "derivatives_key.derivatives-controller": "published",
    }
    assert set(desk.vault()) >= CONTROLLERS
    assert not any(p.startswith(QUARANTINE) for p in desk.vault())
    desk.run("settle", *AT_RUNNER, expect="Nothing to settle.")


def creates_the_subaccount(desk: Desk) -> None:
    """What waited for the controller is created by API, once; the link is made by support."""
    desk.run("plan", *AT_RUNNER, CODES, code=2, expect="Plan: 1 to add, 0 to change, 0 to destroy.")
    applied = desk.events(*APPLY)[-1]
    assert [(o["address"], o["effect"]) for o in applied["outcomes"]] == [("spot_subaccount.mm", "created")]
    assert [c["outcome"] for c in desk.calls("CreateSubaccount")] == ["ok"]
    assert desk.task(TaskKind.FINISH_EMAIL_SETUP, "spot_subaccount.mm") in {t["id"] for t in applied["tasks"]}
    desk.run(*APPLY, expect="No changes to propose. 8 manual tasks open.")
    assert len(desk.calls("CreateSubaccount")) == 1

    desk.kraken.people("email-confirm", email=MM)
    ticket = desk.run(
        "task", "show", desk.task(TaskKind.LINK_DERIVATIVES, "derivatives_subaccount.carry")
    ).stdout
    desk.kraken.people("support-process", text=ticket)
    desk.kraken.people("email-confirm", email=CARRY)


def refuses_what_is_wrong(desk: Desk, keys: dict[str, str]) -> None:
    """A key on the wrong account is dropped and its deletion asked for; one with a right too many waits."""
    made = desk.make_key(
        "desk-mm",
        "spot",
        name="mm-quoter-g1",
        permission=["query-funds", "query-open-trades", "modify-trades", "close-trades"],
        ip=COLO_NETWORKS,
        expires="2027-06-30",
    )
    keys["mm-quoter"] = desk.hand_in("spot_key.mm-quoter", made)
    made = desk.make_key(
        "desk-mm",
        "spot",
        name="pnl-g1",
        permission=[*PNL_PERMISSIONS, "add-funds"],
        ip=["198.51.100.0/28", RUNNER],
    )
    keys["pnl"] = desk.hand_in("spot_key.pnl", made)
    keys["misplaced"] = desk.hand_in("derivatives_key.hedger", hedger(desk, MASTER))

    told = (
        "1 closed, 2 rejected",
        "Key belongs to another account",
        "Found: add-funds",
        "it is not as declared",
    )
    desk.run("settle", *AT_RUNNER, CODES, code=8, expect=told)
    held = set(desk.vault())
    assert f"{QUARANTINE}/hedger/derivatives_key.hedger" not in held
    assert f"{QUARANTINE}/pnl/spot_key.pnl" in held
    assert f"{QUARANTINE}/mm-quoter/spot_key.mm-quoter" in held
    assert not set(SECRETS.values()) & held
    tasks = desk.tasks()
    delete = tasks[desk.task(TaskKind.DELETE_KEY, "derivatives_key.hedger", generation=1)]
    assert f"ends in {keys['misplaced'][-4:]}" in delete["instructions"]
    rejected = tasks[desk.task(TaskKind.CREATE_KEY, "spot_key.pnl", generation=1)]
    assert "add-funds" in rejected["rejection"]

    again = desk.events("settle", *AT_RUNNER)[-1]
    assert {o["effect"] for o in again["outcomes"]} <= {"waiting"}
    assert len(desk.tasks()) == len(tasks)
    assert desk.data("plan", *AT_RUNNER)["summary"]["manual"] == 0
    # mm-quoter's allowlist does not admit the runner, so it was not asked
    assert desk.calls(last4=keys["mm-quoter"][-4:]) == []


def publishes_what_was_put_right(desk: Desk, keys: dict[str, str]) -> None:
    """Corrected keys are published from where they may be asked, each with an untouched nonce."""
    desk.kraken.people("delete-key", account=MASTER, key=keys["misplaced"])
    delete = desk.task(TaskKind.DELETE_KEY, "derivatives_key.hedger", generation=1)
    desk.run("task", "attest", delete, "--note", "deleted in the web page", expect="attested")
    keys["hedger"] = desk.hand_in("derivatives_key.hedger", hedger(desk, CARRY))
    desk.kraken.people("edit-key", account="desk-mm", name="pnl-g1", permission=PNL_PERMISSIONS)

    desk.run("settle", *AT_RUNNER, expect="Settle complete! 2 published.")
    desk.kraken.people("egress", address=COLO)
    desk.run("settle", "--site", "colo", expect="Settle complete! 1 published.")
    desk.run("settle", "--site", "colo", CODES, code=8, expect="Nothing to settle.")
    desk.kraken.people("egress", address=RUNNER)
    assert desk.calls(last4=keys["misplaced"][-4:])[-1]["outcome"] == "ok"  # never after its deletion
    assert set(SECRETS.values()) <= set(desk.vault())
    assert not any(p.startswith(QUARANTINE) for p in desk.vault())
    assert {t["kind"] for t in desk.tasks().values()} == {"install-grant"}


def installs_grants(desk: Desk) -> None:
    """Each process reads its own secret with its own token, and is refused its neighbour's."""
    for process in SECRETS:
        policy = desk.data("state", "show", f"grant.{process}")["record"]["policy"]
        token = desk.bao.token_with(policy)
        for other, path in SECRETS.items():
            if other == process:
                read = desk.bao.request("GET", f"{desk.mount}/data/{path}", token=token)["data"]["data"]
                assert read["api_key"] == desk.secret_at(path)["api_key"]
                assert len(read["api_secret"]) == 88
                continue
            with pytest.raises(urllib.error.HTTPError) as refused:
                desk.bao.request("GET", f"{desk.mount}/data/{path}", token=token)
            assert refused.value.code == 403
            refused.value.close()
        task = desk.task(TaskKind.INSTALL_GRANT, f"grant.{process}")
        desk.run("task", "attest", task, "--note", "installed", expect="attested")
    carry, mm = desk.secret_at(SECRETS["hedger"]), desk.secret_at(SECRETS["pnl"])
    assert (carry["account"], mm["account"], mm["nonce_unit"]) == ("carry", "mm", "ten-nanoseconds")
    assert carry["iiban"] != mm["iiban"]


def nothing_is_left(desk: Desk) -> None:
    """The accounts match the configuration, and each command says that and exits with 0."""
    written = desk.lasting()
    for command in (("plan", *AT_RUNNER), APPLY):
        desk.run(*command, CODES, expect=NO_CHANGES)
    desk.run("settle", *AT_RUNNER, CODES, expect="Nothing to settle.")
    desk.run("drift", *AT_RUNNER, CODES, expect="No drift.")
    assert desk.lasting() == written
    listed = {r["address"] for r in desk.data("state", "list")["records"]}
    assert {"spot_subaccount.mm", "derivatives_subaccount.carry", "spot_key.pnl", "grant.pnl"} <= listed
    assert desk.data("task", "list")["tasks"] == []


def drifts_and_returns(desk: Desk, keys: dict[str, str]) -> None:
    """A key widened in the web page is drift with its risk word; its edit task closes once it is narrowed."""
    which: dict[str, Any] = {"account": CARRY, "key": keys["hedger"]}
    desk.kraken.people("edit-key", **which, ip=[*HEDGER_NETWORKS, "198.51.100.0/24"])
    written = desk.lasting()
    desk.run(
        "drift", *AT_RUNNER, CODES, code=2, expect=("derivatives_key.hedger WIDENS", '+ "198.51.100.0/24"')
    )
    assert desk.lasting() == written  # drift writes no state

    desk.run(*APPLY, CODES, code=8, expect="1 manual pending")
    edit = desk.tasks()[desk.task(TaskKind.EDIT_KEY, "derivatives_key.hedger", generation=1)]
    assert (edit["assignee"], edit["status"]) == ("market-making", "open")
    desk.run(*APPLY, CODES, code=8, expect="No changes to propose. 1 manual task open.")
    desk.run("settle", *AT_RUNNER, CODES, code=8, expect="Nothing to settle.")

    desk.kraken.people("edit-key", **which, ip=HEDGER_NETWORKS)
    desk.run("settle", *AT_RUNNER, CODES, expect="Settle complete! 1 closed.")
    desk.run("drift", *AT_RUNNER, CODES, expect="No drift.")


def stops_trading(desk: Desk) -> None:
    """A switch in a copy of the stack is proposed as a loss and carried out by API, once."""
    there = desk.variant("edited", ("trading_enabled=True", "trading_enabled=False"))
    told = ("carry LOSES trading", "trading_enabled = true -> false", "0 to add, 1 to change, 0 to destroy.")
    desk.run(*there, "plan", *AT_RUNNER, CODES, code=2, expect=told)
    assert trading(desk) is True
    desk.run(*there, *APPLY, CODES, expect="Resources: 0 added, 1 changed, 0 destroyed.")
    assert trading(desk) is False
    desk.run(*there, "plan", *AT_RUNNER, CODES, expect=NO_CHANGES)
    desk.run(*there, *APPLY, CODES, expect=NO_CHANGES)
    assert len([c for c in desk.calls("trading-enabled") if c["method"] == "PUT"]) == 1


def hedger(desk: Desk, account: str) -> str:
    """The hedger's key, made on an account."""
    return desk.make_key(
        account, "derivatives", general="FULL_ACCESS", transfer="NO_ACCESS", ip=HEDGER_NETWORKS
    )


def trading(desk: Desk) -> object:
    """Whether the linked account may trade, as Kraken has it."""
    accounts = desk.kraken.people("state")["accounts"]
    return next(a["trading_enabled"] for a in accounts if a["email"] == CARRY)
