"""``krakenstate doctor``: what it finds, what it survives, and that it touches nothing."""

from datetime import timedelta

import pytest

from krakenstate.engine.doctor import examine
from krakenstate.model.checkup import Area, Level
from krakenstate.model.run import Breaker, BreakerScope
from krakenstate.providers.base import NodeHealth
from krakenstate.sim.openbao import free_port
from krakenstate.store.vault import packs
from krakenstate.views.doctor_text import render_checkup
from tests.support.bao import start_bao
from tests.support.e2e import APPLY, AT_RUNNER, HEADER, HEDGER, MASTER, PNL, PNL_PERMISSIONS, RUNNER
from tests.support.world import derivatives_key, spot_key

NARROW = """
path "{mount}/data/krakenstate/prod/*" {{ capabilities = ["read"] }}
path "{mount}/metadata/krakenstate/prod/*" {{ capabilities = ["list", "read"] }}
"""
MAY_ASK = 'path "sys/capabilities-self" { capabilities = ["update"] }'


def lines_of(data):
    """Level and code by area and name; several of a name are listed."""
    found = {}
    for check in data["checks"]:
        found.setdefault((check["area"], check["name"]), []).append((check["level"], check["code"]))
    return found


class Probe:
    """A secret store in order, whose token may do everything."""

    mount = "kv"

    def health(self):
        """One node, unsealed."""
        return (NodeHealth("https://vault.example", version="2.0"),)

    def check_mount(self):
        """It is one of version 2."""

    def capabilities(self, paths):
        """Everything."""
        return {path: frozenset({"root"}) for path in paths}

    def kept_versions(self):
        """As many as Vault keeps where nobody says otherwise."""
        return 10


class Silent:
    """A Derivatives server that answers."""

    def greet(self):
        """Answers."""


def examined(world, site="runner"):
    """What a check-up of this world finds."""
    return examine(world.session(site), Probe(), Silent())


def found_in(checkup, area):
    """Level and text of an area's checks."""
    return [(check.level, check.text) for check in checkup.checks if check.area is area]


def test_a_desk_in_order(new_desk):
    """Every line is well, which keys may be asked is told, and neither Vault nor a key notices."""
    desk = new_desk(HEADER + PNL + HEDGER)
    desk.run("init")
    desk.run(*APPLY)
    spot = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    desk.hand_in("spot_key.pnl", spot, *AT_RUNNER)
    future = desk.make_key(MASTER, "derivatives", general="READ_ONLY", transfer="NO_ACCESS", ip=[RUNNER])
    before, signed = desk.vault(), len(desk.signed_calls())
    data = desk.data("doctor", *AT_RUNNER)
    assert data["summary"] == {"ok": 12, "warning": 0, "problem": 0, "skipped": 0}
    keys = {c["name"]: c for c in data["checks"] if c["area"] == "keys"}
    assert keys["spot_key.pnl"]["facts"] == {"may_be_asked": False, "reason": "not_asked"}
    assert keys["derivatives_key.hedger"]["facts"] == {"may_be_asked": False, "reason": "pending"}
    [token] = [c for c in data["checks"] if c["name"] == "token"]
    assert token["facts"]["enough_to"] == ["plan from the snapshot", "observe and plan", "apply and settle"]
    assert (desk.vault(), len(desk.signed_calls())) == (before, signed)

    desk.hand_in("derivatives_key.hedger", future, *AT_RUNNER)
    said = desk.run("doctor", *AT_RUNNER, expect="derivatives_key.hedger may be asked from this site").stdout
    assert "asking it would move its nonce" in said
    assert said.rstrip().endswith("Checked 12 things: 0 problems, 0 warnings.")
    assert "derivatives_key.hedger not asked: no site was named" in desk.run("doctor").stdout


