"""What a signed-in person does in Kraken's web page: accounts and keys.

Sources: support.kraken.com articles on creating API keys for Kraken Pro and for Derivatives (read August to
October 2026): names of Spot keys are unique per account and at most 32 characters long, Derivatives keys have
no name and number at most 50.
"""

import base64
import secrets
from typing import Any

from krakenstate.sim.errors import DevError
from krakenstate.sim.networks import as_blocks, checked_networks
from krakenstate.sim.requests import (
    CLEAR,
    AccountChoice,
    KeyAttributes,
    KeyChoice,
    KeyEdit,
    NewAccount,
    NewKey,
)
from krakenstate.sim.simulation import Simulation
from krakenstate.sim.subaccounts import IIBAN_PATTERN, new_iiban
from krakenstate.sim.views import describe_account, describe_derivatives_key, describe_spot_key, list_keys
from krakenstate.sim.world import PERMISSIONS, Account, DerivativesKey, Level, SpotKey, World

MAX_NAME = 32
MAX_DERIVATIVES_KEYS = 50
PUBLIC_BYTES = 42  # 56 base64 characters
SPOT_SECRET_BYTES = 64  # 88 base64 characters
DERIVATIVES_SECRET_BYTES = 66  # 88 base64 characters, as in the published vector of the WebSocket challenge

SPOT_ONLY = ("permission", "expires", "query_from", "query_to", "nonce_window", "key_2fa")
DERIVATIVES_ONLY = ("general", "transfer")


def create_account(sim: Simulation, request: NewAccount) -> dict[str, Any]:
    """Sign up and verify an account of its own; it is linked to nothing."""
    for account in sim.world.accounts:
        if account.email.lower() == request.email.lower():
            raise DevError(f"An account with e-mail {request.email} exists", "Choose another e-mail address.")
        if request.name in (account.name, account.username):
            raise DevError(f"An account named {request.name} exists", "Choose another name.")
        if request.username and request.username in (account.name, account.username):
            raise DevError(
                f"An account with user name {request.username} exists", "Choose another user name."
            )
        if request.iiban == account.iiban:
            raise DevError(
                f"An account with IIBAN {request.iiban} exists", "Leave --iiban out to get a new one."
            )
    if request.iiban is not None and not IIBAN_PATTERN.fullmatch(request.iiban):
        raise DevError(f"{request.iiban!r} is no IIBAN", 'Write it as "AA12 N84G ABCD 3F5K".')
    account = Account(
        kind=request.kind, name=request.name, username=request.username, email=request.email,
        iiban=request.iiban or new_iiban(sim.world), institutional=request.institutional,
        derivatives_unlocked=request.derivatives, tier=request.tier,
    )  # fmt: skip
    sim.world.accounts.append(account)
    return describe_account(sim.world, account)


def unlock_derivatives(sim: Simulation, request: AccountChoice) -> dict[str, Any]:
    """Unlock Derivatives trading, as the account's owner does before it can be linked."""
    account = find_account(sim.world, request.account)
    _require_setup(account)
    account.derivatives_unlocked = True
    return describe_account(sim.world, account)


def create_key(sim: Simulation, request: NewKey) -> dict[str, Any]:
    """Create a key. The answer holds its secret; nobody sees that again."""
    account = find_account(sim.world, request.account)
    _require_setup(account)
    public, now = _random_base64(PUBLIC_BYTES), sim.now()
    seconds = int(now.timestamp())
    key: SpotKey | DerivativesKey
    if request.api == "spot":
        name = request.name or f"api-key-{int(now.timestamp() * 1000)}"
        _check_name(account, name)
        key = SpotKey(name=name, public=public, secret=_random_base64(SPOT_SECRET_BYTES), permissions=[],
                      ip_allowlist=[], created=seconds, modified=seconds)  # fmt: skip
        _set_spot(key, request)
        account.spot_keys.append(key)
    else:
        if request.name is not None:
            raise DevError("Derivatives keys have no name", "Leave --name out.")
        _check_derivatives(account)
        key = DerivativesKey(public=public, secret=_random_base64(DERIVATIVES_SECRET_BYTES),
                             general=Level.NO_ACCESS, transfer=Level.NO_ACCESS, cidr_blocks=[],
                             created=now.replace(microsecond=0))  # fmt: skip
        _set_derivatives(key, request)
        account.derivatives_keys.append(key)
    key.active_from = now.timestamp() + request.active_after_s if request.active_after_s else 0.0
    named = {"name": key.name} if isinstance(key, SpotKey) else {}
    return {
        "api_key": key.public,
        "api_secret": key.secret,
        "account": account.name,
        "api": request.api,
    } | named


def edit_key(sim: Simulation, request: KeyEdit) -> dict[str, Any]:
    """Change what a key may do, or a Spot key's name; attributes that are not given stay.

    That the page renames keys is inferred: the Fast API does (`new_api_key_name` of its update-key page, read
    August to October 2026), and no click list of the page is published.
    """
    account = find_account(sim.world, request.account)
    key = find_key(account, request)
    if isinstance(key, DerivativesKey):
        _refuse_foreign(request, ("new_name",), "Derivatives")
        _set_derivatives(key, request)
        return describe_derivatives_key(key)
    if request.new_name is not None and request.new_name != key.name:
        _check_name(account, request.new_name)
    _set_spot(key, request)
    key.name = request.new_name or key.name
    key.modified = int(sim.now().timestamp())
    return describe_spot_key(key)


