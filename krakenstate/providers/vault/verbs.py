"""Who makes a grant so: verb by verb, the API, people, or nobody."""

from __future__ import annotations

from collections.abc import Mapping

from krakenstate.model.declarations import Grant
from krakenstate.providers.base import Verb, Verbs

VERBS: Mapping[str, Verbs] = {
    Grant.type_name: Verbs(observe=Verb.NONE, create=Verb.MANUAL, update=Verb.MANUAL, delete=Verb.MANUAL),
}
