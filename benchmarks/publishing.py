"""Figures 7 and 8: new secrets put where their processes read them, on a server with integrated storage."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial

import hvac
from pydantic import SecretStr

from benchmarks import houses
from benchmarks.command import surroundings
from benchmarks.figures import Contestant, Figure, Sample
from benchmarks.workshop import Workshop
from krakenstate.cli.output import Output
from krakenstate.cli.wiring import wire
from krakenstate.engine import runs
from krakenstate.engine.lockstep import play
from krakenstate.engine.session import Session, Writing
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key
from krakenstate.model.run import CallKind
from krakenstate.secret.base import Held, Label
from krakenstate.sim import openbao


def figures(shop: Workshop) -> Iterator[Figure]:
    """Ours against a loop of hvac, and against the command line of OpenBao."""
    what = "new secrets published to a raft OpenBao, against "
    yield Figure("7", f"500 {what}one hvac loop", 0.65, krakenstate(shop, 500), hvac_loop(shop, 500))
    yield Figure("8", f"50 {what}50 bao kv put", 0.15, krakenstate(shop, 50), kv_put(shop, 50))


def krakenstate(shop: Workshop, keys: int) -> Contestant:
    """The publishing of a settle, lock and journal included; each secret is labelled and read back."""
    rounds = _numbers()

    def prepare() -> None:
        shop.raft  # noqa: B018 - starts it

    def run() -> Sample:
        mount = shop.raft.new_mount(f"krakenstate-{keys}-{next(rounds)}")
        session = _session(shop, keys, mount)
        runs.initialise(session)
        made = [(key, credential(key.name)) for key in session.desired.of(Key)]
        began = time.perf_counter()
        with runs.writing(session, "settle", wait_s=0) as writing:
            held = play(writing, [partial(_publish, session, key, secret) for key, secret in made])
        took = time.perf_counter() - began
        if len(held) != keys or {one.version for one in held} != {1}:
            raise RuntimeError("not every secret was published once")
        return Sample(took)

    return Contestant(f"krakenstate publishes {keys}", prepare, run)


def hvac_loop(shop: Workshop, keys: int) -> Contestant:
    """One client, one secret after another: the secret with check-and-set, then its custom metadata."""
    rounds = _numbers()

    def run() -> Sample:
        mount = shop.raft.new_mount(f"hvac-{keys}-{next(rounds)}")
        vault = shop.raft.vault
        secrets = [(f"kraken/p{n}/spot_key.k{n}", credential(f"k{n}")) for n in range(keys)]
        client = hvac.Client(url=vault.address, token=vault.token)
        kv = client.secrets.kv.v2
        began = time.perf_counter()
        for path, secret in secrets:
            kv.create_or_update_secret(path, secret=_fields(secret), cas=0, mount_point=mount)
            custom = {"managed-by": "loop", "fingerprint": secret.fingerprint}
            kv.update_metadata(path, custom_metadata=custom, mount_point=mount)
        return Sample(time.perf_counter() - began)

    return Contestant(f"hvac loop of {keys}", lambda: None, run)


def kv_put(shop: Workshop, keys: int) -> Contestant:
    """One process per secret, its fields on standard input, so that they stand in no argument list."""
    rounds = _numbers()

    def run() -> Sample:
        mount = shop.raft.new_mount(f"bao-{keys}-{next(rounds)}")
        vault = shop.raft.vault
        env = surroundings(
            shop.home, {"BAO_ADDR": vault.address, "BAO_TOKEN": vault.token, **vault.environment}
        )
        texts = [json.dumps(_fields(credential(f"k{n}"))) for n in range(keys)]
        program = str(openbao.find_binary(env))
        began = time.perf_counter()
        for n, text in enumerate(texts):
            command = [program, "kv", "put", f"-mount={mount}", "-cas=0", f"kraken/p{n}/spot_key.k{n}", "-"]
            subprocess.run(command, env=env, input=text, text=True, check=True, stdout=subprocess.DEVNULL)
        return Sample(time.perf_counter() - began)

    return Contestant(f"bao kv put, {keys} times", lambda: None, run)


def credential(name: str) -> Credential:
    """A key that nobody has, always the same for a name."""
    seed = hashlib.sha512(name.encode()).digest()
    halves = base64.b64encode(seed[:42]).decode(), base64.b64encode(seed).decode()
    return Credential(api_key=SecretStr(halves[0]), api_secret=SecretStr(halves[1]))


def _publish(session: Session, key: Key, secret: Credential, run: Writing) -> Held:
    label = Label(
        stack="bench",
        account=key.account.address,
        iiban=None,
        environment="production",
        nonce_unit=None,
        key_name=f"{key.name}-g1",
        generation=1,
    )
    call: Callable[[], Held] = partial(session.custody.publish, session.slot_of(key), secret, label)
    return run.write(CallKind.PUBLISH, key.address, {"fingerprint": secret.fingerprint}, call)


def _session(shop: Workshop, keys: int, mount: str) -> Session:
    folder = shop.folder / "work" / f"publishing-{keys}"
    file = houses.write_stack(folder, keys)
    text = file.read_text(encoding="utf-8").replace(f'mount="{openbao.MOUNT}"', f'mount="{mount}"')
    file.write_text(text, encoding="utf-8")
    return wire(str(file), output=Output(), environment=shop.raft.vault.environment).session


def _fields(secret: Credential) -> dict[str, str]:
    return {
        "api_key": secret.api_key.get_secret_value(),
        "api_secret": secret.api_secret.get_secret_value(),
        "account": "spot_subaccount.s0",
    }


def _numbers() -> Iterator[int]:
    return itertools.count()
