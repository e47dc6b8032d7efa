"""Hand-in: a secret's way from a person's dialog to its process, for both platforms.

How this works: quarantine first, with check-and-set and read back, before anything else happens to a secret.
Then the key is asked once, from an admitted site, and compared with what was approved. As declared: published
to its process's path, and only then dropped from quarantine. Not as declared: it stays there, and the
acceptance report says what to correct. Of another account: dropped for good, and a task opened to delete the
key that now exists where nobody wanted it. A stop at any point leaves the secret in at least one of the
places.

The next generation of a key takes the same way while the one in service works on;
``rotation.py`` says what goes before its publication and what follows.
"""

from __future__ import annotations

from datetime import datetime

from krakenstate.engine.acceptance import find_differences
from krakenstate.engine.accounts import accept_account
from krakenstate.engine.asking import Subject, is_second_probe, second_probe_at
from krakenstate.engine.hand_in_nonces import hand_in_nonce
from krakenstate.engine.identity import Misplaced, misplacement, why_not_taken
from krakenstate.engine.labels import label_of
from krakenstate.engine.nonces import unit_of
from krakenstate.engine.reports import failure_of, hear_of
from krakenstate.engine.retirement import Retirement
from krakenstate.engine.rotation import Rotations
from krakenstate.engine.session import Writing
from krakenstate.engine.work import Work
from krakenstate.errors import (
    AuthenticationFailed,
    BreakerOpen,
    CredentialMalformed,
    HandInNotExpected,
    InvalidNonce,
    KrakenstateError,
    NotAccepted,
    QuarantineFailed,
    SecretDisappeared,
    TemporaryLockout,
    VaultError,
    WrongAccount,
)
from krakenstate.model.base import format_instant
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.provenance import Provenance
from krakenstate.model.report import Answer, Attempt
from krakenstate.model.rotation import Checked, Stage
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Place
from krakenstate.model.state import (
    Candidate,
    Declined,
    Finding,
    KeyRecord,
    Published,
    Verdict,
)
from krakenstate.model.task import TaskKind
from krakenstate.model.terms import KeyDescription
from krakenstate.secret.base import Delivery, Held, Slot
from krakenstate.tasks import life


