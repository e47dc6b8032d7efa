"""What the engine asks of a remote system, in general words.

A resource type says per verb whether an API, a person or nobody can do it (``Verbs``). A provider implements
the protocols of what its API can do, and writes the instructions for what its people must do. Every method
that calls out raises a leaf of ``KrakenError``; none of them retries, and none returns an empty answer for a
read that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from krakenstate.model.address import Address
from krakenstate.model.credential import Credential
from krakenstate.model.login import AppRole, JwtRole
from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import Api, SignedCall

T = TypeVar("T")


class Verb(StrEnum):
    """Who can do something."""

    API = "api"
    MANUAL = "manual"
    NONE = "none"


class Verbs(NamedTuple):
    """Who can observe, create, update and delete objects of one resource type."""

    observe: Verb
    create: Verb
    update: Verb
    delete: Verb


class KeyJob(NamedTuple):
    """Everything a person must know to make, change or delete one key.

    ``account_label`` is how the account switcher shows it (user name or name), ``stack`` the stack's name for
    the commands to type, ``last_four`` the end of the public half when a key exists already,
    ``can_be_asked`` whether any site may ask it once it is edited, ``site`` the only one that may (else
    empty), ``reasons`` a line for each of its rights on the calls it is there for, where the calls
    are declared.
    """

    stack: str
    address: str
    account_address: str
    account_label: str
    account_email: str
    process: str
    owner: str
    generation: int
    key_name: str | None
    terms: KeyTerms
    last_four: str | None = None
    can_be_asked: bool = True
    site: str = ""
    reasons: tuple[str, ...] = ()


class AccountJob(NamedTuple):
    """Everything a person must know to ask for an account, finish its set-up, or link it.

    ``why_unknown`` says why nobody knows whether it exists, where that is not a lost answer; ``site`` is the
    name of one from which the master's links can be listed.
    """

    stack: str
    address: str
    name: str
    email: str
    username: str | None
    master_address: str
    master_name: str
    master_email: str
    master_iiban: str | None = None
    master_uid: str | None = None
    account_iiban: str | None = None
    account_uid: str | None = None
    why_unknown: str = ""
    site: str = ""


class GrantJob(NamedTuple):
    """Everything an administrator must know to let a process read its secrets."""

    stack: str
    address: str
    process: str
    owner: str
    policy_name: str
    policy: str
    policy_for_all: str = ""
    role_place: str = ""
    role: str = ""


class Link(NamedTuple):
    """One linked Derivatives subaccount, as the master's list shows it."""

    account_uid: str
    email: str


class LinkList(NamedTuple):
    """The answer of a master's list: complete, since a failed read raises."""

    master_uid: str
    links: tuple[Link, ...]


class NodeHealth(NamedTuple):
    """What one node of the secret store says of itself; ``silence`` says why it said nothing."""

    origin: str
    silence: str = ""
    is_initialised: bool = True
    is_sealed: bool = False
    is_standby: bool = False
    version: str = ""

    @property
    def serves(self) -> bool:
        """Whether it can be worked with."""
        return not self.silence and self.is_initialised and not self.is_sealed


