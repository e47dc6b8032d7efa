"""Controllers, and the trading switch of a linked Derivatives subaccount."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from krakenstate.engine.observe import subject_of
from krakenstate.engine.session import Writing
from krakenstate.errors import NotInService, SecretDisappeared
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import DerivativesSubaccount, Key, MasterAccount
from krakenstate.model.run import CallKind
from krakenstate.model.vocabulary import Api, SignedCall


def controller_of(run: Writing, master: MasterAccount, api: Api) -> tuple[Key, Credential]:
    """The key that controls a master, with its secret.

    Raises:
        NotInService: None is declared, or it is not in service.
        SecretDisappeared: Its secret is not at its place.
    """
    controller = run.session.desired.controller(master, api)
    record = run.state.key(controller.address) if controller else None
    if controller is None or record is None or record.published is None:
        raise NotInService(
            f"No {api.value} controller of {master.address} is in service, so nothing was sent.",
            address=master.address,
        )
    credential = run.session.custody.read_published(run.session.shelf(record))
    if credential is None:
        raise SecretDisappeared(
            f"The secret of {controller.address} is not at its place, so nothing was sent.",
            address=controller.address,
            source=controller.source,
        )
    return controller, credential


def switch_trading(
    run: Writing,
    account: DerivativesSubaccount,
    uid: str,
    wanted: bool,
    *,
    because: Mapping[str, JsonValue] | None = None,
    urgent: bool = False,
) -> bool:
    """One call that switches trading, recorded; what Kraken then reports.

    Args:
        run: Holds the lock.
        account: The linked subaccount.
        uid: Its account id.
        wanted: On or off.
        because: What else the journal shall say.
        urgent: Past the breaker of the master's account.

    Raises:
        KrakenError: It was refused, or nobody knows what became of it.
    """
    controller, credential = controller_of(run, account.master, Api.DERIVATIVES)
    record = run.state.key(controller.address)
    session, links = run.session, run.session.providers.links
    became = run.write(
        CallKind.SET_TRADING,
        account.address,
        {"account_uid": uid, "enabled": wanted, **(because or {})},
        lambda: session.asker.call(
            subject_of(controller, record),
            credential,
            lambda: links.write_trading(credential, uid, wanted),
            kind=SignedCall.WRITE_TRADING,
            urgent=urgent,
        ),
    )
    known = run.state.account(account.address)
    if known is not None:
        run.state.put(known.model_copy(update={"trading_enabled": became}))
    return became
