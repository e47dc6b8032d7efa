"""Rotation on the command line: beside a bot that re-reads Vault, and in the night of a leak."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import krakenex
import pytest

from krakenstate.model.task import TaskKind
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    CARRY,
    HEADER,
    MASTER,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    Desk,
)
from tests.support.terminal import on_a_terminal

KEY, SECRET = "spot_key.pnl", "kraken/prod/pnl/spot_key.pnl"
DAY_S = 86400
ROTATED = PNL.replace(
    "nonce_unit=", "rotate_every=timedelta(days=90), overlap=timedelta(days=1), nonce_unit="
)
CONTROLLER = """
stack.add(DerivativesKey(name="derivatives-controller", account=desk, process=platform, controls=desk,
    general=Access.FULL_ACCESS, transfer=Access.NO_ACCESS, allowlist=[runner]))
"""
JUNK = json.dumps({"api_key": "A" * 56, "api_secret": "A" * 86 + "=="})


class Rereading:
    """A bot that reads its secret from Vault before each call, as a template agent would let it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.turn = threading.Lock()
        """Held while it calls: the simulated people act in this process, between two of its calls."""
        self.used: list[str] = []
        self.errors: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Rereading"]:
        """It calls for the block's duration."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join(30)

    def wait_for(self, public: str) -> None:
        """Until it has called with this key."""
        ends = time.monotonic() + 60
        while public not in self.used:
            assert time.monotonic() < ends, "the bot never used the key"
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stop.is_set():
            held = self._desk.secret_at(SECRET)
            client = krakenex.API(held["api_key"], held["api_secret"])
            client.uri = self._desk.origin
            with self.turn:
                answer = client.query_private("Balance")
            client.close()
            if answer.get("error"):
                self.errors.append(str(answer["error"]))
            self.used.append(held["api_key"])
            self._stop.wait(0.2)


def put_in_service(desk: Desk) -> str:
    """The first generation: its public half."""
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    return desk.hand_in(KEY, made, *AT_RUNNER)


def second(desk: Desk) -> str:
    """The second generation, as its dialog shows it."""
    return desk.make_key(MASTER, "spot", name="pnl-g2", permission=PNL_PERMISSIONS, ip=[RUNNER])


@pytest.mark.timeout(300)
def test_a_bot_that_rereads_vault_sees_nothing_of_a_rotation(new_desk: Callable[[str], Desk]) -> None:
    """No authentication error; the old key goes after the bot said what it uses; one call proves it dead."""
    desk = new_desk(HEADER + ROTATED)
    desk.kraken.people("budget", on=False)
    old = put_in_service(desk)
    with Rereading(desk).running() as bot:
        bot.wait_for(old)
        with bot.turn:
            desk.advance(91 * DAY_S)
        plan = desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=2)
        assert f"# {KEY} must be replaced" in plan.stdout
        assert '+/- spot_key "pnl" {' in plan.stdout
        assert "Plan: 1 to add, 0 to change, 1 to destroy." in plan.stdout
        desk.run(*APPLY, expect="1 manual pending")
        desk.run("plan", *AT_RUNNER, expect="No changes to propose. 1 manual task open.")
        with bot.turn:
            made = second(desk)
        new = desk.hand_in(KEY, made, *AT_RUNNER)
        bot.wait_for(new)

        with bot.turn:
            desk.advance(3 * DAY_S)
        desk.run("settle", *AT_RUNNER, expect="Nothing to settle.")
        assert [t["kind"] for t in desk.tasks().values()] == ["adopt-key"]
        desk.run("key", "verify", KEY, "--in-use", expect="in use")
        desk.run("settle", *AT_RUNNER, expect="drains until")
        desk.run("settle", *AT_RUNNER, expect="Nothing to settle.")
        with bot.turn:
            desk.advance(DAY_S)
        desk.run("settle", *AT_RUNNER, expect="delete-key")
        [task] = [t for t in desk.tasks().values() if t["kind"] == "delete-key"]
        assert f"ends in {old[-4:]}" in task["instructions"]
        before = len(desk.calls(last4=old[-4:]))
        with bot.turn:
            desk.kraken.people("delete-key", account="desk", key=old)
        desk.run("task", "attest", task["id"], "--note", "deleted")
        desk.run("settle", *AT_RUNNER, expect="proven dead")
        assert len(desk.calls(last4=old[-4:])) == before + 1
    assert bot.errors == []
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)
    assert not [path for path in desk.vault() if "/retired/" in path or "/breakers/" in path]


def trip_the_accounts_breaker(desk: Desk) -> None:
    """Two other keys of the account were rejected a moment ago, and the breaker of the account is open."""
    until = desk.now.replace(microsecond=0)
    body = {
        "scope": "account",
        "subject": "master_account.desk",
        "opened_at": until.isoformat(),
        "until": until.replace(hour=until.hour + 2).isoformat(),
        "code": "KS2101",
        "address": KEY,
        "account": "master_account.desk",
    }
    path = f"{desk.mount}/data/krakenstate/prod/breakers/account-leak"
    desk.bao.request("POST", path, {"data": body})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("funds", [True, False], ids=["moves-funds", "reads"])
def test_the_leak_night(new_desk: Callable[[str], Desk], funds: bool) -> None:
    """Two deeds at Kraken, two commands, the account's breaker open: dead, replaced, in the journal."""
    permissions = [*PNL_PERMISSIONS, "withdraw-funds"] if funds else PNL_PERMISSIONS
    rights = "roles.RECONCILIATION | {Permission.WITHDRAW_FUNDS}, expires=date(2026, 12, 31)"
    ends = "2026-12-31" if funds else None
    desk = new_desk(HEADER + (PNL.replace("roles.RECONCILIATION", rights) if funds else PNL))
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=permissions, ip=[RUNNER], expires=ends)
    old = desk.hand_in(KEY, made, *AT_RUNNER)
    trip_the_accounts_breaker(desk)
    asked = len(desk.signed_calls())

    desk.fails("KS8001", "key", "rotate", KEY, "--now")
    desk.fails("KS8001", "key", "rotate", KEY, "--reason", "in a public log")
    said = desk.run("key", "rotate", KEY, "--now", "--reason", "in a public log", *AT_RUNNER).stdout
    create, delete = said.index("Create a Spot API key"), said.index("Delete a Spot API key")
    assert (delete < create) is funds
    assert f"krakenstate key ingest {KEY}" in said

    deeds = [
        lambda: desk.make_key(
            MASTER, "spot", name="pnl-g2", permission=permissions, ip=[RUNNER], expires=ends
        ),
        lambda: desk.kraken.people("delete-key", account="desk", key=old),
    ]
    done = [deed() for deed in (reversed(deeds) if funds else deeds)]
    new_made = str(done[1] if funds else done[0])
    done_now = desk.run("key", "ingest", KEY, *AT_RUNNER, stdin=new_made, expect="You may close the dialog.")
    assert "proven dead" in done_now.stdout
    new = json.loads(new_made)["api_key"]
    assert desk.secret_at(SECRET)["api_key"] == new
    assert len(desk.signed_calls()) == asked + 2
    assert desk.tasks() == {}
    journal = json.dumps([v for path, v in desk.vault().items() if "/journal/" in path])
    assert "in a public log" in journal
    assert not [path for path in desk.vault() if "/retired/" in path]
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)


