"""Kraken's own call log on our client: no question after a refusal, no large nonce, no creation twice."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from krakenstate import NonceUnit
from krakenstate.engine import observe, runs
from krakenstate.engine.apply import outlook_of
from krakenstate.errors import InvalidKey, KrakenstateError
from krakenstate.model.credential import Credential
from krakenstate.model.vocabulary import Api
from tests.support.world import CARRY, CONTROLLER, CREATOR, MM, World, derivatives_key, spot_key

CREATE = "/CreateSubaccount"
CREATE_PATH = f"/0/private{CREATE}"
FAULTS = (
    "drop-before",
    "drop-after",
    "html-5xx",
    "truncated",
    "slow",
    "redirect",
    "throttle",
    "unknown-word",
)
FORGED = SecretStr("A" * 86 + "==")


def every_command(world: World) -> None:
    """All that looks at keys, one after the other; what fails has said so, and the next one runs."""
    for run in (world.plan, world.apply, world.settle, world.plan):
        with suppress(KrakenstateError):
            run()


# -- no second question after a failed authentication -------------------------------------------------------


def deleted(world, key, credential):
    """It was deleted in the web page."""
    world.people("delete-key", account=key.account.email, key=public(credential))
    return credential


def admitted_elsewhere(world, key, credential):
    """Its allowlist at Kraken is another than the declared one."""
    edit(world, key, credential, ip=["203.0.113.7"])
    return credential


def expired(world, key, credential):
    """It expired at Kraken, earlier than declared."""
    edit(world, key, credential, expires="2026-11-01")
    return credential


def forged(_world, _key, credential):
    """The private half is another key's."""
    return Credential(api_key=credential.api_key, api_secret=FORGED)


def guarded(world, key, credential):
    """Somebody switched key 2FA on."""
    edit(world, key, credential, key_2fa="open sesame")
    return credential


def run_ahead(world, _key, credential):
    """Another program has used its highest nonce."""
    world.providers.keys[Api.SPOT].describe_key(credential, 2**64 - 1)
    return credential


def locked(world, key, credential):
    """Others have locked its account."""
    other = world.make_key(key, name="other")
    for nonce in range(1, 5):
        with pytest.raises(KrakenstateError):
            world.providers.keys[Api.SPOT].describe_key(forged(world, key, other), nonce)
    return credential


def edit(world, key, credential, **changes):
    """Somebody edits a key in the web page."""
    world.people("edit-key", account=key.account.email, key=public(credential), **changes)


def public(credential):
    """The public half as text."""
    return credential.api_key.get_secret_value()


SPOT_REFUSALS = [
    (deleted, "EAPI:Invalid key"),
    (admitted_elsewhere, "EAPI:Invalid key"),
    (expired, "EAPI:Invalid key"),
    (forged, "EAPI:Invalid signature"),
    (guarded, "EAPI:Invalid signature"),
    (run_ahead, "EAPI:Invalid nonce"),
    (locked, "EGeneral:Temporary lockout"),
]


def name_of(value):
    """A case is named after what went wrong."""
    return getattr(value, "__name__", None)


def refused(world, credential, word, since):
    """How often this key was asked since then; each time it was turned away with this word."""
    answers = [call["outcome"] for call in world.calls(only=credential)[since:]]
    assert set(answers) <= {word}
    return len(answers)


def hand_in_again(world, key, credential):
    """Somebody tries the same key once more: stored, and not asked."""
    assert world.hand_in(key.address, credential).effect != "published"


@pytest.mark.parametrize(("spoil", "word"), SPOT_REFUSALS, ids=name_of)
def test_a_spot_key_that_was_refused_is_not_asked_again(world, spoil, word):
    """After one refusal no plan, apply, settle or hand-in asks the key again while its breaker is open."""
    key = spot_key()
    world.declare(key)
    world.apply()
    made = world.make_key(key)
    credential = spoil(world, key, made)
    since = len(world.calls(only=made))
    said = "waiting" if spoil is locked else "rejected"  # a lockout says nothing about the key that met it
    assert world.hand_in(key.address, credential).effect == said
    assert refused(world, credential, word, since) == 1
    for _ in range(4):
        every_command(world)
        hand_in_again(world, key, credential)
        world.clock.advance(minutes=1)
    assert refused(world, credential, word, since) == 1


@pytest.mark.parametrize(("spoil", "word"), SPOT_REFUSALS, ids=name_of)
def test_only_an_unknown_fresh_key_is_asked_a_second_time(world, spoil, word):
    """Within fifteen minutes a fresh key that Kraken does not know is asked once more; any other is not."""
    key = spot_key()
    world.declare(key)
    world.apply()
    made = world.make_key(key)
    credential = spoil(world, key, made)
    since = len(world.calls(only=made))
    world.hand_in(key.address, credential)
    for _ in range(7):
        world.clock.advance(minutes=2)
        every_command(world)
    assert refused(world, credential, word, since) == (2 if word == "EAPI:Invalid key" else 1)


@pytest.mark.parametrize("spoil", [deleted, admitted_elsewhere, forged], ids=name_of)
def test_a_derivatives_key_that_was_refused_is_not_asked_again(world, spoil):
    """Handed in and refused with HTTP 401: not asked again by any command in the minutes that follow."""
    key = derivatives_key()
    world.declare(key)
    world.apply()
    credential = spoil(world, key, world.make_key(key))
    assert world.hand_in(key.address, credential).effect == "rejected"
    for _ in range(4):
        every_command(world)
        hand_in_again(world, key, credential)
        world.clock.advance(minutes=1)
    assert refused(world, credential, "authenticationError", 0) == 1


