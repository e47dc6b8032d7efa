"""The custody of secrets on a real OpenBao server: where they lie, who is refused, what is never shown."""

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from krakenstate.errors import (
    CredentialMalformed,
    KrakenstateError,
    OriginRefused,
    PathNotManaged,
    QuarantineFailed,
    VaultConflict,
    VaultDenied,
    WrappingTokenInvalid,
)
from krakenstate.model.credential import Credential
from krakenstate.model.snapshot import Place
from krakenstate.model.vocabulary import NonceUnit
from krakenstate.providers.vault.custody import VaultCustody
from krakenstate.secret.base import Held, Label, Slot
from krakenstate.store.base import Metadata
from tests.support.bao import everything_about

SLOT = Slot(process="mm-quoter", address="spot_key.mm-quoter")
OTHER = Slot(process="pnl", address="spot_key.pnl")
NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
LABEL = Label(
    stack="prod",
    account="spot_subaccount.mm",
    iiban="AA12 N84G ABCD 3F5K",
    environment="production",
    nonce_unit=NonceUnit.MILLISECONDS,
    key_name="mm-quoter-g1",
    generation=1,
)


def key(number: int) -> Credential:
    """A made-up key of Kraken's form."""
    public = base64.b64encode(hashlib.sha512(b"public %d" % number).digest()[:42]).decode()
    private = base64.b64encode(hashlib.sha512(b"private %d" % number).digest()).decode()
    return Credential(api_key=public, api_secret=private)


FIRST, SECOND = key(1), key(2)


def texts_of(credential: Credential) -> tuple[str, str]:
    """Both halves."""
    return credential.api_key.get_secret_value(), credential.api_secret.get_secret_value()


class Registered(list):
    """A redactor that remembers what it was told."""

    def __call__(self, value):
        self.append(value.get_secret_value())


@pytest.fixture
def registered():
    """What was made known to the redactor."""
    return Registered()


@pytest.fixture
def custody(kv, mount, registered):
    """The custody of the stack prod."""
    return custody_over(kv, mount, registered)


def custody_over(kv, mount, registered, **changes):
    """A custody with the usual prefixes."""
    usual = {
        "mount": mount,
        "secrets": "kraken/prod",
        "state": "krakenstate/prod",
        "stack": "prod",
        "environment": "production",
    }
    return VaultCustody(
        kv,
        **{**usual, **changes},
        unwrap=getattr(kv, "unwrap", None),
        register=registered,
        clock=lambda: NOW,
    )


def leave_in_inbox(kv, credential, slot=SLOT):
    """What an operator does."""
    public, private = texts_of(credential)
    kv.write(
        f"krakenstate/prod/inbox/{slot.process}/{slot.address}",
        {"api_key": public, "api_secret": private},
        cas=0,
    )


def test_publishing_puts_the_key_where_its_process_reads_it(custody, kv, mount):
    """The process finds both halves and what it needs beside them; custom metadata says whose it is."""
    held = custody.publish(SLOT, FIRST, LABEL)
    assert held == Held(
        path=f"{mount}/kraken/prod/mm-quoter/spot_key.mm-quoter",
        version=1,
        fingerprint=FIRST.fingerprint,
        managed=True,
        stack="prod",
    )
    public, private = texts_of(FIRST)
    assert kv.read("kraken/prod/mm-quoter/spot_key.mm-quoter").data == {
        "api_key": public,
        "api_secret": private,
        "account": "spot_subaccount.mm",
        "iiban": "AA12 N84G ABCD 3F5K",
        "environment": "production",
        "nonce_unit": "milliseconds",
        "key_name": "mm-quoter-g1",
    }
    assert kv.metadata("kraken/prod/mm-quoter/spot_key.mm-quoter").custom == {
        "managed-by": "krakenstate",
        "stack": "prod",
        "address": "spot_key.mm-quoter",
        "process": "mm-quoter",
        "fingerprint": FIRST.fingerprint,
        "fingerprint-version": "1",
        "generations": '{"1":1}',
    }
    assert custody.held(SLOT) == held
    assert custody.read_published(SLOT) == FIRST
    assert custody.path_of(SLOT) == held.path


