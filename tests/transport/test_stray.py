"""What a server sends beside its answers: it is never the answer to another request."""

import pytest

from krakenstate.errors import KrakenError
from tests.support.stray import OTHER, PATIENCE_S, each_way, stray_server


def asked(origin, method, path):
    """The body of an answer, or None where the call failed."""
    try:
        return origin.request(method, path, content=b"nonce=1" if method == "POST" else None).body
    except KrakenError:
        return None


@pytest.mark.parametrize("method", ["GET", "POST"])
@each_way
def test_a_call_gets_its_own_answer_or_an_error(origin_for, way, method):
    """Whatever a server sends besides, in or after its answer, and however late."""
    with stray_server(way) as server:
        origin = origin_for(server.origin, read_timeout_s=PATIENCE_S)
        assert OTHER not in (asked(origin, method, "/first") or b"")
        assert server.went_astray.wait(5)
        assert asked(origin, method, "/second") in {b'{"of":"/second"}', None}
        assert asked(origin, method, "/third") == b'{"of":"/third"}'
