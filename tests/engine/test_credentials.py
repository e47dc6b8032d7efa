"""The register of credentials: each row says what is known and how, and what somebody should look at."""

from datetime import UTC, date, datetime, timedelta

import pytest

from krakenstate import Access, Permission, Process, SpotSubaccount
from krakenstate.engine import observe, reading, runs
from krakenstate.engine.credentials import build_report
from krakenstate.engine.planner import build_plan
from krakenstate.errors import PlanLooksAhead
from krakenstate.model.credential_row import CredentialRow, FindingKind, Stage
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.report import Answer, Report
from krakenstate.model.snapshot import Place
from krakenstate.model.state import Removal
from krakenstate.model.vocabulary import Api
from tests.support.looks import (
    NOW,
    arrived,
    as_described,
    candidate,
    key_record,
    look_at,
    missing,
    served,
)
from tests.support.world import COLO, derivatives_key, spot_key

MONTH = timedelta(days=30)
KEY, PERP = spot_key(), derivatives_key()


def report_of(look, *, within=MONTH, as_of=None, others=()):
    """The register of an outlook."""
    return build_report(
        look.desired, look.state, look.snapshot, now=look.now, within=within, as_of=as_of, others=others
    )


def row_of(*declared, records=(), address="spot_key.pnl", within=MONTH, as_of=None, others=(), **more):
    """One key's row."""
    found = report_of(look_at(declared, records, **more), within=within, as_of=as_of, others=others)
    [row] = [row for row in found.rows if row.address == address]
    return row


def kinds(row):
    """What was found about it."""
    return {found.kind for found in row.findings}


@pytest.mark.parametrize(
    ("records", "arrivals", "stage"),
    [
        pytest.param([], [], Stage.PENDING, id="declared"),
        pytest.param([key_record(KEY)], [], Stage.PENDING, id="approved"),
        pytest.param(
            [key_record(KEY)], [arrived(KEY.address, Place.INBOX)], Stage.PENDING, id="in the inbox"
        ),
        pytest.param(
            [key_record(KEY)], [arrived(KEY.address, Place.QUARANTINE)], Stage.QUARANTINE, id="just stored"
        ),
        pytest.param([key_record(KEY, candidate=candidate())], [], Stage.QUARANTINE, id="handed in"),
        pytest.param([served(KEY)], [], Stage.IN_SERVICE, id="published"),
        pytest.param([served(KEY, candidate=candidate())], [], Stage.ROTATING, id="with a successor"),
        pytest.param([served(KEY, removal=Removal.DELETING)], [], Stage.REMOVING, id="on its way out"),
    ],
)
def test_each_stage_is_told(records, arrivals, stage):
    """The record and what waits in Vault say where a key is in its life."""
    assert row_of(KEY, records=records, arrivals=arrivals).stage is stage


def test_a_described_key_is_told_by_its_own_word():
    """Rights, allowlist, expiry and use are what the key said, with how and when it is known."""
    used = NOW - timedelta(days=4)
    said = as_described(
        KEY,
        permissions=("query-funds", "withdraw-funds"),
        networks=COLO.networks,
        valid_until=datetime(2027, 1, 5, 12, tzinfo=UTC),
        created_at=NOW - timedelta(days=40),
        last_used_at=used,
    )
    row = row_of(KEY, records=[served(KEY, description=said)])
    assert (row.rights, row.moves_funds) == (("query-funds", "withdraw-funds"), True)
    assert (row.addresses, row.expires, row.last_used_at) == (1 + 2**64, date(2027, 1, 5), used)
    assert row.since == NOW - timedelta(days=40)
    assert (row.described, row.evidence) == (True, Provenance.OBSERVED)
    assert row.evidence_at == NOW - timedelta(days=3)
    assert (row.owner, row.used_by, row.iiban_end) == ("risk", ("pnl",), "3F5K")


def test_a_newer_report_wins_over_the_record():
    """What was reported since is shown as reported, at its own instant."""
    at = NOW - timedelta(hours=5)
    said = as_described(KEY, last_used_at=at)
    answer = Answer(
        at=at, who="bot@colo", host="colo", site="colo", krakenstate_version="test", description=said
    )
    seen = missing(KEY.address, Missing.NOT_ASKED, report=Report(path="kv/x", answer=answer))
    row = row_of(KEY, records=[served(KEY)], observations=[seen])
    assert (row.evidence, row.evidence_at, row.last_used_at) == (Provenance.REPORTED, at, at)


def test_a_key_that_never_answered_is_told_as_declared():
    """Without a description the declaration stands in, and no evidence is claimed."""
    row = row_of(KEY, records=[key_record(KEY)])
    assert (row.described, row.evidence, row.evidence_at, row.last_used_at) == (False, None, None, None)
    assert (row.rights, row.expires) == (("query-funds", "query-ledger"), date(2027, 6, 30))


def test_a_derivatives_key_is_told_by_its_two_levels():
    """Transfer in full moves funds; its expiry is not told, which is another thing than never."""
    full = derivatives_key(transfer=Access.FULL_ACCESS)
    row = row_of(full, records=[served(full)], address="derivatives_key.hedger")
    assert row.rights == ("general=READ_ONLY", "transfer=FULL_ACCESS")
    assert (row.moves_funds, row.expires, row.never_expires) == (True, None, False)


@pytest.mark.parametrize(
    ("permissions", "moves"),
    [
        pytest.param(None, None, id="not managed"),
        pytest.param(set(), False, id="none"),
        pytest.param({Permission.ADD_WITHDRAW_ADDRESS}, True, id="an address"),
    ],
)
def test_unmanaged_rights_are_never_told_as_harmless(permissions, moves):
    """Whether a key moves funds is not known where its permissions are neither declared nor described."""
    assert row_of(spot_key(permissions=permissions)).moves_funds is moves


