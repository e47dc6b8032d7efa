"""The world as its people may show it around: everything but secrets."""

from datetime import UTC, datetime
from typing import Any

from krakenstate.sim.world import Account, DerivativesKey, Mail, SpotKey, World, fingerprint


def describe_spot_key(key: SpotKey) -> dict[str, Any]:
    """A Spot key as the web page lists it."""
    shown = key.model_dump(mode="json", exclude={"secret", "window_nonces", "public", "deleted", "key_2fa"})
    shown |= {"key_2fa": key.key_2fa is not None}
    return {"api": "spot", "api_key": key.public, "fingerprint": fingerprint(key.public)} | shown


def describe_derivatives_key(key: DerivativesKey) -> dict[str, Any]:
    """A Derivatives key as the web page lists it."""
    shown = key.model_dump(mode="json", include={"general", "transfer", "created", "cidr_blocks"})
    return {"api": "derivatives", "api_key": key.public, "fingerprint": fingerprint(key.public)} | shown


_NOT_SHOWN = {
    "spot_keys", "derivatives_keys", "id", "spot_master_id", "counted_at", "units_spent", "period_start",
}  # fmt: skip


def describe_account(world: World, account: Account) -> dict[str, Any]:
    """An account without its keys; `derivatives_master` names the account it is linked to."""
    shown = account.model_dump(mode="json", exclude=_NOT_SHOWN)
    link = world.link_to(account)
    return shown | {
        "locked_until": _instant(account.locked_until),
        "spot_master": world.account(account.spot_master_id).email if account.spot_master_id else None,
        "derivatives_master": world.account(link.master_id).email if link else None,
        "trading_enabled": link.trading_enabled if link else None,
    }


def list_keys(account: Account) -> list[dict[str, Any]]:
    """The keys of an account that were not deleted."""
    spot = [describe_spot_key(key) for key in account.spot_keys if not key.deleted]
    return spot + [describe_derivatives_key(key) for key in account.derivatives_keys if not key.deleted]


def describe_mail(world: World, mail: Mail) -> dict[str, Any]:
    """A mail in a mailbox."""
    shown = mail.model_dump(mode="json", exclude={"account_id", "master_id"})
    return shown | {
        "account": world.account(mail.account_id).name,
        "master": world.account(mail.master_id).email,
    }


def describe_world(world: World, now: datetime) -> dict[str, Any]:
    """All of it."""
    return {
        "now": now.isoformat(),
        "egress": world.egress,
        "budgets": world.budgets,
        "lockout": world.lockout,
        "duplicates": world.duplicates,
        "cidr_fields": world.cidr_fields,
        "dialects": world.dialects,
        "addresses": {
            address: {"locked_until": _instant(suspect.locked_until)}
            for address, suspect in world.addresses.items()
        },
        "accounts": [describe_account(world, a) | {"keys": list_keys(a)} for a in world.accounts],
        "mails": [describe_mail(world, mail) for mail in world.mails],
        "tickets": [ticket.model_dump(mode="json") for ticket in world.tickets],
        "calls_made": world.calls_made,
    }


def _instant(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
