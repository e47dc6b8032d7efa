"""The real command on a real Vault server, killed by SIGKILL in the middle of what it writes.

``tests/engine/test_every_seam.py`` tries every seam in one process; here is a sample of each kind with a real
one: a proxy before Vault or Kraken stops at a chosen request, and the process is killed there.
"""

import json
import signal
from collections.abc import Callable

import pytest

from tests.support.e2e import APPLY, AT_RUNNER, COMMAND_MAX_S, HEADER, MASTER, RUNNER, Desk
from tests.support.proxy import Way, proxy

LEASE_S = 61
STATE = "krakenstate/prod"
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

            stopping = kraken if path.startswith("/0/") else vault
            stopping.treat(path, way, writes_only=True)
            running = desk.start("settle", *AT_RUNNER, env={"VAULT_ADDR": vault.origin})
            assert stopping.reached.wait(COMMAND_MAX_S), where
            running.send_signal(signal.SIGKILL)
            running.communicate()
            stopping.let_go()
            desk.advance(LEASE_S)

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
