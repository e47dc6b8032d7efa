"""Every documented Derivatives error has its place, in each family's shape."""

import pytest

from krakenstate.errors import (
    AccountRestricted,
    InvalidKey,
    InvalidNonce,
    KrakenUnavailable,
    ObjectNotFound,
    PermissionDenied,
    RateLimited,
    RequestRefused,
)
from krakenstate.providers.kraken_derivatives.errors import MEANINGS, find_error

# A copy of the list of error words that Kraken documents: word -> what it means here.
DOCUMENTED = """
authenticationError                  | InvalidKey
insufficientPrivileges               | PermissionDenied
apiLimitExceeded                     | RateLimited
nonceBelowThreshold                  | InvalidNonce
nonceDuplicate                       | InvalidNonce
accountInactive                      | AccountRestricted
invalidAccount                       | AccountRestricted
notFound                             | ObjectNotFound
requiredArgumentMissing              | RequestRefused
invalidArgument: subaccountUid       | RequestRefused
invalidAmount                        | RequestRefused
invalidUnit                          | RequestRefused
Json Parse Error                     | RequestRefused
insufficientFunds                    | RequestRefused
Server Error                         | KrakenUnavailable
Unavailable                          | KrakenUnavailable
unknownError                         | KrakenUnavailable
marketUnavailable                    | KrakenUnavailable
"""
ROWS = [tuple(part.strip() for part in row.split(" | ")) for row in DOCUMENTED.strip().splitlines()]
CLASSES = {
    kind.__name__: kind
    for kind in (
        AccountRestricted, InvalidKey, InvalidNonce, KrakenUnavailable, ObjectNotFound, PermissionDenied,
        RateLimited, RequestRefused,
    )
}  # fmt: skip
SHAPES = {
    "derivatives": lambda word: (200, {"result": "error", "error": word, "serverTime": "…"}),
    "bad request": lambda word: (
        400, {"status": "BAD_REQUEST", "result": "error", "errors": [{"code": 11, "message": word}]}
    ),
    "auth": lambda word: (401, {"error": word, "message": "…", "suberror": None}),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("word", "expected"), ROWS)
def test_each_documented_error_is_known_in_each_shape(word, expected, shape):
    """A word becomes the exception of its situation, wherever in the answer it stands."""
    error = find_error(*SHAPES[shape](word))
    assert type(error) is CLASSES[expected]
    assert word in error.message


def test_the_table_holds_nothing_undocumented():
    """Every row of the table stands in the documented list, so none was made up."""
    assert set(MEANINGS) == {word.partition(":")[0] for word, _ in ROWS}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(401, {"status": "unauthorized", "reason": "…"}, InvalidKey, id="history family"),
        pytest.param(
            401, {"error": "new word", "message": "…", "suberror": None}, InvalidKey, id="unknown 401"
        ),
        pytest.param(401, {}, InvalidKey, id="bare 401"),
        pytest.param(403, {}, PermissionDenied, id="bare 403"),
        pytest.param(404, {"result": "error", "error": "gone"}, ObjectNotFound, id="unknown 404"),
        pytest.param(429, {}, RateLimited, id="bare 429"),
        pytest.param(502, {"error": "new word"}, KrakenUnavailable, id="unknown 502"),
        pytest.param(400, {"errors": [{"code": 1}]}, RequestRefused, id="an error without a message"),
        pytest.param(200, {"result": "error"}, RequestRefused, id="an error without a name"),
        pytest.param(200, {"result": "error", "error": "new word"}, RequestRefused, id="an unknown word"),
        pytest.param(418, {"tradingEnabled": True}, RequestRefused, id="an odd status"),
    ],
)
def test_what_has_no_known_word_is_judged_by_its_status(status, body, kind):
    """No failure passes as a success because its word is new."""
    assert type(find_error(status, body)) is kind


@pytest.mark.parametrize(
    "body",
    [
        {"result": "success", "serverTime": "…"},
        {"tradingEnabled": True},
        {"tradingEnabled": False, "error": None},
    ],
)
def test_a_success_is_no_error(body):
    """HTTP 200 without an error word is a success, with or without a result field."""
    assert find_error(200, body) is None


def test_the_most_severe_error_is_acted_on():
    """A failed authentication outranks what stands beside it."""
    listed = [{"code": 1, "message": "invalidUnit"}, {"code": 2, "message": "authenticationError"}]
    assert type(find_error(400, {"errors": listed})) is InvalidKey


def test_error_texts_are_cleaned_and_cut():
    """A hostile or endless word cannot disturb a terminal."""
    message = find_error(200, {"result": "error", "error": "odd\x1b[31m\n" + "x" * 5000}).message
    assert "\x1b" not in message
    assert "\n" not in message
    assert len(message) < 250
