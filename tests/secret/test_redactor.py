"""The redactor: registered secrets leave every text, in whatever form they got into it."""

import base64
import json
import logging
import threading
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from krakenstate.secret.redactor import PLACEHOLDER, Redactor, ScrubbingFormatter

SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
ODD = 'pass "word"\\ with/ü+ and\ttab'


def redactor_of(*values):
    """A redactor that knows these."""
    redactor = Redactor()
    redactor.register(*values)
    return redactor


@pytest.mark.parametrize("value", [SECRET, ODD])
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(str, id="as it is"),
        pytest.param(quote, id="percent-encoded"),
        pytest.param(lambda v: quote(v, safe=""), id="percent-encoded throughout"),
        pytest.param(
            lambda v: quote(v, safe="").replace("%2F", "%2f").replace("%2B", "%2b"), id="lower case"
        ),
        pytest.param(quote_plus, id="form field"),
        pytest.param(lambda v: urlencode({"api_secret": v}), id="form"),
        pytest.param(lambda v: base64.b64encode(v.encode()).decode(), id="base64"),
        pytest.param(
            lambda v: base64.urlsafe_b64encode(v.encode()).decode().rstrip("="), id="base64 for URLs"
        ),
        pytest.param(json.dumps, id="JSON"),
        pytest.param(lambda v: json.dumps(v, ensure_ascii=False).replace("/", r"\/"), id="JSON of others"),
        pytest.param(repr, id="Python"),
        pytest.param(lambda v: v.rstrip("="), id="without padding"),
    ],
)
def test_a_secret_is_found_in_every_form(value, form):
    """However a text came to hold a secret, what is left of it says nothing."""
    scrubbed = redactor_of(value).scrub(f"before {form(value)} after")
    assert PLACEHOLDER in scrubbed
    assert value[:20] not in scrubbed
    assert form(value)[14:30] not in scrubbed
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith(" after")


def test_short_values_are_left_alone():
    """Seven characters and less are not looked for, so that words stay whole."""
    assert redactor_of("desk", "", "1234567").scrub("the desk 1234567") == "the desk 1234567"
    assert redactor_of("12345678").scrub("the desk 12345678") == f"the desk {PLACEHOLDER}"


def test_a_longer_secret_goes_before_one_it_contains():
    """Overlapping secrets leave no remainder of the longer one."""
    assert redactor_of("abcdefgh", "abcdefghij").scrub("x abcdefghij y") == f"x {PLACEHOLDER} y"


def test_secret_strings_and_surrounding_space_are_understood():
    """A SecretStr is registered by its value, and white space around it does not hide it."""
    assert redactor_of(SecretStr(f" {SECRET}\n")).scrub(SECRET) == PLACEHOLDER


def test_without_secrets_texts_stay_as_they_are():
    """A redactor that knows nothing changes nothing."""
    assert Redactor().scrub("anything") == "anything"


def test_threads_may_register_at_once():
    """No registration is lost."""
    redactor, values = Redactor(), [f"secret-number-{n:04d}" for n in range(200)]
    threads = [threading.Thread(target=redactor.register, args=values[n::8]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redactor.scrub(" ".join(values)).split() == PLACEHOLDER.split() * 200


def test_logs_are_scrubbed_with_their_tracebacks():
    """Message, arguments and traceback of a log record go through the redactor."""
    formatter = ScrubbingFormatter(logging.Formatter("%(message)s"), redactor_of(SECRET))
    try:
        int(SECRET)
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "saw %s", (SECRET,), (type(error), error, error.__traceback__)
        )
    text = formatter.format(record)
    assert SECRET not in text
    assert text.count(PLACEHOLDER) >= 2


@given(st.text(min_size=8, max_size=60).filter(lambda t: len(t.strip()) >= 8), st.text(), st.text())
def test_no_registered_value_survives(value, before, after):
    """Whatever surrounds a registered value, it is gone from the scrubbed text."""
    value = value.strip()
    scrubbed = redactor_of(value).scrub(before + value + after)
    assert value not in scrubbed.replace(PLACEHOLDER, "\x00")


def test_a_secret_behind_a_percent_sign_is_found():
    """A value whose first two characters read as an escape's hex digits is found all the same."""
    value = "2fabcdefghij"
    assert redactor_of(value).scrub(f"x=%{value};") == f"x=%{PLACEHOLDER};"
    assert redactor_of(value).scrub(f"x={value.upper()};") == f"x={value.upper()};"


def test_of_two_secrets_that_begin_alike_the_longer_one_goes():
    """Nothing is left of the longer one, in whatever order they were registered."""
    longer = f"{SECRET[:20]}and-more"
    for values in ((SECRET[:20], longer), (longer, SECRET[:20])):
        assert redactor_of(*values).scrub(f"<{longer}><{SECRET[:20]}>") == f"<{PLACEHOLDER}><{PLACEHOLDER}>"


def test_many_secrets_cost_no_more_than_one():
    """Registering and scrubbing look at heads alone, so that a thousand keys are no heavier than one."""
    redactor = redactor_of(*(f"{n:08d}-secret-of-some-length" for n in range(2_000)))
    assert redactor.scrub("see 00001999-secret-of-some-length.") == f"see {PLACEHOLDER}."
    assert redactor.scrub("see 00002000-secret-of-some-length.") == "see 00002000-secret-of-some-length."
