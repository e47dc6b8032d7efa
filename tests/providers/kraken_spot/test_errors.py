"""Every documented Spot error has its place."""

import pytest

from krakenstate.errors import (
    AccountRestricted,
    InvalidKey,
    InvalidNonce,
    InvalidSignature,
    KrakenUnavailable,
    NotObservable,
    PermissionDenied,
    RateLimited,
    RequestRefused,
    TemporaryLockout,
)
from krakenstate.providers.kraken_spot.errors import MEANINGS, SpotError, read_errors

# A copy of the list of errors that Kraken and public clients document: string -> what it means here.
DOCUMENTED = """
EAPI:Invalid key                              | InvalidKey
EAPI:Invalid signature                        | InvalidSignature
EAPI:Invalid nonce                            | InvalidNonce
EAPI:Rate limit exceeded                      | RateLimited
EAPI:Bad request                              | RequestRefused
EAPI:Feature disabled                         | NotObservable
EGeneral:Permission denied                    | PermissionDenied
EGeneral:Permission denied:Invalid key        | PermissionDenied
EGeneral:Invalid arguments                    | RequestRefused
EGeneral:Invalid arguments:volume             | RequestRefused
EGeneral:Unknown method                       | NotObservable
EGeneral:Internal error                       | KrakenUnavailable
EGeneral:Temporary lockout                    | TemporaryLockout
EGeneral:Too many requests                    | RateLimited
EAuth:Account temporary disabled              | AccountRestricted
EAuth:Account unconfirmed                     | AccountRestricted
EAuth:Rate limit exceeded                     | TemporaryLockout
EAuth:Too many requests                       | TemporaryLockout
EAuth:Failed                                  | TemporaryLockout
EAccount:Invalid permissions                  | AccountRestricted
EAccount:Invalid permissions:AAA trading restricted for US:TX | AccountRestricted
EAccount:Too many API keys                    | RequestRefused
ESession:Invalid session                      | InvalidKey
EService:Unavailable                          | KrakenUnavailable
EService:Busy                                 | KrakenUnavailable
EService:Deadline elapsed                     | KrakenUnavailable
EService: Throttled: 1791000000               | RateLimited
EService:Market in cancel_only mode           | KrakenUnavailable
EService:Market in post_only mode             | KrakenUnavailable
EOrder:Domain rate limit exceeded             | RateLimited
EFunding:Too many addresses                   | RequestRefused
EFunding:Something else                       | RequestRefused
"""
ROWS = [tuple(part.strip() for part in row.split(" | ")) for row in DOCUMENTED.strip().splitlines()]
CLASSES = {
    kind.__name__: kind
    for kind in (
        AccountRestricted, InvalidKey, InvalidNonce, InvalidSignature, KrakenUnavailable, NotObservable,
        PermissionDenied, RateLimited, RequestRefused, TemporaryLockout,
    )
}  # fmt: skip


@pytest.mark.parametrize(("wire", "expected"), ROWS)
def test_each_documented_error_is_known(wire, expected):
    """An error string becomes the exception of its situation, and the message quotes it."""
    error = SpotError.parse(wire).to_error()
    assert type(error) is CLASSES[expected]
    assert wire.split(":")[1].strip() in error.message


def test_the_table_holds_nothing_undocumented():
    """Every row of the table stands in the documented list, so none was made up."""
    assert set(MEANINGS) <= {SpotError.parse(wire).name for wire, _ in ROWS}


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        pytest.param("EService:Something new", KrakenUnavailable, id="a service error"),
        pytest.param("EAuth:Something new", TemporaryLockout, id="an authentication service error"),
        pytest.param("EGeneral:Something new", RequestRefused, id="another error"),
        pytest.param("no colon at all", RequestRefused, id="no form"),
        pytest.param("", RequestRefused, id="empty"),
        pytest.param("EAPI:invalid key", RequestRefused, id="another case"),
    ],
)
def test_unknown_errors_are_refusals_unless_their_family_says_more(wire, kind):
    """A text the table lacks is still an error, judged by its category or as a refusal."""
    assert type(SpotError.parse(wire).to_error()) is kind


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (["EGeneral:Invalid arguments", "EAPI:Invalid nonce"], InvalidNonce),
        (["EAPI:Invalid key", "EGeneral:Temporary lockout"], TemporaryLockout),
        (["EService:Busy", "EAPI:Invalid signature", "EGeneral:Permission denied"], InvalidSignature),
        (["EAPI:Rate limit exceeded", "EGeneral:Permission denied"], PermissionDenied),
        (["WDatabase:No change", "EService:Unavailable"], KrakenUnavailable),
    ],
)
def test_the_most_severe_error_is_acted_on(wire, kind):
    """A lockout outranks a failed authentication, and that outranks everything else."""
    for order in (wire, wire[::-1]):
        assert type(read_errors(order)[0].to_error()) is kind


def test_warnings_are_no_errors():
    """A warning beside a result leaves it a success."""
    assert read_errors(["WDatabase:No change"]) == []


def test_a_throttled_caller_is_told_until_when():
    """The timestamp becomes an instant a person can read."""
    message = SpotError.parse("EService: Throttled: 1791000000").to_error().message
    assert "Ask again after 2026-10-03 04:00:00 UTC." in message


@pytest.mark.parametrize("detail", ["soon", "9" * 400, "\u0661\u0662"])
def test_an_odd_timestamp_is_left_out(detail):
    """A throttling answer without a usable instant is a throttling answer all the same."""
    assert type(SpotError.parse(f"EService:Throttled:{detail}").to_error()) is RateLimited


def test_error_texts_are_cleaned_and_cut():
    """A hostile or endless text cannot disturb a terminal."""
    message = SpotError.parse("EGeneral:Odd\x1b[31m\n" + "x" * 5000).to_error().message
    assert "\x1b" not in message
    assert "\n" not in message
    assert len(message) < 250
