"""Who holds what, on the real command line: the register of credentials, looking ahead, and key whois."""

import base64
import csv
import io
import json
from collections.abc import Callable

import pytest

from krakenstate.model.identity import fingerprint
from tests.support.e2e import APPLY, AT_RUNNER, HEADER, HEDGER, MASTER, PNL_PERMISSIONS, RUNNER, Desk

PNL = """
stack.add(SpotKey(name="pnl", account=desk, process=pnl, permissions=roles.RECONCILIATION, allowlist=[runner],
    nonce_unit=NonceUnit.MILLISECONDS, expires=date(2027, 3, 31), rotate_every=timedelta(days=60)))
"""
SECRET = base64.b64encode(bytes(range(64))).decode()


def with_one_key(new_desk: Callable[[str], Desk]) -> tuple[Desk, str, str]:
    """A desk with one key in service and one only asked for; the public half and the secret of the first."""
    desk = new_desk(HEADER + PNL + HEDGER)
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(
        MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER], expires="2027-03-31"
    )
    public = desk.hand_in("spot_key.pnl", made, *AT_RUNNER)
    desk.run("observe", *AT_RUNNER)
    return desk, public, json.loads(made)["api_secret"]


@pytest.mark.timeout(240)
def test_the_register_looking_ahead_and_an_alert(new_desk: Callable[[str], Desk]) -> None:
    """Table, CSV and JSON agree; a later day moves what is due and nothing else; an alert finds its owner."""
    desk, public, secret = with_one_key(new_desk)
    calls, before = len(desk.kraken.calls()), desk.vault()
    report = ("report", "credentials", "prod")

    desk.run(*report, expect=("spot_key.pnl", "2027-03-31", "in service", "pending", "Nothing to look at."))
    found = desk.data(*report)
    assert [(k["address"], k["stage"], k["owner"]) for k in found["credentials"]] == [
        ("derivatives_key.hedger", "pending", "market-making"),
        ("spot_key.pnl", "in service", "risk"),
    ]
    key = found["credentials"][1]
    assert (key["moves_funds"], key["addresses"], key["iiban_end"]) == (False, 1, "3F5K")
    assert (key["evidence"], key["rotation_due"], key["age_days"]) == ("observed", "2027-01-01", 0)
    assert "AA12" not in json.dumps(found)
    rows = list(csv.DictReader(io.StringIO(desk.run(*report, "--format", "csv").stdout)))
    assert [row["key"] for row in rows] == ["derivatives_key.hedger", "spot_key.pnl"]
    assert rows[1]["permissions"] == "query-closed-trades query-funds query-ledger query-open-trades"
    assert json.loads(desk.run(*report, "--format", "json").stdout)["credentials"][1]["key_name"] == "pnl-g1"

    desk.run(*report, "--within", "90d", expect="rotation due 2027-01-01")
    later = desk.data(*report, "--as-of", "2027-04-01")["credentials"][1]
    assert {f["kind"] for f in later["findings"]} == {"expired", "rotation_overdue"}
    assert later["age_days"] == 150
    plan = ("plan", "prod", "--refresh=false")
    today, ahead = desk.data(*plan), desk.data(*plan, "--as-of", "2027-04-01")
    assert (today["plan_digest"], today["resource_changes"]) == (
        ahead["plan_digest"],
        ahead["resource_changes"],
    )
    assert (today["as_of"], ahead["as_of"], ahead["applyable"]) == (None, "2027-04-01", False)
    assert "expired 2027-03-31" in {u["text"] for u in ahead["upcoming"]}
    desk.run(*plan, "--as-of", "2027-04-01", expect="upcoming as of 2027-04-01, not to be applied")
    assert "2027-03-31" in json.dumps(desk.data(*plan, "--within", "150d")["upcoming"])

    whois = ("key", "whois")
    (desk.folder / "stacks" / "uat.py").write_text("", encoding="utf-8")
    stack = ("--stack", "prod")
    for clue in (fingerprint(public)[:4], f"fp {fingerprint(public)}", f"...{public[-4:]}", public):
        said = desk.run(
            *whois, clue, *stack, expect=("spot_key.pnl: in service", "risk", "Not looked at: uat")
        )
        assert public not in said.stdout + said.stderr
    [match] = desk.data(*whois, public[-4:], *stack)["matches"]
    assert (match["process"], match["role"]) == ("pnl", "in service")
    nothing = desk.fails("KS3041", *whois, "0" * 12, *stack)
    assert "2 recorded keys" in nothing.stderr
    assert "the stacks uat" in " ".join(nothing.stderr.split())

    assert len(desk.kraken.calls()) == calls, "a report asked Kraken"
    assert desk.vault() == before, "a report wrote to Vault"
    assert not [text for text in desk.said if secret in text]


def test_what_is_typed_wrongly_is_refused_and_not_repeated(standing_desk: Desk) -> None:
    """Dates, spans and clues of another form are errors with a reason; a secret is never echoed."""
    desk = standing_desk
    for words, told in (
        (("plan", "--within", "30"), "write 1d to 3650d"),
        (("plan", "--within", "99999999d"), "write 1d to 3650d"),
        (("plan", "--within", "soon"), "is no duration"),
        (("report", "credentials", "--as-of", "2027-02-30"), "is no date"),
        (("report", "credentials", "--as-of", "tomorrow"), "is no date"),
        (("report", "credentials", "--as-of", "2026-11-01"), "has passed"),
        (("report", "credentials", "--as-of", "9999-12-31"), "more than 3650 days ahead"),
        (("report", "credentials", "--format", "xml"), "--format"),
        (("key", "whois", "xyz"), "is neither the beginning"),
    ):
        said = desk.fails("KS8001", *words)
        assert told in " ".join(said.stderr.split()), said.stderr
    for words in ((SECRET,), ("3f2a", SECRET), (SECRET, "--json"), (SECRET[:-2] + "==",)):
        said = desk.fails("KS8041", "key", "whois", *words)
        assert SECRET[:12] not in said.stdout + said.stderr
    said = desk.fails("KS8001", "key", "whois", SECRET[:30])
    assert SECRET[:12] not in said.stdout + said.stderr
    failed = desk.fails("KS8001", "report", "credentials", "--format", "json", "--as-of", "2026-11-01")
    assert json.loads(failed.stdout)["code"] == "KS8001"
