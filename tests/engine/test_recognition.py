"""An adopted key's secret is handed in: compared with the desk's own, and asked where that is safe."""

import pytest
from pydantic import SecretStr

from krakenstate import Moved
from krakenstate.engine import leak
from krakenstate.errors import LockHeld, QuarantineFailed
from krakenstate.model.credential import Credential
from krakenstate.model.desired import Desired
from krakenstate.model.provenance import Provenance
from krakenstate.model.run import Effect
from krakenstate.model.task import TaskKind
from tests.support.adopted import FIELDS, KEY, PATH
from tests.support.world import BASIS, HEAD, derivatives_key, halves, is_empty, spot_key

SPOT, HEDGER = "spot_key.pnl", "derivatives_key.hedger"
FUTURES = derivatives_key(key_name="futures", vault_path="trading/hedger")
PROBED = spot_key(key_name="PNL (old)", vault_path=PATH, vault_fields=FIELDS, probe_in_service=True)


def credential(made) -> Credential:
    """What the people made, as its two halves."""
    return Credential(api_key=SecretStr(made["api_key"]), api_secret=SecretStr(made["api_secret"]))


def adopt(world, key) -> None:
    """The desk's key is declared, approved and recorded."""
    world.declare(key)
    world.apply()


def futures_of_the_desk(world, **other) -> Credential:
    """A Derivatives key with its secret at the desk's own path, adopted."""
    made = world.make_key(FUTURES, **other)
    world.kv.write("trading/hedger", halves(made), 0)
    adopt(world, FUTURES)
    return made


def test_a_derivatives_key_is_recognised_and_asked(world):
    """From an admitted site it describes itself, once; the desk's path stays as it was."""
    made = futures_of_the_desk(world)
    before = world.kv.read("trading/hedger"), world.kv.metadata("trading/hedger")
    outcome = world.hand_in(HEDGER, made)
    assert (outcome.effect, outcome.code) == (Effect.UPDATED, "")
    shown = made.fingerprint[:4]
    assert outcome.text == (
        f"it is the key at kv/trading/hedger (fp {shown}), where nothing was written; its copy "
        "in quarantine was dropped. It was asked, and describes itself as declared (observed)"
    )
    record = world.state.key(HEDGER)
    assert (record.generation, record.provenance, record.candidate) == (0, Provenance.OBSERVED, None)
    assert record.published.fingerprint == record.description.fingerprint == made.fingerprint
    assert len(world.calls()) == len(world.calls(only=made)) == 1
    assert (world.kv.read("trading/hedger"), world.kv.metadata("trading/hedger")) == before
    assert world.quarantine("hedger", HEDGER) is world.published("hedger", HEDGER) is None
    assert is_empty(world.plan())
    assert len(world.calls()) == 1


def test_what_it_says_otherwise_is_proposed_as_an_edit(world):
    """What was attested gives way to what the key says of itself."""
    made = futures_of_the_desk(world, general="FULL_ACCESS")
    assert is_empty(world.plan())
    outcome = world.hand_in(HEDGER, made)
    assert outcome.text.endswith(
        "otherwise than declared: general: FULL_ACCESS instead of READ_ONLY (observed)"
    )
    assert world.step(HEDGER).task_kind is TaskKind.EDIT_KEY


def test_without_an_admitted_site_it_is_recognised_and_not_asked(world):
    """The text says what is known and why no more was asked."""
    made = futures_of_the_desk(world)
    outcome = world.hand_in(HEDGER, made, site=None)
    assert outcome.text.endswith(
        "It was not asked, and what is known of it stays attested: no site was named"
    )
    assert (outcome.effect, world.calls()) == (Effect.UPDATED, [])
    assert world.quarantine("hedger", HEDGER) is None


def test_a_spot_key_in_service_is_recognised_and_not_asked(world, made):
    """Asking it would move the nonce of its process."""
    adopt(world, KEY)
    before = world.kv.read(PATH), world.kv.metadata(PATH)
    outcome = world.hand_in(SPOT, credential(made))
    assert outcome.text.endswith(
        "It was not asked, and what is known of it stays attested: in service: asking it would move its nonce"
    )
    assert world.state.key(SPOT).provenance is Provenance.ATTESTED
    assert (world.kv.read(PATH), world.kv.metadata(PATH)) == before
    assert (world.quarantine("pnl", SPOT), world.calls()) == (None, [])
    assert is_empty(world.plan())


def test_a_spot_key_that_may_be_asked_in_service_is_asked_once_a_day(world, made):
    """With probe_in_service=True and a unit, as on any other day."""
    adopt(world, PROBED)
    assert "describes itself as declared (observed)" in world.hand_in(SPOT, credential(made)).text
    assert world.state.key(SPOT).provenance is Provenance.OBSERVED
    again = world.hand_in(SPOT, credential(made)).text
    assert again.endswith("stays observed: asked less than an hour ago; at most once a day")
    [call] = world.calls("GetApiKeyInfo")
    assert call["nonce"] == int(world.clock().timestamp() * 1000)
    assert is_empty(world.plan())


