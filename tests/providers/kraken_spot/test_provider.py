"""Spot calls through real sockets: to the simulator, and to a server that answers what it likes."""

import json

import pytest

from krakenstate.errors import (
    AccountRestricted,
    AnswerUnreadable,
    InvalidKey,
    InvalidNonce,
    InvalidSignature,
    KrakenUnavailable,
    KrakenUnreachable,
    MayExist,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RedirectRefused,
    RequestRefused,
    TemporaryLockout,
)
from krakenstate.model.credential import Credential
from krakenstate.model.vocabulary import Api
from krakenstate.providers.base import KeyProvider, ServerClock, SubaccountCreator, Verb
from krakenstate.providers.kraken_spot.provider import SpotProvider
from krakenstate.providers.kraken_spot.verbs import VERBS
from tests.support.kraken import CANARY, CREDENTIAL, PUBLIC
from tests.support.scripted import http
from tests.support.stray import meant_for_another, stray_server


@pytest.fixture
def provider(kraken, origin_for):
    """The provider, speaking to the simulator."""
    return SpotProvider(origin_for(kraken.origin))


@pytest.fixture
def told(scripted, origin_for):
    """The provider, speaking to the scripted server."""
    return SpotProvider(origin_for(scripted.origin, read_timeout_s=0.3))


def answer(*errors, status=200, **result):
    """An answer in Kraken's envelope."""
    return http(status, json.dumps({"error": list(errors), **result}))


def test_it_keeps_its_protocols(origin_for):
    """The provider is what the engine asks for; the type checker verifies the signatures."""
    made = SpotProvider(origin_for("http://127.0.0.1:1"))
    keys: KeyProvider = made
    clock: ServerClock = made
    creator: SubaccountCreator = made
    assert (keys.api, keys.takes_nonce) == (Api.SPOT, True)
    assert clock is creator


def test_verbs_say_who_does_what():
    """Keys are made by people; subaccounts by the API; nobody updates or deletes an account."""
    assert VERBS["spot_key"].create is Verb.MANUAL
    assert VERBS["spot_subaccount"].create is Verb.API
    assert {VERBS[t].delete for t in ("spot_subaccount", "master_account")} == {Verb.NONE}


def test_the_clock_is_read_without_a_key(provider, kraken):
    """Kraken's time needs no credential."""
    assert provider.server_time().tzinfo is not None
    assert [c["key_last4"] for c in kraken.calls()] == [None]


def test_a_key_describes_itself(provider, kraken):
    """One signed call with the given nonce tells what the key is."""
    credential = kraken.key(
        "desk", name="pnl-g1", permission=["query-funds"], ip=["192.0.2.10"], expires="2027-06-30"
    )
    described = provider.describe_key(credential, 1)
    assert (described.key_name, described.iiban) == ("pnl-g1", "AA12 N84G ABCD 3F5K")
    assert described.permissions == ("query-funds",)
    assert [str(n) for n in described.networks] == ["192.0.2.10/32"]
    assert described.valid_until.date().isoformat() == "2027-06-30"
    (call,) = kraken.calls()
    assert (call["nonce"], call["outcome"]) == (1, "ok")


@pytest.mark.parametrize("nonce", [None, 0, -1, 2**64])
def test_a_call_without_a_proper_nonce_is_not_made(scripted, told, nonce):
    """A nonce is never made up here: it could end the life of the process that owns the key."""
    with pytest.raises(ValueError, match="nonce"):
        told.describe_key(CREDENTIAL, nonce)
    assert scripted.connections == 0


def test_a_nonce_is_used_once(provider, kraken):
    """A repeated nonce is refused by Kraken and not retried with a larger one."""
    credential = kraken.key("desk", name="a")
    provider.describe_key(credential, 5)
    with pytest.raises(InvalidNonce):
        provider.describe_key(credential, 5)
    assert len(kraken.calls()) == 2


def test_a_wrong_secret_is_a_rejected_signature(provider, kraken):
    """Two halves of different keys are told from a revoked key."""
    one, other = kraken.key("desk", name="a"), kraken.key("desk", name="b")
    with pytest.raises(InvalidSignature):
        provider.describe_key(Credential(api_key=one.api_key, api_secret=other.api_secret), 1)