def test_shared_keys_name_each_other():
    """Two addresses with one fingerprint are one key in two hands."""
    mm = SpotSubaccount(name="mm", master=KEY.account, username="desk-mm", email="mm@desk.example")
    other = spot_key(name="twin", account=mm, process=Process(name="twin", owner="risk"))
    look = look_at([KEY, other, other.process, mm], [served(KEY), served(other)])
    found = {row.address: [f.text for f in row.findings] for row in report_of(look).rows}
    assert found["spot_key.pnl"] == ["the same key as spot_key.twin"]
    assert found["spot_key.twin"] == ["the same key as spot_key.pnl"]


def test_an_unmanaged_key_is_a_row_with_findings():
    """A key known from elsewhere, used by two or by nobody known, stands in the same list."""
    common = {"api": Api.SPOT, "account": "mm", "account_label": "mm", "stage": Stage.UNMANAGED}
    rows = [
        CredentialRow(address="unmanaged.a", used_by=("bot-1", "bot-2"), **common),
        CredentialRow(address="unmanaged.b", expires=date(2026, 1, 1), **common),
    ]
    found = {row.address: kinds(row) for row in report_of(look_at([]), others=rows).rows}
    assert found["unmanaged.a"] == {FindingKind.SHARED, FindingKind.UNMANAGED}
    assert found["unmanaged.b"] == {FindingKind.EXPIRED, FindingKind.UNKNOWN, FindingKind.UNMANAGED}


def test_undeclared_and_unapproved_keys_say_so():
    """A record without a declaration and a declaration without a record are findings."""
    found = {row.address: kinds(row) for row in report_of(look_at([KEY], [served(PERP)])).rows}
    assert found["spot_key.pnl"] == {FindingKind.NOT_APPROVED}
    assert found["derivatives_key.hedger"] == {FindingKind.NOT_DECLARED}


@pytest.mark.parametrize(
    ("expires", "as_of", "within", "found"),
    [
        pytest.param(date(2026, 11, 1), None, MONTH, {FindingKind.EXPIRED}, id="yesterday"),
        pytest.param(date(2026, 11, 2), None, MONTH, {FindingKind.EXPIRING}, id="today"),
        pytest.param(date(2026, 12, 2), None, MONTH, {FindingKind.EXPIRING}, id="the last day within"),
        pytest.param(date(2026, 12, 3), None, MONTH, set(), id="a day later"),
        pytest.param(
            date(2026, 12, 3), None, timedelta(days=31), {FindingKind.EXPIRING}, id="looked further"
        ),
        pytest.param(date(2026, 12, 3), date(2026, 12, 3), MONTH, {FindingKind.EXPIRING}, id="as of the day"),
        pytest.param(date(2026, 12, 3), date(2026, 12, 4), MONTH, {FindingKind.EXPIRED}, id="as of the next"),
    ],
)
def test_the_day_decides_what_is_due(expires, as_of, within, found):
    """Expired and expiring are told from today, or from the day looked ahead to."""
    key = spot_key(expires=expires)
    instant = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) if as_of else None
    row = row_of(key, records=[served(key)], within=within, as_of=instant)
    assert kinds(row) == found


def test_a_rotation_is_due_from_the_day_of_publication():
    """rotate_every counts from there; overdue and due are two findings."""
    key = spot_key(rotate_every=timedelta(days=10))
    row = row_of(key, records=[served(key)])
    assert (row.rotation_due, kinds(row)) == (date(2026, 11, 9), {FindingKind.ROTATION_DUE})
    later = datetime(2026, 11, 10, tzinfo=UTC)
    assert kinds(row_of(key, records=[served(key)], as_of=later)) == {FindingKind.ROTATION_OVERDUE}


def test_a_snapshot_of_another_lineage_is_not_used():
    """Rows are then made of the record alone, and the report says that nothing was observed."""
    look = look_at([KEY], [served(KEY)])
    foreign = look.snapshot.model_copy(update={"lineage": "another"})
    found = build_report(look.desired, look.state, foreign, now=NOW, within=MONTH)
    assert found.observed_at is None
    assert found.rows[0].stage is Stage.IN_SERVICE


def test_a_plan_that_looks_ahead_keeps_its_decision():
    """Steps and digest stay today's; what is upcoming moves, and the plan is marked."""
    key = spot_key(expires=date(2027, 6, 30), rotate_every=timedelta(days=100))
    look = look_at([key, PERP], [served(key)])
    now = build_plan(look, version="test")
    then = build_plan(look, version="test", as_of=datetime(2027, 7, 1, tzinfo=UTC))
    assert (then.digest, then.steps, then.facts.planned_at) == (now.digest, now.steps, now.facts.planned_at)
    assert (now.facts.as_of, then.facts.as_of) == (None, date(2027, 7, 1))
    assert now.facts.upcoming == ()
    told = [item.text for item in then.facts.upcoming]
    assert told[0].startswith("rotation overdue since 2027-02-07")
    assert told[1] == "expired 2027-06-30"


def test_a_plan_that_looks_ahead_is_never_carried_out(world):
    """It is refused before anything is written, though today's plan of the same digest would be applied."""
    world.initialise()
    world.declare(KEY)
    session = world.session()
    state = reading.load_state(session)
    snapshot = observe.take_snapshot(session, state)
    ahead = reading.make_plan(session, state, snapshot, as_of=datetime(2027, 7, 1, tzinfo=UTC))
    assert ahead.proposals
    with pytest.raises(PlanLooksAhead), world.writing("apply") as run:
        runs.apply(run, snapshot, ahead)
    assert reading.load_state(session).index.serial == state.index.serial
    assert ahead.digest == world.plan().digest