def test_a_revoked_key_is_proven_dead_and_not_made_again_by_itself(new_desk: Callable[[str], Desk]) -> None:
    """Its tasks are open at once; when it is dead its secret is gone, and a new one needs approval."""
    desk = new_desk(HEADER + PNL)
    old = put_in_service(desk)
    desk.run("key", "revoke", KEY, "--reason", "laptop stolen", *AT_RUNNER, expect="Delete a Spot API key")
    task = next(t["id"] for t in desk.tasks().values() if t["kind"] == "delete-key")
    desk.kraken.people("delete-key", account="desk", key=old)
    desk.run("task", "attest", task, "--note", "deleted")
    desk.run("settle", *AT_RUNNER, expect="proven dead")
    assert SECRET not in desk.vault()
    plan = desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=2)
    assert "it was revoked (laptop stolen)" in " ".join(plan.stdout.replace("#", " ").split())
    desk.fails("KS2202", "key", "ingest", KEY, stdin=JUNK)
    assert desk.task(TaskKind.CREATE_KEY, KEY, generation=2) not in desk.tasks()


def test_panic_prints_the_click_lists_and_needs_the_accounts_name(new_desk: Callable[[str], Desk]) -> None:
    """They are printed whatever follows; what is written is not, without somebody who answers for it."""
    carry = '\ncarry = stack.add(DerivativesSubaccount(name="carry", master=desk, email="c@desk.example"))\n'
    desk = new_desk(HEADER + PNL + carry)
    old = put_in_service(desk)
    said = desk.fails("KS7003", "panic", "--account", "desk", "--reason", "orders nobody sent").stdout
    assert "1. spot_key.pnl" in said
    assert f"ends in {old[-4:]}" in said
    desk.fails("KS7003", "panic", "--account", "carry", "--reason", "orders nobody sent")
    desk.fails("KS8001", "panic", "--account", "nobody", "--reason", "orders nobody sent")


@pytest.mark.timeout(240)
def test_panic_stops_trading_once_the_accounts_name_is_typed(new_desk: Callable[[str], Desk]) -> None:
    """Another word changes nothing; the name switches trading off, past the master's breaker."""
    carry = f'\nstack.add(DerivativesSubaccount(name="carry", master=desk, email="{CARRY}", {{}}))\n'
    desk = new_desk(HEADER + CONTROLLER + carry.format("trading_enabled=True"))
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "derivatives", general="FULL_ACCESS", ip=[RUNNER])
    desk.hand_in("derivatives_key.derivatives-controller", made, *AT_RUNNER)
    desk.kraken.people("create-account", name="carry", email=CARRY)
    desk.kraken.people("support-process", master=MASTER, subaccount=CARRY)
    desk.kraken.people("email-confirm", email=CARRY)
    desk.run("settle", *AT_RUNNER, expect="closed")
    trip_the_accounts_breaker(desk)

    def panic(answer: str, account: str = "carry") -> tuple[int, str]:
        words = ["panic", "--account", account, "--reason", "orders nobody sent", *AT_RUNNER]
        env = desk.environment({"NO_COLOR": "1"})
        return on_a_terminal(words, [("Enter a value:", answer)], cwd=desk.folder, env=env)

    def trades() -> bool:
        accounts = desk.kraken.people("state")["accounts"]
        return next(a["trading_enabled"] for a in accounts if a["email"] == CARRY)

    ended, screen = panic("yes")
    assert (ended, trades()) == (1, True), screen
    assert "KS7004" in screen
    ended, screen = panic("carry")
    assert (ended, trades()) == (0, False), screen
    assert "trading is switched off" in screen
    ended, screen = panic("desk", "desk")
    assert ended == 0, screen
    kinds = [task["kind"] for task in desk.tasks().values()]
    assert sorted(kinds) == ["delete-key", "stop-process"]
    assert all(task in screen for task in desk.tasks())
    journal = json.dumps([v for path, v in desk.vault().items() if "/journal/" in path])
    assert "orders nobody sent" in journal
