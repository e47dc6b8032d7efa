"""The client against a real OpenBao server, and against servers that misbehave."""

import http.server
import json
import socket
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from krakenstate.errors import (
    MountMissing,
    MountNotVersioned,
    VaultAddressRefused,
    VaultAnswerUnexpected,
    VaultConflict,
    VaultDenied,
    VaultError,
    VaultLeaderless,
    VaultSealed,
    VaultUnreachable,
    VaultWriteUnknown,
    WrappingTokenInvalid,
)
from krakenstate.providers.vault.kv import VaultClient, parse_addresses
from krakenstate.store.base import Entry, Metadata
from tests.support.bao import everything_about, start_bao
from tests.support.proxy import Way, proxy

CANARY = "canary-4f1d9a7be2"
TOKEN = SecretStr(f"token-{CANARY}")


@contextmanager
def answering(status, headers=(), body=b"", *, silent=False, mount=None) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything alike (or not at all), and the requests it saw.

    With ``mount`` it vouches for a KV mount of that path first, as Vault does.
    """
    seen: list[str] = []
    vouching = json.dumps({"data": {"path": f"{mount}/", "type": "kv", "options": {"version": "2"}}}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            seen.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if silent:
                self.close_connection = True
                return
            vouch = mount is not None and "/sys/internal/ui/mounts/" in self.path
            text = vouching if vouch else body
            self.send_response(200 if vouch else status)
            for name, value in () if vouch else headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_LIST = answer  # noqa: N815 - the library's names

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


class Interrupted(VaultClient):
    """A client beside which something happens right after its removal."""

    meanwhile = None

    def _change(self, method, path, body=None):
        try:
            super()._change(method, path, body)
        finally:
            if self.meanwhile is not None:
                happens, self.meanwhile = self.meanwhile, None
                happens()


def version_of(client: VaultClient, path: str) -> int:
    """The newest version of an entry, 0 if there is none."""
    head = client.metadata(path)
    return head.version if head else 0


def closed_port() -> str:
    """An address on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_what_is_written_is_read_back(kv):
    """Data comes back as it went in, with its version; earlier versions stay readable."""
    assert kv.write("a/b", {"x": 1, "y": ["ü", None], "z": {"<&>": "\u2028"}}, cas=0) == 1
    assert kv.write("a/b", {"x": 2}, cas=1) == 2
    assert kv.read("a/b") == Entry({"x": 2}, 2)
    assert kv.read("a/b", version=1) == Entry({"x": 1, "y": ["ü", None], "z": {"<&>": "\u2028"}}, 1)


def test_nothing_is_none_only_where_the_server_says_so(kv, bao, mount):
    """An entry, a version or a head that never was, and a version that was deleted, are None."""
    assert kv.read("no") is None
    assert kv.metadata("no") is None
    assert kv.list("no") == []
    kv.write("yes", {"x": 1}, cas=0)
    assert kv.read("yes", version=7) is None
    bao.request("DELETE", f"{mount}/data/yes")
    assert kv.read("yes") is None
    assert kv.metadata("yes") == Metadata(version=1, custom={}, gone=True)
    assert kv.write("yes", {"x": 2}, cas=1) == 2
    bao.request("POST", f"{mount}/destroy/yes", {"versions": [2]})
    assert kv.read("yes") is None
    assert kv.metadata("yes") == Metadata(version=2, custom={}, gone=True)


def test_check_and_set_refuses_another_version(kv):
    """A write based on another version than the newest is refused and changes nothing."""
    kv.write("a", {"x": 1}, cas=0)
    for cas in (0, 2):
        with pytest.raises(VaultConflict) as caught:
            kv.write("a", {"x": CANARY}, cas=cas)
        assert CANARY not in everything_about(caught.value)
    assert kv.read("a") == Entry({"x": 1}, 1)


def test_deleting_removes_every_trace(kv, bao, mount):
    """After a delete there is neither version nor head; deleting nothing is fine."""
    kv.write("a/b", {"x": 1}, cas=0)
    kv.write_metadata("a/b", {"k": "v"})
    kv.delete("a/b")
    kv.delete("a/b")
    assert list(bao.walk(mount)) == []
    assert kv.write("a/b", {"x": 2}, cas=0) == 1


def test_listing_shows_folders_with_a_slash(kv):
    """Names come sorted, folders with a slash at their end."""
    for path in ("f/b", "f/a", "f/c/d"):
        kv.write(path, {}, cas=0)
    assert kv.list("f") == ["a", "b", "c/"]


