"""The inventory: tables as people paste them, in any order and however divided."""

import csv
import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate.errors import InventoryHoldsSecret, InventoryInvalid
from krakenstate.model.vocabulary import Access, Api
from krakenstate.stack.inventory import COLUMNS, looks_secret, read_table

TODAY = date(2026, 11, 2)
ROW = {
    "name": "MM key 7",
    "account": "mm",
    "api": "spot",
    "permissions": "query-funds, modify-trades",
    "allowlist": "192.0.2.10, 198.51.100.0/28",
    "expiry": "2027-06-30",
    "last used": "2026-11-01",
    "used by": "quoter, hedger",
    "vault path": "kv/trading/mm",
}
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="


def as_csv(rows, delimiter):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def as_pipes(rows):
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest]) + "\n"


def as_columns(rows):
    widths = [max(len(row[n]) for row in rows) + 2 for n in range(len(rows[0]))]
    return "\n".join("".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


SHAPES = {
    "tabs": lambda rows: "\n".join("\t".join(row) for row in rows),
    "commas": lambda rows: as_csv(rows, ","),
    "semicolons": lambda rows: as_csv(rows, ";"),
    "pipes": as_pipes,
    "columns": as_columns,
}


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None, max_examples=40)
@given(order=st.permutations(list(COLUMNS)), upper=st.booleans())
def test_columns_come_in_any_order_and_shape(shape, order, upper):
    """The same key is read from the same cells, wherever they stand and whatever divides them."""
    rows = [[c.upper() if upper else c.title() for c in order], [ROW[c] for c in order]]
    table, problems = read_table(SHAPES[shape](rows), "keys", TODAY)
    assert problems == []
    [entry] = table.entries
    assert (entry.name, entry.account, entry.api) == ("MM key 7", "mm", Api.SPOT)
    assert entry.permissions == ("modify-trades", "query-funds")
    assert [str(n) for n in entry.networks] == ["192.0.2.10/32", "198.51.100.0/28"]
    assert (entry.expires, entry.last_used) == (date(2027, 6, 30), date(2026, 11, 1))
    assert (entry.used_by, entry.vault_path) == (("quoter", "hedger"), "kv/trading/mm")


@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    """Whatever was pasted, it never crashes, and no entry holds a control character."""
    table, problems = read_table("name,account\n" + text, "keys", TODAY)
    assert all(entry.name.isprintable() and entry.account.isprintable() for entry in table.entries)
    assert table.entries or problems


@pytest.mark.parametrize("column", [c for c in COLUMNS if c != "vault path"])
def test_a_secret_in_any_cell_is_refused_and_not_repeated(column):
    """The line and the column are named, what stood there is not."""
    row = {**ROW, column: SECRET}
    table, problems = read_table("\t".join(row) + "\n" + "\t".join(row.values()), "keys", TODAY)
    assert [type(p) for p in problems] == [InventoryHoldsSecret]
    assert table.entries == ()
    assert problems[0].source.line == 2
    assert column in problems[0].message
    assert not any(SECRET[n : n + 8] in str(vars(problems[0])) for n in range(len(SECRET) - 8))


@pytest.mark.parametrize(("text", "is_secret"), [
    pytest.param(SECRET, True, id="private-key"),
    pytest.param(SECRET[:56], True, id="public-key"),
    pytest.param(f"see {SECRET[:44]} {SECRET[44:]}", True, id="broken-in-two"),
    pytest.param("hvs.CAESIJ1abcdefghijk", True, id="vault-token"),
    pytest.param("ab" * 32, True, id="hex"),
    pytest.param("kv/trading/market-making/quoter/production/spot/2024", False, id="long-path"),
    pytest.param("query-funds, query-open-trades, modify-trades", False, id="permissions"),
    pytest.param("2001:db8:1::/64, 203.0.113.7", False, id="networks"),
])  # fmt: skip
def test_what_looks_like_a_secret(text, is_secret):
    """Halves of keys and tokens do; paths, permissions and networks do not."""
    assert looks_secret(text) is is_secret


