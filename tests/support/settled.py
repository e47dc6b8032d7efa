"""A desk of any size whose every key is in service as declared, put straight into state and store."""

from __future__ import annotations

import base64
import hashlib

from pydantic import SecretStr

from krakenstate import MasterAccount, Process, SpotKey
from krakenstate.engine.labels import label_of
from krakenstate.engine.plan_keys import FIRST_GENERATION, name_at_kraken
from krakenstate.engine.session import Session
from krakenstate.model.credential import Credential
from krakenstate.model.entry import Declaration
from krakenstate.model.provenance import Provenance
from krakenstate.model.state import KeyRecord, Published
from krakenstate.model.terms import KeyDescription, KeyTerms
from tests.support.world import World, spot_key


def settled_desk(world: World, accounts: int, keys: int) -> None:
    """So many accounts of so many Spot keys each, all published; nothing was asked for that."""
    declared: list[Declaration] = []
    for a in range(accounts):
        account = MasterAccount(name=f"a{a}", email=f"a{a}@desk.example")
        declared.append(account)
        for k in range(keys):
            process = Process(name=f"p{a}-{k}", owner="trading")
            declared += [process, spot_key(name=f"k{a}-{k}", account=account, process=process, expires=None)]
    world.declare(*declared)
    session = world.session()
    state = session.records.state.load()
    for key in session.desired.of(SpotKey):
        state.put(_in_service(world, session, key))
    session.records.state.save(state, world.clock())
    session.records.state.pack(state)


def _in_service(world: World, session: Session, key: SpotKey) -> KeyRecord:
    """Its record, after its secret was put where its process reads it."""
    seed = hashlib.sha512(key.name.encode()).digest()
    public = base64.b64encode(seed[:42]).decode()
    credential = Credential(api_key=SecretStr(public), api_secret=SecretStr(base64.b64encode(seed).decode()))
    terms = KeyTerms.of(key)
    record = KeyRecord(
        address=key.address,
        account=key.account.address,
        process=key.process.address,
        generation=FIRST_GENERATION,
        key_name=name_at_kraken(key, FIRST_GENERATION),
        terms=terms,
    )
    held = session.custody.publish(session.slot_of(key), credential, label_of(session, key, record, None))
    now = world.clock()
    published = Published(
        fingerprint=credential.fingerprint, last_four=credential.last_four, path=held.path, version=1, at=now
    )
    description = KeyDescription(
        api=key.api,
        fingerprint=credential.fingerprint,
        last_four=credential.last_four,
        key_name=record.key_name,
        permissions=terms.permissions,
        networks=terms.networks or (),
    )
    return record.model_copy(
        update={
            "published": published,
            "description": description,
            "described_at": now,
            "provenance": Provenance.OBSERVED,
        }
    )