def test_another_key_is_turned_away_and_stays_in_quarantine(world, made):
    """Both are named, neither is asked, nothing is proposed, and no later run touches it."""
    adopt(world, KEY)
    other, right = world.make_key(spot_key(), name="other"), credential(made)
    before = world.kv.read(PATH), world.kv.metadata(PATH)
    outcome = world.hand_in(SPOT, other)
    assert (outcome.effect, outcome.code) == (Effect.REJECTED, "KS2204")
    theirs, desks = other.fingerprint[:4], right.fingerprint[:4]
    assert outcome.text == (
        f"stays in quarantine: key fp {theirs} was handed in, and key fp {desks} lies at kv/{PATH}"
    )
    assert f"handed in  fp {other.fingerprint[:4]}  ...{other.last_four}  in quarantine" in outcome.report
    assert f"expected   fp {right.fingerprint[:4]}  ...{right.last_four}  at kv/{PATH}" in outcome.report
    record = world.state.key(SPOT)
    assert (record.published.fingerprint, record.provenance) == (right.fingerprint, Provenance.ATTESTED)
    world.settle()
    world.apply()
    assert world.quarantine("pnl", SPOT) == halves(other)
    assert (world.kv.read(PATH), world.kv.metadata(PATH)) == before
    assert (world.open_tasks(), world.calls(), is_empty(world.plan())) == ([], [], True)
    [check] = [c for c in world.plan().facts.checks if c.code == "KS2202"]
    assert "a secret lies in quarantine (kv/krakenstate/prod/quarantine/pnl/spot_key.pnl)" in check.text
    with pytest.raises(QuarantineFailed, match="It is not written over") as refused:
        world.hand_in(SPOT, right)
    assert "bao kv metadata delete kv/krakenstate/prod/quarantine/pnl/spot_key.pnl" in refused.value.next_step
    assert world.quarantine("pnl", SPOT) == halves(other)


def test_what_was_turned_away_is_never_asked(world, made):
    """Not as the next generation either: it may be in use, so it is dropped, and its key is not deleted."""
    adopt(world, KEY)
    other = world.make_key(spot_key(), name="other")
    world.hand_in(SPOT, other)
    with world.writing("key rotate --now") as run:
        leak.rotate_now(run, world.desired.get(SPOT), "in a public log", "ann")
    world.settle()
    assert (world.quarantine("pnl", SPOT), world.calls()) == (None, [])
    assert "is another, which may be in use" in world.task(TaskKind.CREATE_KEY, SPOT).rejection
    assert world.task(TaskKind.DELETE_KEY, SPOT).subject == credential(made).fingerprint
    new = world.make_key(spot_key(), name="pnl-g1")
    assert world.hand_in(SPOT, new).effect is Effect.PUBLISHED


def test_what_was_turned_away_is_told_under_another_name_too(world, made):
    """A renamed key is still looked for where its secrets are kept."""
    adopt(world, KEY)
    other = world.make_key(spot_key(), name="other")
    world.hand_in(SPOT, other)
    renamed = KEY.model_copy(update={"name": "reporting"})
    world.desired = Desired(HEAD, [*BASIS, renamed], [Moved(old=SPOT, new=renamed.address)])
    world.apply()
    [check] = [c for c in world.plan().facts.checks if c.code == "KS2202"]
    assert (check.address, "kv/krakenstate/prod/quarantine/pnl/spot_key.pnl" in check.text) == (
        renamed.address,
        True,
    )
    assert is_empty(world.plan())


def test_a_leaked_key_that_was_recognised_is_rotated(world, made):
    """It is put aside and proven dead like any other."""
    adopt(world, KEY)
    world.hand_in(SPOT, credential(made))
    with world.writing("key rotate --now") as run:
        leak.rotate_now(run, world.desired.get(SPOT), "in a public log", "ann")
    world.people("delete-key", account="desk", key=made["api_key"])
    outcome = world.hand_in(SPOT, world.make_key(spot_key(), name="pnl-g1"))
    assert outcome.effect is Effect.PUBLISHED
    assert "proven dead" in outcome.text


def test_a_private_half_that_differs_is_no_recognition(world, made):
    """The public half alone does not show that somebody holds the key."""
    adopt(world, KEY)
    typo = Credential(api_key=SecretStr(made["api_key"]), api_secret=world.make_key(spot_key()).api_secret)
    outcome = world.hand_in(SPOT, typo)
    assert outcome.effect is Effect.REJECTED
    assert outcome.text.endswith(f"lies at kv/{PATH} with another private half")
    assert "One of the two was mistyped." in outcome.report
    assert world.state.key(SPOT).adopted.turned_away == ""


def test_a_path_that_was_empty_is_compared_once_it_is_filled(world):
    """Until then what was handed in waits; afterwards the key is known by its fingerprint."""
    adopt(world, FUTURES)
    made = world.make_key(FUTURES)
    outcome = world.hand_in(HEDGER, made)
    assert outcome.effect is Effect.FAILED
    assert outcome.text == "in quarantine: it cannot be compared with kv/trading/hedger: no key lies there"
    assert world.quarantine("hedger", HEDGER) == halves(made)
    world.kv.write("trading/hedger", halves(made), 0)
    assert world.hand_in(HEDGER, made).effect is Effect.UPDATED
    assert world.state.key(HEDGER).published.fingerprint == made.fingerprint
    assert world.quarantine("hedger", HEDGER) is None


def test_a_secret_that_the_desk_replaced_is_recorded_anew(world):
    """What the earlier key said of itself is not said of this one."""
    first = futures_of_the_desk(world)
    world.hand_in(HEDGER, first)
    second = world.make_key(FUTURES)
    world.kv.write("trading/hedger", halves(second), 1)
    world.hand_in(HEDGER, second, site=None)
    record = world.state.key(HEDGER)
    assert (record.published.fingerprint, record.published.version) == (second.fingerprint, 2)
    assert record.description.fingerprint == second.fingerprint
    assert record.provenance is Provenance.ATTESTED


def test_beside_another_run_nothing_is_stored(world, made):
    """Nobody waits for it, and no settle would look at it."""
    adopt(world, KEY)
    with world.writing("apply"), pytest.raises(LockHeld):
        world.hand_in(SPOT, credential(made))
    assert world.quarantine("pnl", SPOT) is None
