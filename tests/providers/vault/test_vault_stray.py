"""What a node of Vault, or something before it, sends beside its answers: never another request's answer."""

import ssl

import pytest

from krakenstate.providers.vault.connections import Connections, NoAnswer
from tests.support.certificates import HERE, certify
from tests.support.stray import OTHER, PATIENCE_S, WAYS, answer, each_way, expect_own_answers, stray_server


def asked(connections, origin, method, path):
    """The body of an answer, or None where there was none."""
    content = b"{}" if method == "POST" else None
    try:
        return connections.request(method, f"{origin}{path}", {}, {}, content).content
    except NoAnswer:
        return None


@pytest.mark.parametrize("method", ["GET", "POST"])
@each_way
def test_a_request_gets_its_own_answer_or_none(way, method):
    """A secret of one path is never taken for that of another, whatever else is sent, and however late."""
    connections = Connections(None, PATIENCE_S)
    expect_own_answers(way, lambda origin, path: asked(connections, origin, method, path))
    connections.close()


BUFFER = 8192
"""What one read asks the socket for. A record of TLS may hold twice as much."""


def _to_the_brim(peer, body):
    whole = answer(body.ljust(BUFFER - 100))
    peer.say(answer(body.ljust(BUFFER - 100 + BUFFER - len(whole))) + answer(OTHER))


@pytest.mark.parametrize(
    ("way", "used"),
    [
        pytest.param(lambda peer, body: peer.say(answer(body)), 1, id="nothing astray"),
        pytest.param(WAYS["two answers in one packet"], 2, id="in one record"),
        pytest.param(WAYS["two answers, two packets"], 2, id="in two records"),
        pytest.param(_to_the_brim, 2, id="decrypted and not read"),
    ],
)
def test_what_goes_astray_over_tls_ends_its_connection(tmp_path, way, used):
    """What TLS says of itself, its tickets say, is no reason to leave a connection; another answer is."""
    certify(tmp_path / "server", HERE)
    cert = tmp_path / "server" / "cert.pem"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, tmp_path / "server" / "key.pem")
    connections = Connections(str(cert), 5.0)
    with stray_server(way, context) as server:
        for path in ("/first", "/second"):
            assert asked(connections, server.origin, "GET", path).strip() == f'{{"of":"{path}"}}'.encode()
            assert server.went_astray.wait(5)
        assert server.connections == used
    connections.close()