def test_kraken_out_of_reach_does_not_stop_the_rest(new_desk):
    """Without Kraken its two lines are problems; Vault, state and keys are looked at all the same."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.always["KRAKENSTATE_SPOT_URL"] = desk.always["KRAKENSTATE_FUTURES_URL"] = "http://127.0.0.1:9"
    found = lines_of(desk.data("doctor", *AT_RUNNER, code=1))
    assert found["kraken", "clock"] == found["kraken", "derivatives"] == [("problem", "KS2001")]
    assert found["vault", "mount"] == found["vault", "token"] == [("ok", "")]
    assert found["state", "state"] == [("problem", "KS3005")]
    assert found["state", "lock"] == found["breakers", "breakers"] == [("ok", "")]
    assert found["keys", "keys"] == [("skipped", "")]


def test_a_clock_that_is_off(new_desk):
    """More than a minute is a problem, more than ten seconds a warning."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    late = (desk.now + timedelta(minutes=3)).isoformat()
    done = desk.run("doctor", env={"KRAKENSTATE_NOW": late}, code=1, expect="KS2005")
    assert "ahead of Kraken's" in done.stdout
    early = (desk.now - timedelta(seconds=30)).isoformat()
    done = desk.run("doctor", env={"KRAKENSTATE_NOW": early}, expect="1 warning")
    assert "behind it" in done.stdout


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "gone"])
def test_vault_sealed_or_gone(new_desk, tmp_path, sealed):
    """A node that is sealed or silent is told apart; what needs Vault is skipped, Kraken is not."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    other = tmp_path / "other"
    other.mkdir()
    server = start_bao(other) if sealed else None
    try:
        if server:
            server.request("PUT", "sys/seal")
        desk.always["VAULT_ADDR"] = server.address if server else f"http://127.0.0.1:{free_port()}"
        data = desk.data("doctor", *AT_RUNNER, code=1)
    finally:
        if server:
            server.stop()
    found = lines_of(data)
    assert found["kraken", "clock"] == [("ok", "")]
    assert found["vault", "node"] == [("problem", "KS4002" if sealed else "KS4001")]
    assert {found[area, area][0][0] for area in ("state", "breakers", "keys")} == {"skipped"}


def test_one_node_of_two_is_enough(new_desk):
    """A node that is down is a problem of its own; through the other everything is looked at."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.always["VAULT_ADDR"] = f"http://127.0.0.1:{free_port()},{desk.bao.address}"
    found = lines_of(desk.data("doctor", code=1))
    assert found["vault", "node"] == [("problem", "KS4001"), ("ok", "")]
    assert found["state", "state"] == [("ok", "")]


