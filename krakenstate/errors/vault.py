"""KS4xxx: what Vault or OpenBao answered."""

from __future__ import annotations

from krakenstate.errors.base import KrakenstateError


class VaultError(KrakenstateError):
    """Vault or OpenBao did not do what was asked."""


class VaultUnreachable(VaultError):
    """No connection to Vault, or no answer in time."""

    code, headline, retryable = "KS4001", "Vault did not answer", True
    remedy = "Check VAULT_ADDR and the network."


class VaultWriteUnknown(VaultUnreachable):
    """A write was sent to Vault, and what became of it is not known."""

    code, headline, retryable = "KS4011", "Vault did not say whether it wrote", True
    remedy = "Run the command again: it looks at what was written before it writes."


class VaultSealed(VaultError):
    """Vault is sealed or not initialised."""

    code, headline, retryable = "KS4002", "Vault is sealed", True
    remedy = "Ask a Vault administrator to unseal it."


class VaultDenied(VaultError):
    """Vault refuses the token for this path."""

    code, headline, exit_code = "KS4003", "Vault denies access", 3
    remedy = "Log in again, or ask for the policy that docs/concepts.md lists for this command."


class MountMissing(VaultError):
    """The stack's KV mount does not exist."""

    code, headline = "KS4004", "Vault mount is missing"
    remedy = "Enable it: bao secrets enable -path=MOUNT -version=2 kv"


class MountNotVersioned(VaultError):
    """The stack's mount is KV version 1; check-and-set and history need version 2."""

    code, headline = "KS4005", "Vault mount is not KV version 2"
    remedy = "Use a KV version 2 mount, or upgrade it: bao kv enable-versioning MOUNT"


class VaultNotConfigured(VaultError):
    """VAULT_ADDR or VAULT_TOKEN is not set."""

    code, headline, exit_code = "KS4006", "Vault is not configured", 3
    remedy = (
        "Set VAULT_ADDR and VAULT_TOKEN; what a login leaves in ~/.vault-token is not read.\n"
        'For a rehearsal: eval "$(krakenstate dev up)"'
    )


class VaultAddressRefused(VaultError):
    """The Vault address is neither https nor loopback, or a redirect led elsewhere."""

    code, headline = "KS4007", "Vault address refused"
    remedy = "Use https, and list every node in VAULT_ADDR, separated by commas."


class VaultConflict(VaultError):
    """A check-and-set write met another version than expected; nothing was written."""

    code, headline, retryable = "KS4008", "Vault entry was changed by somebody else", True
    remedy = "Run the command again."


class VaultAnswerUnexpected(VaultError):
    """Vault answered with something krakenstate does not understand."""

    code, headline = "KS4009", "Vault answered unexpectedly"
    remedy = "Check that VAULT_ADDR names a Vault or OpenBao server, and look at its log."


class WrappingTokenInvalid(VaultError):
    """A response-wrapping token is unknown, expired or was opened before."""

    code, headline, exit_code = "KS4010", "Wrapping token cannot be opened", 3
    remedy = "If nobody here opened it, somebody else may have: treat the key as leaked and delete it."


class LoginMethodMissing(VaultError):
    """A grant's role belongs to a login method that is not enabled at its mount."""

    code, headline = "KS4013", "Login method is not enabled"
    remedy = (
        "An administrator enables it (bao auth enable approle, or jwt), or the role names another mount=."
    )


class VaultLeaderless(VaultError):
    """None of the nodes in VAULT_ADDR leads, and a standby may answer from old data."""

    code, headline, retryable = "KS4012", "No node of Vault leads", True
    remedy = "Wait for the election or unseal a node, and list every node of the cluster in VAULT_ADDR."
