"""A desk on trial: people and runs in any order, and what must hold after each of them.

How this works: a ``Trial`` drives a ``World`` and keeps books (``tests/support/books.py``). ``run`` lets a
command do its work, in whatever way it ends, and then holds the books against what Vault, the state and the
simulated Kraken hold. Nothing here looks at how the program works inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from krakenstate.engine import observe, people, reading, runs
from krakenstate.engine.reach import edit_can_be_asked
from krakenstate.errors import CredentialMalformed, KrakenstateError, StackProblems, StateRestored
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key, SpotKey
from krakenstate.model.plan import Action, Plan
from krakenstate.model.provenance import Provenance
from krakenstate.model.run import Outcome
from krakenstate.model.state import Verdict
from krakenstate.model.task import Task, TaskKind
from krakenstate.secret.form import check_form
from krakenstate.sim.errors import DevError
from krakenstate.sim.world import DerivativesKey as KrakensDerivativesKey
from krakenstate.sim.world import SpotKey as KrakensSpotKey
from krakenstate.sim.world import fingerprint
from tests.support.books import Books
from tests.support.memory import PowerCut, Unreliable
from tests.support.stock import CARRIER, ITEMS, NEEDS, OTHER, QUOTER
from tests.support.world import BASIS, CARRY, DESK, MM, STATE, Switchboard, World, halves, is_empty

T = TypeVar("T")
EGRESS = {"runner": "192.0.2.10", "colo": "203.0.113.7"}
ROUNDS = 12
"""More than the longest way there is: a link, its key, that key's hand-in and its tasks, one by one."""


