"""Addresses: ``type.name`` and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from krakenstate.errors import AddressUnknown
from krakenstate.model.address import Address


def test_an_address_knows_its_halves():
    """Type and name are what stands before and after the first point."""
    address = Address("spot_key.mm-quoter_2")
    assert (address.type, address.name) == ("spot_key", "mm-quoter_2")
    assert address == "spot_key.mm-quoter_2" == Address.of("spot_key", "mm-quoter_2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spot_key",
        "spot_key.",
        ".pnl",
        "spot_key.Pnl",
        "Spot_key.pnl",
        "spot_key.1pnl",
        "spot_key.a.b",
        "spot-key.pnl",
        "spot_key.p nl",
        "spot_key.pnl\n",
        "spot_key.p/nl",
        "spot_key.pñl",
        "spot_key." + "a" * 64,
    ],
)
def test_another_form_is_refused(text):
    """Nothing that could lead elsewhere in a path, a shell or a list is an address."""
    with pytest.raises(AddressUnknown):
        Address(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Address).validate_python(text)


@given(
    st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9_-]{0,62}", fullmatch=True),
)
def test_every_type_and_name_survives_json(type_, name):
    """An address is a text in JSON and itself again when read."""
    adapter = TypeAdapter(Address)
    address = Address.of(type_, name)
    read = adapter.validate_json(adapter.dump_json(address))
    assert (read, type(read), read.type, read.name) == (address, Address, type_, name)
