"""Grants in Vault: policies that krakenstate writes down and an administrator installs."""

from __future__ import annotations

from collections.abc import Mapping

from krakenstate.errors import DeclarationInvalid
from krakenstate.model.declarations import Grant
from krakenstate.providers.base import GrantJob, Verb, Verbs
from krakenstate.providers.vault import instructions

VERBS: Mapping[str, Verbs] = {
    Grant.type_name: Verbs(observe=Verb.NONE, create=Verb.MANUAL, update=Verb.MANUAL, delete=Verb.MANUAL),
}


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
        own = f"{secrets}/{name}"
        evidence = f"{state}/evidence/{name}"
        for path in (mount, own, evidence):
            if any(mark in path for mark in '*"\\{}$') or "+" in path.split("/"):
                raise DeclarationInvalid(
                    f"The Vault path {path} has characters that would widen or break a policy."
                )
        return f"""\
# The secrets of {name}, and no others.
path "{mount}/data/{own}/*" {{
  capabilities = ["read"]
}}

# Their names.
path "{mount}/metadata/{own}/" {{
  capabilities = ["list"]
}}

# What its host reports of its keys (krakenstate key verify ADDRESS --report).
path "{mount}/data/{evidence}/*" {{
  capabilities = ["create", "update", "read"]
}}
"""

    def install_grant(self, job: GrantJob) -> str:
        """How an administrator installs it."""
        return instructions.install_grant(job)
