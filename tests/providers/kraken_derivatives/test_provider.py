"""Derivatives calls through real sockets: to the simulator, and to a server that answers what it likes."""

import json

import pytest

from krakenstate.errors import (
    AnswerUnreadable,
    InvalidKey,
    KrakenUnavailable,
    KrakenUnreachable,
    NotMaster,
    NotObservable,
    ObjectNotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RedirectRefused,
)
from krakenstate.model.credential import Credential
from krakenstate.model.vocabulary import Api
from krakenstate.providers.base import KeyProvider, LinkAdministrator, Verb
from krakenstate.providers.kraken_derivatives.instructions import DerivativesInstructions
from krakenstate.providers.kraken_derivatives.provider import DerivativesProvider
from krakenstate.providers.kraken_derivatives.verbs import VERBS
from tests.support.kraken import CANARY, CREDENTIAL, PUBLIC, account_job
from tests.support.scripted import http
from tests.support.stray import meant_for_another, stray_server

UID = "11111111-2222-3333-4444-555555555555"
OTHER = "22222222-2222-3333-4444-555555555555"
CHECK = {
    "apiKey": PUBLIC, "accountUid": UID, "iiban": None, "createdAt": "2026-09-01T10:00:00Z",
    "permissions": {"general": "READ_ONLY", "transfer": "NO_ACCESS"},
    "allowedCidrBlock": None, "allowedCidrBlocks": [],
}  # fmt: skip


@pytest.fixture
def provider(kraken, origin_for):
    """The provider, speaking to the simulator."""
    return DerivativesProvider(origin_for(kraken.origin))


@pytest.fixture
def told(scripted, origin_for):
    """The provider, speaking to the scripted server."""
    return DerivativesProvider(origin_for(scripted.origin, read_timeout_s=0.3))


@pytest.fixture
def controller(kraken):
    """A master's key with full access."""
    return kraken.key("desk", "derivatives", general="FULL_ACCESS", ip=["192.0.2.10"])


@pytest.fixture
def carry(kraken):
    """A linked subaccount's uid; support got the very ticket that people are told to send."""
    email = "kraken+carry@desk.example"
    kraken.people("create-account", name="carry", email=email, kind="sub")
    ticket = DerivativesInstructions().link_account(account_job())
    kraken.people("support-process", text=ticket)
    kraken.people("email-confirm", email=email)
    return next(a["account_uid"] for a in kraken.people("state")["accounts"] if a["email"] == email)


def test_it_keeps_its_protocols(origin_for):
    """The provider is what the engine asks for; the type checker verifies the signatures."""
    made = DerivativesProvider(origin_for("http://127.0.0.1:1"))
    keys: KeyProvider = made
    links: LinkAdministrator = made
    assert (keys.api, keys.takes_nonce) == (Api.DERIVATIVES, False)
    assert links is keys


def test_verbs_say_who_does_what():
    """Links are made by support; only the trading switch has an API."""
    verbs = VERBS["derivatives_subaccount"]
    assert (verbs.create, verbs.update, verbs.delete) == (Verb.MANUAL, Verb.API, Verb.MANUAL)
    assert VERBS["derivatives_key"].create is Verb.MANUAL


def test_a_key_describes_itself(provider, kraken, controller):
    """One signed call without a nonce tells what the key is, so a key in service is not disturbed."""
    described = provider.describe_key(controller, None)
    assert (described.iiban, described.general, described.transfer) == (
        "AA12 N84G ABCD 3F5K",
        "FULL_ACCESS",
        "NO_ACCESS",
    )
    assert [str(n) for n in described.networks] == ["192.0.2.10/32"]
    (call,) = kraken.calls()
    assert (call["nonce"], call["outcome"]) == (None, "ok")


def test_a_nonce_is_refused(scripted, told):
    """A caller that hands a nonce over mistakes this platform for the other; nothing is sent."""
    with pytest.raises(ValueError, match="nonce"):
        told.describe_key(CREDENTIAL, 1)
    assert scripted.connections == 0


def test_a_wrong_secret_is_a_rejected_key(provider, kraken, controller):
    """Derivatives does not tell a wrong signature from an unknown key."""
    other = kraken.key("desk", "derivatives", general="READ_ONLY")
    with pytest.raises(InvalidKey):
        provider.describe_key(Credential(api_key=controller.api_key, api_secret=other.api_secret), None)


def test_links_are_listed_for_the_master(provider, controller, carry):
    """The ticket leads to a link, and the master's key sees it."""
    uid = provider.describe_key(controller, None).account_uid
    found = provider.list_links(controller, uid)
    assert [(link.account_uid, link.email) for link in found.links] == [(carry, "kraken+carry@desk.example")]


def test_trading_is_switched_and_read(provider, controller, carry):
    """The documented query parameter reaches Kraken in lower case, and the answer is what it reports."""
    assert provider.write_trading(controller, carry, False) is False
    assert provider.read_trading(controller, carry) is False
    assert provider.write_trading(controller, carry, True) is True
    assert provider.read_trading(controller, carry) is True


def test_an_account_that_is_not_linked_is_not_found(provider, controller):
    """Another account's switch cannot be read or set."""
    with pytest.raises(ObjectNotFound):
        provider.read_trading(controller, OTHER)
    with pytest.raises(ObjectNotFound):
        provider.write_trading(controller, OTHER, False)


