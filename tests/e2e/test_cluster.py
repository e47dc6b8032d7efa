"""A settle of many keys on a cluster whose leaders die: real processes, real servers, a simulated Kraken."""

import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.bao import wait_for
from tests.support.cli import Result
from tests.support.e2e import APPLY, AT_RUNNER, Desk
from tests.support.fleet import Fleet
from tests.support.raft import Cluster, Node, raft_cluster
from tests.support.simulator import simulated_kraken
from tests.support.warm import WarmStart

pytestmark = pytest.mark.xdist_group("cluster")
SETTLE = ("settle", *AT_RUNNER)
MOST_S = 600.0
OF_VAULT = re.compile(r"^  KS4[0-9]{3}$", re.MULTILINE)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three servers, new for each test: they are killed and sealed."""
    with raft_cluster(tmp_path / "cluster") as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, cluster: Cluster, warm: WarmStart) -> Iterator[Desk]:
    """A desk whose Vault is the cluster."""
    with simulated_kraken() as kraken:
        mount = cluster.whole.new_mount()
        for node in cluster.nodes:
            wait_for(lambda asked=node: cluster.bao(asked).request("GET", f"{mount}/config") is not None)
        desk = Desk(tmp_path / "desk", kraken, cluster.whole, mount, "")
        desk.warm = warm
        kraken.people("budget", on=False)
        yield desk


@pytest.mark.timeout(240)
def test_a_settle_outlives_its_leaders(desk: Desk, cluster: Cluster) -> None:
    """24 keys on 6 accounts: the leader is killed, the next one sealed and unsealed; nothing is lost."""
    outlives_its_leaders(desk, cluster, accounts=6, keys=24)


@pytest.mark.soak
def test_a_large_settle_outlives_its_leaders(desk: Desk, cluster: Cluster) -> None:
    """The same with 200 keys on 20 accounts."""
    outlives_its_leaders(desk, cluster, accounts=20, keys=200)


def outlives_its_leaders(desk: Desk, cluster: Cluster, *, accounts: int, keys: int) -> None:
    """One settle over two changes of leaders, and at most one more, takes in every key once.

    Kraken's call log tells how far the settle is, since each key is asked once.
    """
    fleet = Fleet.of(desk, accounts, keys)
    fleet.declare()
    desk.run("init")
    desk.run(*APPLY, expect=f"{keys} manual pending")
    for name in fleet.names:
        fleet.leave_in_inbox(name)
    before, began = fleet.asked(), time.monotonic()

    with settling(desk) as ending:
        wait_for(lambda: ending.done() or fleet.asked() - before > keys / 4, MOST_S)
        assert not ending.done()
        dead = leader_of(cluster)
        cluster.kill(dead)
        wait_for(lambda: ending.done() or fleet.asked() - before > keys / 2, MOST_S)
        sealed = leader_of(cluster)
        cluster.seal(sealed)  # one of three is left, so nobody leads until a person unseals it
        cluster.unseal(sealed)
    done = ending.result()
    print(f"the first settle of {keys} keys took {time.monotonic() - began:.1f} s, exit {done.code}")  # noqa: T201
    if done.code:  # it says which Vault it met, and one more run finishes
        assert OF_VAULT.search(done.stderr), done.stderr
        with settling(desk) as ending:
            pass
        done = ending.result()
    assert done.code == 0, done.stderr
    assert "Traceback" not in done.stderr

    cluster.start(dead)
    assert fleet.asked() - before <= keys + 1, "a key was asked again without need"
    assert {len(made) for made in fleet.made.values()} == {1}
    fleet.is_settled()
    fleet.serials_are_gapless()


@contextmanager
def settling(desk: Desk) -> Iterator[Future[Result]]:
    """A settle as a process of its own, whose output is read all the time; it ends before the block does."""

    def read() -> Result:
        stdout, stderr = running.communicate(timeout=MOST_S)
        return Result(running.returncode, stdout, stderr)

    running: subprocess.Popen[str] = desk.start(*SETTLE)
    with ThreadPoolExecutor(1) as reader:
        try:
            yield reader.submit(read)
        except BaseException:
            running.kill()
            raise


def leader_of(cluster: Cluster) -> Node:
    """Who leads, as soon as somebody does."""
    wait_for(lambda: cluster.leader is not None)
    leader = cluster.leader
    assert leader is not None
    return leader
