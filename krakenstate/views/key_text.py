"""What a key says of itself: what it can do, from where, until when."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from krakenstate.model.ability import moves_funds
from krakenstate.model.base import format_instant
from krakenstate.model.identity import mask_tail
from krakenstate.model.network import count_addresses
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api
from krakenstate.views.style import DEFAULT_WIDTH, Paint, wrap
from krakenstate.views.values import FINGERPRINT_SHOWN
from krakenstate.views.words import count_of_addresses

FORMAT_VERSION = "1.0"
FUNDS = {True: "YES, with this key funds can leave", False: "no", None: "cannot be told from its words"}
"""What :func:`moves_funds` says, in words."""
_COLUMN = 16


def render_key(
    description: KeyDescription,
    violations: Sequence[str],
    *,
    colour: bool = False,
    width: int = DEFAULT_WIDTH,
) -> str:
    """A described key, then what is required and missing or forbidden and there.

    Args:
        description: What it says of itself.
        violations: Sentences.
        colour: Whether ANSI colours are added.
        width: Columns of the terminal.
    """
    paint = Paint(colour)
    name = f' "{description.key_name}"' if description.key_name else ""
    platform = description.api.value.capitalize()
    title = (
        f"{platform} key{name} (...{description.last_four}, fp {description.fingerprint[:FINGERPRINT_SHOWN]})"
    )
    lines = [paint.bold(line) for line in wrap(title, width, "")]
    for label, value in _rows(description):
        lines += wrap(value, width, f"  {label}".ljust(_COLUMN), " " * _COLUMN)
    if violations:
        lines.append("")
        for violation in violations:
            first, *rest = wrap(violation, width, "  ! ")
            lines += [f"  {paint.over('red', '!')}{first[3:]}", *rest]
    return "\n".join(lines)


def key_json(description: KeyDescription, violations: Sequence[str]) -> dict[str, JsonValue]:
    """A described key for programs. The IIBAN is shown by its end alone."""
    body: dict[str, JsonValue] = description.model_dump(mode="json")
    body["iiban"] = mask_tail(description.iiban) if description.iiban else None
    return {
        "format_version": FORMAT_VERSION,
        "ok": not violations,
        "key": body,
        "moves_funds": moves_funds(description),
        "open_to_the_world": not description.networks,
        "violations": [*violations],
    }


def _rows(key: KeyDescription) -> list[tuple[str, str]]:
    rows = []
    if key.iiban:
        rows.append(("account", f"IIBAN ending in {mask_tail(key.iiban)}"))
    if key.account_uid:
        rows.append(("account uid", key.account_uid))
    if key.api is Api.SPOT:
        rows.append(("can", ", ".join(key.permissions or ()) or "nothing"))
    else:
        rows += [("general", key.general or "not told"), ("transfer", key.transfer or "not told")]
    rows.append(("moves funds", FUNDS[moves_funds(key)]))
    where = ", ".join(map(str, key.networks))
    addresses = count_of_addresses(count_addresses(key.networks))
    rows.append(("from", f"{where} ({addresses})" if where else "anywhere: it has no allowlist"))
    if key.api is Api.DERIVATIVES:
        return [*rows, ("until", "not told: Derivatives keys show no expiry")]
    rows.append(("until", format_instant(key.valid_until) if key.valid_until else "no expiry"))
    for label, instant in (("data from", key.query_from), ("data to", key.query_to)):
        if instant:
            rows.append((label, format_instant(instant)))
    rows.append(("nonce window", str(key.nonce_window)))
    return rows
