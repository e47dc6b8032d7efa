"""``krakenstate consumer``: what a process needs so that it reads its secret."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.options import DesiredOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import AddressUnknown

if TYPE_CHECKING:
    from krakenstate.model.declarations import Key, Process
    from krakenstate.model.desired import Desired
    from krakenstate.providers.vault.consumer import Consumer


class Shape(StrEnum):
    """For whom it is printed."""

    ENV = "env"
    VAULT_AGENT = "vault-agent"
    EXTERNAL_SECRETS = "external-secrets"
    PYTHON = "python"
    POLICY = "policy"


def consumer(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="A key, or a process for all of its keys.")
    ],
    shape: Annotated[Shape, typer.Option("--format", help="For whom it is printed.")] = Shape.ENV,
    stack: StackOpt = None,
    desired: DesiredOpt = None,
) -> None:
    """Print what a process needs so that it reads its secret from Vault.

    Made from the stack alone: nothing is asked, and no secret is in it. policy prints the policy of its own
    and the one that serves all processes.
    """
    from krakenstate.providers.vault import consumer as texts
    from krakenstate.stack.load import load

    found = load(stack, desired).desired
    keys, process = _meant(found, address)
    if shape is Shape.POLICY:
        text = _policies(found, process)
    else:
        write = {
            Shape.ENV: texts.env,
            Shape.VAULT_AGENT: texts.vault_agent,
            Shape.EXTERNAL_SECRETS: texts.external_secrets,
            Shape.PYTHON: texts.python,
        }[shape]
        text = write(_described(found, process, keys))
    Output().result(text.rstrip("\n"))


def _meant(desired: Desired, address: str) -> tuple[list[Key], Process]:
    """The keys at an address, and whose they are.

    Raises:
        AddressUnknown: It is neither a key nor a process with keys.
    """
    from krakenstate.model.declarations import Key, Process

    resource = desired.get(address)
    if isinstance(resource, Key):
        return [resource], resource.process
    if isinstance(resource, Process):
        keys = [key for key in desired.of(Key) if key.process.address == resource.address]
        if keys:
            return keys, resource
        raise AddressUnknown(
            f"{address} holds no key.", next_step="Name a process that a key is declared for, or the key."
        )
    raise AddressUnknown(
        f"{address} is neither a key nor a process.", next_step="Name a key or a process of the stack."
    )


def _described(desired: Desired, process: Process, keys: list[Key]) -> Consumer:
    from krakenstate.model.declarations import Grant
    from krakenstate.model.vocabulary import Api
    from krakenstate.providers.vault.consumer import Consumer, Secret
    from krakenstate.providers.vault.provider import VaultGrants, check_paths

    paths, names = desired.head.vault, {Api.SPOT: "KRAKEN", Api.DERIVATIVES: "KRAKEN_FUTURES"}
    secrets = []
    for key in keys:
        alone = sum(other.api is key.api for other in keys) == 1
        prefix = names[key.api] + ("" if alone else f"_{key.name.upper().replace('-', '_')}")
        first = next((old for old in desired.moves if desired.moved_to(old) == key.address), key.address)
        path = key.vault_path or f"{paths.secrets}/{process.name}/{first}"
        check_paths(paths.mount, path)
        unit = getattr(key, "nonce_unit", None)
        secrets.append(Secret(str(key.address), key.api, path, prefix, unit))
    grant = next((g for g in desired.of(Grant) if g.process.address == process.address), None)
    return Consumer(
        stack=desired.head.name,
        process=process.name,
        mount=paths.mount,
        secrets=tuple(secrets),
        role=VaultGrants().policy_name(desired.head.name, grant.name) if grant else "",
        login=grant.auth if grant else None,
    )


def _policies(desired: Desired, process: Process) -> str:
    from krakenstate.providers.vault.provider import VaultGrants

    paths, grants = desired.head.vault, VaultGrants()
    own = grants.policy(paths.mount, paths.secrets, process.name, paths.state)
    everybody = grants.policy_for_all(paths.mount, paths.secrets, paths.state)
    return f"# Of {process.name} alone:\n\n{own}\n# Or one for all processes, instead:\n\n{everybody}"