def test_custom_metadata_is_merged(kv):
    """A head can precede its data, and writing one field keeps the others."""
    kv.write_metadata("a", {"one": "1", "two": "2"})
    assert kv.metadata("a") == Metadata(version=0, custom={"one": "1", "two": "2"}, gone=True)
    kv.write("a", {"x": 1}, cas=0)
    kv.write_metadata("a", {"two": "zwei", "three": "3"})
    assert kv.metadata("a") == Metadata(version=1, custom={"one": "1", "two": "zwei", "three": "3"})


@pytest.mark.parametrize(
    "path", ["with space", "per%2Fcent", "question?mark", "hash#tag", "ünï", "a+b", "a.b"]
)
def test_path_parts_are_encoded(kv, path):
    """Characters with a meaning in URLs stay part of the name."""
    kv.write(f"odd/{path}", {"x": path}, cas=0)
    assert kv.list("odd") == [path]
    assert kv.read(f"odd/{path}") == Entry({"x": path}, 1)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "./a"])
def test_paths_that_lead_elsewhere_are_refused(kv, path):
    """A part that is empty or made of dots never reaches the server."""
    with pytest.raises(ValueError, match="no empty and no dots-only part"):
        kv.read(path)


def test_a_sealed_server_is_named(tmp_path):
    """A sealed server is neither unreachable nor empty."""
    server = start_bao(tmp_path)
    try:
        client = server.client(server.new_mount())
        client.write("a", {"x": 1}, cas=0)
        server.request("PUT", "sys/seal")
        for call in (
            lambda: client.read("a"),
            lambda: client.write("a", {}, cas=1),
            lambda: client.list("a"),
            lambda: client.metadata("a"),
            lambda: client.delete("a"),
            lambda: server.client("fresh").check_mount(),
        ):
            with pytest.raises(VaultSealed):
                call()
    finally:
        client.close()
        server.stop()


def test_a_denied_token_is_told_path_and_capability(bao, mount, kv):
    """A refusal names what is missing, never the token, and exits with 3."""
    kv.write("mine/a", {"x": 1}, cas=0)
    token = bao.token_with(f'path "{mount}/data/mine/*" {{ capabilities = ["read"] }}')
    client = bao.client(mount, token=token)
    assert client.read("mine/a") == Entry({"x": 1}, 1)
    for call, capability, path in (
        (lambda: client.read("other/a"), "read", f"{mount}/data/other/a"),
        (lambda: client.write("mine/a", {"x": CANARY}, cas=1), "create or update", f"{mount}/data/mine/a"),
        (lambda: client.list("mine"), "list", f"{mount}/metadata/mine"),
        (lambda: client.metadata("mine/a"), "read", f"{mount}/metadata/mine/a"),
        (lambda: client.delete("mine/a"), "delete", f"{mount}/metadata/mine/a"),
    ):
        with pytest.raises(VaultDenied) as caught:
            call()
        assert capability in caught.value.message
        assert path in caught.value.message
        assert caught.value.exit_code == 3
        assert token not in everything_about(caught.value)
        assert CANARY not in everything_about(caught.value)
    client.close()


def test_an_unknown_token_is_denied(bao, mount):
    """A token Vault does not know is refused without being repeated, and no right on sys/ is asked for."""
    client = bao.client(mount, token=TOKEN.get_secret_value())
    with pytest.raises(VaultDenied, match="does not take this token at all") as caught:
        client.read("a")
    assert caught.value.next_step == "Log in again, and set VAULT_TOKEN"
    assert CANARY not in everything_about(caught.value)
    client.close()


def test_a_missing_mount_is_not_an_empty_one(bao):
    """Reading from a mount that does not exist is an error, also when it disappears later."""
    client = bao.client("nowhere")
    for call in (client.check_mount, lambda: client.read("a"), lambda: client.list("a")):
        with pytest.raises(MountMissing):
            call()
    name = bao.new_mount()
    later = bao.client(name)
    assert later.read("a") is None
    bao.request("DELETE", f"sys/mounts/{name}")
    for call in (lambda: later.read("a"), lambda: later.write("a", {}, cas=0)):
        with pytest.raises(MountMissing):
            call()
    client.close()
    later.close()


