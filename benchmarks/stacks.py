"""Stacks of any size: one master, and ten keys to each subaccount."""

from __future__ import annotations

KEYS_PER_ACCOUNT = 10

_HEAD = """\
from krakenstate import (
    Allowlist, Environment, MasterAccount, NonceUnit, Process, SpotKey, SpotSubaccount, Stack, Vault, roles,
)

stack = Stack(
    name="bench",
    environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/bench", state="krakenstate/bench"),
)
office = stack.add(Allowlist(name="office", networks=["192.0.2.0/28"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
"""

_BODY = """\
for a in range({accounts}):
    account = stack.add(SpotSubaccount(
        name=f"s{{a}}", master=desk, username=f"desk-{{a}}", email=f"s{{a}}@desk.example"))
    for k in range({keys}):
        process = stack.add(Process(name=f"p{{a}}-{{k}}", owner="desk"))
        stack.add(SpotKey(
            name=f"k{{a}}-{{k}}", account=account, process=process, permissions=roles.TRADING,
            allowlist=[office], nonce_unit=NonceUnit.MILLISECONDS))
"""


def stack_text(keys: int) -> str:
    """The text of a stack file with that many keys."""
    return _HEAD + _BODY.format(accounts=keys // KEYS_PER_ACCOUNT, keys=KEYS_PER_ACCOUNT)
