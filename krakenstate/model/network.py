"""Networks: what an allowlist holds, compared as networks and never as text."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class HostBits(ValueError):
    """The address part of a network is not its first address."""


def parse_network(text: object) -> IPNetwork:
    """A network from Kraken's or a person's notation; a single address is a network of one.

    Raises:
        HostBits: Host bits are set, so it is unclear what was meant.
        ValueError: It is no address or network.
    """
    if isinstance(text, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return text
    if not isinstance(text, str):
        raise ValueError("a network is a text like 203.0.113.7 or 2001:db8::/64")
    return _network(text.strip())


@lru_cache(4096)  # thousands of keys share a few allowlists, and a parse costs 25 us
def _network(cleaned: str) -> IPNetwork:
    try:
        return _read(cleaned)
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(cleaned, strict=False)
    except ValueError:
        raise ValueError(f'"{cleaned[:60]}" is not an IPv4 or IPv6 address or network') from None
    address = cleaned.partition("/")[0]
    raise HostBits(
        f'"{cleaned}" has host bits set: write {network} for the range, or {address} for one address'
    )


@lru_cache(maxsize=1024)
def _read(text: str) -> IPNetwork:
    """A desk has few networks and names them with each key, so most have been read before."""
    return ipaddress.ip_network(text)


Network = Annotated[
    IPNetwork,
    BeforeValidator(parse_network),
    PlainSerializer(str, return_type=str),
]


def sort_networks(networks: Iterable[IPNetwork]) -> tuple[IPNetwork, ...]:
    """Without repeats, IPv4 first, then by address and size."""
    unique = set(networks)
    return tuple(sorted(unique, key=lambda n: (n.version, int(n.network_address), n.prefixlen)))


_READABLE = 2**32


def collapse(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    """The fewest networks that admit the same addresses, IPv4 first."""
    listed = list(networks)
    v4 = [n for n in listed if isinstance(n, ipaddress.IPv4Network)]
    v6 = [n for n in listed if isinstance(n, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6)]


def covers(outer: Iterable[IPNetwork], inner: Iterable[IPNetwork]) -> bool:
    """Whether every address of ``inner`` is in ``outer``; an empty ``inner`` is covered by anything."""
    return _covers(tuple(outer), tuple(inner))


@lru_cache(maxsize=1024)
def _covers(outer: tuple[IPNetwork, ...], inner: tuple[IPNetwork, ...]) -> bool:
    """The same few lists are compared key after key."""
    wide = collapse(outer)
    return all(
        any(n.version == w.version and n.subnet_of(w) for w in wide)  # type: ignore[arg-type]  # same version
        for n in collapse(inner)
    )


def same_addresses(one: Iterable[IPNetwork], other: Iterable[IPNetwork]) -> bool:
    """Whether two lists admit exactly the same addresses, however they are written."""
    one, other = tuple(one), tuple(other)
    return one == other or collapse(one) == collapse(other)


def count_addresses(networks: Iterable[IPNetwork]) -> int:
    """How many addresses are admitted, overlaps counted once."""
    return sum(n.num_addresses for n in collapse(networks))


def shown_size(networks: Iterable[IPNetwork]) -> str:
    """How many addresses an allowlist admits, in digits that can be read; ``every`` for an empty one."""
    listed = list(networks)
    return shown_number(count_addresses(listed)) if listed else "every"


def shown_number(addresses: int) -> str:
    """A number of addresses in digits that can be read."""
    return str(addresses) if addresses <= _READABLE else f"about 2^{addresses.bit_length() - 1}"


def admits(allowlist: Iterable[IPNetwork] | None, site: Iterable[IPNetwork] | None) -> bool:
    """Whether a key with this allowlist may be asked from this site.

    Args:
        allowlist: ``None`` when it is not known, which admits nobody; empty when the key is open to the
        world. site: ``None`` when the run named no site; then only open keys may be asked.
    """
    if allowlist is None:
        return False
    listed = list(allowlist)
    if not listed:
        return True
    named = list(site or ())
    return bool(named) and covers(listed, named)
