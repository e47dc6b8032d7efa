"""Who may read a process's secrets, on a real server, logged in by AppRole and by JWT."""

import json
import urllib.error
from types import SimpleNamespace

import krakenex
import pytest

from krakenstate.model.task import TaskKind
from tests.support.bao import mount
from tests.support.cli import ROOT
from tests.support.e2e import (
    APPLY,
    AT_RUNNER,
    HEADER,
    HEDGER,
    MASTER,
    NO_CHANGES,
    PNL,
    PNL_PERMISSIONS,
    RUNNER,
)
from tests.support.jwt import Issuer

__all__ = ["mount"]
pytestmark = pytest.mark.xdist_group("grants")

APPROLE = 'stack.add(Grant(name="pnl", process=pnl, auth=AppRole(mount="MOUNT")MANAGE))\n'
JWT = """
stack.add(Grant(name="pnl", process=pnl, auth=JwtRole(mount="MOUNT", bound_audiences="vault",
    bound_subject="repo:desk/pnl")MANAGE))
"""
STACK = HEADER + PNL + HEDGER
OWN, NEIGHBOURS = "kraken/prod/pnl/spot_key.pnl", "kraken/prod/hedger/derivatives_key.hedger"
CLOSED = [
    NEIGHBOURS,
    "krakenstate/prod/inbox/pnl/spot_key.pnl",
    "krakenstate/prod/quarantine/pnl/spot_key.pnl",
    "krakenstate/prod/index",
    "krakenstate/prod/resources/stack",
    "krakenstate/prod/snapshot",
]
POLICY = "krakenstate-prod-pnl"
BOTH = pytest.mark.parametrize(
    ("method", "grant"), [pytest.param("approle", APPROLE, id="approle"), pytest.param("jwt", JWT, id="jwt")]
)


@pytest.fixture(scope="module")
def issuer():
    """One for all tests here."""
    return Issuer()


@pytest.fixture
def methods(bao, issuer, mount):
    """Login methods of this test's own, enabled as an administrator would, and the ways in."""
    for method in ("approle", "jwt"):
        bao.request("POST", f"sys/auth/{method}-{mount}", {"type": method})
    bao.request("POST", f"auth/jwt-{mount}/config", {"jwt_validation_pubkeys": [issuer.public]})

    def approle(name=POLICY):
        base = f"auth/approle-{mount}"
        role_id = bao.request("GET", f"{base}/role/{name}/role-id")["data"]["role_id"]
        secret_id = bao.request("POST", f"{base}/role/{name}/secret-id")["data"]["secret_id"]
        made = bao.request("POST", f"{base}/login", {"role_id": role_id, "secret_id": secret_id})
        return made["auth"]

    def jwt(name=POLICY, **claims):
        said = issuer.token(**{"sub": "repo:desk/pnl", **claims})
        return bao.request("POST", f"auth/jwt-{mount}/login", {"role": name, "jwt": said})["auth"]

    def grant(text, manage):
        name = "approle" if "AppRole" in text else "jwt"
        return text.replace("MOUNT", f"{name}-{mount}").replace("MANAGE", ", manage=True" if manage else "")

    yield SimpleNamespace(approle=approle, jwt=jwt, grant=grant, mount=mount)
    for method in ("approle", "jwt"):
        bao.request("DELETE", f"sys/auth/{method}-{mount}")
    bao.request("DELETE", f"sys/policies/acl/{POLICY}")


@pytest.fixture
def make_desk(new_desk, methods):
    """A desk whose two keys are in service, with things lying at every place a process must not see."""

    def make(grant, *, manage):
        desk = new_desk(STACK + methods.grant(grant, manage))
        desk.run("init")
        desk.run(*APPLY)
        spot = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
        desk.hand_in("spot_key.pnl", spot, *AT_RUNNER)
        perp = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER])
        desk.hand_in("derivatives_key.hedger", perp, *AT_RUNNER)
        for path in CLOSED[1:3]:
            desk.bao.request("POST", f"{desk.mount}/data/{path}", {"data": {"x": "y"}})
        return desk

    return make


