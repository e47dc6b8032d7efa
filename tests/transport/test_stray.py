"""What a server sends beside its answers: it is never the answer to another request."""

import pytest

from krakenstate.errors import KrakenError
from tests.support.stray import PATIENCE_S, each_way, expect_own_answers


@pytest.mark.parametrize("method", ["GET", "POST"])
@each_way
def test_a_call_gets_its_own_answer_or_an_error(origin_for, way, method):
    """Whatever a server sends besides, in or after its answer, and however late."""
    made = {}

    def ask(origin, path):
        http = made.setdefault(origin, origin_for(origin, read_timeout_s=PATIENCE_S))
        try:
            return http.request(method, path, content=b"nonce=1" if method == "POST" else None).body
        except KrakenError:
            return None

    expect_own_answers(way, ask)