def test_a_level_that_is_too_low_is_denied(provider, kraken, carry):
    """Reading the switch needs full access, too; the key is valid all the same."""
    with pytest.raises(PermissionDenied):
        provider.read_trading(kraken.key("desk", "derivatives", general="READ_ONLY"), carry)


@pytest.mark.parametrize("uid", ["", "../x", "x", "1?tradingEnabled=true"])
def test_what_is_no_uid_is_not_sent(scripted, told, uid):
    """A damaged uid cannot turn into another path."""
    with pytest.raises(ValueError, match="UUID"):
        told.write_trading(CREDENTIAL, uid, False)
    assert scripted.connections == 0


def test_a_list_of_another_account_is_refused(scripted, told):
    """A key that answers for one account and lists another's is not the master's."""
    listed = {"result": "success", "masterAccountUid": OTHER, "subaccounts": []}
    scripted.plays(http(200, json.dumps(listed)))
    with pytest.raises(NotMaster) as caught:
        told.list_links(CREDENTIAL, UID)
    assert UID in caught.value.message
    assert OTHER in caught.value.message


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        pytest.param(http(503, "<html>", "text/html"), KrakenUnavailable, id="outage page"),
        pytest.param(http(401, "<html>", "text/html"), AnswerUnreadable, id="a proxy's page"),
        pytest.param(http(429, "<html>", "text/html"), RateLimited, id="throttled page"),
        pytest.param(http(200, '{"apiKey'), AnswerUnreadable, id="truncated"),
        pytest.param(http(200, "{}"), AnswerUnreadable, id="empty"),
        pytest.param(
            http(401, '{"error": "authenticationError", "suberror": null}'), InvalidKey, id="rejected"
        ),
        pytest.param(http(404, '{"error": "notFound", "message": "x"}'), NotObservable, id="not offered"),
        pytest.param(http(200, '{"result": "error", "error": "apiLimitExceeded"}'), RateLimited, id="limit"),
        pytest.param(http(307, "", extra="Location: /x\r\n"), RedirectRefused, id="redirect"),
        pytest.param(b"", KrakenUnreachable, id="closed"),
    ],
)
def test_a_read_that_fails_says_why_and_is_not_repeated(scripted, told, play, kind):
    """Each odd answer has its exception, none is retried, and no part of the key is in it."""
    scripted.plays(play)
    with pytest.raises(kind) as caught:
        told.describe_key(CREDENTIAL, None)
    assert len(scripted.received) == 1
    assert not any(part in f"{caught.value!r} {vars(caught.value)}" for part in (CANARY, PUBLIC, "Authent"))


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(b"", id="closed"),
        pytest.param(http(502, "<html>", "text/html"), id="outage page"),
        pytest.param(http(200, '{"trading'), id="truncated"),
        pytest.param(http(200, "{}"), id="says nothing"),
        pytest.param(http(200, '{"tradingEnabled": "false"}'), id="odd value"),
        pytest.param(http(200, '{"result": "error", "error": "unknownError"}'), id="unknown error"),
        pytest.param(http(200, '{"result": "error", "error": "Server Error"}'), id="server error"),
        pytest.param(http(302, "", extra="Location: /x\r\n"), id="redirect"),
    ],
)
def test_a_switch_that_may_have_happened_is_unknown(scripted, told, play):
    """Whenever the answer does not tell, the outcome is unknown, nothing is sent again, reading tells."""
    scripted.plays(play)
    with pytest.raises(OutcomeUnknown) as caught:
        told.write_trading(CREDENTIAL, UID, False)
    assert len(scripted.received) == 1
    assert "krakenstate plan" in caught.value.next_step


def test_a_switch_has_a_connection_of_its_own(origin_for):
    """What is said on a connection that other calls used is not taken for its success."""
    switched = b'{"tradingEnabled": false}'
    with stray_server(meant_for_another(switched, switched)) as server:
        told = DerivativesProvider(origin_for(server.origin))
        assert told.read_trading(CREDENTIAL, UID) is False
        with pytest.raises(OutcomeUnknown):
            told.write_trading(CREDENTIAL, UID, False)
        assert server.connections == 2


def test_a_switch_that_was_never_sent_is_not_unknown(origin_for):
    """Without a connection nothing happened."""
    with pytest.raises(KrakenUnreachable):
        DerivativesProvider(origin_for("http://127.0.0.1:1")).write_trading(CREDENTIAL, UID, False)


def test_a_signed_call_looks_as_documented(scripted, told):
    """The value goes into the query in lower case, signed as sent, with no nonce and no body."""
    scripted.plays(http(200, '{"tradingEnabled": false}'))
    assert told.write_trading(CREDENTIAL, UID.upper(), False) is False
    (sent,) = scripted.received
    assert (sent.method, sent.target, sent.body) == (
        "PUT",
        f"/derivatives/api/v3/subaccount/{UID}/trading-enabled?tradingEnabled=false",
        b"",
    )
    assert sent.headers["apikey"] == PUBLIC
    assert "nonce" not in sent.headers
    assert CANARY not in f"{sent}"
