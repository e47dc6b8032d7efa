"""KS1xxx: what can be wrong with a stack file and its declarations."""

from __future__ import annotations

from collections.abc import Sequence

from krakenstate.errors.base import KrakenstateError


class StackError(KrakenstateError):
    """A problem in a stack file."""


class StackSyntax(StackError):
    """Python could not parse the stack file."""

    code, headline = "KS1001", "Stack file has a syntax error"
    remedy = "Correct the line, then run: krakenstate validate"


class StackRaised(StackError):
    """The stack file raised an exception while it ran."""

    code, headline = "KS1002", "Stack file raised an exception"
    remedy = "Correct the line. Stack files see no environment variables, network or credentials."


class StackTimeout(StackError):
    """The stack file ran longer than the limit; it should only declare."""

    code, headline = "KS1003", "Stack file did not finish"
    remedy = "Take out the loop or the long computation at that line."


class StackOutputTooLarge(StackError):
    """The stack file printed more than the limit, or declared more than can be read back."""

    code, headline = "KS1004", "Stack file wrote too much output"
    remedy = "Take out the print statements; a stack only declares."


class StackExited(StackError):
    """The stack file ended its interpreter before its declarations could be read."""

    code, headline = "KS1005", "Stack file ended the interpreter"
    remedy = "Take out the call that exits; a stack file runs to its end."


class StackUnstable(StackError):
    """Two runs with different hash seeds gave different declarations."""

    code, headline = "KS1006", "Stack file is not deterministic"
    remedy = "Take out clocks, random numbers and iteration over unordered sets."


class StackResultInvalid(StackError):
    """What the stack's process sent back, or a file given as --desired, is not a valid rendered stack."""

    code, headline = "KS1007", "Rendered stack is not valid"
    remedy = "Render it again with this version: krakenstate render --out desired.json"


class IsolationUnavailable(StackError):
    """--require-isolation was given, and kernel isolation could not be obtained."""

    code, headline = "KS1008", "Kernel isolation is not available"
    remedy = "Use Linux 5.13 or newer with Landlock, or render what was reviewed without --require-isolation."


class StackNotFound(StackError):
    """There is no stack file of that name."""

    code, headline = "KS1009", "Stack file not found"
    remedy = "Create stacks/NAME.py, or give the file's path."


class StackAmbiguous(StackError):
    """Several stack files exist and none was named."""

    code, headline = "KS1010", "Several stacks, and none named"
    remedy = "Name one, for example: krakenstate plan prod"


class StackMissing(StackError):
    """The file defines no Stack."""

    code, headline = "KS1011", "File defines no stack"
    remedy = 'Add: stack = Stack(name="NAME", environment=..., vault=...)'


class StackTwice(StackError):
    """The file defines more than one Stack."""

    code, headline = "KS1012", "File defines more than one stack"
    remedy = "Keep one Stack per file; move the other to a file of its own."


class StackMisnamed(StackError):
    """The stack's name is not the name of its file."""

    code, headline = "KS1013", "Stack is named unlike its file"
    remedy = "Rename the file or the stack; state is found by this name."


class StackNotExecutedInCi(StackError):
    """Under CI, commands with credentials take a rendered stack and never execute a stack file."""

    code, headline = "KS1014", "Stack files are not executed beside credentials in CI"
    remedy = "Render in a job without credentials, then pass the result: --desired desired.json"


class DeclarationInvalid(StackError):
    """A field of a declaration has a value it cannot have."""

    code, headline = "KS1101", "Declaration is not valid"
    remedy = "Correct the field; docs/concepts.md lists every declaration."


class PermissionUnknown(StackError):
    """A permission word is not one of Kraken's."""

    code, headline = "KS1102", "Unknown permission"
    remedy = "Use one of Kraken's words; docs/kraken.md lists them."


class HostBitsSet(StackError):
    """A network has host bits set, so it is unclear whether one address or the range is meant."""

    code, headline = "KS1103", "Network has host bits set"
    remedy = "Write the network's first address, or the single address without a prefix length."


class NameInvalid(StackError):
    """A name has a form that does not work as an address, a Vault path or a key name at Kraken."""

    code, headline = "KS1104", "Name is not valid"
    remedy = (
        "Use lower-case letters, digits, - and _, beginning with a letter; at most 63, a key's at most 26."
    )


