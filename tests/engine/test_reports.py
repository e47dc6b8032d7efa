"""Reports from where processes run: asked once there, published here, and trusted no further than that."""

import pytest

from krakenstate import MasterAccount, Moved, NonceUnit
from krakenstate.engine.observe import observe
from krakenstate.engine.reporting import Here, ask_here, report_here
from krakenstate.errors import (
    AuthenticationFailed,
    BreakerOpen,
    InvalidKey,
    InvalidNonce,
    KrakenError,
    NotAskedInService,
    NotPossibleHere,
    ReportUnusable,
    SecretDisappeared,
    TaskNotPossible,
    VaultConflict,
    VaultDenied,
)
from krakenstate.model.address import Address
from krakenstate.model.desired import Desired
from krakenstate.model.plan import Action
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.report import Evidence
from krakenstate.model.run import BreakerScope, Effect
from krakenstate.model.state import Verdict
from krakenstate.model.task import TaskKind
from tests.support.world import (
    BASIS,
    COLO,
    CONTROLLER,
    CREATOR,
    DESK,
    HEAD,
    PNL,
    RUNNER,
    STATE,
    derivatives_key,
    is_empty,
    spot_key,
)

RUNNER_ADDRESS, COLO_ADDRESS = "192.0.2.10", "203.0.113.7"
HERE = Here("bot@colo-1", "colo-1")
SPOT, DERIVATIVES = "spot_key.pnl", "derivatives_key.hedger"


def at_colo(make, **changes):
    """A key that admits one host alone."""
    return make(allowlist=[COLO], **changes)


KEYS = [pytest.param(spot_key, id="spot"), pytest.param(derivatives_key, id="derivatives")]


def waits(world, key, **made):
    """Approved, made, and handed in from a site that may not ask it; its credential comes back."""
    world.declare(key)
    world.apply()
    credential = world.make_key(key, **made)
    assert world.hand_in(key.address, credential).effect is Effect.WAITING
    return credential


def report(world, key, site="colo"):
    """As ``krakenstate key verify ADDRESS --report`` on the process's host."""
    world.people("egress", address=COLO_ADDRESS)
    try:
        return report_here(world.session(site), key, HERE)
    finally:
        world.people("egress", address=RUNNER_ADDRESS)


def evidence(world, key):
    """What lies at the key's evidence path."""
    return world._data(f"{STATE}/evidence/{key.process.name}/{key.address}")


def leave(world, key, data):
    """The process writes what it likes there."""
    path = f"{STATE}/evidence/{key.process.name}/{key.address}"
    head = world.kv.metadata(path)
    world.kv.write(path, data, head.version if head else 0)
    return f"kv/{path}"


def fact(world, address, site="runner"):
    """How a plan knows of an address."""
    [found] = [f for f in world.plan(site).facts.observations if f.address == address]
    return found


def checks(world, address):
    """A plan's findings about an address, as code and text."""
    return [(c.code, c.text) for c in world.plan().facts.checks if c.address == address]


@pytest.mark.parametrize("make", KEYS)
def test_a_key_is_published_on_its_hosts_report(world, make):
    """Asked once by its host; settle from another site publishes it unasked, and nothing is left to do."""
    key = at_colo(make)
    credential = waits(world, key)
    assert world.step(key.address).action is Action.WAIT
    description, path = report(world, key)
    assert description.fingerprint == credential.fingerprint
    assert path == f"kv/{STATE}/evidence/{key.process.name}/{key.address}"
    reported_at = world.clock()
    world.clock.advance(minutes=5)
    assert world.step(key.address).action is Action.VERIFY
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.PUBLISHED
    record = world.state.key(key.address)
    assert (record.provenance, record.described_at) == (Provenance.REPORTED, reported_at)
    assert len(world.calls(only=credential)) == 1
    assert world.quarantine(key.process.name, key.address) is None
    plan = world.plan()
    assert is_empty(plan)
    assert not plan.facts.checks
    known = fact(world, key.address)
    assert (known.provenance, known.at, known.missing) == (
        Provenance.REPORTED,
        reported_at,
        Missing.NOT_ASKED,
    )


