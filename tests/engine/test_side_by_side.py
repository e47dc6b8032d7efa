"""Jobs at the same time, told as if they had been done one after another."""

import signal
import threading
from itertools import count

import pytest

from krakenstate.engine.side_by_side import Ahead, run_all

MANY_S = 20.0


def never_asked():
    """Nothing went wrong, so nobody must be stopped."""
    raise AssertionError("stopped without reason")


def test_results_keep_the_order_of_the_jobs():
    """The last job to end is the first in the result if it was the first to be given."""
    first_may_end = threading.Event()

    def first():
        assert first_may_end.wait(MANY_S)
        return "first"

    def second():
        first_may_end.set()
        return "second"

    assert run_all([first, second], stop=never_asked) == ["first", "second"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_single_job_needs_no_thread(number):
    """Without anything to do beside it, a job runs where it was given."""
    assert run_all([threading.current_thread] * number, stop=never_asked) == (
        [threading.current_thread()] * number
    )


def test_no_more_run_at_the_same_time_than_allowed():
    """Of forty jobs three are under way at once, and all are done."""
    mutex, under_way, most, numbers = threading.Lock(), [], [], count()

    def job():
        with mutex:
            number = next(numbers)
            under_way.append(number)
            most.append(len(under_way))
        threading.Event().wait(0.001)
        with mutex:
            under_way.remove(number)

    run_all([job] * 40, stop=never_asked, at_most=3)
    assert len(most) == 40
    assert max(most) <= 3


class PulledPlug(BaseException):
    """Nothing that anybody would handle."""


def test_what_one_job_raises_is_raised_once_the_others_have_ended():
    """The others are told to stop and end before the failure goes up; jobs not begun are left."""
    stopped, ended, began = threading.Event(), [], []

    def falls():
        raise PulledPlug

    def waits():
        began.append(1)
        assert stopped.wait(MANY_S)
        ended.append(1)

    with pytest.raises(PulledPlug):
        run_all([waits, falls, *[waits] * 20], stop=stopped.set, at_most=2)
    assert len(began) <= 2
    assert ended == began


class Heard(BaseException):
    """What the handler of a signal raises."""


@pytest.fixture
def heeded():
    """A signal that ends whatever the main thread waits for."""

    def hear(_number, _frame):
        raise Heard

    before = signal.signal(signal.SIGUSR1, hear)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_caller_waits_for_nobody(heeded):
    """A signal that the waiting caller hears ends the waiting at once, and the jobs are told to stop."""
    stopped, let_go, begun = threading.Event(), threading.Event(), []

    def job():
        begun.append(1)
        if len(begun) == 2:
            signal.pthread_kill(threading.main_thread().ident, heeded)
        assert let_go.wait(MANY_S)

    with pytest.raises(Heard):
        run_all([job] * 20, stop=stopped.set, at_most=2)
    assert stopped.is_set()
    assert len(begun) == 2
    let_go.set()


def test_what_is_asked_ahead_is_answered_when_it_is_wanted():
    """Answers and failures wait for whoever asked, in whatever order they are wanted, and stay the same."""
    asked = []

    def falls():
        asked.append("second")
        raise PulledPlug

    def says(word):
        asked.append(word)
        return word

    ahead = Ahead(2)
    first, second, third = (
        ahead.ask(lambda: says("first")),
        ahead.ask(falls),
        ahead.ask(lambda: says("third")),
    )
    ahead.end()
    assert (third.result(), first.result(), third.result()) == ("third", "first", "third")
    for _ in range(2):
        with pytest.raises(PulledPlug):
            second.result()
    assert sorted(asked) == ["first", "second", "third"]


def test_no_more_is_asked_ahead_at_the_same_time_than_allowed():
    """The third of three questions waits until one of two that are under way is answered."""
    let_go, begun = threading.Event(), []
    two_began = threading.Barrier(3)

    def waits():
        begun.append(1)
        two_began.wait(MANY_S)
        assert let_go.wait(MANY_S)

    ahead = Ahead(2)
    asked = [ahead.ask(waits), ahead.ask(waits), ahead.ask(lambda: begun.append(1))]
    two_began.wait(MANY_S)
    assert len(begun) == 2
    let_go.set()
    for later in asked:
        later.result()
    ahead.end()
    assert len(begun) == 3


def test_whoever_wants_an_answer_that_nobody_looks_for_yet_looks_for_it():
    """Behind a slow question a lane does not wait: it asks its own, which then is asked by nobody else."""
    let_go, asked = threading.Event(), []
    ahead = Ahead(1)
    slow = ahead.ask(lambda: let_go.wait(MANY_S))
    other = ahead.ask(lambda: asked.append(threading.current_thread().name))
    other.result()
    let_go.set()
    last = ahead.ask(lambda: True)
    ahead.end()
    assert (slow.result(), last.result()) == (True, True)
    assert asked == [threading.current_thread().name]


def test_no_job_begins_before_all_threads_are_there(monkeypatch):
    """The last thread is started as soon as the first one, however much the jobs have to do."""
    started, seen = [], []
    start = threading.Thread.start

    def noted(thread):
        start(thread)
        started.append(thread.name)

    monkeypatch.setattr(threading.Thread, "start", noted)
    run_all([lambda: seen.append(len(started))] * 8, stop=lambda: None, at_most=4)
    assert min(seen) == 4
