"""What the simulated people can do, and what they refuse."""

import pytest

LINK = {"master": "ops@desk.example", "subaccount": "carry@desk.example"}


def refusal(answer):
    """The error text of a deed that was refused."""
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error", "next_step"}
    return answer.json()["error"]


def linked(kraken, controller):
    """E-mails of the Derivatives subaccounts the master sees."""
    answer = kraken.derivatives(controller, "GET", "/derivatives/api/v3/subaccounts").json()
    return [subaccount["email"] for subaccount in answer["subaccounts"]]


@pytest.mark.parametrize("token", ["", "guess"])
def test_the_side_door_is_locked(kraken, token):
    """Nobody plays the people without the token."""
    answer = kraken.http.post("/_sim/state", json={}, headers={"X-Sim-Admin": token})
    assert answer.status_code == 403


def test_accounts_get_an_iiban_of_krakens_pattern(kraken):
    """An IIBAN is made up if none was given, and it is never somebody else's."""
    first = kraken.account("a", "a@desk.example")["iiban"]
    assert [len(part) for part in first.split(" ")] == [4, 4, 4, 4]
    assert first.startswith("AA")
    assert "IIBAN" in refusal(
        kraken.ask_people("create-account", name="b", email="b@desk.example", iiban=first)
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param({"name": "other", "email": "OPS@desk.example"}, "e-mail", id="e-mail-taken"),
        pytest.param({"name": "desk", "email": "x@desk.example"}, "named desk", id="name-taken"),
        pytest.param({"name": "x", "email": "nobody"}, "email", id="no-address"),
        pytest.param({"name": "x", "email": "x@desk.example", "iiban": "GB12"}, "IIBAN", id="no-iiban"),
        pytest.param({"name": "x", "email": "x@desk.example", "kind": "boss"}, "kind", id="no-kind"),
    ],
)
def test_bad_accounts_are_refused(kraken, desk, arguments, reason):
    """The refusal names what is wrong."""
    assert reason in refusal(kraken.ask_people("create-account", **arguments))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param({"api": "spot", "name": "creator"}, "named creator", id="name-taken"),
        pytest.param({"api": "spot", "name": "x" * 33}, "32", id="name-too-long"),
        pytest.param({"api": "spot", "permission": ["be-rich"]}, "be-rich", id="no-permission"),
        pytest.param({"api": "spot", "ip": ["10.0.0.1/8"]}, "10.0.0.1/8", id="host-bits"),
        pytest.param({"api": "spot", "expires": "soon"}, "soon", id="no-date"),
        pytest.param({"api": "spot", "general": "FULL_ACCESS"}, "--general", id="spot-has-no-level"),
        pytest.param({"api": "derivatives", "expires": "2027-01-01"}, "--expires", id="no-expiry"),
        pytest.param({"api": "derivatives", "name": "x"}, "no name", id="derivatives-have-no-name"),
        pytest.param({"api": "derivatives", "general": "ALL"}, "general", id="no-level"),
        pytest.param({"api": "fix"}, "api", id="no-api"),
        pytest.param({"api": "spot", "account": "nobody"}, "nobody", id="no-account"),
    ],
)
def test_bad_keys_are_refused_and_leave_nothing(kraken, creator, arguments, reason):
    """A refused dialog creates no key."""
    assert reason in refusal(kraken.ask_people("create-key", **({"account": "desk"} | arguments)))
    assert len(kraken.people("list-keys", account="desk")["keys"]) == 1


def test_a_name_is_free_again_after_deletion(kraken, creator):
    """Names are unique among the keys that exist."""
    kraken.people("delete-key", account="desk", name="creator")
    assert kraken.key("desk", name="creator")["name"] == "creator"


def test_secrets_have_the_lengths_of_kraken(kraken, creator, controller):
    """56 characters of public half, 88 of secret, on both platforms."""
    lengths = [(len(key["api_key"]), len(key["api_secret"])) for key in (creator, controller)]
    assert lengths == [(56, 88), (56, 88)]


def test_editing_changes_what_was_given_and_shows_in_the_modified_time(kraken, creator):
    """An edit keeps the secret and everything else; `none` empties an attribute."""
    kraken.people("edit-key", account="desk", name="creator", ip=["192.0.2.0/28"], expires="2027-01-31")
    kraken.people("clock", advance_s=60)
    kraken.people("edit-key", account="desk", last4=creator["api_key"][-4:], ip=["none"],
                  permission=["query-funds", "add-funds"])  # fmt: skip
    info = kraken.spot(creator, "GetApiKeyInfo")["result"]
    assert (info["ipAllowlist"], info["permissions"]) == ([], ["query-funds", "add-funds"])
    assert info["validUntil"] == "1801396800"
    assert int(info["modifiedTime"]) >= int(info["createdTime"]) + 60


def test_a_spot_key_is_renamed(kraken, creator):
    """The new name shows at once, keeps the rules of names, and frees the old one; nothing else changes."""
    kraken.key("desk", name="other")
    for bad in ("other", "x" * 33):
        refused = kraken.ask_people(
            "edit-key", account="desk", name="creator", new_name=bad, ip=["192.0.2.1"]
        )
        assert refused.status_code == 400
    kraken.people("clock", advance_s=60)
    kraken.people("edit-key", account="desk", name="creator", new_name="maker")
    info = kraken.spot(creator, "GetApiKeyInfo")["result"]
    assert (info["apiKeyName"], info["permissions"], info["ipAllowlist"]) == ("maker", ["withdraw-funds"], [])
    assert int(info["modifiedTime"]) >= int(info["createdTime"]) + 60
    kraken.people("edit-key", account="desk", name="maker", new_name="maker")
    assert kraken.key("desk", name="creator")["name"] == "creator"


