"""Who may log in as what by the roles of examples/ci/github, on a real server that trusts a stand-in."""

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.cli import ROOT
from tests.support.jwt import Issuer
from tests.support.rights import JOBS, policy

EXAMPLE = ROOT / "examples" / "ci" / "github"
ROLES = dict(
    re.findall(
        r"<!-- role: ([\w-]+) -->\n *```sh\n.*?<<'EOF'\n(.*?)\n *EOF",
        (EXAMPLE / "README.md").read_text("utf-8"),
        re.DOTALL,
    )
)
REPOSITORY = "repo:desk/accounts"
HOSTED, OWN = {"runner_environment": "github-hosted"}, {"runner_environment": "self-hosted"}
MAIN = {"ref": "refs/heads/main"}
WHO = {
    "plan of a pull request": {"sub": f"{REPOSITORY}:pull_request", "ref": "refs/pull/7/merge", **HOSTED},
    "pull request on the runner": {"sub": f"{REPOSITORY}:pull_request", "ref": "refs/pull/7/merge", **OWN},
    "plan after a merge": {"sub": f"{REPOSITORY}:ref:refs/heads/main", **MAIN, **HOSTED},
    "observe": {"sub": f"{REPOSITORY}:ref:refs/heads/main", **MAIN, **OWN},
    "a branch": {"sub": f"{REPOSITORY}:ref:refs/heads/mine", "ref": "refs/heads/mine", **OWN},
    "settle": {"sub": f"{REPOSITORY}:environment:krakenstate-settle", **MAIN, **OWN},
    "apply": {"sub": f"{REPOSITORY}:environment:krakenstate-prod", **MAIN, **OWN},
    "apply of a branch": {
        "sub": f"{REPOSITORY}:environment:krakenstate-prod", "ref": "refs/heads/mine", **OWN
    },
    "apply of a fork": {"sub": "repo:mallory/accounts:environment:krakenstate-prod", **MAIN, **OWN},
}  # fmt: skip
LOGS_IN = {
    ("plan of a pull request", "krakenstate-plan"),
    ("pull request on the runner", "krakenstate-plan"),
    ("plan after a merge", "krakenstate-plan"),
    ("observe", "krakenstate-plan"),
    ("observe", "krakenstate-observe"),
    ("settle", "krakenstate-settle"),
    ("apply", "krakenstate-apply"),
}
LOOK = """
curl -sf -H "X-Vault-Token: $VAULT_TOKEN" "${VAULT_ADDR%%,*}/v1/auth/token/lookup-self"
env >&2
exit 5
"""


@pytest.fixture(scope="module")
def github():
    """The stand-in whose word the server takes."""
    return Issuer()


@pytest.fixture(scope="module")
def roles(bao, github):
    """The page's login method and roles, for this server as audience."""
    bao.request("POST", "sys/auth/jwt", {"type": "jwt"})
    bao.request("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [github.public]})
    for name, text in ROLES.items():
        about = json.loads(text) | {"bound_audiences": [bao.address]}
        bao.request("POST", f"auth/jwt/role/{name}", about)
    for job, name in JOBS.items():
        bao.request("PUT", f"sys/policies/acl/krakenstate-{job}", {"policy": policy(name, "kv")})
    yield bao
    bao.request("DELETE", "sys/auth/jwt")


def test_each_job_logs_in_as_itself_alone(roles, github):
    """A pull request is no more than plan; apply and settle need their environment, main, the runner."""
    found = set()
    for who, claims in WHO.items():
        for role in ROLES:
            body = {"role": role, "jwt": github.token(aud=roles.address, **claims)}
            try:
                auth = roles.request("POST", "auth/jwt/login", body, token="none")["auth"]
            except urllib.error.HTTPError as refused:
                refused.close()
                continue
            found.add((who, role))
            expected = "krakenstate-apply" if role == "krakenstate-settle" else role
            assert (auth["token_policies"], auth["lease_duration"] <= 3600) == (["default", expected], True)
    assert found == LOGS_IN
    stale = {"role": "krakenstate-apply", "jwt": github.token(aud="https://elsewhere", **WHO["apply"])}
    with pytest.raises(urllib.error.HTTPError):
        roles.request("POST", "auth/jwt/login", stale, token="none")


@pytest.fixture
def identities(github):
    """Where a job asks for its identity, as GitHub offers it; the address, and what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Authorization"])
            audience = parse_qs(urlsplit(self.path).query)["audience"][0]
            token = github.token(aud=audience, **WHO["plan of a pull request"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"value": token}).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def login(roles, identities):
    """What starts a command with a login, as a job does; it tells where to look a token up."""
    if shutil.which("jq") is None or shutil.which("curl") is None:
        pytest.skip("the example's programs need jq and curl")
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "NO_PROXY": "127.0.0.1",
        "VAULT_ADDR": f"{roles.address},http://127.0.0.1:1",
        "ACTIONS_ID_TOKEN_REQUEST_URL": identities[0],
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-3fa9",
    }

    def start(script):
        return subprocess.Popen(
            [EXAMPLE / "ci" / "with-vault", "krakenstate-plan", "bash", "-c", script],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def is_dead(server, token):
    """Whether a token opens nothing any more."""
    try:
        server.request("GET", "auth/token/lookup-self", token=token)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code == 403
    return False


def test_a_command_has_a_token_for_as_long_as_it_runs(roles, identities, login):
    """It sees the token and not the identity, its status is passed on, and the token is dead afterwards."""
    started = login(LOOK)
    said, told = started.communicate(timeout=30)
    assert started.returncode == 5, told
    seen = json.loads(said)["data"]
    assert seen["policies"] == ["default", "krakenstate-plan"]
    assert f"::add-mask::{seen['id']}\n" in told
    assert "ACTIONS_ID_TOKEN" not in told
    assert "request-3fa9" not in told
    assert identities[1] == ["Bearer request-3fa9"]
    assert is_dead(roles, seen["id"])


def test_a_cancelled_job_lets_its_command_end(roles, login):
    """The signal reaches the command, which is waited for; its status is passed on, and the token is dead."""
    started = login(
        "trap 'echo ended; exit 143' TERM; echo \"$VAULT_TOKEN\"; while true; do sleep 0.05; done"
    )
    token = started.stdout.readline().strip()
    assert not is_dead(roles, token)
    started.terminate()
    said, told = started.communicate(timeout=30)
    assert (started.returncode, said) == (143, "ended\n"), told
    assert is_dead(roles, token)
