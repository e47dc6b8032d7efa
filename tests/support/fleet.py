"""A fleet: many Spot keys on several accounts, made by people and left in the inbox by an operator."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.support.e2e import AT_RUNNER, HEADER, NO_CHANGES, PNL_PERMISSIONS, RUNNER, Desk

SECRETS, STATE = "kraken/prod", "krakenstate/prod"
INBOX, QUARANTINE = f"{STATE}/inbox", f"{STATE}/quarantine"
HALVES = ("api_key", "api_secret")
_BODY = """
for account in {accounts}:
    holder = stack.add(MasterAccount(name=account, email=account + "@desk.example"))
    for name in (name for name in {names} if name.startswith(account + "-")):
        process = stack.add(Process(name=name, owner="trading", purpose="a bot"))
        stack.add(SpotKey(name=name, account=holder, process=process, permissions=roles.RECONCILIATION,
            allowlist=[runner], nonce_unit=NonceUnit.MILLISECONDS))
"""


@dataclass
class Fleet:
    """The keys of a desk by name; a key's account is what its name begins with.

    Attributes:
        accounts: Their names.
        names: Of the keys that are declared.
        made: Both halves of each key that was made for a name, the newest last.
        more: What else the stack declares.
    """

    desk: Desk
    accounts: list[str]
    names: list[str]
    made: dict[str, list[dict[str, str]]] = field(default_factory=dict, repr=False)
    more: str = ""

    @classmethod
    def of(cls, desk: Desk, accounts: int, keys: int) -> Fleet:
        """So many keys spread over so many accounts, which exist at Kraken; nothing is declared yet."""
        owners = [f"a{number:02}" for number in range(accounts)]
        names = [f"{owners[number % accounts]}-{number:03}" for number in range(keys)]
        for owner in owners:
            desk.kraken.people("create-account", name=owner, email=f"{owner}@desk.example")
        return cls(desk, owners, names)

    def declare(self) -> None:
        """Writes the stack file with the names there are now."""
        self.desk.declare(HEADER + self.more + _BODY.format(accounts=self.accounts, names=sorted(self.names)))

    def leave_in_inbox(self, name: str) -> None:
        """Somebody makes the key that was asked for, and an operator, who may only create, leaves it."""
        self.put_into_inbox(name, self.make(name))

    def put_into_inbox(self, name: str, halves: dict[str, str]) -> None:
        """An operator, who may only create, leaves a key."""
        self.desk.bao.request(
            "POST",
            f"{self.desk.mount}/data/{INBOX}/{name}/spot_key.{name}",
            {"data": halves, "options": {"cas": 0}},
        )

    def make(self, name: str) -> dict[str, str]:
        """A new key as it was asked for; its two halves."""
        shown = self.desk.make_key(
            f"{name.partition('-')[0]}@desk.example",
            "spot",
            name=f"{name}-g1",
            permission=PNL_PERMISSIONS,
            ip=[RUNNER],
        )
        halves = {half: json.loads(shown)[half] for half in HALVES}
        self.made.setdefault(name, []).append(halves)
        return halves

    def asked(self) -> int:
        """How many calls Kraken has seen so far."""
        calls = self.desk.kraken.calls()
        return int(calls[-1]["n"]) if calls else 0

    def held(self, folder: str) -> dict[str, list[dict[str, str]]]:
        """What lies below a folder, by key: of each version that is there, both halves."""
        found: dict[str, list[dict[str, str]]] = {}
        for path, answer in self.desk.bao.walk(self.desk.mount, f"{folder}/"):
            versions = found.setdefault(path.rpartition(".")[2], [])
            data = answer["data"].get("data")
            if data is not None:
                versions.append({half: data[half] for half in HALVES})
        return found

    def is_settled(self) -> None:
        """Every key that was made is at its process's path, once and complete, and nowhere else."""
        assert self.held(SECRETS) == self.made
        assert self.held(INBOX) == {}
        assert self.held(QUARANTINE) == {}
        pulled = json.loads(self.desk.run("state", "pull").stdout)
        published = {
            address.partition(".")[2]: record["published"]["last_four"]
            for document in pulled["documents"].values()
            for address, record in document["records"].items()
            if record.get("published")
        }
        assert published == {name: made[-1]["api_key"][-4:] for name, made in self.made.items()}
        self.desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)

    def serials_are_gapless(self) -> None:
        """Each version of the index that Vault keeps has the serial after the one before it."""
        index = f"{STATE}/index"
        head = self.desk.bao.request("GET", f"{self.desk.mount}/metadata/{index}")["data"]
        kept = sorted(map(int, head["versions"]))
        serials = [self.desk.secret_at(f"{index}?version={version}")["serial"] for version in kept]
        assert serials == [version - 1 for version in kept]