def test_a_key_made_for_another_environment_is_refused(custody, kv, mount, registered):
    """What was published for one environment is not handed out for another, whose servers do not know it."""
    custody.publish(SLOT, FIRST, LABEL)
    elsewhere = custody_over(kv, mount, registered, environment="uat")
    with pytest.raises(OriginRefused) as caught:
        elsewhere.read_published(SLOT)
    assert (caught.value.code, caught.value.address) == ("KS2007", SLOT.address)
    assert not set(texts_of(FIRST)) & set(caught.value.message.split())


def test_what_is_not_known_is_an_empty_text(custody, kv):
    """A Derivatives key has no name and no unit; its fields are there all the same."""
    label = Label("prod", "derivatives_subaccount.carry", None, "production", None, None, 1)
    custody.publish(Slot("hedger", "derivatives_key.hedger"), FIRST, label)
    data = kv.read("kraken/prod/hedger/derivatives_key.hedger").data
    assert (data["iiban"], data["nonce_unit"], data["key_name"]) == ("", "", "")


def test_publishing_the_same_key_again_changes_nothing(custody):
    """A second publication of the same key is the first one."""
    first = custody.publish(SLOT, FIRST, LABEL)
    assert custody.publish(SLOT, FIRST, LABEL) == first
    assert custody.held(SLOT).version == 1


def test_a_new_generation_is_a_new_version(custody, kv):
    """Metadata of others is kept, and the map tells which version is which generation."""
    custody.publish(SLOT, FIRST, LABEL)
    kv.write_metadata("kraken/prod/mm-quoter/spot_key.mm-quoter", {"team": "market-making"})
    held = custody.publish(SLOT, SECOND, Label(**{**_fields(LABEL), "generation": 2}))
    assert (held.version, held.fingerprint) == (2, SECOND.fingerprint)
    custom = kv.metadata("kraken/prod/mm-quoter/spot_key.mm-quoter").custom
    assert custom["team"] == "market-making"
    assert json.loads(custom["generations"]) == {"1": 1, "2": 2}


def _fields(label):
    return {name: getattr(label, name) for name in Label.__dataclass_fields__}


def test_the_map_of_generations_stays_within_vaults_limit(custody, kv):
    """Custom metadata values have at most 512 bytes: the newest versions are kept."""
    path = "kraken/prod/mm-quoter/spot_key.mm-quoter"
    custody.publish(SLOT, FIRST, LABEL)
    many = json.dumps({str(v): v for v in range(-80, 1)}).replace("-", "9")
    kv.write_metadata(path, {"generations": many[:500].rpartition(",")[0] + "}"})
    for number in range(2, 6):
        custody.publish(SLOT, key(number), Label(**{**_fields(LABEL), "generation": number}))
    found = kv.metadata(path).custom["generations"]
    assert len(found.encode()) <= 512
    assert {"2": 2, "3": 3, "4": 4, "5": 5}.items() <= json.loads(found).items()


@pytest.mark.parametrize(
    "custom",
    [
        pytest.param({}, id="somebody else's"),
        pytest.param({"managed-by": "terraform"}, id="another program's"),
        pytest.param(
            {"managed-by": "krakenstate", "stack": "uat", "address": SLOT.address}, id="another stack's"
        ),
        pytest.param(
            {"managed-by": "krakenstate", "stack": "prod", "address": "spot_key.x"}, id="another key's"
        ),
    ],
)
@pytest.mark.parametrize("has_data", [True, False])
def test_a_path_of_somebody_else_is_left_alone(custody, kv, custom, has_data):
    """What krakenstate did not put there is neither overwritten nor removed."""
    path = "kraken/prod/mm-quoter/spot_key.mm-quoter"
    if has_data:
        kv.write(path, {"theirs": "x"}, cas=0)
    kv.write_metadata(path, custom or {"note": "ours"})
    before = kv.metadata(path)
    for call in (lambda: custody.publish(SLOT, FIRST, LABEL), lambda: custody.drop_published(SLOT)):
        with pytest.raises(PathNotManaged):
            call()
    assert kv.metadata(path) == before
    assert (kv.read(path) is not None) is has_data


def test_held_tells_of_foreign_entries(custody, kv):
    """A foreign entry is seen as such, without its data."""
    kv.write("kraken/prod/mm-quoter/spot_key.mm-quoter", {"theirs": "x"}, cas=0)
    held = custody.held(SLOT)
    assert (held.managed, held.fingerprint, held.stack) == (False, None, None)
    assert custody.held(OTHER) is None


