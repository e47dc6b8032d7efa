"""What is read once and known again: instants and terms, as if each had been read anew."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic_core import from_json

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, alike, lighten
from krakenstate.model.key_record import KeyRecord
from krakenstate.model.snapshot import Observation, Presence, Snapshot
from krakenstate.model.terms import KeyTerms

INSTANT, AWARE = TypeAdapter(Instant), TypeAdapter(AwareDatetime)
WORDS = st.sampled_from(["query-funds", "add-funds", "é"])
TERMS = st.builds(
    KeyTerms,
    api=st.sampled_from(["spot", "derivatives"]),
    permissions=st.none() | st.lists(WORDS, max_size=3).map(tuple),
    networks=st.none() | st.lists(st.sampled_from(["192.0.2.0/28", "2001:db8::/64"]), max_size=2).map(tuple),
    expires=st.none() | st.dates(),
    nonce_window=st.none() | st.integers(0, 9),
    nonce_unit=st.none() | st.sampled_from(["milliseconds", "counter"]),
)


def read(adapter, text):
    """What a text is read as: the instant, or what is wrong with it."""
    try:
        return adapter.validate_python(text)
    except ValidationError as problem:
        return [(error["type"], error["loc"], error["msg"]) for error in problem.errors()]


@given(text=st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z") | st.text(min_size=20, max_size=20))
def test_an_instant_is_read_as_pydantic_reads_it(text):
    """The first time and again, and what is wrong with a text that is none is said where it stands."""
    assert read(INSTANT, text) == read(AWARE, text) == read(INSTANT, text)


@pytest.mark.parametrize(
    "text", ["2026-11-22T17:30:00", "2026-11-22T17:30:00+2", "2026-13-22T17:30:00Z", "", "x"]
)
def test_what_is_no_instant_with_a_zone_is_refused(text):
    """A text that looks like one included."""
    with pytest.raises(ValidationError):
        INSTANT.validate_python(text)


def record(terms):
    """A key's record as it is stored."""
    address = {"address": "spot_key.a", "account": "spot_subaccount.a", "process": "process.a"}
    return KeyRecord.model_validate({**address, "terms": terms})


@given(terms=TERMS)
def test_terms_known_by_their_text_are_those_read_field_by_field(terms):
    """Two records with the same text of terms have one object for both, equal to what was stored."""
    text = terms.model_dump_json()
    one, other = record(from_json(text)), record(from_json(text))
    assert one.terms == KeyTerms.model_validate_json(text) == terms
    assert one.terms is other.terms


def test_what_is_wrong_with_terms_is_named_field_by_field():
    """As it would be if nothing were known again."""
    with pytest.raises(ValidationError) as caught:
        record({"api": "spot", "networks": ["192.0.2.1/28"], "more": 1})
    assert sorted(error["loc"] for error in caught.value.errors()) == [
        ("terms", "more"),
        ("terms", "networks", 0),
    ]


def test_what_was_lightened_can_be_changed_as_before():
    """All that were lightened share one empty set, and a copy with a change has its own."""
    at = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
    one = lighten(Observation(address="spot_key.a", presence=Presence.PRESENT, at=at))
    other = lighten(Observation(address="spot_key.b", presence=Presence.ABSENT))
    changed = one.model_copy(update={"detail": "seen"})
    assert (changed.model_fields_set, one.model_fields_set, other.model_fields_set) == (
        {"detail"},
        set(),
        set(),
    )
    assert (changed.detail, one.detail, one.at) == ("seen", "", at)
    snapshot = Snapshot(
        lineage="l", stack="s", environment="e", observed_at=at, observations={one.address: one}
    )
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


def test_what_is_alike_equals_a_copy_with_the_same_changes():
    """A model made after another is what a copy is, and leaves the other as it was."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    one = Observation(address="spot_key.a", presence=Presence.PRESENT, at=at)
    before = one.model_dump_json()
    other = alike(one, address=Address("spot_key.b"), presence=Presence.ABSENT)
    copied = one.model_copy(update={"address": Address("spot_key.b"), "presence": Presence.ABSENT})
    assert other == copied
    assert other.model_dump_json() == copied.model_dump_json()
    assert other.model_dump(exclude_unset=True) == copied.model_dump(exclude_unset=True)
    assert other.model_copy(update={"code": "KS1"}).code == "KS1"
    assert one.model_dump_json() == before