def test_a_report_holds_no_secret(world):
    """Neither half of the key is in what the host leaves."""
    key = at_colo(spot_key)
    credential = waits(world, key)
    report(world, key)
    text = str(evidence(world, key))
    assert credential.api_key.get_secret_value() not in text
    assert credential.api_secret.get_secret_value() not in text
    assert Evidence.model_validate(evidence(world, key)).answer.who == HERE.who


def test_the_host_reads_one_secret_and_writes_one_entry(world):
    """Neither state nor ledger, breakers, lock or inbox are touched."""
    key = at_colo(spot_key)
    waits(world, key)
    allowed = {
        f"kraken/prod/pnl/{SPOT}": "r",
        f"{STATE}/quarantine/pnl/{SPOT}": "r",
        f"{STATE}/evidence/pnl/{SPOT}": "rw",
    }
    touched = []

    class Narrow:
        """A token that may do no more."""

        def read(self, path, version=None):
            touched.append(path)
            if path not in allowed:
                raise VaultDenied(path)
            return world.kv.read(path, version)

        def write(self, path, data, cas):
            if allowed.get(path) != "rw":
                raise VaultDenied(path)
            return world.kv.write(path, data, cas)

        def __getattr__(self, name):
            raise VaultDenied(name)

    world.mains = Narrow()
    report(world, key)
    assert set(touched) == set(allowed)


def test_nonces_leave_room_and_are_never_used_again(world):
    """The host counts by tens and a run elsewhere by ones from there, so that neither is refused."""
    key = spot_key(allowlist=[RUNNER, COLO])
    world.declare(key)
    world.apply()
    credential = world.make_key(key, permission=["query-funds"])
    assert world.hand_in(key.address, credential).effect is Effect.REJECTED
    report(world, key)
    world.clock.advance(minutes=1)
    world.settle()
    report(world, key)
    assert evidence(world, key)["attempt"]["nonce"] == "20"
    assert world._data(f"{STATE}/probes/{credential.fingerprint}")["nonce"] == "11"
    assert world.state.key(SPOT).candidate.verdict is Verdict.DIFFERS
    assert world.session().records.ledger.breakers() == []
    assert len(world.calls(only=credential)) == 4


def test_the_small_nonces_end_before_a_counter_that_begins_at_a_thousand(world):
    """After 990 the key is not asked any more."""
    key = at_colo(spot_key)
    credential = waits(world, key)
    at = "2026-11-02T08:00:00Z"
    attempt = {"fingerprint": credential.fingerprint, "at": at, "nonce": "990"}
    leave(world, key, {"stack": "prod", "address": SPOT, "attempt": attempt})
    with pytest.raises(NotAskedInService):
        report(world, key)
    assert world.calls(only=credential) == []


@pytest.mark.parametrize("make", KEYS)
def test_a_rejected_key_is_left_alone_and_settle_hears_of_it(world, make):
    """The rejection is remembered, not repeated within 15 minutes, and becomes a refusal and a breaker."""
    key = at_colo(make)
    credential = waits(world, key, ip=["198.51.100.1"])
    with pytest.raises(InvalidKey):
        report(world, key)
    with pytest.raises(BreakerOpen):
        report(world, key)
    assert len(world.calls(only=credential)) == 1
    [outcome] = world.settle().outcomes
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, InvalidKey.code)
    [breaker] = world.session().records.ledger.breakers()
    assert (breaker.scope, breaker.subject) == (BreakerScope.CREDENTIAL, credential.fingerprint)
    assert world.settle().outcomes == [], "the same rejection is heard once"
    assert InvalidKey.headline in world.task(TaskKind.CREATE_KEY, key.address).rejection
    assert world.quarantine(key.process.name, key.address) is not None
    world.clock.advance(minutes=16)
    with pytest.raises(InvalidKey):
        report(world, key)


def test_a_key_that_is_not_fresh_is_asked_later_in_its_unit(world):
    """It refused the small nonces; after 15 minutes it is asked from the clock in the declared unit."""
    key = at_colo(spot_key)
    credential = waits(world, key)
    world.people("egress", address=COLO_ADDRESS)
    world.providers.keys[key.api].describe_key(credential, 1000)
    with pytest.raises(InvalidNonce):
        report(world, key)
    world.clock.advance(minutes=16)
    report(world, key)
    assert int(evidence(world, key)["attempt"]["nonce"]) == int(world.clock().timestamp() * 1000)
    assert world.settle().outcomes[0].effect is Effect.PUBLISHED


