"""Generated stacks: what an import writes, as a reader reviews it."""

import subprocess
import sys
from datetime import date, timedelta

import pytest

from krakenstate import (
    DerivativesSubaccount,
    Environment,
    Limits,
    MasterAccount,
    Promotion,
    SpotSubaccount,
    Vault,
)
from krakenstate.errors import ImportImpossible
from krakenstate.model.declarations import VaultFields
from krakenstate.model.desired import Desired, StackHead, dump_declaration
from krakenstate.policy.base import Case
from krakenstate.policy.judge import broken, judge, refusals
from krakenstate.stack.generate import head_beside, stack_text
from krakenstate.stack.inventory import read_table
from krakenstate.stack.load import load_stack
from krakenstate.stack.outline import Held, outline
from tests.support.golden import check_golden

TODAY = date(2026, 11, 2)
HEAD = StackHead(
    name="desk",
    environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/desk", state="krakenstate/desk"),
)
MASTER = MasterAccount(name="desk", email="ops@desk.example", iiban="AA12 N84G ABCD 3F5K")
ACCOUNTS = [
    MASTER,
    SpotSubaccount(name="mm", master=MASTER, username="desk-mm", email="kraken+mm@desk.example"),
    DerivativesSubaccount(name="carry", master=MASTER, email="kraken+carry@desk.example"),
]
TRADING = "query-funds, query-open-trades, modify-trades, close-trades"
ROWS = (
    ("name", "account", "api", "permissions", "allowlist", "expiry", "used by", "vault path"),
    ("MM Quoter (prod)", "desk-mm", "spot", TRADING, "192.0.2.10", "2027-06-30", "quoter, hedger",
     "kv/trading/mm/quoter"),
    ("7 sisters", "mm", "spot", "query-funds, withdraw-funds", "", "", "quoter", "trading/mm/sisters"),
    ("old", "mm", "spot", "query-funds", "192.0.2.10", "2026-10-01", "reporter", "trading/mm/gone"),
    ('"; import os #', "mm", "spot", "query-funds", "198.51.100.0/28, 192.0.2.10", "", '"stack", date', ""),
    ("futures", "kraken+carry@desk.example", "derivatives", "general=full-access transfer=no-access",
     "192.0.2.10", "", "carry-bot", "trading/carry"),
    ("mystery", "desk", "", "", "unknown", "", "", ""),
)  # fmt: skip
TABLE = "\n".join("\t".join(row) for row in ROWS)
HELD = {
    "trading/mm/quoter": Held("0123456789ab"),
    "trading/mm/sisters": Held("0123456789ab"),
    "trading/mm/gone": Held(problem="no key lies there"),
    "trading/carry": Held("ba9876543210"),
}


def made(table=TABLE):
    """The outline of a table's keys, with the waivers its keys need."""
    read, problems = read_table(table, "keys", TODAY)
    assert problems == []
    fields = VaultFields(api_key="key", api_secret="secret")
    out = outline(ACCOUNTS, read.entries, HELD, mount="kv", fields=fields, owner="trading", today=TODAY)
    for rule, address in broken(Desired(HEAD, out.declarations), TODAY):
        out.waive(rule, address, "trading", TODAY)
    return out


def plain(declaration):
    """A declaration as data, wherever it stands."""
    return dump_declaration(declaration).model_copy(update={"source": None})


@pytest.fixture(scope="module")
def text():
    return stack_text(HEAD, made(), TODAY)


def test_the_generated_stack_is_the_reviewed_one(text):
    """Names valid and unique, lists named once, roles where they fit, a comment where something is odd."""
    check_golden("stack/generated.txt", text)


def test_the_stack_it_promotes_from_stays():
    """What the file of accounts says of the stack is said by the generated one."""
    head = HEAD.model_copy(update={"promotes_from": Promotion(stack="uat", within=timedelta(days=14))})
    text = stack_text(head, made(), TODAY)
    assert 'promotes_from=Promotion(stack="uat", within=timedelta(days=14))' in text
    assert "    Promotion,\n" in text


def test_a_stack_beside_another_keeps_what_that_one_says():
    """Its name and paths are its own; limits, thresholds and the stack it promotes from are as there."""
    said = {"promotes_from": Promotion(stack="uat"), "limits": Limits(age=timedelta(days=30))}
    made = head_beside(HEAD.model_copy(update=said), "mm")
    assert made.vault == Vault(mount="kv", secrets="kraken/mm", state="krakenstate/mm")
    assert made == HEAD.model_copy(update={"name": "mm", "vault": made.vault, **said})


def test_it_is_formatted(text, tmp_path):
    """A formatter has nothing to change at its usual line length."""
    file = tmp_path / "desk.py"
    file.write_text(text, encoding="utf-8")
    for words in (("format", "--diff"), ("check", "--select", "F,I,E4,E7,E9")):
        command = [sys.executable, "-m", "ruff", words[0], "--isolated", *words[1:], str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_declares_what_was_listed(text, tmp_path):
    """Read as any stack file, it gives the same declarations, and keeps the policy."""
    file = tmp_path / "stacks" / "desk.py"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    loaded = load_stack(str(file)).desired
    wanted = Desired(HEAD, made().declarations)
    assert [plain(d) for d in loaded.resources.values()] == [plain(d) for d in wanted.resources.values()]
    assert refusals(judge(Case(loaded, TODAY))) == []


def test_accounts_that_are_not_declared_are_all_named():
    """An e-mail cannot be guessed, so the message says whose is missing."""
    with pytest.raises(ImportImpossible) as refused:
        made("name,account\na,mm\nb,ghost\nc,shadow\n")
    assert '"ghost" (b)' in refused.value.message
    assert '"shadow" (c)' in refused.value.message


def test_forty_times_the_same_name_are_forty_names():
    """Names that would collide are counted through, within the length a name may have."""
    rows = "".join(f"Key {'!' * n},mm,bot-{n}\n" for n in range(1, 27))
    names = [key.name for key in made("name,account,used by\n" + rows).keys]
    assert len(set(names)) == len(names) == 26
    assert all(len(name) <= 26 for name in names)
