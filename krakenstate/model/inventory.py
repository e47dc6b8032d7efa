"""The inventory: a desk's own list of its keys, as people wrote it down. It never holds a secret."""

from datetime import date

from krakenstate.model.base import Instant, Model
from krakenstate.model.declarations import Account, Key
from krakenstate.model.network import Network
from krakenstate.model.vocabulary import Access, Api

UNKNOWN_OWNER = "unknown"
"""Of the process that stands for whatever uses a key of which nobody knows."""


class InventoryEntry(Model):
    """One key as the list has it. ``None`` means that the list does not tell.

    ``account`` is what the list calls it; empty if it names none. ``networks`` without an element is a key
    that works from everywhere. ``used_by`` names programs: several share the key, none is nobody known.
    """

    name: str
    account: str = ""
    api: Api = Api.SPOT
    permissions: tuple[str, ...] | None = None
    general: Access | None = None
    transfer: Access | None = None
    networks: tuple[Network, ...] | None = None
    expires: date | None = None
    last_used: date | None = None
    used_by: tuple[str, ...] = ()
    vault_path: str | None = None
    added_by: str = ""
    added_at: Instant | None = None

    @property
    def identity(self) -> str:
        """What tells it from other entries: its account and its name."""
        return f"{self.account}/{self.name}"


def speaks_of(entry: InventoryEntry, key: Key) -> bool:
    """Whether an entry is a declared key's: the same platform and account, and a name it has."""
    if entry.api is not key.api or entry.account.casefold() not in names_of(key.account):
        return False
    return entry.name == key.key_name if key.key_name else entry.name.startswith(f"{key.name}-g")


def names_of(account: Account) -> frozenset[str]:
    """Everything a list may call an account, in lower case."""
    said = (account.name, account.email, getattr(account, "username", None), getattr(account, "iiban", None))
    return frozenset(str(name).casefold() for name in said if name)
