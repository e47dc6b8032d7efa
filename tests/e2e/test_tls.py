"""Vault over TLS with a certificate of the house's own: VAULT_CACERT makes it trusted, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from krakenstate.errors import VaultUnreachable, VaultWriteUnknown
from krakenstate.providers.vault.kv import VaultClient
from krakenstate.sim.openbao import free_port
from tests.support.bao import Bao, start_bao
from tests.support.e2e import HEADER, Desk
from tests.support.simulator import simulated_kraken
from tests.support.warm import WarmStart

pytest.importorskip("cryptography")
from tests.support.certificates import ELSEWHERE, HERE, certify

LISTENER = """\
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/cert.pem"
  tls_key_file = "{folder}/key.pem"
}}
"""


@dataclass(frozen=True)
class Listener:
    """A TLS port of the server, and the file with its certificate."""

    address: str
    certificate: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bao, Listener, Listener]]:
    """A server with two TLS ports: one certified for where it is, one for another name."""
    home = tmp_path_factory.mktemp("tls")
    listeners, text = [], ""
    for name, of in (("here", HERE), ("elsewhere", ELSEWHERE)):
        certify(home / name, of)
        port = free_port()
        text += LISTENER.format(port=port, folder=home / name)
        listeners.append(Listener(f"https://127.0.0.1:{port}", home / name / "cert.pem"))
    (home / "listeners.hcl").write_text(text)
    bao = start_bao(home, f"-config={home / 'listeners.hcl'}")
    yield bao, listeners[0], listeners[1]
    bao.stop()


def test_only_a_trusted_certificate_for_the_right_name_is_spoken_to(
    tmp_path: Path, server: tuple[Bao, Listener, Listener], warm: WarmStart
) -> None:
    """With VAULT_CACERT it works; without it, or under another name, nothing is sent, and it says why."""
    bao, here, elsewhere = server
    with simulated_kraken() as kraken:
        desk = Desk(tmp_path / "desk", kraken, bao, bao.new_mount(), HEADER)
        desk.warm = warm
        refused = desk.fails("KS4001", "init", env={"VAULT_ADDR": here.address})
        assert "its certificate is not trusted; VAULT_CACERT names one" in " ".join(refused.stderr.split())
        named = {"VAULT_ADDR": elsewhere.address, "VAULT_CACERT": str(elsewhere.certificate)}
        refused = desk.fails("KS4001", "init", env=named)
        assert "its certificate is for another name" in " ".join(refused.stderr.split())
        trusted = {"VAULT_ADDR": here.address, "VAULT_CACERT": str(here.certificate)}
        desk.run("init", env=trusted)
        desk.run("state", "list", env=trusted)


@pytest.mark.parametrize("is_named", [True, False])
def test_a_distrusted_server_was_sent_nothing(server: tuple[Bao, Listener, Listener], is_named: bool) -> None:
    """A write that a certificate prevented is known not to have happened."""
    bao, here, elsewhere = server
    mount = bao.new_mount()
    trusted = VaultClient(here.address, SecretStr(bao.root_token), mount, cacert=str(here.certificate))
    assert trusted.write("a", {"x": 1}, cas=0) == 1
    trusted.close()
    certificate = elsewhere.certificate if is_named else here.certificate
    client = VaultClient(elsewhere.address, SecretStr(bao.root_token), mount, cacert=str(certificate))
    client._is_checked = True  # so that the write is the first call
    with pytest.raises(VaultUnreachable) as raised:
        client.write("a", {"x": 2}, cas=1)
    assert not isinstance(raised.value, VaultWriteUnknown)
    client.close()
