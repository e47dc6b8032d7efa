"""Odd spellings of the simulated Kraken: what each changes in an answer, and what it leaves alone."""

import pytest

INFO = "GetApiKeyInfo"
CHECK = "/api/auth/v1/api-keys/v3/check"
LIST = "/derivatives/api/v3/subaccounts"


def speak(kraken, *words):
    """From now on answers come in these dialects."""
    assert kraken.people("dialect", words=list(words))["dialects"] == list(words)


def test_a_warning_stands_beside_a_result(kraken, creator):
    """A success keeps its result; an error gets no warning."""
    speak(kraken, "warnings")
    answer = kraken.spot(creator, INFO)
    assert (answer["error"], answer["result"]["apiKeyName"]) == (["WDatabase:No change"], "creator")
    assert kraken.spot(creator, "Balance") == {"error": ["EGeneral:Permission denied"]}


def test_a_milder_error_stands_before_the_real_one(kraken, creator, controller):
    """In Spot's list, and in the list of HTTP 400; successes stay."""
    speak(kraken, "several-errors")
    assert kraken.spot(creator, "Balance")["error"] == [
        "EGeneral:Invalid arguments",
        "EGeneral:Permission denied",
    ]
    assert kraken.spot(creator, INFO)["error"] == []
    bad = kraken.derivatives(controller, "GET", "/derivatives/api/v3/subaccount/x/trading-enabled").json()
    assert [error["message"] for error in bad["errors"]] == [
        "invalidArgument: remark",
        "invalidArgument: subaccountUid",
    ]


def test_every_object_has_a_field_of_tomorrow(kraken, creator, controller):
    """Outside and inside, on both platforms and beside the time."""
    speak(kraken, "extra-fields")
    answers = [
        kraken.http.get("/0/public/Time").json(),
        kraken.spot(creator, INFO),
        kraken.derivatives(controller, "GET", CHECK).json(),
        kraken.derivatives(controller, "GET", LIST).json(),
    ]
    assert all("fieldOfTomorrow" in answer for answer in answers)
    assert "fieldOfTomorrow" in answers[1]["result"]
    assert answers[2]["permissions"]["general"] == "FULL_ACCESS"


def test_numbers_and_texts_change_places(kraken, creator):
    """A window is a text, instants are numbers, names stay."""
    speak(kraken, "swapped-types")
    info = kraken.spot(creator, INFO)["result"]
    assert (info["nonceWindow"], info["validUntil"], info["nonce"], info["apiKeyName"]) == (
        "0",
        0,
        1,
        "creator",
    )


def test_what_is_empty_is_null(kraken, creator, controller):
    """Empty lists, zeros and the last use; the list of errors is the envelope and stays, false is no zero."""
    speak(kraken, "nulls")
    answer = kraken.spot(creator, INFO)
    info = answer["result"]
    assert answer["error"] == []
    assert [info[name] for name in ("ipAllowlist", "nonceWindow", "validUntil", "lastUsed")] == [None] * 4
    assert info["permissions"] == ["withdraw-funds"]
    assert kraken.derivatives(controller, "GET", CHECK).json()["allowedCidrBlocks"] is None
    assert kraken.derivatives(controller, "GET", LIST).json()["subaccounts"] is None
    kraken.people("duplicates", answer="false")
    assert kraken.spot(creator, "CreateSubaccount", username="x", email="ops@desk.example")["result"] is False


def test_levels_stand_one_object_deeper(kraken, controller):
    """Only in a key's self-check."""
    speak(kraken, "nested-permissions")
    checked = kraken.derivatives(controller, "GET", CHECK).json()
    assert checked["permissions"] == {"permissions": {"general": "FULL_ACCESS", "transfer": "NO_ACCESS"}}


def test_dialects_add_up_are_kept_and_end(kraken, creator, sim):
    """Several at once, written down with the world, until somebody says none."""
    speak(kraken, "warnings", "swapped-types")
    answer = kraken.spot(creator, INFO)
    assert (answer["error"], answer["result"]["nonceWindow"]) == (["WDatabase:No change"], "0")
    assert sim.store.load().dialects == ["warnings", "swapped-types"]
    assert kraken.people("dialect") == {"dialects": ["warnings", "swapped-types"]}
    assert kraken.people("dialect", words=["none"]) == {"dialects": []}
    assert kraken.spot(creator, INFO)["error"] == []


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("dialect", {"words": ["klingon"]}), ("duplicates", {"answer": "maybe"}), ("cidr", {"fields": "some"})],
)
def test_choices_nobody_knows_are_refused(kraken, operation, arguments):
    """And the world stays as it is."""
    assert kraken.ask_people(operation, **arguments).status_code == 400
    state = kraken.people("state")
    assert (state["dialects"], state["duplicates"], state["cidr_fields"]) == ([], "field", "list")
