"""The declarations a stack file is made of. Loading one opens no socket and reads no file."""

import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property, lru_cache
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from krakenstate.model import calls as intent
from krakenstate.model.address import Address
from krakenstate.model.base import Model
from krakenstate.model.entry import (
    Declaration,
    Entry,
    KeyName,
    Name,
    Reference,
    SharedProcess,
    Waiver,
    check_name,
)
from krakenstate.model.identity import Email, Iiban
from krakenstate.model.login import AppRole, JwtRole, Login
from krakenstate.model.network import IPNetwork, Network, sort_networks
from krakenstate.model.span import Span
from krakenstate.model.vocabulary import Access, Api, NonceUnit, Permission

SPOT_URL = "https://api.kraken.com"
FUTURES_URL = "https://futures.kraken.com"
"""Production origins. Source: docs.kraken.com, REST introduction of both platforms (read in August 2026)."""


_PATH_PART = re.compile(r"[A-Za-z0-9._~@:=,+-]+")


def _check_path(path: str) -> str:
    """A path that means itself alone in Vault's policies, in addresses and in commands that people paste."""
    if any(part in {".", "..", "+"} or not _PATH_PART.fullmatch(part) for part in path.split("/")):
        raise ValueError(
            "a Vault path is made of letters, digits and ._~@:=,+- with single slashes between, "
            "and no part is dots or a plus alone"
        )
    return path


def origin_of(url: str) -> str:
    """Scheme, host and port of an URL that is https, or http to loopback.

    Raises:
        ValueError: It is neither, or carries a user name, path, query or fragment.
    """
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("an origin is a scheme and a host, as in https://host.example:8200")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is accepted only to loopback")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in {"", "/"}:
        raise ValueError("an origin is scheme, host and port alone")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    return host in {"localhost", "::1"} or (host.startswith("127.") and host.replace(".", "").isdigit())


def _check_name_at_kraken(name: str) -> str:
    if not 0 < len(name) <= NAME_AT_KRAKEN_MAX or name != name.strip() or not name.isprintable():
        raise ValueError(
            f"a key's name at Kraken has 1 to {NAME_AT_KRAKEN_MAX} characters and no space around it"
        )
    return name


NAME_AT_KRAKEN_MAX = 32
"""Source: support.kraken.com, creating API keys for Kraken Pro (read in October 2026)."""
NameAtKraken = Annotated[str, AfterValidator(_check_name_at_kraken)]
VaultPath = Annotated[str, AfterValidator(_check_path)]
Origin = Annotated[str, AfterValidator(origin_of)]


class Vault(Model):
    """Where the stack's secrets and state live: a KV version 2 mount and two prefixes in it."""

    mount: VaultPath
    secrets: VaultPath
    state: VaultPath

    @field_validator("state")
    @classmethod
    def _apart(cls, state: str, info: ValidationInfo) -> str:
        """A process reads everything below its name in ``secrets``; no name may open the records to it."""
        secrets = info.data.get("secrets", state + "-")  # one that is refused is told of by itself
        if f"{state}/".startswith(f"{secrets}/") or f"{secrets}/".startswith(f"{state}/"):
            raise ValueError(
                f'"{state}" and secrets="{secrets}" lie one in the other, so that what a process may read'
                " could hold krakenstate's own records, quarantine among them; give each a folder of its own"
            )
        return state


class VaultFields(Model):
    """What an adopted secret calls its two halves in Vault."""

    api_key: str = Field(default="api_key", min_length=1, max_length=100)
    api_secret: str = Field(default="api_secret", min_length=1, max_length=100)


class Environment(Model):
    """Which Kraken the stack speaks of."""

    name: Name
    spot_url: Origin = SPOT_URL
    futures_url: Origin = FUTURES_URL

    @classmethod
    def production(cls) -> Self:
        """Kraken itself."""
        return cls(name="production")

    @property
    def is_production(self) -> bool:
        """Whether production rules apply."""
        return self.name == "production"


class Allowlist(Declaration):
    """A named set of networks. Keys refer to it, and a run may call it its site."""

    type_name: ClassVar[str] = "allowlist"

    networks: Annotated[tuple[Network, ...], AfterValidator(sort_networks), Field(min_length=1)]


