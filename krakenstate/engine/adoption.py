"""Adoption: recording what was there before krakenstate, by somebody's word.

How this works: nothing is asked at Kraken, and nothing of the desk's own is written to. Where an adopted
key's secret lies in Vault it is read once, for its fingerprint, so that the key can be told from others. What
people wrote down in the inventory becomes the key's description, with the provenance ``attested``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from krakenstate.engine.accounts import new_account_record
from krakenstate.engine.observe import subject_of
from krakenstate.engine.plan_adopted import is_adopted
from krakenstate.engine.plan_keys import name_at_kraken
from krakenstate.engine.session import Session, Writing
from krakenstate.errors import CredentialMalformed, VaultDenied
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Account, DerivativesSubaccount, Key, MasterAccount, VaultFields
from krakenstate.model.entry import Declaration
from krakenstate.model.inventory import UNKNOWN_OWNER, InventoryEntry, speaks_of
from krakenstate.model.provenance import Provenance
from krakenstate.model.rotation import ADOPTED_GENERATION
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.state import AccountStatus, Adoption, KeyRecord, Published, State
from krakenstate.model.task import Attestation, TaskKind
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.secret.base import Slot
from krakenstate.tasks import life

NOTHING_THERE = "no key lies there"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lies at a path of the desk's own: a key's fingerprint, or why none was read."""

    path: str
    fingerprint: str | None = None
    problem: str = ""


def keep_inventory(
    run: Writing, rows: Iterable[InventoryEntry], known: Iterable[str], who: str
) -> tuple[int, int]:
    """Keeps a table's rows in the state; how many are new and how many were changed.

    Args:
        run: Holds the lock.
        rows: As read.
        known: The fields the table has columns for; the others of an entry stay as they were.
        who: Who adds them.
    """
    before = {entry.identity: entry for entry in run.state.inventory}
    fields, now = frozenset(known), run.now
    added, changed, kept = 0, 0, []
    for row in rows:
        earlier = before.get(row.identity)
        entry = row
        if earlier is not None:
            entry = earlier.model_copy(update={name: getattr(row, name) for name in fields})
            if entry == earlier:
                continue
        added, changed = added + (earlier is None), changed + (earlier is not None)
        kept.append(entry.model_copy(update={"added_by": who, "added_at": now}))
    if kept:
        run.state.put_inventory(kept)
        run.write(
            CallKind.KEEP_INVENTORY, f"stack.{run.session.desired.head.name}", {"keys": len(kept)}, run.save
        )
    return added, changed


def look_at(session: Session, path: str, api: Api, fields: VaultFields) -> Shelf:
    """What lies at a path of the desk's own. Vault is asked, Kraken is not."""
    slot = Slot(
        process="",
        address=f"{'spot_key' if api is Api.SPOT else 'derivatives_key'}.x",
        path=path,
        fields=fields,
    )
    credential, problem = read_at(session, slot)
    return Shelf(path, credential.fingerprint if credential else None, problem)


def linked(session: Session, state: State) -> list[DerivativesSubaccount]:
    """Links that Kraken lists and the stack does not declare, where a controller of ours may be asked."""
    known = {account.email for account in session.desired.of(Account)}
    found: list[DerivativesSubaccount] = []
    for master in session.desired.of(MasterAccount):
        for email in _list_links(session, state, master):
            if email.casefold() not in known:
                name = re.sub(r"[^a-z0-9]+", "-", email.partition("@")[0].casefold()).strip("-")
                made = DerivativesSubaccount(
                    name=f"link-{name}"[:63], master=master, email=email, adopted=True
                )
                known.add(made.email)
                found.append(made)
    return found


def _list_links(session: Session, state: State, master: MasterAccount) -> list[str]:
    """The e-mail addresses of a master's links; none where nobody may be asked."""
    controller = session.desired.controller(master, Api.DERIVATIVES)
    record = state.key(controller.address) if controller else None
    account = state.account(master.address)
    uid = account.account_uid if account else None
    if (
        controller is None
        or record is None
        or record.published is None
        or record.is_as_adopted
        or uid is None
    ):
        return []
    subject, links = subject_of(controller, record), session.providers.links
    refusal = session.asker.refusal(subject, record.published.fingerprint)
    credential = None if refusal else session.custody.read_published(session.shelf(record))
    if credential is None:
        session.audience.say(f"{controller.address} is not asked for links: {refusal or NOTHING_THERE}")
        return []
    listed = session.asker.call(
        subject, credential, lambda: links.list_links(credential, uid), kind=SignedCall.LIST_LINKS
    )
    return [link.email for link in listed.links]


def adopt_everything(run: Writing, who: str) -> int:
    """Records every adopted account and key of the stack that is not recorded; how many."""
    desired, count = run.session.desired, 0
    keys = desired.of(Key)
    for account in desired.of(Account):
        known = run.state.account(account.address)
        exists = known is not None and known.status is AccountStatus.EXISTS
        if not exists and (isinstance(account, MasterAccount) or is_adopted(account, desired)):
            put_account(run, account, who)
            count += 1
    for key in keys:
        if key.is_adopted and run.state.key(key.address) is None:
            put_key(run, key, who)
            count += 1
    run.write(CallKind.ADOPT, f"stack.{desired.head.name}", {"records": count}, run.save)
    return count


