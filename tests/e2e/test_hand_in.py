"""Handing in on the real command line: the keys of an account in a row, and an inbox full of surprises."""

import base64
import json
import os
from collections.abc import Callable

import pytest

from tests.support.e2e import APPLY, AT_RUNNER, HEADER, HEDGER, MASTER, PNL_PERMISSIONS, RUNNER, Desk
from tests.support.terminal import on_a_terminal

NAMES = ("one", "two", "three")
READERS = "".join(
    f"""
process = stack.add(Process(name="{name}", owner="risk", purpose="reads"))
stack.add(SpotKey(name="{name}", account=desk, process=process, permissions=roles.RECONCILIATION,
    allowlist=[runner], nonce_unit=NonceUnit.MILLISECONDS))
"""
    for name in NAMES
)
PUBLIC, PRIVATE = "API key (public key):", "Private key (API secret):"
INBOX = "krakenstate/prod/inbox"


@pytest.fixture
def desk(new_desk: Callable[[str], Desk]) -> Desk:
    """Three Spot keys and a Derivatives key are asked for on one account."""
    made = new_desk(HEADER + HEDGER + READERS)
    made.run("init")
    made.run(*APPLY)
    return made


def make(desk: Desk, process: str, **more: object) -> dict[str, str]:
    """A key as declared, as its dialog shows it."""
    asked = {"name": f"{process}-g1", "permission": PNL_PERMISSIONS, "ip": [RUNNER], **more}
    found: dict[str, str] = json.loads(desk.make_key(MASTER, "spot", **asked))
    return found


def in_service(desk: Desk, name: str) -> bool:
    """Whether a process can read its key."""
    return f"kraken/prod/{name}/spot_key.{name}" in desk.vault()


def walk(desk: Desk, *answers: tuple[str, str]) -> tuple[int, str]:
    """``key ingest --account`` on a terminal."""
    words = ["key", "ingest", "--account", "desk", *AT_RUNNER]
    return on_a_terminal(words, answers, cwd=desk.folder, env=desk.environment({"NO_COLOR": "1"}))


def test_the_keys_of_an_account_are_asked_for_in_turn(desk: Desk) -> None:
    """Each is named before its prompt; one is skipped, a typing error is asked again, the others go on."""
    one, two = make(desk, "one"), make(desk, "two")
    code, screen = walk(
        desk,
        (PUBLIC, ""),
        (PUBLIC, one["api_key"]),
        (PRIVATE, one["api_secret"][:-2]),
        (PUBLIC, one["api_key"]),
        (PRIVATE, one["api_secret"]),
        (PUBLIC, ""),
        (PUBLIC, two["api_key"]),
        (PRIVATE, two["api_secret"]),
    )
    assert code == 0, screen
    assert "Account desk: 2 published, 2 skipped." in screen
    assert '2 of 4: spot_key.one, key "one-g1" on account desk, for risk' in screen
    assert "permissions query-closed-trades, query-funds, query-ledger, query-open-trades" in screen
    assert "86 characters; 88 are expected" in screen
    assert [in_service(desk, name) for name in NAMES] == [True, True, False]
    for key in (one, two):
        assert key["api_secret"] not in screen
        assert key["api_key"] not in screen


def test_ctrl_c_ends_the_walk_and_says_what_is_stored(desk: Desk) -> None:
    """What was handed in before is in service, nothing else was asked, and the lock is free."""
    one = make(desk, "one")
    code, screen = walk(
        desk, (PUBLIC, ""), (PUBLIC, one["api_key"]), (PRIVATE, one["api_secret"]), (PUBLIC, "\x03")
    )
    assert code == 130, screen
    assert "Stored: spot_key.one." in screen
    assert "KS9003" in screen
    assert "Traceback" not in screen
    assert [in_service(desk, name) for name in NAMES] == [True, False, False]
    assert desk.lock_is_free()


