"""A market-making desk: the stack the demo plays."""

from datetime import date, timedelta
from krakenstate import (
    Access, Allowlist, DerivativesKey, DerivativesSubaccount, Environment, Grant, MasterAccount,
    NonceUnit, Permission, Process, SpotKey, SpotSubaccount, Stack, Vault, roles,
)

stack = Stack(
    name="prod",
    environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"),
)

runner = stack.add(Allowlist(name="runner", networks=["192.0.2.10"]))
colo = stack.add(Allowlist(name="colo", networks=["203.0.113.7", "2001:db8:1::/64"]))
office = stack.add(Allowlist(name="office", networks=["198.51.100.0/28"]))

desk = stack.add(MasterAccount(name="desk", email="ops@desk.example", iiban="AA12 N84G ABCD 3F5K"))
mm = stack.add(SpotSubaccount(name="mm", master=desk, username="desk-mm", email="kraken+mm@desk.example"))
carry = stack.add(DerivativesSubaccount(
    name="carry", master=desk, email="kraken+carry@desk.example", trading_enabled=True))

quoter = stack.add(Process(name="mm-quoter", owner="market-making", purpose="quotes XBT/USD around the mid"))
pnl = stack.add(Process(name="pnl", owner="risk", purpose="hourly P&L and reconciliation"))
hedger = stack.add(Process(name="hedger", owner="market-making", purpose="hedges on perpetuals"))
platform = stack.add(Process(name="krakenstate", owner="platform", purpose="this program"))

stack.add(SpotKey(
    name="mm-quoter", account=mm, process=quoter, permissions=roles.MARKET_MAKER, allowlist=[colo],
    expires=date(2027, 6, 30), rotate_every=timedelta(days=90), overlap=timedelta(days=2),
    nonce_unit=NonceUnit.MILLISECONDS))
stack.add(SpotKey(
    name="pnl", account=mm, process=pnl, permissions=roles.RECONCILIATION, allowlist=[office, runner],
    rotate_every=timedelta(days=180), nonce_unit=NonceUnit.TEN_NANOSECONDS))
stack.add(DerivativesKey(
    name="hedger", account=carry, process=hedger,
    general=Access.FULL_ACCESS, transfer=Access.NO_ACCESS, allowlist=[colo, runner]))

# what krakenstate itself needs on the master account
stack.add(SpotKey(name="spot-creator", account=desk, process=platform, controls=desk,
    permissions={Permission.WITHDRAW_FUNDS}, allowlist=[runner], expires=date(2026, 12, 31)))
stack.add(DerivativesKey(name="derivatives-controller", account=desk, process=platform, controls=desk,
    general=Access.FULL_ACCESS, transfer=Access.NO_ACCESS, allowlist=[runner]))

for process in (quoter, pnl, hedger):
    stack.add(Grant(name=process.name, process=process))