def adopt(run: Writing, resource: Declaration) -> Outcome:
    """Records one adopted account or key, as a plan proposed."""
    who = run.lease.lock.who
    if isinstance(resource, Key):
        put_key(run, resource, who)
    else:
        assert isinstance(resource, Account)  # noqa: S101 - nothing else is adopted
        put_account(run, resource, who)
    run.write(CallKind.ADOPT, resource.address, {}, run.save)
    return Outcome(address=resource.address, effect=Effect.UPDATED, text=f"recorded as attested by {who}")


def put_account(run: Writing, account: Account, who: str) -> None:
    """Records in memory that an account is there."""
    known = run.state.account(account.address)
    record = known or new_account_record(account, AccountStatus.EXISTS)
    _cancel(run, account.address)
    run.state.put(
        record.model_copy(
            update={
                "status": AccountStatus.EXISTS,
                "existed_at": run.now,
                "provenance": Provenance.ATTESTED,
                "adopted": Attestation(by=who, at=run.now, note="it was there before krakenstate"),
            }
        )
    )
    life.unblock(run.state, account.address)


def put_key(run: Writing, key: Key, who: str) -> KeyRecord:
    """Records in memory that a key is there, as the inventory and its declaration describe it."""
    record = record_of(run.session, key, run.state.inventory, who, run.now)
    _cancel(run, key.address)
    run.state.put(record)
    return record


def record_of(
    session: Session, key: Key, inventory: Iterable[InventoryEntry], who: str, now: datetime
) -> KeyRecord:
    """An adopted key's record; its secret is read from the path it lies at, if there is one."""
    entry = next((e for e in inventory if speaks_of(e, key)), None)
    record = KeyRecord(
        address=key.address,
        account=key.account.address,
        process=key.process.address,
        generation=ADOPTED_GENERATION,
        key_name=name_at_kraken(key, ADOPTED_GENERATION),
        terms=KeyTerms.of(key),
        described_at=now,
        provenance=Provenance.ATTESTED,
        protect=key.protect,
        adopted=adoption_of(key, entry, who, now),
    )
    credential, slot = None, session.shelf(record)
    if key.vault_path is not None:
        credential, problem = read_at(session, slot)
        if problem:
            session.audience.say(f"{key.address}: {session.custody.path_of(slot)}: {problem}")
    held = session.custody.held(slot) if credential else None
    published = None
    if credential is not None and held is not None:
        published = Published(
            fingerprint=credential.fingerprint,
            last_four=credential.last_four,
            path=session.custody.path_of(slot),
            version=held.version,
            at=now,
        )
    told = _describe(key, entry, credential)
    return record.model_copy(update={"published": published, "description": told})


def adoption_of(key: Key, entry: InventoryEntry | None, who: str, now: datetime) -> Adoption:
    """What a declaration and the desk's list say of a key that was there before."""
    users = entry.used_by if entry else ()
    if not users and key.process.owner != UNKNOWN_OWNER:
        users = (key.process.name,)  # since the list was made, somebody found out
    return Adoption(
        by=who,
        at=now,
        key_name=name_at_kraken(key, ADOPTED_GENERATION),
        vault_path=key.vault_path,
        fields=key.vault_fields or VaultFields(),
        used_by=users,
        last_used=entry.last_used if entry else None,
    )


def _describe(key: Key, entry: InventoryEntry | None, credential: Credential | None) -> KeyDescription:
    """What people said of a key: the inventory's word, else the declaration's."""
    terms = KeyTerms.of(key)

    def said(name: str) -> object:
        told = getattr(entry, name) if entry is not None else None
        return told if told is not None else getattr(terms, name)

    texts: Mapping[str, object] = {
        "permissions": said("permissions"),
        "general": said("general"),
        "transfer": said("transfer"),
        "networks": said("networks") or (),
        "valid_until": _noon(entry.expires if entry and entry.expires else terms.expires),
        "query_from": _noon(terms.query_from),
        "query_to": _noon(terms.query_to),
        "nonce_window": terms.nonce_window,
        "last_used_at": _noon(entry.last_used if entry else None),
    }
    return KeyDescription(
        api=key.api,
        fingerprint=credential.fingerprint if credential else "",
        last_four=credential.last_four if credential else "",
        key_name=key.key_name,
    ).model_copy(update=dict(texts))


def _noon(day: date | None) -> datetime | None:
    return datetime.combine(day, time(12), tzinfo=UTC) if day else None


def read_at(session: Session, slot: Slot) -> tuple[Credential | None, str]:
    """What lies at a path of the desk's own, or why there is no key to be had from it."""
    try:
        found = session.custody.read_published(slot)
    except (CredentialMalformed, VaultDenied) as error:
        return None, error.message
    return found, "" if found else NOTHING_THERE


def _cancel(run: Writing, address: str) -> None:
    """Nobody need make what is there."""
    making = {
        TaskKind.CREATE_KEY,
        TaskKind.REQUEST_SPOT_SUBACCOUNT,
        TaskKind.LINK_DERIVATIVES,
        TaskKind.SETTLE_UNKNOWN,
    }
    for task in run.state.open_tasks(address):
        if task.kind in making and not task.subject:
            life.cancel(run.state, task, "it was adopted", run.now)
