"""What happens on one connection: what is kept for the next request, and what an answer may look like."""

import ssl
from contextlib import contextmanager
from functools import partial

import certifi
import pytest

from krakenstate.errors import AnswerUnreadable, RedirectRefused
from krakenstate.transport import connections
from krakenstate.transport.attempt import ConnectionFailed
from tests.support.certificates import ELSEWHERE, HERE, certify
from tests.support.scripted import http, read_request, scripted_server
from tests.support.stray import WAYS, answer, stray_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
LONG_S = 10.0


def answers(*whole):
    """Answers as many requests on one connection, then waits for what the other side does with it."""

    def play(peer):
        peer.sendall(whole[0])
        for later in whole[1:]:
            read_request(peer)
            peer.sendall(later)
        peer.recv(1)

    return play


def test_a_connection_carries_one_request_after_another(scripted, origin_for):
    """Ten calls of a lane are one connection, so that one handshake is made and not ten."""
    scripted.plays(answers(*(OK + f"{n:02}".encode() for n in range(10))))
    origin = origin_for(scripted.origin)
    assert [origin.request("GET", "/a").body for _ in range(10)] == [f"{n:02}".encode() for n in range(10)]
    assert scripted.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(http(200, "{}"), id="said that it closes"),
        pytest.param(OK + b"{}", id="closed without a word"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="an older HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n{}", id="the end of the connection ends the answer"),
    ],
)
def test_what_the_other_side_closes_is_not_used_again(scripted, origin_for, first):
    """The next request goes to a connection of its own, and both are answered."""
    scripted.plays(first, http(200, "[]"))
    origin = origin_for(scripted.origin)
    assert [origin.request("GET", "/a").body, origin.request("GET", "/a").body] == [b"{}", b"[]"]
    assert scripted.connections == 2


def test_a_connection_that_nobody_used_for_long_is_not_used_again(scripted, origin_for, monkeypatch):
    """What lies between may have forgotten it without a word, and a request would go nowhere."""
    monkeypatch.setattr(connections, "IDLE_S", -1.0)
    scripted.plays(answers(OK + b"{}"), http(200, "[]"))
    origin = origin_for(scripted.origin)
    assert [origin.request("GET", "/a").body, origin.request("GET", "/a").body] == [b"{}", b"[]"]


@pytest.mark.parametrize(
    "failed", [http(302, "", extra="Location: /b\r\n"), OK[:-4] + b"\r\nContent-Encoding: br\r\n\r\n{}"]
)
def test_an_answer_that_was_not_read_ends_its_connection(scripted, origin_for, failed):
    """What is left of it cannot become the beginning of another answer."""
    scripted.plays(answers(failed), http(200, "[]"))
    origin = origin_for(scripted.origin)
    with pytest.raises((RedirectRefused, AnswerUnreadable)):
        origin.request("GET", "/a")
    assert origin.request("GET", "/a").body == b"[]"
    assert scripted.connections == 2


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(200, "{}"), id="hints before"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            id="in chunks",
        ),
        pytest.param(lambda peer: [peer.sendall(bytes([b])) for b in OK + b"{}"], id="byte by byte"),
    ],
)
def test_an_answer_may_come_in_any_form_of_http(scripted, origin_for, play):
    """How it is cut into pieces says nothing."""
    scripted.plays(play)
    answer = origin_for(scripted.origin).request("GET", "/a")
    assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", id="another protocol"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{", id="cut off in a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 200_000 + b"\r\n\r\n{}", id="endless headers"),
    ],
)
def test_what_is_no_answer_may_have_been_preceded_by_an_effect(scripted, origin_for, play):
    """It is not understood half: the call failed, and nobody knows what it did."""
    scripted.plays(play)
    with pytest.raises(ConnectionFailed) as caught:
        origin_for(scripted.origin).request("POST", "/a")
    assert caught.value.sent is True


def test_a_header_that_would_begin_another_is_not_sent(scripted, origin_for):
    """A line break in a value is refused before anything is sent."""
    with pytest.raises(ConnectionFailed) as caught:
        origin_for(scripted.origin).request("GET", "/a", headers={"APIKey": "x\r\nEvil: 1"})
    assert (caught.value.sent, scripted.received) == (False, [])


@pytest.fixture
def trusts(monkeypatch):
    """Makes a certificate the only public authority."""

    def trust(certificate):
        monkeypatch.setattr(certifi, "where", lambda: str(certificate))
        connections._trusted_authorities.cache_clear()

    yield trust
    monkeypatch.undo()
    connections._trusted_authorities.cache_clear()


@pytest.fixture
def secure_server(tmp_path, trusts):
    """Serves https with a certificate for a name; trusted, or another one is."""

    @contextmanager
    def serve(name, *, is_trusted, by=scripted_server):
        for folder in ("server", "other"):
            certify(tmp_path / folder, name)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "server" / "cert.pem", tmp_path / "server" / "key.pem")
        trusts(tmp_path / ("server" if is_trusted else "other") / "cert.pem")
        with by(context) as server:
            yield server

    return serve


def test_a_server_with_a_trusted_certificate_is_spoken_to(secure_server, origin_for):
    """Its certificate leads to a public authority and is for the name that was asked for."""
    with secure_server(HERE, is_trusted=True) as server:
        assert origin_for(server.origin).request("GET", "/a").body == b"{}"


@pytest.mark.parametrize(
    ("name", "is_trusted"),
    [pytest.param(HERE, False, id="nobody knows it"), pytest.param(ELSEWHERE, True, id="another name")],
)
def test_a_server_with_another_certificate_is_sent_nothing(secure_server, origin_for, name, is_trusted):
    """A signature goes to nobody who cannot show who they are, and the error says that nothing was sent."""
    with secure_server(name, is_trusted=is_trusted) as server:
        with pytest.raises(ConnectionFailed) as caught:
            origin_for(server.origin).request("GET", "/a", headers={"Authent": "canary"})
        assert (caught.value.sent, server.received) == (False, [])


@pytest.mark.parametrize(
    ("way", "connections_used"),
    [
        pytest.param(lambda peer, body: peer.say(answer(body)), 1, id="nothing astray"),
        pytest.param(WAYS["two answers in one packet"], 2, id="in one record"),
        pytest.param(WAYS["two answers, two packets"], 2, id="in two records"),
        pytest.param(WAYS["many answers"], 2, id="in many records"),
    ],
)
def test_what_goes_astray_over_tls_ends_its_connection(secure_server, origin_for, way, connections_used):
    """What TLS says of itself, its tickets say, is no reason to leave a connection; another answer is."""
    with secure_server(HERE, is_trusted=True, by=partial(stray_server, way)) as server:
        origin = origin_for(server.origin)
        assert origin.request("GET", "/first").body == b'{"of":"/first"}'
        assert server.went_astray.wait(5)
        assert origin.request("GET", "/second").body == b'{"of":"/second"}'
        assert server.connections == connections_used
