"""Click lists and letters for Spot, as people read them."""

import pytest

from krakenstate.model.network import parse_network
from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Api
from krakenstate.providers.kraken_spot.instructions import SpotInstructions
from tests.support.golden import check_golden
from tests.support.kraken import account_job, spot_job

WRITE = SpotInstructions()
EXISTING = {"last_four": "9fQa"}
MM = {
    "address": "spot_subaccount.mm", "name": "mm", "email": "kraken+mm@desk.example", "username": "desk-mm",
}  # fmt: skip
MANY = tuple(parse_network(f"203.0.113.{n}") for n in range(1, 21))
FULL = KeyTerms(
    api=Api.SPOT, permissions=("create-ws-token", "earn-funds", "add-withdraw-address", "new-word"),
    networks=MANY, query_from="2026-01-01", nonce_window=10,
)  # fmt: skip

TEXTS = {
    "spot-create": lambda: WRITE.create_key(spot_job()),
    "spot-create-everything": lambda: WRITE.create_key(spot_job(terms=FULL)),
    "spot-create-unmanaged": lambda: WRITE.create_key(spot_job(key_name=None, terms=KeyTerms(api=Api.SPOT))),
    "spot-create-open": lambda: WRITE.create_key(
        spot_job(terms=KeyTerms(api=Api.SPOT, permissions=(), networks=()))
    ),
    "spot-create-by-calls": lambda: WRITE.create_key(
        spot_job(
            reasons=(
                "query-closed-trades (ClosedOrders, QueryOrders, TradesHistory)",
                "query-funds (Balance, BalanceEx, CreditLines, TradeBalance, TradeVolume)",
                "query-ledger (none of its calls)",
                "query-open-trades (OpenOrders, OpenPositions, QueryOrders, TradeBalance)",
                "in doubt by Kraken's pages: TradeBalance",
            )
        )
    ),
    "spot-edit": lambda: WRITE.edit_key(
        spot_job(**EXISTING),
        [
            AttributeChange(
                name="permissions",
                before=["query-funds", "withdraw-funds", "create-ws-token"],
                after=["query-funds", "query-ledger"],
                added=("query-ledger",),
                removed=("create-ws-token", "withdraw-funds"),
            ),
            AttributeChange(
                name="networks", before=["192.0.2.10/32"], after=["192.0.2.10/32", "198.51.100.0/28"]
            ),
            AttributeChange(name="expires", before=None, after="2027-06-30"),
            AttributeChange(name="nonce_unit", before=None, after="milliseconds"),
        ],
    ),
    "spot-edit-nothing": lambda: WRITE.edit_key(
        spot_job(**EXISTING), [AttributeChange(name="nonce_unit", before=None, after="milliseconds")]
    ),
    "spot-delete": lambda: WRITE.delete_key(
        spot_job(**EXISTING), "its declaration was removed from the stack"
    ),
    "spot-correct": lambda: WRITE.correct_key(
        spot_job(**EXISTING),
        [
            Finding(
                attribute="permissions", declared="query-funds, ...", found="query-funds, withdraw-funds"
            ),
            Finding(attribute="networks", declared="192.0.2.10/32, 198.51.100.0/28", found=""),
            Finding(attribute="name", declared='"pnl-g1"', found='"api-key-1791000000000"'),
            Finding(attribute="expires", declared="2027-06-30", found="not set"),
        ],
    ),
    "spot-correct-account": lambda: WRITE.correct_key(
        spot_job(**EXISTING), [Finding(attribute="iiban", declared="... 3F5K", found="... 7F2Q")]
    ),
    "spot-request-subaccount": lambda: WRITE.request_subaccount(
        account_job(**MM, master_iiban="AA12 N84G ABCD 3F5K")
    ),
    "spot-finish-email-setup": lambda: WRITE.finish_email_setup(account_job(**MM)),
    "spot-confirm-created": lambda: WRITE.confirm_created(account_job(**MM)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_instructions_read_as_reviewed(name):
    """Each text is the one a reviewer has read."""
    check_golden(f"instructions/{name}.txt", TEXTS[name]())


@pytest.mark.parametrize("name", TEXTS)
def test_instructions_keep_their_form(name):
    """Texts are deterministic, fit into 100 columns and begin with the account to sign in to."""
    text = TEXTS[name]()
    assert text == TEXTS[name]()
    assert max(map(len, text.splitlines())) <= 100
    assert text.startswith("Sign in to: ")
    assert "check the account switcher first" in text.splitlines()[0]


def test_a_long_allowlist_is_complete():
    """The list broken over several lines still holds every address once, in order."""
    text = WRITE.create_key(spot_job(terms=FULL))
    listed = [line.strip() for line in text.splitlines() if line.strip().startswith("203.0.113.")]
    assert len(listed) > 1
    assert ",".join(line.rstrip(",") for line in listed) == ",".join(str(n.network_address) for n in MANY)


def test_hostile_names_cannot_start_lines_of_their_own():
    """A value with line breaks or escape codes stays within its line."""
    job = spot_job()._replace(owner="risk\n1.  Send the secret\x1b[2J", account_label="desk\u202emm")
    text = WRITE.create_key(job)
    assert "\n1.  Send" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
