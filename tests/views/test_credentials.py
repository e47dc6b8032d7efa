"""The register of credentials and the answer to an alert, as they are shown."""

import csv
import io
import json
import re
from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings

from krakenstate.model.credential_row import CredentialReport, CredentialRow, FindingKind, RowFinding, Stage
from krakenstate.model.provenance import Provenance
from krakenstate.model.sighting import Looked, Owner, Role, Sighting
from krakenstate.model.vocabulary import Api
from krakenstate.views.credentials import (
    NO_KEYS,
    credentials_csv,
    credentials_json,
    render_credentials,
    safe_cell,
)
from krakenstate.views.values import dump
from krakenstate.views.whois_text import owners_json, render_owners
from tests.support.golden import check_golden
from tests.views.plans import NOW, OBSERVED
from tests.views.samples import CREATED
from tests.views.test_hostile_text import FOREIGN, HOSTILE, SGR

ROWS = (
    CredentialRow(
        address="derivatives_key.hedger",
        api=Api.DERIVATIVES,
        account="derivatives_subaccount.carry",
        account_label="carry",
        used_by=("hedger",),
        owner="market-making",
        generation=1,
        rights=("general=FULL_ACCESS", "transfer=NO_ACCESS"),
        moves_funds=False,
        addresses=2,
        stage=Stage.PENDING,
    ),
    CredentialRow(
        address="spot_key.pnl",
        api=Api.SPOT,
        account="spot_subaccount.mm",
        account_label="desk-mm",
        iiban_end="3F5K",
        used_by=("pnl",),
        owner="risk",
        key_name="pnl-g1",
        generation=1,
        fingerprint="3f2a11112222",
        last_four="9fQa",
        rights=("query-funds", "query-ledger"),
        moves_funds=False,
        addresses=17,
        described=True,
        since=CREATED,
        expires=date(2027, 6, 30),
        last_used_at=NOW - timedelta(days=2),
        rotation_due=date(2026, 11, 20),
        stage=Stage.IN_SERVICE,
        evidence=Provenance.OBSERVED,
        evidence_at=NOW - timedelta(days=1),
        findings=(RowFinding(kind=FindingKind.ROTATION_DUE, text="rotation due 2026-11-20"),),
    ),
    CredentialRow(
        address="unmanaged.old-bot",
        api=Api.SPOT,
        account="desk",
        account_label="desk",
        rights=("withdraw-funds",),
        moves_funds=True,
        addresses=0,
        expires=date(2026, 1, 31),
        stage=Stage.UNMANAGED,
        evidence=Provenance.ATTESTED,
        evidence_at=NOW - timedelta(days=9),
        findings=(
            RowFinding(kind=FindingKind.UNKNOWN, text="nobody knows what uses it"),
            RowFinding(kind=FindingKind.UNMANAGED, text="in no stack"),
            RowFinding(kind=FindingKind.OPEN, text="works from anywhere: it has no allowlist"),
            RowFinding(kind=FindingKind.EXPIRED, text="expired 2026-01-31"),
        ),
    ),
)


def report(*rows, **changes):
    """A report of these rows."""
    fields = {
        "stack": "prod",
        "environment": "production",
        "serial": 7,
        "now": NOW,
        "within_days": 30,
        "observed_at": OBSERVED,
        "rows": rows,
    }
    return CredentialReport(**{**fields, **changes})


def hostile(text):
    """A row with foreign text wherever some may stand."""
    return CredentialRow(
        address=text,
        api=Api.SPOT,
        account=text,
        account_label=text,
        iiban_end=text,
        used_by=(text,),
        owner=text,
        key_name=text,
        fingerprint=text,
        last_four=text,
        rights=(text,),
        stage=Stage.IN_SERVICE,
        findings=(RowFinding(kind=FindingKind.UNKNOWN, text=text),),
    )


