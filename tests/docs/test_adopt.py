"""The page on adopting a desk: its stack, table and options work as they stand there."""

import re
from datetime import date

from krakenstate.model.declarations import VaultFields
from krakenstate.stack.inventory import COLUMNS, read_table
from krakenstate.stack.load import load_stack
from krakenstate.stack.outline import outline
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "adopt.md").read_text(encoding="utf-8")
TODAY = date(2026, 11, 2)


def block(language):
    """The first block of code in a language."""
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_example_becomes_a_stack(tmp_path):
    """The accounts file is a valid stack, the table is read, and its keys sit on those accounts."""
    file = tmp_path / "accounts" / "desk.py"
    file.parent.mkdir()
    file.write_text(block("python"), encoding="utf-8")
    declared = load_stack(str(file)).desired.resources.values()
    table, problems = read_table(block("text"), "keys.txt", TODAY)
    assert problems == []
    made = outline(
        declared, table.entries, {}, mount="kv", fields=VaultFields(), owner="trading", today=TODAY
    )
    assert [key.address for key in made.keys] == [
        "spot_key.old-reporting",
        "derivatives_key.futures-hedge",
        "spot_key.quoter-prod",
    ]
    assert {a.name for key in made.keys for a in key.allowlist or ()} == {"colo"}


def test_every_column_is_described():
    """The table of columns is the program's."""
    assert re.findall(r"^\| `([a-z ]+)` \|", PAGE, re.MULTILINE) == list(COLUMNS)
