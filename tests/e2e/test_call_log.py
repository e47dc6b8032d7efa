"""What Kraken's call log says of the command line: who is left alone, from whichever folder it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import krakenex
import pytest

from krakenstate.sim.world import fingerprint
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    COLO,
    COLO_NETWORKS,
    CREATOR,
    HEADER,
    HEDGER,
    MASTER,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    SUBACCOUNT,
    Desk,
)
from tests.support.scripted import ScriptedServer, scripted_server

OBSERVE, PLAN, SETTLE, DRIFT = ((word, *AT_RUNNER) for word in ("observe", "plan", "settle", "drift"))
LOOKS = (OBSERVE, PLAN, SETTLE, DRIFT, APPLY)
LAB = "lab@desk.example"
OTHERS = """
stack.add(DerivativesKey(name="viewer", account=desk, process=pnl,
    general=Access.READ_ONLY, transfer=Access.NO_ACCESS, allowlist=[runner]))
lab = stack.add(MasterAccount(name="lab", email="lab@desk.example"))
stack.add(DerivativesKey(name="watcher", account=desk, process=platform,
    general=Access.READ_ONLY, transfer=Access.NO_ACCESS, allowlist=[runner]))
stack.add(DerivativesKey(name="remote", account=lab, process=platform,
    general=Access.READ_ONLY, transfer=Access.NO_ACCESS, allowlist=[runner]))
"""
ON_DESK, ON_LAB = ("hedger", "viewer", "watcher"), ("remote",)
PROCESSES = {"hedger": "hedger", "viewer": "pnl", "watcher": "krakenstate", "remote": "krakenstate"}
BREAKER_S = 15 * 60
MARGIN_S = 10 * 60
"""More than the commands of a test take in all."""


def look(desk: Desk, *commands: tuple[str, ...]) -> None:
    """Every command that looks at keys; what it finds out is not the question here."""
    for words in commands:
        desk.run(*words, code=None)


def public(made: str) -> str:
    """The public half of a key as its dialog showed it."""
    return str(json.loads(made)["api_key"])


class Served:
    """Derivatives keys in service: three on the desk, one on another account."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        desk.kraken.people("create-account", name="lab", email=LAB)
        desk.run("init")
        desk.run(*APPLY)
        self.keys = {name: self._hand_in(name) for name in ON_DESK + ON_LAB}
        desk.run(*SETTLE, expect="4 published")
        self._read = len(desk.signed_calls())

    def _hand_in(self, name: str) -> str:
        """Somebody makes a key and leaves it in the inbox; its public half comes back."""
        account = MASTER if name in ON_DESK else LAB
        made = self.desk.make_key(account, "derivatives", general="READ_ONLY", ip=[RUNNER])
        path = f"{self.desk.mount}/data/krakenstate/prod/inbox/{PROCESSES[name]}/derivatives_key.{name}"
        halves = {half: json.loads(made)[half] for half in ("api_key", "api_secret")}
        self.desk.bao.request("POST", path, {"data": halves, "options": {"cas": 0}})
        return public(made)

    def delete(self, name: str) -> None:
        """Somebody deletes a key of the desk in the web page."""
        self.desk.kraken.people("delete-key", account=MASTER, key=self.keys[name])

    def new_calls(self) -> list[str]:
        """The names of the keys that were asked since the last time, in order."""
        names = {fingerprint(public): name for name, public in self.keys.items()}
        calls = self.desk.signed_calls()
        new, self._read = calls[self._read :], len(calls)
        return [names.get(c["key_fingerprint"], "another key") for c in new]


# -- breakers ----------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_open_breakers_are_respected_by_everybody_until_they_end(new_desk: Callable[[str], Desk]) -> None:
    """Key, account and egress: after a refusal nothing is asked from this folder or another; then once."""
    served = Served(new_desk(HEADER + PNL + HEDGER + OTHERS))
    a_refused_key_is_left_alone(served)
    an_account_with_two_refused_keys_is_left_alone(served)
    a_lockout_leaves_everything_alone(served)


def a_refused_key_is_left_alone(served: Served) -> None:
    """The other keys are asked as ever."""
    desk = served.desk
    served.delete("hedger")
    look(desk, *LOOKS)
    assert served.new_calls().count("hedger") == 1
    look(desk.colleague("ann"), SETTLE, OBSERVE)
    asked = served.new_calls()
    assert "hedger" not in asked
    assert {"viewer", "watcher", "remote"} <= set(asked)

    desk.advance(BREAKER_S - MARGIN_S)
    look(desk.colleague("bob"), OBSERVE)
    assert "hedger" not in served.new_calls()
    desk.advance(MARGIN_S)
    look(desk.colleague("eve"), OBSERVE)
    look(desk, SETTLE)
    assert served.new_calls().count("hedger") == 1


