"""The built-in rules: plain functions over what a stack declares and a plan would do.

A new rule is a function here, a line in ``RULES``, a leaf in ``errors/policy.py``, and a row in each of the
tables of ``tests/policy/test_rules.py`` and ``docs/policy.md``.

Sources: docs/kraken.md, for what each permission and level can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from krakenstate.errors import (
    AgeTooLong,
    AllowlistMissing,
    ControllerShared,
    KeyAged,
    KeyEndless,
    LifetimeTooLong,
    NetworkBroad,
    NonceWindowOpen,
    NotPromoted,
    OwnersTogether,
    RightsUnused,
    WithdrawalOnSubaccount,
    WithdrawalUnbounded,
    WithdrawalWithAddresses,
    WithdrawalWithTrading,
)
from krakenstate.model.address import Address
from krakenstate.model.declarations import Allowlist, DerivativesKey, Key, MasterAccount, SpotKey
from krakenstate.model.network import IPNetwork, collapse
from krakenstate.model.plan import Severity
from krakenstate.model.vocabulary import MOVES_FUNDS, Access, Permission
from krakenstate.policy.base import Case, Finding, Rule
from krakenstate.policy.intent import PROMOTION, keys_are_verified_elsewhere, rights_are_needed

BROAD = {4: 16, 6: 47}
"""The longest prefix that is still too broad, by version of the protocol."""
_ADDRESSES = frozenset({Permission.ADD_WITHDRAW_ADDRESS, Permission.UPDATE_WITHDRAW_ADDRESS})
_TRADES = frozenset({Permission.MODIFY_TRADES, Permission.CLOSE_TRADES})


def keys_of_production_have_an_allowlist(case: Case) -> Iterator[Finding]:
    """Open to the world, or open to whatever somebody ticks."""
    for key in _production_keys(case):
        if key.networks == ():
            yield Finding(
                key,
                f"{key.address} declares allowlist=[], so it works from anywhere in the world. Whoever gets "
                "hold of its secret can use it.",
            )
        elif key.networks is None:
            yield Finding(
                key,
                f"{key.address} declares no allowlist, so nobody looks at where it may be used from. Whoever "
                "gets hold of its secret may be able to use it anywhere.",
            )


def networks_are_narrow(case: Case) -> Iterator[Finding]:
    """Each allowlist that production keys use, and what the allowlists of one key come to together."""
    keys = _production_keys(case)
    used = {listed.address for key in keys for listed in key.allowlist or ()}
    broad_lists: set[Address] = set()
    for listed in case.desired.of(Allowlist):
        broad = _broad(listed.networks)
        if broad and listed.address in used:
            broad_lists.add(listed.address)
            yield Finding(listed, f"{listed.address} {_admits(broad)}, and keys of production refer to it.")
    judged: dict[tuple[Address, ...], list[IPNetwork]] = {}
    for key in keys:
        if key.allowlist is None or len(key.allowlist) < 2:
            continue  # one list alone was judged above
        lists = tuple(listed.address for listed in key.allowlist)
        if not broad_lists.isdisjoint(lists):
            continue
        if lists not in judged:
            judged[lists] = _broad(key.networks or ())
        if judged[lists]:
            yield Finding(key, f"{key.address} {_admits(judged[lists])}, taken all its allowlists together.")


def movers_of_funds_are_bounded(case: Case) -> Iterator[Finding]:
    """An allowlist and an end. Kraken gives Derivatives keys no expiry, so there rotation stands for it."""
    for key in case.desired.of(Key):
        rights = _moves_funds(key)
        if not rights:
            continue
        lacks = [] if key.networks else ["allowlist"]
        if isinstance(key, SpotKey) and key.expires is None:
            lacks.append("expires")
        if isinstance(key, DerivativesKey) and key.rotate_every is None:
            lacks.append("rotate_every")
        if lacks:
            yield Finding(
                key,
                f"{key.address} can move funds ({rights}) and declares no {' and no '.join(lacks)}. Whoever "
                "gets hold of its secret can do so too, from anywhere or for ever.",
            )


def movers_of_funds_do_not_trade(case: Case) -> Iterator[Finding]:
    """On either platform; a controller's right to switch trading on and off is no trading with withdrawal."""
    for key in case.desired.of(Key):
        rights = _moves_funds(key)
        if rights and (trades := _trading(key)):
            yield Finding(
                key,
                f"{key.address} can move funds ({rights}) and trade ({trades}). A program that trades is "
                "always online, and its key is the likelier one to leak.",
            )


