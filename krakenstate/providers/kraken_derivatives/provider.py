"""Derivatives keys and linked subaccounts: what their API does, and the instructions for the rest."""

from __future__ import annotations

from krakenstate.errors import AnswerUnreadable, NotMaster
from krakenstate.model.credential import Credential
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api
from krakenstate.providers.base import LinkList, Verb, Verbs
from krakenstate.providers.kraken_derivatives.client import DerivativesClient, unknown_switch
from krakenstate.providers.kraken_derivatives.convert import read_check, read_links, read_switch
from krakenstate.providers.kraken_derivatives.instructions import DerivativesInstructions
from krakenstate.transport.client import HttpOrigin

VERBS: dict[str, Verbs] = {
    "derivatives_key": Verbs(observe=Verb.API, create=Verb.MANUAL, update=Verb.MANUAL, delete=Verb.MANUAL),
    "derivatives_subaccount": Verbs(
        observe=Verb.API, create=Verb.MANUAL, update=Verb.API, delete=Verb.MANUAL
    ),
}
"""A link is made and undone by Kraken's support; only its trading switch has an API."""


class DerivativesProvider(DerivativesInstructions):
    """Implements ``KeyProvider``, ``LinkAdministrator`` and ``Greeter``.

    Args:
        http: Bound to the Derivatives origin.
    """

    def __init__(self, http: HttpOrigin) -> None:
        self._client = DerivativesClient(http)

    @property
    def api(self) -> Api:
        """Derivatives."""
        return Api.DERIVATIVES

    @property
    def takes_nonce(self) -> bool:
        """Asked without a ``Nonce`` header, a key in service does not notice."""
        return False

    def greet(self) -> None:
        """Makes sure, by one unsigned call, that the server answers.

        Raises:
            KrakenError: It does not.
        """
        self._client.greet()

    def describe_key(self, credential: Credential, nonce: int | None) -> KeyDescription:
        """Asks the key to describe itself, once.

        Raises:
            AuthenticationFailed: Kraken rejected the credential; never ask again by itself.
            KrakenError: Any other answer, or none.
            ValueError: A nonce was given, and none must be sent.
        """
        if nonce is not None:
            raise ValueError("Derivatives keys are asked without a nonce")
        return read_check(self._client.check_key(credential), credential)

    def list_links(self, credential: Credential) -> LinkList:
        """All linked subaccounts of the master whose key this is: two calls, the key's own check first.

        Raises:
            NotMaster: The list is another account's than the key's.
            KrakenError: The list could not be read.
        """
        caller = self.describe_key(credential, None)
        found = read_links(self._client.subaccounts(credential))
        if found.master_uid != caller.account_uid:
            raise NotMaster(
                f"The key answers for the account {caller.account_uid}, but the list of subaccounts it "
                f"gets is the one of {found.master_uid}."
            )
        return found

    def read_trading(self, credential: Credential, account_uid: str) -> bool:
        """Whether trading is enabled on a linked subaccount.

        Raises:
            ObjectNotFound: The account is not linked to the key's.
            KrakenError: Any other answer, or none.
        """
        return read_switch(self._client.read_trading(credential, account_uid))

    def write_trading(self, credential: Credential, account_uid: str, enabled: bool) -> bool:
        """Switches trading and returns what Kraken then reports.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell; reading shows what became of it.
            KrakenError: It was refused and took no effect, or it was never sent.
        """
        body = self._client.write_trading(credential, account_uid, enabled)
        try:
            return read_switch(body)
        except AnswerUnreadable as problem:
            raise unknown_switch(account_uid, enabled, problem.message) from None
