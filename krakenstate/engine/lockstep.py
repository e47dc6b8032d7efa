"""The keys of many accounts taken in side by side, with one journal entry and one save for all of them.

How this works: each job is the work on one account's keys, written as if it were alone, in a thread of its
own. One job computes at a time, in order, until it needs the outside: a remote write, a save, or a question.
When all jobs wait, a round is made. The questions are asked side by side. For the remote writes the lock is
checked and all intents are journalled in one entry; then the calls are made side by side; then their outcomes
are journalled in that entry. For those who wait for a save the state is saved, once. Then each job goes on in
its turn.

So for each single write all is as it is for one alone: the lock was checked and the intent was written before
it, the outcome is written after it, and the state is saved before whatever waits for that. What a call waits
for beforehand may take time, so the lock is checked again before a call that begins more than
``CHECKED_FOR_S`` seconds after the last check, which is little beside a lease.

Two jobs never work on one account; and what would make them work on one key all the same (a secret handed in
at two addresses, two accounts that turn out to be one) is claimed by the first of them.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import JsonValue

from krakenstate.engine.session import Writing, result_of
from krakenstate.engine.side_by_side import AT_MOST, STORE_AT_MOST
from krakenstate.model.address import Address
from krakenstate.model.run import Call, CallKind

T = TypeVar("T")
U = TypeVar("U")
Job = Callable[[Writing], T]

CHECKED_FOR_S = 5.0


def play(run: Writing, jobs: Sequence[Job[T]], *, at_most: int = AT_MOST) -> list[T]:
    """The results of all jobs, in the order of the jobs.

    Args:
        run: The run that holds the lock. Nothing else may use it meanwhile.
        jobs: What to do, each with the run that it is given.
        at_most: How many are under way at the same time.

    Raises:
        BaseException: What a job raised; of several in one round, the first in order. The other jobs end
            where they are, as with any run that stops: what they have written is in the journal.
    """
    return _Conductor(run, jobs, at_most).play()


class _Over(BaseException):
    """Ends a job that waits, since the matter is over."""


@dataclass
class _Request:
    """What a job waits for; ``call`` is made by its own thread."""

    call: Callable[[], Any]
    written: Call | None = None
    is_save: bool = False
    value: Any = None
    error: BaseException | None = None


@dataclass
class _Part(Writing):
    """The run as one job sees it."""

    ask: Callable[[_Request], Any] = field(kw_only=True)
    claims: dict[str, Address] = field(kw_only=True)

    def write(
        self, kind: CallKind, address: str, details: Mapping[str, JsonValue], call: Callable[[], U]
    ) -> U:
        """As for a run alone."""
        written = Call(kind=kind, address=Address(address), details=dict(details))
        found: U = self.ask(_Request(call, written=written))
        return found

    def aside(self, ask: Callable[[], U]) -> U:
        """Asked beside the other jobs."""
        found: U = self.ask(_Request(ask))
        return found

    def claim(self, what: str, by: Address) -> Address | None:
        """The first one has it, as long as these jobs last."""
        holder = self.claims.setdefault(what, by)
        return None if holder == by else holder

    def save(self) -> None:
        """With what the others have changed meanwhile."""
        if self.state.changed:
            self.ask(_Request(lambda: None, is_save=True))


class _Player(Generic[T]):
    """One job and its thread. It computes while it holds the baton, and hands it back by waiting."""

    def __init__(self, number: int, job: Job[T], conductor: _Conductor[T]) -> None:
        self.number = number
        self.request: _Request | None = None
        self.result: T | None = None
        self.error: BaseException | None = None
        self._job = job
        self._conductor = conductor
        self._turn: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._makes_call = False

    def start(self) -> None:
        """Computes until it waits for the first time."""
        threading.Thread(target=self._work, name=f"job-{self.number}", daemon=True).start()

    def go_on(self) -> None:
        """Computes with the answer to its request."""
        self._makes_call = False
        self._turn.put(None)

    def make_call(self) -> None:
        """Makes the call it waits for, beside the others; what comes of it is in the request."""
        self._makes_call = True
        self._turn.put(None)

    def ask(self, request: _Request) -> Any:
        self.request = request
        self._wait()
        while self._makes_call:
            try:
                request.value = self._conductor.guarded(request)
            except BaseException as error:  # noqa: BLE001 - the journal is told, then the job
                request.error = error
            self._wait()
        if request.error is not None:
            raise request.error
        return request.value

    def _wait(self) -> None:
        self._conductor.back.put(self)
        self._turn.get()
        if self._conductor.is_over:
            raise _Over

    def _work(self) -> None:
        try:
            self.result = self._job(self._conductor.part(self.ask))
        except _Over:
            return
        except BaseException as error:  # noqa: BLE001 - raised where the jobs were asked for
            self.error = error
        self.request = None
        self._conductor.back.put(self)


class _Conductor(Generic[T]):
    def __init__(self, run: Writing, jobs: Sequence[Job[T]], at_most: int) -> None:
        self._run = run
        self._waiting = deque(_Player(number, job, self) for number, job in enumerate(jobs))
        self._all = list(self._waiting)
        self._live: list[_Player[T]] = []
        self._at_most = at_most
        self._store = threading.Semaphore(STORE_AT_MOST)
        self._mutex = threading.Lock()
        self._checked_at: datetime | None = None
        self._claims: dict[str, Address] = {}
        self.back: queue.SimpleQueue[_Player[T]] = queue.SimpleQueue()
        self.is_over = False

    def part(self, ask: Callable[[_Request], Any]) -> Writing:
        """The run for one job."""
        run = self._run
        return _Part(
            session=run.session,
            lease=run.lease,
            journal=run.journal,
            state=run.state,
            ask=ask,
            claims=self._claims,
        )

    def play(self) -> list[T]:
        try:
            while self._waiting or self._live:
                while self._waiting and len(self._live) < self._at_most:
                    self._live.append(self._waiting.popleft())
                    self._compute(self._live[-1].start)
                self._see_who_ended()
                self._round()
                self._see_who_ended()
        except BaseException:
            self._end()
            raise
        return [player.result for player in self._all]  # type: ignore[misc]  # each has ended with one

    def guarded(self, request: _Request) -> Any:
        """A job's call, in its thread: so many at once, and under a lock that was checked."""
        if request.written is not None and request.written.kind is CallKind.PROBE:
            self._check_if_due()
            return request.call()  # to Kraken, in the lane of its account
        with self._store:
            if request.written is not None:
                self._check_if_due()
            return request.call()

    def _round(self) -> None:
        writing = [p for p in self._live if p.request is not None and p.request.written is not None]
        saving = [p for p in self._live if p.request is not None and p.request.is_save]
        self._call([p for p in self._live if p not in writing and p not in saving])
        if writing:
            self._check()
            intents = self._run.journal.intend_all([_written(p) for p in writing])
            self._call(writing)
            results = [result_of(p.request.error if p.request else None) for p in writing]
            self._run.journal.conclude_all(intents, results)
        if saving:
            self._run.save()
        for player in self._live:
            self._compute(player.go_on)

    def _call(self, players: Sequence[_Player[T]]) -> None:
        for player in players:
            player.make_call()
        for _ in players:
            self.back.get()

    def _compute(self, begin: Callable[[], None]) -> None:
        """One job alone, until it waits or has ended."""
        begin()
        self.back.get()

    def _see_who_ended(self) -> None:
        self._live = [player for player in self._live if player.request is not None]
        for player in self._all:
            if player.error is not None:
                raise player.error

    def _check(self) -> None:
        self._run.lease.check()
        self._checked_at = self._run.now

    def _check_if_due(self) -> None:
        with self._mutex:
            checked = self._checked_at
            if checked is None or self._run.now - checked > timedelta(seconds=CHECKED_FOR_S):
                self._check()

    def _end(self) -> None:
        """Those that wait end now; those whose call is under way, once it is answered."""
        self.is_over = True
        self._run.session.asker.stop()
        for player in self._live:
            player.go_on()


def _written(player: _Player[T]) -> Call:
    assert player.request is not None  # noqa: S101 - the round has looked
    assert player.request.written is not None  # noqa: S101 - the round has looked
    return player.request.written
