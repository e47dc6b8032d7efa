"""What names an account has one spelling."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.model.identity import (
    IIBAN_PATTERN,
    BadIiban,
    fingerprint,
    mask_tail,
    normalise_email,
    normalise_iiban,
)

COMPACT = st.text(string.ascii_uppercase + string.digits, min_size=14, max_size=14).map(lambda t: f"AA{t}")


@given(COMPACT, st.data())
def test_spacing_and_case_do_not_count(compact, data):
    """However an IIBAN is typed, one spelling results, and it is Kraken's."""
    typed = "".join(
        (c if data.draw(st.booleans()) else c.lower()) + data.draw(st.sampled_from(["", " ", "\t", "  "]))
        for c in compact
    )
    normal = normalise_iiban(typed)
    assert IIBAN_PATTERN.fullmatch(normal)
    assert normal.replace(" ", "") == compact
    assert normalise_iiban(normal) == normal


@given(st.text())
def test_any_other_text_is_no_iiban(text):
    """Reading either gives Kraken's spelling or an error that does not quote the input."""
    outcome = ""
    try:
        normal = normalise_iiban(text)
    except BadIiban as problem:
        normal, outcome = "AA12 N84G ABCD 3F5K", str(problem)
    assert IIBAN_PATTERN.fullmatch(normal)
    assert outcome in {"", "an IIBAN looks like AA12 N84G ABCD 3F5K"}


@pytest.mark.parametrize(
    "text", ["", "AA12", "BB12 N84G ABCD 3F5K", "AA12 N84G ABCD 3F5", "AA12-N84G-ABCD-3F5K"]
)
def test_another_form_is_an_error(text):
    """Too short, another prefix, other separators: none is an IIBAN."""
    with pytest.raises(BadIiban):
        normalise_iiban(text)


@given(st.emails())
def test_an_email_has_one_spelling(email):
    """Normalising twice is normalising once, and case does not count."""
    try:
        normal = normalise_email(f" {email.upper()} ")
    except ValueError:
        return
    assert normalise_email(normal) == normal == normal.lower().strip()


@pytest.mark.parametrize(
    "text", ["", "ops", "ops@desk", "a b@desk.example", "a@b@c.example", "<a@b.example>"]
)
def test_what_is_no_email_is_an_error(text):
    """A text without the form of an address is refused."""
    with pytest.raises(ValueError, match="e-mail"):
        normalise_email(text)


@given(st.text(min_size=1, max_size=80))
def test_a_fingerprint_does_not_reveal_the_key(public):
    """Twelve hex digits, always the same for the same key."""
    assert fingerprint(public) == fingerprint(public)
    assert len(fingerprint(public)) == 12
    assert set(fingerprint(public)) <= set(string.hexdigits.lower())


def test_the_tail_is_four_characters():
    """Enough to compare by eye, spaces left out."""
    assert mask_tail("AA12 N84G ABCD 3F5K") == "3F5K"


@pytest.mark.parametrize(
    "email", ["ops@d\u0435sk.example", "\u043eps@desk.example", "ops@desk\u2024example.org"]
)
def test_an_email_that_looks_like_another_is_refused(email):
    """A letter of another alphabet could send a new subaccount's set-up mail to somebody else."""
    with pytest.raises(ValueError, match="plain Latin letters"):
        normalise_email(email)
