"""Hand-in: a secret's way from a person's dialog to its process, whatever the key turns out to be."""

import contextlib
import json
from datetime import date
from ipaddress import ip_network

import pytest

from krakenstate import DerivativesSubaccount, NonceUnit, Permission, Process, SpotSubaccount
from krakenstate.engine import people, runs
from krakenstate.engine.reach import sites_of
from krakenstate.errors import (
    AddressUnknown,
    AuthenticationFailed,
    HandInNotExpected,
    PathNotManaged,
    QuarantineFailed,
)
from krakenstate.model.credential import Credential
from krakenstate.model.plan import Action
from krakenstate.model.run import Effect
from krakenstate.model.state import Verdict
from krakenstate.model.task import TaskKind, TaskStatus
from krakenstate.views.apply_text import waiting_lines
from tests.support.world import (
    CARRY,
    CONTROLLER,
    CREATOR,
    DESK,
    IIBAN,
    MM,
    SECRETS,
    derivatives_key,
    halves,
    is_empty,
    spot_key,
)

OTHER, THIRD = Process(name="other", owner="risk"), Process(name="third", owner="risk")
SPOT, DERIVATIVES = "spot_key.pnl", "derivatives_key.hedger"
KEYS = [pytest.param(spot_key, id="spot"), pytest.param(derivatives_key, id="derivatives")]


def apply_key(world, key, *more):
    """The key is approved, and its task open."""
    world.declare(*more, key)
    world.apply()
    return key


def as_declared(world, key):
    """Where everything is once a key is in service, and nowhere else."""
    process, address = key.process.name, str(key.address)
    return (
        world.published(process, address) is not None,
        world.quarantine(process, address),
        world.inbox(process, address),
        world.open_tasks(address),
    )


IN_SERVICE = (True, None, None, [])


@pytest.mark.parametrize("make", KEYS)
def test_a_key_as_declared_is_published(world, make):
    """It is asked once, lies at its process's path and nowhere else, its task is closed, nothing is left
    to do."""
    key = apply_key(world, make())
    credential = world.make_key(key)
    outcome = world.hand_in(key.address, credential)
    assert (outcome.effect, outcome.text) == (
        Effect.PUBLISHED,
        f"published at kv/{SECRETS}/{key.process.name}/{key.address}, version 1",
    )
    assert as_declared(world, key) == IN_SERVICE
    assert halves(credential).items() <= world.published(key.process.name, str(key.address)).items()
    assert len(world.calls(only=credential)) == 1
    assert is_empty(world.plan())
    [task] = world.state.tasks
    assert (task.kind, task.status) == (TaskKind.CREATE_KEY, TaskStatus.VERIFIED)


def test_a_process_finds_beside_its_secret_what_it_needs(world):
    """Account, IIBAN, environment, nonce unit and name lie beside both halves."""
    key = apply_key(world, spot_key())
    world.hand_in(SPOT, world.make_key(key))
    shown = {k: v for k, v in world.published("pnl", SPOT).items() if k not in {"api_key", "api_secret"}}
    assert shown == {
        "account": "desk",
        "iiban": IIBAN,
        "environment": "production",
        "nonce_unit": "milliseconds",
        "key_name": "pnl-g1",
    }


def test_a_misspelt_address_is_answered_with_the_one_that_was_meant(world):
    """Whoever hands a key in learns what the stack calls it."""
    apply_key(world, spot_key())
    with pytest.raises(
        AddressUnknown, match=r"declares nothing at spot_key\.pln\. Did you mean spot_key\.pnl\?"
    ):
        runs.expect_hand_in(world.session(), "spot_key.pln")


def test_a_key_that_waits_for_a_site_is_told_with_one(world):
    """A settle that may not ask it does nothing, and says from where one may."""
    key = apply_key(world, spot_key())
    world.hand_in(SPOT, world.make_key(key), site=None)
    settled = world.settle(site=None)
    assert settled.outcomes == []
    assert waiting_lines(settled.plan) == [
        f"{SPOT}: handed in; waits for a run from --site runner, or for a report from there"
    ]
    assert sites_of(key) == ("runner",)
    assert sites_of(key, seen=[ip_network("203.0.113.0/24")]) == ()
    assert sites_of(key.model_copy(update={"allowlist": ()})) == ()
    assert waiting_lines(world.settle().plan) == []


