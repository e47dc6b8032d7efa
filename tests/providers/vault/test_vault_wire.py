"""HTTP as Vault's API needs it: whole answers are read, and what is not of its form is refused."""

import socket
import threading

import pytest

from krakenstate.providers.vault.wire import MAX_HEAD_BYTES, Malformed, Response, Wire
from tests.support.scripted import scripted_server

TOKEN = {"X-Vault-Token": "canary"}


@pytest.fixture
def scripted():
    """A server that answers what it is told to."""
    with scripted_server() as server:
        yield server


@pytest.fixture
def wire(scripted):
    """A connection to it."""
    host, _, port = scripted.origin.removeprefix("http://").partition(":")
    made = Wire(host, int(port), 5.0, None)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("answer", "status", "content"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", id="a length"),
        pytest.param(b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b"", id="no reason"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nA: b\r\n\r\n",
            200,
            b"{}",
            id="chunks",
        ),
        pytest.param(b"HTTP/1.0 503 Sealed\r\n\r\nsealed", 503, b"sealed", id="until the end"),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            204,
            b"",
            id="interim",
        ),
    ],
)
def test_a_whole_answer_is_read(scripted, wire, answer, status, content):
    """However the answer says where it ends, its status and content are given, and the request arrived."""
    scripted.plays(answer)
    found = wire.ask("GET", "/v1/kv/data/a?version=1", TOKEN, None)
    assert (found.status, found.content) == (status, content)
    (request,) = scripted.received
    assert (request.method, request.target) == ("GET", "/v1/kv/data/a?version=1")
    assert request.headers == {
        "host": scripted.origin.removeprefix("http://"),
        "accept-encoding": "identity",
        "x-vault-token": "canary",
    }


def test_headers_are_found_in_lower_case_and_repeated_ones_are_joined(scripted, wire):
    """What is looked for in an answer's head does not depend on how the server writes it."""
    scripted.plays(b"HTTP/1.1 200 OK\r\nX-Vault-INDEX: \t a \r\nA: 1\r\na:2\r\nContent-Length: 0\r\n\r\n")
    assert wire.ask("GET", "/v1/a", {}, None) == Response(
        200, {"x-vault-index": "a", "a": "1, 2", "content-length": "0"}, b""
    )


@pytest.mark.parametrize(("body", "length"), [(b'{"a": "b"}', "10"), (None, "0")])
def test_a_write_says_how_long_it_is(scripted, wire, body, length):
    """Head and body of a write arrive as they were given; one without a body says so."""
    scripted.plays(b"HTTP/1.1 204 No Content\r\n\r\n")
    wire.ask("POST", "/v1/a", {}, body)
    assert scripted.received[0].body == (body or b"")
    assert scripted.received[0].headers["content-length"] == length


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"canary\r\n\r\n", id="not HTTP"),
        pytest.param(b"HTTP/2 200 OK\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 OK 200\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\nA: b\r\n\r\n", id="a bare line feed"),
        pytest.param(OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", id="a folded line"),
        pytest.param(OK + b"A b\r\nContent-Length: 0\r\n\r\n", id="no colon"),
        pytest.param(OK + b"A : b\r\nContent-Length: 0\r\n\r\n", id="a space before the colon"),
        pytest.param(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"),
        pytest.param(OK + b"Content-Length: -1\r\n\r\n", id="a negative length"),
        pytest.param(OK + b"Content-Length: 2\r\n\r\n{}canary", id="bytes after its end"),
        pytest.param(OK + b"Transfer-Encoding: gzip\r\n\r\n", id="an unknown encoding"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", id="chunks and a length"
        ),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", id="a size of no valid form"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n", id="a chunk longer than its size"
        ),
        pytest.param(OK + b"A: " + b"b" * 2 * MAX_HEAD_BYTES, id="a head without an end"),
    ],
)
def test_an_answer_of_another_form_is_refused(scripted, wire, answer):
    """What could be read in two ways is read in none; it is not quoted, and the connection is not reused."""
    scripted.plays(answer)
    with pytest.raises(Malformed) as caught:
        wire.ask("GET", "/v1/a", TOKEN, None)
    assert "canary" not in repr(caught.value)
    assert not wire.is_awake


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="before it began"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="in its head"),
        pytest.param(OK + b"Content-Length: 100\r\n\r\n{", id="in its content"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{", id="in a chunk"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", id="before the last chunk"),
    ],
)
def test_an_answer_that_is_cut_off_is_none(scripted, wire, answer):
    """Half an answer is never taken for a whole one."""
    scripted.plays(answer)
    with pytest.raises(ConnectionError):
        wire.ask("GET", "/v1/a", TOKEN, None)


@pytest.mark.parametrize(
    ("target", "token"),
    [
        ("/v1/a b", "t"),
        ("/v1/a\r\nX: y", "t"),
        ("v1/a", "t"),
        ("/v1/a", "canary\r\nX: y"),
        ("/v1/a", "canäry"),
    ],
)
def test_what_would_add_to_a_request_is_not_sent(scripted, wire, target, token):
    """Neither a path nor a token can add a line to a request, and the error does not quote them."""
    with pytest.raises(Malformed) as caught:
        wire.ask("GET", target, {"X-Vault-Token": token}, None)
    assert "ry" not in repr(caught.value)
    wire.close()
    assert scripted.received == []


def test_a_connection_is_used_again_while_the_server_keeps_it():
    """A second request goes over the same connection; once the server has said that it closes, none does."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers = [OK + b"Content-Length: 1\r\n\r\na", OK + b"Connection: Close\r\nContent-Length: 1\r\n\r\nb"]

    def serve():
        peer, _ = listener.accept()
        with peer:
            for answer in answers:
                peer.recv(65536)
                peer.sendall(answer)
            peer.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    wire = Wire(*listener.getsockname(), 5.0, None)
    assert (wire.ask("GET", "/a", {}, None).content, wire.is_awake) == (b"a", True)
    assert (wire.ask("GET", "/a", {}, None).content, wire.is_awake) == (b"b", False)
    wire.close()
    thread.join()
    listener.close()