def refused(desk, token, method, path, body=None):
    """Whether Vault refuses a token."""
    try:
        desk.bao.request(method, path, body, token=token)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 403
    return False


def check_rights(desk, auth):
    """A logged-in process reads and lists its own, and nothing else; it changes nothing."""
    token = auth["client_token"]
    held = desk.bao.request("GET", f"{desk.mount}/data/{OWN}", token=token)["data"]["data"]
    assert held["account"] == "desk"
    listed = desk.bao.request("LIST", f"{desk.mount}/metadata/kraken/prod/pnl/", token=token)
    assert listed["data"]["keys"] == ["spot_key.pnl"]
    reading = [path for path in CLOSED if not refused(desk, token, "GET", f"{desk.mount}/data/{path}")]
    listing = [
        folder
        for folder in ("kraken/prod", "kraken/prod/hedger", "krakenstate/prod", "krakenstate/prod/inbox/pnl")
        if not refused(desk, token, "LIST", f"{desk.mount}/metadata/{folder}/")
    ]
    writing = [
        path
        for path in (OWN, NEIGHBOURS, *CLOSED[1:])
        if not refused(desk, token, "POST", f"{desk.mount}/data/{path}", {"data": {}})
    ]
    assert (reading, listing, writing) == ([], [], [])
    assert refused(desk, token, "GET", f"sys/policies/acl/{POLICY}")
    for waiting in CLOSED[1:3]:  # they were there to be refused
        desk.bao.request("DELETE", f"{desk.mount}/metadata/{waiting}")


def blocks(text):
    """Command and text of each here-document in a task."""
    found = []
    for chunk in text.split("<<'EOF'\n")[:-1]:
        command = chunk.rsplit("\n", 1)[-1]
        rest = text[text.index(chunk) + len(chunk) + len("<<'EOF'\n") :]
        found.append((command.split(), rest.split("\nEOF\n")[0]))
    return found


def install_by_hand(desk, text):
    """An administrator does what the task says, through the API that the command speaks to."""
    for words, body in blocks(text):
        if words[:3] == ["bao", "policy", "write"]:
            desk.bao.request("PUT", f"sys/policies/acl/{words[3]}", {"policy": body})
        else:
            assert words[:2] == ["bao", "write"]
            desk.bao.request("POST", words[2], json.loads(body))


@BOTH
def test_a_process_with_the_role_of_the_task_reads_its_own_alone(make_desk, methods, method, grant):
    """The task's policy and role, as they stand there, open the process's own folder and no more."""
    desk = make_desk(grant, manage=False)
    task = desk.task(TaskKind.INSTALL_GRANT, "grant.pnl")
    install_by_hand(desk, desk.tasks()[task]["instructions"])
    desk.run("task", "attest", task, "--note", "installed")
    auth = getattr(methods, method)()
    assert auth["token_policies"] == [POLICY]
    check_rights(desk, auth)
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)


@BOTH
def test_a_managed_grant_lives_and_ends_by_apply(make_desk, methods, method, grant):
    """Applied it opens the process's own folder; what somebody changes is drift and is put right; it ends."""
    desk = make_desk(grant, manage=True)
    auth = getattr(methods, method)()
    assert auth["token_policies"] == [POLICY]
    check_rights(desk, auth)
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)
    role = f"auth/{method}-{methods.mount}/role/{POLICY}"
    about = desk.bao.request("GET", role)["data"]
    needed = {n: about[n] for n in ("role_type", "user_claim", "bound_audiences") if n in about}
    desk.bao.request("POST", role, {**needed, "token_policies": ["root-like", POLICY]})
    desk.bao.request("PUT", f"sys/policies/acl/{POLICY}", {"policy": 'path "*" { capabilities = ["read"] }'})
    shown = desk.run("plan", *AT_RUNNER, expect="grant.pnl will be updated in-place").stdout
    assert 'token_policies = ["root-like"' in shown.replace("\\", "")
    desk.run("drift", *AT_RUNNER, "--detailed-exitcode", code=2, expect="root-like")
    desk.run(*APPLY, expect="1 changed")
    assert desk.bao.request("GET", role)["data"]["token_policies"] == [POLICY]
    check_rights(desk, getattr(methods, method)())
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)
    desk.declare(STACK)
    desk.run(*APPLY, expect="1 destroyed")
    for gone in (role, f"sys/policies/acl/{POLICY}"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            desk.bao.request("GET", gone)
    desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)


