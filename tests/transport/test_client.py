"""One origin, one attempt, a bounded answer."""

import json
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.errors import AnswerUnreadable, KrakenUnreachable, OriginRefused, RedirectRefused
from krakenstate.transport.answers import parse_json
from krakenstate.transport.attempt import MAX_ANSWER_BYTES, Answer, ConnectionFailed
from krakenstate.transport.client import HttpOrigin
from tests.support.kraken import AGENT
from tests.support.scripted import http

SECRET_HEADER = {"API-Sign": "canary-signature"}


def silent_port():
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def chain(error):
    """An error with everything that hangs on it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_making_one_opens_no_socket(scripted):
    """Constructing is free of any effect, so a command that needs no network touches none."""
    HttpOrigin(scripted.origin, user_agent=AGENT).close()
    assert scripted.connections == 0


def test_a_request_arrives_as_it_was_given(scripted, origin_for):
    """Method, path, query, headers and body are sent byte for byte, and the program names itself."""
    answer = origin_for(scripted.origin).request(
        "POST", "/0/private/Some-Thing_1", query="a=%2B&b=c%20d", headers={"X-One": "1"}, content=b"n=1&x=%2B"
    )
    (received,) = scripted.received
    assert (received.method, received.target, received.body) == (
        "POST",
        "/0/private/Some-Thing_1?a=%2B&b=c%20d",
        b"n=1&x=%2B",
    )
    assert received.headers["user-agent"] == AGENT
    assert received.headers["x-one"] == "1"
    assert received.headers["accept-encoding"] == "identity"
    assert (answer.status, answer.body, answer.content_type) == (200, b"{}", "application/json")


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("http://api.kraken.com", id="plain http elsewhere"),
        pytest.param("https://api.kraken.com/0", id="with a path"),
        pytest.param("https://user:pass@api.kraken.com", id="with a password"),
        pytest.param("ftp://127.0.0.1", id="another scheme"),
        pytest.param("http://127.0.0.1.evil.example", id="a name that looks like loopback"),
        pytest.param("", id="empty"),
    ],
)
def test_only_https_or_loopback_is_accepted(origin):
    """An origin that could leak signed requests is refused before anything is sent."""
    with pytest.raises(OriginRefused) as caught:
        HttpOrigin(origin, user_agent=AGENT)
    assert "user:pass" not in str(caught.value)


@pytest.mark.parametrize("origin", ["https://api.kraken.com", "http://localhost:8080", "http://[::1]:9"])
def test_production_and_rehearsal_origins_are_accepted(origin):
    """Kraken over https and anything on loopback can be spoken to."""
    with HttpOrigin(origin, user_agent=AGENT) as made:
        assert made.origin == origin


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("//evil.example/x", ""),
        ("/a/../b", ""),
        ("@evil.example", ""),
        ("/a?b=c", ""),
        ("/a\r\nX: y", ""),
        ("/a", "b=c#d"),
        ("/a", "b=c d"),
        ("", ""),
    ],
)
def test_a_request_cannot_leave_its_origin(scripted, origin_for, path, query):
    """Only plain paths and encoded queries are sent; anything that could point elsewhere is a bug."""
    with pytest.raises(ValueError, match="own making"):
        origin_for(scripted.origin).request("GET", path, query=query)
    assert scripted.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_refused(scripted, origin_for, status):
    """Signed headers are never carried to a second place, and the error does not advertise it."""
    scripted.plays(http(status, "", extra=f"Location: {scripted.origin}/elsewhere?token=x\r\n"))
    with pytest.raises(RedirectRefused) as caught:
        origin_for(scripted.origin).request("GET", "/a")
    assert len(scripted.received) == 1
    assert "elsewhere" not in caught.value.message


def test_proxies_of_the_environment_are_not_used(scripted, origin_for, monkeypatch):
    """A proxy variable does not divert signed requests."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{silent_port()}")
    assert origin_for(scripted.origin).request("GET", "/a").status == 200


def test_cookies_are_not_kept(scripted, origin_for):
    """What one answer sets does not tie the next request, perhaps of another key, to it."""
    scripted.plays(http(200, "{}", extra="Set-Cookie: id=1; Path=/\r\n"), http(200, "{}"))
    origin = origin_for(scripted.origin)
    origin.request("GET", "/a")
    origin.request("GET", "/a")
    assert "cookie" not in scripted.received[1].headers