def delete_key(sim: Simulation, request: KeyChoice) -> dict[str, Any]:
    """Delete a key for good; from now on it is an invalid one."""
    account = find_account(sim.world, request.account)
    key = find_key(account, request)
    key.deleted = True
    shown = describe_spot_key(key) if isinstance(key, SpotKey) else describe_derivatives_key(key)
    return {"deleted": True, "account": account.name} | shown


def show_keys(sim: Simulation, request: AccountChoice) -> dict[str, Any]:
    """The account's list of keys; secrets are not in it."""
    account = find_account(sim.world, request.account)
    return {"account": account.name, "keys": list_keys(account)}


def find_account(world: World, text: str) -> Account:
    """The one account that `text` names.

    Raises:
        DevError: none does, or several do.
    """
    by_email = world.account_by_email(text)
    found = [by_email] if by_email else [a for a in world.accounts if text in (a.username, a.name, a.iiban)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DevError(f"Several accounts are called {text}", "Name the account by its e-mail address.")
    known = ", ".join(account.email for account in world.accounts) or "none yet"
    raise DevError(f"There is no account {text}", f"Accounts there are: {known}.")


def find_key(account: Account, choice: KeyChoice) -> SpotKey | DerivativesKey:
    """The one key of the account that fits all that was given."""
    if not (choice.name or choice.last4 or choice.key):
        raise DevError("It was not said which key", "Give --name, --last4 or --key.")
    keys: list[SpotKey | DerivativesKey] = [*account.spot_keys, *account.derivatives_keys]
    found = [key for key in keys if not key.deleted and _fits(key, choice)]
    if len(found) == 1:
        return found[0]
    how_many = "Several keys fit" if found else "There is no such key"
    raise DevError(
        f"{how_many} on account {account.name}",
        f"See them with: krakenstate dev web list-keys --account {account.email}",
    )


def _fits(key: SpotKey | DerivativesKey, choice: KeyChoice) -> bool:
    name = key.name if isinstance(key, SpotKey) else None
    return (
        (choice.name is None or choice.name == name)
        and (choice.last4 is None or key.public.endswith(choice.last4))
        and (choice.key is None or choice.key == key.public)
    )


def _require_setup(account: Account) -> None:
    if not account.setup_finished:
        raise DevError(
            f"The set-up of account {account.name} is not finished, so nobody can sign in to it",
            f"Confirm its mail first: krakenstate dev email confirm {account.email}",
        )


def _check_name(account: Account, name: str) -> None:
    if len(name) > MAX_NAME:
        raise DevError(f"The name {name!r} has more than {MAX_NAME} characters", "Choose a shorter one.")
    if any(key.name == name and not key.deleted for key in account.spot_keys):
        raise DevError(f"Account {account.name} has a key named {name}", "Choose another name.")


def _check_derivatives(account: Account) -> None:
    if not account.derivatives_unlocked:
        raise DevError(
            f"Derivatives trading is not unlocked on account {account.name}",
            f"Unlock it first: krakenstate dev web unlock-derivatives --account {account.email}",
        )
    if sum(not key.deleted for key in account.derivatives_keys) >= MAX_DERIVATIVES_KEYS:
        raise DevError(f"Account {account.name} has {MAX_DERIVATIVES_KEYS} keys", "Delete one first.")


def _refuse_foreign(request: KeyAttributes, foreign: tuple[str, ...], kind: str) -> None:
    given = [name for name in foreign if getattr(request, name) is not None]
    if given:
        options = ", ".join("--" + name.replace("_", "-") for name in given)
        raise DevError(f"A {kind} key has no such attribute: {options}", "Leave it out.")


def _set_spot(key: SpotKey, request: KeyAttributes) -> None:
    _refuse_foreign(request, DERIVATIVES_ONLY, "Spot")
    unknown = sorted(set(request.permission or []) - PERMISSIONS)
    if unknown:
        raise DevError(
            f"There is no permission {', '.join(unknown)}",
            f"Permissions are: {', '.join(sorted(PERMISSIONS))}.",
        )
    allowlist = None if request.ip is None else checked_networks(request.ip)
    if request.permission is not None:
        key.permissions = request.permission
    if allowlist is not None:
        key.ip_allowlist = allowlist
    if request.expires is not None:
        key.valid_until = int(request.expires)
    if request.query_from is not None:
        key.query_from = int(request.query_from)
    if request.query_to is not None:
        key.query_to = int(request.query_to)
    if request.nonce_window is not None:
        key.nonce_window = request.nonce_window
    if request.key_2fa is not None:
        key.key_2fa = None if request.key_2fa == CLEAR else request.key_2fa


def _set_derivatives(key: DerivativesKey, request: KeyAttributes) -> None:
    _refuse_foreign(request, SPOT_ONLY, "Derivatives")
    if request.ip is not None:
        key.cidr_blocks = as_blocks(request.ip)
    if request.general is not None:
        key.general = request.general
    if request.transfer is not None:
        key.transfer = request.transfer


def _random_base64(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()
