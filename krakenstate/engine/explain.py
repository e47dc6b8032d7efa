"""Why a key has the rights it has, where its declaration names the calls its process makes."""

from __future__ import annotations

from krakenstate.model.calls import LEVELS, doubtful, explain
from krakenstate.model.declarations import DerivativesKey, Key, SpotKey
from krakenstate.model.entry import Declaration
from krakenstate.model.plan import Step
from krakenstate.model.terms import KeyTerms


def explained(step: Step, resource: Declaration) -> Step:
    """A step on a key's rights, with the calls each of them is there for."""
    if not isinstance(resource, SpotKey | DerivativesKey) or resource.calls is None:
        return step
    notes = _notes(resource)
    changes = tuple(
        change.model_copy(update={"note": notes[change.name]}) if change.name in notes else change
        for change in step.changes
    )
    return step.model_copy(update={"changes": changes})


def reasons_of(resource: Declaration | None, terms: KeyTerms) -> tuple[str, ...]:
    """A line for each right of a key that names its calls, then one on what is in doubt about them.

    None where the approved ``terms`` have other rights than the declaration has by now.
    """
    if (
        not isinstance(resource, Key)
        or not resource.reasons
        or _rights(KeyTerms.of(resource)) != _rights(terms)
    ):
        return ()
    lines = [explain({right: calls}) for right, calls in resource.reasons.items()]
    return (*lines, *_doubts(resource))


def _notes(key: SpotKey | DerivativesKey) -> dict[str, str]:
    """By the name of the attribute: what each right is there for."""
    if isinstance(key, SpotKey):
        found = {"permissions": explain(key.reasons) or "its calls need none"}
    else:
        found = dict.fromkeys(LEVELS, "none of its calls needs more")
        for right, calls in key.reasons.items():
            found[right.partition(" ")[0]] = f"for {', '.join(calls) or 'none of its calls'}"
    first = next(iter(found))
    return {**found, first: "; ".join([found[first], *_doubts(key)])}


def _rights(terms: KeyTerms) -> tuple[object, ...]:
    return terms.permissions, terms.general, terms.transfer


def _doubts(key: Key) -> list[str]:
    calls = doubtful(getattr(key, "calls", None) or ())
    return [f"in doubt by Kraken's pages: {', '.join(calls)}"] if calls else []