class Trial:
    """One desk from its first day to its last."""

    def __init__(self, board: Switchboard) -> None:
        self.site: str | None = "runner"
        self.chosen: dict[str, int] = {}
        self.world = World(board)
        self.vault = Unreliable(self.world.kv)
        self.world.mains.inner = self.vault
        self.world.people("create-account", name="carry", email=CARRY.email, kind="sub")
        self.world.people("create-account", name="other", email=OTHER.email, iiban=OTHER.iiban)
        self._declared()
        self.world.initialise()
        self.books = Books(self.world)
        self.world.mains.watch = self.books.count

    def close(self) -> None:
        """Closes connections."""
        self.world.close()

    # -- the stack -------------------------------------------------------------------------------------

    def declare(self, item: str, variant: int) -> None:
        """Adds an item to the stack, or edits it."""
        self.chosen[item] = variant % len(ITEMS[item])
        if item in NEEDS:
            self.chosen.setdefault(NEEDS[item], 0)
        self._declared()

    def remove(self, item: str) -> None:
        """Takes an item out of the stack, and what stands on it."""
        for name in (item, *(n for n, below in NEEDS.items() if below == item)):
            self.chosen.pop(name, None)
        self._declared()

    def _declared(self) -> None:
        listed = [ITEMS[item][variant] for item, variant in sorted(self.chosen.items())]
        self.world.declare(*listed, also=(*BASIS, OTHER, QUOTER, CARRIER))

    @property
    def keys(self) -> list[Key]:
        """Every declared key."""
        return list(self.world.desired.of(Key))

    # -- runs ------------------------------------------------------------------------------------------

    def run(self, work: Callable[[], T]) -> T | KrakenstateError | None:
        """One command, however it ends: what it gives, what it stops for, or nothing when the power goes.

        Any exception that has no KS code is a failure of the program, and passes through.
        """
        before = self.books.recorded_to_stay()
        try:
            result: T | KrakenstateError | None = work()
        except KrakenstateError as error:
            stops = error.problems if isinstance(error, StackProblems) else [error]
            assert all(stop.code for stop in stops), "any command may stop, with a code"
            self.books.texts.append(f"{error.message} {error.next_step}")
            result = error
        except PowerCut:
            result = None
        if self.world.mains.is_off:
            self.world.clock.advance(minutes=2)
        self.world.mains.restore()
        self.world.mains.watch = self.books.count
        self.vault.mend()
        self.books.check(before)
        return result

    def plan(self) -> Plan | KrakenstateError | None:
        """As ``krakenstate plan``; what could not be read proposes no call and lets go of nothing."""
        return self.run(self._plan)

    def apply(self) -> list[Outcome] | KrakenstateError | None:
        """As ``krakenstate apply --auto-approve``."""
        return self.run(self._apply)

    def settle(self) -> Any:
        """As ``krakenstate settle``."""
        return self.run(self._settle)

    def _plan(self) -> Plan:
        session = self.world.session(self.site)
        state = reading.load_for_reading(session)
        plan = reading.make_plan(session, state, observe.take_snapshot(session, state))
        self.books.look_at(plan)
        return plan

    def _apply(self) -> list[Outcome]:
        with self.world.writing("apply", self.site) as run:
            snapshot = observe.take_snapshot(run.session, run.state)
            plan = runs.build_plan(runs.outlook_of(run, snapshot), version="test")
            self.books.look_at(plan)
            self.books.approved += sum(1 for step in plan.proposals if step.action is Action.CREATE)
            outcomes = runs.apply(run, snapshot, plan)
        self.books.texts += [o.model_dump_json() for o in outcomes]
        return outcomes

    def _settle(self) -> Any:
        settled = self.world.settle(self.site)
        self.books.look_at(settled.plan)
        self.books.texts += [o.model_dump_json() for o in settled.outcomes]
        return settled

    # -- people ----------------------------------------------------------------------------------------

    def make_key(self, key: Key, **other: Any) -> Credential | None:
        """Somebody makes a key; nobody can where the account is not ready or the name is taken."""
        with suppress(DevError):
            credential = self.world.make_key(key, **other)
            self.books.made.append(credential)
            return credential
        return None

    def hand_in(self, address: str, credential: Credential) -> Outcome | KrakenstateError | None:
        """As ``krakenstate key ingest``: once its place was told, the secret must not be lost."""
        return self.run(lambda: self._hand_in(address, credential))

    def _hand_in(self, address: str, credential: Credential) -> Outcome | None:
        session = self.world.session(self.site)
        key = runs.expect_hand_in(session, address)
        check_form(credential, key.api)
        where = key.process.name, address
        outcome = runs.hand_in(
            session, key, credential, stored=lambda _path: self.books.promise(credential, *where), wait_s=0
        )
        if outcome:
            self.books.texts.append(outcome.model_dump_json())
        return outcome

    def leave_in_inbox(self, key: Key, credential: Credential) -> None:
        """An operator, who may only create, leaves a key in the inbox."""
        path = f"{STATE}/inbox/{key.process.name}/{key.address}"
        if self.world.kv.metadata(path) is None:
            self.world.kv.write(path, halves(credential), 0)
            with suppress(CredentialMalformed):
                check_form(credential, key.api)
                self.books.promise(credential, key.process.name, key.address)

    def leave_junk(self, key: Key, fields: Mapping[str, Any]) -> None:
        """Somebody leaves in the inbox what is no key."""
        path = f"{STATE}/inbox/{key.process.name}/{key.address}"
        if self.world.kv.metadata(path) is None:
            self.world.kv.write(path, fields, 0)

    def leave_stray(self, path: str, credential: Credential) -> None:
        """Somebody leaves a key where none is handed in; it stays there whatever happens."""
        path = f"{STATE}/inbox/{path}"
        if self.world.kv.metadata(path) is None:
            self.world.kv.write(path, halves(credential), 0)
            self.books.strays[path] = halves(credential)

    def do(self, task: Task) -> None:
        """Somebody does what a task asks, as its instructions say."""
        record = self.books.state.key(task.address)
        match task.kind:
            case TaskKind.CREATE_KEY:
                self._bring_key(task)
            case TaskKind.EDIT_KEY if record and record.published:
                self.edit(task.address, record.published.fingerprint)
                if task.address.type == SpotKey.type_name or not edit_can_be_asked(
                    self.world.desired, record
                ):
                    self.attest(task)
            case TaskKind.DELETE_KEY:
                held = (record.published or record.candidate) if record else None
                self.delete_at_kraken(task.subject or (held.fingerprint if held else ""))
                self.attest(task)
            case TaskKind.LINK_DERIVATIVES:
                with suppress(DevError):
                    self.world.people("support-process", text=task.instructions)
                with suppress(DevError):
                    self.world.people("email-confirm", email=CARRY.email)
            case TaskKind.FINISH_EMAIL_SETUP:
                with suppress(DevError):
                    self.world.people("email-confirm", email=MM.email)
                self.attest(task)
            case TaskKind.SETTLE_UNKNOWN:
                self.answer(task)
            case _:
                self.attest(task)

    def attest(self, task: Task) -> None:
        """Somebody gives their word, true or not."""
        self.run(lambda: self._attest(task.id))

    def _attest(self, task_id: str) -> None:
        with self.world.writing("task attest", None) as run:
            task = run.state.task(task_id)
            people.attest(run, task, "ann", "done")
            if task.kind is TaskKind.DELETE_KEY:
                self.books.attested_deletions.add(task.subject or f"all of {task.address}")

    def answer(self, task: Task) -> None:
        """Somebody looks whether the subaccount is there, and says so."""
        there = MM.email in [a.email for a in self.world.simulation.world.accounts]
        self.run(lambda: self._answer(task.id, created=there))

    def _answer(self, task_id: str, *, created: bool) -> None:
        with self.world.writing("task settle", None) as run:
            task = run.state.task(task_id)
            people.settle_unknown(run, task, created=created)
            if not created:
                self.books.absent.add(str(task.address))

    def _bring_key(self, task: Task) -> None:
        key = self.world.desired.resources.get(task.address)
        record = self.books.state.key(task.address)
        if not isinstance(key, Key) or record is None:
            return
        candidate = record.candidate
        if candidate is not None and candidate.verdict is Verdict.RECEIVED:
            return  # handed in; its turn comes
        for old in self._krakens_keys():
            if isinstance(old, KrakensSpotKey) and old.name == record.key_name:
                old.deleted = True
        if candidate is not None:
            self.delete_at_kraken(candidate.fingerprint)
        credential = self.make_key(key)
        if credential is not None:
            self.hand_in(task.address, credential)

    def edit(self, address: str, fingerprint: str) -> None:
        """Somebody makes a key at Kraken as declared."""
        key = self.world.desired.resources.get(address)
        found = [k for k in self._krakens_keys() if _fingerprint(k) == fingerprint]
        if not isinstance(key, Key) or not found:
            return
        wanted: dict[str, Any] = {"account": key.account.email, "key": found[0].public}
        wanted["ip"] = [str(n) for n in key.networks or ()] or ["none"]
        if isinstance(key, SpotKey):
            if key.permissions is not None:
                wanted["permission"] = sorted(key.permissions) or ["none"]
            if key.expires is not None:
                wanted["expires"] = key.expires.isoformat()
        else:
            levels = {"general": key.general, "transfer": key.transfer}  # type: ignore[attr-defined]
            wanted |= {name: level.value for name, level in levels.items() if level}
        with suppress(DevError):
            self.world.people("edit-key", **wanted)

    def delete_at_kraken(self, fingerprint: str) -> None:
        """Somebody deletes a key in the web page; one that is gone already stays gone."""
        for key in self._krakens_keys():
            if _fingerprint(key) == fingerprint:
                key.deleted = True

    def _krakens_keys(self) -> list[KrakensSpotKey | KrakensDerivativesKey]:
        accounts = self.world.simulation.world.accounts
        return [k for a in accounts for k in (*a.spot_keys, *a.derivatives_keys) if not k.deleted]

    # -- accidents -------------------------------------------------------------------------------------

    def cut_power_at(self, number: int, moment: str) -> None:
        """The next command dies at its so-manyth write, before it or after."""
        left = number

        def watch(now: str, path: str, data: Mapping[str, Any]) -> bool:
            nonlocal left
            self.books.count(now, path, data)
            left -= now == moment
            return left < 0

        self.world.mains.watch = watch

    def interrupt_at(self, number: int, deed: Callable[[], object]) -> None:
        """During the next command, at its so-manyth write, somebody else does something."""
        left = number

        def watch(now: str, path: str, data: Mapping[str, Any]) -> bool:
            nonlocal left
            self.books.count(now, path, data)
            left -= now == "after"
            if left == -1:
                left = -(10**9)
                with suppress(KrakenstateError):
                    deed()
            return False

        self.world.mains.watch = watch

    def put_an_older_state_back(self, back: int) -> None:
        """Somebody puts an earlier version of the index back; every command refuses it, and they undo it."""
        kv, path = self.world.kv, f"{STATE}/index"
        newest = kv.read(path)
        older = kv.read(path, newest.version - back) if newest else None
        if newest is None or older is None or older.data["serial"] >= newest.data["serial"]:
            return
        kv.write(path, older.data, newest.version)
        calls, paths = len(self.world.calls()), kv.paths
        for command in (self._plan, self._apply, self._settle):
            with pytest.raises(StateRestored):
                command()
        assert (len(self.world.calls()), kv.paths) == (calls, paths)
        kv.write(path, newest.data, newest.version + 1)

    # -- the end ---------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """All faults end, breakers close, people do what tasks ask: everything declared comes to be.

        Then two looks propose nothing.
        """
        self.world.people("fault-clear")
        self._ask_for_what_can_be()
        for _ in range(ROUNDS):
            self.travel("runner")
            self.wait(timedelta(minutes=20))
            outcomes = self.apply()
            assert not isinstance(outcomes, KrakenstateError), outcomes.message
            self._take_junk_away()
            plan = self.plan()
            assert isinstance(plan, Plan), plan
            if is_empty(plan):
                return
            for task in self.books.state.open_tasks():
                if not task.waits_on:
                    self.do(task)
            self.travel("colo")
            self.settle()
        raise AssertionError([s for s in plan.steps if s.action is not Action.NO_OP])

    def _ask_for_what_can_be(self) -> None:
        """The stack as reviewers would leave it: nothing expired, nothing moved, controllers there.

        Keys in service that somebody deleted unasked are given back: no task is open about them. Nor is one
        about a key that came into service on a host's word alone, and is not as declared: it is put right.
        """
        served = {
            r.published.fingerprint for r in self.books.state.records if r.kind == "key" and r.published
        }
        for account in self.world.simulation.world.accounts:
            for key in (*account.spot_keys, *account.derivatives_keys):
                key.deleted = key.deleted and _fingerprint(key) not in served
        protected = {record.address for record in self.books.state.records if record.protect}
        for item in ITEMS:
            if ITEMS[item][0].address in protected:
                self.chosen.setdefault(item, 0)
        for item, controller in {"mm": "creator", "carry": "controller"}.items():
            if item in self.chosen:
                self.chosen.setdefault(controller, 0)
        for item in {"creator", "pnl"} & set(self.chosen):
            self.chosen[item] = 0
        record = self.books.state.key("spot_key.quoter")
        if "quoter" in self.chosen and record and record.published:
            self.chosen["quoter"] = 2 if record.account == DESK.address else 0
        self._declared()
        for of_key in self.books.state.records:
            if of_key.kind == "key" and of_key.published and of_key.provenance is Provenance.REPORTED:
                self.edit(of_key.address, of_key.published.fingerprint)

    def _take_junk_away(self) -> None:
        """What the inbox holds and is no key, as the error says."""
        known = [halves(promise.credential) for promise in self.books.promised.values()]
        for path in self.world.kv.paths:
            entry = self.world.kv.read(path)
            if path in self.books.strays:
                continue
            if path.startswith(f"{STATE}/inbox/") and entry and entry.data not in known:
                self.world.kv.delete(path)

    def travel(self, site: str | None, egress: str | None = None) -> None:
        """From where the next commands run, and whether they know it."""
        self.site = site
        if egress or site:
            self.world.people("egress", address=EGRESS[egress or site or "runner"])

    def wait(self, span: timedelta) -> None:
        """Time passes."""
        self.world.clock.instant += span


def _fingerprint(key: KrakensSpotKey | KrakensDerivativesKey) -> str:
    return fingerprint(key.public)
