"""Desks of any size, for us and for the peers: one master, ten keys to each subaccount, all as declared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.vault import LoopbackVault
from krakenstate.model.declarations import Key, MasterAccount, SpotSubaccount
from krakenstate.model.desired import Desired
from krakenstate.model.identity import fingerprint
from krakenstate.model.index import Index
from krakenstate.model.provenance import Fact, Missing, Provenance
from krakenstate.model.snapshot import Observation, Presence, Snapshot
from krakenstate.model.state import AccountRecord, AccountStatus, KeyRecord, Published
from krakenstate.model.terms import KeyDescription, KeyTerms
from krakenstate.sim.openbao import MOUNT
from krakenstate.stack.load import load_stack
from krakenstate.store.vault.snapshots import VaultSnapshots
from krakenstate.store.vault.state import VaultStateStore

KEYS_PER_ACCOUNT = 10
_LINEAGE = "00000000-0000-4000-8000-000000000000"

_STACK = """\
from datetime import timedelta

from krakenstate import (
    Allowlist, Environment, MasterAccount, NonceUnit, Process, SpotKey, SpotSubaccount, Stack, Vault, roles,
)

stack = Stack(
    name="bench",
    environment=Environment.production(),
    vault=Vault(mount="{mount}", secrets="kraken/bench{keys}", state="krakenstate/bench{keys}"),
)
office = stack.add(Allowlist(name="office", networks=["192.0.2.0/28"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example"))
for a in range({accounts}):
    account = stack.add(SpotSubaccount(
        name=f"s{{a}}", master=desk, username=f"desk-{{a}}", email=f"s{{a}}@desk.example"))
    for k in range({per_account}):
        process = stack.add(Process(name=f"p{{a}}-{{k}}", owner="desk"))
        stack.add(SpotKey(
            name=f"k{{a}}-{{k}}", account=account, process=process, permissions={permissions},
            allowlist=[office], nonce_unit=NonceUnit.MILLISECONDS, rotate_every=timedelta(days=90)))
"""
_CHANGED = "roles.TRADING if (a, k) != (a // 10 * 10, 0) else roles.DASHBOARD"
"""One key in a hundred has other rights than it was made with."""


def names(keys: int) -> Iterator[tuple[int, int]]:
    """Account and number of each key; a desk of fewer than ten has one account."""
    for number in range(keys):
        yield divmod(number, KEYS_PER_ACCOUNT)


def write_stack(folder: Path, keys: int, *, changed: bool = False) -> Path:
    """A stack file with that many keys; with ``changed``, one in a hundred is not as it was applied."""
    file = folder / "stacks" / "bench.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = _STACK.format(
        mount=MOUNT,
        keys=keys,
        accounts=max(1, keys // KEYS_PER_ACCOUNT),
        per_account=min(keys, KEYS_PER_ACCOUNT),
        permissions=_CHANGED if changed else "roles.TRADING",
    )
    file.write_text(text, encoding="utf-8")
    return file


def settle(vault: LoopbackVault, stack_file: Path) -> None:
    """State and snapshot as a run leaves them that found every key in service, as declared."""
    now = datetime.now(UTC) - timedelta(hours=1)
    desired = load_stack(str(stack_file), time_max_s=120).desired
    index = Index(
        krakenstate_version="bench",
        lineage=_LINEAGE,
        serial=0,
        stack=desired.head.name,
        environment=desired.head.environment.name,
        spot_origin=desired.head.environment.spot_url,
        futures_origin=desired.head.environment.futures_url,
        created_at=now,
        written_at=now,
    )
    kv, path = vault.client(), desired.head.vault.state
    store = VaultStateStore(kv, MOUNT, path, version="bench")
    state = store.create(index)
    for account in desired.of(SpotSubaccount):
        state.put(
            AccountRecord(
                address=account.address,
                status=AccountStatus.EXISTS,
                email=account.email,
                username=account.username,
                master=account.master.address,
            )
        )
    for key in desired.of(Key):
        state.put(_key_record(key, now))
    store.save(state, now)
    store.pack(state)
    VaultSnapshots(kv, MOUNT, path).save_snapshot(_snapshot(desired, now))
    kv.close()


def _snapshot(desired: Desired, now: datetime) -> Snapshot:
    """What an observation finds whose site no key admits: each secret is in its place, nothing was asked."""
    seen = {
        key.address: Observation(
            address=key.address,
            presence=Presence.UNKNOWN,
            missing=Missing.NOT_ASKED,
            detail="no site was named",
            facts={"secret": Fact(value=fingerprint(key.name), provenance=Provenance.OBSERVED, at=now)},
        )
        for key in desired.of(Key)
    }
    for account in (*desired.of(SpotSubaccount), *desired.of(MasterAccount)):
        seen[account.address] = Observation(
            address=account.address,
            presence=Presence.UNKNOWN,
            missing=Missing.NOT_ASKED,
            detail="Kraken lists no Spot subaccounts; as recorded",
        )
    return Snapshot(
        lineage=_LINEAGE,
        stack=desired.head.name,
        environment=desired.head.environment.name,
        observed_at=now,
        clock_offset_ms=0,
        observations=dict(sorted(seen.items())),
    )


def _key_record(key: Key, now: datetime) -> KeyRecord:
    terms, print_ = KeyTerms.of(key), fingerprint(key.name)
    return KeyRecord(
        address=key.address,
        account=key.account.address,
        process=key.process.address,
        key_name=f"{key.name}-g1",
        terms=terms,
        published=Published(fingerprint=print_, last_four="abcd", path=f"{MOUNT}/bench", version=1, at=now),
        description=KeyDescription(
            api=key.api,
            fingerprint=print_,
            last_four="abcd",
            permissions=terms.permissions,
            networks=terms.networks or (),
        ),
        described_at=now,
        provenance=Provenance.OBSERVED,
    )


def write_terraform(folder: Path, keys: int) -> None:
    """One empty null resource per key, which is Terraform's fastest form, and the state that matches."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = [f"k{account}_{number}" for account, number in names(keys)]
    head = 'terraform {\n  required_providers {\n    null = { source = "hashicorp/null" }\n  }\n}\n'
    blocks = "".join(f'resource "null_resource" "{label}" {{}}\n' for label in labels)
    (folder / "main.tf").write_text(head + blocks, encoding="utf-8")
    resources = [
        {
            "mode": "managed",
            "type": "null_resource",
            "name": label,
            "provider": 'provider["registry.terraform.io/hashicorp/null"]',
            "instances": [
                {
                    "schema_version": 0,
                    "attributes": {"id": f"{10**18 + number}", "triggers": None},
                    "sensitive_attributes": [],
                }
            ],
        }
        for number, label in enumerate(labels)
    ]
    state = {
        "version": 4,
        "terraform_version": "1.0.0",
        "serial": 1,
        "lineage": _LINEAGE,
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }
    (folder / "terraform.tfstate").write_text(json.dumps(state), encoding="utf-8")


def write_octodns(folder: Path, keys: int) -> None:
    """One A record per key, from one YAML folder to another that holds the same."""
    config = """\
providers:
  desired:
    class: octodns.provider.yaml.YamlProvider
    directory: ./desired
  observed:
    class: octodns.provider.yaml.YamlProvider
    directory: ./observed
zones:
  bench.example.:
    sources: [desired]
    targets: [observed]
"""
    records = [f"k{account}-{number}" for account, number in names(keys)]
    zone = "".join(f"{name}:\n  ttl: 300\n  type: A\n  value: 192.0.2.1\n" for name in records)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    for side in ("desired", "observed"):
        (folder / side).mkdir(exist_ok=True)
        (folder / side / "bench.example.yaml").write_text("---\n" + zone, encoding="utf-8")
