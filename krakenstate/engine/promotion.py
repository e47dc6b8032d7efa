"""Which Spot keys are new or changed here, and whether the stack they are promoted from has verified them.

How this works: a stack that declares ``promotes_from`` reads the records of another stack, when a key's
configuration is not the one that was approved here, and only then. What counts there is what a key said of
itself, when it was asked or in a report from its process, and only while it is as that stack declares it: a
person's word verifies nothing. Records that cannot be read are never taken for records that hold nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from krakenstate.engine.diff import compare_terms
from krakenstate.engine.guardrails import guarded
from krakenstate.engine.moves import foreseen
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.reports import SKEW, known_of
from krakenstate.engine.session import Session
from krakenstate.errors import StateError, StateOfAnother, VaultError
from krakenstate.model.base import format_instant
from krakenstate.model.declarations import SpotKey
from krakenstate.model.desired import Desired
from krakenstate.model.plan import Plan
from krakenstate.model.promotion import Promotion
from krakenstate.model.proof import Configuration, Promoted, Proof
from krakenstate.model.provenance import Provenance
from krakenstate.model.snapshot import Observation, Snapshot
from krakenstate.model.state import KeyRecord, State
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Api

_VERIFIES = frozenset({Provenance.OBSERVED, Provenance.REPORTED})


def judged(plan: Plan, look: Outlook, session: Session) -> Plan:
    """The plan, with the proofs that its steps rest on and with what the policy finds."""
    found = promotions(session, look, plan)
    return guarded(with_proofs(plan, found), look, session.guard, promotions=found)


def promotions(session: Session, look: Outlook, plan: Plan) -> tuple[Promoted, ...]:
    """Every key that a plan makes or changes and that has to be verified elsewhere first, with its proof.

    Args:
        session: Its desired state says from which stack keys are promoted, if from any.
        look: What the plan was made from.
        plan: What is proposed; a key that nothing is proposed for waits for the plan that does.
    """
    promotion = session.desired.head.promotes_from
    if promotion is None:
        return ()
    proposed = {step.address for step in plan.proposals}
    renamed, _ = foreseen(look.desired, look.state)
    keys = [k for k in new_or_changed(look.desired, renamed, look.snapshot) if k.address in proposed]
    if not keys:
        return ()
    try:
        there, seen = read_upstream(session, promotion)
    except (VaultError, StateError) as problem:
        why = f"{problem.headline}. {problem.message}"
        return tuple(Promoted(k.address, promotion.stack, why_not=why, unread=problem.code) for k in keys)
    now = session.clock()
    return tuple(find_proof(key, promotion, there, seen, now) for key in keys)


def with_proofs(plan: Plan, found: Iterable[Promoted]) -> Plan:
    """The plan, whose steps name the key that was verified elsewhere, and when."""
    told = {promoted.address: _told(promoted) for promoted in found if promoted.proof is not None}
    if not told:
        return plan
    steps = tuple(
        step.model_copy(update={"note": "; ".join(filter(None, (step.note, told[step.address])))})
        if step.address in told
        else step
        for step in plan.steps
    )
    return plan.model_copy(update={"steps": steps})


def new_or_changed(desired: Desired, state: State, seen: Snapshot) -> list[SpotKey]:
    """The declared Spot keys whose configuration is not one that was approved here, by address.

    Not those that are only observed. An adopted key is recorded as it is: what it was counts as approved,
    and not what was declared of it.
    """
    return [
        key
        for key in desired.of(SpotKey)
        if not key.observe_only and _is_new(key, state.key(key.address), seen.of(key.address))
    ]


def find_proof(
    key: SpotKey, promotion: Promotion, there: State, seen: Snapshot | None, now: datetime
) -> Promoted:
    """The newest verification of a key's configuration in another stack, its namesake's before others'.

    Args:
        key: As declared here.
        promotion: From where, and how old a verification may be.
        there: The other stack's state.
        seen: What was last observed there.
        now: The instant from which ages count.
    """
    wanted = Configuration.of(KeyTerms.of(key))
    alike = [record for record in _spot_keys(there) if Configuration.of(record.terms) == wanted]
    proofs = sorted(
        (proof for record in alike for proof in _proofs(record, seen) if proof.at <= now + SKEW),
        key=lambda proof: (proof.at, proof.address),
    )
    in_time = [proof for proof in proofs if _counts(proof, promotion, now)]
    namesakes = [proof for proof in in_time if proof.address == key.address]
    if in_time:
        return Promoted(key.address, promotion.stack, proof=(namesakes or in_time)[-1])
    if proofs:
        last = proofs[-1]
        why = f"{last.address} had it on {last.at.date()}, {(now - last.at).days} days ago"
    else:
        why = _nearest(key, wanted, there)
    return Promoted(key.address, promotion.stack, why_not=why)


def _told(promoted: Promoted) -> str:
    proof = promoted.proof
    assert proof is not None  # noqa: S101 - the caller looked
    return (
        f"the same configuration was verified in {promoted.stack}: {proof.address}, {proof.provenance.value} "
        f"{format_instant(proof.at)}"
    )


def _is_new(key: SpotKey, record: KeyRecord | None, seen: Observation) -> bool:
    terms = KeyTerms.of(key)
    if record is None:
        return not key.is_adopted
    if record.adopted is None or not record.is_as_adopted:
        return Configuration.of(terms) not in {Configuration.of(r.terms) for r in (record, record.coming)}
    was = record.description or known_of(record, seen).description
    return was is not None and any(
        change.name in {"permissions", "nonce_window"}
        or (change.name in {"ip_allowlist", "expires"} and bool(change.before) != bool(change.after))
        for change in compare_terms(terms, was)
    )


def verified_upstream(session: Session, promotion: Promotion) -> list[Proof]:
    """The Spot keys of the other stack that said in time that they are as it declares them, by address.

    Raises:
        StateError, VaultError: Its records cannot be read.
    """
    there, seen = read_upstream(session, promotion)
    now = session.clock()
    proofs = [proof for record in _spot_keys(there) for proof in _proofs(record, seen)]
    return [proof for proof in proofs if _counts(proof, promotion, now)]


def read_upstream(session: Session, promotion: Promotion) -> tuple[State, Snapshot | None]:
    """The other stack's state and last snapshot.

    Raises:
        StateOfAnother: What lies at the path does not belong to that stack, or speaks of the same Kraken.
        StateError, VaultError: It cannot be read.
    """
    upstream = session.records.upstream
    assert upstream is not None  # noqa: S101 - the composition root opens it where promotes_from is declared
    there = upstream.state.load()
    index, head = there.index, session.desired.head
    if index.stack != promotion.stack:
        raise StateOfAnother(
            f"The state at {upstream.state.location} is of the stack {index.stack}, not {promotion.stack}."
        )
    if index.environment == head.environment.name or index.spot_origin == session.origins.spot:
        raise StateOfAnother(
            f"The stack {index.stack} is of the environment {index.environment} at {index.spot_origin}, and "
            f"this one of {head.environment.name} at {session.origins.spot}: nothing is tried out where it "
            "counts already."
        )
    seen = upstream.snapshots.load_snapshot()
    return there, seen if seen is not None and seen.lineage == index.lineage else None


def _spot_keys(there: State) -> list[KeyRecord]:
    return [r for r in there.records if isinstance(r, KeyRecord) and r.terms.api is Api.SPOT]


def _counts(proof: Proof, promotion: Promotion, now: datetime) -> bool:
    """Whether a proof is neither too old nor from a clock that is ahead."""
    return -SKEW <= now - proof.at <= promotion.within


def _proofs(record: KeyRecord, seen: Snapshot | None) -> Iterator[Proof]:
    """What the key in service said of itself last, while it is as declared there."""
    if not record.is_in_use:
        return
    if seen is None:
        known = (record.description, record.provenance, record.described_at)
    else:
        newest = known_of(record, seen.of(record.address))
        known = (newest.description, newest.provenance, newest.at)
    description, provenance, at = known
    if description is None or provenance not in _VERIFIES or at is None:
        return
    if not compare_terms(record.terms, description):
        yield Proof(record.address, at, provenance)


def _nearest(key: SpotKey, wanted: Configuration, there: State) -> str:
    """Of the key of the same name, else of none in particular."""
    record = there.key(key.address)
    if record is None:
        return f"no key there has it, and none is called {key.address}"
    found = Configuration.of(record.terms)
    if found == wanted:
        return f"{record.address} there is declared so, and has not yet said so itself"
    return f"{record.address} there differs in {', '.join(wanted.differences(found))}"