def test_what_a_token_may_do(new_desk):
    """A narrow token is told what it is enough for; one that is none ends with exit code 3."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    policy = NARROW.format(mount=desk.mount)
    told = desk.run("doctor", env={"VAULT_TOKEN": desk.bao.token_with(policy + MAY_ASK)}).stdout
    text = " ".join(told.split())
    assert "The token is enough to plan from the snapshot." in text
    assert "To observe and plan it lacks create, update on" in text
    silent = desk.run("doctor", env={"VAULT_TOKEN": desk.bao.token_with(policy)}).stdout
    assert "sys/capabilities-self" in silent
    assert "1 warning" in silent
    done = desk.run("doctor", env={"VAULT_TOKEN": "no-such-token"}, code=3, expect="KS4003")
    assert "no-such-token" not in done.stdout + done.stderr


def test_lock_runs_and_breakers_are_told(world):
    """Who holds the lock, which run did not end, and which breaker closes when, are warnings."""
    world.initialise()
    world.declare(spot_key(), derivatives_key())
    session = world.session()
    now = session.clock()
    breaker = Breaker(
        scope=BreakerScope.ACCOUNT,
        subject="master_account.desk",
        opened_at=now,
        until=now + timedelta(minutes=15),
        code="KS2101",
        address="spot_key.pnl",
        account="master_account.desk",
    )
    session.records.ledger.open_breaker(breaker)
    with world.writing("task claim"):
        session.records.journal.begin("apply")
        checkup = examined(world)
    [_, _, lock, run] = found_in(checkup, Area.STATE)
    assert lock[0] is run[0] is Level.WARNING
    assert "ann@desk holds the lock for task claim since 2026-11-02T09:00:00Z" in lock[1]
    assert "apply" in run[1]
    assert "did not end" in run[1]
    [told] = found_in(checkup, Area.BREAKERS)
    assert told[0] is Level.WARNING
    assert "account of spot_key.pnl: not asked until 2026-11-02T09:15:00Z" in told[1]
    assert checkup.problems == ()
    world.clock.advance(minutes=16)
    assert found_in(examined(world), Area.BREAKERS) == [(Level.OK, "No breaker is open.")]


@pytest.mark.parametrize("told", ["settings readable", "settings denied"])
def test_an_entry_that_keeps_too_little_history_is_named(new_desk, told):
    """Entries that keep one version are named with the command that helps; krakenstate's own ask for ten."""
    desk = new_desk(HEADER + PNL)
    desk.bao.request("POST", f"{desk.mount}/config", {"max_versions": 1})
    desk.run("init")
    desk.run(*APPLY)
    if told == "settings denied":
        policy = f'path "{desk.mount}/config" {{ capabilities = ["deny"] }}\n'
        policy += (
            f'path "{desk.mount}/*" {{ capabilities = ["read", "list", "create", "update", "delete"] }}\n'
        )
        desk.always["VAULT_TOKEN"] = desk.bao.token_with(policy)

    def history():
        data = desk.data("doctor", *AT_RUNNER)
        return next(c for c in data["checks"] if c["name"] == "history")

    assert (history()["level"], history()["facts"]["too_short"]) == ("ok", [])
    path = "krakenstate/prod/resources/master_account.desk"
    desk.bao.request("POST", f"{desk.mount}/metadata/{path}", {"max_versions": 1})
    found = history()
    assert found["level"] == "warning"
    assert found["facts"]["too_short"] == [f"{desk.mount}/{path}"]
    assert f"bao kv metadata put -max-versions=10 {desk.mount}/{path}" in found["text"]


def test_a_key_behind_a_breaker_says_so(world):
    """A key in service that must not be asked now gives the reason of the asker itself."""
    world.initialise()
    key = derivatives_key()
    credential = world.put_in_service(key)
    assert found_in(examined(world), Area.KEYS) == [(Level.OK, "may be asked from this site.")]
    asked = len(world.calls())
    world.session().records.ledger.open_breaker(
        Breaker(
            scope=BreakerScope.CREDENTIAL,
            subject=credential.fingerprint,
            opened_at=world.clock(),
            until=world.clock() + timedelta(minutes=15),
            code="KS2101",
            address=key.address,
            account=key.account.address,
        )
    )
    [(_, text)] = found_in(examined(world), Area.KEYS)
    assert "its credential is not asked until 2026-11-02T09:15:00Z" in text
    [(_, text)] = found_in(examined(world, site="colo"), Area.KEYS)
    assert "this site is not inside its declared allowlist" in text
    assert len(world.calls()) == asked


def test_a_damaged_document_is_named_though_a_pack_has_a_copy(world, monkeypatch):
    """Other runs go on with the copy; a check-up reads the documents themselves."""
    monkeypatch.setattr(packs, "FEWEST", 1)
    world.initialise()
    world.declare(spot_key())
    world.apply()
    world.kv.delete("krakenstate/prod/resources/master_account.desk")
    assert world.plan().steps
    [(level, text)] = found_in(examined(world), Area.STATE)[:1]
    assert level is Level.PROBLEM
    assert "master_account.desk is gone" in text


def test_foreign_text_cannot_steer_the_terminal(world):
    """Names that come from elsewhere are shown without control characters, at any width."""
    world.initialise()
    checkup = examined(world)
    bad = checkup.checks[0].model_copy(update={"text": "a\x1b[2Jb\nc", "level": Level.PROBLEM})
    shown = render_checkup(checkup.model_copy(update={"checks": (bad,)}), width=40)
    assert "\x1b" not in shown
    assert "problem  a[2Jb c" in shown
