"""Work that takes long: announced with what is known of it, a bar on a terminal, lines in a log."""

import io
import re

import pytest

from krakenstate.cli import progress
from krakenstate.cli.output import Output
from krakenstate.cli.progress import Progress
from krakenstate.views.apply_text import work_ahead, work_bar, work_going_on


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """What is told every so many seconds is told at once."""
    monkeypatch.setattr(progress, "STILL_EVERY_S", 0.01)
    monkeypatch.setattr(progress, "BAR_EVERY_S", 0.01)


def worked(stream: io.StringIO, *, count: int = 4, least_s: float = 60, until: str = "1 of 4") -> str:
    """What is told of work of which one part is done, and then a line is said."""
    audience = Progress(Output(stderr=stream))
    with audience.work(count, least_s) as done:
        done()
        for _ in range(500):
            if until in stream.getvalue():
                break
            progress.threading.Event().wait(0.01)
        audience.say("a line")
    return stream.getvalue()


def test_in_a_log_long_work_is_announced_and_told_in_lines():
    """How many keys, what Kraken's budget makes it take at least, and how far it is."""
    told = worked(io.StringIO()).splitlines()
    assert told[0] == "4 keys to ask; Kraken's call budget alone makes that take 60s or more."
    assert "1 of 4 keys done, 60s or more to go" in told
    assert "a line" in told
    assert "\x1b" not in "".join(told)


def test_on_a_terminal_a_bar_stays_below_the_lines_and_goes_at_the_end(monkeypatch):
    """A line is written where the bar was, the bar below it; afterwards the last line is empty."""
    monkeypatch.setenv("TERM", "xterm")
    told = worked(Terminal())
    assert "[#####...............] 1 of 4 keys done, 60s or more to go" in told
    assert re.search(r"\r\x1b\[Ka line\n\[#####\.+\] 1 of 4", told)
    assert told.endswith("\r\x1b[K")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_short_work_is_not_announced(stream):
    """What no budget makes long, and ends before the first line is due, says nothing of itself."""
    with Progress(Output(stderr=stream)).work(1, 0.0) as done:
        done()
    assert stream.getvalue() == ""


def test_nothing_is_promised_that_is_not_known():
    """Where no budget is in the way, no time is told."""
    assert work_going_on(3, 4, 0) == "3 of 4 keys done"
    assert work_bar(4, 4, 0) == "[####################] 4 of 4 keys done"
    assert work_ahead(40, 75.2) == ("40 keys to ask; Kraken's call budget alone makes that take 76s or more.")
