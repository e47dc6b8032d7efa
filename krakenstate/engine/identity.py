"""Whose key is it? The account a key answers for must be the declared one."""

from __future__ import annotations

from typing import NamedTuple

from krakenstate.model.address import Address
from krakenstate.model.declarations import Account, DerivativesSubaccount
from krakenstate.model.desired import Desired
from krakenstate.model.identity import mask_tail
from krakenstate.model.state import AccountRecord, KeyRecord, State
from krakenstate.model.terms import KeyDescription


class Misplaced(NamedTuple):
    """A key on an account where nobody wanted it.

    ``owner`` is the declared or recorded account it answers for, if it is one of them.
    """

    text: str
    owner: Address | None
    iiban: str | None


def misplacement(
    description: KeyDescription, account: Account, desired: Desired, state: State
) -> Misplaced | None:
    """Why a key does not belong to the declared account; ``None`` if nothing speaks against it.

    An account's IIBAN is the declared one, or the one pinned when its first key was accepted. While it is
    neither, the key's IIBAN must at least not be any other account's.
    """
    record = state.account(account.address)
    uid, found = (record.account_uid if record else None), description.iiban
    owner = _owner_of_iiban(found, account, desired, state) if found else None
    if uid and description.account_uid and uid != description.account_uid:
        owner = owner or _owner_of_uid(description.account_uid, state)
        text = f"The key answers for {owner or 'another account'}; {account.address} has another account id."
        return Misplaced(text, owner, found)
    if found is None:
        return None
    expected = known_iiban(account, state)
    if expected == found or (expected is None and owner is None):
        return None
    whose = f", which is {owner}'s" if owner else ""
    declared = f"is pinned to one ending in {mask_tail(expected)}" if expected else "is another account"
    text = f"The key answers for the IIBAN ending in {mask_tail(found)}{whose}; {account.address} {declared}."
    return Misplaced(text, owner, found)


def held_elsewhere(state: State, address: Address, fingerprint: str) -> KeyRecord | None:
    """The record of another key that this very key serves or has just served, or else waits for."""
    others = _others(state, address)
    waits = (r for r in others if r.candidate and r.candidate.fingerprint == fingerprint)
    return next((r for r in others if _serves(r, fingerprint)), None) or next(waits, None)


def why_not_taken(state: State, address: Address, fingerprint: str) -> str:
    """Why a key is not taken for an address, whatever it would answer; empty if it may be asked.

    It serves or has just served another process; or it is the very one that is to be replaced.
    """
    own = state.key(address)
    if own is not None and any(old.fingerprint == fingerprint for old in own.outgoing):
        return "the key is the one that is to be replaced"
    if own is not None and own.adopted is not None and own.adopted.turned_away == fingerprint:
        return "the key was handed in as the adopted one and is another, which may be in use"
    other = next((r for r in _others(state, address) if _serves(r, fingerprint)), None)
    return f"the key is in service for {other.address}, and two processes never share one" if other else ""


def _others(state: State, address: Address) -> list[KeyRecord]:
    return [r for r in state.records if isinstance(r, KeyRecord) and r.address != address]


def _serves(record: KeyRecord, fingerprint: str) -> bool:
    """Whether this key is in service for a record, or is on its way out of service."""
    known = [record.published.fingerprint] if record.published else []
    return fingerprint in {*known, *(old.fingerprint for old in record.outgoing)}


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


def _owner_of_iiban(iiban: str, asked: Account, desired: Desired, state: State) -> Address | None:
    same = {asked.address}
    if isinstance(asked, DerivativesSubaccount) and asked.same_as:
        same.add(asked.same_as.address)
    same |= {a.address for a in desired.of(DerivativesSubaccount) if a.same_as is asked}
    for account in desired.of(Account):
        if account.address not in same and known_iiban(account, state) == iiban:
            return account.address
    for record in state.records:
        if isinstance(record, AccountRecord) and record.address not in same and record.iiban == iiban:
            return record.address
    return None


def _owner_of_uid(uid: str, state: State) -> Address | None:
    for record in state.records:
        if isinstance(record, AccountRecord) and record.account_uid == uid:
            return record.address
    return None