def test_the_keys_of_an_account_are_piped_in_line_by_line(desk: Desk) -> None:
    """Each line is a key of its own: what is no line, of another account or in service harms no other."""
    one, two = make(desk, "one"), make(desk, "two")
    lines = [
        json.dumps({"address": "spot_key.one", **one}),
        json.dumps({"address": one["api_secret"], **one}),
        json.dumps({"address": "spot_key.ghost", **two}),
        two["api_secret"],
        json.dumps({"address": "spot_key.one", **two}),
        json.dumps({"address": "spot_key.two", **two}),
    ]
    words = ("key", "ingest", "--account", "master_account.desk", *AT_RUNNER)
    done = desk.run(*words, stdin="\n".join(lines), code=1)
    assert "Account desk: 2 published, 2 not stored, 2 lines refused." in done.stdout
    assert done.stderr.count("KS2202") == 2
    assert done.stderr.count("KS2201") == 2
    assert [in_service(desk, name) for name in NAMES] == [True, True, False]
    for key in (one, two):
        assert key["api_secret"] not in done.stdout + done.stderr
    again = desk.run(*words, "--json", stdin=lines[0], code=1)
    found = json.loads(again.stdout)
    assert [(k["address"], k["effect"], k["code"]) for k in found["keys"]] == [
        ("spot_key.one", "failed", "KS2202")
    ]


def test_a_walk_is_refused_where_it_cannot_begin(desk: Desk) -> None:
    """An unknown account, an address beside it, neither of both, and nothing to read."""
    desk.fails("KS1209", "key", "ingest", "--account", "ghost", stdin="{}")
    desk.fails("KS8001", "key", "ingest", "spot_key.one", "--account", "desk", stdin="{}")
    desk.fails("KS8001", "key", "ingest", stdin="{}")
    desk.fails("KS2201", "key", "ingest", "--account", "desk", stdin="")


def test_a_key_handed_in_without_a_site_is_not_forgotten(desk: Desk) -> None:
    """The command that is printed verifies it, and a settle without a site says what it left."""
    stored = desk.run("key", "ingest", "spot_key.one", stdin=json.dumps(make(desk, "one")))
    told = "krakenstate settle prod --site runner"
    assert f"No site was named. Verify it on a machine inside runner: {told}\n" in stored.stderr
    left = desk.run("settle", expect="Nothing to settle.")
    assert "spot_key.one: handed in; waits for a run from --site runner, or for a report" in left.stderr
    assert "No site was named: only keys that are open to the world were asked." in left.stderr
    desk.run(*told.split()[1:], expect="spot_key.one: published at")


def leave(desk: Desk, process: str, address: str, data: dict[str, object]) -> str:
    """An operator, or somebody else, puts something into the inbox; its mount and path come back."""
    desk.bao.request("POST", f"{desk.mount}/data/{INBOX}/{process}/{address}", {"data": data})
    return f"{desk.mount}/{INBOX}/{process}/{address}"


def test_an_inbox_of_junk_harms_nobody(desk: Desk) -> None:
    """Wrong names, nested fields, a megabyte and bytes are told with their paths once; a good key goes on."""
    good = make(desk, "one")
    secret = base64.b64encode(os.urandom(64)).decode()
    junk: dict[str, dict[str, object]] = {
        "derivatives_key.hedger": {"key": good["api_key"], "secret": secret},
        "spot_key.two": {"api_key": {"value": good["api_key"]}, "api_secret": [secret]},
        "spot_key.three": {"api_key": os.urandom(300).decode("latin-1"), "api_secret": "x" * 1_000_000},
    }
    paths = [leave(desk, address.partition(".")[2], address, data) for address, data in junk.items()]
    leave(desk, "one", "spot_key.one", {**good, "note": {"nested": 1}})
    first = desk.run("settle", *AT_RUNNER, code=4, expect=("KS7005", "spot_key.one: published at"))
    plan = desk.run("plan", *AT_RUNNER, "--json")
    again = desk.run("settle", *AT_RUNNER, expect="Nothing to settle.")
    told = [c["text"] for c in json.loads(plan.stdout)["checks"]]
    for path in paths:
        assert f"What lies at {path} is not a key" in " ".join(first.stderr.split())
        assert any(path in text for text in told)
        assert path in again.stderr
    for done in (first, plan, again):
        assert secret not in done.stdout + done.stderr
    held = desk.vault()
    assert all(path.removeprefix(f"{desk.mount}/") in held for path in paths)
    two = make(desk, "two")
    leave(desk, "two", "spot_key.two", dict(two))
    desk.run("settle", *AT_RUNNER, expect="Settle complete! 1 published.")
    assert in_service(desk, "one")
    assert in_service(desk, "two")


