"""A storm: two runners work on one state side by side and are killed or stopped at random moments.

Meanwhile keys are made and handed in, the stack is edited, and people do their tasks. Each round starts one
command per runner. Clocks are moved between rounds alone, past the lease of whoever was killed. A stopped
process wakes up in the round after: its lease has ended by then, and its clock is a minute behind.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from krakenstate.errors import ClockOff, HandInNotExpected, LockHeld, LockLost
from krakenstate.model.task import TaskKind
from krakenstate.store.vault.lock import LEASE_S
from tests.support.cli import Result
from tests.support.e2e import APPLY, AT_RUNNER, CREATOR, MASTER, NO_CHANGES, RUNNER, Desk
from tests.support.fleet import HALVES, INBOX, QUARANTINE, SECRETS, STATE, Fleet
from tests.support.warm import WarmCommand, WarmStart

MAY_CLOSE = "You may close the dialog."
NOT_EXPECTED = HandInNotExpected.code
EXPECTED = {NOT_EXPECTED, ClockOff.code, LockHeld.code, LockLost.code}
"""What a run may say: a key that was being handed in when its run died is in service by now, the clock is
behind since the run slept, or another run holds the lock, or took it over."""
_CODE = re.compile(r"^  (KS[0-9]{4})$", re.MULTILINE)
_SUBACCOUNT = (
    'stack.add(SpotSubaccount(name="{0}", master=desk, username="desk-{0}", email="{0}@desk.example"))\n'
)
_KEPT = 100_000


@dataclass
class Runner:
    """Starts commands, one at a time; one that was stopped is ``asleep``."""

    warm: WarmStart
    words: Sequence[str] = ()
    stdin: str = ""
    running: WarmCommand | None = None
    is_asleep: bool = False

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the command, if it is still there."""
        assert self.running is not None
        with suppress(ProcessLookupError):
            os.kill(self.running.pid, number)


