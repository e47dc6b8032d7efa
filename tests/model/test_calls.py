"""Scopes from intent: what a key may do follows from the calls its process makes."""

from datetime import date

import pytest

from krakenstate import Access, DerivativesKey, Permission, SpotKey, roles
from krakenstate.errors import CallsExceedRights, CallUnknown
from krakenstate.model.calls import DERIVATIVES_CALLS, SPOT_CALLS, permissions_of
from krakenstate.model.desired import PlainDeclaration, dump_declaration, load_declarations
from krakenstate.model.endpoints import DERIVATIVES, SPOT
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import MOVES_FUNDS
from tests.support.world import BASIS, DESK, PNL

NONE, READ, FULL = Access.NO_ACCESS, Access.READ_ONLY, Access.FULL_ACCESS


def spot(**fields):
    """A Spot key of the process pnl."""
    return SpotKey(name="pnl", account=DESK, process=PNL, **fields)


def derivatives(**fields):
    """A Derivatives key of the process pnl."""
    return DerivativesKey(name="pnl", account=DESK, process=PNL, **fields)


@pytest.mark.parametrize(("calls", "permissions"), [
    (["GetApiKeyInfo"], []),
    (["CancelAllOrdersAfter"], ["close-trades"]),
    (["AddOrder", "CancelOrder", "OpenOrders"], ["close-trades", "modify-trades", "query-open-trades"]),
    (["AmendOrder"], ["modify-trades"]),
    (["EditOrder"], ["close-trades", "modify-trades"]),
    (["TradeBalance"], ["query-funds", "query-open-trades"]),
    (["QueryOrders"], ["query-closed-trades", "query-open-trades"]),
    (["QueryOrders:open"], ["query-open-trades"]),
    (["QueryOrders:closed"], ["query-closed-trades"]),
    (["WithdrawStatus"], ["query-ledger"]),
    (["DepositStatus"], ["add-funds", "query-funds"]),
    (["Earn/AllocateStatus"], ["query-funds"]),
    (["WalletTransfer"], ["query-funds"]),
    (["Withdraw"], ["withdraw-funds"]),
    (["GET funding/v1/addresses"], ["query-funds"]),
    (["DELETE funding/v1/addresses/{id}"], ["add-withdraw-address"]),
    (["Level3"], ["query-open-trades"]),
    (["level3"], ["create-ws-token", "query-open-trades"]),
    (["executions"], ["create-ws-token", "query-closed-trades", "query-open-trades"]),
    (["cancel_all"], ["close-trades", "create-ws-token", "modify-trades"]),
    (["ticker"], []),
])  # fmt: skip
def test_spot_permissions_are_the_least_the_calls_need(calls, permissions):
    """A right is there because a call needs it, and a read is never widened to a critical right."""
    assert sorted(permissions_of(calls)) == permissions
    assert spot(calls=calls).permissions == frozenset(map(Permission, permissions))


@pytest.mark.parametrize(("calls", "general", "transfer"), [
    (["GET tickers"], NONE, NONE),
    (["GET openorders", "GET fills"], READ, NONE),
    (["fills"], READ, NONE),
    (["GET openorders", "POST sendorder"], FULL, NONE),
    (["POST orders/status"], FULL, NONE),
    (["POST withdrawal"], NONE, FULL),
    (["POST transfer/subaccount"], FULL, NONE),
])  # fmt: skip
def test_derivatives_levels_are_the_highest_any_call_asks_for(calls, general, transfer):
    """The General level follows the most demanding call, the Withdrawal level only a withdrawal."""
    key = derivatives(calls=calls)
    assert (key.general, key.transfer) == (general, transfer)


@pytest.mark.parametrize(("name", "permissions"), [
    ("MARKET_MAKER", ["close-trades", "modify-trades", "query-funds", "query-open-trades"]),
    ("TRADING", ["close-trades", "modify-trades", "query-funds", "query-open-trades"]),
    ("STREAMING", ["close-trades", "create-ws-token", "modify-trades", "query-funds", "query-open-trades"]),
    ("RECONCILIATION", ["query-closed-trades", "query-funds", "query-ledger", "query-open-trades"]),
    ("DASHBOARD", ["query-funds", "query-open-trades"]),
    ("FLATTEN", ["close-trades", "modify-trades", "query-open-trades"]),
    ("CANCEL_ALL", ["close-trades"]),
])  # fmt: skip
def test_each_role_is_what_its_calls_need(name, permissions):
    """A role is a plain frozen set, and each of its permissions is there for a call."""
    role = getattr(roles, name)
    assert type(role) is frozenset
    assert sorted(role) == permissions
    assert spot(calls=roles.CALLS[name]).permissions == role