def test_one_policy_serves_every_process(make_desk, methods):
    """The templated policy opens the folder of the process that the login's entity names, and no other."""
    desk = make_desk(JWT, manage=False)
    text = desk.run("consumer", "process.pnl", "--format", "policy").stdout
    desk.bao.request("PUT", f"sys/policies/acl/{POLICY}", {"policy": text.split("instead:\n")[1]})
    task = desk.tasks()[desk.task(TaskKind.INSTALL_GRANT, "grant.pnl")]["instructions"]
    assert text.split("instead:\n")[1].strip() in task
    role = next(json.loads(body) for words, body in blocks(task) if words[:2] == ["bao", "write"])
    desk.bao.request("POST", f"auth/jwt-{methods.mount}/role/{POLICY}", role)
    nobody = methods.jwt()
    assert refused(desk, nobody["client_token"], "GET", f"{desk.mount}/data/{OWN}")
    entity = f"identity/entity/id/{nobody['entity_id']}"
    desk.bao.request("POST", entity, {"metadata": {"process": "pnl"}})
    check_rights(desk, methods.jwt())
    desk.bao.request("POST", entity, {"metadata": {"process": "hedger"}})
    assert refused(desk, methods.jwt()["client_token"], "GET", f"{desk.mount}/data/{OWN}")


