"""Time spans as a stack gives them."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator


def _with_unit(value: object) -> object:
    """A number alone would be taken for seconds, and ``rotate_every=90`` would replace a key at once."""
    if isinstance(value, int | float):
        raise ValueError(f"{value} has no unit: write timedelta(days={value}), or hours=, minutes=, seconds=")
    return value


def _lasting(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a time span must be longer than nothing")
    return value


Span = Annotated[timedelta, BeforeValidator(_with_unit), AfterValidator(_lasting)]
"""Longer than nothing, and with its unit: a ``timedelta``, or in a rendered stack a text like ``P90D``."""
