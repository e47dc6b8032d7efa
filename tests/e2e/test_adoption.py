"""A desk of forty keys made by hand comes under review, and none of them is touched."""

import json
from datetime import timedelta

import pytest

from tests.support.e2e import NO_CHANGES
from tests.support.existing_desk import IN_VAULT, Bots, ExistingDesk, accounts_file

FIELDS = ("--field", "api_key=key", "--field", "api_secret=secret")
ADD = ("inventory", "add", "-", "--stack", "accounts/prod.py")
IMPORT = ("import", "--stack", "accounts/prod.py", "--generate-config-out", "stacks/prod.py", *FIELDS)


@pytest.fixture
def existing(new_desk):
    """The desk before krakenstate, and where it writes down its accounts."""
    desk = new_desk("")
    desk.stack_file.unlink()
    file = desk.folder / "accounts" / "prod.py"
    file.parent.mkdir()
    file.write_text(accounts_file().replace('mount="kv"', f'mount="{desk.mount}"'), encoding="utf-8")
    made = ExistingDesk(desk)
    desk.advance(timedelta(days=4).total_seconds())
    return desk, made


def test_a_desk_of_forty_keys_is_adopted_untouched(existing):
    """With the documented commands: no signed call, no bot disturbed, and nothing is proposed afterwards."""
    desk, made = existing
    secrets = {path: held for path, held in desk.vault().items() if path.startswith("trading/")}
    with Bots(made, desk.kraken.origin) as bots:
        desk.run("init", "accounts/prod.py")
        desk.run(*ADD, stdin=made.table(), expect="40 keys added")
        listed = desk.data("inventory", "list", "--stack", "accounts/prod.py")["keys"]
        desk.run(*IMPORT, expect="declares 40 keys")
        plan = desk.data("plan", "prod")
        desk.run("plan", "prod", expect=NO_CHANGES)
        desk.run("apply", "prod", "--auto-approve")
        desk.run("settle", "prod", expect="Nothing to settle.")
        desk.run("plan", "prod", "--detailed-exitcode", expect=NO_CHANGES)
    assert bots.errors == []
    assert len(desk.signed_calls()) == bots.calls, "somebody else made a call with a key"
    assert {p: h for p, h in desk.vault().items() if p.startswith("trading/")} == secrets
    assert len(secrets) == IN_VAULT
    assert plan["summary"] == {"import": 0, "add": 0, "change": 0, "remove": 0, "forget": 0, "manual": 0}
    codes = [check["code"] for check in plan["checks"]]
    assert {code: codes.count(code) for code in ("KS1311", "KS1312", "KS1313", "KS1314", "KS5101")} == {
        "KS1311": 0,
        "KS1312": 5,
        "KS1313": 3,
        "KS1314": 2,
        "KS5101": 2,
    }
    assert {entry["managed_as"] for entry in listed} == {None}
    report = desk.data("report", "credentials", "prod")["credentials"]
    found = [{finding["kind"] for finding in row["findings"]} for row in report]
    assert len(report) == 40
    for kind, count in (("shared", 5), ("expired", 3), ("unknown", 2), ("unmanaged", 0)):
        assert sum(1 for kinds in found if kind in kinds) == count, kind
    records = [r for d in desk.data("state", "pull")["documents"].values() for r in d["records"].values()]
    keys = [record for record in records if record["kind"] == "key"]
    assert len(keys) == 40
    assert {(k["generation"], k["provenance"]) for k in keys} == {(0, "attested")}
    assert sum(1 for k in keys if k["published"]) == IN_VAULT
    for secret in (key.made["api_secret"] for key in made.keys):
        assert secret not in "".join(desk.said)
        assert secret not in desk.stack_file.read_text(encoding="utf-8")