def withdrawal_knows_no_addresses(case: Case) -> Iterator[Finding]:
    """An address added by API needs no confirmation by e-mail."""
    for key in case.desired.of(SpotKey):
        held = (key.permissions or frozenset()) & _ADDRESSES
        if held and Permission.WITHDRAW_FUNDS in (key.permissions or ()):
            yield Finding(
                key,
                f"{key.address} holds withdraw-funds and {_listed(held)}. An address that is added by API "
                "is verified at once, so this key alone can empty the account.",
            )


def subaccounts_keep_their_funds(case: Case) -> Iterator[Finding]:
    """Funds of a subaccount go back to the master first."""
    for key in case.desired.of(Key):
        rights = _moves_funds(key)
        if rights and not isinstance(key.account, MasterAccount):
            yield Finding(
                key,
                f"{key.address} sits on {key.account.address} and can move funds ({rights}). Funds leave a "
                "subaccount by way of its master, so no process needs this there.",
            )


def keys_do_not_grow_old(case: Case) -> Iterator[Finding]:
    """The declared period of rotation."""
    limit = case.desired.head.limits.age
    for key in case.desired.of(Key):
        if key.rotate_every is not None and key.rotate_every > limit:
            yield Finding(
                key,
                f"{key.address} is rotated every {_days(key.rotate_every)}; at most {_days(limit)} are "
                "allowed.",
            )


def keys_in_service_are_young(case: Case) -> Iterator[Finding]:
    """What its declaration says of the next key changes nothing about the one that is there."""
    limit = case.desired.head.limits.age
    for key in case.desired.of(Key):
        since = (case.since or {}).get(key.address)
        if since is not None and case.today - since > limit:
            yield Finding(
                key,
                f"{key.address} has been in service since {since}, {_days(case.today - since)}; at most "
                f"{_days(limit)} are allowed.",
            )


def keys_do_not_live_long(case: Case) -> Iterator[Finding]:
    """The declared expiry, counted from today."""
    limit = case.desired.head.limits.lifetime
    for key in case.desired.of(SpotKey):
        if key.expires is not None and key.expires - case.today > limit:
            yield Finding(
                key,
                f"{key.address} expires {key.expires}, {_days(key.expires - case.today)} from now; at most "
                f"{_days(limit)} are allowed.",
            )


def nonce_windows_are_shut(case: Case) -> Iterator[Finding]:
    """Not managed is the web page's default, which is none."""
    for key in case.desired.of(SpotKey):
        if key.nonce_window:
            yield Finding(
                key,
                f"{key.address} declares nonce_window={key.nonce_window}. Within it a nonce may be smaller "
                "than the last one, which hides that two programs share a key.",
            )


def controllers_stand_alone(case: Case) -> Iterator[Finding]:
    """krakenstate acts with a controlling key under its lock; no other program may."""
    keys = case.desired.of(Key)
    for key in keys:
        if key.controls is None:
            continue
        others = [k for k in keys if k.process.address == key.process.address and k.controls is None]
        if others:
            yield Finding(
                key,
                f"{key.process.address} acts with {key.address}, which controls {key.controls.address}, and "
                f"holds {_listed(k.address for k in others)}{_line(others[0])} as well.",
            )


def spot_keys_end(case: Case) -> Iterator[Finding]:
    """By expiry or by rotation."""
    for key in case.desired.of(SpotKey):
        if key.expires is None and key.rotate_every is None:
            yield Finding(
                key,
                f"{key.address} declares neither expires nor rotate_every, so a copy of its secret works "
                "for ever.",
            )


def owners_trade_apart(case: Case) -> Iterator[Finding]:
    """A key that only cancels does not trade, so that risk may hold one beside a strategy's."""
    first: dict[Address, Key] = {}
    told: set[Address] = set()
    for key in case.desired.of(Key):
        if key.controls is not None or not _opens_positions(key):
            continue
        account = key.account.identity
        earlier = first.setdefault(account, key)
        if earlier is key or earlier.process.owner == key.process.owner or account in told:
            continue
        told.add(account)
        yield Finding(
            key,
            f"{key.address} of {key.process.owner} and {earlier.address}{_line(earlier)} of "
            f"{earlier.process.owner} both trade on {key.account.address}. They share margin, positions and "
            "P&L, and one can stop the other.",
        )


