"""Addresses and networks, as allowlists use them."""

import ipaddress
from collections.abc import Iterable

from krakenstate.sim.errors import DevError


def is_admitted(egress: str, allowlist: Iterable[str]) -> bool:
    """Whether a call from `egress` may use a key with this allowlist; an empty one admits everybody."""
    networks = [ipaddress.ip_network(entry) for entry in allowlist]
    return not networks or any(ipaddress.ip_address(egress) in network for network in networks)


def checked_networks(entries: Iterable[str]) -> list[str]:
    """The entries as typed, each a real address or network.

    Raises:
        DevError: one of them is not.
    """
    checked = []
    for entry in entries:
        try:
            ipaddress.ip_network(entry.strip())
        except ValueError as problem:
            raise DevError(
                f"{entry!r} is no address and no network",
                "Give an address as 203.0.113.7 or a network as 203.0.113.0/28.",
            ) from problem
        checked.append(entry.strip())
    return checked


def as_blocks(entries: Iterable[str]) -> list[str]:
    """The entries as CIDR blocks: a single address becomes /32 or /128."""
    return [str(ipaddress.ip_network(entry)) for entry in checked_networks(entries)]


def checked_address(text: str) -> str:
    """One address, in its usual form.

    Raises:
        DevError: it is none.
    """
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as problem:
        raise DevError(f"{text!r} is no address", "Give one address, such as 192.0.2.10.") from problem