def test_a_key_that_differs_waits_in_quarantine_until_it_is_corrected(world):
    """Reported attribute by attribute, asked again at each settle with the next nonce, published once
    edited."""
    key = apply_key(world, spot_key())
    credential = world.make_key(key, permission=["query-funds", "withdraw-funds"], expires="none")
    first = world.hand_in(SPOT, credential)
    findings = (
        "expires: not set instead of 2027-06-30; permissions: withdraw-funds too many, query-ledger missing"
    )
    assert (first.effect, first.code, first.text) == (
        Effect.REJECTED,
        "KS2204",
        f"stays in quarantine: {findings}",
    )
    assert world.task(TaskKind.CREATE_KEY, SPOT).rejection == f"not as declared: {findings}"
    assert (world.published("pnl", SPOT), world.quarantine("pnl", SPOT)) == (None, halves(credential))

    [again] = world.settle().outcomes
    assert (again.effect, again.text) == (
        Effect.WAITING,
        f"in quarantine, still not as declared: {findings}",
    )

    world.people("edit-key", account="desk", name="pnl-g1", permission=["query-funds", "query-ledger"],
                 expires="2027-06-30")  # fmt: skip
    [published] = world.settle().outcomes
    assert published.effect is Effect.PUBLISHED
    assert as_declared(world, key) == IN_SERVICE
    assert [call["nonce"] for call in world.calls(only=credential)] == [1, 2, 3]


def test_a_key_of_another_name_differs(world):
    """A Spot key's name at Kraken is part of what was approved."""
    key = apply_key(world, spot_key())
    outcome = world.hand_in(SPOT, world.make_key(key, name="something"))
    assert outcome.text == 'stays in quarantine: name: "something" instead of "pnl-g1"'


def test_a_key_of_another_name_is_published_once_renamed(world):
    """The name is corrected in Kraken's page; the next settle finds the key as declared."""
    key = apply_key(world, spot_key())
    credential = world.make_key(key, name="something")
    assert world.hand_in(SPOT, credential).effect is Effect.REJECTED
    world.people("edit-key", account="desk", name="something", new_name="pnl-g1")
    [published] = world.settle().outcomes
    assert published.effect is Effect.PUBLISHED
    assert as_declared(world, key) == IN_SERVICE
    assert is_empty(world.plan())
    assert len(world.calls(only=credential)) == 2


def test_a_key_with_another_query_range_is_published_once_edited(world):
    """Both ends are compared by their day, as Kraken reports them; one that is missing differs too."""
    key = apply_key(world, spot_key(query_from=date(2026, 1, 1), query_to=date(2026, 7, 1)))
    credential = world.make_key(key, query_from="2026-02-01", query_to="none")
    assert world.hand_in(SPOT, credential).text == (
        "stays in quarantine: query_from: 2026-02-01T00:00:00Z instead of 2026-01-01; "
        "query_to: not set instead of 2026-07-01"
    )
    world.people("edit-key", account="desk", name="pnl-g1", query_from="2026-01-01", query_to="2026-07-01")
    world.settle()
    assert as_declared(world, key) == IN_SERVICE


def test_a_derivatives_key_that_differs_is_published_once_edited(world):
    """The same on Derivatives, where levels are compared and nothing has a name."""
    key = apply_key(world, derivatives_key())
    credential = world.make_key(key, general="FULL_ACCESS")
    assert world.hand_in(DERIVATIVES, credential).text == (
        "stays in quarantine: general: FULL_ACCESS instead of READ_ONLY"
    )
    public = credential.api_key.get_secret_value()
    world.people("edit-key", account="desk", key=public, general="READ_ONLY")
    world.settle()
    assert as_declared(world, key) == IN_SERVICE


def rejected_as_misplaced(world, key, credential):
    """Hands in a key of a wrong account; its deletion task comes back."""
    outcome = world.hand_in(key.address, credential)
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, "KS2104")
    assert world.published(key.process.name, str(key.address)) is None
    assert world.quarantine(key.process.name, str(key.address)) is None
    assert world.open_tasks(key.address) == [TaskKind.CREATE_KEY, TaskKind.DELETE_KEY]
    assert world.state.key(key.address).candidate is None
    assert credential.api_secret.get_secret_value() not in world.kv.everything()
    return world.task(TaskKind.DELETE_KEY, key.address)