PRODUCTION_ALLOWLIST = "production-allowlist"
_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            PRODUCTION_ALLOWLIST,
            _ERROR,
            AllowlistMissing,
            "Every key of a production environment has an allowlist.",
            keys_of_production_have_an_allowlist,
        ),
        Rule(
            "broad-network",
            _ERROR,
            NetworkBroad,
            "No production key admits an IPv4 network of /0 to /16 or an IPv6 network of /0 to /47.",
            networks_are_narrow,
        ),
        Rule(
            "withdrawal-bounds",
            _ERROR,
            WithdrawalUnbounded,
            "A key that can move funds has an allowlist and an expiry; a Derivatives key, which can have no "
            "expiry, a rotation.",
            movers_of_funds_are_bounded,
        ),
        Rule(
            "withdrawal-and-trading",
            _ERROR,
            WithdrawalWithTrading,
            "No key both moves funds and trades.",
            movers_of_funds_do_not_trade,
        ),
        Rule(
            "withdrawal-and-addresses",
            _ERROR,
            WithdrawalWithAddresses,
            "No key holds withdraw-funds together with a right over withdrawal addresses.",
            withdrawal_knows_no_addresses,
        ),
        Rule(
            "withdrawal-on-subaccount",
            _ERROR,
            WithdrawalOnSubaccount,
            "No key of a subaccount can move funds.",
            subaccounts_keep_their_funds,
        ),
        Rule(
            "maximum-age",
            _ERROR,
            AgeTooLong,
            "A rotation comes at least every 366 days, or as the stack's `limits` say.",
            keys_do_not_grow_old,
        ),
        Rule(
            "key-age",
            _WARNING,
            KeyAged,
            "No key has been in service for longer than 366 days, or as the stack's `limits` say.",
            keys_in_service_are_young,
            needs_state=True,
        ),
        Rule(
            "maximum-lifetime",
            _ERROR,
            LifetimeTooLong,
            "An expiry is at most 366 days ahead, or as the stack's `limits` say.",
            keys_do_not_live_long,
        ),
        Rule(
            "nonce-window",
            _ERROR,
            NonceWindowOpen,
            "The nonce window is 0.",
            nonce_windows_are_shut,
        ),
        Rule(
            "controller-process",
            _ERROR,
            ControllerShared,
            "The process of a key with controls= holds no other kind of key.",
            controllers_stand_alone,
        ),
        Rule(
            "spot-key-end",
            _WARNING,
            KeyEndless,
            "A Spot key has expires or rotate_every.",
            spot_keys_end,
        ),
        Rule(
            "trading-owners",
            _WARNING,
            OwnersTogether,
            "Processes of different owners do not trade on one account.",
            owners_trade_apart,
        ),
        Rule(
            "rights-beyond-calls",
            _WARNING,
            RightsUnused,
            "A key that names its calls has no right that none of them needs.",
            rights_are_needed,
        ),
        Rule(
            PROMOTION,
            _ERROR,
            NotPromoted,
            "A new or changed Spot key was verified first in the stack that promotes_from names.",
            keys_are_verified_elsewhere,
            needs_promotions=True,
        ),
    )
}
"""By the name that a waiver gives."""


def _production_keys(case: Case) -> list[Key]:
    return case.desired.of(Key) if case.desired.head.environment.is_production else []


def _moves_funds(key: Key) -> str:
    """The rights with which funds can leave the account or be made to; empty if it has none."""
    if isinstance(key, SpotKey):
        held = key.permissions and key.permissions & MOVES_FUNDS
        return _listed(held) if held else ""
    return f"transfer {Access.FULL_ACCESS}" if _full(key, "transfer") else ""


def _trading(key: Key) -> str:
    """The rights with which orders can be placed, changed or cancelled."""
    if isinstance(key, SpotKey):
        return _listed((key.permissions or frozenset()) & _TRADES)
    return f"general {Access.FULL_ACCESS}" if _full(key, "general") else ""


def _opens_positions(key: Key) -> bool:
    if isinstance(key, SpotKey):
        return Permission.MODIFY_TRADES in (key.permissions or ())
    return _full(key, "general")


def _full(key: Key, level: str) -> bool:
    return isinstance(key, DerivativesKey) and getattr(key, level) is Access.FULL_ACCESS


def _broad(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    return [n for n in collapse(networks) if n.prefixlen <= BROAD[n.version]]


def _admits(broad: Iterable[IPNetwork]) -> str:
    return f"admits {_listed(map(str, broad))}"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, items)))


def _line(key: Key) -> str:
    return f" (line {key.source.line})" if key.source else ""


def _days(span: timedelta) -> str:
    return f"{span.total_seconds() / 86400:g} days"