@dataclass
class Storm:
    """One desk in a storm. Everything that happens by chance comes from the seed.

    Attributes:
        told: How commands ended: their KS codes, exit codes or signals, and how often.
        in_hands: Keys whose dialog is still open, by name.
    """

    desk: Desk
    warms: Sequence[WarmStart]
    seed: int
    told: Counter[str] = field(default_factory=Counter)
    in_hands: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        desk = self.desk
        self.dice = random.Random(self.seed)
        self.runners = [Runner(warm) for warm in self.warms]
        self.subaccounts: list[str] = []
        self.typed: set[str] = set()
        self.numbers = count(100)
        self.rounds = self.absent = 0
        desk.kraken.people("budget", on=False)
        self.fleet = Fleet.of(desk, 3, 6)
        for name in ("index", "lock"):  # their whole history is what the storm is judged by
            path = f"{desk.mount}/metadata/{STATE}/{name}"
            desk.bao.request("POST", path, {"max_versions": _KEPT})
        self._declare()
        desk.run("init")
        began = time.monotonic()
        desk.run(*APPLY)
        self.longest_s = time.monotonic() - began  # so that moments of chance fit the machine
        creator = desk.make_key(
            MASTER,
            "spot",
            name="spot-creator-g1",
            permission=["withdraw-funds"],
            ip=[RUNNER],
            expires="2026-12-31",
        )
        desk.hand_in("spot_key.spot-creator", creator, *AT_RUNNER)
        self.fleet.made["spot-creator"] = [{half: json.loads(creator)[half] for half in HALVES}]

    def rage(self, *, rounds: int = 0, seconds: float = 0) -> None:
        """So many rounds at least, and as many more as fit into the time."""
        until = time.monotonic() + seconds
        while self.rounds < rounds or time.monotonic() < until:
            self._round()
            self._nothing_is_lost()
            self.rounds += 1

    def calm_down(self) -> None:
        """Whoever sleeps wakes up, leases end; then one run; another finds nothing to propose."""
        for runner in self.runners:
            if runner.is_asleep:
                self._wake(runner)
                self._end(runner)
        self.desk.advance(LEASE_S + 1)
        self.desk.run(*APPLY)
        self.desk.run(*APPLY, expect="No changes to propose.")

    def everybody_works(self) -> None:
        """People do their tasks and settles follow, until nothing is open."""
        for _ in range(6):
            self._people()
            for name in list(self.in_hands):
                self._leave(name)
            for name, halves in self.in_hands.items():
                words = ("key", "ingest", f"spot_key.{name}", *AT_RUNNER)
                self._judge(words, self.desk.run(*words, code=None, stdin=json.dumps(halves)))
            self.in_hands.clear()
            self.desk.run("settle", *AT_RUNNER)
            if not self.desk.tasks():
                break
        self.desk.run("plan", *AT_RUNNER, expect=NO_CHANGES)

    # -- one round -------------------------------------------------------------------------------------

    def _round(self) -> None:
        sleeper = next((r for r in self.runners if r.is_asleep), None)
        if sleeper is None:
            self._quiet_hour()
        moments: list[tuple[float, Callable[[], None]]] = []
        was_cut_off = False
        for runner in self.runners:
            if runner is sleeper:
                moments.append((self._moment(), lambda asleep=runner: self._wake(asleep)))
                continue
            start = self.dice.uniform(0, self.longest_s / 4)
            self._choose(runner)
            moments.append((start, lambda r=runner: self._start(r)))
            fate = self.dice.random()
            if fate < 0.45:
                moments.append((start + self._moment(), lambda r=runner: r.signal(signal.SIGKILL)))
                was_cut_off = True
            elif fate < 0.6 and sleeper is None:
                sleeper, was_cut_off = runner, True
                late = self.longest_s / 2 + self._moment() / 2  # rather while it writes than while it starts
                moments.append((start + late, lambda r=runner: self._stop(r)))
        moments += [
            (self._moment(), lambda left=name: self._leave(left))
            for name in self.in_hands
            if self.dice.random() < 0.3
        ]
        began = time.monotonic()
        for at, act in sorted(moments, key=lambda moment: moment[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))  # a moment of chance; nothing waits for it
            act()
        for runner in self.runners:
            if not runner.is_asleep:
                self._end(runner)
        if was_cut_off:
            self.desk.advance(LEASE_S + 1)

    def _moment(self) -> float:
        return self.dice.uniform(0, self.longest_s)

    def _choose(self, runner: Runner) -> None:
        """What a runner does next; a hand-in of a key whose dialog is open, if there is one."""
        waiting = sorted(self.in_hands.keys() - self._under_way)
        dice = self.dice.random()
        if waiting and dice < 0.3:
            name = self.dice.choice(waiting)
            self.typed.add(name)
            runner.words = ("key", "ingest", f"spot_key.{name}", *AT_RUNNER)
            runner.stdin = json.dumps(self.in_hands[name])
            return
        patience = ("--lock-timeout", "1s") if self.dice.random() < 0.5 else ()
        runner.words = (*(APPLY if dice < 0.65 else ("settle", *AT_RUNNER)), *patience)
        runner.stdin = ""

    @property
    def _under_way(self) -> set[str]:
        """The keys that runners are handing in."""
        return {r.words[2].partition(".")[2] for r in self.runners if r.words[1:2] == ("ingest",)}

    def _start(self, runner: Runner) -> None:
        runner.running = runner.warm.start(
            runner.words, cwd=self.desk.folder, env=self.desk.environment(), stdin=runner.stdin
        )

    def _stop(self, runner: Runner) -> None:
        runner.is_asleep = True
        runner.signal(signal.SIGSTOP)

    def _wake(self, runner: Runner) -> None:
        runner.is_asleep = False
        runner.signal(signal.SIGCONT)

    def _leave(self, name: str) -> None:
        """Leaves a key in the inbox, unless somebody tried to hand it in otherwise."""
        if name in self.in_hands and name not in self.typed:
            self.fleet.put_into_inbox(name, self.in_hands.pop(name))

    def _end(self, runner: Runner) -> None:
        """Waits for a command. Who handed a key in keeps it until told that the dialog may be closed."""
        assert runner.running is not None
        done, runner.running = runner.running.result(), None
        self._judge(runner.words, done)
        may_close = MAY_CLOSE in done.stdout + done.stderr or NOT_EXPECTED in done.stderr
        if may_close and runner.words[1] == "ingest":
            del self.in_hands[runner.words[2].partition(".")[2]]
        runner.words = ()

    def _judge(self, words: Sequence[str], done: Result) -> None:
        """A command was killed, or did its work, or said what it met."""
        told = f"seed {self.seed}: {' '.join(words)} -> {done.code}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, told
        codes = _CODE.findall(done.stderr)
        self.told.update(codes or [str(done.code)])
        if done.code not in {0, -signal.SIGKILL}:
            assert codes, told
            assert set(codes) <= EXPECTED, told

    # -- between rounds --------------------------------------------------------------------------------

    def _quiet_hour(self) -> None:
        """The stack is edited, and people do some of their tasks; nobody runs."""
        dice = self.dice.random()
        if dice < 0.25:
            account = self.dice.choice(self.fleet.accounts)
            self.fleet.names.append(f"{account}-{next(self.numbers)}")
        elif dice < 0.4:
            self.subaccounts.append(f"s{len(self.subaccounts):02}")
        elif dice < 0.55:
            published = sorted(set(self.fleet.held(SECRETS)) & set(self.fleet.names))
            if published:
                self.fleet.names.remove(self.dice.choice(published))
        if dice < 0.55:
            self._declare()
        if self.dice.random() < 0.4:
            self._people(most=2)

    def _declare(self) -> None:
        self.fleet.more = CREATOR + "".join(map(_SUBACCOUNT.format, self.subaccounts))
        self.fleet.declare()

    def _people(self, *, most: int = 100) -> None:
        """Keys are made as they are asked for; of the other tasks some are done."""
        for id_, task in self.desk.tasks().items():
            if task["kind"] == TaskKind.CREATE_KEY.value:
                name = task["address"].partition(".")[2]
                if name not in self.fleet.made:
                    self.in_hands[name] = self.fleet.make(name)
            elif most:
                most -= 1
                self._do(id_, task)

    def _do(self, id_: str, task: dict[str, Any]) -> None:
        """A task as its instructions say."""
        kind, name = task["kind"], task["address"].partition(".")[2]
        if kind == TaskKind.SETTLE_UNKNOWN.value:
            exists = f"desk-{name}" in self._usernames()
            self.absent += not exists
            self.desk.run("task", "settle", id_, "--created" if exists else "--absent")
        else:
            if kind == TaskKind.DELETE_KEY.value:
                public = self.fleet.made[name][-1]["api_key"]
                self.desk.kraken.people(
                    "delete-key", account=f"{name.partition('-')[0]}@desk.example", key=public
                )
                del self.fleet.made[name]
            self.desk.run("task", "attest", id_, "--note", "done")

    # -- what must hold --------------------------------------------------------------------------------

    def _nothing_is_lost(self) -> None:
        """Each key that was made and not deleted is somewhere, and nothing else lies in its places."""
        places = [self.fleet.held(folder) for folder in (INBOX, QUARANTINE, SECRETS)]
        for name, made in self.fleet.made.items():
            copies = [copy for place in places for copy in place.get(name, [])]
            copies += [self.in_hands[name]] if name in self.in_hands else []
            assert copies, f"seed {self.seed}: the key {name} is lost"
            assert all(copy in made for copy in copies), f"seed {self.seed}: {name} holds another key"

    def no_subaccount_was_created_twice(self) -> None:
        """Each that is declared exists once, and was asked for once but where people said it is not there."""
        names = Counter(self._usernames())
        assert names == Counter(f"desk-{name}" for name in self.subaccounts), f"seed {self.seed}"
        calls = self.desk.calls("CreateSubaccount")
        assert len(calls) <= len(self.subaccounts) + self.absent, f"seed {self.seed}"

    def the_lock_was_held_once(self) -> int:
        """Each version of the lock follows from the one before; how often the lock changed hands."""
        taken, before = 0, {"released": True, "id": ""}
        for now in self._history("lock"):
            if now["released"]:
                is_allowed = not before["released"] and now["id"] == before["id"]
            elif now["id"] == before["id"] and not before["released"]:
                is_allowed = _instant(now, "expires_at") > _instant(before, "expires_at")
            else:
                taken += 1
                is_allowed = before["released"] or _instant(now, "created") >= _instant(before, "expires_at")
            assert is_allowed, f"seed {self.seed}: {before} was followed by {now}"
            before = now
        assert before["released"], f"seed {self.seed}: the lock was not given back"
        return taken

    def the_serials_have_no_gap(self) -> int:
        """Each version of the index counts on; how many there are."""
        serials = [index["serial"] for index in self._history("index")]
        assert serials == list(range(len(serials))), f"seed {self.seed}"
        return len(serials)

    def _history(self, name: str) -> list[dict[str, Any]]:
        """All versions of an entry of the state, from the first."""
        head = self.desk.bao.request("GET", f"{self.desk.mount}/metadata/{STATE}/{name}")["data"]
        count = head["current_version"]
        return [self.desk.secret_at(f"{STATE}/{name}?version={n}") for n in range(1, count + 1)]

    def _usernames(self) -> list[str]:
        accounts = self.desk.kraken.people("state")["accounts"]
        return [account["username"] for account in accounts if account["kind"] == "sub"]


def _instant(lock: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(lock[name])