def test_a_missing_mount_and_a_powerless_token_look_alike(bao):
    """Vault does not tell such a token whether the mount exists, and the message says both."""
    client = bao.client("nowhere", token=bao.token_with('path "else/*" { capabilities = ["read"] }'))
    with pytest.raises(VaultDenied, match="or there is no such mount"):
        client.check_mount()
    client.close()


def test_an_unversioned_mount_takes_no_write(bao):
    """KV version 1 has no check-and-set, so nothing is ever written there."""
    name = bao.new_mount(version=1)
    client = bao.client(name)
    for call in (
        client.check_mount,
        lambda: client.write("a", {"x": CANARY}, cas=0),
        lambda: client.read("a"),
    ):
        with pytest.raises(MountNotVersioned):
            call()
    assert CANARY not in str(list_all_v1(bao, name))
    client.close()


def list_all_v1(bao, name):
    """What lies at the top of a version 1 mount."""
    try:
        return bao.request("LIST", name)
    except urllib.error.HTTPError as error:
        error.close()
        return None


def test_another_engine_is_not_taken_for_kv(bao):
    """A mount of another engine, and a path below a mount, are told apart from a KV mount."""
    client = bao.client("cubbyhole")
    with pytest.raises(MountNotVersioned):
        client.check_mount()
    below = bao.client(f"{bao.new_mount()}/below")
    with pytest.raises(MountMissing):
        below.check_mount()
    client.close()
    below.close()


def test_a_limited_token_may_check_the_mount(bao, mount):
    """Rights on any path of the mount suffice for the check."""
    client = bao.client(mount, token=bao.token_with(f'path "{mount}/data/x/*" {{ capabilities = ["read"] }}'))
    client.check_mount()
    client.close()


def test_constructing_opens_no_socket():
    """A client for an address where nobody listens can be made; only its use fails."""
    client = VaultClient(closed_port(), TOKEN, "kv")
    with pytest.raises(VaultUnreachable) as caught:
        client.read("a")
    assert caught.value.retryable
    assert caught.value.__context__ is None
    assert CANARY not in everything_about(caught.value)


def test_the_next_node_is_asked_when_one_is_down(bao, mount):
    """A refused connection cannot have done anything, so reads and writes go to the next node."""
    client = VaultClient(f"{closed_port()}, {bao.address}", SecretStr(bao.root_token), mount)
    assert client.write("a", {"x": 1}, cas=0) == 1
    assert client.read("a") == Entry({"x": 1}, 1)
    client.close()


def test_the_next_node_is_asked_when_one_is_sealed(bao, mount):
    """A sealed node did nothing either."""
    sealed = b'{"errors":["Vault is sealed"]}'
    with answering(503, [("Content-Type", "application/json")], sealed) as (address, _):
        client = VaultClient(f"{address},{bao.address}", SecretStr(bao.root_token), mount)
        assert client.write("a", {"x": 1}, cas=0) == 1
        client.close()


def test_a_read_goes_on_at_the_next_node_when_one_fails(bao, mount):
    """A leader that is losing its office fails; with one address alone that is what is said."""
    with answering(500, [("Content-Type", "application/json")], b'{"errors": []}') as (address, _):
        client = VaultClient(f"{address},{bao.address}", SecretStr(bao.root_token), mount)
        assert client.read("a") is None
        client.close()


def test_a_write_without_an_answer_is_not_sent_twice(bao, mount):
    """The only node fell silent after a write, so what became of it is said to be unknown."""
    with proxy(bao.address) as way:
        client = VaultClient(way.origin, SecretStr(bao.root_token), mount)
        assert client.read("a") is None
        way.treat("/data/a", Way.ANSWER_LOST)
        with pytest.raises(VaultUnreachable, match="may or may not have taken effect"):
            client.write("a", {"x": CANARY}, cas=0)
        way.let_go()
        assert client.metadata("a").version == 1
        client.close()


@pytest.mark.parametrize("way_of_the_write", [Way.ANSWER_LOST, Way.NEVER_ARRIVED])
def test_a_write_without_an_answer_is_looked_for_at_the_next_node(bao, mount, way_of_the_write):
    """Whether it took effect or not, afterwards it has taken effect once."""
    with proxy(bao.address) as way:
        client = VaultClient(f"{way.origin},{bao.address}", SecretStr(bao.root_token), mount)
        assert client.write("a", {"x": 0}, cas=0) == 1
        way.treat("/data/a", way_of_the_write)
        assert client.write("a", {"x": 1}, cas=1) == 2
        way.let_go()
        assert client.read("a") == Entry({"x": 1}, 2)
        client.close()


