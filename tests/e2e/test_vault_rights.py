"""The policies in concepts.md, installed on a real server: each is enough for its commands, and no more."""

import json
import urllib.error

import pytest

from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    COLO,
    HEADER,
    HEDGER,
    MASTER,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
)
from tests.support.rights import JOBS, POLICIES, policy

STACK = HEADER + PNL + HEDGER
BIDDER = """
away = stack.add(Allowlist(name="away", networks=["203.0.113.7"]))
stack.add(DerivativesKey(name="bidder", account=desk, process=pnl, general=Access.READ_ONLY,
    transfer=Access.NO_ACCESS, allowlist=[away]))
"""
OF_PNL, OF_HEDGER = "pnl/spot_key.pnl", "hedger/derivatives_key.hedger"
PLACES = {
    "secret": f"kraken/prod/{OF_HEDGER}",
    "inbox": f"krakenstate/prod/inbox/{OF_HEDGER}",
    "quarantine": f"krakenstate/prod/quarantine/{OF_HEDGER}",
    "retired": f"krakenstate/prod/retired/{OF_HEDGER}-g1",
    "evidence": f"krakenstate/prod/evidence/{OF_HEDGER}",
    "index": "krakenstate/prod/index",
    "resources": "krakenstate/prod/resources/stack",
    "journal": "krakenstate/prod/journal/run/0001",
    "lock": "krakenstate/prod/lock",
    "snapshot": "krakenstate/prod/snapshot",
    "breakers": "krakenstate/prod/breakers/key",
    "probes": "krakenstate/prod/probes/3f2a",
    "secret of another stack": f"kraken/other/{OF_HEDGER}",
    "state of another stack": "krakenstate/other/index",
}
OPERATIONS = {
    "list": ("LIST", "metadata", "folder"),
    "look": ("GET", "metadata", "path"),
    "read": ("GET", "data", "path"),
    "write": ("POST", "data", "path"),
    "label": ("POST", "metadata", "path"),
    "undelete": ("POST", "undelete", "path"),
    "hide": ("DELETE", "data", "path"),
    "destroy": ("POST", "destroy", "path"),
    "purge": ("DELETE", "metadata", "path"),
}
"""What KV version 2 offers, the gentle first: method, kind of path, and whether the folder is meant."""
BODIES = {
    "write": {"data": {"x": "y"}},
    "label": {"custom_metadata": {"x": "y"}},
    "undelete": {"versions": [1]},
    "destroy": {"versions": [1]},
}
ADMINISTRATION = [
    ("GET", "sys/policies/acl/default", None),
    ("POST", "sys/policies/acl/mine", {"policy": 'path "*" { capabilities = ["read"] }'}),
    ("POST", "auth/token/create", {"ttl": "1h"}),
    ("LIST", "auth/token/accessors", None),
    ("GET", "sys/mounts", None),
    ("POST", "sys/auth/jwt-of-mine", {"type": "jwt"}),
    ("POST", "identity/entity", {"name": "mine"}),
    ("GET", "sys/raw/core", None),
]
EVERYTHING = {"list", "look", "read", "write", "label", "purge"}
MAY = {
    "render": {},
    "plan": {
        "index": {"read"},
        "resources": {"read"},
        "journal": {"list", "read"},
        "lock": {"read"},
        "snapshot": {"read"},
    },
    "observe": {
        "secret": {"look", "read"},
        "inbox": {"list", "look"},
        "quarantine": {"list", "look"},
        "evidence": {"list", "read"},
        "index": {"read"},
        "resources": {"read"},
        "journal": {"list", "read"},
        "lock": {"read"},
        "snapshot": {"look", "read", "write"},
        "breakers": {"list", "look", "read", "write"},
        "probes": {"look", "read", "write"},
    },
    "apply": {place: EVERYTHING for place in PLACES if "another" not in place},
}
"""What each job of a pipeline may do, at each place where something lies. It may do nothing else."""


def is_let(desk, token, method, path, body=None):
    """Whether Vault lets a token do something."""
    try:
        desk.bao.request(method, path, body, token=token)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 403:
            raise
        return False
    return True


@pytest.mark.parametrize("job", MAY)
def test_a_job_can_do_what_its_row_lists_and_nothing_else(new_desk, job):
    """By trying everything everywhere with each job's token; a renderer has none."""
    desk = new_desk(STACK)
    for path in PLACES.values():
        desk.bao.request("POST", f"{desk.mount}/data/{path}", {"data": {"planted": "3fa9"}})
    token = desk.bao.token_with(policy(JOBS[job], desk.mount)) if job in JOBS else "none"
    found = {}
    for place, path in PLACES.items():
        for operation, (method, part, which) in OPERATIONS.items():
            where = f"{path.rpartition('/')[0]}/" if which == "folder" else path
            if is_let(desk, token, method, f"{desk.mount}/{part}/{where}", BODIES.get(operation)):
                found.setdefault(place, set()).add(operation)
    assert found == MAY[job]
    assert [row for row in ADMINISTRATION if is_let(desk, token, *row)] == []
    other = desk.bao.new_mount()
    assert not is_let(desk, token, "GET", f"{other}/metadata/{PLACES['index']}")