def test_a_derivatives_key_has_no_name_to_change(kraken, controller):
    """The dialog has no such field."""
    refused = kraken.ask_people("edit-key", account="desk", key=controller["api_key"], new_name="x")
    assert "--new-name" in refusal(refused)


def test_a_derivatives_key_is_edited_by_its_public_half(kraken, controller):
    """Levels and blocks change, the secret stays."""
    kraken.people("edit-key", account="desk", key=controller["api_key"], general="READ_ONLY",
                  ip=["192.0.2.10"])  # fmt: skip
    answer = kraken.derivatives(controller, "GET", "/api/auth/v1/api-keys/v3/check").json()
    assert answer["permissions"]["general"] == "READ_ONLY"
    assert answer["allowedCidrBlocks"] == ["192.0.2.10/32"]


def test_a_key_must_be_named_without_doubt(kraken, creator, controller):
    """No choice, or none that fits, is refused."""
    assert "not said" in refusal(kraken.ask_people("delete-key", account="desk"))
    assert "no such key" in refusal(kraken.ask_people("delete-key", account="desk", name="x")).lower()


def test_a_link_appears_only_after_support_and_the_owner_acted(kraken, controller):
    """Ticket, mail, confirmation, link, in this order; a second ticket sends no second mail."""
    kraken.account("carry", "carry@desk.example", kind="sub")
    assert "No mail waits" in refusal(kraken.ask_people("email-confirm", email="carry@desk.example"))
    assert kraken.people("support-process", **LINK)["result"] == "mailed"
    assert kraken.people("support-process", **LINK)["result"] == "already_mailed"
    assert linked(kraken, controller) == []
    assert len(kraken.people("email-confirm", email="carry@desk.example")["confirmed"]) == 1
    assert linked(kraken, controller) == ["carry@desk.example"]
    assert "already linked" in refusal(kraken.ask_people("support-process", **LINK))


@pytest.mark.parametrize("brackets", [False, True])
def test_support_reads_the_ticket_itself(kraken, controller, brackets):
    """Sender and account to add stand on lines of their own, anywhere in the text."""
    kraken.account("carry", "carry@desk.example", kind="sub")
    master, added = ("<ops@desk.example>", "<carry@desk.example>") if brackets else tuple(LINK.values())
    text = (
        f"To: support\r\nFrom: {master}\r\nSubject: Link\r\n\r\nPlease.\r\nKraken account to add: {added}\r\n"
    )
    assert kraken.people("support-process", text=text)["subaccount"] == "carry@desk.example"


@pytest.mark.parametrize(
    ("carry", "request_", "reason"),
    [
        pytest.param({}, {}, "needs a ticket", id="nothing-said"),
        pytest.param({}, {"text": "From: ops@desk.example"}, "does not say", id="half-a-ticket"),
        pytest.param({}, LINK | {"subaccount": "x@desk.example"}, "x@desk.example", id="no-such-account"),
        pytest.param({"derivatives": False}, LINK, "not unlocked", id="derivatives-locked"),
        pytest.param({}, LINK | {"subaccount": "ops@desk.example"}, "own subaccount", id="itself"),
        pytest.param({}, LINK | {"master": "carry@desk.example", "subaccount": "ops@desk.example"},
                     "not a master", id="from-a-subaccount"),
    ],
)  # fmt: skip
def test_support_checks_the_preconditions(kraken, desk, carry, request_, reason):
    """Support answers a ticket it cannot act on with what is missing."""
    kraken.account("carry", "carry@desk.example", kind="sub", **carry)
    assert reason in refusal(kraken.ask_people("support-process", **request_))


def test_a_spot_subaccount_can_be_linked_once_it_unlocked_derivatives(kraken, creator, controller):
    """A Spot subaccount begins without Derivatives; its owner unlocks it, then the link is possible."""
    kraken.spot(creator, "CreateSubaccount", username="mm", email="carry@desk.example")
    kraken.people("email-confirm", email="carry@desk.example")
    assert "not unlocked" in refusal(kraken.ask_people("support-process", **LINK))
    kraken.people("unlock-derivatives", account="mm")
    kraken.people("support-process", **LINK)
    kraken.people("email-confirm", email="carry@desk.example")
    assert linked(kraken, controller) == ["carry@desk.example"]


def test_the_call_log_says_who_asked_what_from_where_and_holds_no_secret(kraken, creator, controller):
    """Each call is recorded with its outcome and the key's fingerprint; nothing that signs is."""
    kraken.people("egress", address="203.0.113.7")
    kraken.spot(creator, "GetApiKeyInfo", nonce=3)
    kraken.spot(creator, "Balance", nonce=2)
    kraken.derivatives(controller, "GET", "/derivatives/api/v3/subaccounts", query="a=b")
    log = kraken.people("calls")["calls"]
    assert [(c["n"], c["platform"], c["path"], c["nonce"], c["outcome"], c["egress"]) for c in log] == [
        (1, "spot", "/0/private/GetApiKeyInfo", 3, "ok", "203.0.113.7"),
        (2, "spot", "/0/private/Balance", 2, "EAPI:Invalid nonce", "203.0.113.7"),
        (3, "derivatives", "/derivatives/api/v3/subaccounts?a=b", None, "ok", "203.0.113.7"),
    ]
    assert log[0]["key_last4"] == creator["api_key"][-4:]
    assert len(log[0]["key_fingerprint"]) == 12
    shown = str(log) + str(kraken.people("state")) + str(kraken.people("list-keys", account="desk"))
    for key in (creator, controller):
        assert key["api_secret"] not in shown
