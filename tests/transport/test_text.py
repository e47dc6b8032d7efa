"""Text from elsewhere on one line."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.transport.text import clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("EAPI:Invalid key", "EAPI:Invalid key"),
        ("a\x1b[31mb", "a [31mb"),
        ("line\r\nline", "line line"),
        ("\u202eright to left", "right to left"),
        ("x" * 200, "x" * 117 + "..."),
    ],
)
def test_control_characters_go(text, clean):
    """What could move a cursor, reverse text or start a line becomes a space."""
    assert clean_text(text) == clean


@given(st.text())
def test_any_text_becomes_one_short_line(text):
    """Whatever comes in, one line of visible characters within the limit comes out."""
    out = clean_text(text)
    assert len(out) <= 120
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Zl", "Zp"} for c in out)
