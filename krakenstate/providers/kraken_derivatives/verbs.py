"""Who makes a Derivatives key or subaccount so: verb by verb, the API, people, or nobody."""

from __future__ import annotations

from krakenstate.providers.base import Verb, Verbs

VERBS: dict[str, Verbs] = {
    "derivatives_key": Verbs(observe=Verb.API, create=Verb.MANUAL, update=Verb.MANUAL, delete=Verb.MANUAL),
    "derivatives_subaccount": Verbs(
        observe=Verb.API, create=Verb.MANUAL, update=Verb.API, delete=Verb.MANUAL
    ),
}
"""A link is made and undone by Kraken's support; only its trading switch has an API."""
