"""A key as recorded: what was approved and handed in, which generation is in service, what was said of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.declarations import VaultFields
from krakenstate.model.provenance import Provenance
from krakenstate.model.rotation import ADOPTED_GENERATION, Generation, Rotation
from krakenstate.model.terms import KeyDescription, SharedTerms


class Verdict(StrEnum):
    """What was found when a handed-in key was asked."""

    RECEIVED = "received"
    """In quarantine, not asked yet."""
    DIFFERS = "differs"
    """It answered, and is not as declared."""
    REFUSED = "refused"
    """Authentication failed: it is not asked again by itself."""


class Finding(Model):
    """One attribute in which a key is not as declared.

    ``summary`` says it in a few words (``permissions: add-funds too many``).
    """

    attribute: str
    declared: str
    found: str
    summary: str = ""


class Candidate(Model):
    """A key in quarantine.

    ``again_at`` is set while a key that was created moments ago may be asked a second time, once: Kraken can
    reject a fresh key for some minutes.
    """

    fingerprint: str
    last_four: str
    received_at: Instant
    verdict: Verdict = Verdict.RECEIVED
    findings: tuple[Finding, ...] = ()
    asked_at: Instant | None = None
    fresh: bool = True
    refusal: str = ""
    again_at: Instant | None = None


class Declined(Model):
    """A version in the inbox that is no key. It is left where it is, and not looked at again."""

    version: int
    written_at: str


class Published(Model):
    """A key in service: where its secret lies and which key it is."""

    fingerprint: str
    last_four: str
    path: str
    version: int
    at: Instant


class Removal(StrEnum):
    """The stages of a key's removal."""

    STOPPING = "stopping"
    DELETING = "deleting"


class Adoption(Model):
    """A key that was there before krakenstate: who says so, and what the desk's list of keys said of it.

    ``key_name`` is what it is called at Kraken. ``vault_path`` is where its secret lies below the stack's
    mount, ``fields`` what its halves are called there; krakenstate never writes to it. ``used_by`` are the
    programs that use the key as the list has them: none means that nobody knows, several that they share it.
    ``turned_away`` is the fingerprint of a key that was handed in as this one, and is another.
    All this is kept when the next generation has replaced the key.
    """

    by: str
    at: Instant
    key_name: str | None = None
    vault_path: str | None = None
    fields: VaultFields = VaultFields()
    used_by: tuple[str, ...] = ()
    last_used: date | None = None
    turned_away: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether several programs use the key, so that each overtakes the other's nonces."""
        return len(self.used_by) > 1


class KeyRecord(Model):
    """A key as approved, handed in, published and last described.

    ``declined`` is what lay in its inbox and was no key.

    ``kept_as`` is the address under which its secrets lie in Vault, where that is not its own: the key was
    renamed, and its process goes on reading where it always did. ``rotation`` is the one under way;
    ``revoked`` says why the last generation was revoked without one that replaces it.
    """

    kind: Literal["key"] = "key"
    address: Address
    account: Address
    process: Address
    generation: int = 1
    key_name: str | None = None
    terms: SharedTerms
    candidate: Candidate | None = None
    declined: Declined | None = None
    published: Published | None = None
    description: KeyDescription | None = None
    described_at: Instant | None = None
    provenance: Provenance | None = None
    removal: Removal | None = None
    protect: bool = False
    kept_as: Address | None = None
    adopted: Adoption | None = None
    rotation: Rotation | None = None
    revoked: str = ""

    @property
    def awaits_successor(self) -> bool:
        """Whether a next generation is on its way in."""
        return (
            self.rotation is not None and self.rotation.replaces and self.rotation.stage.is_before_publication
        )

    @property
    def coming(self) -> "KeyRecord":
        """The key on its way in: the next generation while a rotation waits for it, else this one."""
        rotation = self.rotation
        if rotation is None or not self.awaits_successor:
            return self
        return self.model_copy(
            update={
                "generation": rotation.generation,
                "key_name": rotation.key_name,
                "terms": rotation.terms,
                "published": None,
                "description": None,
            }
        )

    @property
    def is_as_adopted(self) -> bool:
        """Whether the key in use is the one that was there before krakenstate, named and placed as it was."""
        return self.adopted is not None and self.generation == ADOPTED_GENERATION and not self.revoked

    @property
    def adopted_at(self) -> datetime | None:
        """When it was recorded that the key in use was there before krakenstate; ``None`` of any other."""
        return self.adopted.at if self.adopted is not None and self.is_as_adopted else None

    @property
    def is_in_use(self) -> bool:
        """Whether its process has a key: one that went into service here, or the adopted one."""
        return self.published is not None or self.is_as_adopted

    @property
    def in_service(self) -> Generation:
        """The generation that its process uses.

        Raises:
            ValueError: None is.
        """
        if not self.is_in_use:
            raise ValueError(f"{self.address} is not in service")
        return Generation(
            number=self.generation,
            key_name=self.key_name,
            fingerprint=self.published.fingerprint if self.published else "",
            last_four=self.published.last_four if self.published else "",
            terms=self.terms,
            networks=self.description.networks if self.description else None,
        )

    @property
    def outgoing(self) -> tuple[Generation, ...]:
        """The generations that are replaced or revoked and not known to be dead, the newest first."""
        return tuple(rotation.old for rotation in self.rotation.chain) if self.rotation else ()

    def leaving(self, old: Generation) -> "KeyRecord":
        """The record as it was for a generation on its way out; what is said of the next one is left out."""
        return self.model_copy(
            update={
                "generation": old.number,
                "key_name": old.key_name,
                "terms": old.terms,
                "candidate": None,
                "published": None,
            }
        )

    @property
    def shelf(self) -> Address:
        """The address its secrets are kept under in Vault."""
        return self.kept_as or self.address
