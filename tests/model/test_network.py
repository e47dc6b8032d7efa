"""Networks are compared as networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakenstate.model.network import (
    HostBits,
    admits,
    count_addresses,
    covers,
    parse_network,
    same_addresses,
    sort_networks,
)


@st.composite
def networks(draw):
    """Networks of either version and any size, many of them near each other."""
    wide = draw(st.booleans())
    bits = 128 if wide else 32
    length = draw(st.integers(0, bits))
    base = draw(st.one_of(st.integers(0, 2**bits - 1), st.integers(0, 1023)))
    kind = ipaddress.IPv6Network if wide else ipaddress.IPv4Network
    return kind((base >> (bits - length) << (bits - length), length))


@given(networks())
def test_text_means_the_network_it_came_from(network):
    """Writing a network and reading it back changes nothing, in short and in long notation."""
    assert parse_network(str(network)) == network
    assert parse_network(f"  {network.exploded}\n") == network
    assert parse_network(network) == network


@given(networks())
def test_a_single_address_is_a_network_of_one(network):
    """``203.0.113.7`` and ``203.0.113.7/32`` are the same network."""
    address = network.network_address
    assert parse_network(str(address)) == parse_network(f"{address}/{address.max_prefixlen}")


@given(networks().filter(lambda n: n.num_addresses > 1))
def test_host_bits_are_an_error(network):
    """An address with a length that cuts it is unclear, and the message offers both meanings."""
    inside = network.network_address + 1
    with pytest.raises(HostBits) as caught:
        parse_network(f"{inside}/{network.prefixlen}")
    assert str(network) in str(caught.value)
    assert str(inside) in str(caught.value)


@given(st.text())
def test_any_other_text_is_an_error(text):
    """Reading either gives a network or a ValueError, never anything else."""
    try:
        parsed = parse_network(text)
    except ValueError:
        return
    assert parse_network(str(parsed)) == parsed


@given(st.lists(networks(), max_size=6), st.randoms())
def test_order_and_repeats_do_not_count(listed, random):
    """Sorting gives the same list for every order of the same set."""
    shuffled = [*listed, *listed]
    random.shuffle(shuffled)
    assert sort_networks(shuffled) == sort_networks(listed)
    assert same_addresses(shuffled, listed)
    assert count_addresses(shuffled) == count_addresses(listed)


@given(networks().filter(lambda n: n.num_addresses > 1))
def test_a_network_is_its_two_halves(network):
    """Split or whole, the same addresses are admitted."""
    halves = list(network.subnets())
    assert same_addresses([network], halves)
    assert covers(halves, [network])
    assert not covers(halves[:1], [network])
    assert count_addresses(halves) == network.num_addresses


@given(st.lists(networks(), max_size=5), st.lists(networks(), max_size=5))
def test_covering_both_ways_is_sameness(one, other):
    """Two lists admit the same addresses exactly if each covers the other."""
    assert (covers(one, other) and covers(other, one)) == same_addresses(one, other)


@given(st.lists(networks(), max_size=5), st.lists(networks(), max_size=5))
def test_a_longer_list_covers_a_shorter_one(one, more):
    """Adding networks never shuts anybody out."""
    assert covers([*one, *more], one)


@given(st.lists(networks(), min_size=1, max_size=5))
def test_unknown_is_not_open(site):
    """An unknown allowlist admits nobody, an empty one everybody, a run without a site only to the latter."""
    assert not admits(None, site)
    assert admits([], site)
    assert admits([], None)
    assert not admits(site, None)
    assert not admits(site, [])
    assert admits(site, site)