@pytest.mark.parametrize("make", KEYS)
def test_a_key_of_another_account_than_the_declared_iiban_is_dropped(world, make):
    """It is never published, its secret is gone, and a task asks for the deletion of the key that now
    exists."""
    world.people("create-account", name="other", email="other@desk.example", iiban="AA99 B2CD E3FG 7F2Q")
    key = apply_key(world, make())
    task = rejected_as_misplaced(world, key, world.make_key(key, account="other@desk.example"))
    assert "the account whose IIBAN ends in 7F2Q" in task.title
    assert "AA99" not in task.title + task.instructions


def test_a_key_of_another_account_than_the_pinned_iiban_is_dropped(world):
    """Once a first key was accepted, a second one of the account must answer for the same IIBAN."""
    link = DerivativesSubaccount(name="carry", master=DESK, email="kraken+carry@desk.example")
    for name in ("carry", "stray"):
        world.people("create-account", name=name, email=f"kraken+{name}@desk.example", kind="sub")
    first = apply_key(world, derivatives_key(account=link), link)
    world.hand_in(DERIVATIVES, world.make_key(first))
    pinned = world.state.account(link.address).iiban
    assert pinned is not None
    second = spot_key(account=link)
    apply_key(world, second, link, first)
    task = rejected_as_misplaced(world, second, world.make_key(second, account="kraken+stray@desk.example"))
    assert "the account whose IIBAN ends in" in task.title


def test_a_key_of_another_declared_account_is_dropped_and_its_real_account_named(world):
    """Made on the master instead of the subaccount: the task to delete it sends people to the master."""
    link = DerivativesSubaccount(name="carry", master=DESK, email="kraken+carry@desk.example")
    key = apply_key(world, derivatives_key(account=link), link)
    task = rejected_as_misplaced(world, key, world.make_key(key, account="ops@desk.example"))
    assert task.title.endswith("on account desk")
    assert "ops@desk.example" in task.instructions
    assert "kraken+carry@desk.example" not in task.instructions


def test_a_key_of_another_account_id_is_dropped(world):
    """A linked account is known by its id before any key of it was accepted; a key of another is refused."""
    for name in ("carry", "stray"):
        world.people("create-account", name=name, email=f"kraken+{name}@desk.example", kind="sub")
    world.declare(CONTROLLER)
    world.put_in_service(CONTROLLER)
    world.people("support-process", master="ops@desk.example", subaccount=CARRY.email)
    world.people("email-confirm", email=CARRY.email)
    key = derivatives_key(account=CARRY)
    world.declare(CONTROLLER, CARRY)
    world.settle()
    assert world.state.account(CARRY.address).account_uid is not None
    apply_key(world, key, CONTROLLER, CARRY)
    outcome = world.hand_in(DERIVATIVES, world.make_key(key, account="kraken+stray@desk.example"))
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, "KS2104")
    assert "another account id" in outcome.text
    assert TaskKind.DELETE_KEY in world.open_tasks(key.address)


def deleted(world, key):
    """A key that was deleted before it was handed in."""
    credential = world.make_key(key)
    public = credential.api_key.get_secret_value()
    world.people("delete-key", account="desk", key=public)
    return credential


def mixed_up(world, key):
    """One key's public half with the other's private half."""
    other = world.make_key(key, **({"name": "other"} if key.api == "spot" else {}))
    return Credential(api_key=world.make_key(key).api_key, api_secret=other.api_secret)


@pytest.mark.parametrize(("make", "spoil", "code", "asked"), [
    pytest.param(spot_key, deleted, "KS2101", 2, id="spot-invalid-key"),
    pytest.param(spot_key, mixed_up, "KS2102", 1, id="spot-invalid-signature"),
    pytest.param(derivatives_key, deleted, "KS2101", 2, id="derivatives-invalid-key"),
])  # fmt: skip
def test_a_refused_key_is_not_asked_again_until_another_is_handed_in(world, make, spoil, code, asked):
    """Failed authentication ends it, but for a fresh key's second probe; a correct key takes its place."""
    key = apply_key(world, make())
    bad = spoil(world, key)
    outcome = world.hand_in(key.address, bad)
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, code)
    assert world.state.key(key.address).candidate.verdict is Verdict.REFUSED
    for again in range(3):
        world.clock.advance(hours=1)
        second = [Effect.REJECTED] if asked == 2 and again == 0 else []
        assert [o.effect for o in world.settle().outcomes] == second
    assert len(world.calls(only=bad)) == asked
    assert world.step(key.address).action is Action.WAIT
    more = {"name": "pnl-g1"} if key.api == "spot" else {}
    if spoil is mixed_up:
        world.people("delete-key", account="desk", name="pnl-g1")
    good = world.make_key(key, **more)
    assert world.hand_in(key.address, good).effect is Effect.PUBLISHED


