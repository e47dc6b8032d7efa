"""Recognition: the secret of an adopted key is handed in, and compared with the one that the desk keeps.

How this works: quarantine first, as with every hand-in. Then both halves are compared with what lies at the
desk's own path, which is read and never written to. The same: it is recorded which key that is, the copy in
quarantine goes, and the key is asked what it is where that disturbs nobody. Another: it stays in quarantine,
is not asked, now or later, and the report names both. A stop at any point leaves everything as it was, and
the key can be handed in again.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from krakenstate.engine import daily
from krakenstate.engine.acceptance import find_differences
from krakenstate.engine.adoption import read_at
from krakenstate.engine.asking import Subject
from krakenstate.engine.identity import misplacement
from krakenstate.engine.observe import check_clock, subject_of, why_not_asked
from krakenstate.engine.session import Session, Writing
from krakenstate.errors import (
    CredentialMalformed,
    Interrupted,
    KrakenstateError,
    NotAccepted,
    QuarantineFailed,
    WrongAccount,
)
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.provenance import Provenance
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord, Published
from krakenstate.model.terms import KeyDescription
from krakenstate.secret.base import Held, Slot

SHOWN = 4
"""How many digits of a fingerprint are told."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at the desk's own path."""

    place: str
    credential: Credential


def is_compared(record: KeyRecord | None) -> bool:
    """Whether what is handed in for a key is compared with the one its process uses, and never published."""
    adopted = record.adopted if record is not None and record.is_as_adopted and not record.rotation else None
    return adopted is not None and adopted.vault_path is not None


def recognise(run: Writing, key: Key, credential: Credential, stored: Callable[[str], None]) -> Outcome:
    """Whether what was handed in is the adopted key, recorded; and what it says of itself, if it is asked.

    Args:
        run: Holds the lock.
        key: The declaration of one for which ``is_compared`` holds.
        credential: Its form was checked.
        stored: Told the place as soon as the secret is stored and read back.

    Raises:
        QuarantineFailed: It is not certain that the secret is stored, or another one lies there.
    """
    record = run.state.key(key.address)
    assert record is not None  # noqa: S101 - the caller looked
    slot, custody = run.session.shelf(record), run.session.custody
    _refuse_beside(run.session, key, slot, credential)
    kept = run.write(
        CallKind.STORE_QUARANTINE,
        key.address,
        {"fingerprint": credential.fingerprint},
        lambda: custody.store_quarantine(slot, credential),
    )
    stored(kept.path)
    place = custody.path_of(slot)
    there, problem = read_at(run.session, slot)
    held = custody.held(slot) if there else None
    if there is None or held is None:
        text = f"in quarantine: it cannot be compared with {place}: {problem or 'no key lies there'}"
        return Outcome(address=key.address, effect=Effect.FAILED, text=text)
    if not _is_same(there, credential):
        return _turn_away(run, record, credential, kept, Found(place, there))
    published = Published(
        fingerprint=credential.fingerprint,
        last_four=credential.last_four,
        path=place,
        version=held.version,
        at=run.now,
    )
    record = _known(record, published)
    run.state.put(record)
    run.save()
    _drop(run, key, slot)
    return _ask(run, key, record, credential, place)


def _is_same(one: Credential, other: Credential) -> bool:
    """Whether both halves are the same."""
    private = (c.api_secret.get_secret_value().encode() for c in (one, other))
    return one.api_key == other.api_key and hmac.compare_digest(*private)


def _known(record: KeyRecord, published: Published) -> KeyRecord:
    """The record of a key that was shown. What another one said of itself before is people's word of this."""
    before, told, adopted = record.published, record.description, record.adopted
    is_other = before is None or before.fingerprint != published.fingerprint
    if not is_other and before is not None:
        published = before.model_copy(update={"version": published.version})
    if told is not None:
        tail = {"fingerprint": published.fingerprint, "last_four": published.last_four}
        told = told.model_copy(update=tail)
    if adopted is not None and adopted.turned_away == published.fingerprint:
        adopted = adopted.model_copy(update={"turned_away": ""})
    return record.model_copy(
        update={
            "published": published,
            "description": told,
            "adopted": adopted,
            "provenance": Provenance.ATTESTED if is_other else record.provenance,
        }
    )


def _drop(run: Writing, key: Key, slot: Slot) -> None:
    run.write(
        CallKind.DROP_SECRET,
        key.address,
        {"place": Place.QUARANTINE.value},
        lambda: run.session.custody.drop(Place.QUARANTINE, slot),
    )


