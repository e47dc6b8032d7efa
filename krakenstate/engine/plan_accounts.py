"""Planning accounts: created by API, asked for by ticket, or simply there."""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_adopted import plan_adopted_account
from krakenstate.engine.reach import sites_of
from krakenstate.engine.steps import additions, by_api, held_up, in_sync, manual, settlement, unread, waiting
from krakenstate.errors import AttributeFixed
from krakenstate.model.declarations import (
    Account,
    DerivativesSubaccount,
    Key,
    MasterAccount,
    SpotSubaccount,
)
from krakenstate.model.plan import Action, AttributeChange, Reason, Step
from krakenstate.model.provenance import Missing
from krakenstate.model.snapshot import Observation, Presence
from krakenstate.model.state import AccountRecord, AccountStatus
from krakenstate.model.task import TaskKind
from krakenstate.model.vocabulary import Api
from krakenstate.providers.base import Verb


def plan_account(account: Account, look: Outlook) -> Step:
    """The one thing to do about a declared account now.

    Raises:
        AttributeFixed: What cannot change on an existing account was changed in the stack.
    """
    record = look.state.account(account.address)
    if record is not None:
        _check_fixed(account, record)
    adoption = None if isinstance(account, MasterAccount) else plan_adopted_account(account, record, look)
    if adoption is not None:
        return adoption
    if isinstance(account, SpotSubaccount):
        return _plan_spot(account, record, look)
    if isinstance(account, DerivativesSubaccount):
        return _plan_derivatives(account, record, look)
    return in_sync(account.address, f'account "{account.name}"')