class Handover:
    """Takes keys in and out of service during one writing run."""

    def __init__(self, run: Writing) -> None:
        self._run = run
        self._session = run.session
        self._work = Work(run)
        self._asker = run.session.asker
        self._rotations = Rotations(run)

    def ingest(self, key: Key) -> Outcome:
        """Takes a secret from the inbox into quarantine, empties the inbox, and verifies the key."""
        slot = self._slot(key)
        delivery = self._run.aside(lambda: self._session.custody.open_inbox(slot))
        if delivery is None:
            return _waiting(key, "the inbox is empty again")
        if delivery.credential is None:
            return self._declined(key, delivery)
        self.quarantine(key, delivery.credential)
        self._candidate(key, delivery.credential)
        self._run.save()
        self._empty_inbox(key, delivery)
        return self._verify(key, delivery.credential)  # as it was read back from quarantine

    def quarantine(self, key: Key, credential: Credential) -> Held:
        """Stores a secret in quarantine. Another key's that lies there is registered first.

        So the next look at what replaced it asks for the deletion of that key, whatever happens in between,
        and even if it was handed in beside another run and never looked at.

        Raises:
            QuarantineFailed: It is not certain that it is stored.
        """
        slot = self._slot(key)
        try:
            there = self._run.aside(lambda: self._session.custody.read(Place.QUARANTINE, slot))
        except CredentialMalformed:  # what is no key keeps none out
            there = None
        except VaultError as error:
            raise QuarantineFailed(
                f"{error.headline}. {error.message}", next_step=QuarantineFailed.remedy, address=key.address
            ) from error
        other = there if there is not None and there.fingerprint != credential.fingerprint else None
        if other is not None:
            self._candidate(key, other)
            self._run.save()
        replaces = other.fingerprint if other else None
        return self._run.write(
            CallKind.STORE_QUARANTINE,
            key.address,
            {"fingerprint": credential.fingerprint},
            lambda: self._session.custody.store_quarantine(slot, credential, replaces=replaces),
        )

    def verify(self, key: Key) -> Outcome:
        """Asks the key in quarantine, if this site may, and publishes, holds or rejects it."""
        slot = self._slot(key)
        credential = self._run.aside(lambda: self._session.custody.read(Place.QUARANTINE, slot))
        if credential is None:
            raise SecretDisappeared(
                f"The secret of {key.address} is no longer in quarantine.", address=key.address
            )
        return self._verify(key, credential)

    def _verify(self, key: Key, credential: Credential) -> Outcome:
        record = self._candidate(key, credential)
        if barred := why_not_taken(self._run.state, key.address, credential.fingerprint):
            return self._turned_away(key, record, barred)
        if rival := self._run.claim(credential.fingerprint, key.address):
            return self._later(key, f"{rival} is handed in with the same key")
        checked = record.rotation.checked if record.rotation else None
        if checked is not None and checked.fingerprint == credential.fingerprint:
            heard_at = checked.at if checked.provenance is Provenance.REPORTED else None
            return self._publish(key, record, credential, checked.description, heard_at=heard_at)
        return self._take(key, record, credential)

    def _take(self, key: Key, record: KeyRecord, credential: Credential) -> Outcome:
        """What becomes of a key that is looked at here alone."""
        urgent = record.rotation is not None and record.rotation.urgent
        subject = Subject(key.address, key.account.address, record.terms.networks)
        again = is_second_probe(record.candidate, self._run.now)
        refusal = self._asker.refusal(subject, credential.fingerprint, second_probe=again, urgent=urgent)
        if refusal or (record.candidate and record.candidate.verdict is Verdict.REFUSED):
            told = self._run.aside(
                lambda: hear_of(self._session, key, credential.fingerprint, record.candidate)
            )
            if told is not None:
                return self._on_report(key, record, credential, subject, told)
        if refusal:
            self._run.save()
            return _waiting(key, f"in quarantine: {refusal}")
        try:
            answer = self._ask(key, record, subject, credential, again=again)
        except (BreakerOpen, TemporaryLockout) as error:
            return self._held_off(key, error)
        except AuthenticationFailed as error:
            return self._refused(key, record, error)
        if isinstance(answer, str):
            self._run.save()
            return _waiting(key, f"in quarantine: {answer}")
        description = answer
        wrong = misplacement(description, key.account, self._session.desired, self._run.state)
        if wrong:
            return self._misplaced(key, record, credential, wrong)
        findings = find_differences(record, description)
        if findings:
            return self._differs(key, record, findings)
        for identity in filter(None, (description.iiban, description.account_uid)):
            if rival := self._run.claim(identity, key.account.identity):
                return self._later(key, f"a key of {rival} answers for the same account")
        return self._publish(key, record, credential, description)

    def _later(self, key: Key, why: str) -> Outcome:
        """Another job of this run is at work on the same thing, so the next settle looks at this key."""
        self._run.save()
        return _waiting(key, f"in quarantine: {why}; the next settle looks at this one")

    def _ask(
        self, key: Key, record: KeyRecord, subject: Subject, credential: Credential, *, again: bool
    ) -> KeyDescription | str:
        """One question, or why there is no nonce to ask it with."""
        inspector = self._session.providers.keys[key.api]
        urgent = record.rotation is not None and record.rotation.urgent
        if not inspector.takes_nonce:
            return self._asker.describe(
                inspector, subject, credential, None, second_probe=again, urgent=urgent
            )
        fingerprint = credential.fingerprint
        nonce = self._run.aside(lambda: hand_in_nonce(self._session, key, record, fingerprint))
        if isinstance(nonce, str):
            return nonce
        return self._run.write(
            CallKind.PROBE,
            key.address,
            {"fingerprint": fingerprint},
            lambda: self._asker.describe(
                inspector, subject, credential, nonce, second_probe=again, urgent=urgent
            ),
        )

    def _on_report(
        self, key: Key, record: KeyRecord, credential: Credential, subject: Subject, told: Answer | Attempt
    ) -> Outcome:
        """Publishes, holds or refuses a key on its host's word, which never drops its secret."""
        if isinstance(told, Attempt):
            self._asker.hear_of_failure(subject, credential.fingerprint, told.at, told.code)
            failure = failure_of(told)
            if isinstance(failure, TemporaryLockout) and record.candidate is not None:
                heard = record.candidate.model_copy(update={"asked_at": told.at})
                self._run.state.put(record.model_copy(update={"candidate": heard}))
                return self._held_off(key, failure)
            return self._refused(key, record, failure, heard_at=told.at)
        wrong = misplacement(told.description, key.account, self._session.desired, self._run.state)
        if findings := find_differences(record, told.description, wrong):
            return self._differs(key, record, findings, heard_at=told.at)
        return self._publish(key, record, credential, told.description, heard_at=told.at)

    def _held_off(self, key: Key, error: KrakenstateError) -> Outcome:
        """Says nothing about the key: another one's failures are in the way, so it waits for the breaker."""
        self._run.save()
        text = f"in quarantine: {error.headline}. {error.message} A settle asks it after the breaker."
        return Outcome(address=key.address, effect=Effect.WAITING, text=text, code=error.code)

    def _refused(
        self, key: Key, record: KeyRecord, error: AuthenticationFailed, *, heard_at: datetime | None = None
    ) -> Outcome:
        candidate = record.candidate
        assert candidate is not None  # noqa: S101 - verify registered it
        can_ask_again = unit_of(record.terms) is not None
        if isinstance(error, InvalidNonce) and candidate.fresh and can_ask_again:
            reason = (
                "the key is not fresh: somebody has used it; asked again later from the clock in its unit"
            )
            changed = candidate.model_copy(update={"fresh": False, "asked_at": heard_at or self._run.now})
        else:
            reason = error.headline + ": " + error.message
            again_at = None if heard_at else second_probe_at(candidate, error, self._run.now)
            if again_at is not None:
                reason += (
                    f" Kraken may not know a fresh key yet: asked once more after {format_instant(again_at)}."
                )
            changed = candidate.model_copy(
                update={
                    "verdict": Verdict.REFUSED,
                    "refusal": error.code,
                    "asked_at": heard_at or self._run.now,
                    "again_at": again_at,
                }
            )
        self._keep(key, changed)
        self._reject_task(key, reason)
        self._run.save()
        return Outcome(address=key.address, effect=Effect.REJECTED, text=reason, code=error.code)

    def _turned_away(self, key: Key, record: KeyRecord, barred: str) -> Outcome:
        """It is in service already. Its secret stays where its process reads it."""
        assert record.candidate is not None  # noqa: S101 - verify registered it
        reason = Retirement(self._run).turn_away(record, record.candidate, barred)
        return Outcome(address=key.address, effect=Effect.REJECTED, text=reason, code=HandInNotExpected.code)

    def _misplaced(self, key: Key, record: KeyRecord, credential: Credential, wrong: Misplaced) -> Outcome:
        self._reject_task(key, wrong.text)
        is_asked = Retirement(self._run).retire_candidate(key, record, wrong.text, wrong)
        what = "a task asks to delete it" if is_asked else "it was handed in for another address as well"
        return Outcome(
            address=key.address,
            effect=Effect.REJECTED,
            text=f"{WrongAccount.headline}. {wrong.text} Its secret was dropped; {what}.",
            code=WrongAccount.code,
            report=f"The rejected key ends in ...{credential.last_four}. {WrongAccount.remedy}",
        )

    def _differs(
        self, key: Key, record: KeyRecord, findings: tuple[Finding, ...], *, heard_at: datetime | None = None
    ) -> Outcome:
        candidate = record.candidate
        assert candidate is not None  # noqa: S101 - verify registered it
        before = candidate.findings
        changed = candidate.model_copy(update={"verdict": Verdict.DIFFERS, "findings": findings})
        if heard_at or before != findings:
            changed = changed.model_copy(update={"asked_at": heard_at or self._run.now})
        self._keep(key, changed)
        listed = "; ".join(f.summary for f in findings)
        report = self._work.correction(record, key.process.owner, findings)
        self._reject_task(key, f"not as declared: {listed}", report)
        self._run.save()
        if before == findings:
            return Outcome(
                address=key.address,
                effect=Effect.WAITING,
                text=f"in quarantine, still not as declared: {listed}",
                code=NotAccepted.code,
            )
        return Outcome(
            address=key.address,
            effect=Effect.REJECTED,
            text=f"stays in quarantine: {listed}",
            code=NotAccepted.code,
            report=report,
        )

    def _publish(
        self,
        key: Key,
        record: KeyRecord,
        credential: Credential,
        description: KeyDescription,
        *,
        heard_at: datetime | None = None,
    ) -> Outcome:
        slot, now = self._session.shelf(record), self._run.now
        rotation = record.rotation
        if rotation is not None:
            provenance = Provenance.REPORTED if heard_at else Provenance.OBSERVED
            checked = Checked(
                fingerprint=credential.fingerprint,
                description=description,
                at=heard_at or now,
                provenance=provenance,
            )
            rotation = self._rotations.put_aside(key, checked)
        label = label_of(self._session, key, record, description.iiban)
        held = self._run.write(
            CallKind.PUBLISH,
            key.address,
            {"fingerprint": credential.fingerprint},
            lambda: self._session.custody.publish(slot, credential, label),
        )
        self._run.state.put(
            record.model_copy(
                update={
                    "candidate": None,
                    "rotation": rotation,
                    "revoked": "",
                    "published": Published(
                        fingerprint=credential.fingerprint,
                        last_four=credential.last_four,
                        path=held.path,
                        version=held.version,
                        at=now,
                    ),
                    "description": description,
                    "described_at": heard_at or now,
                    "provenance": Provenance.REPORTED if heard_at else Provenance.OBSERVED,
                }
            )
        )
        accept_account(self._run, key.account, description, is_asked=heard_at is None)
        for task in self._run.state.open_tasks(key.address):
            if task.kind in {TaskKind.CREATE_KEY, TaskKind.SETTLE_UNKNOWN}:
                life.close(self._run.state, task, "the key is in service", now)
        if rotation is not None:
            self._rotations.published(key)
        Retirement(self._run).spare(key.address, credential.fingerprint)
        self._run.save()
        self._drop(key, Place.QUARANTINE, CallKind.DROP_SECRET)
        Retirement(self._run).turn_others_away(key.address, credential.fingerprint)
        return Outcome(
            address=key.address,
            effect=Effect.PUBLISHED,
            text=f"published at {held.path}, version {held.version}{', as reported' if heard_at else ''}",
        )

    def _candidate(self, key: Key, credential: Credential) -> KeyRecord:
        """Registers what lies in quarantine; another key than before asks for the earlier one's deletion.

        The record comes back as that of the key on its way in.
        """
        found = self._run.state.key(key.address)
        record = found.coming if found else None
        if record is None or record.is_in_use or record.revoked:
            raise SecretDisappeared(
                f"{key.address} does not wait for a key, so what lies in quarantine is not taken.",
                address=key.address,
                source=key.source,
            )
        known = record.candidate
        if known is not None and known.fingerprint == credential.fingerprint:
            return record
        if known is not None:
            why = "another key was handed in instead of it; if it still exists, nobody uses it"
            Retirement(self._run).ask_for_deletion(key, record, why)
        return self._keep(
            key,
            Candidate(
                fingerprint=credential.fingerprint,
                last_four=credential.last_four,
                received_at=self._run.now,
            ),
        )

    def _keep(self, key: Key, candidate: Candidate) -> KeyRecord:
        """Records what is known of the key in quarantine; the record of that key comes back."""
        record = self._run.state.key(key.address)
        assert record is not None  # noqa: S101 - it was registered
        rotation = record.rotation
        if rotation is not None and rotation.stage is Stage.REQUESTED:
            rotation = rotation.model_copy(update={"stage": Stage.RECEIVED})
        record = record.model_copy(update={"candidate": candidate, "rotation": rotation})
        self._run.state.put(record)
        return record.coming

    def _declined(self, key: Key, delivery: Delivery) -> Outcome:
        """Leaves what is no key where it is, and remembers that this version was looked at."""
        record = self._run.state.key(key.address)
        if record is not None:
            declined = Declined(version=delivery.version, written_at=delivery.written_at)
            self._run.state.put(record.model_copy(update={"declined": declined}))
        return Outcome(
            address=key.address, effect=Effect.FAILED, text=delivery.problem, code=CredentialMalformed.code
        )

    def _empty_inbox(self, key: Key, taken: Delivery) -> None:
        """Removes what was taken, unless something newer came meanwhile: that waits for the next settle."""
        emptied = self._run.write(
            CallKind.EMPTY_INBOX,
            key.address,
            {"place": Place.INBOX.value},
            lambda: self._session.custody.empty_inbox(self._slot(key), taken),
        )
        if not emptied:
            self._session.audience.say(
                f"{key.address}: version {taken.version} of {taken.path} was taken, and a newer one came "
                "meanwhile. It stays there, and the next settle looks at it."
            )

    def _reject_task(self, key: Key, reason: str, correction: str = "") -> None:
        for task in self._run.state.open_tasks(key.address):
            if task.kind is TaskKind.CREATE_KEY:
                life.reject(self._run.state, task, reason, correction)

    def _drop(self, key: Key, place: Place, kind: CallKind) -> None:
        slot = self._slot(key)
        self._run.write(
            kind, key.address, {"place": place.value}, lambda: self._session.custody.drop(place, slot)
        )

    def _slot(self, key: Key) -> Slot:
        record = self._run.state.key(key.address)
        return self._session.shelf(record) if record else self._session.slot(key.process.address, key.address)


def _waiting(key: Key, text: str) -> Outcome:
    return Outcome(address=key.address, effect=Effect.WAITING, text=text)
