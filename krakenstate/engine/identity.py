"""Whose key is it? The account a key answers for must be the declared one."""

from __future__ import annotations

from krakenstate.model.declarations import Account, DerivativesSubaccount
from krakenstate.model.desired import Desired
from krakenstate.model.identity import mask_tail
from krakenstate.model.state import AccountRecord, State
from krakenstate.model.terms import KeyDescription


def misplacement(description: KeyDescription, account: Account, desired: Desired, state: State) -> str:
    """Why a key does not belong to the declared account, in a sentence; empty if nothing speaks against it.

    An account's IIBAN is the declared one, or the one pinned when its first key was accepted. While it is
    neither, the key's IIBAN must at least not be any other account's.
    """
    record = state.account(account.address)
    uid = record.account_uid if record else None
    if uid and description.account_uid and uid != description.account_uid:
        whose = _owner_of_uid(description.account_uid, state) or "another account"
        return f"The key answers for {whose}; {account.address} has another account id."
    found = description.iiban
    if found is None:
        return ""
    expected = known_iiban(account, state)
    if expected is not None:
        if expected == found:
            return ""
        theirs = _owner_of_iiban(found, account, desired, state)
        whose = f", which is {theirs}'s" if theirs else ""
        return (
            f"The key answers for the IIBAN ending in {mask_tail(found)}{whose}; {account.address} is pinned "
            f"to one ending in {mask_tail(expected)}."
        )
    owner = _owner_of_iiban(found, account, desired, state)
    if owner:
        return (
            f"The key answers for the IIBAN ending in {mask_tail(found)}, which is {owner}'s and not "
            f"{account.address}'s."
        )
    return ""


def known_iiban(account: Account, state: State) -> str | None:
    """The declared IIBAN, else the pinned one, else that of the same account's other declaration."""
    declared: str | None = getattr(account, "iiban", None)
    if declared:
        return declared
    record = state.account(account.address)
    if record and record.iiban:
        return record.iiban
    if isinstance(account, DerivativesSubaccount) and account.same_as:
        return known_iiban(account.same_as, state)
    return None


def _owner_of_iiban(iiban: str, asked: Account, desired: Desired, state: State) -> str | None:
    same = {asked.address}
    if isinstance(asked, DerivativesSubaccount) and asked.same_as:
        same.add(asked.same_as.address)
    same |= {a.address for a in desired.of(DerivativesSubaccount) if a.same_as is asked}
    for account in desired.accounts():
        if account.address not in same and known_iiban(account, state) == iiban:
            return str(account.address)
    for record in state.records:
        if isinstance(record, AccountRecord) and record.address not in same and record.iiban == iiban:
            return str(record.address)
    return None


def _owner_of_uid(uid: str, state: State) -> str | None:
    for record in state.records:
        if isinstance(record, AccountRecord) and record.account_uid == uid:
            return str(record.address)
    return None
