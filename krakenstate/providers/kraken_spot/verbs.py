"""Who makes a Spot key or an account so: verb by verb, the API, people, or nobody."""

from __future__ import annotations

from krakenstate.providers.base import Verb, Verbs

VERBS: dict[str, Verbs] = {
    "spot_key": Verbs(observe=Verb.API, create=Verb.MANUAL, update=Verb.MANUAL, delete=Verb.MANUAL),
    "spot_subaccount": Verbs(observe=Verb.API, create=Verb.API, update=Verb.NONE, delete=Verb.NONE),
    "master_account": Verbs(observe=Verb.API, create=Verb.NONE, update=Verb.NONE, delete=Verb.NONE),
}
"""Accounts are observed through the keys that sit on them. Where a master is not entitled to create
subaccounts, its relationship manager does (``request_subaccount``)."""
