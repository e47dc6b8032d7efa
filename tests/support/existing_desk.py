"""A desk as it was before krakenstate: seven accounts, forty keys made by hand, bots that use them.

Two keys nobody knows, five are shared by two bots each, three have expired. The secrets of thirty lie in
Vault, at paths and under names of the desk's own. The bots count their nonces in three different units.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from krakenstate.model.vocabulary import NonceUnit
from krakenstate.providers.kraken_derivatives import auth as derivatives_auth
from krakenstate.providers.kraken_spot import auth as spot_auth
from tests.support.e2e import RUNNER, Desk

SUBACCOUNTS = ("mm", "arb", "carry", "basis", "options", "treasury")
UNITS = (NonceUnit.MILLISECONDS, NonceUnit.TEN_NANOSECONDS, NonceUnit.NANOSECONDS)
IN_VAULT = 30
EXPIRES = "2026-11-04"
MARKET_MAKER = ["query-funds", "query-open-trades", "modify-trades", "close-trades"]
BALANCE = "/0/private/Balance"
ACCOUNTS = "/derivatives/api/v3/subaccounts"

HEAD = """\
from krakenstate import Environment, MasterAccount, SpotSubaccount, Stack, Vault

stack = Stack(
    name="prod", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"))

desk = stack.add(MasterAccount(name="desk", email="ops@desk.example", iiban="AA12 N84G ABCD 3F5K"))
"""


def accounts_file() -> str:
    """What people write down before they import: the accounts, and nothing of the keys."""
    return HEAD + "".join(
        f'{name} = stack.add(SpotSubaccount(name="{name}", master=desk, username="desk-{name}", '
        f'email="kraken+{name}@desk.example"))\n'
        for name in SUBACCOUNTS
    )


@dataclass
class HandMade:
    """One key as the desk knows it."""

    name: str
    account: str
    api: str
    users: tuple[str, ...]
    unit: NonceUnit
    made: dict[str, Any]
    permissions: str
    allowlist: str
    expiry: str = ""
    vault_path: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def last4(self) -> str:
        """The end of its public half."""
        return str(self.made["api_key"])[-4:]


class ExistingDesk:
    """The keys, made in Kraken's web page and partly put into Vault.

    Args:
        desk: Its Kraken and Vault; the master account exists.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        for name in SUBACCOUNTS:
            desk.kraken.people(
                "create-account",
                name=name,
                email=f"kraken+{name}@desk.example",
                username=f"desk-{name}",
                kind="sub",
            )
        self.keys = [self._make(number) for number in range(40)]
        for number, key in enumerate(self.keys[:IN_VAULT]):
            key.vault_path = f"trading/{key.account}/{key.users[0] if key.users else 'old'}-{number}"
            halves = {"key": key.made["api_key"], "secret": key.made["api_secret"], "environment": "live"}
            desk.bao.request("POST", f"{desk.mount}/data/{key.vault_path}", {"data": halves})

    def _make(self, number: int) -> HandMade:
        account = ("desk", *SUBACCOUNTS)[number % 7]
        api = "derivatives" if number % 5 == 4 else "spot"
        users: tuple[str, ...] = (f"{account}-bot-{number}",)
        if number in {3, 11}:
            users = ()
        elif number in {6, 13, 20, 27, 33}:
            users = (f"{account}-bot-{number}", f"{account}-hedger-{number}")
        expires = EXPIRES if number in {1, 8, 16} else ""
        ip = [] if number in {2, 31} else [RUNNER]
        where = f"kraken+{account}@desk.example" if account != "desk" else "ops@desk.example"
        if api == "spot":
            made = self._desk.kraken.people(
                "create-key", account=where, api=api, name=f"{account.upper()} key {number}",
                permission=MARKET_MAKER, **({"ip": ip} if ip else {}),
                **({"expires": expires} if expires else {}),
            )  # fmt: skip
            permissions = ", ".join(MARKET_MAKER)
        else:
            made = self._desk.kraken.people(
                "create-key", account=where, api=api, general="READ_ONLY", transfer="NO_ACCESS",
                **({"ip": ip} if ip else {}),
            )  # fmt: skip
            permissions = "general=read-only, transfer=no-access"
        return HandMade(
            name=f"{account.upper()} key {number}", account=account, api=api, users=users,
            unit=UNITS[number % 3], made=made, permissions=permissions, allowlist=", ".join(ip),
            expiry=expires,
        )  # fmt: skip

    def table(self) -> str:
        """The desk's list of its keys, as somebody pasted it together."""
        head = "Used by\tName\tAPI\tAccount\tPermissions\tAllowlist\tExpiry\tLast used\tVault path"
        rows = [
            "\t".join((
                ", ".join(key.users), key.name, key.api, key.account, key.permissions, key.allowlist,
                key.expiry, "2026-11-01", f"{self._desk.mount}/{key.vault_path}" if key.vault_path else "",
            ))
            for key in self.keys
        ]  # fmt: skip
        return "\n".join([head, *rows]) + "\n"

    @property
    def working(self) -> list[HandMade]:
        """Keys that still work."""
        return [key for key in self.keys if not key.expiry]


class Bots:
    """One call after another, with every key that works, until they are stopped."""

    def __init__(self, existing: ExistingDesk, origin: str) -> None:
        self._keys = existing.working
        self._origin = origin
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.calls = 0

    def __enter__(self) -> Bots:
        self.round()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        self.round()

    @property
    def errors(self) -> list[str]:
        """What went wrong, for whom."""
        return [f"{key.name}: {error}" for key in self._keys for error in key.errors]

    def round(self) -> None:
        """Every key once."""
        for key in self._keys:
            self._call(key)

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self._call(self._keys[self.calls % len(self._keys)])

    def _call(self, key: HandMade) -> None:
        self.calls += 1
        nonce = key.unit.at(time.time_ns())
        secret = base64.b64decode(key.made["api_secret"])
        if key.api == "spot":
            body = urlencode({"nonce": nonce}).encode()
            headers = {
                "API-Key": key.made["api_key"],
                "API-Sign": spot_auth.sign(BALANCE, nonce, body, secret),
            }
            request = urllib.request.Request(self._origin + BALANCE, body, headers)
        else:
            sent = derivatives_auth.sign(ACCOUNTS, b"", secret, str(nonce))
            headers = {"APIKey": key.made["api_key"], "Authent": sent, "Nonce": str(nonce)}
            request = urllib.request.Request(self._origin + ACCOUNTS, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = json.load(answer)
        if said.get("error") or said.get("result") == "error":
            key.errors.append(str(said))