def test_all_problems_are_reported_with_their_lines():
    """A table is corrected once, not once for each of its faults."""
    text = (
        "name,account,api,permissions,allowlist,expiry\n"
        ",mm,spot,query-funds,192.0.2.1,\n"
        "a,mm,forex,query-funds,192.0.2.1,\n"
        "b,mm,spot,steal-funds,192.0.2.1,\n"
        "c,mm,spot,query-funds,192.0.2.1/24,\n"
        "d,mm,spot,query-funds,192.0.2.1,01/02/2027\n"
        "e,mm,spot,query-funds,192.0.2.1,2027-01-01\n"
    )
    table, problems = read_table(text, "keys.csv", TODAY)
    assert {type(p) for p in problems} == {InventoryInvalid}
    assert [p.source.line for p in problems] == [2, 3, 4, 5, 6]
    assert [entry.name for entry in table.entries] == ["e"]


@pytest.mark.parametrize(("text", "said"), [
    pytest.param("", "the table is empty", id="empty"),
    pytest.param("name,account\n", "no key below", id="only-head"),
    pytest.param("name,permissions\nx,query-funds\n", "no column account", id="no-account"),
    pytest.param("name,account,premissions\nx,mm,\n", '"premissions" is not known', id="misspelt"),
    pytest.param("name,account,name\nx,mm,y\n", '"name" is there twice', id="twice"),
    pytest.param("name,account\nx,mm,y\n", "3 cells for 2 columns", id="too-many-cells"),
    pytest.param(f"name,account\n{'x' * 33},mm\n", "33 characters", id="long-name"),
])  # fmt: skip
def test_a_table_that_cannot_be_one_is_refused(text, said):
    """The message says what is missing or too much."""
    problems = read_table(text, "keys", TODAY)[1]
    assert said in problems[0].message


@pytest.mark.parametrize(("cell", "networks"), [
    ("", ()), ("any", ()), ("-", ()), ("unknown", None), ("?", None),
])  # fmt: skip
def test_an_empty_allowlist_is_a_key_that_works_from_everywhere(cell, networks):
    """An empty cell is read in the way that hides nothing; without the column nothing is known."""
    table, _ = read_table(f"name\taccount\tallowlist\nx\tmm\t{cell}\n", "keys", TODAY)
    assert table.entries[0].networks == networks
    assert read_table("name\taccount\nx\tmm\n", "keys", TODAY)[0].entries[0].networks is None


def test_access_levels_tell_the_platform():
    """Without the column api, words for access make it a Derivatives key."""
    text = (
        "name;account;permissions\na;mm;general=full-access, transfer=no-access\n"
        "b;mm;Read Only\nc;mm;query-funds\n"
    )
    a, b, c = read_table(text, "keys", TODAY)[0].entries
    assert (a.api, a.general, a.transfer) == (Api.DERIVATIVES, Access.FULL_ACCESS, Access.NO_ACCESS)
    assert (b.api, b.general, b.transfer) == (Api.DERIVATIVES, Access.READ_ONLY, None)
    assert (c.api, c.permissions) == (Api.SPOT, ("query-funds",))


def test_a_key_listed_twice_is_shared():
    """Two lines of one key that differ in who uses it are one key of both; otherwise it is a problem."""
    table, problems = read_table("name,account,used by\nx,mm,a\nX2,mm,b\nx,mm,b\n", "keys", TODAY)
    assert problems == []
    assert [(e.name, e.used_by) for e in table.entries] == [("x", ("a", "b")), ("X2", ("b",))]
    problems = read_table("name,account,expiry\nx,mm,2027-01-01\nx,mm,2028-01-01\n", "keys", TODAY)[1]
    assert "line 2 too" in problems[0].message


def test_hostile_text_is_stripped():
    """Escape sequences, direction marks and line breaks in a quoted cell do not survive."""
    table, problems = read_table('name,account,used by\n"x\x1b[31m\u202e\ny",mm,"bot\x07"\n', "keys", TODAY)
    assert problems == []
    [entry] = table.entries
    assert (entry.name, entry.used_by) == ("x[31m y", ("bot",))
