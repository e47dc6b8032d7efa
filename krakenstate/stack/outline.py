"""From a desk's own list of keys to declarations: what an import writes, before it is text.

How this works: the keys keep what the list says of them and get names that are valid and unique. What the
rules of a stack do not allow (a key of several programs, a program with two keys of one kind) is declared in
the nearest way they do allow, and a comment says so beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from krakenstate.errors import ImportImpossible
from krakenstate.model.address import NAME_MAX, Address
from krakenstate.model.declarations import (
    Account,
    Allowlist,
    DerivativesKey,
    DerivativesSubaccount,
    Key,
    MasterAccount,
    Process,
    SpotKey,
    SpotSubaccount,
    VaultFields,
    Waiver,
)
from krakenstate.model.entry import KEY_NAME_MAX, Declaration
from krakenstate.model.inventory import UNKNOWN_OWNER, InventoryEntry, names_of
from krakenstate.model.network import IPNetwork
from krakenstate.model.vocabulary import Api, Permission

WAIVED_FOR = timedelta(days=90)
"""How long a rule that the desk breaks today need not be kept: as long as it takes to change the keys."""


@dataclass(frozen=True, slots=True)
class Held:
    """What lies at a Vault path of the desk's own: a key's fingerprint, or why none was read there."""

    fingerprint: str | None = None
    problem: str = ""


@dataclass
class Outline:
    """What shall be written: declarations in their order, and comments on some."""

    declarations: list[Declaration] = field(default_factory=list)
    comments: dict[Address, list[str]] = field(default_factory=dict)

    def note(self, address: Address, text: str) -> None:
        """A comment above a declaration."""
        self.comments.setdefault(address, []).append(text)

    @property
    def keys(self) -> list[Key]:
        """The keys among them."""
        return [d for d in self.declarations if isinstance(d, Key)]

    def waive(self, rule: str, address: Address, owner: str, today: date) -> None:
        """Lets a declaration break a rule for a while, as it did before."""
        waiver = Waiver(
            rule=rule, owner=owner, reason="adopted as it was before krakenstate", until=today + WAIVED_FOR
        )
        for number, declared in enumerate(self.declarations):
            if declared.address == address:
                self.declarations[number] = declared.model_copy(
                    update={"waivers": (*declared.waivers, waiver)}
                )


def outline(
    declared: Iterable[Declaration],
    entries: Sequence[InventoryEntry],
    held: Mapping[str, Held],
    *,
    mount: str,
    fields: VaultFields,
    owner: str,
    today: date,
) -> Outline:
    """The declarations of a desk that was there before.

    Args:
        declared: Its accounts, and what else is declared already: allowlists and processes.
        entries: Its keys.
        held: What lies at the paths that the entries name.
        mount: Of the stack: paths may have it in front.
        fields: What the halves of its secrets are called.
        owner: Of the processes that use the keys.
        today: On which keys are found to have expired.

    Raises:
        ImportImpossible: Keys sit on accounts that are not declared; all of those are named.
    """
    made = _Outliner(list(declared), held, mount=mount, fields=fields, owner=owner, today=today)
    return made.outline(entries)


class _Outliner:
    def __init__(
        self,
        declared: list[Declaration],
        held: Mapping[str, Held],
        *,
        mount: str,
        fields: VaultFields,
        owner: str,
        today: date,
    ) -> None:
        self._held = held
        self._mount = mount
        self._fields = fields
        self._owner = owner
        self._today = today
        self._accounts = [d for d in declared if isinstance(d, Account)]
        self._allowlists = [d for d in declared if isinstance(d, Allowlist)]
        self._processes = [d for d in declared if isinstance(d, Process)]
        self._busy: set[tuple[Address, Address, Api]] = set()
        self._paths: set[str] = set()
        self._by_fingerprint: dict[str, Key] = {}
        self._out = Outline()

    def outline(self, entries: Sequence[InventoryEntry]) -> Outline:
        placed = self._place(entries)
        self._adopt_accounts()
        ordered = sorted(placed, key=lambda p: (self._rank(p[1]), p[0].api, p[0].name))
        keys: list[Key] = []
        for entry, account in ordered:
            keys.append(self._key(entry, self._account(account), keys))
        lists = sorted(self._allowlists, key=lambda a: a.name)
        processes = sorted(self._processes, key=lambda p: p.name)
        self._out.declarations = [*lists, *self._accounts, *processes, *keys]
        return self._out

    # -- accounts ------------------------------------------------------------------------------------------

    def _place(self, entries: Sequence[InventoryEntry]) -> list[tuple[InventoryEntry, Address]]:
        placed: list[tuple[InventoryEntry, Address]] = []
        missing: dict[str, list[str]] = {}
        for entry in entries:
            account = self._find_account(entry)
            if account is None:
                missing.setdefault(entry.account, []).append(entry.name)
            else:
                placed.append((entry, account.address))
        if missing:
            listed = "; ".join(
                f'"{name}" ({", ".join(keys[:3])}{", ..." if keys[3:] else ""})'
                for name, keys in sorted(missing.items())
            )
            raise ImportImpossible(
                f"The inventory names accounts that the stack does not declare: {listed}. No list of keys "
                "tells their e-mail addresses.",
                next_step="Declare each; its name, user name, e-mail or IIBAN is what the list calls it: "
                'SpotSubaccount(name="mm", master=desk, username="desk-mm", email="mm@desk.example")',
            )
        return placed

    def _find_account(self, entry: InventoryEntry) -> Account | None:
        found = [a for a in self._accounts if entry.account.casefold() in names_of(a)]
        fits = [a for a in found if isinstance(a, DerivativesSubaccount) is (entry.api is Api.DERIVATIVES)]
        return next(iter(fits or found), None)

    def _adopt_accounts(self) -> None:
        """Subaccounts with ``adopted=True``; references among accounts lead to the new objects."""
        made: dict[Address, Account] = {}
        for account in sorted(self._accounts, key=lambda a: (self._rank(a.address), a.address)):
            changes: dict[str, object] = {}
            if isinstance(account, SpotSubaccount | DerivativesSubaccount):
                changes = {"adopted": True, "master": made.get(account.master.address, account.master)}
            if isinstance(account, DerivativesSubaccount) and account.same_as is not None:
                changes["same_as"] = made.get(account.same_as.address, account.same_as)
            made[account.address] = account.model_copy(update=changes)
        self._accounts = list(made.values())

    def _account(self, address: Address) -> Account:
        return next(a for a in self._accounts if a.address == address)

    def _rank(self, address: Address) -> tuple[int, str]:
        kinds = (MasterAccount.type_name, SpotSubaccount.type_name, DerivativesSubaccount.type_name)
        return kinds.index(address.type), address

    # -- keys ----------------------------------------------------------------------------------------------

    def _key(self, entry: InventoryEntry, account: Account, before: Sequence[Key]) -> Key:
        cls: type[Key] = SpotKey if entry.api is Api.SPOT else DerivativesKey
        taken = {key.name for key in before if type(key) is cls}
        name = _unique(_slug(entry.name, "key", KEY_NAME_MAX), taken, KEY_NAME_MAX)
        address = Address.of(cls.type_name, name)
        values: dict[str, object] = {
            "name": name,
            "account": account,
            "process": self._process(entry, account, address, name),
            "allowlist": self._allowlist(entry),
            "key_name": entry.name,
            **self._secret(entry, address),
        }
        if cls is SpotKey:
            values["permissions"] = (
                None if entry.permissions is None else frozenset(map(Permission, entry.permissions))
            )
            values["expires"] = entry.expires
        else:
            values |= {"general": entry.general, "transfer": entry.transfer}
        key = cls(**values)  # type: ignore[arg-type]  # each field was made for its class above
        self._comment(entry, key)
        return key

    def _comment(self, entry: InventoryEntry, key: Key) -> None:
        note = self._out.note
        if len(entry.used_by) > 1:
            note(
                key.address,
                f"SHARED by {' and '.join(entry.used_by)}: two processes never share a key",
            )
        if not entry.used_by:
            note(key.address, "UNKNOWN: nobody knows what uses it")
        if entry.expires is not None and entry.expires < self._today:
            note(key.address, f"EXPIRED on {entry.expires}, and still listed")
        if entry.networks is None:
            note(key.address, "its allowlist is not known, so it is not managed")
        if entry.networks == ():
            note(key.address, "it works from everywhere")
        if (entry.permissions, entry.general, entry.transfer) == (None, None, None):
            note(key.address, "its permissions are not known, so they are not managed")
        path = key.vault_path
        found = self._held.get(path) if path else None
        if path is None or found is None:
            return
        if found.problem:
            note(key.address, f"no secret was read from its path: {found.problem}")
        if found.fingerprint:
            twin = self._by_fingerprint.setdefault(found.fingerprint, key)
            if twin is not key:
                note(key.address, f"the very same secret lies at the path of {twin.address}")

    def _secret(self, entry: InventoryEntry, address: Address) -> dict[str, object]:
        if entry.vault_path is None:
            return {}
        path = entry.vault_path.removeprefix(f"{self._mount}/")
        if path in self._paths:
            self._out.note(address, f"the list gives it the Vault path {path}, which is another key's")
            return {}
        self._paths.add(path)
        is_usual = self._fields == VaultFields()
        return {"vault_path": path, "vault_fields": None if is_usual else self._fields}

    def _process(self, entry: InventoryEntry, account: Account, address: Address, name: str) -> Process:
        """The first of its programs that has no other key of this kind on the account."""
        if not entry.used_by:
            unknown = _unique(f"unknown-{name}", {p.name for p in self._processes}, NAME_MAX)
            return self._new_process(unknown, UNKNOWN_OWNER, "nobody knows")
        for user in entry.used_by:
            process = self._named(user)
            place = (process.address, account.identity, entry.api)
            if place not in self._busy:
                self._busy.add(place)
                return process
        first = self._named(entry.used_by[0])
        self._out.note(
            address,
            f"{first.name} has another {entry.api} key on {account.name}: a process holds at most one per "
            "account and API",
        )
        taken = {p.name for p in self._processes}
        return self._new_process(_unique(first.name, taken, NAME_MAX), first.owner, first.purpose)

    def _named(self, user: str) -> Process:
        name = _slug(user, "process", NAME_MAX)
        known = next((p for p in self._processes if p.name == name), None)
        return known or self._new_process(name, self._owner, "")

    def _new_process(self, name: str, owner: str, purpose: str) -> Process:
        process = Process(name=name, owner=owner, purpose=purpose)
        self._processes.append(process)
        return process

    def _allowlist(self, entry: InventoryEntry) -> tuple[Allowlist, ...] | None:
        """Declared lists that together are the key's, or a new one of its own."""
        if not entry.networks:
            return None if entry.networks is None else ()
        wanted = frozenset(entry.networks)
        exact = next((a for a in self._allowlists if frozenset(a.networks) == wanted), None)
        if exact is not None:
            return (exact,)
        parts = [a for a in self._allowlists if frozenset(a.networks) < wanted]
        if frozenset(network for part in parts for network in part.networks) == wanted:
            return tuple(parts)
        taken = {a.name for a in self._allowlists}
        made = Allowlist(name=_unique(_network_name(entry), taken, NAME_MAX), networks=entry.networks)
        self._allowlists.append(made)
        return (made,)


def _network_name(entry: InventoryEntry) -> str:
    networks = entry.networks or ()
    if len(networks) > 1:
        return _slug(f"networks-of-{entry.used_by[0] if entry.used_by else entry.name}", "networks", NAME_MAX)
    return _slug(f"ip-{shown(networks[0])}", "ip", NAME_MAX)


def shown(network: IPNetwork) -> str:
    """A network as people write it: one address without its mask."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _slug(text: str, fallback: str, longest: int) -> str:
    """A valid name that looks like a text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")
    if not name:
        name = fallback
    elif not name[0].isalpha():
        name = f"{fallback}-{name}"
    return name[:longest].rstrip("-_")


def _unique(name: str, taken: Iterable[str], longest: int) -> str:
    used, number, found = set(taken), 2, name[:longest].rstrip("-_")
    while found in used:
        tail = f"-{number}"
        found, number = name[: longest - len(tail)].rstrip("-_") + tail, number + 1
    return found