def test_a_write_without_an_answer_does_not_overwrite_what_came_meanwhile(bao, mount):
    """Somebody else's version at the next node is a conflict, whoever was first."""
    with proxy(bao.address) as way:
        client = VaultClient(f"{way.origin},{bao.address}", SecretStr(bao.root_token), mount)
        other = bao.client(mount)
        assert client.write("a", {"x": 0}, cas=0) == 1
        other.write("a", {"x": "theirs"}, cas=1)
        way.treat("/data/a", Way.NEVER_ARRIVED)
        with pytest.raises(VaultConflict):
            client.write("a", {"x": "ours"}, cas=1)
        assert other.read("a") == Entry({"x": "theirs"}, 2)
        client.close()
        other.close()


@pytest.mark.parametrize("way_of_the_call", [Way.ANSWER_LOST, Way.NEVER_ARRIVED])
def test_a_removal_without_an_answer_is_looked_for_at_the_next_node(bao, mount, way_of_the_call):
    """Whether it took effect or not, afterwards the entry is gone."""
    with proxy(bao.address) as way:
        client = VaultClient(f"{way.origin},{bao.address}", SecretStr(bao.root_token), mount)
        client.write("a", {"x": 0}, cas=0)
        way.treat("/metadata/a", way_of_the_call, "DELETE")
        client.delete("a")
        assert way.reached.is_set()
        assert client.metadata("a") is None
        client.close()


@pytest.mark.parametrize("way_of_the_call", [Way.ANSWER_LOST, Way.NEVER_ARRIVED])
def test_a_removal_without_an_answer_never_takes_what_came_meanwhile(bao, mount, way_of_the_call):
    """What somebody stored there before the next node was asked stays."""
    with proxy(bao.address) as way:
        nodes = f"{way.origin},{bao.address}"
        client = Interrupted(nodes, SecretStr(bao.root_token), mount)
        other = bao.client(mount)
        client.write("a", {"x": 0}, cas=0)
        way.treat("/metadata/a", way_of_the_call, "DELETE")
        client.meanwhile = lambda: other.write("a", {"x": "new"}, cas=version_of(other, "a"))
        client.delete("a")
        assert other.read("a").data == {"x": "new"}
        client.close()
        other.close()


@pytest.mark.parametrize("way_of_the_call", [Way.ANSWER_LOST, Way.NEVER_ARRIVED])
def test_metadata_without_an_answer_are_merged_at_the_next_node(bao, mount, way_of_the_call):
    """Whether it took effect or not, afterwards both old and new metadata are there."""
    with proxy(bao.address) as way:
        client = VaultClient(f"{way.origin},{bao.address}", SecretStr(bao.root_token), mount)
        client.write_metadata("a", {"old": "1"})
        way.treat("/metadata/a", way_of_the_call, "POST")
        client.write_metadata("a", {"new": "2"})
        assert way.reached.is_set()
        assert client.metadata("a").custom == {"old": "1", "new": "2"}
        client.close()


@pytest.mark.parametrize("way_of_the_call", [Way.ANSWER_LOST, Way.NEVER_ARRIVED])
def test_a_limit_without_an_answer_is_set_at_the_next_node(bao, mount, way_of_the_call):
    """Whether it took effect or not, afterwards the entry keeps that many versions."""
    with proxy(bao.address) as way:
        client = VaultClient(f"{way.origin},{bao.address}", SecretStr(bao.root_token), mount)
        assert client.metadata("a") is None
        way.treat("/metadata/a", way_of_the_call, "POST")
        client.keep_versions("a", 12)
        assert way.reached.is_set()
        assert client.metadata("a").keeps == 12
        client.close()


@pytest.mark.parametrize("call", ["delete", "write_metadata", "keep_versions"])
def test_a_deposed_leader_leaves_changes_of_metadata_open(call, mount):
    """An answer of 500 to a change says nothing about its effect."""
    arguments = {"delete": (), "write_metadata": ({"a": "b"},), "keep_versions": (12,)}[call]
    nothing = b'{"errors": []}'
    with answering(500, [("Content-Type", "application/json")], nothing, mount=mount) as (address, _):
        client = VaultClient(address, TOKEN, mount)
        client.metadata = lambda path: None  # what is read before the change is not what this is about
        with pytest.raises(VaultWriteUnknown, match="answered 500"):
            getattr(client, call)("a", *arguments)
        client.close()


