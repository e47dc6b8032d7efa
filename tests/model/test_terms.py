"""Terms: what of a declaration is compared, and when an expiry is met."""

from datetime import UTC, date, datetime

import pytest

from krakenstate import Access, NonceUnit, Permission
from krakenstate.model.base import format_instant
from krakenstate.model.key_record import KeyRecord
from krakenstate.model.network import parse_network
from krakenstate.model.terms import KeyTerms, falls_on
from krakenstate.model.vocabulary import Api
from tests.support.world import COLO, CREATOR, RUNNER, derivatives_key, spot_key

DAY = date(2027, 6, 30)


def test_the_terms_of_a_spot_key_are_what_it_declares():
    """Permissions sorted, networks of all allowlists together, everything else as it stands."""
    key = spot_key(
        permissions={Permission.QUERY_LEDGER, Permission.CLOSE_TRADES},
        allowlist=[COLO, RUNNER],
        nonce_window=0,
        nonce_unit=NonceUnit.SECONDS,
    )
    assert KeyTerms.of(key) == KeyTerms(
        api=Api.SPOT,
        permissions=("close-trades", "query-ledger"),
        networks=tuple(parse_network(n) for n in ("192.0.2.10", "203.0.113.7", "2001:db8:1::/64")),
        expires=DAY,
        nonce_window=0,
        nonce_unit=NonceUnit.SECONDS,
    )


def test_the_terms_of_a_derivatives_key_are_its_levels():
    """Levels and networks; it has neither permissions nor expiry."""
    assert KeyTerms.of(derivatives_key()) == KeyTerms(
        api=Api.DERIVATIVES,
        general=Access.READ_ONLY,
        transfer=Access.NO_ACCESS,
        networks=(parse_network("192.0.2.10"),),
    )


def test_what_is_not_declared_is_not_managed():
    """An absent field is none, an empty one is empty: they mean different things."""
    absent = KeyTerms.of(spot_key(permissions=None, allowlist=None, expires=None, nonce_unit=None))
    empty = KeyTerms.of(spot_key(permissions=[], allowlist=[]))
    assert (absent.permissions, absent.networks, absent.expires) == (None, None, None)
    assert (empty.permissions, empty.networks) == ((), ())


def test_a_controller_says_what_it_controls():
    """It is part of the terms, since handing it in gives this program rights on that account."""
    assert KeyTerms.of(CREATOR).controls == "master_account.desk"


def test_terms_survive_json():
    """What the state keeps is what is compared later."""
    for key in (spot_key(allowlist=[COLO]), derivatives_key(), CREATOR, spot_key(permissions=None)):
        assert KeyTerms.model_validate_json(KeyTerms.of(key).model_dump_json()) == KeyTerms.of(key)


@pytest.mark.parametrize(("instant", "is_met"), [
    (datetime(2027, 6, 29, 9, 59, 59, tzinfo=UTC), False),
    (datetime(2027, 6, 29, 10, 0, 0, tzinfo=UTC), True),
    (datetime(2027, 6, 30, 0, 0, 0, tzinfo=UTC), True),
    (datetime(2027, 7, 1, 11, 59, 59, tzinfo=UTC), True),
    (datetime(2027, 7, 1, 12, 0, 0, tzinfo=UTC), False),
])  # fmt: skip
def test_a_day_lasts_from_its_first_to_its_last_time_zone(instant, is_met):
    """From midnight at UTC+14 to midnight at UTC-12: fifty hours."""
    assert falls_on(instant, DAY) is is_met


def test_instants_are_written_in_one_way():
    """UTC, whole seconds, a Z."""
    assert format_instant(datetime(2026, 11, 2, 9, 0, 1, 999999, tzinfo=UTC)) == "2026-11-02T09:00:01Z"


def test_keys_made_alike_share_their_terms():
    """Thousands of them take the room of one, and are compared at a glance."""
    assert KeyTerms.of(spot_key(name="one")) is KeyTerms.of(spot_key(name="two"))
    assert KeyTerms.of(derivatives_key(name="one")) is KeyTerms.of(derivatives_key(name="two"))
    assert KeyTerms.of(spot_key(nonce_window=0)) != KeyTerms.of(spot_key(nonce_window=1))
    plain = KeyTerms.of(spot_key()).model_dump(mode="json")
    record = KeyRecord(address="spot_key.a", account="spot_subaccount.b", process="process.c", terms=plain)
    assert record.terms is KeyTerms.of(spot_key())