def test_a_strangers_secret_in_the_inbox_harms_nobody(desk: Desk) -> None:
    """Of another account it is dropped and its deletion asked for, of nobody refused; the others go on."""
    desk.kraken.people("create-account", name="other", email="other@desk.example")
    theirs = json.loads(
        desk.make_key("other@desk.example", "spot", name="two-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    )
    nobodys = {
        "api_key": base64.b64encode(os.urandom(42)).decode(),
        "api_secret": base64.b64encode(os.urandom(64)).decode(),
    }
    leave(desk, "one", "spot_key.one", dict(make(desk, "one")))
    leave(desk, "two", "spot_key.two", theirs)
    leave(desk, "three", "spot_key.three", dict(nobodys))
    done = desk.run("settle", *AT_RUNNER, code=None, expect="1 published, 2 rejected")
    assert done.code == 3
    assert "spot_key.two: Key belongs to another account" in done.stderr
    assert {"delete-key"} <= {t["kind"] for t in desk.tasks().values() if t["address"] == "spot_key.two"}
    assert not any(p.startswith(INBOX) for p in desk.vault())
    assert theirs["api_secret"] not in json.dumps(desk.vault())
    assert [in_service(desk, name) for name in NAMES] == [True, False, False]


def test_two_versions_in_the_inbox_are_the_newest_one(desk: Desk) -> None:
    """What was left first goes with the inbox; the key that was left last is in service."""
    older, newest = make(desk, "one", name="older"), make(desk, "one")
    leave(desk, "one", "spot_key.one", dict(older))
    path = leave(desk, "one", "spot_key.one", dict(newest))
    desk.run("observe", *AT_RUNNER, expect=("spot_key.one in inbox, version 2", path.split("/")[-1]))
    desk.run("settle", *AT_RUNNER, expect="Settle complete! 1 published.")
    assert desk.secret_at("kraken/prod/one/spot_key.one")["api_secret"] == newest["api_secret"]
    assert older["api_secret"] not in json.dumps(desk.vault())


def test_what_was_swapped_since_the_plan_is_held_to_the_declaration(desk: Desk) -> None:
    """A settle takes what lies there, and publishes only what is as declared; the key's end is named."""
    leave(desk, "one", "spot_key.one", dict(make(desk, "one")))
    desk.run("plan", *AT_RUNNER, expect="a secret waits in the inbox")
    swapped = make(desk, "one", name="wider", permission=[*PNL_PERMISSIONS, "withdraw-funds"])
    leave(desk, "one", "spot_key.one", dict(swapped))
    done = desk.run("settle", *AT_RUNNER, expect="Settle complete! 1 rejected.")
    assert "withdraw-funds too many" in done.stderr
    assert swapped["api_key"][-4:] in done.stdout
    assert not in_service(desk, "one")


def test_paths_of_nobody_in_the_inbox_are_named_and_left(desk: Desk) -> None:
    """A process or a key that no stack declares: observe, plan and settle tell it and touch nothing."""
    stranger = make(desk, "one")
    paths = [
        leave(desk, "ghost", "spot_key.one", dict(stranger)),
        leave(desk, "one", "spot_key.ghost", dict(stranger)),
    ]
    for words in (("observe",), ("plan",), ("settle",)):
        done = desk.run(*words, *AT_RUNNER, env={"COLUMNS": "200"})
        assert all(path in done.stdout + done.stderr for path in paths)
        assert stranger["api_secret"] not in done.stdout + done.stderr
    assert all(path.removeprefix(f"{desk.mount}/") in desk.vault() for path in paths)
    assert desk.signed_calls() == []