@pytest.mark.parametrize("unit", [None, NonceUnit.COUNTER])
def test_a_key_that_is_not_fresh_and_has_no_clock_is_not_asked(world, unit):
    """No nonce is sure to overtake nobody."""
    key = at_colo(spot_key, nonce_unit=unit)
    credential = waits(world, key)
    world.people("egress", address=COLO_ADDRESS)
    world.providers.keys[key.api].describe_key(credential, 1000)
    with pytest.raises(InvalidNonce):
        report(world, key)
    world.clock.advance(minutes=16)
    with pytest.raises(NotAskedInService):
        report(world, key)
    assert len(world.calls(only=credential)) == 2


def test_a_spot_key_in_service_is_not_asked(world):
    """Its process uses the nonce."""
    key = spot_key()
    credential = world.put_in_service(key)
    for ask in (lambda: report_here(world.session(), key, HERE), lambda: ask_here(world.session(), key)):
        with pytest.raises(NotAskedInService):
            ask()
    assert len(world.calls(only=credential)) == 1


def test_without_a_report_nothing_is_written(world):
    """A Derivatives key tells the same; a Spot key is not asked, since nothing would remember its nonce."""
    key, spot = at_colo(derivatives_key), at_colo(spot_key)
    waits(world, key)
    world.people("egress", address=COLO_ADDRESS)
    before = world.kv.everything()
    assert ask_here(world.session("colo"), key).general == "READ_ONLY"
    assert world.kv.everything() == before
    world.people("egress", address=RUNNER_ADDRESS)
    waits(world, spot)
    with pytest.raises(NotPossibleHere):
        ask_here(world.session("colo"), spot)


def test_a_site_outside_the_allowlist_asks_nothing(world):
    """A named site is believed, and checked before the secret is read."""
    key = at_colo(derivatives_key)
    credential = waits(world, key)
    with pytest.raises(NotPossibleHere):
        report_here(world.session("runner"), key, HERE)
    assert world.calls(only=credential) == []


def test_where_nothing_was_handed_in_nothing_is_asked(world):
    """Neither place holds a key."""
    key = at_colo(spot_key)
    world.declare(key)
    world.apply()
    with pytest.raises(SecretDisappeared):
        report(world, key)


def test_a_renamed_key_is_found_by_its_moved(world):
    """Its secret stays at its first address, and its report lies under the one it has now."""
    world.put_in_service(derivatives_key())
    renamed = derivatives_key(name="hedge")
    moved = [Moved(old=DERIVATIVES, new=renamed.address)]
    world.desired = Desired(HEAD, [*BASIS, renamed], moved)
    world.apply()
    world.clock.advance(hours=1)
    description, path = report_here(world.session("runner"), renamed, HERE)
    assert path.endswith(renamed.address)
    assert (
        world.session().records.evidence.read("hedger", renamed.address)[0].answer.description == description
    )
    assert is_empty(world.plan())
    world.declare(renamed)
    with pytest.raises(SecretDisappeared):
        report_here(world.session("runner"), renamed, HERE)


def test_two_hosts_at_once_ask_once(world):
    """The one that loses the race for the nonce asks nothing."""
    key = at_colo(spot_key)
    credential = waits(world, key)
    session = world.session("colo")
    store, read = session.records.evidence, session.records.evidence.read

    def interrupted(process, address):
        found = read(process, address)
        store.read = read
        report(world, key)
        return found

    store.read = interrupted
    with pytest.raises(VaultConflict):
        report_here(session, key, HERE)
    assert len(world.calls(only=credential)) == 1


def test_a_call_without_an_answer_uses_up_its_nonce(world):
    """The nonce was written down before the call, so the next question has a larger one."""
    key = at_colo(spot_key)
    waits(world, key)
    world.loses_answers_to = "GetApiKeyInfo"
    with pytest.raises(KrakenError) as lost:
        report(world, key)
    assert not isinstance(lost.value, AuthenticationFailed)
    world.loses_answers_to = ""
    report(world, key)
    assert evidence(world, key)["attempt"]["nonce"] == "20"


