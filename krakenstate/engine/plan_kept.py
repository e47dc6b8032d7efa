"""The keys that nothing is to do about, found out in a few comparisons: nearly all, in nearly every plan."""

from __future__ import annotations

from krakenstate.engine.diff import is_plainly_so
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_rotation import why_rotate
from krakenstate.engine.reports import described_by
from krakenstate.model.declarations import Key
from krakenstate.model.provenance import Missing
from krakenstate.model.snapshot import Place
from krakenstate.model.state import KeyRecord
from krakenstate.model.terms import KeyTerms


def is_plainly_kept(key: Key, record: KeyRecord, look: Outlook) -> bool:
    """Whether a key in service is as declared and approved, not due, and nothing waits for it.

    False says nothing: it is then looked at in full. Nothing is made here, so that a key that is left alone
    costs a third of the time.
    """
    address = key.address
    if (
        record.published is None
        or record.removal is not None
        or record.rotation is not None
        or record.adopted is not None
        or key.key_name is not None
        or key.vault_path is not None
        or record.account != key.account.address
        or record.process != key.process.address
        or look.arrival(address, Place.QUARANTINE) is not None
        or look.state.has_open_task(address)
    ):
        return False
    seen = look.snapshot.of(address)
    known = described_by(record, seen)
    if known is None or seen.missing is Missing.UNREADABLE:
        return False
    terms = KeyTerms.of(key)
    return (
        (record.terms is terms or record.terms == terms)  # equal ones are shared, nearly always
        and is_plainly_so(terms, known)
        and why_rotate(key, record, look) is None
    )
