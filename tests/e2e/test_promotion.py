"""From UAT to production: two stacks, two environments, and tokens with no more rights than the page says."""

import json

from tests.support.e2e import APPLY, AT_RUNNER, HEADER, MASTER, RUNNER
from tests.support.rights import policy

KEY = """
stack.add(SpotKey(name="pnl", account=desk, process=pnl, calls=["Balance", "Ledgers"], allowlist=[runner],
    expires=date(2027, 6, 30)))
"""
PERMISSIONS = ["query-funds", "query-ledger"]
UAT_MASTER = "uat@desk.example"


def in_uat(desk):
    """The same stack in an environment of its own: another server, another account."""
    elsewhere = desk.kraken.origin.replace("127.0.0.1", "localhost")
    changes = {
        'name="prod"': 'name="uat"',
        "Environment.production()": (
            f'Environment(name="uat", spot_url="{elsewhere}", futures_url="{elsewhere}")'
        ),
        "kraken/prod": "kraken/uat",
        "krakenstate/prod": "krakenstate/uat",
        MASTER: UAT_MASTER,
        ', iiban="AA12 N84G ABCD 3F5K"': "",
    }
    text = desk.stack_file.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (desk.stack_file.parent / "uat.py").write_text(text)
    desk.kraken.people("create-account", name="uat", email=UAT_MASTER)


def test_a_key_goes_to_production_after_it_was_verified_in_uat(new_desk):
    """Refused before, proposed with its proof afterwards, and unknown to a token that may not look."""
    desk = new_desk(HEADER + KEY)
    in_uat(desk)
    desk.edit('name="prod",', 'name="prod", promotes_from="uat",')
    desk.run("init", "prod")
    early = desk.run("plan", "prod", *AT_RUNNER, code=None)
    assert early.code == 1
    assert "KS5031" in early.stdout
    desk.run("init", "uat")
    desk.fails("KS5114", "apply", "prod", *AT_RUNNER, "--auto-approve", code=5)

    desk.run(APPLY[0], "uat", *APPLY[1:])
    made = desk.make_key(
        UAT_MASTER, "spot", name="pnl-g1", permission=PERMISSIONS, ip=[RUNNER], expires="2027-06-30"
    )
    desk.run("key", "ingest", "spot_key.pnl", "--stack", "uat", *AT_RUNNER, stdin=made, expect="published")

    stored = ("plan", "prod", "--refresh=false")
    planner, promotion = (policy(name, desk.mount) for name in ("planner", "promotion"))
    shut = desk.run(*stored, code=None, env={"VAULT_TOKEN": desk.bao.token_with(planner)})
    assert (shut.code, "KS5032" in shut.stdout) == (3, True)
    told = desk.run(*stored, env={"VAULT_TOKEN": desk.bao.token_with(planner + promotion)})
    assert "the same configuration was verified in uat: spot_key.pnl, observed 2026-11-02T" in " ".join(
        told.stdout.replace("#", " ").split()
    )
    desk.run("doctor", "prod", *AT_RUNNER, expect="Keys verified there in the")
    desk.run(APPLY[0], "prod", *APPLY[1:], expect="1 manual pending")
    assert json.loads(made)["api_secret"] not in "".join(desk.said)
