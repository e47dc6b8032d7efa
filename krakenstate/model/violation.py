"""What a desk's own rule yields."""

from typing import Literal

from pydantic import Field

from krakenstate.model.address import Address
from krakenstate.model.base import Model


class Violation(Model):
    """One break of a desk's own rule.

    ``address`` is the declaration or record it is about, if it is about one; ``remedy`` says what to do. An
    error refuses the plan, a warning is told.
    """

    message: str = Field(min_length=1, max_length=1000)
    address: Address | None = None
    remedy: str = Field(default="", max_length=500)
    severity: Literal["error", "warning"] = "error"
