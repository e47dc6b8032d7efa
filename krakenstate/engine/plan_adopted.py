"""Planning what was there before krakenstate: it is recorded, never created and never probed.

How this works: a key with ``key_name=`` or ``vault_path=`` exists by somebody's word, and so does the account
it sits on. What such a declaration asks for is a record; nothing is done at Kraken. Once recorded, the key is
compared like any other, with what people said of it until a report says more.
"""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.engine.diff import terms_values
from krakenstate.engine.outlook import Outlook, key_label, known_last_four
from krakenstate.engine.steps import additions, by_api, differences
from krakenstate.errors import AdoptionOver, AttributeFixed, KeyExpired, KeyOfNobody, KeyShared, KeyUnmanaged
from krakenstate.model.address import Address
from krakenstate.model.declarations import Account, Key
from krakenstate.model.desired import Desired
from krakenstate.model.inventory import InventoryEntry, speaks_of
from krakenstate.model.plan import Action, Check, Reason, Step
from krakenstate.model.snapshot import Arrival, Place
from krakenstate.model.state import AccountRecord, AccountStatus, KeyRecord, State
from krakenstate.model.task import TaskKind
from krakenstate.model.terms import KeyTerms

NOT_ASKED = "adopted, and in use: it is not asked"


def plan_adoption(key: Key, record: KeyRecord | None, look: Outlook) -> Step | None:
    """The step that records an adopted key, or that its declaration moved; ``None`` where neither is due.

    Nothing is while its first rotation is under way, nor afterwards: what was adopted is no more.

    Raises:
        AttributeFixed: A key that krakenstate itself brought into service cannot be adopted.
    """
    if not key.is_adopted:
        return None
    was_adopted = record is not None and record.adopted is not None
    if record is not None and was_adopted and (record.rotation or not record.is_as_adopted):
        return None
    if record is not None and not was_adopted and record.published is not None:
        raise AttributeFixed(
            f"{key.address} went into service through krakenstate, so it has a name and a path already; "
            "key_name= and vault_path= adopt what was there before.",
            address=key.address,
            source=key.source,
        )
    label = key_label(
        key.key_name or (record.key_name if record else None),
        known_last_four(record),
        look.label(key.account),
    )
    after = adopted_values(key)
    if record is None or record.adopted is None:
        approved = {**after, **terms_values(KeyTerms.of(key))}
        return by_api(
            key.address,
            Action.UPDATE,
            Reason.ADOPTED,
            label,
            note="it exists, as people attest: it is recorded, and nothing else is touched",
            after=approved,
            changes=additions(approved),
        )
    before = _recorded_values(record)
    if record.account != key.account.address or before == after:
        return None
    return by_api(
        key.address,
        Action.UPDATE,
        Reason.ADOPTED,
        label,
        note="recorded in the state alone",
        before=before,
        after=after,
        changes=differences(before, after),
    )


def plan_adopted_account(account: Account, record: AccountRecord | None, look: Outlook) -> Step | None:
    """The step that records an adopted account; ``None`` where none is due."""
    if not is_adopted(account, look.desired) or (
        record is not None and record.status is AccountStatus.EXISTS
    ):
        return None
    return by_api(
        account.address,
        Action.UPDATE,
        Reason.ADOPTED,
        f'account "{look.label(account)}"',
        note="it exists, as people attest: it is recorded, and nothing else is touched",
        after={"email": account.email},
        changes=additions({"email": account.email}),
    )


def is_adopted(account: Account, desired: Desired) -> bool:
    """Whether an account was there before: it says so, or a key that was there sits on it."""
    return bool(getattr(account, "adopted", False)) or account.identity in desired.adopted_accounts


def adopted_values(key: Key) -> dict[str, JsonValue]:
    """What is recorded of an adopted key beside its terms."""
    return {
        "account": str(key.account.address),
        "process": str(key.process.address),
        "key_name": key.key_name,
        "vault_path": key.vault_path,
    }