def plan_removed_account(record: AccountRecord, look: Outlook) -> Step:
    """Letting go of an account the stack no longer declares; only after its keys."""
    label = f'account "{record.username or record.address.name}"'
    keys = tuple(str(key.address) for key in look.state.keys_on(record.address))
    if keys:
        return held_up(record.address, label, "an account leaves the state after its keys", waits_on=keys)
    question = look.open_task(record.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None:
        return waiting(record.address, question, label)
    note = "nothing at Kraken changes; no API closes an account"
    if record.address.type == DerivativesSubaccount.type_name:
        note = "nothing at Kraken changes; applying prints the text for a support request to unlink it"
    return by_api(
        record.address,
        Action.FORGET,
        Reason.REMOVED_FROM_STACK,
        label,
        note=note,
        before=_recorded(record),
    )


def _plan_spot(account: SpotSubaccount, record: AccountRecord | None, look: Outlook) -> Step:
    label = f'Spot subaccount "{account.username}" of {account.master.name}'
    if record is not None and record.status is AccountStatus.EXISTS:
        return in_sync(account.address, label)
    edited = record is not None and (record.username, record.email) != (account.username, account.email)
    for kind in (TaskKind.SETTLE_UNKNOWN, TaskKind.REQUEST_SPOT_SUBACCOUNT):
        task = look.open_task(account.address, kind)
        if task is not None and not (edited and kind is TaskKind.REQUEST_SPOT_SUBACCOUNT):
            return waiting(account.address, task, label)
    if record is not None and record.status is AccountStatus.UNKNOWN:
        return Step(
            address=account.address,
            action=Action.UNKNOWN,
            reason=Reason.OUTCOME_UNKNOWN,
            label=label,
            note="it was asked for and may exist; it is never asked for again by itself",
            missing=Missing.NOT_ASKED,
        )
    after: dict[str, JsonValue] = {
        "master": str(account.master.address),
        "username": account.username,
        "email": account.email,
    }
    creator = look.verbs[account.type_name].create
    if creator is not Verb.API or not account.master.spot_subaccounts:
        return manual(
            account.address,
            TaskKind.REQUEST_SPOT_SUBACCOUNT,
            Reason.DECLARATION_CHANGED if edited else Reason.NOT_FOUND,
            label,
            note="the master is not entitled to create subaccounts by API",
            assignee=_administrator(account.master, look),
            after=after,
            changes=additions(after),
        )
    controller = look.desired.controller(account.master, Api.SPOT)
    hindrance = _hindrance(controller, look)
    if hindrance:
        waits_on = (str(controller.address),) if controller else ()
        return held_up(account.address, label, hindrance, waits_on=waits_on, after=after)
    return by_api(
        account.address,
        Action.CREATE,
        Reason.NOT_FOUND,
        label,
        note="sent once; then the owner of the e-mail finishes its set-up",
        after=after,
        changes=(*additions(after), AttributeChange(name="iiban", after=None)),
        after_unknown=("iiban",),
    )


def _plan_derivatives(account: DerivativesSubaccount, record: AccountRecord | None, look: Outlook) -> Step:
    label = f'Derivatives subaccount "{account.email}" of {account.master.name}'
    observation = look.snapshot.of(account.address)
    task = look.open_task(account.address, TaskKind.LINK_DERIVATIVES)
    linked = record is not None and record.status is AccountStatus.EXISTS
    question = look.open_task(account.address, TaskKind.SETTLE_UNKNOWN)
    if question is not None and observation.presence is not Presence.PRESENT:
        return waiting(account.address, question, label)
    task = task or question
    if record is not None and not linked and record.email != account.email:
        return _link(account, label, look, Reason.DECLARATION_CHANGED)
    if observation.presence is Presence.PRESENT and (task is not None or not linked):
        return settlement(account.address, Action.CLOSE, label, "the link is there", task=task)
    if task is not None:
        return waiting(account.address, task, label)
    if observation.missing is Missing.UNREADABLE:
        return unread(account.address, observation, label)
    if not linked or observation.presence is Presence.ABSENT:
        return _link(account, label, look, Reason.NOT_FOUND)
    return _trading(account, record, observation, label)


def _link(account: DerivativesSubaccount, label: str, look: Outlook, reason: Reason) -> Step:
    after: dict[str, JsonValue] = {"master": str(account.master.address), "email": account.email}
    if account.trading_enabled is not None:
        after["trading_enabled"] = account.trading_enabled
    return manual(
        account.address,
        TaskKind.LINK_DERIVATIVES,
        reason,
        label,
        note="links are made by Kraken's support; verified by the master's list of subaccounts",
        assignee=_administrator(account.master, look),
        after=after,
        changes=additions(after),
        after_unknown=("account_uid",),
    )


def _trading(
    account: DerivativesSubaccount, record: AccountRecord | None, observation: Observation, label: str
) -> Step:
    fact, wanted = observation.facts.get("trading_enabled"), account.trading_enabled
    if wanted is None or fact is None:
        return in_sync(account.address, label)
    if not fact.is_known:
        return unread(account.address, observation, label)
    if fact.value == wanted:
        if record is not None and record.trading_enabled != wanted:
            note = "trading_enabled is as declared; what is recorded of it is not"
            return settlement(account.address, Action.CLOSE, label, note)
        return in_sync(account.address, label)
    note = "" if wanted else "stops trading on this account"
    same: dict[str, JsonValue] = {"master": str(account.master.address), "email": account.email}
    return by_api(
        account.address,
        Action.UPDATE,
        Reason.ATTRIBUTES_DIFFER,
        label,
        before={**same, "trading_enabled": fact.value},
        after={**same, "trading_enabled": wanted},
        changes=[AttributeChange(name="trading_enabled", before=fact.value, after=wanted, note=note)],
    )


def _hindrance(controller: Key | None, look: Outlook) -> str:
    """Why a Spot controller cannot be used now, or nothing."""
    if controller is None:
        return "no Spot key with controls= is declared on the master"
    record = look.state.key(controller.address)
    if record is None or record.published is None:
        return "waits for the controller key to be in service"
    if not look.site_admits(controller):
        sites = " or ".join(f"--site {name}" for name in sites_of(controller))
        return f"waits for a run from {sites}" if sites else "waits for a run from a site that may use it"
    return ""


def _administrator(master: MasterAccount, look: Outlook) -> str:
    """Who acts on a master account: the owner of the process that controls it."""
    for api in (Api.SPOT, Api.DERIVATIVES):
        controller = look.desired.controller(master, api)
        if controller is not None:
            return controller.process.owner
    return "account owner"


def _recorded(record: AccountRecord) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {"email": record.email}
    if record.username:
        values["username"] = record.username
    return values


def _check_fixed(account: Account, record: AccountRecord) -> None:
    """No API renames an account; changing what names it in a stack would speak of another one."""
    if record.status is not AccountStatus.EXISTS:
        return
    declared: dict[str, str | None] = {}
    if isinstance(account, SpotSubaccount):
        declared["username"] = account.username
    if isinstance(account, SpotSubaccount | DerivativesSubaccount):
        declared["email"] = account.email
        declared["master"] = str(account.master.address)
    iiban = getattr(account, "iiban", None)
    if iiban and record.iiban:
        declared["iiban"] = iiban
    for name, value in declared.items():
        recorded = getattr(record, name)
        if recorded is not None and str(recorded) != value:
            raise AttributeFixed(
                f"{account.address} is recorded with another {name}. No API changes it on an existing "
                "account, so the declaration would speak of a different one.",
                address=account.address,
                source=account.source,
            )