def test_a_redirect_elsewhere_is_refused_and_nothing_is_sent_there():
    """Token and data go to no server that VAULT_ADDR does not list."""
    with answering(200) as (elsewhere, seen_elsewhere):
        location = [("Location", f"{elsewhere}/v1/kv/data/a")]
        with answering(307, location) as (address, seen):
            client = VaultClient(address, TOKEN, "kv")
            for call in (lambda: client.read("a"), lambda: client.write("a", {"x": CANARY}, cas=0)):
                with pytest.raises(VaultAddressRefused) as caught:
                    call()
                assert CANARY not in everything_about(caught.value)
            client.close()
            assert seen
        assert seen_elsewhere == []


@pytest.mark.parametrize("location", ["", "/ui/", "//elsewhere.example/", "http://elsewhere.example/v1/x"])
def test_a_redirect_to_no_origin_is_refused(location):
    """A redirect that names no https or loopback origin is refused too."""
    with answering(307, [("Location", location)]) as (address, _):
        client = VaultClient(address, TOKEN, "kv")
        with pytest.raises(VaultAddressRefused):
            client.read("a")
        client.close()


def test_a_standby_redirects_among_the_nodes(bao, mount):
    """A redirect to a listed node is followed once, with method and data."""
    with answering(307, [("Location", f"{bao.address}/v1/whatever")]) as (standby, _):
        client = VaultClient(f"{standby},{bao.address}", SecretStr(bao.root_token), mount)
        assert client.write("a", {"x": 1}, cas=0) == 1
        assert client.read("a") == Entry({"x": 1}, 1)
        client.close()


def test_redirects_in_a_circle_lead_to_no_leader():
    """Nodes that point at each other, or at themselves as a deposed leader does, are followed once."""
    back: list[tuple[str, str]] = []
    with answering(307, back) as (one, seen), answering(307, [("Location", f"{one}/")]) as (other, also_seen):
        back.append(("Location", f"{other}/"))
        client = VaultClient(f"{other},{one}", TOKEN, "kv")
        with pytest.raises(VaultLeaderless, match="knows no leader"):
            client.read("a")
        client.close()
        asked = [request for request in (*seen, *also_seen) if "sys/health" not in request]
        assert len(asked) == 4
        back[:] = [("Location", f"{one}/")]
        alone = VaultClient(one, TOKEN, "kv")
        with pytest.raises(VaultLeaderless, match="knows no leader"):
            alone.read("a")
        alone.close()


@pytest.mark.parametrize("mount", [pytest.param(None, id="at the mount"), pytest.param("kv", id="later")])
@pytest.mark.parametrize(
    ("status", "content_type", "body", "expected"),
    [
        pytest.param(200, "text/html", b"<html>Sign in</html>", VaultAnswerUnexpected, id="sign-in page"),
        pytest.param(404, "text/html", b"<html>Not found</html>", VaultAnswerUnexpected, id="a page's 404"),
        pytest.param(404, "application/json", b'{"message":"no"}', VaultAnswerUnexpected, id="another's 404"),
        pytest.param(200, "application/json", b"[]", VaultAnswerUnexpected, id="another JSON"),
        pytest.param(200, "application/json", b'{"data":', VaultAnswerUnexpected, id="cut off"),
        pytest.param(
            500, "application/json", b'{"errors":["1"]}', VaultAnswerUnexpected, id="internal error"
        ),
        pytest.param(502, "text/html", b"<html>Bad gateway</html>", VaultUnreachable, id="a proxy's 502"),
        pytest.param(503, "text/html", b"<html>Busy</html>", VaultUnreachable, id="a proxy's 503"),
        pytest.param(429, "application/json", b'{"errors":[]}', VaultAnswerUnexpected, id="too many"),
    ],
)
def test_strange_answers_are_errors(status, content_type, body, expected, mount):
    """What is not an answer of Vault is never taken for an empty store, and its text is not repeated."""
    body = body.replace(b"1", CANARY.encode())
    with answering(status, [("Content-Type", content_type)], body, mount=mount) as (address, _):
        client = VaultClient(address, TOKEN, "kv")
        for call, is_write in (
            (lambda: client.read("a"), False),
            (lambda: client.list("a"), False),
            (lambda: client.metadata("a"), False),
            (lambda: client.write("a", {"x": CANARY}, cas=0), True),
        ):
            with pytest.raises(VaultError) as caught:
                call()
            is_unknown = is_write and status >= 500 and mount is not None
            assert type(caught.value) is (VaultWriteUnknown if is_unknown else expected)
            assert CANARY not in everything_about(caught.value)
        client.close()