def test_metadata_without_its_data_is_not_believed(custody, kv):
    """A run that died between metadata and secret leaves a fingerprint that does not count."""
    custody.publish(SLOT, FIRST, LABEL)
    path = "kraken/prod/mm-quoter/spot_key.mm-quoter"
    kv.write_metadata(path, {"fingerprint": SECOND.fingerprint, "fingerprint-version": "2"})
    assert custody.held(SLOT).fingerprint is None
    assert custody.publish(SLOT, SECOND, LABEL).version == 2
    assert custody.held(SLOT).fingerprint == SECOND.fingerprint


def test_a_published_secret_is_removed_entirely(custody, bao, mount):
    """After its removal neither versions nor metadata are left."""
    custody.publish(SLOT, FIRST, LABEL)
    custody.publish(SLOT, SECOND, LABEL)
    custody.drop_published(SLOT)
    custody.drop_published(SLOT)
    assert list(bao.walk(mount)) == []


def test_quarantine_is_stored_and_read_back(custody, kv, mount):
    """A received key lies in quarantine with its fingerprint, address and instant in the metadata."""
    held = custody.store_quarantine(SLOT, FIRST)
    assert held.path == f"{mount}/krakenstate/prod/quarantine/mm-quoter/spot_key.mm-quoter"
    assert (held.version, held.fingerprint) == (1, FIRST.fingerprint)
    assert custody.read(Place.QUARANTINE, SLOT) == FIRST
    custom = kv.metadata("krakenstate/prod/quarantine/mm-quoter/spot_key.mm-quoter").custom
    assert custom["address"] == SLOT.address
    assert custom["received-at"] == "2026-11-22T17:30:00Z"
    assert custody.store_quarantine(SLOT, FIRST).version == 1
    assert custody.store_quarantine(SLOT, SECOND, replaces=FIRST.fingerprint).version == 2
    assert custody.read(Place.QUARANTINE, SLOT) == SECOND


def test_another_key_in_quarantine_is_not_written_over_unasked(custody):
    """Only whoever names the key that lies there may replace it."""
    custody.store_quarantine(SLOT, FIRST)
    for replaces in (None, SECOND.fingerprint):
        with pytest.raises(QuarantineFailed, match="Another key lies at") as error:
            custody.store_quarantine(SLOT, SECOND, replaces=replaces)
        assert "Keep the dialog open" in error.value.next_step
    assert custody.read(Place.QUARANTINE, SLOT) == FIRST


class Sabotaged:
    """A key-value store that fails, or lies, at one call."""

    def __init__(self, inner, **instead):
        self._inner = inner
        self._instead = instead

    def __getattr__(self, name):
        return self._instead.get(name, getattr(self._inner, name))


def _fail(error):
    def call(*arguments, **named):
        raise error

    return call


def _entry_with(kv, **changes):
    def read(path, version=None):
        entry = kv.read(path, version)
        if entry is not None:
            entry.data.update(changes)
        return entry

    return read


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param(lambda kv: {"metadata": _fail(VaultDenied("no"))}, id="head denied"),
        pytest.param(lambda kv: {"write_metadata": _fail(VaultDenied("no"))}, id="metadata denied"),
        pytest.param(lambda kv: {"write": _fail(VaultConflict("no"))}, id="another writer"),
        pytest.param(lambda kv: {"write": lambda *a, **n: 1}, id="not written"),
        pytest.param(lambda kv: {"read": _fail(VaultDenied("no"))}, id="not readable"),
        pytest.param(lambda kv: {"read": _entry_with(kv, api_secret="x")}, id="other secret"),
        pytest.param(lambda kv: {"read": _entry_with(kv, api_key="x")}, id="other key"),
        pytest.param(lambda kv: {"read": _entry_with(kv, api_secret=None)}, id="no secret"),
    ],
)
def test_an_uncertain_quarantine_is_a_failure(kv, mount, registered, instead):
    """Unless both halves were read back, the person is told to keep the dialog open."""
    custody = custody_over(Sabotaged(kv, **instead(kv)), mount, registered)
    with pytest.raises(QuarantineFailed) as caught:
        custody.store_quarantine(SLOT, FIRST)
    assert "Keep the dialog open" in caught.value.next_step
    assert all(text not in everything_about(caught.value) for text in texts_of(FIRST))


