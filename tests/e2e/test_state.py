"""The state on the real command line and a real Vault server: pulled whole, large, refused when damaged."""

import json
from collections.abc import Callable

import pytest

from tests.support.e2e import APPLY, AT_RUNNER, HEADER, MASTER, PNL, PNL_PERMISSIONS, RUNNER, Desk

DOCUMENT = "krakenstate/prod/resources/master_account.desk"
MANY = 30
KEYS = "".join(
    f"""
p{n} = stack.add(Process(name="p{n}", owner="trading", purpose="strategy {n}"))
stack.add(SpotKey(name="k{n}", account=desk, process=p{n}, permissions=roles.TRADING, allowlist=[colo]))
"""
    for n in range(MANY)
)


def test_the_state_is_pulled_whole_and_without_a_secret(new_desk: Callable[[str], Desk]) -> None:
    """One JSON text with index, records and tasks; the same state is the same text, piped and in a file."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    desk.hand_in("spot_key.pnl", made, *AT_RUNNER)
    before = desk.lasting()
    text = desk.run("state", "pull").stdout
    desk.run("state", "pull", "--out", "pulled.json", expect="is in pulled.json")
    assert (desk.folder / "pulled.json").read_text(encoding="utf-8") == text
    assert desk.lasting() == before

    pulled = json.loads(text)
    assert pulled["format_version"] == "1"
    assert pulled["index"]["stack"] == "prod"
    assert pulled["index"]["documents"]["master_account.desk"]["digest"]
    document = pulled["documents"]["master_account.desk"]
    assert (
        document["records"]["spot_key.pnl"]["published"]["path"]
        == f"{desk.mount}/kraken/prod/pnl/spot_key.pnl"
    )
    assert [t["kind"] for t in document["tasks"].values()] == ["create-key"]
    assert document == desk.secret_at(DOCUMENT)
    assert json.loads(made)["api_secret"] not in text
    desk.run("state", "pull", "--out", "nowhere/pulled.json", code=1, expect="KS8003")


@pytest.mark.timeout(240)
def test_a_large_account_is_kept_in_parts(new_desk: Callable[[str], Desk]) -> None:
    """More keys on one account than Vault takes in one entry: applied, planned again, listed and pulled."""
    desk = new_desk(HEADER + KEYS)
    desk.run("init")
    desk.run(*APPLY, expect=f"{MANY} manual pending")
    desk.run("plan", *AT_RUNNER, "--detailed-exitcode", code=8, expect=f"{MANY} manual tasks open")
    kept = [p for p in desk.vault() if p.startswith(DOCUMENT)]
    assert len(kept) > 1
    addresses = set(desk.run("state", "list").stdout.split())
    assert {f"spot_key.k{n}" for n in range(MANY)} <= addresses
    assert (
        len(json.loads(desk.run("state", "pull").stdout)["documents"]["master_account.desk"]["tasks"]) == MANY
    )


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param("edited", "is not what the index pinned", id="edited"),
        pytest.param("truncated", "is not what the index pinned", id="truncated"),
        pytest.param("destroyed", "is gone; the index pins it", id="destroyed"),
        pytest.param("index", "krakenstate/prod/index is not what krakenstate wrote", id="index"),
    ],
)
def test_a_damaged_state_is_named_and_refused(
    new_desk: Callable[[str], Desk], damage: str, told: str
) -> None:
    """No command works on it, none writes, and each says which document it is and how to go on."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    kv = desk.bao.client(desk.mount)
    head = kv.metadata(DOCUMENT)
    assert head is not None
    if damage == "destroyed":
        desk.bao.request("POST", f"{desk.mount}/destroy/{DOCUMENT}", {"versions": [head.version]})
    elif damage == "index":
        index = desk.secret_at("krakenstate/prod/index")
        kv.write("krakenstate/prod/index", index | {"documents": {}}, cas=index["serial"] + 1)
    else:
        data = desk.secret_at(DOCUMENT)
        kv.delete(DOCUMENT)
        for version in range(head.version):
            kept = {"records": {}} if damage == "truncated" else {"tasks": {}}
            kv.write(DOCUMENT, data | kept, cas=version)
    kv.close()
    for words in (APPLY, ["state", "pull"]):
        said = " ".join(desk.fails("KS3003", *words).stderr.split())
        assert told in said
        assert "krakenstate state rebuild" in said
        assert f"{desk.mount}/krakenstate/prod/" in said