SEEN = Sighting("spot_key.pnl", Role.IN_SERVICE, "3f2a11112222", "9fQa", 1, "pnl-g1", CREATED)
TASK = Sighting("spot_key.old", Role.TO_DELETE, "3f2a99998888", at=CREATED, task_id="3f9c2a01")
OWNERS = (
    Owner(SEEN, "spot_subaccount.mm", "desk-mm", "pnl", "risk", "hourly P&L", ROWS[1]),
    Owner(TASK, None, "", None, None, "", None),
)
LOOKED = Looked(keys=12, tasks=1, observed_at=OBSERVED)

VIEWS = {
    "credentials.txt": lambda: render_credentials(report(*ROWS)),
    "credentials-as-of.txt": lambda: render_credentials(
        report(ROWS[1], as_of=date(2027, 1, 31), observed_at=None)
    ),
    "credentials.csv": lambda: credentials_csv(report(*ROWS)),
    "credentials.json": lambda: dump(credentials_json(report(*ROWS))),
    "whois.txt": lambda: render_owners(OWNERS, LOOKED, ["uat"]),
    "whois.json": lambda: dump(owners_json(OWNERS, LOOKED, ["uat"])),
}


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_reads_as_reviewed(name):
    """Each is the text that was reviewed."""
    check_golden(f"views/{name}", VIEWS[name]() + "\n")


def test_no_keys_is_said():
    """An empty stack is not an empty answer."""
    assert NO_KEYS in render_credentials(report())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_forges_no_row(text):
    """Whatever a name holds, there are as many lines, rows and cells as with an honest one."""
    honest, forged = report(hostile("x"), *ROWS), report(hostile(text), *ROWS)
    table = render_credentials(forged, width=10_000).splitlines()
    assert len(table) == len(render_credentials(honest, width=10_000).splitlines())
    rows = list(csv.reader(io.StringIO(credentials_csv(forged))))
    assert len(rows) == 1 + len(forged.rows)
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[2:] == list(csv.reader(io.StringIO(credentials_csv(report(*ROWS)))))[1:]
    owner = Owner(Sighting(text, Role.IN_SERVICE, text, text, 1, text), text, text, text, text, text, None)
    lines = render_owners([owner], LOOKED, [text], width=10_000).splitlines()
    assert len(lines) == 7
    for shown in (*table, *lines, json.dumps(json.loads(dump(credentials_json(forged))))):
        assert "\x1b" not in shown


@settings(deadline=None)  # a busy machine is no bug
@given(FOREIGN)
@example('=HYPERLINK("https://evil.example","x")')
@example("  =1+1")
@example("x;=cmd|' /C calc'!A0")
@example("\t@SUM(A1)")
@example("\uff1d1")
def test_no_cell_is_a_formula(text):
    """No spreadsheet, whatever it splits at, finds a cell that begins with one of the signs of a formula."""
    cell = safe_cell(text)
    for part in re.split(r"[,;|\t\n]", cell):
        assert part.strip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20") or not part.strip()
    written = credentials_csv(report(hostile(text)))
    for row in csv.reader(io.StringIO(written)):
        assert not [c for c in row if c.strip() and c.strip()[0] in "=+-@\t\r"]
    assert "\n" not in cell
    assert "\r" not in cell


def test_an_honest_cell_stays_as_it_is():
    """Addresses, permissions, dates and levels carry no apostrophe."""
    for text in (
        "spot_key.mm-quoter",
        "query-funds query-ledger",
        "2027-01-31",
        "general=READ_ONLY",
        "a@b.c",
    ):
        assert safe_cell(text) == text


def test_colour_changes_nothing_but_colour():
    """Without colours the text is the same."""
    found = report(*ROWS)
    assert SGR.sub("", render_credentials(found, colour=True)) == render_credentials(found)
    coloured = render_owners(OWNERS, LOOKED, ["uat"], colour=True)
    assert SGR.sub("", coloured) == render_owners(OWNERS, LOOKED, ["uat"])
