"""Secrets that were replaced, on a real OpenBao server: put aside once, over nothing else, then gone."""

import pytest

from krakenstate.errors import PathNotManaged, SecretDisappeared
from tests.providers.vault.test_vault_custody import (
    FIRST,
    LABEL,
    SECOND,
    SLOT,
    custody,
    registered,
    texts_of,
)

__all__ = ["custody", "registered"]

PATH = "krakenstate/prod/retired/mm-quoter/spot_key.mm-quoter-g1"


def test_a_secret_is_put_aside_and_read_back(custody, kv, mount):
    """A copy; doing it again writes no new version, also after its successor came."""
    custody.publish(SLOT, FIRST, LABEL)
    held = custody.retire(SLOT, 1, FIRST.fingerprint)
    assert (held.path, held.version, held.fingerprint) == (f"{mount}/{PATH}", 1, FIRST.fingerprint)
    assert texts_of(custody.read_retired(SLOT, 1)) == texts_of(FIRST)
    assert kv.metadata(PATH).custom["managed-by"] == "krakenstate"
    custody.publish(SLOT, SECOND, LABEL)
    assert custody.retire(SLOT, 1, FIRST.fingerprint).version == 1
    assert texts_of(custody.read_published(SLOT)) == texts_of(SECOND)


def test_another_key_is_never_put_aside_for_the_recorded_one(custody, kv):
    """Somebody replaced the secret: nothing is written."""
    custody.publish(SLOT, SECOND, LABEL)
    with pytest.raises(SecretDisappeared):
        custody.retire(SLOT, 1, FIRST.fingerprint)
    assert kv.metadata(PATH) is None


def test_what_somebody_else_put_there_stays(custody, kv):
    """Another key lies aside under this name; it may be the only copy of it."""
    custody.publish(SLOT, FIRST, LABEL)
    public, private = texts_of(SECOND)
    kv.write(PATH, {"api_key": public, "api_secret": private}, cas=0)
    with pytest.raises(PathNotManaged):
        custody.retire(SLOT, 1, FIRST.fingerprint)
    assert texts_of(custody.read_retired(SLOT, 1)) == texts_of(SECOND)


def test_nothing_to_put_aside_is_said(custody):
    """No secret at the path: the rotation goes on, and its proof is somebody's word."""
    assert custody.retire(SLOT, 1, FIRST.fingerprint) is None


def test_a_retired_secret_is_removed_entirely(custody, bao, mount):
    """Data, all versions and metadata; removing it again is fine."""
    custody.publish(SLOT, FIRST, LABEL)
    custody.retire(SLOT, 1, FIRST.fingerprint)
    custody.drop_published(SLOT)
    custody.drop_retired(SLOT, 1)
    custody.drop_retired(SLOT, 1)
    assert list(bao.walk(mount)) == []