def test_a_token_without_the_rights_writes_nothing_of_a_grant(new_desk, methods):
    """Rights on the policy alone: nothing is written, and the message names what is missing."""
    desk = new_desk(HEADER + methods.grant(APPROLE, manage=True))
    desk.run("init")
    role = f"auth/approle-{methods.mount}/role/{POLICY}"
    everything = '"create", "update", "read", "delete", "list"'
    token = desk.bao.token_with(f"""
        path "{desk.mount}/*" {{ capabilities = [{everything}] }}
        path "sys/policies/acl/{POLICY}" {{ capabilities = [{everything}] }}
        path "{role}" {{ capabilities = ["read"] }}
        path "sys/capabilities-self" {{ capabilities = ["update"] }}
    """)
    done = desk.run(*APPLY, code=4, env={"VAULT_TOKEN": token}, expect=f"create, update, delete on {role}")
    assert "KS7023" in done.stdout + done.stderr
    for place in (role, f"sys/policies/acl/{POLICY}"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            desk.bao.request("GET", place)
    assert "write-policy" not in json.dumps(desk.vault())
    blind = desk.bao.token_with(f'path "{desk.mount}/*" {{ capabilities = [{everything}] }}')
    seen = desk.run("plan", *AT_RUNNER, code=None, env={"VAULT_TOKEN": blind}, expect="KS4003")
    assert (seen.code, "grant.pnl could not be observed" in seen.stdout) == (3, True)


def test_the_rights_in_the_page_are_enough_and_give_no_secret_id(new_desk, methods):
    """Operator and manager policy carry a managed grant from beginning to end; no secret_id is made."""
    desk = new_desk(HEADER + methods.grant(APPROLE, manage=True))
    desk.run("init")
    page = (ROOT / "docs" / "grants.md").read_text(encoding="utf-8")
    rules = page.split("<!-- policy: manager -->\n```hcl\n")[1].split("```")[0]
    rules = rules.replace("krakenstate-first-quoter", POLICY).replace(
        "auth/approle/", f"auth/approle-{methods.mount}/"
    )
    everything = '"create", "update", "read", "delete", "list"'
    token = desk.bao.token_with(rules + f'path "{desk.mount}/*" {{ capabilities = [{everything}] }}')
    env = {"VAULT_TOKEN": token}
    plan = " ".join(desk.run("plan", *AT_RUNNER, env=env).stdout.split())
    assert f"GAINS process pnl reads its own secrets; krakenstate itself writes policy {POLICY}" in plan
    desk.run(*APPLY, env=env, expect="1 added")
    base = f"auth/approle-{methods.mount}/role/{POLICY}"
    assert refused(desk, token, "POST", f"{base}/secret-id", {})
    assert desk.bao.request("GET", base)["data"]["token_policies"] == [POLICY]
    desk.edit(
        ', auth=AppRole(mount="approle-', ', auth=AppRole(token_ttl=timedelta(hours=2), mount="approle-'
    )
    desk.run(*APPLY, env=env, expect="1 changed")
    assert desk.bao.request("GET", base)["data"]["token_ttl"] == 7200
    desk.declare(HEADER)
    desk.run(*APPLY, env=env, expect="1 destroyed")


def test_a_grant_that_changes_its_name_takes_the_old_policy_and_role_away(new_desk, methods):
    """After the rename there is one policy and one role; a policy that somebody else made is left alone."""
    desk = new_desk(HEADER + methods.grant(APPROLE, manage=True))
    desk.run("init")
    desk.run(*APPLY, expect="1 added")
    others = "krakenstate-prod-of-somebody-else"
    desk.bao.request("PUT", f"sys/policies/acl/{others}", {"policy": 'path "x" { capabilities = ["read"] }'})
    desk.edit('Grant(name="pnl"', 'Grant(name="books"')
    with desk.stack_file.open("a", encoding="utf-8") as file:
        file.write('stack.add(Moved(old="grant.pnl", new="grant.books"))\n')
    desk.run(*APPLY, expect="1 changed")
    roles = desk.bao.request("LIST", f"auth/approle-{methods.mount}/role")["data"]["keys"]
    assert roles == ["krakenstate-prod-books"]
    policies = desk.bao.request("LIST", "sys/policies/acl")["data"]["keys"]
    assert {others, "krakenstate-prod-books"} <= set(policies)
    assert POLICY not in policies
    for name in (others, "krakenstate-prod-books"):
        desk.bao.request("DELETE", f"sys/policies/acl/{name}")


def test_what_a_process_is_told_works(make_desk, methods, monkeypatch):
    """With its own token the printed Python reads the secret, and a foreign client calls Kraken with it."""
    desk = make_desk(APPROLE, manage=True)
    rendered = desk.folder / "desired.json"
    desk.run("render", "--out", str(rendered))
    blind = {"VAULT_TOKEN": None, "VAULT_ADDR": None}
    told = desk.run(
        "consumer", "process.pnl", "--format", "python", "--desired", str(rendered), env=blind
    ).stdout
    monkeypatch.setenv("VAULT_ADDR", desk.bao.address)
    monkeypatch.setenv("VAULT_TOKEN", methods.approle()["client_token"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    names = {}
    exec(told, names)
    client = krakenex.API(names["KRAKEN_API_KEY"], names["KRAKEN_API_SECRET"])
    client.uri = desk.kraken.origin
    client._nonce = names["kraken_nonce"]
    assert client.query_private("Balance")["error"] == []
    client.close()
    for shape in ("env", "vault-agent", "external-secrets", "policy"):
        text = desk.run("consumer", "spot_key.pnl", "--format", shape, env=blind).stdout
        assert names["KRAKEN_API_SECRET"] not in text
    desk.run("consumer", "process.krakenstate", code=1, expect="holds no key")
    desk.run("consumer", "allowlist.runner", code=1, expect="neither a key nor a process")