def test_what_is_wrong_is_said_and_nothing_is_kept(existing):
    """A table with faults and a secret, an import over a file, of nothing, or onto unknown accounts."""
    desk, made = existing
    desk.run("init", "accounts/prod.py")
    secret = made.keys[0].made["api_secret"]
    wrong = f"name,account,api\nx,mm,forex\ny,mm,{secret}\n,mm,spot\n"
    for words in (ADD, (*ADD, "--json")):
        done = desk.run(*words, stdin=wrong, code=1, expect=("Line 2:", "Line 3, api:", "Line 4:"))
        assert "KS1302" in done.stderr
    assert secret not in "".join(desk.said)
    desk.fails("KS1304", *IMPORT)
    desk.run(*ADD, stdin="name,account\nx,ghost\n")
    desk.fails("KS1305", *IMPORT)
    assert not desk.stack_file.exists()
    desk.stack_file.parent.mkdir(exist_ok=True)
    desk.stack_file.write_text("# mine\n", encoding="utf-8")
    desk.fails("KS1303", *IMPORT)
    assert desk.stack_file.read_text(encoding="utf-8") == "# mine\n"
    desk.fails("KS8001", *IMPORT[:-4], "--field", "user=me", "--generate-config-out", "stacks/other.py")


def test_declared_by_hand_it_is_imported_by_an_apply(existing):
    """Without an inventory: the plan says that it will be imported, and applying records it."""
    desk, made = existing
    key = next(key for key in made.keys if key.account == "desk" and key.api == "spot")
    halves = 'vault_fields={"api_key": "key", "api_secret": "secret"}'
    desk.declare(
        accounts_file()
        + "from datetime import timedelta\nfrom krakenstate import *\n"
        + 'bot = stack.add(Process(name="bot", owner="trading"))\n'
        + 'home = stack.add(Allowlist(name="home", networks=["192.0.2.10"]))\n'
        + f'stack.add(SpotKey(name="old", account=desk, process=bot, key_name="{key.name}",\n'
        + f'    vault_path="{desk.mount}/{key.vault_path}", {halves},\n'
        + "    allowlist=[home], rotate_every=timedelta(days=90)))\n"
    )
    desk.run("init")
    said = desk.run("plan", expect=("# spot_key.old will be imported", "to import")).stdout
    assert "manual" not in said
    desk.run("apply", "--auto-approve")
    shown = desk.data("state", "show", "spot_key.old")["record"]
    assert (shown["generation"], shown["provenance"], shown["key_name"]) == (0, "attested", key.name)
    assert shown["published"]["last_four"] == key.last4
    assert [check["code"] for check in desk.data("plan")["checks"]] == []
    typed = json.dumps({half: key.made[half] for half in ("api_key", "api_secret")})
    desk.run("key", "ingest", "spot_key.old", stdin=typed, expect="asking it would move its nonce")
    another = next(one for one in made.keys if one is not key and one.api == "spot")
    other = json.dumps({half: another.made[half] for half in ("api_key", "api_secret")})
    desk.run("key", "ingest", "spot_key.old", stdin=other, code=1, expect="(KS2204)")
    desk.run("plan", expect="KS2202")
    assert desk.signed_calls() == []


def test_a_second_stack_is_imported_beside_the_first(existing):
    """Under another name it has paths, state and inventory of its own; what is declared already stays out."""
    desk, made = existing
    desk.run("init", "accounts/prod.py")
    one, two, *_ = made.keys
    desk.run(*ADD, stdin=f"name,account\n{one.name},{one.account}\n{two.name},{two.account}\n")
    legacy = ("import", "--stack", "accounts/prod.py", "--generate-config-out", "stacks/legacy.py")
    done = desk.data(*legacy)
    assert (done["keys"], done["file"]) == (2, "stacks/legacy.py")
    desk.run("plan", "legacy", expect=NO_CHANGES)
    keys = desk.data("inventory", "list", "--stack", "legacy")["keys"]
    assert all(key["managed_as"] for key in keys)
    assert 'state="krakenstate/legacy"' in (desk.folder / "stacks" / "legacy.py").read_text(encoding="utf-8")
    plan = desk.data("plan", "accounts/prod.py")
    assert [check["code"] for check in plan["checks"]] == ["KS1311", "KS1311"]
    rows = desk.data("report", "credentials", "accounts/prod.py")["credentials"]
    assert sum(1 for row in rows if row["stage"] == "unmanaged") == 2
    assert desk.signed_calls() == []