def test_a_key_not_as_declared_stays_in_quarantine(world):
    """The acceptance report is the usual one; a report is heard once, and a new one after the correction."""
    key = at_colo(spot_key)
    waits(world, key, permission=["query-funds"])
    report(world, key)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.REJECTED
    assert "permissions: query-ledger missing" in outcome.text
    assert outcome.report
    assert world.settle().outcomes == []
    assert world.step(SPOT).action is Action.WAIT
    world.people("edit-key", account=key.account.email, name="pnl-g1", permission=sorted(key.permissions))
    world.clock.advance(minutes=1)
    report(world, key)
    assert world.settle().outcomes[0].effect is Effect.PUBLISHED


def test_a_wrong_account_is_never_published_and_its_secret_is_kept(world):
    """A report's word is not enough to drop a secret that is shown once."""
    world.people("create-account", name="other", email="o@other.example", iiban="AA99 N84G ABCD 3F5K")
    key = at_colo(spot_key)
    waits(world, key, account="o@other.example")
    report(world, key)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.REJECTED
    assert "account: The key answers for the IIBAN" in outcome.text
    assert world.published("pnl", SPOT) is None
    assert world.quarantine("pnl", SPOT) is not None
    assert world.open_tasks(SPOT) == [TaskKind.CREATE_KEY]


def test_a_report_pins_no_account(world):
    """Who an account is, only a key that was asked from here can say."""
    desk = MasterAccount(name="desk", email=DESK.email)
    key = at_colo(spot_key, account=desk)
    world.declare(RUNNER, COLO, PNL, desk, key, also=())
    world.apply()
    assert world.hand_in(key.address, world.make_key(key)).effect is Effect.WAITING
    report(world, key)
    assert world.settle().outcomes[0].effect is Effect.PUBLISHED
    record = world.state.account(desk.address)
    assert (record.iiban, record.provenance) == (None, Provenance.REPORTED)


def test_an_old_report_publishes_nothing(world):
    """After seven days the host is asked to leave a new one."""
    key = at_colo(spot_key)
    waits(world, key)
    report(world, key)
    world.clock.advance(days=8)
    assert world.step(SPOT).action is Action.WAIT
    assert world.settle().outcomes == []
    assert any("older than 7 days" in text for _, text in checks(world, SPOT))


def test_a_report_from_before_the_hand_in_publishes_nothing(world):
    """It was left by somebody who had the key before it was handed in."""
    key = at_colo(spot_key)
    waits(world, key)
    report(world, key)
    data = evidence(world, key)
    data["answer"]["at"] = data["attempt"]["at"] = "2026-11-02T08:00:00Z"
    leave(world, key, data)
    assert world.step(SPOT).action is Action.WAIT


def test_a_report_of_another_key_is_a_finding(world):
    """Nothing follows from it."""
    key = at_colo(derivatives_key)
    waits(world, key)
    report(world, key)
    assert world.settle().outcomes[0].effect is Effect.PUBLISHED
    data = evidence(world, key)
    data["answer"]["description"] |= {"fingerprint": "0" * 12, "general": "FULL_ACCESS"}
    data["answer"]["at"] = "2026-11-02T09:01:00Z"
    leave(world, key, data)
    plan = world.plan()
    assert is_empty(plan)
    assert not plan.facts.drift
    [(code, text)] = checks(world, DERIVATIVES)
    assert code == ReportUnusable.code
    assert "of another key (fp 0000)" in text


def test_a_newer_report_of_a_key_in_service_is_compared(world):
    """What it shows is drift and an edit task; after the correction the next report closes that task."""
    key = at_colo(derivatives_key)
    credential = waits(world, key)
    report(world, key)
    world.settle()
    world.people("edit-key", account=key.account.email, key=credential.api_key.get_secret_value(),
                 general="FULL_ACCESS")  # fmt: skip
    world.clock.advance(hours=1)
    report(world, key)
    step = world.step(DERIVATIVES)
    assert (step.action, step.task_kind) == (Action.MANUAL, TaskKind.EDIT_KEY)
    assert [d.address for d in world.plan().facts.drift] == [DERIVATIVES]
    assert fact(world, DERIVATIVES).provenance is Provenance.REPORTED
    world.apply()
    world.people("edit-key", account=key.account.email, key=credential.api_key.get_secret_value(),
                 general="READ_ONLY")  # fmt: skip
    world.clock.advance(hours=1)
    report(world, key)
    assert world.settle().outcomes[0].effect is Effect.CLOSED
    record = world.state.key(DERIVATIVES)
    assert (record.provenance, record.described_at) == (Provenance.REPORTED, world.clock())
    assert is_empty(world.plan())


