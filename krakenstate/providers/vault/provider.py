"""Grants in Vault: policies and login roles, written down here, and installed by an administrator.

With ``manage=True`` ``administration`` installs them. The verbs say who does it where nothing is declared.
"""

from __future__ import annotations

from pydantic import JsonValue

from krakenstate.errors import DeclarationInvalid
from krakenstate.model.login import AppRole, JwtRole
from krakenstate.providers.base import GrantJob
from krakenstate.providers.vault import instructions
from krakenstate.providers.vault.administration import POLICIES, role_text

PROCESS_OF_LOGIN = "{{identity.entity.metadata.process}}"
"""What a templated policy has in place of the process's name.

Source: OpenBao and Vault, templated policies (read in November 2026).
"""


class VaultGrants:
    """``providers.base.GrantAuthor`` for Vault and OpenBao."""

    def policy_name(self, stack: str, grant: str) -> str:
        """The policy's name in Vault; ``grant`` is the grant's name, or its address."""
        return f"krakenstate-{stack}-{grant.rpartition('.')[2]}"

    def policy(self, mount: str, secrets: str, process: str, state: str) -> str:
        """A policy in HCL that lets a process read and find its own secrets, report on its keys, and no more.

        Args:
            mount: Path of the KV version 2 mount.
            secrets: The stack's ``secrets`` prefix.
            process: The process's name, or its address.
            state: The stack's ``state`` prefix.

        Raises:
            DeclarationInvalid: A path has characters to which policies give a meaning of their own.
        """
        name = process.rpartition(".")[2]
        check_paths(mount, f"{secrets}/{name}", f"{state}/evidence/{name}")
        return _rules(mount, secrets, state, name, f"The secrets of {name}, and no others.")

    def policy_for_all(self, mount: str, secrets: str, state: str) -> str:
        """The same for every process at once: which one it is, is in the metadata of the login's entity.

        A login whose entity has no ``process`` in its metadata gets nothing: the paths do not exist for it.

        Raises:
            DeclarationInvalid: A path has characters to which policies give a meaning of their own.
        """
        check_paths(mount, secrets, state)
        about = "The secrets of the process that the login's entity names, and no others."
        return _rules(mount, secrets, state, PROCESS_OF_LOGIN, about)

    def policy_place(self, name: str) -> str:
        """Its path in the API."""
        return f"{POLICIES}{name}"

    def role_place(self, login: AppRole | JwtRole, name: str) -> str:
        """Its path in the API; the role is named like the policy."""
        return f"auth/{login.mount}/role/{name}"

    def role(self, login: AppRole | JwtRole, policy_name: str) -> str:
        """The settings that say who gets in and with what; what is not among them is not managed.

        Source: OpenBao and Vault, API of the AppRole and JWT methods (read in November 2026).
        """
        ttl = int(login.token_ttl.total_seconds())
        settings: dict[str, JsonValue] = {
            "token_policies": [policy_name],
            "token_no_default_policy": True,
            "token_ttl": ttl,
            "token_max_ttl": ttl,
        }
        match login:
            case AppRole():
                settings |= {"bind_secret_id": True}
            case JwtRole():
                claims: dict[str, JsonValue] = {
                    name: [*values] for name, values in (login.bound_claims or {}).items()
                }
                settings |= {
                    "role_type": "jwt",
                    "user_claim": login.user_claim,
                    "bound_audiences": [*login.bound_audiences],
                    "bound_subject": login.bound_subject,
                    "bound_claims": claims or None,
                    "bound_claims_type": "string",
                }
        return role_text(settings)

    def install_grant(self, job: GrantJob) -> str:
        """How an administrator installs it."""
        return instructions.install_grant(job)

    def first_login(self, role_place: str, role: str) -> str:
        """What is left to an administrator where krakenstate wrote the role."""
        return instructions.first_login(role_place, role) if role_place else ""


def check_paths(*paths: str) -> None:
    """Refuses what has a meaning of its own in a policy, a template or a configuration.

    Raises:
        DeclarationInvalid: A path has such a character.
    """
    for path in paths:
        if any(mark in path for mark in '*"\\{}$') or "+" in path.split("/"):
            raise DeclarationInvalid(
                f"The Vault path {path} has characters that would widen or break a policy."
            )


def _rules(mount: str, secrets: str, state: str, process: str, about: str) -> str:
    return f"""\
# {about}
path "{mount}/data/{secrets}/{process}/*" {{
  capabilities = ["read"]
}}

# Their names.
path "{mount}/metadata/{secrets}/{process}/" {{
  capabilities = ["list"]
}}

# What its host reports of its keys (krakenstate key verify ADDRESS --report).
path "{mount}/data/{state}/evidence/{process}/*" {{
  capabilities = ["create", "update", "read"]
}}
"""
