"""Keys of several accounts taken in side by side: as each alone, with one journal entry for all of them."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from krakenstate.engine import runs
from krakenstate.engine.audience import Nobody
from krakenstate.engine.lockstep import CHECKED_FOR_S, play
from krakenstate.errors import Interrupted, LockLost, NotAccepted, VaultDenied
from krakenstate.model.run import CallKind, Effect, Result
from tests.support.many import many_in_inbox
from tests.support.world import STATE, halves, is_empty


def journalled(world) -> list[dict[str, Any]]:
    """The journal's entries of calls, as they stand now, in order."""
    paths = [p for p in world.kv.paths if "/journal/" in p and p[-4:].isdigit()]
    return [world.kv.read(path).data for path in paths]


def test_each_key_goes_its_own_way_with_one_entry_for_all(world):
    """Each is asked once with its first nonce and published; the calls of a round share an entry."""
    made = many_in_inbox(world, accounts=3, keys=2)
    settled = world.settle()
    assert [o.effect for o in settled.outcomes] == [Effect.PUBLISHED] * 6
    assert [o.address for o in settled.outcomes] == sorted(key.address for key in made)
    for key, credential in made.items():
        assert world.published(key.process.name, key.address).items() >= halves(credential).items()
        assert (
            world.quarantine(key.process.name, key.address),
            world.inbox(key.process.name, key.address),
        ) == (
            None,
            None,
        )
        assert [call["nonce"] for call in world.calls(only=credential)] == [1]
    entries = journalled(world)
    assert [len(entry["intents"]) for entry in entries] == [3] * 10
    kinds = [{intent["kind"] for intent in entry["intents"]} for entry in entries[:5]]
    assert kinds == [{"store-quarantine"}, {"empty-inbox"}, {"probe"}, {"publish"}, {"drop-secret"}]
    assert {i["result"] for entry in entries for i in entry["intents"]} == {"done"}
    assert is_empty(world.plan())


def test_intents_are_written_before_any_call_of_their_round(world):
    """When the power goes after the intents, none of their calls was made; the next run makes them."""
    made = many_in_inbox(world, accounts=3, keys=1)

    def after_the_intents(moment: str, path: str, data: Mapping[str, Any]) -> bool:
        calls = data.get("intents", [])
        is_publishing = {c["kind"] for c in calls} == {"publish"} and {c["result"] for c in calls} == {None}
        return moment == "after" and is_publishing

    world.cut_power_at(after_the_intents, world.settle)
    assert [world.published(key.process.name, key.address) for key in made] == [None] * 3
    world.settle()
    assert all(world.published(key.process.name, key.address) for key in made)
    [said] = [line for line in world.said if line.startswith("An earlier ")]
    assert said.count("publish for spot_key.k") == 3


def test_one_account_that_fails_does_not_stop_the_others(world):
    """A key that is not as declared stays in quarantine while the others are published."""
    made = list(many_in_inbox(world, accounts=3, keys=1))
    wrong = world.make_key(made[1], name="wrong", permission=["query-funds"])
    world.leave_in_inbox(made[1].process.name, made[1].address, wrong)
    outcomes = world.settle().outcomes
    assert [o.effect for o in outcomes] == [Effect.PUBLISHED, Effect.REJECTED, Effect.PUBLISHED]
    assert outcomes[1].code == NotAccepted.code
    assert world.quarantine(made[1].process.name, made[1].address) == halves(wrong)


def test_one_secret_at_two_addresses_serves_one_process(world):
    """Nothing is asked for the second address, and once the first is served it is turned away."""
    made = many_in_inbox(world, accounts=2, keys=1)
    first, second = made
    shared = made[first]
    world.leave_in_inbox(second.process.name, second.address, shared)
    outcomes = world.settle().outcomes
    assert [o.effect for o in outcomes] == [Effect.PUBLISHED, Effect.WAITING]
    assert "spot_key.k0-0 is handed in with the same key" in outcomes[1].text
    assert len(world.calls(only=shared)) == 1
    assert world.settle().outcomes == []
    places = world.published, world.quarantine
    assert [place(second.process.name, second.address) for place in places] == [None, None]
    assert any("two processes never share one" in line for line in world.said)


def test_two_accounts_that_turn_out_to_be_one_are_not_both_served(world):
    """Of two keys of one account, declared as of two, one is published; the next settle says why."""
    first, second = many_in_inbox(world, accounts=2, keys=1)
    misplaced = world.make_key(second, account=first.account.email)
    world.leave_in_inbox(second.process.name, second.address, misplaced)
    outcomes = world.settle().outcomes
    assert [o.effect for o in outcomes] == [Effect.PUBLISHED, Effect.WAITING]
    assert "a key of master_account.a0 answers for the same account" in outcomes[1].text
    [again] = world.settle().outcomes
    assert (again.effect, world.published(second.process.name, second.address)) == (Effect.REJECTED, None)