def test_a_key_outside_its_allowlist_is_a_rejected_key(provider, kraken):
    """From a wrong address the answer is that of a revoked key; the message says it can be either."""
    credential = kraken.key("desk", name="a", ip=["203.0.113.7"])
    with pytest.raises(InvalidKey) as caught:
        provider.describe_key(credential, 1)
    assert "not admitted from this address" in caught.value.message
    assert len(kraken.calls()) == 1


def test_a_lockout_is_told_from_the_failures_before_it(provider, kraken):
    """After too many failures Kraken answers a lockout, whatever is sent."""
    credential = kraken.key("desk", name="a")
    provider.describe_key(credential, 9)
    for _ in range(4):
        with pytest.raises(InvalidNonce):
            provider.describe_key(credential, 1)
    with pytest.raises(TemporaryLockout):
        provider.describe_key(credential, 10)


def test_a_subaccount_is_created(provider, kraken):
    """The creation is sent once, with both fields as declared."""
    creator = kraken.key("desk", name="creator", permission=["withdraw-funds"])
    provider.create_subaccount(creator, 1, "desk-mm", "kraken+mm@desk.example")
    made = [a for a in kraken.people("state")["accounts"] if a["username"] == "desk-mm"]
    assert [a["email"] for a in made] == ["kraken+mm@desk.example"]


def test_a_taken_name_may_already_exist(provider, kraken):
    """A refusal of the arguments points at what cannot be listed."""
    creator = kraken.key("desk", name="creator", permission=["withdraw-funds"])
    provider.create_subaccount(creator, 1, "desk-mm", "kraken+mm@desk.example")
    with pytest.raises(MayExist, match="may already exist"):
        provider.create_subaccount(creator, 2, "desk-mm", "kraken+other@desk.example")


def test_a_denied_creation_names_what_the_sources_say(provider, kraken):
    """Kraken's pages disagree about the permission; all three are shown and none is tried."""
    with pytest.raises(PermissionDenied) as caught:
        provider.create_subaccount(kraken.key("desk", name="a"), 1, "desk-mm", "mm@desk.example")
    for words in ("Withdraw", "Create & modify orders", "Query funds", "Cancel & close", "institutional"):
        assert words in caught.value.message


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        pytest.param(http(503, "<html>", "text/html"), KrakenUnavailable, id="outage page"),
        pytest.param(http(403, "<html>", "text/html"), AnswerUnreadable, id="blocked page"),
        pytest.param(http(429, "<html>", "text/html"), RateLimited, id="throttled page"),
        pytest.param(http(429, "{}"), RateLimited, id="throttled"),
        pytest.param(http(500, "{}"), KrakenUnavailable, id="broken"),
        pytest.param(http(200, '{"error": [], "resu'), AnswerUnreadable, id="truncated"),
        pytest.param(http(200, '{"result": {}}'), AnswerUnreadable, id="no envelope"),
        pytest.param(http(200, '{"error": "x"}'), AnswerUnreadable, id="odd envelope"),
        pytest.param(answer(), AnswerUnreadable, id="no result"),
        pytest.param(answer(result=None), AnswerUnreadable, id="null result"),
        pytest.param(answer(result=[]), AnswerUnreadable, id="another result"),
        pytest.param(answer(result={}, status=404), AnswerUnreadable, id="another status"),
        pytest.param(
            answer("EAPI:Invalid key", status=502), InvalidKey, id="an error string beats the status"
        ),
        pytest.param(
            answer("EGeneral:Temporary lockout", status=429), TemporaryLockout, id="so does a lockout"
        ),
        pytest.param(answer("EGeneral:New text"), RequestRefused, id="unknown error"),
        pytest.param(http(302, "", extra="Location: /x\r\n"), RedirectRefused, id="redirect"),
        pytest.param(b"", KrakenUnreachable, id="closed"),
    ],
)
def test_a_read_that_fails_says_why_and_is_not_repeated(scripted, told, play, kind):
    """Each odd answer has its exception, none is retried, and no part of the key is in it."""
    scripted.plays(play)
    with pytest.raises(kind) as caught:
        told.describe_key(CREDENTIAL, 1)
    assert len(scripted.received) == 1
    assert not any(part in f"{caught.value!r} {vars(caught.value)}" for part in (CANARY, PUBLIC, "API-Sign"))


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(b"", id="closed"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", id="cut off"),
        pytest.param(http(200, '{"error": [], "resu'), id="truncated"),
        pytest.param(http(503, "<html>", "text/html"), id="outage page"),
        pytest.param(http(403, "<html>", "text/html"), id="blocked page"),
        pytest.param(http(302, "", extra="Location: /x\r\n"), id="redirect"),
        pytest.param(answer("EGeneral:Internal error"), id="internal error"),
        pytest.param(answer("EService:Unavailable"), id="unavailable"),
        pytest.param(answer("EService: Throttled: 1791000000"), id="throttled"),
        pytest.param(answer("EGeneral:Invalid arguments", "EService:Busy"), id="two errors, one unclear"),
        pytest.param(answer("EGeneral:Invalid arguments", result=True), id="refused and done at once"),
        pytest.param(answer(), id="no result"),
        pytest.param(answer(result="true"), id="another result"),
        pytest.param(answer(result=True, status=500), id="yes with a bad status"),
    ],
)
def test_a_creation_that_may_have_happened_is_unknown(scripted, told, play):
    """Whenever the answer does not tell, the outcome is unknown, and nothing is sent again."""
    scripted.plays(play)
    with pytest.raises(OutcomeUnknown) as caught:
        told.create_subaccount(CREDENTIAL, 1, "desk-mm", "mm@desk.example")
    assert len(scripted.received) == 1
    assert "desk-mm" in caught.value.message
    assert CANARY not in f"{caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        pytest.param(answer(result=False), MayExist, id="false"),
        pytest.param(answer("EGeneral:Invalid arguments:email"), MayExist, id="arguments"),
        pytest.param(answer("EGeneral:New text"), MayExist, id="unknown error"),
        pytest.param(answer("EAPI:Rate limit exceeded"), RateLimited, id="rate limit"),
        pytest.param(http(429, "{}"), RateLimited, id="throttled by the edge"),
        pytest.param(answer("EAPI:Invalid key"), InvalidKey, id="rejected key"),
        pytest.param(answer("EService:Busy", "EAPI:Invalid nonce"), InvalidNonce, id="rejected nonce"),
        pytest.param(answer("EAuth:Account unconfirmed"), AccountRestricted, id="restricted"),
    ],
)
def test_a_refused_creation_says_whether_a_person_needs_to_look(scripted, told, play, kind):
    """A refusal of the arguments may mean that it exists; after any other nobody needs to look."""
    scripted.plays(play)
    with pytest.raises(kind):
        told.create_subaccount(CREDENTIAL, 1, "desk-mm", "mm@desk.example")
    assert len(scripted.received) == 1