class VaultProbe(Protocol):
    """The secret store, asked about itself and about the token. Nothing here reads or writes an entry."""

    @property
    def mount(self) -> str:
        """Path of the stack's mount."""

    def health(self) -> tuple[NodeHealth, ...]:
        """Every node of ``VAULT_ADDR``, asked without a token; one that does not answer is listed too."""

    def check_mount(self) -> None:
        """Makes sure that the mount exists and is KV version 2.

        Raises:
            VaultError: It is not, or nobody can tell.
        """

    def capabilities(self, paths: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """What the token may do on API paths, in the store's own words.

        Raises:
            VaultDenied: The token may not even ask that.
            VaultError: No answer, or none that tells.
        """

    def kept_versions(self) -> int:
        """How many versions the mount keeps of an entry that does not say itself.

        Raises:
            VaultDenied: The token may not ask that.
        """


class Greeter(Protocol):
    """A server that can be reached without a credential."""

    def greet(self) -> None:
        """One unsigned call.

        Raises:
            KrakenError: Nobody answered, or with an outage.
        """


class ServerClock(Protocol):
    """A remote clock that can be read without a credential."""

    def server_time(self) -> datetime:
        """The remote system's time, in UTC.

        Raises:
            KrakenError: It could not be read.
        """


class Lanes(Protocol):
    """The order of calls: those on one account one after another, within its call budget."""

    def run(self, account: Address, api: Api, call: SignedCall, send: Callable[[], T]) -> T:
        """Sends one call when its turn has come; calls on other accounts go on meanwhile.

        ``send`` must not ask for a turn itself.

        Raises:
            RateLimited: Kraken refused; or it refused earlier calls on the account, and this was not sent.
            Exception: Whatever else ``send`` raised.
        """

    def least_s(self, calls: Iterable[tuple[Address, Api, SignedCall]]) -> float:
        """The seconds that these calls take at least, for their budgets alone."""


class KeyInspector(Protocol):
    """Asking a key to describe itself."""

    @property
    def api(self) -> Api:
        """The platform whose keys it asks."""

    @property
    def takes_nonce(self) -> bool:
        """Whether asking moves the key's nonce, so that a key in service must not be asked."""

    def describe_key(self, credential: Credential, nonce: int | None) -> KeyDescription:
        """One signed call with the key's own secret.

        Args:
            credential: Both halves.
            nonce: Required where ``takes_nonce``; sent as it is, once.

        Raises:
            AuthenticationFailed: Kraken rejected the credential; never ask again by itself.
            KrakenError: Any other answer, or none.
        """


class KeyInstructor(Protocol):
    """The click lists of a platform's own web pages."""

    def create_key(self, job: KeyJob) -> str:
        """How to make the key, which values to type and tick, and what to do with the result."""

    def edit_key(self, job: KeyJob, changes: Sequence[AttributeChange]) -> str:
        """How to change the listed attributes of an existing key, keeping its secret."""

    def delete_key(self, job: KeyJob, why: str) -> str:
        """How to find and delete the key."""

    def correct_key(self, job: KeyJob, findings: Sequence[Finding]) -> str:
        """What to click so that a handed-in key becomes as declared."""


class KeyProvider(KeyInspector, KeyInstructor, Protocol):
    """Both facets of one platform's keys."""


class SubaccountCreator(Protocol):
    """Creating Spot subaccounts."""

    def create_subaccount(self, credential: Credential, nonce: int, username: str, email: str) -> None:
        """Sends the creation once; returns only when it was answered with success.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell whether it took effect.
            MayExist: It was refused as what exists already may be.
            KrakenError: It was refused and took no effect.
        """

    def request_subaccount(self, job: AccountJob) -> str:
        """How to ask the relationship manager, where the account is not entitled to the call."""

    def finish_email_setup(self, job: AccountJob) -> str:
        """What the owner of the new subaccount's mailbox does."""

    def confirm_created(self, job: AccountJob) -> str:
        """How a person finds out whether a creation with unknown outcome took effect."""


class LinkAdministrator(Protocol):
    """Linked Derivatives subaccounts and their trading switch."""

    def list_links(self, credential: Credential, account_uid: str) -> LinkList:
        """All linked subaccounts of the master whose key this is.

        Args:
            credential: The key's both halves.
            account_uid: Of the account that the key itself names when it is asked.

        Raises:
            NotMaster: The list is another account's.
            KrakenError: The list could not be read.
        """

    def read_trading(self, credential: Credential, account_uid: str) -> bool:
        """Whether trading is enabled on a linked subaccount."""

    def write_trading(self, credential: Credential, account_uid: str, enabled: bool) -> bool:
        """Switches trading and returns what Kraken then reports.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell; reading shows what became of it.
        """

    def link_account(self, job: AccountJob) -> str:
        """The support ticket, ready to paste, with its preconditions."""

    def unlink_account(self, job: AccountJob) -> str:
        """What to ask support for; nothing here can verify or undo a link."""


class GrantAuthor(Protocol):
    """Vault policies for processes, and how to install them."""

    def policy_name(self, stack: str, grant: str) -> str:
        """The policy's name in Vault."""

    def policy(self, mount: str, secrets: str, process: str, state: str) -> str:
        """A policy that lets a process read its own secrets, leave reports of its keys, and nothing else."""

    def policy_for_all(self, mount: str, secrets: str, state: str) -> str:
        """One policy for all processes, where the login itself says which process it is."""

    def policy_place(self, name: str) -> str:
        """Where the policy of a name stands, for ``GrantAdministrator``."""

    def role_place(self, login: AppRole | JwtRole, name: str) -> str:
        """Where the role of a name stands, for ``GrantAdministrator``."""

    def role(self, login: AppRole | JwtRole, policy_name: str) -> str:
        """A role whose holder gets this policy and no other: a setting per line, as ``name = JSON``."""

    def install_grant(self, job: GrantJob) -> str:
        """How an administrator installs it."""

    def first_login(self, role_place: str, role: str) -> str:
        """What a process must be handed before it can log in with a role; empty without one."""


class GrantAdministrator(Protocol):
    """Policies and roles read and written by API, for grants that a stack lets this program manage.

    Both are opaque texts at opaque places, as ``GrantAuthor`` gave them.
    """

    def read(self, place: str, like: str) -> str | None:
        """What stands at a place, in the form of ``like`` and with no more settings; ``None`` for nothing.

        Raises:
            VaultError: It could not be read.
        """

    def write(self, place: str, text: str) -> None:
        """Makes what stands there so."""

    def delete(self, place: str) -> None:
        """Takes away what stands there; taking away nothing is fine."""

    def lacking(self, places: Sequence[str]) -> list[str]:
        """What the token may not do at these places, a line each; empty if nothing is in the way.

        Raises:
            VaultDenied: The token may not even ask that.
        """


class Providers(NamedTuple):
    """The remote systems of one run, introduced to the engine by the composition root."""

    clock: ServerClock
    keys: Mapping[Api, KeyProvider]
    subaccounts: SubaccountCreator
    links: LinkAdministrator
    grants: GrantAuthor
    verbs: Mapping[str, Verbs]
    administrator: GrantAdministrator | None = None