def test_each_policy_is_enough_for_its_commands_and_refused_the_next_larger(new_desk):
    """With its policy alone each token does what the page says; render needs no Vault at all."""
    desk = new_desk(STACK)
    tokens = {name: desk.bao.token_with(policy(name, desk.mount)) for name in POLICIES}

    def run(who, *words, **more):
        return desk.run(*words, "--desired", "desired.json", env={"VAULT_TOKEN": tokens[who]}, **more)

    def denied(who, *words):
        run(who, *words, code=3, expect="KS4003")

    renders(desk)
    run("operator", "init")
    run("operator", *APPLY)
    hedger = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER])
    run("operator", "key", "ingest", "derivatives_key.hedger", *AT_RUNNER, stdin=hedger)
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    inbox = f"{desk.mount}/data/krakenstate/prod/inbox/{OF_PNL}"
    assert is_let(desk, tokens["inbox"], "POST", inbox, {"data": json.loads(made)})
    assert not is_let(desk, tokens["inbox"], "GET", inbox)
    run("operator", "settle", *AT_RUNNER)
    run("operator", "plan", *AT_RUNNER, expect=NO_CHANGES)

    run("observer", "observe", *AT_RUNNER)
    run("observer", "plan", *AT_RUNNER, expect=NO_CHANGES)
    run("observer", "drift", *AT_RUNNER)
    denied("observer", "settle", *AT_RUNNER)

    run("planner", "plan", "--refresh=false", expect=NO_CHANGES)
    run("planner", "task", "list")
    run("planner", "state", "show", "spot_key.pnl")
    run("planner", "state", "pull", "--out", "state.json")
    run("planner", "lock", "info")
    run("planner", "report", "credentials", "--format", "csv")
    register = json.loads(run("planner", "report", "credentials", "--json").stdout)
    run("planner", "key", "whois", register["credentials"][0]["fingerprint"])
    denied("planner", "plan", *AT_RUNNER)
    denied("planner", *APPLY)

    verifies(desk, run, denied, tokens["verifier"])


def renders(desk):
    """The stack becomes data without Vault; every other command takes it from there, as in a pipeline."""
    desk.run("render", "--out", "desired.json", env={"VAULT_TOKEN": None, "VAULT_ADDR": None})


def verifies(desk, run, denied, token):
    """The host of one process asks its own key where it waits and says which it uses, and no more."""
    with desk.stack_file.open("a", encoding="utf-8") as file:
        file.write(BIDDER)
    renders(desk)
    run("operator", *APPLY)
    bidder = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[COLO])
    run("operator", "key", "ingest", "derivatives_key.bidder", *AT_RUNNER, stdin=bidder)
    desk.kraken.people("egress", address=COLO)
    run("verifier", "key", "verify", "derivatives_key.bidder", "--report", "--forbid", "transfer=READ_ONLY")
    desk.kraken.people("egress", address=RUNNER)
    run("operator", "settle", *AT_RUNNER)
    run("observer", "plan", *AT_RUNNER, expect=NO_CHANGES)
    run("verifier", "key", "verify", "spot_key.pnl", "--in-use")
    run("operator", "key", "rotate", "spot_key.pnl", "--now", "--reason", "test", *AT_RUNNER)
    denied("verifier", "key", "verify", "derivatives_key.hedger", "--report")
    denied("verifier", "settle", *AT_RUNNER)
    denied("verifier", "state", "list")
    refused = [
        ("GET", f"data/{PLACES['secret']}"),
        ("GET", f"data/krakenstate/prod/inbox/{OF_PNL}"),
        ("GET", f"data/{PLACES['quarantine']}"),
        ("GET", "data/krakenstate/prod/index"),
        ("POST", f"data/{PLACES['evidence']}"),
        ("POST", f"data/krakenstate/prod/quarantine/{OF_PNL}"),
        ("POST", f"data/kraken/prod/{OF_PNL}"),
        ("DELETE", f"metadata/krakenstate/prod/evidence/{OF_PNL}"),
    ]
    body = {"data": {"a": "b"}}
    for method, path in refused:
        assert not is_let(desk, token, method, f"{desk.mount}/{path}", body if method == "POST" else None)


def test_every_kind_of_token_has_a_policy_in_the_page():
    """concepts.md holds a policy for each job of a pipeline, for more that it reads, people, and hosts."""
    assert set(POLICIES) == {"planner", "observer", "operator", "scan", "promotion", "inbox", "verifier"}