def test_a_fresh_key_that_kraken_does_not_know_yet_gets_one_second_probe(world):
    """Rejected moments after its creation, it is left alone for five minutes and then asked once more."""
    key = apply_key(world, spot_key())
    credential = world.make_key(key)
    world.people("egress", address="203.0.113.99")
    first = world.hand_in(SPOT, credential)
    assert (first.effect, first.code) == (Effect.REJECTED, "KS2101")
    assert "asked once more after 2026-11-02T09:05:00Z" in first.text
    world.people("egress", address="192.0.2.10")
    world.clock.advance(minutes=4)
    assert world.settle().outcomes == []
    world.clock.advance(minutes=1)
    [second] = world.settle().outcomes
    assert second.effect is Effect.PUBLISHED
    assert len(world.calls(only=credential)) == 2


def test_a_key_that_is_not_fresh_is_asked_again_from_the_clock_in_its_unit(world):
    """Used elsewhere before: said so, left alone while the breaker is open, then asked with the clock's
    nonce."""
    key = apply_key(world, spot_key(nonce_unit=NonceUnit.SECONDS))
    credential = world.make_key(key)
    world.providers.keys["spot"].describe_key(credential, 1_700_000_000)
    first = world.hand_in(SPOT, credential)
    assert (first.effect, first.code) == (Effect.REJECTED, "KS2103")
    assert first.text == (
        "the key is not fresh: somebody has used it; asked again later from the clock in its unit"
    )
    [held] = world.settle().outcomes
    assert held.effect is Effect.WAITING
    world.clock.advance(minutes=15)
    [published] = world.settle().outcomes
    assert published.effect is Effect.PUBLISHED
    assert [call["nonce"] for call in world.calls(only=credential)] == [1_700_000_000, 1, 1793610900]


@pytest.mark.parametrize("unit", [None, NonceUnit.COUNTER])
def test_a_used_key_without_a_clock_is_refused(world, unit):
    """With no unit, or a counter, no nonce is known that would overtake nobody: the key is not asked
    again."""
    key = apply_key(world, spot_key(nonce_unit=unit))
    credential = world.make_key(key)
    world.providers.keys["spot"].describe_key(credential, 1_700_000_000)
    assert world.hand_in(SPOT, credential).code == "KS2103"
    world.clock.advance(hours=1)
    assert world.settle().outcomes == []
    assert [call["nonce"] for call in world.calls(only=credential)] == [1_700_000_000, 1]


def test_a_second_key_asks_for_deletion_of_the_first(world):
    """Handing in another key while one is in quarantine opens a task about the one nobody uses now."""
    key = apply_key(world, spot_key())
    first = world.make_key(key, name="first")
    world.hand_in(SPOT, first)
    second = world.make_key(key)
    assert world.hand_in(SPOT, second).effect is Effect.PUBLISHED
    task = world.task(TaskKind.DELETE_KEY, SPOT)
    assert task.subject == first.fingerprint
    assert f"(...{first.last_four})" in task.title
    assert halves(second).items() <= world.published("pnl", SPOT).items()


def test_the_same_key_handed_in_twice_asks_for_nothing_more(world):
    """Typing the same key again is the same key: no second task, no deletion."""
    key = apply_key(world, spot_key())
    credential = world.make_key(key, permission=["query-funds"])
    world.hand_in(SPOT, credential)
    world.hand_in(SPOT, credential)
    assert world.open_tasks(SPOT) == [TaskKind.CREATE_KEY]


@pytest.mark.parametrize("make", KEYS)
def test_the_inbox_is_emptied_into_service(world, make):
    """What an operator left is taken through quarantine to the process, and the inbox keeps no version
    of it."""
    key = apply_key(world, make())
    path = world.leave_in_inbox(key.process.name, str(key.address), world.make_key(key))
    assert world.step(key.address).action is Action.INGEST
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.PUBLISHED
    assert as_declared(world, key) == IN_SERVICE
    assert world.kv.metadata(path) is None


