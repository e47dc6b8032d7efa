"""The snapshot: what observing found, redacted, with the provenance of every attribute."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model, lighten
from krakenstate.model.network import Network
from krakenstate.model.provenance import Fact, Missing, Provenance
from krakenstate.model.report import Report
from krakenstate.model.terms import KeyDescription

FORMAT_VERSION = "1.0"


class Presence(StrEnum):
    """Whether an object is there. A failed read is ``UNKNOWN``, never ``ABSENT``."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Observation(Model):
    """What is known of one resource now.

    ``missing`` is set exactly when ``presence`` is unknown. ``facts`` hold the attributes of accounts,
    ``description`` those of a key that was asked in this observation, ``report`` what was left in Vault of
    one that was not. ``provenance`` and ``at`` tell how and when the newest of what is known of it came to
    be, whether or not it was asked now.
    """

    address: Address
    presence: Presence
    missing: Missing | None = None
    detail: str = ""
    code: str = ""
    facts: dict[str, Fact] = Field(default_factory=dict)
    description: KeyDescription | None = None
    report: Report | None = None
    provenance: Provenance | None = None
    at: Instant | None = None


class Place(StrEnum):
    """Where a secret on its way in lies."""

    INBOX = "inbox"
    QUARANTINE = "quarantine"


class Arrival(Model):
    """A secret that waits in the inbox or in quarantine, known by its metadata alone.

    ``written_at`` tells versions of the same number apart; ``path`` is its mount and path.
    """

    address: Address
    place: Place
    version: int
    fingerprint: str | None = None
    written_at: str = ""
    path: str = ""


class Snapshot(Model):
    """One observation of a stack; ``strays`` are the inbox's paths where no key of the stack is handed in.

    Each observation is lightened when it was read, not all of them at the end: 15 MiB less for 10,000 keys.
    """

    format_version: str = FORMAT_VERSION
    lineage: str
    stack: str
    environment: str
    site: str | None = None
    site_networks: tuple[Network, ...] = ()
    observed_at: Instant
    clock_offset_ms: int | None = None
    observations: dict[Address, Annotated[Observation, AfterValidator(lighten)]] = Field(default_factory=dict)
    arrivals: tuple[Arrival, ...] = ()
    strays: tuple[str, ...] = ()

    def of(self, address: str) -> Observation:
        """What is known of an address; not asked when nothing was noted."""
        known: Mapping[str, Observation] = self.observations  # type: ignore[assignment]  # an address is a text
        found = known.get(address)
        if found is not None:
            return found
        return Observation(address=Address(address), presence=Presence.UNKNOWN, missing=Missing.NOT_ASKED)

    @property
    def unreadable(self) -> list[Observation]:
        """What was asked and could not be read."""
        return [
            o
            for o in self.observations.values()
            if o.missing is Missing.UNREADABLE
            or any(f.missing is Missing.UNREADABLE for f in o.facts.values())
        ]
