"""What a Vault administrator does so that a process can read its own secrets."""

from __future__ import annotations

from krakenstate.model.task import ITS_ID
from krakenstate.providers.base import GrantJob


def install_grant(job: GrantJob) -> str:
    """How an administrator installs a policy, hands out a token with it, and says that it is done."""
    return f"""\
Who: a Vault administrator, one who may write policies.
Why: the process {job.process} (owner: {job.owner}) reads its keys from Vault. This policy lets it read its
own secrets, leave reports of its own keys, and nothing else.

1. Install the policy, on a terminal with VAULT_ADDR and VAULT_TOKEN set. With HashiCorp Vault the command
   begins with vault instead of bao.

bao policy write {job.policy_name} - <<'EOF'
{job.policy.strip()}
EOF

2. Give the process a way to log in that carries this policy and no other: a role of the login method that
   your platform uses, or, for example, a periodic token that the process renews by itself. A token is a
   secret: hand it to the process's own secret store, never through a ticket or a chat.

bao token create -policy={job.policy_name} -orphan -no-default-policy -period=24h

3. Say that it is done. Policies are not read by krakenstate, so your word is the evidence.

krakenstate task attest {ITS_ID} --stack {job.stack} --note "policy {job.policy_name} installed"
"""