def moves_to_colo(world):
    """A Derivatives key in service moves to another network, at Kraken too."""
    credential = world.put_in_service(derivatives_key())
    world.declare(at_colo(derivatives_key))
    assert "confirmed by a report" in world.step(DERIVATIVES).note
    world.apply()
    world.people("edit-key", account="desk", key=credential.api_key.get_secret_value(),
                 ip=[str(n) for n in COLO.networks])  # fmt: skip
    return credential


@pytest.mark.parametrize("site", ["runner", "colo", None])
def test_a_key_that_moved_where_no_site_can_ask_it_is_attested(world, site):
    """Neither network may ask it meanwhile, so its owner's word closes the edit."""
    credential = moves_to_colo(world)
    world.clock.advance(hours=1)
    world.people("egress", address=COLO_ADDRESS if site == "colo" else RUNNER_ADDRESS)
    assert world.plan(site).complete
    assert world.open_tasks() == [TaskKind.EDIT_KEY]
    world.attest(TaskKind.EDIT_KEY, DERIVATIVES)
    world.settle(site)
    assert is_empty(world.plan("runner"))
    world.people("egress", address=COLO_ADDRESS)
    assert is_empty(world.plan("colo"))
    assert fact(world, DERIVATIVES, "colo").provenance is Provenance.OBSERVED
    assert {call["outcome"] for call in world.calls(only=credential)} == {"ok"}


def test_a_key_that_moved_is_verified_by_a_report_from_its_new_network(world):
    """Its host asks it and leaves a report; the next settle anywhere closes the edit task on it."""
    moves_to_colo(world)
    world.clock.advance(hours=1)
    report(world, at_colo(derivatives_key))
    assert world.settle().outcomes[0].effect is Effect.CLOSED
    assert world.open_tasks() == []
    record = world.state.key(DERIVATIVES)
    assert (record.provenance, record.description.networks) == (Provenance.REPORTED, COLO.networks)
    assert is_empty(world.plan())


def test_a_report_of_a_move_that_was_not_made_closes_nothing(world):
    """The host is rejected, since the key still admits the old network alone: the task stays open."""
    world.put_in_service(derivatives_key())
    world.declare(at_colo(derivatives_key))
    world.apply()
    world.clock.advance(hours=1)
    with pytest.raises(AuthenticationFailed):
        report(world, at_colo(derivatives_key))
    world.settle()
    assert world.open_tasks() == [TaskKind.EDIT_KEY]


def test_an_edit_that_some_site_can_verify_is_not_attested(world):
    """A site inside both lists can ask the key, so nobody's word closes it."""
    world.put_in_service(derivatives_key())
    world.declare(derivatives_key(allowlist=[RUNNER, COLO]))
    world.apply()
    with pytest.raises(TaskNotPossible, match="v3/check"):
        world.attest(TaskKind.EDIT_KEY, DERIVATIVES)


def test_the_record_wins_over_an_older_report(world):
    """A report from before the last verification changes nothing."""
    key = at_colo(derivatives_key)
    waits(world, key)
    report(world, key)
    world.clock.advance(minutes=1)
    world.settle()
    data = evidence(world, key)
    data["answer"]["description"]["general"] = "FULL_ACCESS"
    leave(world, key, data)
    assert is_empty(world.plan())


def test_a_rejection_of_a_key_in_service_is_a_finding(world):
    """Its host was refused: said, and nothing deleted."""
    key = at_colo(derivatives_key)
    credential = waits(world, key)
    report(world, key)
    world.settle()
    world.people("delete-key", account=key.account.email, key=credential.api_key.get_secret_value())
    world.clock.advance(hours=1)
    with pytest.raises(InvalidKey):
        report(world, key)
    plan = world.plan()
    assert is_empty(plan)
    assert [(c.code, c.address) for c in plan.facts.checks] == [(InvalidKey.code, DERIVATIVES)]


