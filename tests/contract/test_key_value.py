"""What store, custody and ledger rely on, of the real client on a real server and of the one in memory."""

from collections.abc import Iterator

import pytest

from krakenstate.errors import VaultConflict
from krakenstate.store.base import Entry, KeyValue, Metadata
from tests.support.memory import KEPT_VERSIONS, Mains, MemoryKeyValue


@pytest.fixture(params=["memory", "mains", "vault"])
def kv(request: pytest.FixtureRequest) -> Iterator[KeyValue]:
    """Each implementation, empty."""
    if request.param == "memory":
        yield MemoryKeyValue()
    elif request.param == "mains":
        yield Mains(MemoryKeyValue())
    else:
        client = request.getfixturevalue("bao").client(request.getfixturevalue("mount"))
        yield client
        client.close()


def test_what_was_never_written_is_nothing(kv):
    """A path nobody wrote has no data, no head and nothing below it."""
    assert (kv.read("a/b"), kv.metadata("a/b"), kv.list("a")) == (None, None, [])


def test_a_write_counts_versions_and_each_stays_readable(kv):
    """Versions count from one, the newest is read by default, older ones by number."""
    assert kv.write("a/b", {"x": "1"}, cas=0) == 1
    assert kv.write("a/b", {"x": "2", "n": [None, True]}, cas=1) == 2
    assert kv.read("a/b") == Entry({"x": "2", "n": [None, True]}, 2)
    assert kv.read("a/b", 1) == Entry({"x": "1"}, 1)
    assert kv.read("a/b", 3) is None


@pytest.mark.parametrize("cas", [0, 2])
def test_a_write_based_on_another_version_is_refused(kv, cas):
    """Check-and-set refuses a write that does not name the newest version, and changes nothing."""
    kv.write("a", {"x": "1"}, cas=0)
    with pytest.raises(VaultConflict):
        kv.write("a", {"x": "other"}, cas=cas)
    assert kv.read("a") == Entry({"x": "1"}, 1)


def test_deleting_leaves_nothing_and_may_be_repeated(kv):
    """After a deletion neither data nor head nor history is left, and the versions count anew."""
    kv.write("a/b", {"x": "1"}, cas=0)
    kv.write_metadata("a/b", {"k": "v"})
    kv.delete("a/b")
    kv.delete("a/b")
    assert (kv.read("a/b"), kv.read("a/b", 1), kv.metadata("a/b"), kv.list("a")) == (None, None, None, [])
    assert kv.write("a/b", {"x": "2"}, cas=0) == 1


def test_metadata_is_merged_and_survives_writes(kv):
    """Custom metadata is merged by name and stays when data is written."""
    kv.write("a", {"x": "1"}, cas=0)
    kv.write_metadata("a", {"k": "1", "l": "1"})
    kv.write_metadata("a", {"l": "2"})
    kv.write("a", {"x": "2"}, cas=1)
    assert kv.metadata("a") == Metadata(version=2, custom={"k": "1", "l": "2"}, gone=False)


def test_custom_metadata_is_told_beside_the_data(kv):
    """Reading an entry tells its custom metadata as well; an entry without any has an empty one."""
    kv.write("a", {"x": "1"}, cas=0)
    assert kv.read("a").custom == {}
    kv.write_metadata("a", {"k": "1"})
    assert kv.read("a").custom == {"k": "1"}
    assert kv.read("a").head == Metadata(version=1, custom={"k": "1"})


def test_metadata_may_come_before_the_first_data(kv):
    """A head without data is at version 0, is listed, reads as nothing, and takes a first write."""
    kv.write_metadata("a/b", {"k": "v"})
    assert kv.metadata("a/b") == Metadata(version=0, custom={"k": "v"}, gone=True)
    assert (kv.read("a/b"), kv.list("a")) == (None, ["b"])
    assert kv.write("a/b", {"x": "1"}, cas=0) == 1
    assert kv.metadata("a/b") == Metadata(version=1, custom={"k": "v"}, gone=False)


def test_a_look_tells_what_the_next_write_must_name(kv):
    """Data with its version, or nothing: version 0 before the first data, with a head and without."""
    assert kv.look("a/b") == (None, 0)
    kv.write_metadata("a/b", {"k": "v"})
    assert kv.look("a/b") == (None, 0)
    kv.write("a/b", {"x": "1"}, cas=0)
    kv.write("a/b", {"x": "2"}, cas=1)
    assert kv.look("a/b") == (Entry({"x": "2"}, 2), 2)


def test_all_heads_below_a_folder_come_at_once(kv):
    """Whatever its depth, each entry's head is told under its name below the folder."""
    assert kv.heads("a") == {}
    kv.write("a/x", {}, cas=0)
    kv.write("a/x/deep/er", {}, cas=0)
    kv.write_metadata("a/y", {"k": "v"})
    kv.write("ab/z", {}, cas=0)
    assert kv.heads("a") == {
        "x": Metadata(version=1, custom={}),
        "x/deep/er": Metadata(version=1, custom={}),
        "y": Metadata(version=0, custom={"k": "v"}, gone=True),
    }
    assert kv.heads("nothing") == {}


def test_metadata_is_merged_into_what_the_caller_has_read(kv):
    """With what was read a moment ago nothing is read again, and what is said there stays."""
    kv.write("a", {"x": "1"}, cas=0)
    kv.write_metadata("a", {"k": "1"}, {})
    kv.write_metadata("a", {"l": "2"}, {"k": "1"})
    assert kv.metadata("a") == Metadata(version=1, custom={"k": "1", "l": "2"}, gone=False)


def test_a_list_names_what_is_directly_below(kv):
    """Folders end with a slash, an entry and a folder may share a name, and deeper levels do not show."""
    for path in ("a/x", "a/x/deep/er", "a/y", "ab/z"):
        kv.write(path, {}, cas=0)
    assert kv.list("a") == ["x", "x/", "y"]
    assert kv.list("a/x") == ["deep/"]


def test_only_the_last_versions_are_kept(kv):
    """Ten versions of an entry are kept, which is what the pinned documents of a state live on."""
    for n in range(KEPT_VERSIONS + 2):
        kv.write("a", {"n": n}, cas=n)
    assert [kv.read("a", n) is None for n in (1, 2, 3, 12)] == [True, True, False, False]


def test_an_entry_may_ask_to_keep_more(kv):
    """An entry that asks for more versions keeps them, before and after its first data, and says so."""
    kv.keep_versions("a", KEPT_VERSIONS + 5)
    kv.write_metadata("a", {"k": "v"})
    for n in range(KEPT_VERSIONS + 6):
        kv.write("a", {"n": n}, cas=n)
    assert [kv.read("a", n) is None for n in (1, 2)] == [True, False]
    kv.keep_versions("a", KEPT_VERSIONS + 6)
    assert kv.metadata("a") == Metadata(
        version=KEPT_VERSIONS + 6, custom={"k": "v"}, gone=False, keeps=KEPT_VERSIONS + 6
    )


def test_what_was_read_is_a_copy(kv):
    """Changing an answer does not change what is kept."""
    kv.write("a", {"x": ["1"]}, cas=0)
    kv.read("a").data["x"].append("2")
    assert kv.read("a").data == {"x": ["1"]}
