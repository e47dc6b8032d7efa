"""KS30xx and KS31xx: state, journal and tasks."""

from __future__ import annotations

from krakenstate.errors.base import KrakenstateError


class StateError(KrakenstateError):
    """The state cannot be used as it is."""


class LineageMissing(StateError):
    """There is no state at the stack's path; a missing state is never taken for an empty one."""

    code, headline = "KS3001", "No state here"
    remedy = (
        "If this stack is new, begin its state: krakenstate init\n"
        "If not, check mount and path. Make a state that was lost anew: krakenstate state rebuild"
    )


class LineageExists(StateError):
    """A state already exists at the stack's path."""

    code, headline = "KS3002", "State exists already"
    remedy = "Nothing to do: krakenstate plan"


class StateDamaged(StateError):
    """A state document does not match what the index pinned; it was edited, truncated or lost."""

    code, headline = "KS3003", "State document is damaged"
    remedy = (
        "Restore the document's pinned version in Vault (KV keeps history). Where that is not possible: "
        "krakenstate state rebuild"
    )


class StateTooNew(StateError):
    """The state was written by a newer krakenstate."""

    code, headline = "KS3004", "State has a newer format"
    remedy = "Use the krakenstate version that wrote it, or a newer one."


class OriginMismatch(StateError):
    """This run points at other servers than the state was initialised with."""

    code, headline = "KS3005", "State belongs to another Kraken"
    remedy = "Point KRAKENSTATE_SPOT_URL and KRAKENSTATE_FUTURES_URL at the origins named above."


class StateOfAnother(StateError):
    """The state at this path was made for another stack or environment."""

    code, headline = "KS3006", "State belongs to another stack"
    remedy = "Give each stack and environment its own state= path."


class StateConflict(StateError):
    """Somebody else wrote the state meanwhile; nothing of this write was taken."""

    code, headline = "KS3007", "State was changed by somebody else"
    remedy = "Run the command again."


class JournalUnreadable(StateError):
    """The journal of an earlier run cannot be read, so its last call's outcome is not known."""

    code, headline = "KS3008", "Journal cannot be read"
    remedy = "Look at the journal entry in Vault before applying anything."


class StateTooLarge(StateError):
    """A state document has outgrown what Vault's storage takes in one entry; nothing was written."""

    code, headline = "KS3009", "State document is too large"
    remedy = "Give some of the account's keys a stack of their own, with its own state= path."


class StateRestored(StateError):
    """An older state was put back; what was created and published since is not in it, and would be again."""

    code, headline = "KS3011", "State is an older one"
    remedy = "Put the newest version of the index back, as named above."


class StateLost(StateError):
    """There is no state, and secrets of this stack lie in Vault: it had one."""

    code, headline = "KS3020", "State was lost"
    remedy = "Make it anew from what Kraken and Vault hold: krakenstate state rebuild"


class StateHealthy(StateError):
    """A state that can be read would be replaced by one that knows less."""

    code, headline = "KS3021", "State is there and can be read"
    remedy = "Nothing to rebuild: krakenstate plan"


class AddressTaken(StateError):
    """Something is recorded at the address that another shall get, or a renamed key's secret lies there."""

    code, headline = "KS3022", "Address is recorded already"
    remedy = "Let go of one of the two: krakenstate state rm ADDRESS"


class KeyNotRecognised(StateError):
    """Nothing recorded of this stack belongs to the fingerprint, last four or public key asked for."""

    code, headline = "KS3041", "No such key here"
    remedy = "Ask the other stacks, each with --stack NAME, and look in the web page of each account."


class TaskError(KrakenstateError):
    """A task command could not be carried out."""


class TaskNotFound(TaskError):
    """No task, or more than one, has an id beginning like that."""

    code, headline = "KS3101", "No such task"
    remedy = "List them: krakenstate task list"


class TaskNotPossible(TaskError):
    """The task's kind or status does not allow this."""

    code, headline = "KS3103", "Task does not allow this"
    remedy = "See what closes it: krakenstate task show ID"
