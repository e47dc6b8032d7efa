"""The keys that nothing is to do about, found out in a few comparisons: nearly all, in nearly every plan."""

from __future__ import annotations

from krakenstate.engine.diff import is_plainly_so
from krakenstate.engine.outlook import Outlook, key_label
from krakenstate.engine.plan_rotation import why_rotate
from krakenstate.engine.reports import described_by
from krakenstate.engine.steps import in_sync
from krakenstate.model.declarations import Key
from krakenstate.model.plan import Step
from krakenstate.model.provenance import Missing
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord
from krakenstate.model.terms import KeyTerms


def plan_plainly_kept(key: Key, record: KeyRecord, look: Outlook) -> Step | None:
    """The step of a key in service that is as declared and approved, not due, and waited for by nothing.

    ``None`` says nothing: the key is then looked at in full. Nothing but the step is made here, so that a key
    that is left alone costs a third of the time.
    """
    address, account, published = key.address, key.account, record.published
    if (
        published is None
        or record.removal is not None
        or record.rotation is not None
        or record.adopted is not None
        or key.key_name is not None
        or key.vault_path is not None
        or record.account != account.address
        or record.process != key.process.address
        or look.arrival(address, Place.QUARANTINE) is not None
        or look.state.has_open_task(address)
    ):
        return None
    seen = look.snapshot.of(address)
    known = described_by(record, seen)
    if known is None or seen.missing is Missing.UNREADABLE:
        return None
    terms = KeyTerms.of(key)
    if (
        (record.terms is terms or record.terms == terms)  # equal ones are shared, nearly always
        and is_plainly_so(terms, known)
        and why_rotate(key, record, seen.description, look.now) is None
    ):
        return in_sync(address, key_label(record.key_name, published.last_four, look.label(account)))
    return None
