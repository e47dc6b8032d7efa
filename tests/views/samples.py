"""Tasks, records, a snapshot and outcomes for the views beside the plan."""

from datetime import UTC, datetime, timedelta

from krakenstate.model.address import Address
from krakenstate.model.index import Index
from krakenstate.model.network import parse_network
from krakenstate.model.provenance import Fact, Missing, Provenance
from krakenstate.model.report import Answer, Attempt, Report
from krakenstate.model.run import Effect, Outcome
from krakenstate.model.snapshot import Arrival, Observation, Place, Presence, Snapshot
from krakenstate.model.state import (
    AccountRecord,
    AccountStatus,
    Document,
    GrantRecord,
    KeyRecord,
    Published,
    State,
)
from krakenstate.model.task import Attestation, Task, TaskKind, TaskStatus
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import Api, NonceUnit
from tests.views.plans import NOW, OBSERVED, PNL

CREATED = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)

CREATE_PNL = Task(
    id="3f9c2a01",
    kind=TaskKind.CREATE_KEY,
    address=PNL,
    assignee="risk",
    generation=1,
    opened_at=NOW - timedelta(hours=3),
    title='Create key "pnl-g1" on account desk-mm',
    instructions=(
        'Sign in to Kraken as "desk-mm", not as the master account.\n'
        "\n"
        "  1. Settings, API, Create key\n"
        "  2. Name:         pnl-g1\n"
        "  3. Tick:         query-funds, query-open-trades, query-closed-trades, query-ledger\n"
        "  4. IP allowlist: 192.0.2.10, 198.51.100.0/28\n"
        "\n"
        "Keep the dialog open, and hand the key in:\n"
        "\n"
        "    krakenstate key ingest spot_key.pnl\n"
    ),
    evidence="The key itself answers GetApiKeyInfo with exactly these attributes.",
    waits_on=("spot_subaccount.mm",),
    rejection="permissions: declared query-funds, found query-funds and withdraw-funds",
)

GRANT = Task(
    id="b17e0c55",
    kind=TaskKind.INSTALL_GRANT,
    address=Address("grant.pnl"),
    assignee="vault administrator",
    opened_at=NOW - timedelta(days=5),
    status=TaskStatus.ATTESTED,
    title="Install policy krakenstate-prod-pnl",
    instructions="bao policy write krakenstate-prod-pnl policy.hcl",
    evidence="An administrator says so.",
    attestation=Attestation(by="vera", at=NOW - timedelta(minutes=40), note="done in change 4711"),
    closed_at=NOW - timedelta(minutes=40),
    closed_because="attested",
)

KEY = KeyRecord(
    address=PNL,
    account=Address("spot_subaccount.mm"),
    process=Address("process.pnl"),
    key_name="pnl-g1",
    terms=KeyTerms(
        api=Api.SPOT,
        permissions=("query-funds", "query-ledger"),
        networks=(parse_network("192.0.2.10"),),
        nonce_unit=NonceUnit.TEN_NANOSECONDS,
    ),
    published=Published(
        fingerprint="3f2a11112222",
        last_four="9fQa",
        path="kraken/prod/pnl/spot_key.pnl",
        version=2,
        at=CREATED,
    ),
    described_at=CREATED,
    provenance=Provenance.OBSERVED,
)
ACCOUNT = AccountRecord(
    address=Address("spot_subaccount.mm"),
    status=AccountStatus.EXISTS,
    email="kraken+mm@desk.example",
    username="desk-mm",
    master=Address("master_account.desk"),
    existed_at=CREATED,
)
POLICY = GrantRecord(
    address=Address("grant.pnl"),
    process=Address("process.pnl"),
    policy_name="krakenstate-prod-pnl",
    policy='path "kv/data/kraken/prod/pnl/*" {\n  capabilities = ["read"]\n}\n',
)


def state() -> State:
    """A state of three records and two tasks."""
    index = Index(
        krakenstate_version="0.1.0",
        lineage="5a1d6c2e",
        serial=7,
        stack="prod",
        environment="production",
        spot_origin="https://api.kraken.com",
        futures_origin="https://futures.kraken.com",
        created_at=CREATED,
        written_at=NOW,
    )
    found = State(index, {"stack": Document(lineage="5a1d6c2e", name="stack")})
    for record in (KEY, ACCOUNT, POLICY):
        found.put(record)
    for task in (CREATE_PNL, GRANT):
        found.put_task(task)
    return found


EVIDENCE = "kv/krakenstate/prod/evidence"
REPORT = Report(
    path=f"{EVIDENCE}/at-colo/spot_key.at-colo",
    attempt=Attempt(fingerprint="5c0a55556666", at=NOW - timedelta(hours=1), code="KS2101"),
    answer=Answer(
        at=NOW - timedelta(hours=5),
        who="bot@colo-1",
        host="colo-1",
        site="colo",
        krakenstate_version="0.1.0",
        description=KeyDescription(api=Api.SPOT, fingerprint="5c0a55556666", last_four="7Kd2"),
    ),
)


def snapshot() -> Snapshot:
    """Each way of knowing and each reason not to; one link absent, two reports, one secret in the inbox."""
    observations = [
        Observation(
            address=PNL,
            presence=Presence.PRESENT,
            description=KeyDescription(api=Api.SPOT, fingerprint="3f2a11112222", last_four="9fQa"),
            at=OBSERVED,
        ),
        Observation(
            address=Address("spot_key.mm-quoter"), presence=Presence.UNKNOWN, missing=Missing.PENDING
        ),
        Observation(
            address=Address("spot_key.spot-creator"),
            presence=Presence.UNKNOWN,
            missing=Missing.NOT_ASKED,
            detail="this run's site is not inside its allowlist",
            provenance=Provenance.ATTESTED,
            at=NOW - timedelta(days=2),
        ),
        Observation(
            address=Address("spot_key.at-colo"),
            presence=Presence.UNKNOWN,
            missing=Missing.NOT_ASKED,
            detail="in service: asking it would move its nonce",
            report=REPORT,
            provenance=Provenance.REPORTED,
            at=NOW - timedelta(hours=5),
        ),
        Observation(
            address=Address("spot_key.junk"),
            presence=Presence.UNKNOWN,
            missing=Missing.PENDING,
            report=Report(path=f"{EVIDENCE}/junk/spot_key.junk", problem="it is not of the form of a report"),
        ),
        Observation(
            address=Address("spot_subaccount.mm"),
            presence=Presence.UNKNOWN,
            missing=Missing.NOT_ASKED,
            provenance=Provenance.RECORDED,
            at=CREATED,
        ),
        Observation(
            address=Address("derivatives_key.hedger"),
            presence=Presence.UNKNOWN,
            missing=Missing.UNREADABLE,
            detail="Kraken did not answer within 10 s",
            code="KS2001",
        ),
        Observation(
            address=Address("derivatives_subaccount.carry"),
            presence=Presence.ABSENT,
            at=OBSERVED,
            facts={"linked": Fact(value=False, provenance=Provenance.OBSERVED, at=OBSERVED)},
        ),
    ]
    return Snapshot(
        lineage="5a1d6c2e",
        stack="prod",
        environment="production",
        site="runner",
        observed_at=OBSERVED,
        clock_offset_ms=-12,
        observations={o.address: o for o in observations},
        arrivals=(Arrival(address=PNL, place=Place.INBOX, version=1, fingerprint="91c033334444"),),
    )


def outcome(effect: Effect, text: str = "", address: str = "spot_key.pnl", **fields) -> Outcome:
    """What a step came to."""
    return Outcome(address=Address(address), effect=effect, text=text, **fields)
