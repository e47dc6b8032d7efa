"""A key that admits only the host of its process: asked there with a narrow token, settled from elsewhere."""

import re
from collections.abc import Callable

import pytest

from tests.docs.markdown import ROOT, Page
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    COLO,
    COLO_NETWORKS,
    HEADER,
    MASTER,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
    Desk,
)

KEY = "spot_key.pnl"
EVIDENCE = "krakenstate/prod/evidence/pnl/spot_key.pnl"
AT_COLO = PNL.replace("[runner]", "[colo]")
FORBID = ("--forbid", "withdraw-funds")
[POLICY] = re.findall(
    r"<!-- policy: verifier -->\n```hcl\n(.*?)```", Page(ROOT / "docs" / "concepts.md").text, re.DOTALL
)


def narrow_token(desk: Desk) -> str:
    """A token with the policy of the page, for the process pnl of this desk."""
    policy = POLICY.replace('"kv/', f'"{desk.mount}/').replace("quoter", "pnl").replace("/first/", "/prod/")
    return desk.bao.token_with(policy)


@pytest.mark.timeout(300)
def test_a_host_reports_and_the_runner_publishes(new_desk: Callable[[str], Desk]) -> None:
    """The runner never asks; the host asks once, with a token for nothing else; the plan tells the age."""
    desk = new_desk(HEADER + AT_COLO)
    desk.run("init")
    desk.run(*APPLY, expect="1 manual pending")
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=COLO_NETWORKS)
    public = desk.hand_in(KEY, made, *AT_RUNNER)
    desk.run("settle", *AT_RUNNER, expect="Nothing to settle")
    assert desk.calls(last4=public[-4:]) == []

    desk.kraken.people("egress", address=COLO)
    token = narrow_token(desk)
    narrow = {"VAULT_TOKEN": token}
    before = desk.lasting()
    desk.fails("KS8004", "key", "verify", KEY, "--site", "colo", env=narrow)
    done = desk.run("key", "verify", KEY, "--report", "--site", "colo", *FORBID, env=narrow)
    assert "query-ledger" in done.stdout
    assert f"Report left in Vault at {desk.mount}/{EVIDENCE}." in done.stderr
    written = {path for path, versions in desk.lasting().items() if before.get(path) != versions}
    assert written == {EVIDENCE}
    for words in (("settle",), ("observe",), ("state", "list"), ("plan", "--refresh=false")):
        desk.fails("KS4003", *words, code=3, env=narrow)

    desk.kraken.people("egress", address=RUNNER)
    desk.run("observe", *AT_RUNNER, expect=("pending", "reported", "answered"))
    desk.advance(7200)
    desk.run("settle", *AT_RUNNER, expect=("1 published", "as reported"))
    plan = desk.run("plan", *AT_RUNNER)
    assert NO_CHANGES in plan.stdout
    assert f"{KEY} (reported 2 h ago)" in plan.stdout
    [known] = [o for o in desk.data("plan", *AT_RUNNER)["observations"] if o["address"] == KEY]
    assert (known["provenance"], known["missing"]) == ("reported", "not_asked")
    assert 7200 <= known["age"] < 7800
    assert desk.secret_at("kraken/prod/pnl/spot_key.pnl")["api_key"] == public
    assert len(desk.calls(last4=public[-4:])) == 1
    secret = made.split('"api_secret": "')[1].split('"')[0]
    assert secret not in "".join(desk.said)
    assert secret not in str(desk.secret_at(EVIDENCE))

    desk.kraken.people("egress", address=COLO)
    desk.fails("KS2120", "key", "verify", KEY, "--report", "--site", "colo", env=narrow)
    assert len(desk.calls(last4=public[-4:])) == 1
