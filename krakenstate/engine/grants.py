"""Grants that this program installs itself: ``manage=True``.

How this works: the place of what will be made is recorded before anything is written, so that a run which
dies in between leaves nothing that no record speaks of. The rights for all of it are asked for first. The
policy is written before the role that names it, and removed after it; each is read again, and a difference
is an error. Removed is only what bears this stack's prefix, is recorded, and is no other grant's by now.
"""

from __future__ import annotations

from collections.abc import Sequence

from krakenstate.engine.outlook import PolicyText
from krakenstate.engine.session import Session, Writing
from krakenstate.engine.work import Work, policies_of
from krakenstate.errors import GrantNotManageable, GrantNotTaken, KrakenstateError, VaultDenied
from krakenstate.model.address import Address
from krakenstate.model.declarations import Grant
from krakenstate.model.plan import Action, Step
from krakenstate.model.provenance import Fact, Missing, Provenance
from krakenstate.model.run import CallKind, Effect, Outcome
from krakenstate.model.snapshot import Observation, Presence
from krakenstate.model.state import GrantRecord, State
from krakenstate.model.task import Attestation, Task
from krakenstate.providers.base import GrantAdministrator
from krakenstate.tasks import life


def grant_record(grant: Grant, policy: PolicyText) -> GrantRecord:
    """What is recorded of a declared grant before anything is known of it."""
    return GrantRecord(
        address=grant.address,
        process=grant.process.address,
        policy_name=policy.name,
        policy=policy.text,
        role_place=policy.role_place,
        role=policy.role,
        managed=grant.manage,
        protect=grant.protect,
    )


def observe_grants(session: Session, state: State) -> list[Observation]:
    """What stands where managed grants have, or had, their policy and role. Others are not read."""
    places: dict[Address, PolicyText] = {}
    for record in state.records:
        if isinstance(record, GrantRecord) and record.managed:
            places[record.address] = _recorded(session, record)
    declared = policies_of(session.desired, session.providers.grants)
    places.update({g.address: declared[g.address] for g in session.desired.of(Grant) if g.manage})
    return [_observe(session, address, policy) for address, policy in sorted(places.items())]


def _observe(session: Session, address: Address, policy: PolicyText) -> Observation:
    administrator = session.providers.administrator
    if administrator is None:
        return Observation(address=address, presence=Presence.UNKNOWN, missing=Missing.NOT_ASKED)
    try:
        found = {"policy": administrator.read(policy.place, policy.text)}
        if policy.role_place:
            found["role"] = administrator.read(policy.role_place, policy.role)
    except KrakenstateError as error:
        return Observation(
            address=address,
            presence=Presence.UNKNOWN,
            missing=Missing.UNREADABLE,
            detail=error.message,
            code=error.code,
        )
    now = session.clock()
    facts = {n: Fact(value=text, provenance=Provenance.OBSERVED, at=now) for n, text in found.items()}
    there = any(text is not None for text in found.values())
    return Observation(
        address=address, presence=Presence.PRESENT if there else Presence.ABSENT, facts=facts, at=now
    )


def _recorded(session: Session, record: GrantRecord) -> PolicyText:
    return PolicyText(
        name=record.policy_name,
        text=record.policy,
        place=session.providers.grants.policy_place(record.policy_name),
        role_place=record.role_place,
        role=record.role,
    )


