"""What goes wrong on request between a client and the simulated Kraken."""

import json
import time

import httpx
import pytest

CREATE = "CreateSubaccount"
INFO = "GetApiKeyInfo"
INFO_PATH = "/0/private/GetApiKeyInfo"
CREATE_PATH = "/0/private/CreateSubaccount"
CHECK_PATH = "/api/auth/v1/api-keys/v3/check"
MM = {"username": "desk-mm", "email": "mm@desk.example"}


def outcomes(kraken):
    """Outcome and fault of each call in the log."""
    return [(call["outcome"], call["fault"]) for call in kraken.people("calls")["calls"]]


def accounts(kraken):
    """The names of all accounts."""
    return [account["name"] for account in kraken.people("state")["accounts"]]


@pytest.mark.parametrize(
    ("kind", "exists", "outcome"),
    [
        ("drop-before", False, ("fault: drop-before", None)),
        ("drop-after", True, ("ok", "drop-after")),
    ],
)
def test_a_connection_closes_before_or_after_the_effect(kraken, creator, kind, exists, outcome):
    """The client sees no answer either way, and only Kraken knows whether the subaccount is there."""
    kraken.people("fault", kind=kind, path=CREATE_PATH)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        kraken.spot(creator, CREATE, **MM)
    assert ("desk-mm" in accounts(kraken)) is exists
    assert outcomes(kraken) == [outcome]
    assert kraken.spot(creator, INFO)["error"] == []


def test_a_proxy_answers_with_a_page(kraken, creator):
    """The call reaches no API, so its nonce stays good."""
    kraken.people("fault", kind="html-5xx")
    answer = kraken.http.post(INFO_PATH, headers={"API-Key": creator["api_key"]})
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    (call,) = kraken.people("calls")["calls"]
    assert (call["outcome"], call["key_last4"]) == ("fault: html-5xx", creator["api_key"][-4:])


def test_half_of_an_answer_comes_back(kraken, creator):
    """The call has its effect, and what arrives is complete for HTTP and no JSON."""
    kraken.people("fault", kind="truncated")
    with pytest.raises(json.JSONDecodeError):
        kraken.spot(creator, CREATE, **MM)
    assert "desk-mm" in accounts(kraken)
    assert outcomes(kraken) == [("ok", "truncated")]


def test_an_answer_comes_late(kraken, creator):
    """The rest of the world goes on meanwhile, and the answer is right when it comes."""
    kraken.people("fault", kind="slow", delay_s=0.3)
    began = time.monotonic()
    assert kraken.spot(creator, INFO)["error"] == []
    assert time.monotonic() - began >= 0.3


def test_somebody_redirects_elsewhere(kraken, creator):
    """The answer is a redirect that keeps the method, to wherever was asked for."""
    kraken.people("fault", kind="redirect", location="https://thief.example/")
    answer = kraken.http.post(INFO_PATH, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "https://thief.example/")


def test_throttling_names_the_instant_when_it_ends(kraken, creator, controller):
    """Spot tells Unix seconds of Kraken's clock after a space; Derivatives says its own word."""
    kraken.people("fault", kind="throttle", times=2, delay_s=30)
    (error,) = kraken.spot(creator, INFO)["error"]
    prefix, _, until = error.rpartition(" ")
    assert (prefix, 0 <= int(until) - 1790856030 < 60) == ("EService: Throttled:", True)
    answer = kraken.derivatives(controller, "GET", "/derivatives/api/v3/subaccounts")
    assert answer.json() == {"result": "error", "error": "apiLimitExceeded"}


@pytest.mark.parametrize("path", [INFO_PATH, CHECK_PATH])
def test_the_network_in_front_throttles(kraken, path):
    """HTTP 429 and a page; Kraken itself is not reached."""
    kraken.people("fault", kind="http-429")
    answer = kraken.http.post(path)
    assert (answer.status_code, answer.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert outcomes(kraken) == [("fault: http-429", None)]


def test_kraken_finds_a_call_malformed(kraken, creator, controller):
    """Spot says so in its own list, Derivatives with HTTP 400 and a list of errors."""
    kraken.people("fault", kind="bad-request", times=2)
    assert kraken.spot(creator, INFO) == {"error": ["EAPI:Bad request"]}
    answer = kraken.derivatives(controller, "GET", "/derivatives/api/v3/subaccounts")
    assert (answer.status_code, answer.json()) == (
        400,
        {"status": "BAD_REQUEST", "result": "error", "errors": [{"code": 11, "message": "Json Parse Error"}]},
    )


def test_a_key_describes_itself_in_words_of_tomorrow(kraken, creator, controller):
    """Both platforms gain a word; calls that describe no key neither change nor use the fault up."""
    kraken.people("fault", kind="unknown-word", times=2)
    assert kraken.http.get("/0/public/Time").json()["error"] == []
    assert kraken.spot(creator, INFO)["result"]["permissions"] == ["withdraw-funds", "teleport-funds"]
    checked = kraken.derivatives(controller, "GET", CHECK_PATH).json()
    assert checked["permissions"] == {"general": "TELEPORT_ACCESS", "transfer": "NO_ACCESS"}
    assert kraken.spot(creator, INFO)["result"]["permissions"] == ["withdraw-funds"]


def test_faults_wait_for_calls_below_their_path_and_are_used_up(kraken, creator):
    """A fault takes as many matching calls as was said; others pass, and the people never meet one."""
    kraken.people("fault", kind="html-5xx", path=CREATE_PATH, times=2)
    assert kraken.spot(creator, INFO)["error"] == []
    assert kraken.http.post(CREATE_PATH).status_code == 502
    (waiting,) = kraken.people("fault-list")["faults"]
    assert (waiting["kind"], waiting["path"], waiting["left"]) == ("html-5xx", CREATE_PATH, 1)
    assert kraken.http.post(CREATE_PATH).status_code == 502
    assert kraken.people("fault-list") == {"faults": []}
    assert kraken.http.post(CREATE_PATH).status_code == 200


def test_faults_can_be_cleared_and_are_kept_with_the_world(kraken, creator, sim):
    """What waits is written down like everything else in the world, and clearing forgets it."""
    kraken.people("fault", kind="drop-before", times=9)
    assert sim.store.load().faults == sim.world.faults != []
    assert kraken.people("fault-clear") == {"faults": []}
    assert kraken.spot(creator, INFO)["error"] == []


@pytest.mark.parametrize(
    "bad", [{"kind": "gremlin"}, {"kind": "slow", "times": 0}, {"kind": "slow", "path": "x"}]
)
def test_faults_nobody_knows_are_refused(kraken, bad):
    """An unknown kind, no calls at all, or a path that is none."""
    assert kraken.ask_people("fault", **bad).status_code == 400