def test_the_inbox_waits_in_quarantine_for_a_site_that_may_ask(world):
    """From a site outside the allowlist the secret is taken and kept, and nothing is asked."""
    key = apply_key(world, spot_key())
    credential = world.make_key(key)
    world.leave_in_inbox("pnl", SPOT, credential)
    [outcome] = world.settle(site="colo").outcomes
    assert outcome.effect is Effect.WAITING
    assert (world.inbox("pnl", SPOT), world.quarantine("pnl", SPOT)) == (None, halves(credential))
    assert world.calls() == []
    assert world.step(SPOT, site="colo").action is Action.WAIT
    assert world.step(SPOT, site="runner").action is Action.VERIFY


@pytest.mark.parametrize("junk", [
    {},
    {"api_key": "x" * 56},
    {"api_key": "x" * 56, "api_secret": "too short"},
    {"api_key": 7, "api_secret": ["list"]},
    {"note": "please call me"},
])  # fmt: skip
def test_junk_in_the_inbox_is_looked_at_once_and_left_with_its_path_told(world, junk):
    """What is no key is neither taken nor removed; the settle that met it, and every plan, say where."""
    apply_key(world, spot_key())
    path = world.leave_in_inbox("pnl", SPOT, junk)
    [outcome] = world.settle().outcomes
    assert (outcome.effect, outcome.code) == (Effect.FAILED, "KS2201")
    assert f"kv/{path}" in outcome.text
    settled = world.settle()
    assert settled.outcomes == []
    assert [(c.code, c.text) for c in settled.plan.facts.checks] == [(
        "KS2201",
        f"version 1 of kv/{path} is no key; it is left there, and looked at again when it was replaced",
    )]  # fmt: skip
    assert world.step(SPOT).action is Action.WAIT
    assert world.inbox("pnl", SPOT) == junk
    assert (world.quarantine("pnl", SPOT), world.calls()) == (None, [])


@pytest.mark.parametrize("is_removed_first", [False, True])
def test_a_new_version_after_junk_is_looked_at(world, is_removed_first):
    """Written over, or removed and left anew as version 1: the key that takes its place goes into service."""
    key = apply_key(world, spot_key())
    path = world.leave_in_inbox("pnl", SPOT, {"note": "please call me"})
    world.settle()
    if is_removed_first:
        world.kv.delete(path)
    world.leave_in_inbox("pnl", SPOT, world.make_key(key))
    assert [o.effect for o in world.settle().outcomes] == [Effect.PUBLISHED]
    assert as_declared(world, key) == IN_SERVICE


def test_a_refused_key_from_the_inbox_is_not_asked_at_each_settle(world):
    """It was taken out of the inbox, so nothing of it is tried again; a new one is."""
    key = apply_key(world, spot_key())
    bad = mixed_up(world, key)
    world.leave_in_inbox("pnl", SPOT, bad)
    assert [o.effect for o in world.settle().outcomes] == [Effect.REJECTED]
    world.clock.advance(hours=1)
    assert (world.settle().outcomes, len(world.calls(only=bad))) == ([], 1)
    world.people("delete-key", account="desk", name="pnl-g1")
    world.leave_in_inbox("pnl", SPOT, world.make_key(key))
    assert [o.effect for o in world.settle().outcomes] == [Effect.PUBLISHED]


def test_a_version_that_arrives_while_another_is_taken_is_not_removed_with_it(world):
    """The one that was read goes into service; the newer one stays, and its path is told."""
    key = apply_key(world, spot_key())
    first, second = world.make_key(key), world.make_key(key, name="second")
    path = world.leave_in_inbox("pnl", SPOT, first)

    def meanwhile(moment, written, _data):
        if written.endswith(f"quarantine/pnl/{SPOT}") and moment == "after":
            world.leave_in_inbox("pnl", SPOT, second)
        return False

    world.mains.watch = meanwhile
    [outcome] = world.settle().outcomes
    world.mains.restore()
    assert outcome.effect is Effect.PUBLISHED
    assert world.inbox("pnl", SPOT) == halves(second)
    assert any(f"kv/{path}" in line and "a newer one came" in line for line in world.said)
    [check] = world.plan().facts.checks
    assert check.text == f"a secret lies in inbox (kv/{path}) that no task asks for; it is not taken"


