"""Whose key an alert is about: every place that knows a fingerprint is looked at, and told apart."""

from datetime import timedelta

import pytest

from krakenstate.engine.whois import find_owners
from krakenstate.errors import KeyNotRecognised
from krakenstate.model.clue import Clue
from krakenstate.model.credential_row import CredentialRow, Stage
from krakenstate.model.identity import fingerprint
from krakenstate.model.sighting import Role
from krakenstate.model.snapshot import Place
from krakenstate.model.task import TaskKind, TaskStatus
from krakenstate.model.vocabulary import Api
from tests.support.looks import (
    FINGERPRINT,
    LAST_FOUR,
    arrived,
    candidate,
    fact,
    key_record,
    look_at,
    present,
    served,
    task_of,
)
from tests.support.world import derivatives_key, spot_key

KEY, PERP = spot_key(), derivatives_key()
OTHER = "91c0aaaabbbb"


def roles_of(look, text=FINGERPRINT, rows=()):
    """Address and role of each place that fits, in the order shown."""
    clue = Clue.of(text)
    assert clue is not None
    owners, _ = find_owners(clue, look.desired, look.state, look.snapshot, rows)
    return [(str(o.sighting.address), o.sighting.role) for o in owners]


@pytest.mark.parametrize(
    ("look", "found"),
    [
        pytest.param(look_at([KEY], [served(KEY)]), [(KEY.address, Role.IN_SERVICE)], id="in service"),
        pytest.param(
            look_at(
                [KEY],
                [key_record(KEY, candidate=candidate())],
                arrivals=[arrived(KEY.address, Place.QUARANTINE)],
            ),
            [(KEY.address, Role.QUARANTINE)],
            id="in quarantine, told once",
        ),
        pytest.param(
            look_at([KEY], [key_record(KEY)], arrivals=[arrived(KEY.address, Place.QUARANTINE)]),
            [(KEY.address, Role.QUARANTINE)],
            id="in quarantine, seen alone",
        ),
        pytest.param(
            look_at(
                [KEY],
                [key_record(KEY)],
                [task_of(TaskKind.DELETE_KEY, KEY.address, subject=FINGERPRINT, status=TaskStatus.ATTESTED)],
            ),
            [(KEY.address, Role.TO_DELETE)],
            id="subject of a task, closed or not",
        ),
        pytest.param(
            look_at(
                [KEY],
                [served(KEY, published=served(KEY).published.model_copy(update={"fingerprint": OTHER}))],
                observations=[present(KEY.address, facts={"secret": fact(FINGERPRINT)})],
            ),
            [(KEY.address, Role.AT_PATH), (KEY.address, Role.DESCRIBED)],
            id="at the path, though another was published",
        ),
        pytest.param(
            look_at([KEY, PERP], [served(KEY), served(PERP)]),
            [(PERP.address, Role.IN_SERVICE), (KEY.address, Role.IN_SERVICE)],
            id="shared by two",
        ),
    ],
)
def test_each_place_is_looked_at(look, found):
    """Wherever a fingerprint is kept it is found, and what is merely seen again is not told twice."""
    assert roles_of(look) == found


@pytest.mark.parametrize(
    "text", ["3f2a", "3F2A91C07B44", "fp 3f2a91", LAST_FOUR, f"...{LAST_FOUR}", f"\u2026{LAST_FOUR}"]
)
def test_a_key_is_known_by_either_mark(text):
    """A fingerprint counts from its beginning and in either case, the end of a public half exactly."""
    assert roles_of(look_at([KEY], [served(KEY)]), text) == [(KEY.address, Role.IN_SERVICE)]


def test_a_whole_public_key_is_kept_as_a_fingerprint_alone():
    """Nothing of it but the fingerprint is in the clue, whatever it is shown as."""
    public = "k" * 56
    clue = Clue.of_public_key(public)
    assert clue.fingerprint == fingerprint(public)
    assert "kkkk" not in f"{clue} {clue!r}"


@pytest.mark.parametrize("text", ["", "3f2", "3f2a91c07b44a", "xyz", "9fQa9", "=cmd", "../x"])
def test_other_text_is_no_clue(text):
    """Too short, too long, or of other characters: it is not guessed what was meant."""
    assert Clue.of(text) is None


def test_nothing_found_says_where_was_looked():
    """The error counts what was looked at, and case matters in the end of a public half."""
    look = look_at([KEY], [served(KEY)], [task_of(TaskKind.DELETE_KEY, KEY.address, subject=OTHER)])
    for text in ("ffff", LAST_FOUR.swapcase()):
        with pytest.raises(KeyNotRecognised, match="1 recorded key, 1 task and the snapshot of 2026-11-02"):
            roles_of(look, text)


def test_a_replaced_key_is_found_until_it_is_proven_dead(world):
    """The generation before the one in service is told apart from it."""
    key = spot_key(rotate_every=timedelta(days=90))
    old = world.put_in_service(key)
    world.clock.advance(days=91)
    world.apply()
    new = world.make_key(key, name="pnl-g2")
    world.hand_in(key.address, new)
    for credential, role in ((old, Role.REPLACED), (new, Role.IN_SERVICE)):
        clue = Clue.of(credential.fingerprint)
        owners, _ = find_owners(clue, world.desired, world.state, None, ())
        assert role in {owner.sighting.role for owner in owners}


def test_an_unmanaged_key_is_found_by_its_row():
    """What the register knows from elsewhere counts, with the account and the user noted there."""
    row = CredentialRow(
        address="unmanaged.old",
        api=Api.SPOT,
        account="mm",
        account_label="desk-mm",
        used_by=("old bot",),
        last_four="Zz9x",
        stage=Stage.UNMANAGED,
    )
    look = look_at([])
    clue = Clue.of("Zz9x")
    [owner], _ = find_owners(clue, look.desired, look.state, look.snapshot, (row,))
    assert (owner.sighting.role, owner.account_label, owner.process) == (Role.UNMANAGED, "desk-mm", "old bot")