def test_whoever_asks_to_stop_gets_whole_keys(world):
    """After Ctrl-C every key that was begun is finished, and no other one is begun."""
    made = many_in_inbox(world, accounts=2, keys=2)
    asked: list[str] = []

    def question() -> None:
        if asked:
            raise Interrupted("Stopped.")

    def at_the_first_store(_moment: str, path: str, _data: Mapping[str, Any]) -> bool:
        asked.extend(["stop"] if f"{STATE}/quarantine/" in path else [])
        return False

    world.mains.watch = at_the_first_store
    with pytest.raises(Interrupted), runs.writing(world.session(), "settle", wait_s=0, stop=question) as run:
        runs.settle(run)
    world.mains.restore()
    places = [
        (
            world.published(k.process.name, k.address) is not None,
            world.inbox(k.process.name, k.address) is None,
        )
        for k in made
    ]
    assert places == [(True, True), (False, False), (True, True), (False, False)]


def test_nothing_is_sent_once_the_lock_is_lost(world):
    """A lock that was broken ends the run before the next round's calls."""
    made = many_in_inbox(world, accounts=3, keys=1)
    watcher = world.session().records.locks

    def break_at_publishing(moment: str, _path: str, data: Mapping[str, Any]) -> bool:
        if moment == "after" and {c["kind"] for c in data.get("intents", [])} == {"probe"}:
            held = watcher.last()
            if held is not None and all(c["result"] for c in data["intents"]):
                watcher.force_unlock(held.id)
        return False

    world.mains.watch = break_at_publishing
    with pytest.raises(LockLost):
        world.settle()
    world.mains.restore()
    assert [world.published(key.process.name, key.address) for key in made] == [None] * 3


def writes(number: int, call: Callable[[], str]) -> Callable[[Any], str]:
    """A job that makes one remote write."""
    return lambda part: part.write(CallKind.PUBLISH, f"spot_key.k{number}", {}, call)


def test_a_call_that_begins_late_has_the_lock_checked_again(world):
    """What is sent long after its round's check is preceded by another, and not sent if that fails."""
    with world.writing("settle") as run:
        checks, sent = [], []

        def check() -> None:
            checks.append(world.clock())
            if len(checks) > 1:
                raise LockLost("It is not ours any more.")

        run.lease.check = check
        journal, intend = run.journal, run.journal.intend_all

        def slowly(calls):
            intents = intend(calls)
            world.clock.advance(seconds=CHECKED_FOR_S + 1)
            return intents

        journal.intend_all = slowly
        with pytest.raises(LockLost):
            play(run, [writes(n, lambda: sent.append("sent") or "done") for n in range(2)])
        assert sent == []
        assert checks[1] - checks[0] == timedelta(seconds=CHECKED_FOR_S + 1)
        del run.lease.check
    [entry] = journalled(world)
    assert [intent["result"] for intent in entry["intents"]] == [Result.FAILED, Result.FAILED]


def test_results_come_in_the_order_of_the_jobs_and_the_first_failure_is_raised(world):
    """More jobs than there may be at once are all done; of several failures the first job's counts."""
    with world.writing("settle") as run:
        assert play(run, [writes(n, lambda n=n: f"job {n}") for n in range(5)], at_most=2) == [
            f"job {n}" for n in range(5)
        ]

        def denied(number: int) -> Callable[[], str]:
            def call() -> str:
                raise VaultDenied(f"Not {number}.")

            return call

        with pytest.raises(VaultDenied, match=r"Not 1\."):
            play(run, [writes(0, lambda: "done"), writes(1, denied(1)), writes(2, denied(2))])
    last = journalled(world)[-1]
    assert [intent["result"] for intent in last["intents"]] == ["done", "failed", "failed"]


def test_an_audience_hears_once_of_each_task_and_each_key(world):
    """Every task that ends is told once; no key is asked in service, and six are taken in."""
    many_in_inbox(world, accounts=3, keys=2)
    told, counted = [], []

    class Listening(Nobody):
        def verified(self, task):
            told.append(task.address)

        @contextmanager
        def work(self, count, least_s):
            counted.append((count, least_s))
            yield lambda: counted.append("one")

    session = replace(world.session(), audience=Listening())
    with runs.writing(session, "settle", wait_s=0) as run:
        runs.settle(run)
    assert sorted(told) == [f"spot_key.k{a}-{k}" for a in range(3) for k in range(2)]
    assert counted == [(0, 0.0), (6, 0.0), *["one"] * 6]