@pytest.mark.parametrize(
    "addresses",
    [
        "",
        " , ",
        "http://vault.example:8200",
        "vault.example",
        "https://vault.example/v1",
        "https://user@vault.example",
        "https://ok.example,ftp://x.example",
    ],
)
def test_unsafe_addresses_are_refused(addresses):
    """Each node is https or loopback, and an origin alone."""
    with pytest.raises(VaultAddressRefused):
        VaultClient(addresses, TOKEN, "kv")


def test_several_addresses_are_kept_in_order():
    """Nodes are separated by commas; repeats and a trailing slash do not matter."""
    assert parse_addresses("https://a.example:8200/, https://b.example,https://b.example") == (
        "https://a.example:8200",
        "https://b.example",
    )


def test_the_environment_changes_nothing(bao, mount, monkeypatch):
    """Proxies, tokens and skip-verify of the environment are not used behind the caller's back."""
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    monkeypatch.setenv("http_proxy", closed_port())
    monkeypatch.setenv("VAULT_TOKEN", "other")
    monkeypatch.setenv("VAULT_SKIP_VERIFY", "true")
    monkeypatch.setenv("VAULT_NAMESPACE", "other")
    client = bao.client(mount)
    assert client.write("a", {"x": 1}, cas=0) == 1
    client.close()


def test_a_wrapping_token_opens_once(bao, mount):
    """What was wrapped comes out, and a second opening says that somebody was there before."""
    client = bao.client(mount)
    token = SecretStr(bao.wrap({"api_key": "k", "api_secret": CANARY}))
    assert client.unwrap(token) == {"api_key": "k", "api_secret": CANARY}
    with pytest.raises(WrappingTokenInvalid) as caught:
        client.unwrap(token)
    assert caught.value.exit_code == 3
    assert token.get_secret_value() not in everything_about(caught.value)
    client.close()


@pytest.mark.parametrize("text", [CANARY, f"{CANARY}\nX: y", f"{CANARY}\u2028"])
def test_what_is_no_wrapping_token_is_refused_silently(bao, mount, text):
    """A wrong token is not repeated, not even by the HTTP library."""
    client = bao.client(mount)
    with pytest.raises(WrappingTokenInvalid) as caught:
        client.unwrap(SecretStr(text))
    assert CANARY not in everything_about(caught.value)
    client.close()


def test_a_token_with_a_line_break_is_not_repeated(bao, mount):
    """A malformed VAULT_TOKEN ends in an error of ours that does not show it."""
    client = bao.client(mount, token=f"{CANARY}\r\nX-Evil: 1")
    with pytest.raises(VaultError) as caught:
        client.read("a")
    assert CANARY not in everything_about(caught.value)
    client.close()


def test_a_namespace_is_sent(bao, mount):
    """A namespace the server does not have is not silently left out."""
    client = bao.client(mount, namespace="elsewhere")
    with pytest.raises(VaultError):
        client.read("a")
    client.close()


def test_a_look_tells_the_version_of_what_was_deleted(bao, mount, kv):
    """Data that somebody deleted or destroyed are nothing, and the next write names their version."""
    for path, way in (("deleted", "DELETE"), ("destroyed", "PUT")):
        kv.write(path, {"x": "1"}, cas=0)
        where = f"{mount}/data/{path}" if way == "DELETE" else f"{mount}/destroy/{path}"
        bao.request(way, where, None if way == "DELETE" else {"versions": [1]})
        assert kv.look(path) == (None, 1)
        assert kv.write(path, {"x": "2"}, cas=1) == 2


def test_who_may_not_scan_is_told_no_heads(bao, mount, kv):
    """A refusal is no absence: without the right the heads are not told at once, and each can be read."""
    kv.write("a/x", {"x": "1"}, cas=0)
    policy = f'path "{mount}/metadata/*" {{ capabilities = ["read", "list"] }}'
    narrow = bao.client(mount, token=bao.token_with(policy))
    assert (narrow.heads("a"), narrow.metadata("a/x").version) == (None, 1)
    narrow.close()
    policy = f'path "{mount}/detailed-metadata/a/*" {{ capabilities = ["scan"] }}'
    scanning = bao.client(mount, token=bao.token_with(policy))
    assert scanning.heads("a") == {"x": Metadata(version=1, custom={})}
    scanning.close()