def test_a_creation_has_a_connection_of_its_own(origin_for):
    """What is said on a connection that other calls used is not taken for its success."""
    time, done = b'{"error":[],"result":{"unixtime":1791000000}}', b'{"error":[],"result":true}'
    with stray_server(meant_for_another(time, done)) as server:
        told = SpotProvider(origin_for(server.origin))
        told.server_time()
        with pytest.raises(OutcomeUnknown):
            told.create_subaccount(CREDENTIAL, 1, "desk-mm", "mm@desk.example")
        assert server.connections == 2


def test_a_creation_with_a_warning_is_done(scripted, told):
    """A warning beside a result leaves it a success."""
    scripted.plays(answer("WDatabase:No change", result=True))
    told.create_subaccount(CREDENTIAL, 1, "desk-mm", "mm@desk.example")


def test_a_creation_that_was_never_sent_is_not_unknown(origin_for):
    """Without a connection nothing happened, so trying later is safe."""
    with pytest.raises(KrakenUnreachable):
        SpotProvider(origin_for("http://127.0.0.1:1")).create_subaccount(CREDENTIAL, 1, "a", "a@b.example")


def test_a_signed_call_looks_as_documented(scripted, told):
    """Headers, content type and body are the documented ones; the secret is nowhere in the request."""
    scripted.plays(answer(result=True))
    told.create_subaccount(CREDENTIAL, 7, "desk-mm", "kraken+mm@desk.example")
    (sent,) = scripted.received
    assert (sent.method, sent.target) == ("POST", "/0/private/CreateSubaccount")
    assert sent.body == b"nonce=7&username=desk-mm&email=kraken%2Bmm%40desk.example"
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert sent.headers["api-key"] == PUBLIC
    assert CANARY not in f"{sent}"
