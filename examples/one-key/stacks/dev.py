"""The smallest stack: one key of one process, readable by that process alone."""

from datetime import timedelta

from krakenstate import Allowlist, Environment, Grant, MasterAccount, Process, SpotKey, Stack, Vault, roles

paths = Vault(mount="kv", secrets="kraken/dev", state="krakenstate/dev")
stack = Stack(name="dev", environment=Environment.production(), vault=paths)

office = stack.add(Allowlist(name="office", networks=["198.51.100.0/28"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
pnl = stack.add(Process(name="pnl", owner="risk", purpose="hourly P&L"))
stack.add(
    SpotKey(
        name="pnl",
        account=desk,
        process=pnl,
        permissions=roles.RECONCILIATION,
        allowlist=[office],
        rotate_every=timedelta(days=180),
    )
)
stack.add(Grant(name="pnl", process=pnl))
