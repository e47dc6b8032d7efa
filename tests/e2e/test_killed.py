"""The real command on a real Vault server, killed by SIGKILL in the middle of what it writes.

``tests/engine/test_every_seam.py`` tries every seam in one process; here is a sample of each kind with a real
one: a proxy before Vault or Kraken stops at a chosen request, and the process is killed there.
"""

import json
import signal
from collections.abc import Callable

import pytest

from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    COMMAND_MAX_S,
    HEADER,
    MASTER,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    Desk,
)
from tests.support.proxy import Proxy, Way, proxy

LEASE_S = 61
STATE, KEY = "krakenstate/prod", "spot_key.pnl"
SEAMS = [
    ("the lock is taken", f"/data/{STATE}/lock", Way.STALLED),
    ("the journal is opened", "/journal/open/", Way.STALLED),
    ("before the intent", "/0001", Way.HELD),
    ("after the intent", "/0001", Way.STALLED),
    ("between metadata and data in quarantine", f"/metadata/{STATE}/quarantine/", Way.STALLED),
    ("in quarantine, before its outcome", f"/data/{STATE}/quarantine/", Way.STALLED),
    ("the inbox is emptied", f"/metadata/{STATE}/inbox/", Way.STALLED),
    ("after Kraken was asked", "/0/private/GetApiKeyInfo", Way.STALLED),
    ("between metadata and data at its place", "/metadata/kraken/prod/", Way.STALLED),
    ("published, before its outcome", "/data/kraken/prod/", Way.STALLED),
    ("between document and index", f"/data/{STATE}/index", Way.HELD),
    ("after the index", f"/data/{STATE}/index", Way.STALLED),
]
"""What is stopped at: the first request to such a path that writes, before its effect or after it."""


def stack() -> str:
    """A process and a key for each seam."""
    return HEADER + "".join(
        f'p{n} = stack.add(Process(name="p{n}", owner="risk"))\n'
        f'stack.add(SpotKey(name="k{n}", account=desk, process=p{n}, permissions=roles.DASHBOARD,\n'
        f"    allowlist=[runner], nonce_unit=NonceUnit.MILLISECONDS))\n"
        for n in range(len(SEAMS))
    )


def kill_at(desk: Desk, between: tuple[Proxy, Proxy], where: str, path: str, way: Way) -> None:
    """A settle dies at a request; then its lease ends."""
    kraken, vault = between
    stopping = kraken if path.startswith("/0/") else vault
    stopping.treat(path, way, writes_only=True)
    running = desk.start("settle", *AT_RUNNER, env={"VAULT_ADDR": vault.origin})
    assert stopping.reached.wait(COMMAND_MAX_S), where
    running.send_signal(signal.SIGKILL)
    running.communicate()
    stopping.let_go()
    desk.advance(LEASE_S)


@pytest.mark.timeout(300)
def test_a_settle_that_is_killed_is_finished_by_the_next(new_desk: Callable[[str], Desk]) -> None:
    """Wherever it dies, the key from the inbox is in service after the next settle, once, and whole."""
    desk = new_desk(stack())
    with proxy(desk.kraken.origin) as kraken, proxy(desk.bao.address) as vault:
        desk.origin = kraken.origin
        desk.run("init")
        desk.run(*APPLY)
        for number, (where, path, way) in enumerate(SEAMS):
            address = f"spot_key.k{number}"
            made = json.loads(desk.make_key(MASTER, "spot", name=f"k{number}-g1", ip=[RUNNER],
                                            permission=["query-funds", "query-open-trades"]))  # fmt: skip
            secret = {name: made[name] for name in ("api_key", "api_secret")}
            inbox = f"{desk.mount}/data/{STATE}/inbox/p{number}/{address}"
            desk.bao.request("POST", inbox, {"data": secret, "options": {"cas": 0}})

            kill_at(desk, (kraken, vault), where, path, way)

            desk.run("settle", *AT_RUNNER)
            held = desk.secret_at(f"kraken/prod/p{number}/{address}")
            assert {name: held[name] for name in secret} == secret, where
            left = [p for p in desk.vault() if f"/p{number}/" in p and not p.startswith("kraken/prod/")]
            assert left == [], where
            assert desk.lock_is_free()
        desk.run("plan", *AT_RUNNER, "--detailed-exitcode", expect="No changes.")
        asked = [(c["key_last4"], c["nonce"]) for c in desk.calls("GetApiKeyInfo")]
        assert len(asked) == len(set(asked))
        assert {c["outcome"] for c in desk.signed_calls()} == {"ok"}