class Process(Declaration):
    """A program that holds keys."""

    type_name: ClassVar[str] = "process"

    owner: str = Field(min_length=1)
    purpose: str = ""


class Account(Declaration):
    """A Kraken account: somewhere a key can sit."""

    email: Email

    @property
    def identity(self) -> Address:
        """What all declarations of one account have in common: the address that stands for it."""
        return self.address


class MasterAccount(Account):
    """An existing verified Kraken account; never created or deleted here.

    ``spot_subaccounts`` says whether the account is entitled to create Spot subaccounts by API; without it
    they are asked for from the relationship manager.
    """

    type_name: ClassVar[str] = "master_account"

    iiban: Iiban | None = None
    spot_subaccounts: bool = True


class SpotSubaccount(Account):
    """A Spot subaccount of a master."""

    type_name: ClassVar[str] = "spot_subaccount"

    master: Annotated[InstanceOf[MasterAccount], Reference()]
    username: str = Field(min_length=1, pattern=r"^\S+$")
    iiban: Iiban | None = None
    adopted: bool = False


class DerivativesSubaccount(Account):
    """A linked Derivatives subaccount; ``trading_enabled`` is managed only if set."""

    type_name: ClassVar[str] = "derivatives_subaccount"

    master: Annotated[InstanceOf[MasterAccount], Reference()]
    same_as: Annotated[InstanceOf[SpotSubaccount] | None, Reference()] = None
    trading_enabled: bool | None = None
    iiban: Iiban | None = None
    adopted: bool = False

    @property
    def identity(self) -> Address:
        """The Spot subaccount's address, if both are one account."""
        return self.same_as.address if self.same_as else self.address


def _one_process(value: object) -> object:
    if isinstance(value, list | tuple | set | frozenset):
        raise SharedProcess(f"{len(value)} processes were given")
    return value


class Key(Declaration):
    """An API key of one process on one account."""

    api: ClassVar[Api]
    name: KeyName
    account: Annotated[InstanceOf[Account], Reference()]
    process: Annotated[InstanceOf[Process], Reference(), BeforeValidator(_one_process)]
    allowlist: Annotated[tuple[InstanceOf[Allowlist], ...] | None, Reference()] = None
    controls: Annotated[InstanceOf[Account] | None, Reference()] = None
    rotate_every: Span | None = None
    rotate_before: Span | None = None
    overlap: Span | None = None
    key_name: NameAtKraken | None = None
    vault_path: VaultPath | None = None
    vault_fields: VaultFields | None = None
    probe_in_service: bool = False

    @property
    def is_adopted(self) -> bool:
        """Whether it was there before krakenstate: it keeps its name and the place of its secret."""
        return self.key_name is not None or self.vault_path is not None

    @cached_property
    def networks(self) -> tuple[IPNetwork, ...] | None:
        """All networks of its allowlists; empty means open to the world, ``None`` not managed."""
        if self.allowlist is None:
            return None
        if len(self.allowlist) == 1:
            return self.allowlist[0].networks  # in order already
        return sort_networks(network for listed in self.allowlist for network in listed.networks)

    @property
    def reasons(self) -> Mapping[str, tuple[str, ...]]:
        """Which of its ``calls`` each right is there for; empty without ``calls``."""
        return {}


def _in_order(calls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(calls)))


@lru_cache(1024)  # thousands of keys have a dozen sets of permissions
def _kept_once(permissions: frozenset[Permission] | None) -> frozenset[Permission] | None:
    return permissions


@lru_cache(1024)
def _sorted(permissions: frozenset[Permission] | None) -> tuple[str, ...] | None:
    return None if permissions is None else tuple(sorted(map(str, permissions)))


