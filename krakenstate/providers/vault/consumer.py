"""What a process needs so that it reads its secret: for a shell, Vault Agent, External Secrets, and Python.

Nothing here asks a server, and nothing holds a secret: paths, field names and the role to log in with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from krakenstate.model.login import AppRole, JwtRole
from krakenstate.model.vocabulary import Api, NonceUnit

HALVES = ("api_key", "api_secret")
_TICKS: Mapping[NonceUnit, str] = {
    NonceUnit.SECONDS: "time.time_ns() // 1_000_000_000",
    NonceUnit.MILLISECONDS: "time.time_ns() // 1_000_000",
    NonceUnit.MICROSECONDS: "time.time_ns() // 1_000",
    NonceUnit.TEN_NANOSECONDS: "time.time_ns() // 10",
    NonceUnit.NANOSECONDS: "time.time_ns()",
    NonceUnit.DOTNET_TICKS: "time.time_ns() // 100 + 621_355_968_000_000_000",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """One key as its process sees it: ``path`` below the mount, ``prefix`` of its environment variables."""

    address: str
    api: Api
    path: str
    prefix: str
    nonce_unit: NonceUnit | None


@dataclass(frozen=True, slots=True)
class Consumer:
    """A process, what it reads, and how it logs in."""

    stack: str
    process: str
    mount: str
    secrets: tuple[Secret, ...]
    role: str = ""
    login: AppRole | JwtRole | None = None


def env(consumer: Consumer) -> str:
    """Lines for a shell: they read the secret into variables, and write it nowhere."""
    lines = [
        _title(consumer),
        "# For a shell with VAULT_ADDR and the process's own VAULT_TOKEN; the client may be called vault.",
    ]
    for secret in consumer.secrets:
        lines += ["", f"# {_about(secret)}"]
        for half in HALVES:
            name = f"{secret.prefix}_{half.upper()}"
            lines.append(
                f'{name}="$(bao kv get -mount={quote(consumer.mount)} -field={half} {quote(secret.path)})"'
            )
        if secret.nonce_unit is not None:
            lines.append(f"{secret.prefix}_NONCE_UNIT={secret.nonce_unit.value}")
            names = f"{secret.prefix}_API_KEY {secret.prefix}_API_SECRET {secret.prefix}_NONCE_UNIT"
        else:
            names = f"{secret.prefix}_API_KEY {secret.prefix}_API_SECRET"
        lines.append(f"export {names}")
    return _joined(lines)


def vault_agent(consumer: Consumer) -> str:
    """Configuration of Vault Agent or OpenBao Agent: it logs in, and keeps a file for its user alone."""
    lines = [
        _title(consumer),
        "# vault agent -config=FILE, or bao agent -config=FILE. VAULT_ADDR says where. Files lie in memory.",
        "",
        *_agent_login(consumer),
    ]
    for secret in consumer.secrets:
        full = f"{consumer.mount}/data/{secret.path}"
        fields = [*HALVES, "nonce_unit"] if secret.api is Api.SPOT else [*HALVES]
        body = "".join(f"{secret.prefix}_{f.upper()}={{{{ .Data.data.{f} }}}}\n" for f in fields)
        lines += [
            "",
            f"# {_about(secret)}",
            "template {",
            f'  destination = "/run/{consumer.process}/{secret.address}.env"',
            '  perms       = "0600"',
            "  error_on_missing_key = true",
            "  contents    = <<-EOT",
            f'{{{{ with secret "{full}" -}}}}',
            body.rstrip("\n"),
            "{{ end -}}",
            "EOT",
            "}",
        ]
    return _joined(lines)


def external_secrets(consumer: Consumer) -> str:
    """Manifests for the External Secrets Operator on Kubernetes: the process's own store, a secret each."""
    name = consumer.process.replace("_", "-")
    lines = [
        _title(consumer),
        "# kubectl apply -f FILE, in the process's own namespace. Replace what stands in <...>.",
        "apiVersion: external-secrets.io/v1",
        "kind: SecretStore",
        "metadata:",
        f"  name: {name}-vault",
        "spec:",
        "  provider:",
        "    vault:",
        '      server: "<VAULT_ADDR>"',
        f"      path: {json.dumps(consumer.mount)}",
        "      version: v2",
        "      auth:",
        *_operator_login(consumer, name),
    ]
    for secret in consumer.secrets:
        fields = [*HALVES, "nonce_unit"] if secret.api is Api.SPOT else [*HALVES]
        object_name = secret.address.replace("_", "-").replace(".", "-")
        lines += [
            "---",
            f"# {_about(secret)}",
            "apiVersion: external-secrets.io/v1",
            "kind: ExternalSecret",
            "metadata:",
            f"  name: {object_name}",
            "spec:",
            "  refreshInterval: 1m",
            "  secretStoreRef:",
            "    kind: SecretStore",
            f"    name: {name}-vault",
            "  target:",
            f"    name: {object_name}",
            "  data:",
        ]
        for field in fields:
            lines += [
                f"    - secretKey: {secret.prefix}_{field.upper()}",
                "      remoteRef:",
                f"        key: {json.dumps(secret.path)}",
                f"        property: {field}",
            ]
    return _joined(lines)


