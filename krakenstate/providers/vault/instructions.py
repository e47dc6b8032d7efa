"""What a Vault administrator does so that a process can read its own secrets."""

from __future__ import annotations

import json

from krakenstate.model.task import ITS_ID
from krakenstate.providers.base import GrantJob
from krakenstate.providers.vault.administration import written

POLICY_FOR_ALL = "krakenstate-processes"
"""How the administrator may call the one policy for all processes."""


def install_grant(job: GrantJob) -> str:
    """How an administrator installs a policy and a way to log in with it, and says that it is done."""
    return f"""\
Who: a Vault administrator, one who may write policies.
Why: the process {job.process} (owner: {job.owner}) reads its keys from Vault. This policy lets it read its
own secrets, leave reports of its own keys, and nothing else.

1. Install the policy, on a terminal with VAULT_ADDR and VAULT_TOKEN set. With HashiCorp Vault the command
   begins with vault instead of bao.

bao policy write {job.policy_name} - <<'EOF'
{job.policy.strip()}
EOF

{_login(job)}
3. Say that it is done. Policies are not read by krakenstate, so your word is the evidence.

krakenstate task attest {ITS_ID} --stack {job.stack} --note "policy {job.policy_name} installed"
{_for_all(job)}"""


def _login(job: GrantJob) -> str:
    if not job.role_place:
        return f"""\
2. Give the process a way to log in that carries this policy and no other: a role of the login method that
   your platform uses, or, for example, a periodic token that the process renews by itself. A token is a
   secret: hand it to the process's own secret store, never through a ticket or a chat.

bao token create -policy={job.policy_name} -orphan -no-default-policy -period=24h
"""
    return f"""\
2. Write the role with which the process logs in. It carries this policy and no other.

bao write {job.role_place} - <<'EOF'
{json.dumps(written(job.role), sort_keys=True, indent=2)}
EOF

{first_login(job.role_place, job.role)}"""


def first_login(role_place: str, role: str) -> str:
    """What a process must be handed before it can log in with a role."""
    if "bind_secret_id" not in role:
        return """\
   The process logs in with the word of its platform (a signed JWT); there is no secret to hand over.
"""
    return f"""\
   The process logs in with the role's id, which is no secret, and a secret_id, which is one: krakenstate
   never makes one. Hand it over wrapped, to the process's own host and nobody else; it opens once.

bao read -field=role_id {role_place}/role-id
bao write -wrap-ttl=10m -field=wrapping_token -f {role_place}/secret-id
"""


def _for_all(job: GrantJob) -> str:
    if not job.policy_for_all:
        return ""
    return f"""
Instead of a policy per process one can serve them all: the login says which process it is. Install it once;
then, for each process, give the entity behind its login this policy and the process's name as metadata.
Whoever may write entities then decides who reads what.

bao policy write {POLICY_FOR_ALL} - <<'EOF'
{job.policy_for_all.strip()}
EOF
bao write identity/entity name={job.policy_name} policies={POLICY_FOR_ALL} metadata=process={job.process}
"""
