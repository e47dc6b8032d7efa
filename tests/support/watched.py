"""A desk on which bots trade while krakenstate looks at it again and again, told by Kraken's call log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from krakenstate.sim.world import fingerprint
from tests.support.bots import DERIVATIVES, PAUSE_S, SPOT, trading
from tests.support.e2e import APPLY, AT_RUNNER, CARRY, HEADER, MASTER, PNL, PNL_PERMISSIONS, RUNNER, Desk

CHECK, SUBACCOUNTS, INFO = "/v3/check", "/subaccounts", "GetApiKeyInfo"
CONTROLLER = """
stack.add(DerivativesKey(name="controller", account=desk, process=platform, controls=desk,
    general=Access.FULL_ACCESS, transfer=Access.NO_ACCESS, allowlist=[runner]))
stack.add(DerivativesSubaccount(name="carry", master=desk, email="kraken+carry@desk.example",
    trading_enabled=True))
"""
_SPOT_KEY = """
stack.add(SpotKey(name="{0}", account=desk,
    process=stack.add(Process(name="{0}", owner="desk", purpose="a bot")),
    permissions={{Permission.QUERY_FUNDS}}, allowlist=[runner], nonce_unit=NonceUnit.{1}))
"""
_DERIVATIVES_KEY = """
stack.add(DerivativesKey(name="{0}", account=desk,
    process=stack.add(Process(name="{0}", owner="desk", purpose="a bot")),
    general=Access.READ_ONLY, transfer=Access.NO_ACCESS, allowlist=[runner]))
"""
STACK = "".join(
    [
        HEADER,
        CONTROLLER,
        PNL,
        *(_SPOT_KEY.format(name, unit) for name, (_, unit) in SPOT.items()),
        *(_DERIVATIVES_KEY.format(name) for name in DERIVATIVES),
    ]
)
LEAST_SHARE = 0.2
"""Of the calls that a bot should have made; a busy machine may take the others."""


def bots_are_not_disturbed(new_desk: Callable[[str], Desk], seconds: float) -> None:
    """Bots of three libraries call meanwhile: none sees an error, and who may be asked was asked."""
    desk = new_desk(STACK)
    desk.kraken.people("budget", on=False)
    keys = _in_service(desk)
    made, waiting = {name: keys[name] for name in (*SPOT, *DERIVATIVES)}, _new_pnl(desk)
    log = _Log(desk)
    log.read()
    began = time.monotonic()
    with trading(desk.kraken.origin, made) as bots:
        rounds = 0
        while time.monotonic() - began < seconds:
            desk.run("observe", *AT_RUNNER)
            desk.run("plan", *AT_RUNNER)
            if not rounds:
                desk.hand_in("spot_key.pnl", waiting)
            desk.run("settle", *AT_RUNNER)
            log.read()
            rounds += 1
        lasted = time.monotonic() - began
    log.read()

    assert {name: bot.errors for name, bot in bots.items()} == {name: [] for name in made}
    for name, bot in bots.items():
        assert bot.calls > LEAST_SHARE * lasted / PAUSE_S, f"{name} made {bot.calls} calls in {lasted:.0f} s"
        assert log.count(keys[name], "") >= bot.calls, f"{name} called somebody else"
    assert log.outcomes == {"ok"}
    for name in SPOT:
        assert log.count(keys[name], INFO) == 0, f"{name} was asked while in service"
    for name in DERIVATIVES:
        assert log.count(keys[name], CHECK) >= rounds, f"{name} was not asked"
    assert log.count(keys["controller"], CHECK) > 0
    assert log.count(keys["controller"], SUBACCOUNTS) >= rounds
    assert log.count(_halves(waiting), INFO) == 1  # a fresh key was verified meanwhile


class _Log:
    """Kraken's calls since the first reading; Kraken keeps the last ones only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: int | None = None
        self._calls: list[dict[str, Any]] = []

    def read(self) -> None:
        """Takes in what is new; nothing may have been lost since the last time."""
        calls = self._desk.kraken.calls()
        if self._last is not None:
            new = [c for c in calls if c["n"] > self._last]
            assert len(new) == calls[-1]["n"] - self._last, "calls were lost"
            self._calls += new
        self._last = calls[-1]["n"]

    @property
    def outcomes(self) -> set[str]:
        """How calls ended."""
        return {c["outcome"] for c in self._calls}

    def count(self, halves: tuple[str, str], ending: str) -> int:
        """The calls with a key to paths of an ending."""
        mine = (c for c in self._calls if c["key_fingerprint"] == fingerprint(halves[0]))
        return len([c for c in mine if c["path"].endswith(ending)])


def _halves(made: str) -> tuple[str, str]:
    shown = json.loads(made)
    return shown["api_key"], shown["api_secret"]


def _in_service(desk: Desk) -> dict[str, tuple[str, str]]:
    """Both halves of every key but ``pnl``, by name: made, handed in and published; the link is there."""
    desk.kraken.people("create-account", name="carry", email=CARRY)
    desk.kraken.people("support-process", master=MASTER, subaccount=CARRY)
    desk.kraken.people("email-confirm", email=CARRY)
    desk.run("init")
    desk.run(*APPLY)
    made = {
        f"spot_key.{name}": desk.make_key(
            MASTER, "spot", name=f"{name}-g1", permission=["query-funds"], ip=[RUNNER]
        )
        for name in SPOT
    } | {
        f"derivatives_key.{name}": desk.make_key(MASTER, "derivatives", general=general, ip=[RUNNER])
        for name, general in (*((n, "READ_ONLY") for n in DERIVATIVES), ("controller", "FULL_ACCESS"))
    }
    for address, shown in made.items():
        desk.hand_in(address, shown, *AT_RUNNER)
    desk.run("settle", *AT_RUNNER, expect="1 closed")
    return {address.partition(".")[2]: _halves(shown) for address, shown in made.items()}


def _new_pnl(desk: Desk) -> str:
    """A key that somebody has made and not yet handed in."""
    return desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