def test_no_connection_means_nothing_was_sent(origin_for):
    """When nobody listens the caller may say for certain that nothing happened."""
    with pytest.raises(ConnectionFailed) as caught:
        origin_for(f"http://127.0.0.1:{silent_port()}").request("POST", "/a", headers=SECRET_HEADER)
    assert caught.value.sent is False
    assert isinstance(caught.value, KrakenUnreachable)


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(lambda peer: time.sleep(0.6), id="no answer in time"),
        pytest.param(lambda peer: None, id="closed without an answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", id="cut off"),
        pytest.param(b"this is not HTTP\r\n\r\n", id="not HTTP"),
    ],
)
def test_a_broken_answer_may_have_been_preceded_by_an_effect(scripted, origin_for, play):
    """Once the request left, nobody can say that nothing happened."""
    scripted.plays(play)
    with pytest.raises(ConnectionFailed) as caught:
        origin_for(scripted.origin, read_timeout_s=0.2).request("POST", "/a", headers=SECRET_HEADER)
    assert caught.value.sent is True
    assert len(scripted.received) == 1


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", id="its body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", b"x", id="its head"),
        pytest.param(b"", b"HTTP/1.1 102 Processing\r\n\r\n", id="what comes before it"),
    ],
)
def test_an_answer_that_drips_ends_at_the_deadline(scripted, origin_for, first, drop):
    """A server that sends a little now and then cannot hold a run for ever."""
    done = threading.Event()

    def drip(peer):
        peer.sendall(first)
        while not done.wait(0.05):
            peer.sendall(drop)

    scripted.plays(drip)
    try:
        with pytest.raises(ConnectionFailed) as caught:
            origin_for(scripted.origin, total_timeout_s=0.3).request("GET", "/a")
    finally:
        done.set()
    assert caught.value.sent is True


def test_a_huge_answer_is_cut(scripted, origin_for):
    """Memory is not at the mercy of whoever answers."""
    scripted.plays(http(200, b"x" * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(AnswerUnreadable):
        origin_for(scripted.origin).request("GET", "/a")


def test_the_largest_answer_is_read(scripted, origin_for):
    """The limit itself is still an answer."""
    scripted.plays(http(200, b"x" * MAX_ANSWER_BYTES))
    assert len(origin_for(scripted.origin).request("GET", "/a").body) == MAX_ANSWER_BYTES


def test_a_compressed_answer_is_refused(scripted, origin_for):
    """Compression was declined, so a small body cannot unpack into a large one."""
    scripted.plays(http(200, b"\x1f\x8b", extra="Content-Encoding: gzip\r\n"))
    with pytest.raises(AnswerUnreadable):
        origin_for(scripted.origin).request("GET", "/a")


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(lambda peer: None, id="closed"),
        pytest.param(http(302, "canary-body", extra="Location: /canary-place\r\n"), id="redirect"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncanary-header\r\n\r\n", id="bad header"),
    ],
)
def test_errors_hold_neither_headers_nor_bodies(scripted, origin_for, play):
    """No error, nor anything chained to it, could print a signature or quote an answer."""
    scripted.plays(play)
    with pytest.raises((KrakenUnreachable, RedirectRefused)) as caught:
        origin_for(scripted.origin).request("POST", "/a", headers=SECRET_HEADER, content=b"canary-body")
    for error in chain(caught.value):
        assert "canary" not in f"{error!r} {vars(error)}"
        assert type(error).__module__.startswith("krakenstate")


@pytest.mark.parametrize(
    ("status", "content_type", "body", "says"),
    [
        pytest.param(
            503, "text/html; charset=UTF-8", b"<html>canary</html>", "HTTP 503, text/html", id="html"
        ),
        pytest.param(
            200, "application/json", b'{"result": "canary', "HTTP 200, application/json", id="truncated"
        ),
        pytest.param(200, "application/json", b'["canary"]', "no JSON object", id="a list"),
        pytest.param(200, "application/json", b'{"canary": NaN}', "no valid JSON", id="no number"),
        pytest.param(200, "application/json", b"[" * 100_000, "no valid JSON", id="too deep"),
        pytest.param(
            200, "application/json", b'{"a": ' + b"9" * 5000 + b"}", "no valid JSON", id="huge number"
        ),
        pytest.param(200, "application/json", b'{"a": "\xff"}', "no valid JSON", id="not UTF-8"),
        pytest.param(200, "", b"", "no content type", id="empty"),
    ],
)
def test_what_is_not_a_json_object_is_named_and_not_quoted(status, content_type, body, says):
    """The message tells status and kind of an unreadable answer, and nothing of its content."""
    with pytest.raises(AnswerUnreadable) as caught:
        parse_json(Answer(status, {"content-type": content_type}, body))
    assert says in caught.value.message
    for error in chain(caught.value):
        assert "canary" not in f"{error!r} {vars(error)}"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100)
@given(
    fields=st.dictionaries(st.text(), values, max_size=4),
    escapes=st.booleans(),
    marks=st.sampled_from(("", "\ufeff")),
)
def test_what_is_a_json_object_is_read_as_it_was_written(fields, escapes, marks):
    """Whatever it holds, letters as they are or escaped, with or without the mark that some put first."""
    body = (marks + json.dumps(fields, ensure_ascii=escapes)).encode()
    assert parse_json(Answer(200, {}, body)) == fields
