"""Promotion: a Spot key is verified in another stack, on another Kraken, before it is made here."""

from datetime import timedelta

from pydantic import Field

from krakenstate.model.base import Model
from krakenstate.model.declarations import Vault, VaultPath
from krakenstate.model.entry import Name
from krakenstate.model.span import Span


class Promotion(Model):
    """The stack in which Spot keys are verified first, and for how long that counts.

    ``state`` is where its records lie below the same mount; beside this stack's, under the other's name,
    unless given.
    """

    stack: Name
    within: Span = timedelta(days=30)
    state: VaultPath | None = Field(default=None)

    def state_beside(self, vault: Vault) -> str:
        """The path of the other stack's records, for a stack whose own lie in ``vault``."""
        if self.state is not None:
            return self.state
        folder, slash, _ = vault.state.rpartition("/")
        return f"{folder}{slash}{self.stack}"
