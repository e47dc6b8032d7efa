"""Grants: what the written policy allows on a real server, and what the administrator is told."""

import pytest

from krakenstate import AppRole, JwtRole
from krakenstate.errors import DeclarationInvalid, VaultDenied
from krakenstate.providers.base import GrantJob, Verb
from krakenstate.providers.vault.provider import VaultGrants
from krakenstate.providers.vault.verbs import VERBS
from tests.support.golden import check_golden

GRANTS = VaultGrants()


@pytest.fixture
def process(bao, mount, kv):
    """A client with the token of the process mm-quoter, on a mount where others have secrets too."""
    for path in (
        "kraken/prod/mm-quoter/spot_key.mm-quoter",
        "kraken/prod/mm-quoter-2/spot_key.mm-quoter-2",
        "kraken/prod/pnl/spot_key.pnl",
        "krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter",
        "krakenstate/prod/quarantine/mm-quoter/spot_key.mm-quoter",
        "krakenstate/prod/index",
        "krakenstate/prod/resources/stack",
    ):
        kv.write(path, {"x": path}, cas=0)
    policy = GRANTS.policy(mount, "kraken/prod", "mm-quoter", "krakenstate/prod")
    client = bao.client(mount, token=bao.token_with(policy))
    yield client
    client.close()


def test_a_process_reads_and_finds_its_own_secrets(process):
    """Its own secrets can be listed and read."""
    assert process.list("kraken/prod/mm-quoter") == ["spot_key.mm-quoter"]
    assert process.read("kraken/prod/mm-quoter/spot_key.mm-quoter") is not None


@pytest.mark.parametrize(
    "path",
    [
        "kraken/prod/mm-quoter-2/spot_key.mm-quoter-2",
        "kraken/prod/pnl/spot_key.pnl",
        "krakenstate/prod/inbox/mm-quoter/spot_key.mm-quoter",
        "krakenstate/prod/quarantine/mm-quoter/spot_key.mm-quoter",
        "krakenstate/prod/index",
        "krakenstate/prod/resources/stack",
    ],
)
def test_a_process_reads_nothing_else(process, path):
    """Its neighbours' secrets, what is on its way in, and the state stay closed."""
    with pytest.raises(VaultDenied):
        process.read(path)


def test_a_process_leaves_reports_of_its_own_keys(process):
    """It writes and reads its own evidence, never a neighbour's, and removes none."""
    own = "krakenstate/prod/evidence/mm-quoter/spot_key.mm-quoter"
    process.write(own, {"a": "b"}, cas=0)
    assert process.read(own).data == {"a": "b"}
    for call in (
        lambda: process.write("krakenstate/prod/evidence/pnl/spot_key.pnl", {}, cas=0),
        lambda: process.read("krakenstate/prod/evidence/pnl/spot_key.pnl"),
        lambda: process.delete(own),
    ):
        with pytest.raises(VaultDenied):
            call()


def test_a_process_writes_nothing_else(process):
    """Its own secrets cannot be changed or removed by the process."""
    path = "kraken/prod/mm-quoter/spot_key.mm-quoter"
    for call in (
        lambda: process.write(path, {}, cas=1),
        lambda: process.delete(path),
        lambda: process.metadata(path),
        lambda: process.list("kraken/prod"),
        lambda: process.list("krakenstate/prod"),
    ):
        with pytest.raises(VaultDenied):
            call()


@pytest.mark.parametrize("secrets", ["kraken/+", "kraken/*", 'kraken/"x', "kraken/{{identity.name}}"])
def test_a_path_that_would_widen_the_policy_is_refused(secrets):
    """Characters that policies understand as more than themselves are not written into one."""
    with pytest.raises(DeclarationInvalid):
        GRANTS.policy("kv", secrets, "mm-quoter", "krakenstate/prod")


def test_the_instructions_can_be_pasted():
    """They hold the policy, the commands each on a line of its own, and how to attest."""
    policy = GRANTS.policy("kv", "kraken/prod", "mm-quoter", "krakenstate/prod")
    name = GRANTS.policy_name("prod", "mm-quoter")
    text = GRANTS.install_grant(
        GrantJob("prod", "grant.mm-quoter", "mm-quoter", "market-making", policy_name=name, policy=policy)
    )
    assert name == "krakenstate-prod-mm-quoter"
    assert f"bao policy write {name} - <<'EOF'\n{policy.strip()}\nEOF\n" in text
    assert f"\nbao token create -policy={name} -orphan -no-default-policy -period=24h\n" in text
    assert f'\nkrakenstate task attest <its id> --stack prod --note "policy {name} installed"\n' in text


@pytest.mark.parametrize(
    ("case", "login"),
    [
        pytest.param("open", None, id="open"),
        pytest.param("approle", AppRole(), id="approle"),
        pytest.param(
            "jwt",
            JwtRole(
                bound_audiences=["vault"],
                bound_subject="system:serviceaccount:desk:mm-quoter",
                bound_claims={"cluster": ["colo-1", "colo-2"]},
            ),
            id="jwt",
        ),
    ],
)
def test_the_instructions_read_as_reviewed(case, login):
    """With no login declared, with AppRole and with JWT: what an administrator is told, whole."""
    name = GRANTS.policy_name("prod", "mm-quoter")
    job = GrantJob(
        "prod",
        "grant.mm-quoter",
        "mm-quoter",
        "market-making",
        policy_name=name,
        policy=GRANTS.policy("kv", "kraken/prod", "mm-quoter", "krakenstate/prod"),
        policy_for_all=GRANTS.policy_for_all("kv", "kraken/prod", "krakenstate/prod"),
        role_place=GRANTS.role_place(login, name) if login else "",
        role=GRANTS.role(login, name) if login else "",
    )
    check_golden(f"instructions/vault-grant-{case}.txt", GRANTS.install_grant(job))


def test_only_people_install_policies():
    """Unless a grant says manage=True, krakenstate neither reads nor writes policies."""
    verbs = VERBS["grant"]
    assert (verbs.observe, verbs.create, verbs.update, verbs.delete) == (
        Verb.NONE,
        Verb.MANUAL,
        Verb.MANUAL,
        Verb.MANUAL,
    )
