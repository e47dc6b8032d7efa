"""Hand-ins: what is understood, what is refused, and that no refusal repeats what came."""

import base64
import hashlib
import json

import pytest

from krakenstate.errors import CredentialMalformed
from krakenstate.model.credential import Credential
from krakenstate.model.vocabulary import Api
from krakenstate.secret import base, redactor
from krakenstate.secret.sources import check_form, from_fields, parse_text, parse_token, read_prompt
from tests.support.bao import everything_about

PUBLIC = base64.b64encode(hashlib.sha512(b"public").digest()[:42]).decode()
PRIVATE = base64.b64encode(hashlib.sha512(b"private").digest()).decode()
KEY = Credential(api_key=PUBLIC, api_secret=PRIVATE)
# Published with Kraken's documentation of both platforms: they authenticate nothing.
SPOT_EXAMPLE = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
DERIVATIVES_EXAMPLE = (
    "7zxMEF5p/Z8l2p2U7Ghv6x14Af+Fx+92tPgUdVQ748FOIrEoT9bgT+bTRfXc5pz8na+hL/QdrCVG7bh9KpT0eMTm"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps({"api_key": PUBLIC, "api_secret": PRIVATE}), id="JSON"),
        pytest.param(json.dumps({"api_key": PUBLIC, "api_secret": PRIVATE, "note": 5}), id="JSON with more"),
        pytest.param(f' \n{{"api_key": " {PUBLIC} ", "api_secret": "{PRIVATE}"}}\n', id="JSON with space"),
        pytest.param(f"{PUBLIC}\n{PRIVATE}\n", id="two lines"),
        pytest.param(f"\ufeff\r\n  {PUBLIC}\t\r\n\r\n{PRIVATE}  ", id="two lines of another system"),
    ],
)
def test_a_hand_in_is_understood(text):
    """A JSON object or two lines, with white space as people leave it."""
    assert parse_text(text) == KEY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "Nothing was handed in", id="nothing"),
        pytest.param(" \n ", "Nothing was handed in", id="blank"),
        pytest.param(PUBLIC, "1 came", id="one line"),
        pytest.param(f"{PUBLIC}\n{PRIVATE}\n{PRIVATE}", "3 came", id="three lines"),
        pytest.param(f'{{"api_key": "{PUBLIC}"', "not a JSON object", id="cut off"),
        pytest.param(f'["{PUBLIC}", "{PRIVATE}"]', "not a JSON object", id="a list"),
        pytest.param(json.dumps({"api_key": PUBLIC}), "api_secret is missing", id="one half"),
        pytest.param(
            json.dumps({"api_key": PUBLIC, "api_secret": 7}), "api_secret is not a text", id="a number"
        ),
        pytest.param(json.dumps({"api_key": " ", "api_secret": PRIVATE}), "api_key is empty", id="empty"),
        pytest.param("[" * 100_000, "not a JSON object", id="too deep"),
    ],
)
def test_a_malformed_hand_in_is_refused_without_repeating_it(text, message):
    """The refusal says what is wrong and shows nothing of what came."""
    with pytest.raises(CredentialMalformed, match=message) as caught:
        parse_text(text)
    shown = everything_about(caught.value)
    assert PUBLIC not in shown
    assert PRIVATE not in shown


def test_whatever_is_handed_in_is_registered():
    """Both halves, and both lines even if they turn out to be wrong, are known to the redactor."""
    one, two = "first-line-of-somebody", "second-line-of-somebody"
    parse_text(f"{one}\n{two}")
    with pytest.raises(CredentialMalformed):
        parse_text("third-line-of-somebody\nx\ny")
    with pytest.raises(CredentialMalformed):
        parse_text(json.dumps({"api_key": "fourth-line-of-somebody"}))
    scrubbed = redactor.scrub(f"{one} {two} third-line-of-somebody fourth-line-of-somebody")
    assert "somebody" not in scrubbed


def test_a_prompt_asks_for_both_halves():
    """The public half first; what is typed is registered."""
    asked, answers = [], iter([f"{PUBLIC} ", PRIVATE])

    def ask(prompt):
        asked.append(prompt)
        return next(answers)

    assert read_prompt(ask) == KEY
    assert asked == ["API key (public key): ", "Private key (API secret): "]
    assert redactor.scrub(PRIVATE) == redactor.PLACEHOLDER


def test_an_empty_answer_is_refused():
    """Pressing return at the prompt hands nothing in."""
    with pytest.raises(CredentialMalformed, match="api_secret is empty"):
        read_prompt(lambda prompt: PUBLIC if "public" in prompt else "")


def test_a_wrapping_token_is_one_word():
    """Surrounding space is taken off; anything more is refused and not repeated."""
    assert parse_token(" s.abcdefghijkl\n").get_secret_value() == "s.abcdefghijkl"
    for text in ("", "two-words-here of-it"):
        with pytest.raises(CredentialMalformed) as caught:
            parse_token(text)
        assert "two-words" not in everything_about(caught.value)


@pytest.mark.parametrize("api", list(Api))
def test_a_key_of_krakens_form_passes(api):
    """56 and 88 base64 characters are what both platforms hand out."""
    check_form(KEY, api)


def test_the_published_examples_pass():
    """The example secrets of Kraken's documentation have the form that is asked for."""
    check_form(Credential(api_key=PUBLIC, api_secret=SPOT_EXAMPLE), Api.SPOT)
    check_form(Credential(api_key=PUBLIC, api_secret=DERIVATIVES_EXAMPLE), Api.DERIVATIVES)


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize(
    ("public", "private", "message"),
    [
        pytest.param(PRIVATE, PUBLIC, "swapped", id="swapped"),
        pytest.param(PUBLIC, PRIVATE[:-1], r"87 characters", id="a character short"),
        pytest.param(PUBLIC, PRIVATE[:84], r"84 characters|63 bytes", id="a group short"),
        pytest.param(PUBLIC, PRIVATE[:-3] + "!==", "not base64", id="a stray character"),
        pytest.param(PUBLIC, PUBLIC, r"56 characters|42 bytes", id="the public half twice"),
        pytest.param(PUBLIC[:39], PRIVATE, "39 characters", id="public half too short"),
        pytest.param(PUBLIC * 2, PRIVATE, "112 characters", id="public half twice in one"),
        pytest.param("*" * 56, PRIVATE, "not all of them base64", id="masked public half"),
        pytest.param("*" * 30, "*" * 30, r"30 characters.* 30 characters", id="both wrong"),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_lengths_alone(api, public, private, message):
    """The refusal names what is wrong with which half and shows neither."""
    with pytest.raises(CredentialMalformed, match=message) as caught:
        check_form(Credential(api_key=public, api_secret=private), api)
    shown = everything_about(caught.value)
    for text in (public, private):
        assert text not in shown
        assert text[:12] not in shown


def test_a_spot_secret_has_its_padding():
    """88 characters that decode to another number of bytes are no Spot secret."""
    with pytest.raises(CredentialMalformed, match="66 bytes"):
        check_form(Credential(api_key=PUBLIC, api_secret=DERIVATIVES_EXAMPLE[:86] + "ab"), Api.SPOT)


def test_the_port_offers_the_form_checks():
    """The engine, which knows the port alone, finds them there."""
    assert base.check_form is check_form
    assert base.from_fields({"api_key": PUBLIC, "api_secret": PRIVATE}) == KEY
    assert from_fields({"api_key": PUBLIC, "api_secret": PRIVATE}) == KEY