def test_what_lies_in_the_inbox_for_nobody_is_named_and_left(world):
    """A process or a key that is not declared: its path is told, and it is neither read nor removed."""
    apply_key(world, spot_key())
    stranger = {"api_key": "x", "api_secret": "y"}
    paths = [
        world.leave_in_inbox("ghost", SPOT, stranger),
        world.leave_in_inbox("pnl", "spot_key.ghost", stranger),
    ]
    settled = world.settle()
    assert settled.outcomes == []
    assert [(c.code, c.text) for c in settled.plan.facts.checks] == [
        ("KS2202", f"kv/{path}: no key of this stack is handed in there; it is neither read nor removed")
        for path in paths
    ]
    assert [world.kv.read(path).data for path in paths] == [stranger, stranger]


def test_somebody_elses_secret_at_the_path_is_left_alone(world):
    """An unmanaged secret at the process's path is refused by name; the key stays safe in quarantine."""
    key = apply_key(world, spot_key())
    theirs = {"password": "theirs"}
    world.kv.write(f"{SECRETS}/pnl/{SPOT}", theirs, cas=0)
    credential = world.make_key(key)
    with pytest.raises(PathNotManaged) as refused:
        world.hand_in(SPOT, credential)
    assert f"kv/{SECRETS}/pnl/{SPOT}" in refused.value.message
    assert world.published("pnl", SPOT) == theirs
    assert world.quarantine("pnl", SPOT) == halves(credential)
    world.kv.delete(f"{SECRETS}/pnl/{SPOT}")
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.PUBLISHED


def test_the_first_accepted_key_pins_its_account_and_ends_the_email_setup(world):
    """It shows that the subaccount exists and who it is: its IIBAN is kept, and its set-up task closed."""
    world.declare(CREATOR)
    world.put_in_service(CREATOR)
    world.declare(CREATOR, MM)
    world.apply()
    assert world.open_tasks(MM.address) == [TaskKind.FINISH_EMAIL_SETUP]
    world.people("email-confirm", email=MM.email)
    key = apply_key(world, spot_key(account=MM), CREATOR, MM)
    world.hand_in(SPOT, world.make_key(key))
    [theirs] = [a for a in world.people("state")["accounts"] if a["email"] == MM.email]
    assert world.state.account(MM.address).iiban == theirs["iiban"] != IIBAN
    assert world.open_tasks() == []


def test_a_refused_first_key_pins_nothing(world):
    """Only an accepted key says who an account is."""
    world.people("create-account", name="desk-mm", username="desk-mm", email=MM.email, kind="sub")
    key = apply_key(world, spot_key(account=MM), CREATOR, MM)
    world.hand_in(SPOT, world.make_key(key, permission=["query-funds"]))
    record = world.state.account(MM.address)
    assert record is None or record.iiban is None


def test_a_key_is_taken_only_where_one_was_approved(world):
    """Nothing applied, in service already, or no key at all: said before anybody types a secret."""
    world.declare(spot_key())
    with pytest.raises(HandInNotExpected, match="never applied"):
        runs.expect_hand_in(world.session(), SPOT)
    world.put_in_service(spot_key())
    with pytest.raises(HandInNotExpected, match="in service already"):
        runs.expect_hand_in(world.session(), SPOT)


def test_somebody_elses_lock_does_not_keep_a_secret_out(world):
    """While another run holds the lock the secret is quarantined all the same, and the next settle goes
    on."""
    key = apply_key(world, spot_key())
    credential, stored = world.make_key(key), []
    session = world.session()
    with world.writing("apply"):
        outcome = runs.hand_in(session, key, credential, stored=stored.append, wait_s=0)
    assert (outcome, stored) == (None, [f"kv/krakenstate/prod/quarantine/pnl/{SPOT}"])
    assert world.quarantine("pnl", SPOT) == halves(credential)
    [published] = world.settle().outcomes
    assert published.effect is Effect.PUBLISHED


def test_a_key_handed_in_while_another_is_published_is_not_removed_with_it(world):
    """A run drops its own key from quarantine; a second one, told "stored" or kept out meanwhile, stays."""
    key = apply_key(world, spot_key())
    first, second, stored = world.make_key(key), world.make_key(key, name="second"), []
    world.leave_in_inbox("pnl", SPOT, first)

    def during_publishing(moment, path, data):
        if path.endswith(f"{SECRETS}/pnl/{SPOT}") and moment == "after" and not stored:
            with pytest.raises(QuarantineFailed, match="Another key lies at"):
                runs.hand_in(world.session(), key, second, stored=stored.append, wait_s=0)
        return False

    world.mains.watch = during_publishing
    [outcome] = world.settle().outcomes
    assert (outcome.effect, stored) == (Effect.PUBLISHED, [])
    assert as_declared(world, key) == IN_SERVICE


