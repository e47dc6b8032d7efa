"""What verifies a Spot key that is promoted: a key of the other stack, alike, that said so of itself.

Which keys count as the same: two configurations are equal when their permissions and nonce windows are, and
both or neither have an allowlist and an expiry. Networks, days, names and periods of rotation are each
environment's own, so they are not compared. Kraken promises no test environment for Derivatives, so only
Spot keys are promoted.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from krakenstate.model.address import Address
from krakenstate.model.base import Model
from krakenstate.model.provenance import Provenance
from krakenstate.model.terms import KeyTerms


class Configuration(Model):
    """What two keys have in common when one can stand for the other in another environment.

    ``restricted`` says whether an allowlist is declared (``None``: not managed), ``expires`` whether the key
    ends on a day.
    """

    permissions: tuple[str, ...] | None
    restricted: bool | None
    expires: bool
    nonce_window: int | None

    @classmethod
    def of(cls, terms: KeyTerms) -> "Configuration":
        """That of a Spot key's terms."""
        return cls(
            permissions=terms.permissions,
            restricted=None if terms.networks is None else bool(terms.networks),
            expires=terms.expires is not None,
            nonce_window=terms.nonce_window,
        )

    def differences(self, other: "Configuration") -> Iterator[str]:
        """In what another one differs, in a few words each."""
        if self.permissions != other.permissions:
            yield "permissions"
        if self.restricted is not other.restricted:
            yield "whether there is an allowlist"
        if self.expires is not other.expires:
            yield "whether it expires"
        if self.nonce_window != other.nonce_window:
            yield "nonce window"


class Proof(NamedTuple):
    """A key of the other stack that said of itself that it has a configuration, and when."""

    address: Address
    at: datetime
    provenance: Provenance


class Promoted(NamedTuple):
    """A Spot key whose configuration is new or changed here, and what the other stack has to say of it.

    Args:
        address: Of the key here.
        stack: The other stack.
        proof: The newest one in time; ``None`` if there is none.
        why_not: Why there is none, in half a sentence.
        unread: The code of the failure, where the other stack's records could not be read.
    """

    address: Address
    stack: str
    proof: Proof | None = None
    why_not: str = ""
    unread: str = ""