def _refuse_beside(session: Session, key: Key, slot: Slot, credential: Credential) -> None:
    """Makes sure that nothing in quarantine is written over.

    Raises:
        QuarantineFailed: Another key lies there: one that was turned away, or that came past this program.
    """
    try:
        left = session.custody.read(Place.QUARANTINE, slot)
    except CredentialMalformed:  # what is no key keeps none out
        return
    if left is None or _is_same(left, credential):
        return
    lying = (a.path for a in session.custody.arrivals([slot]) if a.place is Place.QUARANTINE)
    raise QuarantineFailed(
        f"Another key (fp {left.fingerprint[:SHOWN]}) lies in quarantine of {key.address}, and it may be the "
        "only copy. It is not written over.",
        next_step=f"Find out whose it is; then {_remove(next(lying, 'PATH'))}, and hand this one in again.",
        address=key.address,
        source=key.source,
    )


def _remove(path: str) -> str:
    return f"remove it: bao kv metadata delete {path}"


def _turn_away(run: Writing, record: KeyRecord, credential: Credential, kept: Held, desks: Found) -> Outcome:
    """Another key: the record says that this one is never to be asked, and nothing else changes."""
    there, place = desks.credential, desks.place
    found, expected = credential.fingerprint[:SHOWN], there.fingerprint[:SHOWN]
    what = f"key fp {found} was handed in, and key fp {expected} lies at {place}"
    then = (
        "Find out which one the process uses. If it is the one handed in, put that at the path yourself, and "
        "hand it in again. If it is the other, what lies in quarantine is in nobody's way: it is dropped, "
        f"unasked, when a rotation of this key begins, or when you {_remove(kept.path)}."
    )
    if credential.fingerprint == there.fingerprint:
        what = f"key fp {found} was handed in, and lies at {place} with another private half"
        then = (
            "One of the two was mistyped. Compare them where the process runs, and correct the path yourself "
            "if the mistake is there. The next settle drops what lies in quarantine; then hand it in again."
        )
    else:
        assert record.adopted is not None  # noqa: S101 - the caller looked
        changed = record.adopted.model_copy(update={"turned_away": credential.fingerprint})
        run.state.put(record.model_copy(update={"adopted": changed}))
        run.save()
    report = (
        f"What is handed in for {record.address} must be the key at {place}.\n\n"
        f"  handed in  fp {found}  ...{credential.last_four}  in quarantine at {kept.path}\n"
        f"  expected   fp {expected}  ...{there.last_four}  at {place}, which is not written to\n\n"
        f"Neither was asked. {then}\n"
    )
    return Outcome(
        address=record.address,
        effect=Effect.REJECTED,
        text=f"stays in quarantine: {what}",
        code=NotAccepted.code,
        report=report,
    )


def _ask(run: Writing, key: Key, record: KeyRecord, credential: Credential, place: str) -> Outcome:
    """What more can be known of a key that was recognised."""
    known = (
        f"it is the key at {place} (fp {credential.fingerprint[:SHOWN]}), where nothing was written; its "
        "copy in quarantine was dropped"
    )
    stays = f"what is known of it stays {(record.provenance or Provenance.ATTESTED).value}"
    try:
        said = _describe(run.session, key, record, credential)
    except Interrupted:
        raise
    except KrakenstateError as error:
        text = f"{known}. Asking it failed, and {stays}: {error.headline}. {error.message}"
        return Outcome(address=key.address, effect=Effect.FAILED, text=text, code=error.code)
    if isinstance(said, str):
        text = f"{known}. It was not asked, and {stays}: {said}"
        return Outcome(address=key.address, effect=Effect.UPDATED, text=text)
    wrong = misplacement(said, key.account, run.session.desired, run.state)
    if wrong is not None:
        text = f"{known}. {WrongAccount.headline}. {wrong.text} Nothing of that was recorded."
        return Outcome(address=key.address, effect=Effect.REJECTED, text=text, code=WrongAccount.code)
    changed = {"description": said, "described_at": run.now, "provenance": Provenance.OBSERVED}
    run.state.put(record.model_copy(update=changed))
    run.save()
    findings = find_differences(record, said)
    listed = "; ".join(finding.summary for finding in findings)
    how = f"otherwise than declared: {listed}" if findings else "as declared"
    text = f"{known}. It was asked, and describes itself {how} (observed)"
    return Outcome(address=key.address, effect=Effect.UPDATED, text=text)


def _describe(session: Session, key: Key, record: KeyRecord, credential: Credential) -> KeyDescription | str:
    """One question as to any key in service, or why it is not asked."""
    subject: Subject = subject_of(key, record)
    refusal = why_not_asked(session, key, record, credential.fingerprint)
    if refusal:
        return refusal
    inspector = session.providers.keys[key.api]
    if not inspector.takes_nonce:
        return session.asker.describe(inspector, subject, credential, None)
    answer = daily.ask(session, key, record, subject, credential, offset=check_clock(session))
    return daily.TAKEN if answer is None else answer
