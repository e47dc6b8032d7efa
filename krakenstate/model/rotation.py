"""A rotation: one object that lives through several runs, one safe stage each.

``requested -> received -> verified -> published -> adopted -> draining -> revoked -> proven``. The old
generation stays in service until the new one is published, and stays listed until it is proven dead.
"""

from enum import StrEnum

from krakenstate.model.base import Instant, Model
from krakenstate.model.network import Network
from krakenstate.model.provenance import Provenance
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import MOVES_FUNDS, Access, Api

ADOPTED_GENERATION = 0
"""Of a key that was there before krakenstate."""


class Stage(StrEnum):
    """How far a rotation has come."""

    REQUESTED = "requested"
    RECEIVED = "received"
    VERIFIED = "verified"
    """As declared, about to be published; not asked again whatever stops the run."""
    PUBLISHED = "published"
    """The new generation is at the process's path, the old one's secret in ``retired``."""
    ADOPTED = "adopted"
    """The process uses the new generation; the overlap counts from here."""
    DRAINING = "draining"
    """The old generation lives through the overlap, and is then deleted by a person."""
    REVOKED = "revoked"
    """Somebody said that the old generation is deleted; not yet proven."""
    PROVEN = "proven"
    """The old generation is dead; its secret is about to leave Vault, and the rotation ends."""

    @property
    def is_before_publication(self) -> bool:
        """Whether the old generation is still the one in service."""
        return self in {Stage.REQUESTED, Stage.RECEIVED, Stage.VERIFIED}


class Generation(Model):
    """One generation of a key, on its way out.

    ``networks`` is the allowlist it was last seen with, ``None`` if it never described itself. Both
    ``fingerprint`` and ``last_four`` are empty of an adopted one whose secret nobody showed.
    """

    number: int
    key_name: str | None
    fingerprint: str
    last_four: str
    terms: KeyTerms
    networks: tuple[Network, ...] | None = None

    @property
    def subject(self) -> str:
        """What a task about it is kept under: its fingerprint, or its number where that is not known."""
        return self.fingerprint or f"generation {self.number}"

    @property
    def named(self) -> str:
        """The generation in a few words: its number and how it ends, if that is known."""
        return f"generation {self.number}{f' (...{self.last_four})' if self.last_four else ''}"


class Checked(Model):
    """What the new generation said when it was compared, kept until it is published."""

    fingerprint: str
    description: KeyDescription
    at: Instant
    provenance: Provenance


class Rotation(Model):
    """A rotation as recorded.

    ``reason`` is the plan's word or ``by_hand``; ``because`` what a person said. ``generation`` is the new
    one, made as ``terms`` say. An ``urgent`` one was ordered by ``key rotate --now``: it waits neither for
    adoption nor for the overlap. Without ``replaces`` (``key revoke``) nothing comes in the old one's place.
    ``proof_at`` is when the old key was last asked; ``retired`` whether its secret was put aside;
    ``revoked_task`` the one in which somebody said that it is deleted. ``before`` is the rotation whose old
    generation was not dead yet when a leak interrupted it; it goes on when this one has ended.
    """

    stage: Stage = Stage.REQUESTED
    reason: str
    because: str = ""
    by: str = ""
    at: Instant
    generation: int
    key_name: str | None
    terms: KeyTerms
    old: Generation
    urgent: bool = False
    replaces: bool = True
    checked: Checked | None = None
    retired: bool = False
    published_at: Instant | None = None
    adopted_at: Instant | None = None
    adopted_by: Provenance | None = None
    revoked_at: Instant | None = None
    revoked_task: str = ""
    proof_at: Instant | None = None
    before: "Rotation | None" = None

    @property
    def chain(self) -> "tuple[Rotation, ...]":
        """This rotation, and those it interrupted, the newest first."""
        return (self, *(self.before.chain if self.before else ()))


def can_move_funds(terms: KeyTerms) -> bool:
    """Whether a key made so could move funds out; one whose rights are not managed might."""
    if terms.api is Api.SPOT:
        return terms.permissions is None or bool(set(terms.permissions) & MOVES_FUNDS)
    return terms.transfer is None or terms.transfer is Access.FULL_ACCESS