def test_arrivals_are_known_by_metadata_alone(custody, kv, mount, bao, registered):
    """Inbox and quarantine are listed for the asked slots, with rights on metadata only."""
    leave_in_inbox(kv, FIRST)
    leave_in_inbox(kv, FIRST, Slot("stranger", "spot_key.stranger"))
    kv.write("krakenstate/prod/inbox/mm-quoter/not an address", {}, cas=0)
    custody.store_quarantine(OTHER, SECOND)
    policy = f'path "{mount}/metadata/*" {{ capabilities = ["read", "list"] }}'
    blind = bao.client(mount, token=bao.token_with(policy))
    found = custody_over(blind, mount, registered).arrivals([SLOT, OTHER, Slot("none", "spot_key.none")])
    blind.close()
    inbox, quarantine = (f"{mount}/krakenstate/prod/{place}" for place in Place)
    waiting = f"{OTHER.process}/{OTHER.address}"
    told = [(a.address, a.place, a.version, a.fingerprint, a.path) for a in found]
    assert told == [
        (SLOT.address, Place.INBOX, 1, None, f"{inbox}/{SLOT.process}/{SLOT.address}"),
        (OTHER.address, Place.QUARANTINE, 1, SECOND.fingerprint, f"{quarantine}/{waiting}"),
    ]  # fmt: skip
    assert all(a.written_at for a in found)


def test_what_lies_in_the_inbox_for_nobody_is_listed_by_path(custody, kv, mount):
    """Unknown processes and keys, and what lies too high or too deep; nothing else is."""
    leave_in_inbox(kv, FIRST)
    inbox = "krakenstate/prod/inbox"
    for name in ("stranger/spot_key.stranger", "mm-quoter/not an address", "alone", "mm-quoter/too/deep"):
        kv.write(f"{inbox}/{name}", {}, cas=0)
    assert custody.strays([SLOT, OTHER]) == [
        f"{mount}/{inbox}/{name}"
        for name in ("alone", "mm-quoter/not an address", "mm-quoter/too/", "stranger/spot_key.stranger")
    ]


def test_the_inbox_is_emptied_of_what_was_taken_alone(custody, kv):
    """A newer version, or another one of the same number, stays; what was read goes with all its versions."""
    leave_in_inbox(kv, FIRST)
    taken = custody.open_inbox(SLOT)
    assert (taken.credential, taken.version, taken.problem) == (FIRST, 1, "")
    kv.delete("krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter")
    leave_in_inbox(kv, SECOND)
    assert custody.empty_inbox(SLOT, taken) is False
    again = custody.open_inbox(SLOT)
    assert (again.credential, again.version) == (SECOND, 1)
    assert custody.empty_inbox(SLOT, again) is True
    assert custody.open_inbox(SLOT) is None


def test_a_huge_text_in_the_inbox_is_no_key(custody, kv, registered):
    """Its length is told, and the redactor is not asked to look for it."""
    kv.write(
        "krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter",
        {"api_key": "x" * 500_000, "api_secret": PRIVATE},
        cas=0,
    )
    found = custody.open_inbox(SLOT)
    assert found.credential is None
    assert "500000 characters" in found.problem
    assert set(registered) == {PRIVATE}


def test_what_was_dropped_does_not_arrive(custody, kv, bao, mount):
    """An emptied or deleted entry is no arrival, and dropping leaves nothing behind."""
    leave_in_inbox(kv, FIRST)
    assert custody.read(Place.INBOX, SLOT) == FIRST
    custody.drop(Place.INBOX, SLOT)
    custody.drop(Place.INBOX, SLOT)
    leave_in_inbox(kv, SECOND, OTHER)
    bao.request("DELETE", f"{mount}/data/krakenstate/prod/inbox/pnl/spot_key.pnl")
    assert custody.arrivals([SLOT, OTHER]) == []
    assert custody.read(Place.INBOX, SLOT) is None
    assert custody.read(Place.INBOX, OTHER) is None