def test_every_role_names_its_calls():
    """No preset is without its calls, and none without a preset."""
    assert set(roles.CALLS) == {name for name, value in vars(roles).items() if isinstance(value, frozenset)}


def test_no_row_hands_out_what_no_page_names():
    """The right of unknown purpose is never derived, names are unique, and few calls let funds leave."""
    assert len(SPOT_CALLS) == len(SPOT) == 102
    assert len(DERIVATIVES_CALLS) == len(DERIVATIVES) == 54
    assert not any(Permission.UPDATE_WITHDRAW_ADDRESS in call.needs for call in SPOT)
    assert sorted(call.name for call in SPOT if call.needs & MOVES_FUNDS) == [
        "AccountTransfer",
        "CreateSubaccount",
        "DELETE funding/v1/addresses/{id}",
        "POST funding/v1/addresses",
        "POST funding/v1/withdrawals",
        "PUT funding/v1/addresses/{id}",
        "Pay/paylink/create",
        "Pay/transfer/create",
        "Withdraw",
        "WithdrawAddresses",
        "WithdrawCancel",
        "WithdrawInfo",
        "WithdrawMethods",
    ]
    assert [call.name for call in DERIVATIVES if call.transfer is FULL] == ["POST withdrawal"]


@pytest.mark.parametrize(("make", "call", "hint"), [
    (spot, "addorder", "Did you mean AddOrder, add_order or AmendOrder?"),
    (spot, "deposits", "Did you mean GET funding/v1/deposits, DepositStatus or DepositMethods?"),
    (spot, "CreatePrimeApiUser", "so none can be derived."),
    (spot, "POST sendorder", "is a call of Derivatives keys, which work on the other platform alone."),
    (derivatives, "sendorder", "Did you mean POST sendorder or open_orders?"),
    (derivatives, "AddOrder", "is a call of Spot keys, which work on the other platform alone."),
])  # fmt: skip
def test_an_unknown_call_is_refused_with_what_is_spelled_alike(make, call, hint):
    """Nothing is guessed for a call that no table has; the message has the line and near matches."""
    with pytest.raises(CallUnknown) as refused:
        make(calls=[call])
    assert refused.value.message.endswith(hint)
    assert f'"{call}"' in refused.value.message
    assert refused.value.source.file == __file__


@pytest.mark.parametrize(("make", "said"), [
    (lambda: spot(calls=["AddOrder", "EditOrder"], permissions=["close-trades"]),
     "its calls need modify-trades (AddOrder, EditOrder), which permissions leaves out."),
    (lambda: derivatives(calls=["POST sendorder"], general=Access.READ_ONLY),
     "its calls need general FULL_ACCESS (POST sendorder), and READ_ONLY is declared."),
])  # fmt: skip
def test_rights_too_small_for_the_calls_are_refused(make, said):
    """Declared rights that some call cannot be made with are an error that names the call."""
    with pytest.raises(CallsExceedRights) as refused:
        make()
    assert refused.value.message.partition(": ")[2] == said


def test_rights_beyond_the_calls_count_and_have_no_reason():
    """What is declared is what the key gets; what no call needs is known as such."""
    key = spot(calls=["AddOrder"], permissions=["modify-trades", "query-ledger"])
    assert key.reasons == {"modify-trades": ("AddOrder",), "query-ledger": ()}
    other = derivatives(calls=["GET fills"], general=FULL)
    assert (other.general, other.transfer) == (FULL, NONE)
    assert other.reasons == {"general FULL_ACCESS": ()}


def test_calls_and_permissions_declare_the_same_key():
    """Terms hold what is derived, in whatever order and as whatever collection calls are written."""
    by_calls = spot(calls={"OpenOrders", "CancelOrder"}, expires=date(2027, 6, 30))
    by_rights = spot(permissions=["query-open-trades", "close-trades"], expires=date(2027, 6, 30))
    assert by_calls.calls == ("CancelOrder", "OpenOrders")
    assert KeyTerms.of(by_calls) == KeyTerms.of(by_rights)
    assert spot(calls=[]).permissions == frozenset()
    assert spot().permissions is None


def test_a_rendered_key_keeps_its_calls_and_what_they_need():
    """The rendered stack says both, and reading it again gives the same key."""
    *basis, rendered = map(dump_declaration, [*BASIS, spot(calls=["Ledgers"])])
    assert rendered.attributes["calls"] == ["Ledgers"]
    assert rendered.attributes["permissions"] == ["query-ledger"]
    [*_, loaded], problems = load_declarations([*map(PlainDeclaration.of, [*basis, rendered])])
    assert problems == []
    assert (loaded.calls, loaded.permissions) == (("Ledgers",), frozenset({Permission.QUERY_LEDGER}))
