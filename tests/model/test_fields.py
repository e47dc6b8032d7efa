"""What a wrong field is answered with, and that no number is taken for a time span."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from krakenstate.errors import KrakenstateError
from krakenstate.model.declarations import Allowlist, MasterAccount, Process, SpotKey
from krakenstate.model.limits import Limits
from krakenstate.model.login import AppRole
from krakenstate.model.promotion import Promotion

DESK = MasterAccount(name="desk", email="ops@desk.example")
PNL = Process(name="pnl", owner="risk")
OFFICE = Allowlist(name="office", networks=["198.51.100.0/28"])


def _said(**fields):
    with pytest.raises(KrakenstateError) as refused:
        SpotKey(**{"name": "pnl", "account": DESK, "process": PNL, **fields})
    return refused.value.message.removeprefix('SpotKey(name="pnl"): ')


@pytest.mark.parametrize("field", ["rotate_every", "rotate_before", "overlap"])
@pytest.mark.parametrize("number", [90, 1.5, True])
def test_a_number_is_no_time_span(field, number):
    """It would be taken for seconds, and a key that shall serve 90 days would be replaced at once."""
    assert _said(**{field: number}).startswith(f"field {field}: {number} has no unit: write timedelta(days=")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Limits(age=90), id="Limits"),
        pytest.param(lambda: Promotion(stack="uat", within=30), id="Promotion"),
    ],
)
def test_nor_anywhere_else_in_a_stack(make):
    """Whatever declares a time span declares its unit."""
    with pytest.raises(ValidationError, match="has no unit"):
        make()
    with pytest.raises(KrakenstateError, match="has no unit"):
        AppRole(token_ttl=3600)


def test_a_time_span_with_its_unit_is_taken():
    """As a timedelta in a stack file, as a text in a rendered one."""
    for given in (timedelta(days=90), "P90D"):
        assert SpotKey(name="pnl", account=DESK, process=PNL, rotate_every=given).rotate_every.days == 90


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"allowlist": "office"}, "field allowlist: takes several values, in brackets: [...]."),
        ({"permissions": "query-funds"}, "field permissions: takes several values, in brackets: [...]."),
        ({"expires": "31.12.2027"}, "field expires: takes a day, such as date(2027, 6, 30)."),
        ({"rotate_every": "soon"}, "field rotate_every: takes a time span, such as timedelta(days=90)."),
        ({"nonce_window": "wide"}, "field nonce_window: takes a whole number."),
        ({"protect": "certainly"}, "field protect: takes True or False."),
        ({"key_name": 7}, "field key_name: takes a text, in quotation marks."),
    ],
)
def test_a_wrong_kind_of_value_is_told_in_a_stacks_words(fields, said):
    """Not in those of the library that found it."""
    assert _said(**fields) == said


def test_what_is_missing_and_what_has_no_name_is_said():
    """A field that was left out by its name, a value without a name by that of what took it."""
    with pytest.raises(KrakenstateError, match=r'MasterAccount\(name="desk"\): field email is missing\.'):
        MasterAccount(name="desk")
    with pytest.raises(TypeError, match="MasterAccount takes its fields by name"):
        MasterAccount("desk")
    assert OFFICE.name == "office"
