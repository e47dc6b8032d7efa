"""Fixtures of both Kraken providers' tests: a scripted server, a simulator, credentials and jobs."""

import base64
from collections.abc import Iterator
from datetime import date

import pytest
from pydantic import SecretStr

from krakenstate.model.credential import Credential
from krakenstate.model.network import parse_network
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Access, Api
from krakenstate.providers.base import AccountJob, KeyJob
from krakenstate.transport.client import HttpOrigin
from tests.support.scripted import ScriptedServer, scripted_server
from tests.support.simulator import SimulatedKraken, simulated_kraken

AGENT = "krakenstate/test"
CANARY = base64.b64encode(b"canary" * 10 + b"ends").decode()
PUBLIC = "PubHalf" + "a" * 45 + "9fQa"
CREDENTIAL = Credential(api_key=SecretStr(PUBLIC), api_secret=SecretStr(CANARY))


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that answers what the test says."""
    with scripted_server() as server:
        yield server


@pytest.fixture
def kraken() -> Iterator[SimulatedKraken]:
    """A simulator with a master account called desk."""
    with simulated_kraken() as running:
        running.people("create-account", name="desk", email="ops@desk.example", iiban="AA12 N84G ABCD 3F5K")
        yield running


@pytest.fixture
def origin_for() -> Iterator:
    """Makes HTTP origins that are closed at the end; short waits unless told otherwise."""
    made: list[HttpOrigin] = []

    def make(origin: str, **more: float) -> HttpOrigin:
        made.append(HttpOrigin(origin, user_agent=AGENT, **{"read_timeout_s": 2.0, **more}))
        return made[-1]

    yield make
    for origin in made:
        origin.close()


def spot_job(**changes: object) -> KeyJob:
    """The pnl key of the example desk."""
    terms = KeyTerms(
        api=Api.SPOT,
        permissions=("query-closed-trades", "query-funds", "query-ledger", "query-open-trades"),
        networks=(parse_network("192.0.2.10"), parse_network("198.51.100.0/28")),
        expires=date(2027, 6, 30),
    )
    fields: dict[str, object] = {
        "stack": "prod",
        "address": "spot_key.pnl",
        "account_address": "spot_subaccount.mm",
        "account_label": "desk-mm",
        "account_email": "kraken+mm@desk.example",
        "process": "pnl",
        "owner": "risk",
        "generation": 1,
        "key_name": "pnl-g1",
        "terms": terms,
        "last_four": None,
        "site": "runner",
    }
    return KeyJob(**{**fields, **changes})


def derivatives_job(**changes: object) -> KeyJob:
    """The hedger key of the example desk."""
    terms = KeyTerms(
        api=Api.DERIVATIVES,
        general=Access.FULL_ACCESS,
        transfer=Access.NO_ACCESS,
        networks=(parse_network("203.0.113.7"), parse_network("2001:db8:1::/64")),
    )
    fields: dict[str, object] = {
        "stack": "prod",
        "address": "derivatives_key.hedger",
        "account_address": "derivatives_subaccount.carry",
        "account_label": "carry",
        "account_email": "kraken+carry@desk.example",
        "process": "hedger",
        "owner": "market-making",
        "generation": 1,
        "key_name": None,
        "terms": terms,
        "last_four": None,
    }
    return KeyJob(**{**fields, **changes})


def account_job(**changes: object) -> AccountJob:
    """A subaccount of the example desk."""
    fields: dict[str, object] = {
        "stack": "prod",
        "address": "derivatives_subaccount.carry",
        "name": "carry",
        "email": "kraken+carry@desk.example",
        "username": None,
        "master_address": "master_account.desk",
        "master_name": "desk",
        "master_email": "ops@desk.example",
        "site": "runner",
    }
    return AccountJob(**{**fields, **changes})