class Grants:
    """What one run does about grants."""

    def __init__(self, run: Writing, work: Work) -> None:
        self._run = run
        self._work = work
        self._session = run.session
        self._policies = policies_of(run.session.desired, run.session.providers.grants)

    def takes(self, step: Step) -> bool:
        """Whether a step is carried out here, and not as one that changes the state alone."""
        by_api = step.action in {Action.CREATE, Action.UPDATE, Action.DELETE}
        named = {change.name for change in step.changes}
        return step.address.type == Grant.type_name and by_api and named != {"protect"}

    def carry_out(self, step: Step) -> Outcome:
        """Installs, corrects, removes, or hands back to an administrator.

        Raises:
            GrantNotManageable: The token lacks a right; nothing was written.
            GrantNotTaken: Something was written, and Vault shows something else.
            VaultError: Vault did not answer.
        """
        if step.action is Action.DELETE:
            return self._remove(step)
        grant = self._grant(step)
        return self._install(step, grant) if grant.manage else self._hand_back(grant)

    def ask(self, step: Step) -> Task:
        """An administrator is asked to install it."""
        grant = self._grant(step)
        record = grant_record(grant, self._policies[grant.address])
        self._cancel(grant.address, "the policy changed; a new task takes its place")
        self._run.state.put(record)
        return self._work.install_grant(record, grant.process.owner)

    def _install(self, step: Step, grant: Grant) -> Outcome:
        policy, before = self._policies[grant.address], self._run.state.grant(grant.address)
        places = [place for place in (policy.place, policy.role_place) if place]
        leftover = self._removable(before)
        self._check_rights(grant.address, [*places, *leftover])
        record = grant_record(grant, policy).model_copy(update={"leftover": tuple(leftover)})
        self._cancel(grant.address, "krakenstate installs it itself now")
        self._run.state.put(record)
        self._run.save()
        texts = {policy.place: (CallKind.WRITE_POLICY, policy.text)}
        if policy.role_place:
            texts[policy.role_place] = (CallKind.WRITE_ROLE, policy.role)
        for place, (kind, text) in texts.items():
            self._write(grant.address, kind, place, text)
        for place in leftover:
            self._delete(grant.address, place)
        self._run.state.put(record.model_copy(update={"leftover": ()}))
        created = step.action is Action.CREATE
        word = "Creation" if created else "Modifications"
        more = f", role={policy.role_place}" if policy.role_place else ""
        return Outcome(
            address=grant.address,
            effect=Effect.CREATED if created else Effect.UPDATED,
            text=f"{word} complete [policy={policy.name}{more}]",
            report=self._session.providers.grants.first_login(policy.role_place, policy.role),
        )

    def _hand_back(self, grant: Grant) -> Outcome:
        record = self._run.state.grant(grant.address)
        assert record is not None  # noqa: S101 - the planner read it
        word = Attestation(
            by="krakenstate", at=self._run.now, note="installed while manage=True was declared"
        )
        self._run.state.put(record.model_copy(update={"managed": False, "leftover": (), "installed": word}))
        return Outcome(
            address=grant.address,
            effect=Effect.UPDATED,
            text=f"the policy {record.policy_name} stays in Vault, and an administrator looks after it now",
        )

    def _remove(self, step: Step) -> Outcome:
        record = self._run.state.grant(step.address)
        assert record is not None  # noqa: S101 - the planner read it
        places = self._removable(record)
        self._check_rights(step.address, places)
        for place in places:
            self._delete(step.address, place)
        self._cancel(step.address, "it was removed from the stack")
        self._run.state.forget(step.address)
        return Outcome(
            address=step.address,
            effect=Effect.DESTROYED,
            text=f"Destruction complete [policy={record.policy_name}]; tokens end by themselves",
        )

    def _removable(self, record: GrantRecord | None) -> list[str]:
        """What this program made for a grant and no declared one uses; roles before policies."""
        if record is None or not record.managed:
            return []
        prefix = self._session.providers.grants.policy_name(self._session.desired.head.name, "")
        in_use = {place for p in self._policies.values() for place in (p.place, p.role_place)}
        made = {record.role_place, _recorded(self._session, record).place, *record.leftover} - in_use
        return sorted((p for p in made if p.rpartition("/")[2].startswith(prefix)), key=self._is_policy)

    def _is_policy(self, place: str) -> bool:
        return place == self._session.providers.grants.policy_place(place.rpartition("/")[2])

    def _check_rights(self, address: Address, places: Sequence[str]) -> None:
        try:
            lacking = self._administrator.lacking(places) if places else []
        except VaultDenied:
            lacking = ["update on sys/capabilities-self"]
        if lacking:
            raise GrantNotManageable(
                f"{address} says manage=True, and this run's token lacks: {'; '.join(lacking)}. Nothing was "
                "written.",
                address=address,
            )

    def _write(self, address: Address, kind: CallKind, place: str, text: str) -> None:
        administrator = self._administrator
        if administrator.read(place, text) == text:
            return
        details = {"place": place}
        try:
            self._run.write(kind, address, details, lambda: administrator.write(place, text))
        except VaultDenied as denied:
            raise GrantNotManageable(denied.message, address=address) from None
        if administrator.read(place, text) != text:
            raise GrantNotTaken(f"{place} was written, and reads otherwise now.", address=address)

    def _delete(self, address: Address, place: str) -> None:
        kind = CallKind.REMOVE_POLICY if self._is_policy(place) else CallKind.REMOVE_ROLE
        try:
            self._run.write(kind, address, {"place": place}, lambda: self._administrator.delete(place))
        except VaultDenied as denied:
            raise GrantNotManageable(denied.message, address=address) from None

    @property
    def _administrator(self) -> GrantAdministrator:
        found = self._session.providers.administrator
        assert found is not None  # noqa: S101 - the planner saw what it read
        return found

    def _grant(self, step: Step) -> Grant:
        grant = self._session.desired.get(step.address)
        assert isinstance(grant, Grant)  # noqa: S101 - as planned
        return grant

    def _cancel(self, address: Address, because: str) -> None:
        for task in self._run.state.open_tasks(address):
            life.cancel(self._run.state, task, because, self._run.now)