def _recorded_values(record: KeyRecord) -> dict[str, JsonValue]:
    assert record.adopted is not None  # noqa: S101 - the caller looked
    return {
        "account": str(record.account),
        "process": str(record.process),
        "key_name": record.key_name,
        "vault_path": record.adopted.vault_path,
    }


def taken_copy(record: KeyRecord, look: Outlook) -> Arrival | None:
    """What lies in quarantine beside a key in service, unless it is left there.

    It is where it was handed in as an adopted key and is another: nobody knows whether that one is in use.
    """
    copy = look.arrival(record.address, Place.QUARANTINE)
    return None if copy is not None and is_left(record, copy, look) else copy


def is_left(record: KeyRecord, copy: Arrival, look: Outlook) -> bool:
    """Whether what lies in quarantine of an adopted key is another, which nobody was asked to delete."""
    published = record.published
    if not record.is_as_adopted or record.awaits_successor or published is None:
        return False
    asked = (t.subject for t in look.state.tasks if t.kind is TaskKind.DELETE_KEY and t.subject)
    is_second = any(copy.fingerprint in {None, one} for one in asked)
    return copy.fingerprint != published.fingerprint and not is_second


def find_adoption_checks(look: Outlook) -> list[Check]:
    """Keys of the inventory that nobody manages, and adopted ones that are shared, expired or of nobody."""
    found: list[Check] = []
    for record in look.state.records:
        if not isinstance(record, KeyRecord) or record.adopted is None:
            continue
        if not record.is_as_adopted:
            found += _left_in_stack(record, look.desired)
            continue
        users, seen = record.adopted.used_by, record.description
        if record.adopted.is_shared:
            text = f"it is used by {' and '.join(users)}; two processes never share a key"
            found.append(Check(code=KeyShared.code, address=record.address, text=text))
        if not users:
            text = "nobody knows what uses it"
            found.append(Check(code=KeyOfNobody.code, address=record.address, text=text))
        if seen is not None and seen.valid_until is not None and seen.valid_until < look.now:
            text = f"it expired {seen.valid_until.date()} and is still listed"
            found.append(Check(code=KeyExpired.code, address=record.address, text=text))
    for entry in unmanaged(look.state, look.desired):
        where = f" on {entry.account}" if entry.account else ""
        text = f'key "{entry.name}"{where} is in the inventory and in no stack; it is not touched'
        found.append(Check(code=KeyUnmanaged.code, text=text))
    return found


def _left_in_stack(record: KeyRecord, desired: Desired) -> list[Check]:
    """What the declaration of a key that has replaced an adopted one says for nothing."""
    key = desired.resources.get(record.address)
    if not isinstance(key, Key) or not key.is_adopted:
        return []
    names = {"key_name=": key.key_name, "vault_path=": key.vault_path, "vault_fields=": key.vault_fields}
    said = [name for name, value in names.items() if value is not None]
    text = f"the adopted key is no longer in use; take {' and '.join(said)} out of its declaration"
    return [Check(code=AdoptionOver.code, address=record.address, text=text)]


def unmanaged(state: State, desired: Desired) -> list[InventoryEntry]:
    """Entries of the inventory that are neither declared nor recorded."""
    return [entry for entry in state.inventory if managed_by(entry, desired, state) is None]


def managed_by(entry: InventoryEntry, desired: Desired, state: State) -> Address | None:
    """The address at which a key of the inventory is declared or recorded."""
    declared = (key.address for key in desired.of(Key) if speaks_of(entry, key))
    recorded = (
        r.address for r in state.records if isinstance(r, KeyRecord) and _is_record_of(entry, r, state)
    )
    return next(declared, None) or next(recorded, None)


def _is_record_of(entry: InventoryEntry, record: KeyRecord, state: State) -> bool:
    account = state.account(record.account)
    names = {record.account.name}
    if account is not None:
        names |= {n for n in (account.username, account.email, account.iiban) if n}
    was = record.adopted.key_name if record.adopted else None
    return entry.name in {record.key_name, was} and entry.account.casefold() in {n.casefold() for n in names}