class SpotKey(Key):
    """A key for Spot. ``permissions=[]`` is no rights; ``allowlist=[]`` is open to the whole world.

    With ``calls`` its ``permissions`` are what those need, unless they are declared as well.
    """

    type_name: ClassVar[str] = "spot_key"
    api: ClassVar[Api] = Api.SPOT

    calls: (
        Annotated[
            tuple[Annotated[str, AfterValidator(intent.check_spot_call)], ...], AfterValidator(_in_order)
        ]
        | None
    ) = None
    permissions: Annotated[frozenset[Permission] | None, PlainSerializer(_sorted, when_used="json")] = Field(
        default=None, validate_default=True
    )
    expires: date | None = None
    query_from: date | None = None
    query_to: date | None = None
    nonce_window: int | None = Field(default=None, ge=0)
    nonce_unit: NonceUnit | None = None

    @field_validator("permissions")
    @classmethod
    def _suffices(
        cls, value: frozenset[Permission] | None, told: ValidationInfo
    ) -> frozenset[Permission] | None:
        return _kept_once(intent.permissions_with(value, told.data.get("calls")))

    @property
    def reasons(self) -> Mapping[str, tuple[str, ...]]:
        """Which of its ``calls`` each permission is there for; empty without ``calls``."""
        return {} if self.calls is None else intent.permission_reasons(self.permissions or (), self.calls)


class DerivativesKey(Key):
    """A key for Derivatives. It has no name at Kraken and is told apart by its public half.

    With ``calls`` its levels are what those need, unless they are declared as well.
    """

    type_name: ClassVar[str] = "derivatives_key"
    api: ClassVar[Api] = Api.DERIVATIVES

    calls: (
        Annotated[
            tuple[Annotated[str, AfterValidator(intent.check_derivatives_call)], ...],
            AfterValidator(_in_order),
        ]
        | None
    ) = None
    general: Access | None = Field(default=None, validate_default=True)
    transfer: Access | None = Field(default=None, validate_default=True)

    @field_validator(*intent.LEVELS)
    @classmethod
    def _suffices(cls, value: Access | None, told: ValidationInfo) -> Access | None:
        return intent.level_with(str(told.field_name), value, told.data.get("calls"))

    @property
    def reasons(self) -> Mapping[str, tuple[str, ...]]:
        """Which of its ``calls`` ask for each level that is more than nothing; empty without ``calls``."""
        levels = {"general": self.general, "transfer": self.transfer}
        return {} if self.calls is None else intent.level_reasons(levels, self.calls)


def api_of(key: Address) -> Api:
    """The platform of the key at an address.

    Raises:
        KeyError: It is no key's address.
    """
    return {cls.type_name: cls.api for cls in (SpotKey, DerivativesKey)}[key.type]


class Grant(Declaration):
    """Who may read a process's secrets: a Vault policy, and the role with which the process logs in.

    An administrator installs both, unless ``manage`` lets this program do it.
    """

    type_name: ClassVar[str] = "grant"

    process: Annotated[InstanceOf[Process], Reference()]
    auth: Login | None = None
    manage: bool = False

    @field_serializer("auth")
    def _whole(self, value: AppRole | JwtRole | None) -> dict[str, object] | None:
        """With its method, which is always at its default."""
        if value is None:
            return None
        return {"method": value.method, **value.model_dump(mode="json", exclude_defaults=True)}


class Moved(Entry):
    """A rename: what was at ``old`` is now at ``new``."""

    old: Address
    new: Address


class Removed(Entry):
    """An object to let go of without touching it."""

    address: Address


RESOURCE_TYPES: tuple[type[Declaration], ...] = (
    Allowlist,
    Process,
    MasterAccount,
    SpotSubaccount,
    DerivativesSubaccount,
    SpotKey,
    DerivativesKey,
    Grant,
)
"""Every resource type, each after those it refers to."""


__all__ = [
    "RESOURCE_TYPES",
    "Access",
    "Account",
    "Allowlist",
    "AppRole",
    "DerivativesKey",
    "DerivativesSubaccount",
    "Environment",
    "Grant",
    "JwtRole",
    "Key",
    "MasterAccount",
    "Moved",
    "Process",
    "Removed",
    "SpotKey",
    "SpotSubaccount",
    "Vault",
    "VaultFields",
    "Waiver",
    "api_of",
    "check_name",
    "is_loopback",
    "origin_of",
]
