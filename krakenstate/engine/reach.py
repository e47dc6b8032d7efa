"""From where a key can be asked: which of the declared sites its allowlist admits."""

from __future__ import annotations

from collections.abc import Iterable

from krakenstate.model.declarations import Allowlist, Key
from krakenstate.model.desired import Desired
from krakenstate.model.network import IPNetwork, admits
from krakenstate.model.state import KeyRecord


def can_be_asked(
    desired: Desired, wanted: Iterable[IPNetwork] | None, seen: Iterable[IPNetwork] | None
) -> bool:
    """Whether a run at any declared site may ask a key.

    A site must lie inside the allowlist the key shall have and inside the one it was last seen with. A key
    that moves from one network to another has no such site: asked from the old one it may be edited already,
    asked from the new one it may not be yet, and either would be a failed authentication.

    Args:
        desired: Its allowlists are the sites there are.
        wanted: The networks the key shall have; ``None`` when they are not declared.
        seen: The networks it was last seen with; ``None`` when it was never described.
    """
    if wanted is None:
        return False
    lists = [list(wanted), *([] if seen is None else [list(seen)])]
    sites = [site.networks for site in desired.of(Allowlist)]
    return any(all(admits(listed, site) for listed in lists) for site in [(), *sites])


def sites_of(key: Key | None, seen: Iterable[IPNetwork] | None = None) -> tuple[str, ...]:
    """The names of a key's allowlists that a run may call its site to ask it; none if it needs no site.

    Args:
        key: As declared.
        seen: The networks it was last seen with; ``None`` when it was never described.
    """
    if key is None or not key.allowlist:
        return ()
    lists = [list(key.networks or ()), *([] if seen is None else [list(seen)])]
    return tuple(
        site.name for site in key.allowlist if all(admits(listed, site.networks) for listed in lists)
    )


def edit_can_be_asked(desired: Desired, record: KeyRecord) -> bool:
    """The same of a recorded key, by its approved terms: whether an edit of it can be verified from here."""
    seen = record.description.networks if record.description else None
    return can_be_asked(desired, record.terms.networks, seen)
