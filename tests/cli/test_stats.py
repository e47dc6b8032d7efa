"""``--stats``: what was called and what was waited for, counted by threads at the same time."""

import json
import threading
from contextlib import suppress

import pytest

from krakenstate.cli import output
from krakenstate.cli.output import Output, command_begins, command_ended
from krakenstate.cli.stats import count_calls, kraken_meter, vault_meter
from krakenstate.model.traffic import Traffic
from krakenstate.views.stats import Spent, render_stats, stats_json
from tests.support.world import HEAD


class Seconds:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counted() -> Traffic:
    """A run's calls: two to Vault of which one failed, one to Kraken, and a wait for its budget."""
    clock = Seconds()
    traffic = Traffic(clock)
    vault, kraken = vault_meter(traffic, HEAD), kraken_meter(traffic)
    with vault("get", "kv/data/krakenstate/prod/index") as exchange:
        clock.now += 0.5
        exchange.received = 2048
    with suppress(OSError), vault("get", "kv/data/krakenstate/prod/index"):
        clock.now += 0.25
        raise OSError
    with kraken("GET", "/derivatives/api/v3/subaccount/5a1c-77/trading-enabled") as exchange:
        clock.now += 1
        exchange.sent = 10
    with traffic.waiting("budget"):
        clock.now += 3
    return traffic


def test_calls_are_told_by_system_and_endpoint(counted):
    """A failed call counts too; an account's id does not show; time is told by what it went for."""
    assert render_stats(counted, Spent(elapsed_s=5, computing_s=0.75)) == (
        "Kraken: 1 call; 10 B sent, 0 B received\n"
        "  GET /derivatives/api/v3/subaccount/{uid}/trading-enabled"
        "       1       10 B        0 B      1.00s\n"
        "Vault: 2 calls; 0 B sent, 2.0 KiB received\n"
        "  GET data <state>/index       2        0 B    2.0 KiB      0.75s\n"
        "Time: 5.00s; waiting for Kraken 1.00s, for its call budget 3.00s, for Vault 0.75s; computing 0.75s"
    )


def test_the_same_as_json(counted):
    """Bytes and seconds are numbers."""
    found = stats_json(counted, Spent(elapsed_s=5, computing_s=0.75))["stats"]
    assert (found["elapsed_s"], found["computing_s"]) == (5, 0.75)
    assert found["waiting_s"] == {"kraken": 1, "vault": 0.75, "budget": 3}
    assert found["calls"][1] == {
        "system": "vault",
        "endpoint": "GET data <state>/index",
        "calls": 2,
        "sent_bytes": 0,
        "received_bytes": 2048,
        "seconds": 0.75,
    }


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("kv/metadata/krakenstate/prod/journal/x/0001", "LIST metadata <state>/journal"),
        ("kv/detailed-metadata/kraken/prod", "LIST detailed-metadata <secrets>"),
        ("kv/data/kraken/prod/pnl/spot_key.pnl", "LIST data <secrets>"),
        ("kv/data/team/keys", "LIST data elsewhere"),
        ("sys/internal/ui/mounts/kv", "LIST sys/internal"),
    ],
)
def test_a_call_to_vault_is_named_by_kind_and_folder(path, endpoint):
    """No name of a process or key shows, so that runs of different sizes can be compared."""
    traffic = Traffic(Seconds())
    with vault_meter(traffic, HEAD)("list", path):
        pass
    assert list(traffic.tallies) == [("vault", endpoint)]


def test_waits_at_the_same_time_count_once():
    """Two threads that wait for the same second have waited a second; their calls took two."""
    clock = Seconds()
    traffic, both = Traffic(clock), threading.Barrier(3)

    def ask() -> None:
        with traffic.call("vault", "GET data"):
            both.wait(10)
            both.wait(10)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    both.wait(10)
    clock.now += 1
    both.wait(10)
    for thread in threads:
        thread.join()
    assert traffic.waited_s == {"vault": 1}
    assert traffic.tallies["vault", "GET data"].seconds == 2


@pytest.mark.parametrize("as_json", [True, False])
def test_what_was_counted_is_told_on_standard_error_when_the_command_ends(capsys, as_json):
    """Once, as text or as one line of JSON; standard output stays the command's own."""
    count_calls(Output(json=as_json))
    command_ended()
    command_ended()
    out, err = capsys.readouterr()
    assert out == ""
    if as_json:
        assert json.loads(err)["stats"]["calls"] == []
    else:
        assert err.startswith("Kraken: 0 calls\nVault: 0 calls\nTime: ")


def test_the_time_told_is_that_of_the_whole_command(monkeypatch, capsys):
    """It is counted from the program's start, not from where the counting of calls began."""
    monkeypatch.setattr(output.time, "monotonic", lambda: 107.5)
    command_begins(100.0)
    count_calls(Output())
    command_ended()
    assert "Time: 7.50s;" in capsys.readouterr().err