def python(consumer: Consumer) -> str:
    """A small program that reads the secret, and counts nonces as the key's declaration says."""
    lines = [
        _title(consumer),
        "# pip install hvac. VAULT_ADDR and the process's own VAULT_TOKEN come from the environment.",
        "# A rotated key is a new version at the same path: read it again from time to time.",
        "import os",
        "import time",
        "",
        "import hvac",
        "",
        'vault = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])',
        "",
        "",
        "def read(path):",
        '    """Both halves of a key, newest version."""',
        "    answer = vault.secrets.kv.v2.read_secret_version(",
        f"        path=path, mount_point={json.dumps(consumer.mount)}, raise_on_deleted_version=True",
        "    )",
        '    fields = answer["data"]["data"]',
        '    return fields["api_key"], fields["api_secret"]',
    ]
    for secret in consumer.secrets:
        lines += ["", "", f"# {_about(secret)}", *_nonce(secret)]
        key, half = (f"{secret.prefix}_{part}" for part in ("API_KEY", "API_SECRET"))
        lines.append(f"{key}, {half} = read({json.dumps(secret.path)})")
    return _joined(lines)


def _nonce(secret: Secret) -> Sequence[str]:
    """How to count, or why nothing is said about it."""
    if secret.api is Api.DERIVATIVES:
        return ["# Derivatives: leave the Nonce header out; nothing is to be counted."]
    if secret.nonce_unit is None:
        return [
            "# It declares no nonce_unit, so nobody knows in which unit its client counts, and none is",
            "# guessed here. Leave nonces to the client library, and declare what it sends (docs/kraken.md).",
        ]
    if secret.nonce_unit is NonceUnit.COUNTER:
        return [
            "# nonce_unit is COUNTER: its client counts by itself and keeps its count. Never send a nonce",
            "# from a clock with this key: it would be ahead of the client for good.",
        ]
    name = f"{secret.prefix.lower()}_nonce"
    last = f"_last_{name}"
    return [
        f"# Nonces are {secret.nonce_unit.name}, as declared: all clients of this key count in this unit.",
        f"{last} = 0",
        "",
        "",
        f"def {name}():",
        '    """The next one, always larger than the one before."""',
        f"    global {last}",
        f"    {last} = max({_TICKS[secret.nonce_unit]}, {last} + 1)",
        f"    return {last}",
        "",
        "",
    ]


def _agent_login(consumer: Consumer) -> list[str]:
    login, process = consumer.login, consumer.process
    if login is None:
        return [
            "# The grant declares no auth=: put the login of your platform here.",
            *_auto_auth("token_file", "", {"token_file_path": f"/run/{process}/vault-token"}),
        ]
    settings = {"path": f"/run/{process}/jwt", "role": consumer.role}
    if isinstance(login, AppRole):
        settings = {
            "role_id_file_path": f"/etc/{process}/role_id",
            "secret_id_file_path": f"/run/{process}/secret_id",
        }
    return _auto_auth(login.method, login.mount, settings)


def _auto_auth(kind: str, mount: str, settings: Mapping[str, str]) -> list[str]:
    longest = max(map(len, settings))
    return [
        "auto_auth {",
        f'  method "{kind}" {{',
        *([f'    mount_path = "auth/{mount}"'] if mount else []),
        "    config = {",
        *(f"      {name.ljust(longest)} = {json.dumps(value)}" for name, value in settings.items()),
        "    }",
        "  }",
        "}",
    ]


def _operator_login(consumer: Consumer, name: str) -> list[str]:
    match consumer.login:
        case AppRole(mount=mount):
            return [
                "        appRole:",
                f"          path: {json.dumps(mount)}",
                f'          roleId: "<role_id of {consumer.role}>"',
                "          secretRef:",
                f"            name: {name}-vault-login",
                "            key: secret_id",
            ]
        case JwtRole(mount=mount, bound_audiences=audiences):
            return [
                "        jwt:",
                f"          path: {json.dumps(mount)}",
                f"          role: {json.dumps(consumer.role)}",
                "          kubernetesServiceAccountToken:",
                "            serviceAccountRef:",
                f"              name: {name}",
                "            audiences:",
                *(f"              - {json.dumps(audience)}" for audience in audiences),
            ]
        case None:
            return [
                "        # The grant declares no auth=: put the login of your platform here.",
                "        tokenSecretRef:",
                f"          name: {name}-vault-login",
                "          key: token",
            ]


def _title(consumer: Consumer) -> str:
    return f"# What the process {consumer.process} of the stack {consumer.stack} reads from Vault."


def _about(secret: Secret) -> str:
    return f"{secret.address}, a key for {secret.api.value.capitalize()}"


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