def an_account_with_two_refused_keys_is_left_alone(served: Served) -> None:
    """No key of it is asked after the second refusal, not even in the same run; another account's is."""
    desk = served.desk
    desk.advance(BREAKER_S)
    served.delete("viewer")
    look(desk, PLAN, SETTLE)
    asked = served.new_calls()
    assert (asked.count("hedger"), asked.count("viewer")) == (1, 1)
    second = max(asked.index("hedger"), asked.index("viewer"))
    assert set(asked[second + 1 :]) <= set(ON_LAB)
    look(desk.colleague("dan"), SETTLE)
    assert set(served.new_calls()) == set(ON_LAB)

    desk.advance(BREAKER_S - MARGIN_S)
    look(desk.colleague("fay"), OBSERVE)
    assert set(served.new_calls()) == set(ON_LAB)
    desk.advance(MARGIN_S)
    look(desk.colleague("gus"), OBSERVE)
    asked = served.new_calls()
    assert (asked.count("hedger"), asked.count("viewer")) == (1, 1)


def a_lockout_leaves_everything_alone(served: Served) -> None:
    """A new key meets `Temporary lockout`: no key of any account is asked."""
    desk = served.desk
    desk.advance(BREAKER_S)
    stranger = krakenex.API(public(desk.make_key(MASTER, "spot", name="other", ip=[RUNNER])), "A" * 86 + "==")
    stranger.uri, stranger.session.trust_env = desk.kraken.origin, False
    for _ in range(4):
        assert stranger.query_private("Balance") == {"error": ["EAPI:Invalid signature"]}
    stranger.close()
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    served.new_calls()
    desk.run("key", "ingest", "spot_key.pnl", *AT_RUNNER, stdin=made, code=3, expect="KS2105")
    assert served.new_calls() == ["another key"]
    look(desk, OBSERVE, SETTLE)
    look(desk.colleague("hal"), SETTLE)
    assert served.new_calls() == []

    desk.advance(BREAKER_S - MARGIN_S)
    look(desk.colleague("ida"), OBSERVE)
    assert served.new_calls() == []
    desk.advance(MARGIN_S)
    look(desk.colleague("jon"), OBSERVE)
    asked = served.new_calls()
    assert {asked.count(name) for name in ("hedger", "viewer", "remote")} == {1}


# -- allowlists --------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_key_that_does_not_admit_the_site_is_never_called(new_desk: Callable[[str], Desk]) -> None:
    """In quarantine or in service, Spot or Derivatives: observe, plan, settle, drift and apply ask none."""
    desk = new_desk((HEADER + PNL + HEDGER).replace("allowlist=[runner]", "allowlist=[colo]"))
    desk.run("init")
    desk.run(*APPLY)
    desk.kraken.people("egress", address=COLO)
    hedger = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=COLO_NETWORKS)
    desk.hand_in("derivatives_key.hedger", hedger, "--site", "colo")
    desk.kraken.people("egress", address=RUNNER)
    pnl = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=COLO_NETWORKS)
    desk.hand_in("spot_key.pnl", pnl, *AT_RUNNER)
    before = desk.signed_calls()
    look(desk, *LOOKS, ("observe",), ("settle",))  # from another site, and from none
    assert desk.signed_calls() == before
    assert [c["outcome"] for c in before] == ["ok"]  # the hedger's, from its own site


# -- redirects ---------------------------------------------------------------------------------------------


@pytest.fixture
def thief() -> Iterator[ScriptedServer]:
    """A server elsewhere that would hear whatever is sent there."""
    with scripted_server() as server:
        yield server


@pytest.mark.timeout(240)
def test_a_redirect_is_reported_and_nothing_is_sent_there(
    new_desk: Callable[[str], Desk], thief: ScriptedServer
) -> None:
    """The clock, a key's question and a creation are each sent elsewhere by the answer: each says so."""
    desk = new_desk(HEADER + HEDGER + CREATOR + SUBACCOUNT)
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER])
    desk.hand_in("derivatives_key.hedger", made, *AT_RUNNER)
    made = desk.make_key(
        MASTER,
        "spot",
        name="spot-creator-g1",
        permission=["withdraw-funds"],
        ip=[RUNNER],
        expires="2026-12-31",
    )
    desk.hand_in("spot_key.spot-creator", made, *AT_RUNNER)

    def redirect(path: str) -> None:
        desk.kraken.people("fault", kind="redirect", path=path, location=f"{thief.origin}/elsewhere")

    redirect("/0/public/Time")
    desk.fails("KS2006", *PLAN)
    redirect("/api/auth")
    seen = desk.run(*OBSERVE, code=None, expect=("derivatives_key.hedger", "KS2006", "redirect"))
    assert seen.code == 1
    redirect("/0/private/CreateSubaccount")
    desk.run(*APPLY, code=4, expect=("outcome unknown", "redirect"))
    assert desk.kraken.people("fault-list")["faults"] == []
    assert (thief.connections, thief.received) == (0, [])