@pytest.mark.parametrize("key", [derivatives_key(), CONTROLLER], ids=["a process's", "the controller"])
@pytest.mark.parametrize("spoil", [deleted, admitted_elsewhere], ids=name_of)
def test_a_derivatives_key_in_service_that_is_refused_is_asked_once_in_fifteen_minutes(world, key, spoil):
    """Whoever may be asked at each observation is left alone after a refusal, for any purpose."""
    world.link_carry()
    world.declare(key, CARRY)
    credential = world.put_in_service(key)
    every_command(world)
    since = len(world.calls(only=credential))
    spoil(world, key, credential)
    for _ in range(14):
        every_command(world)
        world.clock.advance(minutes=1)
    assert refused(world, credential, "authenticationError", since) == 1
    world.clock.advance(minutes=2)
    every_command(world)
    assert refused(world, credential, "authenticationError", since) == 2


@pytest.mark.parametrize(("spoil", "word"), [c for c in SPOT_REFUSALS if c[0] is not forged], ids=name_of)
def test_a_creation_that_was_refused_is_not_sent_again(world, spoil, word):
    """A Spot controller that is refused while creating is left alone by whatever runs in the next minutes."""
    credential = world.put_in_service(CREATOR)
    world.declare(CREATOR, MM)
    spoil(world, CREATOR, credential)
    since = len(world.calls(only=credential))
    for _ in range(7):
        every_command(world)
        world.clock.advance(minutes=2)
    assert refused(world, credential, word, since) == 1


def test_a_switch_that_was_refused_is_not_sent_again(world):
    """A controller that is deleted between observation and apply: one refusal of the other shape (HTTP 200
    with an error), and nothing more."""
    world.link_carry()
    world.declare(CONTROLLER, CARRY)
    credential = world.put_in_service(CONTROLLER)
    every_command(world)
    world.declare(CONTROLLER, CARRY.model_copy(update={"trading_enabled": False}))
    with world.writing("apply") as run:
        snapshot = observe.take_snapshot(run.session, run.state)
        plan = runs.build_plan(outlook_of(run, snapshot), version="test")
        deleted(world, CONTROLLER, credential)
        since = len(world.calls(only=credential))
        [outcome] = runs.apply(run, snapshot, plan)
    assert outcome.code == InvalidKey.code
    for _ in range(7):
        every_command(world)
        world.clock.advance(minutes=2)
    [call] = world.calls(only=credential)[since:]
    assert (call["method"], call["outcome"]) == ("PUT", "authenticationError")


# -- nonces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [unit for unit in NonceUnit if unit is not NonceUnit.COUNTER])
def test_no_nonce_is_above_the_clock_in_the_declared_unit(world, unit):
    """Controllers, fresh keys and one that was used before: each nonce is small, or at most the clock."""
    world.link_carry()
    used = spot_key(nonce_unit=unit)
    fresh = spot_key(name="fresh", nonce_unit=unit)
    world.declare(CREATOR, CONTROLLER, CARRY, MM, used, fresh)
    creator = world.put_in_service(CREATOR)
    world.put_in_service(CONTROLLER)
    every_command(world)
    made = world.make_key(used, permission=["query-funds"])  # not as declared, so each settle asks it again
    world.providers.keys[Api.SPOT].describe_key(made, 5)
    asked = len(world.calls(only=made))
    world.hand_in(used.address, made)
    world.put_in_service(fresh)
    world.clock.advance(minutes=16)
    for _ in range(3):
        every_command(world)
    world.clock.advance(seconds=2)
    every_command(world)
    assert world.calls(CREATE, only=creator)

    units = {creator.fingerprint: NonceUnit.MILLISECONDS}  # krakenstate's own
    later = world.calls(only=made)[asked:]
    assert [call["outcome"] for call in later][:2] == ["EAPI:Invalid nonce", "ok"]
    assert len(later) > 2
    for call in world.calls():
        if call["nonce"] is not None:
            at = nanoseconds(call["at"])
            assert call["nonce"] <= units.get(call["key_fingerprint"], unit).at(at), call


def nanoseconds(text):
    """An instant of the log, since 1970."""
    return (
        (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    )


# -- creations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 9], ids=["once", "throughout"])
@pytest.mark.parametrize("path", [CREATE_PATH, "/"], ids=["creation", "everything"])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_subaccount_is_created_at_most_once_per_approval(world, kind, path, times):
    """Whatever goes wrong, apply, apply again, settle and plan send one creation, until a person says that it
    never came to be; then the next approval sends one more."""
    creator = world.put_in_service(CREATOR)
    world.declare(CREATOR, MM)
    world.people("fault", kind=kind, path=path, times=times, delay_s=0.01)
    for run in (world.apply, world.apply, world.settle, world.plan):
        with suppress(KrakenstateError):
            run()
    world.people("fault-clear")
    every_command(world)
    assert len(world.calls(CREATE)) == 1
    assert {call["key_fingerprint"] for call in world.calls(CREATE)} == {creator.fingerprint}

    if world.open_tasks(MM.address) == ["settle-unknown"]:
        exists = any(a["username"] == MM.username for a in world.people("state")["accounts"])
        world.answer(MM.address, created=exists)
        every_command(world)
        assert len(world.calls(CREATE)) == (1 if exists else 2)
    assert [a["username"] for a in world.people("state")["accounts"]].count(MM.username) == 1
    assert world.open_tasks(MM.address) == ["finish-email-setup"]
