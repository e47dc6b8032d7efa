"""What is written beside a published secret, for its process and for people."""

from __future__ import annotations

from krakenstate.engine.identity import known_iiban
from krakenstate.engine.session import Session, Writing
from krakenstate.errors import SecretDisappeared
from krakenstate.model.declarations import Key
from krakenstate.model.run import CallKind
from krakenstate.model.state import KeyRecord
from krakenstate.secret.base import Label


def label_of(session: Session, key: Key, record: KeyRecord, iiban: str | None) -> Label:
    """The label of a key in service."""
    head = session.desired.head
    return Label(
        stack=head.name,
        account=key.account.name,
        iiban=iiban,
        environment=head.environment.name,
        nonce_unit=record.terms.nonce_unit,
        key_name=record.key_name,
        generation=record.generation,
    )


def relabel(run: Writing, key: Key, record: KeyRecord) -> None:
    """Brings what is written beside a published secret up to date with the declaration.

    Raises:
        SecretDisappeared: It is not there, or another key is.
    """
    session = run.session
    slot = session.shelf(record)
    credential = session.custody.read_published(slot)
    published = record.published
    if credential is None or published is None or credential.fingerprint != published.fingerprint:
        raise SecretDisappeared(
            f"The key recorded for {key.address} is not at {session.custody.path_of(slot)}.",
            address=key.address,
            source=key.source,
        )
    iiban = record.description.iiban if record.description else None
    label = label_of(session, key, record, iiban or known_iiban(key.account, run.state))
    held = run.write(
        CallKind.PUBLISH,
        key.address,
        {"fingerprint": credential.fingerprint},
        lambda: session.custody.publish(slot, credential, label),
    )
    moved = published.model_copy(update={"version": held.version})
    run.state.put(record.model_copy(update={"published": moved}))
    run.save()
