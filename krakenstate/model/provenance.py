"""How something is known, or why it is not."""

from enum import StrEnum

from pydantic import JsonValue

from krakenstate.model.base import Instant, Model


class Provenance(StrEnum):
    """How a value came to be known."""

    OBSERVED = "observed"
    """An API said so to this program."""
    REPORTED = "reported"
    """An API said so where the process runs, and the report was left in Vault."""
    ATTESTED = "attested"
    """A person said so, with a name and an instant."""
    RECORDED = "recorded"
    """This program did it or saw it earlier."""


class Missing(StrEnum):
    """Why a value is not known. None of them means that the object is absent."""

    NOT_ASKED = "not_asked"
    PENDING = "pending"
    UNREADABLE = "unreadable"


class Fact(Model):
    """One attribute's value with its provenance and instant, or the reason why there is none."""

    value: JsonValue = None
    provenance: Provenance | None = None
    at: Instant | None = None
    missing: Missing | None = None
    detail: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is a value, ``None`` and empty lists included."""
        return self.provenance is not None
