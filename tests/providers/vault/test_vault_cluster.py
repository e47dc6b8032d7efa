"""The client against three real OpenBao servers in a cluster: standbys that answer, leaders that die."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from krakenstate.errors import VaultAddressRefused, VaultLeaderless, VaultUnreachable
from krakenstate.providers.vault.kv import VaultClient
from krakenstate.store.base import Entry
from tests.support.bao import wait_for
from tests.support.raft import Cluster, raft_cluster

pytestmark = pytest.mark.xdist_group("cluster")
WRITES = 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three servers for the tests of this module; each test leaves all of them running."""
    with raft_cluster(tmp_path_factory.mktemp("cluster")) as running:
        running.request("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
        for node in running.nodes:
            wait_for(lambda asked=node: running.bao(asked).request("GET", "kv/config") is not None)
            wait_for(lambda asked=node: running.bao(asked).request("GET", "sys/leader")["leader_address"])
        yield running


def client_of(cluster: Cluster, address: str, **more: float) -> VaultClient:
    """A client with the root token."""
    return VaultClient(address, SecretStr(cluster.root_token), "kv", **more)


def standby_of(cluster: Cluster) -> str:
    """The address of a node that does not lead."""
    return next(node.address for node in cluster.nodes if node is not cluster.leader)


def test_a_standby_alone_never_answers_from_before_our_own_writes(cluster):
    """Where VAULT_ADDR names one standby, what was written through it is there at once, or gone at once."""
    client = client_of(cluster, standby_of(cluster))
    for number in range(WRITES):
        path = f"standby/{number}"
        assert client.write(path, {"x": number}, cas=0) == 1
        assert client.read(path) == Entry({"x": number}, 1)
        assert client.metadata(path).version == 1
        client.delete(path)
        assert client.read(path) is None
    client.close()


def test_the_leader_is_asked_wherever_it_stands_in_the_list(cluster):
    """What another client wrote at the leader is seen at once, standbys listed first or not."""
    writer = client_of(cluster, cluster.leader.address)
    reader = client_of(cluster, cluster.address)
    assert reader.list("leader") == []
    for number in range(WRITES):
        writer.write(f"leader/{number}", {"x": number}, cas=0)
        assert reader.read(f"leader/{number}") == Entry({"x": number}, 1)
    writer.close()
    reader.close()


def test_a_dying_leader_costs_a_pause(cluster):
    """Writes go on at the next leader: each takes effect once, with its own version."""
    client = client_of(cluster, cluster.address)
    assert client.write("death", {"x": 0}, cas=0) == 1
    dead = cluster.leader
    cluster.kill(dead)
    for version in range(1, WRITES):
        assert client.write("death", {"x": version}, cas=version) == version + 1
    assert client.read("death") == Entry({"x": WRITES - 1}, WRITES)
    client.close()
    cluster.start(dead)


def test_a_sealed_leader_costs_a_pause_too(cluster):
    """An operator seals the leader; another takes over."""
    client = client_of(cluster, cluster.address)
    assert client.write("seal", {"x": 0}, cas=0) == 1
    sealed = cluster.leader
    cluster.seal(sealed)
    assert client.write("seal", {"x": 1}, cas=1) == 2
    client.close()
    cluster.unseal(sealed)


def test_a_standbys_redirect_to_a_leader_that_is_not_listed_is_refused(cluster):
    """A standby that may not forward a write names the leader; the token does not go there."""
    standby, leader = standby_of(cluster), cluster.leader
    client = client_of(cluster, standby)
    assert client.list("anything") == []
    send = client._server._send
    client._server._send = lambda origin, request, headers: send(
        origin, request, {**headers, "X-Vault-No-Request-Forwarding": "1"}
    )

    def is_refused() -> bool:
        try:
            client.write("redirected", {"x": 1}, cas=0)
        except VaultAddressRefused as refusal:
            return f"{standby} redirects to {leader.address}" in refusal.message
        except VaultLeaderless:  # it has joined a moment ago, and does not know yet whom to name
            return False
        raise AssertionError("the write was answered")

    wait_for(is_refused)
    client.close()
    reader = client_of(cluster, cluster.address)
    assert reader.metadata("redirected") is None
    reader.close()


def test_several_standbys_are_not_asked(cluster):
    """Where none of the nodes that VAULT_ADDR lists leads, their old data are not taken for the truth."""
    standbys = ",".join(node.address for node in cluster.nodes if node is not cluster.leader)
    client = client_of(cluster, standbys)
    with pytest.raises(VaultLeaderless, match="are standbys"):
        client.read("anything")
    client.close()


def test_without_a_leader_it_is_said_after_the_patience(cluster):
    """Two of three are down: nobody can lead, nothing is written, and that is what is said."""
    client = client_of(cluster, cluster.address, patience_s=1, timeout_s=2)
    assert client.write("none", {"x": 0}, cas=0) == 1
    dead = [node for node in cluster.nodes if node is not cluster.leader]
    for node in dead:
        cluster.kill(node)
    with pytest.raises((VaultLeaderless, VaultUnreachable)):
        client.write("none", {"x": 1}, cas=1)
    client.close()
    for node in dead:
        cluster.start(node)
    wait_for(lambda: cluster.leader is not None)
    again = client_of(cluster, cluster.address)
    assert again.read("none").data["x"] in {0, 1}
    again.close()
