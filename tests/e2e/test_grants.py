"""Who may read a process's secrets, on a real server, logged in by AppRole and by JWT."""

import base64
import json
import time
import urllib.error
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from krakenstate.model.task import TaskKind
from tests.support.bao import mount
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


def part(data):
    """Base64 as tokens have it."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """Somebody whose signed word a JWT method trusts."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def token(self, **claims):
        """A JWT of this issuer that is good for a minute."""
        about = {"aud": "vault", "exp": int(time.time()) + 60, "iat": int(time.time()) - 5, **claims}
        said = f"{part({'alg': 'ES256', 'typ': 'JWT'})}.{part(about)}"
        r, s = decode_dss_signature(self._key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{said}.{part(r.to_bytes(32) + s.to_bytes(32))}"


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
    desk.bao.request("POST", role, {**about, "token_policies": ["root-like", POLICY]})
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
