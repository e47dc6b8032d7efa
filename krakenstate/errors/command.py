"""KS6xxx to KS9xxx: lock, plan, the command line, rehearsal and interrupts."""

from __future__ import annotations

from krakenstate.errors.base import KrakenstateError


class LockError(KrakenstateError):
    """One writer at a time."""

    exit_code = 6


class LockHeld(LockError):
    """Another run holds the lock."""

    code, headline, retryable = "KS6001", "State is locked", True
    remedy = "Wait for the other run, or give it time: --lock-timeout 60s"


class LockLost(LockError):
    """The lease ended or was taken over while this run worked; it stopped before its next write."""

    code, headline = "KS6002", "Lock was lost"
    remedy = "See what the other run did, then run the command again."


class LockMismatch(LockError):
    """The lock to be broken is not the one that is held; nothing was broken."""

    code, headline = "KS6003", "Another lock is held"
    remedy = "See whose it is, and name its id: krakenstate lock info"


class LockNotHeld(LockError):
    """There is no lock to break."""

    code, headline, exit_code = "KS6004", "No lock is held", 1
    remedy = "Nothing to do."


class UnlockCancelled(LockError):
    """The question before breaking a lock was not answered with yes."""

    code, headline, exit_code = "KS6005", "Force-unlock cancelled", 1
    remedy = "Nothing was changed."


class PlanError(KrakenstateError):
    """A plan cannot be made or carried out."""


class DigestMismatch(PlanError):
    """The plan is not the approved one."""

    code, headline, exit_code = "KS7001", "Plan is not the approved one", 7
    remedy = "Review the new plan and approve its digest."


class AttributeFixed(PlanError):
    """A declaration changes what cannot be changed on an existing object."""

    code, headline = "KS7002", "Attribute cannot be changed"
    remedy = "Put the old value back, or declare a new object under a new name."


class Protected(PlanError):
    """Something that the state records as protected would leave it."""

    code, headline = "KS7021", "Resource is protected"
    remedy = "Declare it with protect=False and apply that; then it can be taken out."


class RenameLikely(PlanError):
    """One resource leaves the stack and another that is the same arrives: a check of a plan, not an error."""

    code, headline = "KS7022", "Looks like a rename"
    remedy = "If it was renamed, add the Moved(...) that the check names."


class GrantNotManageable(PlanError):
    """A grant says manage=True, and the token of this run may not write its policy or its role."""

    code, headline, exit_code = "KS7023", "Token may not manage grants", 3
    remedy = "Give the token the rights that docs/grants.md lists, or declare the grant with manage=False."


class GrantNotTaken(PlanError):
    """A policy or role was written, and Vault then showed another one."""

    code, headline = "KS7024", "Grant is not as it was written"
    remedy = "Look at what else writes it in Vault, then plan again."


class ApprovalNeeded(PlanError):
    """There is nobody to ask, and no approval was given."""

    code, headline = "KS7003", "Approval is needed"
    remedy = "Run it on a terminal, or add --auto-approve."


class ApplyCancelled(PlanError):
    """The question was not answered with yes."""

    code, headline = "KS7004", "Apply cancelled"
    remedy = "Nothing was changed."


class ApplyPartial(PlanError):
    """Some steps failed; what was done is recorded, what depends on them was skipped."""

    code, headline, exit_code = "KS7005", "Apply stopped part-way", 4
    remedy = "Correct the causes above, then run krakenstate apply again."


class ObservationIncomplete(PlanError):
    """Something was asked and could not be read, so the plan does not cover it."""

    code, headline = "KS7006", "Plan is incomplete"
    remedy = "Correct the causes above and plan again; what could not be read is never changed."


class PlanLooksAhead(PlanError):
    """The plan tells what will be due on a later day (``--as-of``); it is for reading, not for applying."""

    code, headline = "KS7041", "Plan looks ahead"
    remedy = "Plan again without --as-of."


class UsageError(KrakenstateError):
    """The command line is not understood."""

    code, headline = "KS8001", "Command line is not understood"
    remedy = "See: krakenstate --help"


class NotPossibleHere(UsageError):
    """The command line is understood, and what it asks for would do harm here or cannot be done."""

    code, headline = "KS8004", "Command is not possible here"
    remedy = "Run it in the way that the message names."


class NowRefused(UsageError):
    """KRAKENSTATE_NOW is set, but not every origin is loopback, or it is no instant."""

    code, headline = "KS8002", "KRAKENSTATE_NOW refused"
    remedy = "Unset KRAKENSTATE_NOW; it serves rehearsals on loopback only."


class FileUnusable(UsageError):
    """A file named on the command line cannot be read or written."""

    code, headline = "KS8003", "File cannot be used"
    remedy = "Check path and rights."


class SecretTyped(UsageError):
    """What was typed as an argument looks like a private key, and other programs can see it there."""

    code, headline = "KS8041", "Secret on the command line"
    remedy = (
        "Treat that key as leaked: delete it in Kraken's web page and make a new one. Take the line out of "
        "the shell's history too."
    )


class InternalError(KrakenstateError):
    """A bug in krakenstate. Nothing about it is your fault."""

    code, headline = "KS9001", "Internal error"
    remedy = "Run again with KRAKENSTATE_LOG=debug and report what it prints; it holds no secret."


class OutputUnwritable(KrakenstateError):
    """What a command prints cannot be written: the disk is full, or the place is gone."""

    code, headline = "KS9005", "Output cannot be written"
    remedy = "Make room or print elsewhere, then run the command again; what it did before is done."


class RehearsalError(KrakenstateError):
    """The rehearsal servers could not be started, reached or stopped."""

    code, headline = "KS9002", "Rehearsal environment failed"
    remedy = "See: krakenstate dev status"


class Interrupted(KrakenstateError):
    """Stopped by Ctrl-C; the running call was finished, the journal written, the lock released."""

    code, headline, exit_code = "KS9003", "Interrupted", 130
    remedy = "Run the command again; it goes on where it stopped."


class Terminated(Interrupted):
    """Stopped by SIGTERM; the running call was finished, the journal written, the lock released."""

    code, headline, exit_code = "KS9004", "Terminated", 143
