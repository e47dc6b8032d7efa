"""What a stack sets for itself: how old keys may grow, and how much one plan may change."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from krakenstate.model.base import Model
from krakenstate.model.span import Span

Percent = Annotated[int, Field(ge=0, le=100)]


class Limits(Model):
    """How long a key may serve: between two rotations, and from today to its expiry."""

    age: Span = timedelta(days=366)
    lifetime: Span = timedelta(days=366)


class Thresholds(Model):
    """How much of what exists one plan may change, in percent of the objects of a type.

    They hold for types with at least ``existing`` objects.
    """

    updates: Percent = 30
    destroys: Percent = 30
    existing: int = Field(default=10, ge=1)
