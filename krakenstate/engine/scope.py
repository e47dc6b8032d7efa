"""``--target`` and ``--exclude``: the part of a stack that one plan speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from krakenstate.engine.outlook import Outlook
from krakenstate.errors import AddressUnknown
from krakenstate.model.address import Address
from krakenstate.model.declarations import DerivativesSubaccount, MasterAccount, SpotSubaccount
from krakenstate.model.entry import Declaration
from krakenstate.model.state import AccountRecord, GrantRecord, KeyRecord
from krakenstate.model.vocabulary import Api


class Scope(NamedTuple):
    """Which addresses a plan is about: those named and what they need, or all but those named.

    Args:
        targets: Only these, and everything they depend on; empty for all.
        excluded: Not these, and nothing that depends on them.
    """

    targets: tuple[Address, ...] = ()
    excluded: tuple[Address, ...] = ()

    def chosen(self, look: Outlook) -> Set[Address]:
        """Every address the plan may have a step for.

        Raises:
            AddressUnknown: A named one is neither declared nor recorded.
        """
        everything = {*look.desired.resources, *(r.address for r in look.state.records)}
        for address in (*self.targets, *self.excluded):
            if address not in everything:
                raise AddressUnknown(
                    f"The stack declares nothing at {address}, and the state records nothing."
                )
        if not self.targets and not self.excluded:
            return everything
        needed = {address: _needs(address, look) for address in everything}
        if self.targets:
            return frozenset().union(*(needed[address] for address in self.targets))
        return frozenset(a for a in everything if not needed[a] & set(self.excluded))


EVERYTHING = Scope()


def _needs(address: Address, look: Outlook) -> frozenset[Address]:
    """An address and all it depends on, directly or not."""
    found: set[Address] = set()
    waiting = [address]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += _refers_to(current, look)
    return frozenset(found)


def _refers_to(address: Address, look: Outlook) -> Iterator[Address]:
    resource = look.desired.resources.get(address)
    if resource is None:
        match look.state.find(address):
            case KeyRecord(account=account):
                yield account
            case AccountRecord(master=Address() as master):
                yield master
            case AccountRecord() | GrantRecord() | None:
                pass
        return
    for value in vars(resource).values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Declaration):
                yield item.address
    if isinstance(resource, SpotSubaccount | DerivativesSubaccount):
        yield from _controllers(resource.master, look)


def _controllers(master: MasterAccount, look: Outlook) -> Iterator[Address]:
    for api in Api:
        controller = look.desired.controller(master, api)
        if controller is not None:
            yield controller.address