class IibanInvalid(StackError):
    """An IIBAN is not of Kraken's form."""

    code, headline = "KS1105", "IIBAN is not of Kraken's form"
    remedy = "Copy it from the account's settings: AA, two characters, then three groups of four."


class FieldUnknown(StackError):
    """A declaration was given a field that it does not have."""

    code, headline = "KS1106", "Unknown field"
    remedy = "Take the field out, or correct its name."


class ProcessShared(StackError):
    """A key was given more than one process; two processes on one key race for its nonce."""

    code, headline = "KS1107", "One key cannot serve two processes"
    remedy = "Declare one key per process."


class CallUnknown(StackError):
    """A key lists a call whose needs are in no table, so that its rights cannot be derived."""

    code, headline = "KS1108", "Unknown call"
    remedy = "Correct its name (docs/permissions.md lists them), or declare the rights without calls=."


class CallsExceedRights(StackError):
    """A key declares its calls and its rights, and the rights do not suffice for the calls."""

    code, headline = "KS1109", "Calls need more than is declared"
    remedy = "Add what is missing, or leave the rights to be derived from the calls."


class AddressDuplicate(StackError):
    """Two declarations have the same address."""

    code, headline = "KS1201", "Address is declared twice"
    remedy = "Rename one of the two."


class ReferenceNotAdded(StackError):
    """A declaration refers to something that was never added to the stack."""

    code, headline = "KS1202", "Reference to something never added"
    remedy = "Wrap it in stack.add(...), which returns what it is given."


class ControlsElsewhere(StackError):
    """A key controls an account it does not sit on, or one that is no master."""

    code, headline = "KS1203", "Key controls an account it does not sit on"
    remedy = "Set account= and controls= to the same master account."


class ProcessHoldsTwo(StackError):
    """A process holds two keys of one API on one account."""

    code, headline = "KS1204", "Process holds two keys of one kind on one account"
    remedy = "Give each key its own process, or remove one."


class ControllerTwice(StackError):
    """Two keys of one API claim to control the same account."""

    code, headline = "KS1205", "Account has two controllers of one kind"
    remedy = "Keep controls= on one Spot and one Derivatives key per master account."


class DeclarationNotAdded(StackError):
    """A declaration was made and never added to the stack, so it would have no effect."""

    code, headline = "KS1210", "Declaration was never added"
    remedy = "Wrap it in stack.add(...), or take it out."


class FeatureNotAvailable(StackError):
    """A declaration or field of the design that this version cannot honour yet; never ignored silently."""

    code, headline = "KS1206", "Not available in this version"
    remedy = "Take it out for now; CHANGELOG.md says what each version honours."


class MoveImpossible(StackError):
    """A Moved or Removed says something that cannot be."""

    code, headline = "KS1221", "Moved or Removed cannot be honoured"
    remedy = "Correct the address, or take the line out: it has no use once it was applied."


class IdentityShared(StackError):
    """Two accounts were declared with the same e-mail, user name or IIBAN."""

    code, headline = "KS1207", "Two accounts share an identity"
    remedy = "Give each account its own; use same_as= where one account is declared under both platforms."


class SiteUnknown(StackError):
    """The site named for this run is not a declared Allowlist."""

    code, headline = "KS1208", "Unknown site"
    remedy = "Name a declared Allowlist: --site NAME or KRAKENSTATE_SITE."


class AddressUnknown(StackError):
    """A command named an address that the stack or the state does not have."""

    code, headline = "KS1209", "No such address"
    remedy = "List what there is: krakenstate state list"


class NonceUnitUnfit(StackError):
    """A Spot key shall be asked in service, and nothing says which nonce would not overtake its process."""

    code, headline = "KS1212", "Key cannot be asked in service"
    remedy = "Declare the nonce_unit its client counts in (docs/kraken.md), or take probe_in_service out."


class VaultPathTaken(StackError):
    """An adopted key's secret lies where another key's does, or where krakenstate keeps its own records."""

    code, headline = "KS1231", "Vault path is not this key's alone"
    remedy = "Give each key the path where its own secret lies."


class StackProblems(StackError):
    """Several problems of one stack, reported together; it has no code of its own, its problems have."""

    def __init__(self, problems: Sequence[KrakenstateError]) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = tuple(problems)
