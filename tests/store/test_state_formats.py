"""Formats of the state: an older one is read and brought forward, a newer one refused by name."""

import json

import pytest

from krakenstate.errors import StateDamaged, StateTooNew
from krakenstate.model.index import FORMAT_VERSION
from krakenstate.model.state import Document
from krakenstate.store.vault.formats import digest_of, is_of, is_sealed, seal, upgrade
from krakenstate.store.vault.state import VaultStateStore
from tests.store.test_vault_state import NOW, PATH, account, task
from tests.support.cli import ROOT
from tests.support.memory import MemoryKeyValue

WRITTEN = ROOT / "tests" / "golden" / "state" / "format-1.json"
"""A state as krakenstate wrote it in format 1. It is never written anew."""


@pytest.fixture
def old():
    """A key-value store that holds a state of format 1."""
    kv = MemoryKeyValue()
    held = json.loads(WRITTEN.read_text(encoding="utf-8"))
    for name, document in held["resources"].items():
        kv.write(f"{PATH}/resources/{name}", document, cas=0)
    kv.write(f"{PATH}/index", held["index"], cas=0)
    return kv


def formats(kv):
    """The format of index and documents, as they are stored."""
    paths = [f"{PATH}/index", *(f"{PATH}/resources/{n}" for n in kv.list(f"{PATH}/resources"))]
    return {kv.read(path).data["format_version"] for path in paths}


def test_a_state_of_format_1_is_read_and_not_touched(old):
    """What it records is there, and neither reading nor saving what did not change writes anything."""
    store = VaultStateStore(old, "kv", PATH, version="1.2.3")
    state = store.load()
    assert state.account("spot_subaccount.mm") == account(
        "mm", username="desk-mm", iiban="AA12 N84G ABCD 3F5K"
    )
    assert state.tasks == [task(1, text="Finish the set-up.")]
    assert (state.index.serial, state.index.applied_digests) == (3, {"7be1c0": 3})
    store.save(state, NOW)
    assert formats(old) == {1}
    assert old.metadata(f"{PATH}/index").version == 1


def test_the_next_change_writes_all_of_it_in_the_newest_format(old):
    """Documents that did not change are brought forward too, and the index is sealed from then on."""
    store = VaultStateStore(old, "kv", PATH, version="1.2.3")
    state = store.load()
    state.put(account("carry"))
    store.save(state, NOW)
    assert formats(old) == {FORMAT_VERSION}
    assert is_sealed(old.read(f"{PATH}/index").data)
    assert "digest" in old.read(f"{PATH}/index").data
    again = VaultStateStore(old, "kv", PATH, version="1.2.3").load()
    assert again.documents == state.documents
    assert again.index.serial == 4


def test_a_document_of_format_1_is_checked_like_any_other(old):
    """What the old index pinned has to be what is there."""
    path = f"{PATH}/resources/spot_subaccount.mm"
    data = old.read(path).data
    old.delete(path)
    old.write(path, data | {"tasks": {}}, cas=0)
    with pytest.raises(StateDamaged, match=r"spot_subaccount\.mm is not what the index pinned"):
        VaultStateStore(old, "kv", PATH, version="1.2.3").load()


@pytest.mark.parametrize("number", range(1, FORMAT_VERSION + 1))
def test_every_format_leads_to_the_newest(number):
    """There is a step from each format that was ever written."""
    found = upgrade({"format_version": number}, "kv/x", reader="1", writer="1")
    assert found["format_version"] == FORMAT_VERSION


def test_a_newer_format_names_the_version_it_needs():
    """Who wrote it, what reads it, and that nothing was written."""
    with pytest.raises(StateTooNew) as caught:
        upgrade({"format_version": 9}, "kv/prod/index", reader="1.2.3", writer="7.8.9")
    assert caught.value.message == (
        "kv/prod/index was written by krakenstate 7.8.9 in format 9; this is krakenstate 1.2.3, which reads "
        f"formats up to {FORMAT_VERSION}. Nothing was written."
    )
    assert caught.value.next_step == "Use krakenstate 7.8.9 or newer."


@pytest.mark.parametrize("number", [0, -1])
def test_a_format_that_never_was_is_damage(number):
    """It is not taken for an old one."""
    with pytest.raises(StateDamaged, match="which no krakenstate ever wrote"):
        upgrade({"format_version": number}, "kv/prod/index", reader="1", writer="1")


@pytest.mark.parametrize("change", [{"serial": 8}, {"documents": {}}, {"digest": None}, {"more": 1}])
def test_a_seal_notices_every_change(change):
    """A field more, less or other breaks it."""
    sealed = seal({"format_version": 2, "serial": 7, "documents": {"stack": {"version": 1}}})
    assert is_sealed(sealed)
    assert not is_sealed(sealed | change)


@pytest.mark.parametrize("data", [{"a": 1, "b": ["x", None, True]}, {"b": {"d": 1, "c": "\u00e4"}, "a": "/"}])
def test_a_digest_speaks_of_content_in_any_order(data):
    """An entry whose fields come in another order is as it was written; one that differs is not."""
    digest = digest_of(data)
    assert is_of(data, digest)
    assert is_of(dict(reversed(data.items())), digest)
    assert not is_of({**data, "a": "other"}, digest)
    assert not is_of({**data, "z": "\ud800"}, digest)


def test_what_is_read_does_not_tell_what_it_was_given(old):
    """The sets that would are emptied, down to the last model, and the values stay as they are."""
    state = VaultStateStore(old, "kv", PATH, version="1.2.3").load()
    documents = list(state.documents.values())
    models = [*state.records, *state.tasks]
    assert [model.model_fields_set for model in models] == [set()] * len(models)
    again = [Document.model_validate(document.model_dump()) for document in documents]
    assert again == documents
    assert [document.model_dump_json() for document in again] == [d.model_dump_json() for d in documents]
