"""Hosts of processes on trial: they report of their keys truly, late, or not at all truly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from krakenstate.engine.people import as_declared
from krakenstate.engine.reporting import Here, report_here
from krakenstate.errors import InvalidKey, InvalidNonce, TemporaryLockout
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.report import Answer, Attempt, Evidence
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.sim.world import fingerprint
from tests.support.stock import OTHER
from tests.support.trial import Trial
from tests.support.world import COLO, HEAD, STATE

HERE = Here("bot@colo-1", "colo-1")
LIES: tuple[Mapping[str, Any], ...] = (
    {},
    {"networks": COLO.networks},
    {"permissions": ("query-funds", "withdraw-funds")},
    {"general": "full_access", "transfer": "full_access"},
    {"iiban": OTHER.iiban},
    {"account_uid": "7d1b4f0e-0000-4000-8000-000000000000"},
    {"key_name": "another"},
    {"nonce": 2**64 - 1},
)
"""In what a host can say something else than what is declared; nothing is a key exactly as declared."""
REJECTIONS = ("", InvalidKey.code, InvalidNonce.code, TemporaryLockout.code, "KS9999")
AGES = (timedelta(), timedelta(minutes=-1), timedelta(minutes=6), timedelta(days=6), timedelta(days=20))
NONSENSE: tuple[dict[str, Any], ...] = ({}, {"format_version": 2}, {"stack": "prod", "address": "x"})


def report(trial: Trial, key: Key) -> None:
    """As ``krakenstate key verify ADDRESS --report``: a host asks its key and leaves what it said."""

    def ask() -> None:
        description, _ = report_here(trial.world.session(trial.site), key, HERE)
        trial.books.texts.append(description.model_dump_json())

    trial.run(ask)


def forge(
    trial: Trial, key: Key, of: Credential, *, lie: Mapping[str, Any], code: str, age: timedelta
) -> None:
    """A host writes what it likes about a key that really is on the declared account.

    One that belongs elsewhere is left out, and so are krakenstate's own keys, whose host is its own: to be
    lied to about those is to have published a key that can never do its work.
    """
    accounts = trial.world.simulation.world.accounts
    account = next((a for a in accounts if a.email == key.account.email), None)
    if key.controls or account is None:
        return
    if of.fingerprint not in {fingerprint(k.public) for k in (*account.spot_keys, *account.derivatives_keys)}:
        return
    at = trial.world.clock() - age
    described = KeyDescription(
        api=key.api,
        fingerprint=of.fingerprint,
        last_four=of.last_four,
        key_name=f"{key.name}-g1",
        iiban=account.iiban,
        account_uid=account.account_uid,
    )
    said = as_declared(described, KeyTerms.of(key)).model_copy(update=dict(lie))
    answer = Answer(at=at, who=HERE.who, host=HERE.host, krakenstate_version="test", description=said)
    attempt = Attempt(fingerprint=of.fingerprint, at=at, nonce=str(lie.get("nonce", 990)), code=code)
    told = Evidence(stack=HEAD.name, address=key.address, attempt=attempt, answer=answer)
    leave(trial, key, told.model_dump(mode="json"))


def leave(trial: Trial, key: Key, data: Mapping[str, Any]) -> None:
    """A process writes to the one place where it may."""
    path = f"{STATE}/evidence/{key.process.name}/{key.address}"
    head = trial.world.kv.metadata(path)
    trial.world.kv.write(path, data, head.version if head else 0)