RETIRED, AT_ITS_PLACE = f"{STATE}/retired/pnl/{KEY}-g1", f"kraken/prod/pnl/{KEY}"
COMING_IN = [
    ("the old secret is put aside", f"/data/{RETIRED}", Way.STALLED),
    ("the new one is at its place", f"/data/{AT_ITS_PLACE}", Way.STALLED),
]
GOING_OUT = [
    ("the old key was asked whether it is dead", "/0/private/GetApiKeyInfo", Way.STALLED),
    ("the old secret left Vault", f"/metadata/{RETIRED}", Way.STALLED),
]
"""What the settles of one rotation are stopped at, one after another."""


@pytest.mark.timeout(300)
def test_a_rotation_that_is_killed_at_each_stage_arrives(new_desk: Callable[[str], Desk]) -> None:
    """Four runs die; the process is served all along, and the old secret is kept until its key is dead."""
    desk = new_desk(HEADER + PNL.replace("nonce_unit=", "rotate_every=timedelta(days=90), nonce_unit="))
    with proxy(desk.kraken.origin) as kraken, proxy(desk.bao.address) as vault:
        desk.origin, between = kraken.origin, (kraken, vault)

        def made(number: int) -> dict[str, str]:
            key = json.loads(desk.make_key(MASTER, "spot", name=f"pnl-g{number}", ip=[RUNNER],
                                           permission=PNL_PERMISSIONS))  # fmt: skip
            return {name: key[name] for name in ("api_key", "api_secret")}

        def served(key: dict[str, str]) -> bool:
            return key.items() <= desk.secret_at(AT_ITS_PLACE).items()

        desk.run("init")
        desk.run(*APPLY)
        old = made(1)
        desk.hand_in(KEY, json.dumps(old), *AT_RUNNER)
        desk.advance(91 * 86400)
        desk.run(*APPLY, expect="1 manual pending")
        new = made(2)
        inbox = f"{desk.mount}/data/{STATE}/inbox/pnl/{KEY}"
        desk.bao.request("POST", inbox, {"data": new, "options": {"cas": 0}})
        for where, path, way in COMING_IN:
            kill_at(desk, between, where, path, way)
            assert served(new if path.endswith(AT_ITS_PLACE) else old), where
        desk.run("settle", *AT_RUNNER)
        assert served(new)
        assert old.items() <= desk.secret_at(RETIRED).items()

        [adoption] = desk.tasks()
        desk.run("task", "attest", adoption, "--note", "restarted")
        desk.run("settle", *AT_RUNNER)
        [deletion] = desk.tasks()
        desk.kraken.people("delete-key", account="desk", key=old["api_key"])
        desk.run("task", "attest", deletion, "--note", "deleted")
        asked = len(desk.calls(last4=old["api_key"][-4:]))
        for where, path, way in GOING_OUT:
            kill_at(desk, between, where, path, way)
            assert served(new), where
            assert (RETIRED in desk.vault()) is (path != GOING_OUT[-1][1]), where
            desk.advance(15 * 60)
        desk.run("settle", *AT_RUNNER)
        desk.run("plan", *AT_RUNNER, "--detailed-exitcode", expect="No changes.")
        assert desk.lock_is_free()
        left = [p for p in desk.vault() if f"/{KEY}" in p and p.startswith((f"{STATE}/inbox", RETIRED))]
        assert left == []
        proofs = desk.calls(last4=old["api_key"][-4:])[asked:]
        assert [c["outcome"] == "ok" for c in proofs] == [False] * len(proofs)
        assert 1 <= len(proofs) <= 2