HOSTILE = {
    "no report": {"hello": "world"},
    "a list": {"stack": "prod", "address": SPOT, "answer": []},
    "another key's": {"stack": "prod", "address": "spot_key.other"},
    "another stack's": {"stack": "uat", "address": SPOT},
    "too large": {"stack": "prod", "address": SPOT, "x": "y" * 20_000},
    "unknown major": {"format_version": 2, "stack": "prod", "address": SPOT},
    "the year 1": {"stack": "prod", "address": SPOT,
                   "attempt": {"fingerprint": "0" * 12, "at": "0001-01-01T00:00:00+14:00"}},
    "the future": {"stack": "prod", "address": SPOT,
                   "attempt": {"fingerprint": "0" * 12, "at": "2027-01-01T00:00:00Z"}},
    "no rejection": {"stack": "prod", "address": SPOT,
                     "attempt": {"fingerprint": "0" * 12, "at": "2026-11-02T09:00:00Z", "code": "KS4003"}},
    "nonce": {"stack": "prod", "address": SPOT,
              "attempt": {"fingerprint": "0" * 12, "at": "2026-11-02T09:00:00Z", "nonce": "-1"}},
    "\x1b[31mkeys": {"\x1b[31m": "\u202e"},
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_anything_else_at_the_path_is_named_and_harms_nobody(world, data):
    """A finding with the path; every plan and settle goes on as if there were none."""
    key = at_colo(spot_key)
    waits(world, key)
    path = leave(world, key, data)
    step = world.step(SPOT)
    assert step.action is Action.WAIT
    [(code, text)] = checks(world, SPOT)
    assert code == ReportUnusable.code
    assert path in text
    assert text.isprintable()
    assert world.settle().outcomes == []
    assert world.quarantine("pnl", SPOT) is not None


def test_hostile_words_in_a_report_are_stripped_or_refused(world):
    """Control characters do not survive, long lists and texts are no report."""
    key = at_colo(spot_key)
    waits(world, key)
    report(world, key)
    data = evidence(world, key)
    data["answer"]["who"] = "\x1b[2Jmallory\u202e"
    data["answer"]["description"]["permissions"] = ["query-funds", "\x1b]0;x\x07"]
    leave(world, key, data)
    answer = world.session().records.evidence.read("pnl", SPOT)[0].answer
    assert answer.who == "[2Jmallory"
    assert answer.description.permissions == ("]0;x", "query-funds")
    data["answer"]["description"]["permissions"] = [f"p{i}" for i in range(101)]
    path = leave(world, key, data)
    assert any(path in text for _, text in checks(world, SPOT))


def test_a_token_that_may_not_list_evidence_still_observes(world):
    """Older policies do not name it: said once, and nothing is reported."""
    key = at_colo(spot_key)
    waits(world, key)
    report(world, key)
    session = world.session()

    def denied(_slots):
        raise VaultDenied("The token may not list it.")

    session.records.evidence.reports = denied
    snapshot = observe(session, world.state)
    assert snapshot.of(SPOT).report is None
    assert any("Reports from where processes run are not looked at" in line for line in world.said)


def test_a_snapshot_tells_how_everything_is_known(world):
    """Observed, reported and attested, each with its instant, and the three reasons beside them."""
    reported, observed = at_colo(derivatives_key), CONTROLLER
    waits(world, reported)
    report(world, reported)
    world.settle()
    world.put_in_service(observed)
    recorded = spot_key()
    world.put_in_service(recorded)
    world.declare(reported, observed, recorded, CREATOR)
    world.plan()
    seen = world.session().records.snapshots.load_snapshot().observations
    told = {a: (o.provenance, o.missing) for a, o in seen.items()}
    assert told[Address(DERIVATIVES)] == (Provenance.REPORTED, Missing.NOT_ASKED)
    assert told[CONTROLLER.address] == (Provenance.OBSERVED, None)
    assert told[Address(SPOT)] == (Provenance.OBSERVED, Missing.NOT_ASKED)
    assert told[CREATOR.address] == (None, Missing.PENDING)
    assert all(o.at for o in seen.values() if o.provenance)
