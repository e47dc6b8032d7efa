"""The head of the state: what it belongs to, which documents it pins, and which plans were applied."""

from pydantic import Field

from krakenstate.model.base import Instant, Model

FORMAT_VERSION = 3
"""Of index and documents; ``store/vault/formats.py`` says what each is."""


class Pin(Model):
    """Which version of a document the index speaks of, and the SHA-256 of its canonical JSON."""

    version: int
    digest: str


class Index(Model):
    """The head of the state. Written last, with check-and-set.

    ``applied_digests`` tells of each applied plan the serial under which it was applied last.
    """

    format_version: int = FORMAT_VERSION
    krakenstate_version: str
    lineage: str
    serial: int
    stack: str
    environment: str
    spot_origin: str
    futures_origin: str
    created_at: Instant
    written_at: Instant
    documents: dict[str, Pin] = Field(default_factory=dict)
    applied_digests: dict[str, int] = Field(default_factory=dict)