PUBLIC, PRIVATE = texts_of(FIRST)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="empty"),
        pytest.param({"api_key": PUBLIC}, id="one half"),
        pytest.param({"api_key": PUBLIC, "api_secret": 5}, id="a number"),
        pytest.param({"api_key": PUBLIC, "api_secret": [PRIVATE]}, id="a list"),
        pytest.param({"api_key": PUBLIC, "api_secret": None}, id="null"),
        pytest.param({"api_key": PUBLIC, "api_secret": "  "}, id="blank"),
        pytest.param({"api_key": PUBLIC, "api_secret": PRIVATE[:-4] + "!!=="}, id="no base64"),
        pytest.param({"api_key": PUBLIC, "api_secret": PRIVATE[:40]}, id="cut off"),
        pytest.param({"api_key": PRIVATE, "api_secret": PUBLIC}, id="swapped"),
    ],
)
def test_junk_in_the_inbox_is_named_by_path_only(custody, kv, mount, data):
    """An operator's mistake is told with the path and never with the content."""
    kv.write("krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter", data, cas=0)
    with pytest.raises(CredentialMalformed) as caught:
        custody.read(Place.INBOX, SLOT)
    assert f"{mount}/krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter" in caught.value.message
    shown = everything_about(caught.value)
    assert PUBLIC not in shown
    assert PRIVATE[:40] not in shown


def test_white_space_around_an_inbox_key_does_not_matter(custody, kv):
    """A line break copied along is taken off."""
    kv.write(
        "krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter",
        {"api_key": f" {PUBLIC}\n", "api_secret": f"{PRIVATE}\r\n"},
        cas=0,
    )
    assert custody.read(Place.INBOX, SLOT) == FIRST


def test_every_secret_is_registered(custody, kv, bao, registered):
    """Whatever is received or read becomes known to the redactor, wrapping tokens included."""
    custody.publish(SLOT, FIRST, LABEL)
    assert set(registered) == {*texts_of(FIRST)}
    registered.clear()
    custody.read_published(SLOT)
    assert set(registered) == {*texts_of(FIRST)}
    registered.clear()
    leave_in_inbox(kv, SECOND)
    custody.read(Place.INBOX, SLOT)
    assert set(registered) == {*texts_of(SECOND)}
    registered.clear()
    token = bao.wrap({"api_key": PUBLIC, "api_secret": PRIVATE})
    custody.unwrap(SecretStr(token))
    assert set(registered) == {token, PUBLIC, PRIVATE}


def test_wrapped_fields_and_wrapped_entries_are_understood(custody, bao, registered):
    """Fields wrapped directly and a wrapped read of a KV entry give the same; each opens once."""
    fields = {"api_key": PUBLIC, "api_secret": PRIVATE}
    for wrapped in (fields, {"data": fields, "metadata": {"version": 1}}):
        token = bao.wrap(wrapped)
        assert custody.unwrap(SecretStr(token)) == fields
        with pytest.raises(WrappingTokenInvalid) as caught:
            custody.unwrap(SecretStr(token))
        assert token not in everything_about(caught.value)


def test_a_process_may_be_given_by_name_or_address(custody):
    """Both lead to the same folder."""
    custody.publish(SLOT, FIRST, LABEL)
    assert custody.read_published(Slot("process.mm-quoter", SLOT.address)) == FIRST


def test_secrets_lie_where_they_should_and_nowhere_else(custody, kv, bao, mount):
    """A walk over the whole mount finds both halves at the expected paths only, and never in metadata."""
    leave_in_inbox(kv, FIRST)
    custody.store_quarantine(SLOT, FIRST)
    custody.publish(SLOT, FIRST, LABEL)
    custody.arrivals([SLOT])
    found = {
        path
        for path, answer in bao.walk(mount)
        if any(text in json.dumps(answer) for text in texts_of(FIRST))
    }
    assert found == {
        "kraken/prod/mm-quoter/spot_key.mm-quoter",
        "krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter",
        "krakenstate/prod/quarantine/mm-quoter/spot_key.mm-quoter",
    }
    for place in Place:
        custody.drop(place, SLOT)
    custody.drop_published(SLOT)
    assert list(bao.walk(mount)) == []


def test_no_failure_shows_a_secret(kv, mount, registered):
    """Each way in which publishing can fail leaves both halves out of everything a log could show."""
    for instead in (
        {"metadata": _fail(VaultDenied("no"))},
        {"write_metadata": _fail(VaultDenied("no"))},
        {"write": _fail(VaultConflict("no"))},
        {"write": lambda *a, **n: 7},
        {"metadata": lambda path: Metadata(3, {}, gone=False)},
    ):
        custody = custody_over(Sabotaged(kv, **instead), mount, registered)
        with pytest.raises(KrakenstateError) as caught:
            custody.publish(SLOT, FIRST, LABEL)
        assert all(text not in everything_about(caught.value) for text in texts_of(FIRST))
