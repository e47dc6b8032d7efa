"""The attributes of a key as a plan shows them: as declared, and as approved."""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.diff import terms_values
from krakenstate.model.declarations import Key
from krakenstate.model.state import KeyRecord
from krakenstate.model.terms import KeyTerms


def attributes_of(key: Key) -> dict[str, JsonValue]:
    """A key's declared attributes, as a plan shows them."""
    spans = {"rotate_every": key.rotate_every, "rotate_before": key.rotate_before, "overlap": key.overlap}
    return {
        **compared_values(key),
        **{name: f"{span.total_seconds() / 86400:g} days" for name, span in spans.items() if span},
    }


def compared_values(key: Key) -> dict[str, JsonValue]:
    """Those of them that a record holds too."""
    return {
        "account": str(key.account.address),
        "process": str(key.process.address),
        **terms_values(KeyTerms.of(key)),
    }


def recorded_values(record: KeyRecord) -> dict[str, JsonValue]:
    """A recorded key's attributes, as approved."""
    return {
        "account": str(record.account),
        "process": str(record.process),
        **terms_values(record.terms),
    }
