"""KS5xxx: what a rule or a threshold refuses. Each built-in rule has a code of its own."""

from __future__ import annotations

from krakenstate.errors.base import KrakenstateError


class PolicyError(KrakenstateError):
    """A rule refuses the plan."""

    code, headline, exit_code = "KS5001", "Refused by policy", 5
    remedy = "Change the declaration so that it keeps the rule."


class WaiverEnded(PolicyError):
    """A declaration breaks a rule, and the waiver that let it do so has ended."""

    code, headline = "KS5011", "Waiver has ended"
    remedy = "Make the declaration keep the rule, or have the waiver renewed in review."


class WaiverUnknown(PolicyError):
    """A waiver names a rule that there is not, so it would never be looked at."""

    code, headline = "KS5012", "Waiver names no rule"
    remedy = "Correct the rule's name, or take the waiver out."


class WaiverIdle(PolicyError):
    """A declaration has a waiver of a rule that it keeps, so the waiver excuses what may come later."""

    code, headline = "KS5013", "Waiver is not needed"
    remedy = "Take the waiver out."


class AllowlistMissing(PolicyError):
    """A key of a production environment is open to the world, or its allowlist is not managed."""

    code, headline = "KS5101", "Production key without an allowlist"
    remedy = "Name the networks its process calls from: allowlist=[...]"


class NetworkBroad(PolicyError):
    """A production key may be used from /16 of IPv4, /47 of IPv6, or more."""

    code, headline = "KS5102", "Network is too broad"
    remedy = "List the addresses that calls really come from."


class WithdrawalUnbounded(PolicyError):
    """A key can move funds, and has no allowlist or no end."""

    code, headline = "KS5103", "Key that moves funds has no bounds"
    remedy = (
        "Declare allowlist=[...] and expires=date(...); for a Derivatives key rotate_every=timedelta(...)."
    )


class WithdrawalWithTrading(PolicyError):
    """A key can both trade and move funds, so one leak loses both."""

    code, headline = "KS5104", "Key both trades and moves funds"
    remedy = "Declare two keys of two processes."


class WithdrawalWithAddresses(PolicyError):
    """A key can add or change withdrawal addresses and withdraw to them: alone it can empty the account."""

    code, headline = "KS5105", "Key can withdraw to addresses of its own"
    remedy = "Take the address permission out. Addresses are added by a person, in the web page."


class WithdrawalOnSubaccount(PolicyError):
    """A subaccount's key can move funds, which go back to the master before they leave anyway."""

    code, headline = "KS5106", "Subaccount's key can move funds"
    remedy = "Take the right out, and move funds with a key of the master."


class AgeTooLong(PolicyError):
    """A key is rotated more rarely than the stack's limits allow."""

    code, headline = "KS5107", "Key grows too old"
    remedy = "Shorten rotate_every."


class LifetimeTooLong(PolicyError):
    """A key's expiry lies further ahead than the stack's limits allow."""

    code, headline = "KS5108", "Key lives too long"
    remedy = "Bring expires nearer; rotation replaces the key in time."


class NonceWindowOpen(PolicyError):
    """A key has a nonce window: nonces out of order are taken, which hides that two programs share it."""

    code, headline = "KS5109", "Nonce window is open"
    remedy = "Declare nonce_window=0, and give each process that sends on its own a key of its own."


class ControllerShared(PolicyError):
    """The process of a controlling key holds other keys too, so another program may act as it does."""

    code, headline = "KS5110", "Controller's process holds other keys"
    remedy = "Declare a process for krakenstate's own keys alone."


class KeyEndless(PolicyError):
    """A Spot key has neither an expiry nor a rotation."""

    code, headline = "KS5111", "Spot key has no end"
    remedy = "Declare rotate_every=timedelta(days=90), or expires=date(...)."


class OwnersTogether(PolicyError):
    """Processes of different owners trade on one account, where they share margin, positions and P&L."""

    code, headline = "KS5112", "Different owners trade on one account"
    remedy = "Give each strategy a subaccount."


class RightsUnused(PolicyError):
    """A key has rights that none of the calls it declares needs."""

    code, headline = "KS5113", "Key has rights beyond its calls"
    remedy = "Leave the rights to be derived from calls=, or name the call that needs them."


class NotPromoted(PolicyError):
    """A Spot key is new or changed, and was not verified so in the stack it is promoted from."""

    code, headline = "KS5114", "Key was not verified elsewhere first"
    remedy = "Apply it in the other stack and have the key verified there, or waive the rule."


class KeyAged(PolicyError):
    """A key has been in service for longer than the stack's limits allow."""

    code, headline = "KS5115", "Key has grown too old"
    remedy = "Declare rotate_every=timedelta(days=90): the next plan then proposes its rotation."


class ProofUnreadable(PolicyError):
    """The records of the stack that keys are promoted from cannot be read; what it verified is not known."""

    code, headline, exit_code = "KS5031", "Records of the other stack cannot be read", 1
    remedy = "See that the other stack is initialised, and that promotes_from names it and its state= path."


class ProofDenied(ProofUnreadable):
    """Vault refuses to show this token the records of the stack that keys are promoted from."""

    code, headline, exit_code = "KS5032", "Vault denies the records of the other stack", 3
    remedy = "Ask for the policy that docs/concepts.md lists for promotes_from."


class DeskRuleBroken(PolicyError):
    """Something breaks a rule of the desk's own, in ``policies/``."""

    code, headline = "KS5201", "Refused by a rule of the desk"
    remedy = "See the rule in policies/, or ask who owns it."


class DeskRuleFailed(PolicyError):
    """A file in ``policies/`` raised, ran too long or is no rules, so what it would find is not known."""

    code, headline = "KS5202", "Desk's rules could not be looked at"
    remedy = "Correct the file, then run: krakenstate policy check"


class DeskRulesNotRun(PolicyError):
    """Under CI, beside credentials, a file in ``policies/`` runs under kernel isolation alone."""

    code, headline = "KS5203", "Desk's rules were not run"
    remedy = (
        "Run this job on Linux where a process may use Landlock and seccomp; validate says which isolation "
        "there is."
    )


class DeskRulesAbsent(PolicyError):
    """A file in ``policies/`` is known from where the stack was rendered, and is not in this checkout."""

    code, headline = "KS5204", "Desk's rules are not here"
    remedy = "Run in a checkout of the commit that was rendered; on a pull request the file may be new in it."


class ThresholdError(KrakenstateError):
    """A plan that no rule refuses, and that would change or lose too much at once."""

    exit_code = 9


class BulkChange(ThresholdError):
    """One plan would update or destroy more of what exists than the stack's thresholds allow."""

    code, headline = "KS5301", "Too much would change at once"
    remedy = (
        "If all of it is meant, say so for one run: --force-threshold. Else do it in parts: --target ADDR"
    )


class ManagementLost(ThresholdError):
    """A plan would take away the last key with which krakenstate manages a master's subaccounts."""

    code, headline = "KS5302", "Last controlling key would be lost"
    remedy = (
        "Keep it declared until another key with controls= is in service. If nothing shall manage them any "
        "more, say so for one run: --force-threshold"
    )


class ThresholdLoose(ThresholdError):
    """A stack allows more than the usual thresholds do: a check of a plan, not an error."""

    code, headline = "KS5303", "Thresholds are loose"
    remedy = "Take Thresholds(...) back to its defaults once the large change is done."