def a_second_key_beside(world):
    """Somebody was kept waiting while a run published the first key, and was told "stored" just after."""
    key = apply_key(world, spot_key())
    first, second = world.make_key(key), world.make_key(key, name="second")
    session = world.session()
    runs.expect_hand_in(session, SPOT)
    world.hand_in(SPOT, first)
    with world.writing("apply"):  # so the second goes into quarantine unseen
        runs.hand_in(session, key, second, stored=lambda _path: None, wait_s=0)
    assert world.quarantine("pnl", SPOT) == halves(second)
    return first, second


def test_a_second_key_in_quarantine_is_said_and_dropped_once_it_is_deleted(world):
    """The plan shows it, a task asks for its deletion, and its secret stays until somebody says so."""
    first, second = a_second_key_beside(world)
    step = world.step(SPOT)
    assert (step.action, "second key" in step.note) == (Action.ADVANCE, True)
    [outcome] = world.settle().outcomes
    assert outcome.effect is Effect.OPENED
    task = world.task(TaskKind.DELETE_KEY, SPOT)
    assert task.subject == second.fingerprint
    assert second.last_four in task.instructions
    assert f"in service (...{first.last_four}) stays" in " ".join(task.instructions.split())
    assert "pnl-g1" not in task.instructions
    for _ in range(2):
        assert world.settle().outcomes == []
        assert world.step(SPOT).task_id == task.id
    assert world.quarantine("pnl", SPOT) == halves(second)

    world.attest(TaskKind.DELETE_KEY, SPOT)
    assert world.step(SPOT).action is Action.ADVANCE
    world.settle()
    assert world.quarantine("pnl", SPOT) is None
    assert world.published("pnl", SPOT)["api_key"] == halves(first)["api_key"]
    assert is_empty(world.plan())


def test_a_key_is_not_removed_over_a_second_one(world):
    """Its removal asks for the deletion of the key in quarantine too before either secret goes."""
    _, second = a_second_key_beside(world)
    world.declare()
    world.apply()
    world.attest(TaskKind.STOP_PROCESS, SPOT)
    world.settle()
    world.attest(TaskKind.DELETE_KEY, SPOT)
    world.settle()
    assert world.task(TaskKind.DELETE_KEY, SPOT).subject == second.fingerprint
    assert world.quarantine("pnl", SPOT) == halves(second)
    assert world.published("pnl", SPOT)
    world.attest(TaskKind.DELETE_KEY, SPOT)
    world.settle()
    assert (world.published("pnl", SPOT), world.quarantine("pnl", SPOT)) == (None, None)
    assert is_empty(world.plan())


def test_a_key_handed_in_unseen_and_then_replaced_is_asked_to_be_deleted(world):
    """Stored beside another run, and written over before anybody looked at it: it exists at Kraken, so a task
    names it."""
    key = apply_key(world, spot_key())
    first, second = world.make_key(key), world.make_key(key, name="second")
    session = world.session()
    with world.writing("apply"):
        runs.hand_in(session, key, first, stored=lambda _path: None, wait_s=0)
    world.hand_in(SPOT, second)
    assert first.fingerprint in {t.subject for t in world.state.open_tasks(SPOT)}


def test_a_stray_key_is_attested_deleted_after_its_record_went(world):
    """A task to delete a replaced key outlives the record of its address, and can still be closed."""
    key = apply_key(world, spot_key())
    world.hand_in(SPOT, world.make_key(key, name="first"))
    world.people("create-account", name="other", email="other@desk.example")
    world.hand_in(SPOT, world.make_key(key, account="other@desk.example"))
    world.declare()
    world.apply()
    assert world.state.key(SPOT) is None
    while TaskKind.DELETE_KEY in world.open_tasks(SPOT):
        [*_, task] = world.state.open_tasks(SPOT)
        with world.writing("task attest", None) as run:
            people.attest(run, task, "ann", "done")
    assert world.open_tasks() == []


def test_a_link_is_not_asked_for_because_the_list_could_not_be_read(world):
    """A new link whose master's list fails to load is unknown; the next look asks for it."""
    world.people("create-account", name="carry", email=CARRY.email, kind="sub")
    world.put_in_service(CONTROLLER)
    world.declare(CONTROLLER, CARRY)
    world.people("fault", kind="html-5xx", path="/derivatives/api/v3/subaccounts")
    assert world.step(CARRY.address).action is Action.UNKNOWN
    assert world.step(CARRY.address).task_kind is TaskKind.LINK_DERIVATIVES


def test_an_open_breaker_does_not_keep_a_secret_out(world):
    """After a failed authentication a corrected key is stored at once, and asked: it is another
    credential."""
    key = apply_key(world, spot_key())
    world.hand_in(SPOT, deleted(world, key))
    good = world.make_key(key)
    assert world.hand_in(SPOT, good).effect is Effect.PUBLISHED


def test_no_secret_is_anywhere_but_at_its_place(world):
    """State, journal, tasks, snapshot and every line said hold neither half's secret."""
    key = apply_key(world, spot_key())
    wrong = world.make_key(key, name="other", permission=["query-funds"])
    right = world.make_key(key)
    outcomes = [world.hand_in(SPOT, wrong), world.hand_in(SPOT, right)]
    plan = world.plan()
    said = "\n".join([*world.said, *(o.model_dump_json() for o in outcomes), plan.model_dump_json()])
    held = [json.dumps(world.kv.read(p).data) for p in world.kv.paths if "/quarantine/" not in p
            and not p.startswith(SECRETS) and world.kv.read(p)]  # fmt: skip
    for credential in (wrong, right):
        assert credential.api_secret.get_secret_value() not in said + "".join(held)
        assert credential.api_key.get_secret_value() not in said + "".join(held)


def test_a_subaccounts_first_key_must_not_be_another_accounts(world):
    """While a subaccount's IIBAN is unknown, a key with the master's is refused on both platforms."""
    sub = SpotSubaccount(name="mm", master=DESK, username="desk-mm", email=MM.email)
    key = apply_key(world, spot_key(account=sub, permissions={Permission.QUERY_FUNDS}), sub)
    outcome = world.hand_in(SPOT, world.make_key(key, account="ops@desk.example"))
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, "KS2104")
    assert "which is master_account.desk's" in outcome.text


def test_a_lockout_says_nothing_about_the_key_that_met_it(world):
    """It stays received and is not asked meanwhile; the settle after the breaker publishes it."""
    key = apply_key(world, spot_key())
    credential = world.make_key(key)
    mixed = Credential(api_key=credential.api_key, api_secret=world.make_key(key, name="other").api_secret)
    for nonce in range(1, 6):
        with contextlib.suppress(AuthenticationFailed):
            world.providers.keys["spot"].describe_key(mixed, nonce)
    before = len(world.calls(only=credential))
    outcome = world.hand_in(SPOT, credential)
    assert (outcome.effect, outcome.code) == (Effect.WAITING, "KS2105")
    candidate = world.state.key(SPOT).candidate
    assert (candidate.verdict, candidate.asked_at) == (Verdict.RECEIVED, None)
    assert world.task(TaskKind.CREATE_KEY, SPOT).rejection == ""
    world.clock.advance(minutes=10)
    assert [o.effect for o in world.settle().outcomes] == [Effect.WAITING]
    assert len(world.calls(only=credential)) == before + 1
    world.clock.advance(minutes=6)
    assert [o.effect for o in world.settle().outcomes] == [Effect.PUBLISHED]


def test_a_breaker_that_other_keys_opened_leaves_a_new_key_received(world):
    """Two rejected keys close the account: a good one is stored, waits, and is published afterwards."""
    pnl, other = spot_key(), spot_key(name="other", process=OTHER)
    third = spot_key(name="third", process=THIRD)
    world.declare(OTHER, THIRD, pnl, other, third)
    world.apply()
    for key in (other, third):
        world.hand_in(key.address, deleted(world, key))
    good = world.make_key(pnl)
    outcome = world.hand_in(SPOT, good)
    assert (outcome.effect, world.calls(only=good)) == (Effect.WAITING, [])
    assert "its account is not asked until 2026-11-02T09:15:00Z" in outcome.text
    assert world.quarantine("pnl", SPOT) == halves(good)
    assert world.state.key(SPOT).candidate.verdict is Verdict.RECEIVED
    world.clock.advance(minutes=16)
    outcomes = {o.address: o.effect for o in world.settle().outcomes}
    assert outcomes[SPOT] is Effect.PUBLISHED
