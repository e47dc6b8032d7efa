"""The plan: decision and facts, as plain data."""

from datetime import date
from enum import StrEnum
from functools import lru_cache

from pydantic import Field, JsonValue

from krakenstate.errors import Source
from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.entry import Waiver
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.task import TaskKind
from krakenstate.model.vocabulary import Word

FORMAT_VERSION = "1.0"


class Action(Word):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    MANUAL = "manual"
    ROTATE = "rotate"
    FORGET = "forget"
    INGEST = "ingest"
    VERIFY = "verify"
    ADVANCE = "advance"
    CLOSE = "close"
    WAIT = "wait"
    UNKNOWN = "unknown"
    NO_OP = "no-op"

    @property
    def step_class(self) -> "StepClass | None":
        """Proposal, settlement, or neither."""
        return _CLASSES.get(self)


class StepClass(StrEnum):
    """Proposals need approval; settlements carry out what an applied declaration already allows."""

    PROPOSAL = "proposal"
    SETTLEMENT = "settlement"


_CLASSES = {
    **dict.fromkeys(
        (Action.CREATE, Action.UPDATE, Action.DELETE, Action.MANUAL, Action.ROTATE, Action.FORGET),
        StepClass.PROPOSAL,
    ),
    **dict.fromkeys((Action.INGEST, Action.VERIFY, Action.ADVANCE, Action.CLOSE), StepClass.SETTLEMENT),
}


class Reason(Word):
    """Why that action."""

    NOT_FOUND = "not_found"
    NOT_HANDED_IN = "not_handed_in"
    NOT_INSTALLED = "not_installed"
    ATTRIBUTES_DIFFER = "attributes_differ"
    DECLARATION_CHANGED = "declaration_changed"
    REMOVED_FROM_STACK = "removed_from_stack"
    ROTATION_DUE = "rotation_due"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    HANDED_IN = "handed_in"
    EVIDENCE_READY = "evidence_ready"
    TASK_OPEN = "task_open"
    DEPENDENCY_UNFINISHED = "dependency_unfinished"
    LET_GO = "let_go"
    ADOPTED = "adopted"
    OBSERVE_ONLY = "observe_only"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOT_OBSERVED = "not_observed"
    IN_SYNC = "in_sync"


class Actor(StrEnum):
    """Who carries a step out."""

    API = "api"
    PERSON = "person"


class AttributeChange(Model):
    """One attribute's difference.

    For sets, ``added`` and ``removed`` hold the elements and ``before`` and ``after`` the whole lists.
    ``note`` says what it means to somebody who does not know the attribute.
    """

    name: str
    before: JsonValue = None
    after: JsonValue = None
    added: tuple[str, ...] | None = None
    removed: tuple[str, ...] | None = None
    note: str = ""


class Step(Model):
    """One item of a plan.

    ``label`` names the object as people know it (``key "pnl-g1" (...9fQa) on account mm``). ``before`` and
    ``after`` are whole; ``changes`` is the difference. ``after_unknown`` lists what only applying will tell.
    ``previous_address`` is set where a ``Moved`` renames the record first; that makes any step a proposal.
    ``would`` is what a resource that is only observed does not do.
    """

    address: Address
    action: Action
    reason: Reason
    actor: Actor | None = None
    label: str = ""
    note: str = ""
    task_kind: TaskKind | None = None
    task_id: str | None = None
    assignee: str | None = None
    waits_on: tuple[str, ...] = ()
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None
    changes: tuple[AttributeChange, ...] = ()
    unchanged: int = 0
    after_unknown: tuple[str, ...] = ()
    missing: Missing | None = None
    code: str = ""
    previous_address: Address | None = None
    would: Action | None = None

    @property
    def step_class(self) -> StepClass | None:
        """Proposal, settlement, or neither."""
        return StepClass.PROPOSAL if self.previous_address else _CLASSES.get(self.action)

    @property
    def is_import(self) -> bool:
        """Whether it records for the first time what was there before."""
        return self.action is Action.UPDATE and self.reason is Reason.ADOPTED and self.before is None


class RiskWord(StrEnum):
    """What a change does to what a key's holder can do."""

    GAINS = "GAINS"
    WIDENS = "WIDENS"
    EXTENDS = "EXTENDS"
    LOSES = "LOSES"
    NARROWS = "NARROWS"
    SHORTENS = "SHORTENS"

    @property
    def is_gain(self) -> bool:
        """Whether somebody can do more than before."""
        return self in {RiskWord.GAINS, RiskWord.WIDENS, RiskWord.EXTENDS}


class Risk(Model):
    """One line of the risk list; gains and widenings lead."""

    address: Address
    word: RiskWord
    text: str
    critical: bool = False


class RiskLevel(StrEnum):
    """The worst that a plan does."""

    NONE = "none"
    LOSS = "loss"
    GAIN = "gain"
    CRITICAL = "critical"


class Blast(Model):
    """What somebody could do who had a key's secret: its blast radius.

    Args:
        can: In order of harm, such as ``withdraw``, ``trade``, ``read``; ``None`` where it is not declared.
        account: The name of the account that it is about.
        reach: From how many addresses, in a few words.
        until: The last day on which the key works; ``None`` without an end.
        text: All of it as one sentence without its subject.
        critical: Whether it can move funds, works from anywhere, or is not declared.
    """

    can: tuple[str, ...] | None
    account: str
    reach: str
    until: date | None
    text: str
    critical: bool


class BlastChange(Model):
    """The blast radius of one key before and after; ``None`` where there is no such key."""

    address: Address
    before: Blast | None
    after: Blast | None

    @property
    def critical(self) -> bool:
        """Whether what it will be is critical."""
        return self.after is not None and self.after.critical


class Upcoming(Model):
    """Something that will need attention: on a known day, or ``None`` where the day is not known yet."""

    address: Address
    on: date | None
    text: str


class PlanSource(Model):
    """Where a declaration stands."""

    file: str
    line: int
    text: str = ""


@lru_cache(1024)  # thousands of declarations come from one line
def place_of(source: Source | None) -> PlanSource | None:
    """A line as a plan names it."""
    return PlanSource(file=source.file, line=source.line, text=source.text) if source else None


class Severity(StrEnum):
    """How much a finding weighs: an error refuses the plan, a note is only to be known."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Check(Model):
    """A finding that is no change: something a reviewer should know, or what refuses the plan.

    One of a policy's rule names the ``rule`` and says the ``remedy``; ``waiver`` is the one that covers it.
    """

    code: str
    address: Address | None = None
    text: str
    severity: Severity = Severity.NOTE
    rule: str = ""
    remedy: str = ""
    waiver: Waiver | None = None
    source: PlanSource | None = None


class DriftItem(Model):
    """An attribute that is not what was last recorded: somebody changed it elsewhere."""

    address: Address
    label: str
    changes: tuple[AttributeChange, ...]
    risks: tuple[Risk, ...] = ()


class ObservationFact(Model):
    """How old and of what kind the knowledge about one address is."""

    address: Address
    provenance: Provenance | None = None
    at: Instant | None = None
    missing: Missing | None = None
    detail: str = ""


class OpenTask(Model):
    """An open task, as a plan mentions it."""

    id: str
    kind: TaskKind
    address: Address
    assignee: str
    title: str
    rejection: str = ""
    waits_on: tuple[str, ...] = ()


class Summary(Model):
    """How many of each. A rotation counts as one to add and one to destroy."""

    import_: int = Field(default=0, serialization_alias="import")
    add: int = 0
    change: int = 0
    remove: int = 0
    forget: int = 0
    manual: int = 0


class Facts(Model):
    """What a plan knows beside its decision; the digest does not cover it.

    ``as_of`` is set where ``upcoming`` was looked for from a later day; such a plan is never carried out.
    ``documents`` are the parts of the state that the proposals touch, and their digests: the plan is stale
    once one of them was written anew.
    """

    planned_at: Instant
    observed_at: Instant | None = None
    site: str | None = None
    commit: str | None = None
    serial: int
    horizon_days: int = 30
    as_of: date | None = None
    documents: dict[str, str] = Field(default_factory=dict)
    isolation: str = "process"
    sources: dict[Address, PlanSource] = Field(default_factory=dict)
    observations: tuple[ObservationFact, ...] = ()
    tasks: tuple[OpenTask, ...] = ()
    upcoming: tuple[Upcoming, ...] = ()
    checks: tuple[Check, ...] = ()
    drift: tuple[DriftItem, ...] = ()


class Plan(Model):
    """Everything a reviewer reads and an apply carries out.

    ``digest`` is the SHA-256 of the canonical JSON (RFC 8785) of the proposals and of what they belong to:
    stack, environment, lineage, what was left out of it, and whether thresholds that stop it were ``forced``.
    """

    format_version: str = FORMAT_VERSION
    krakenstate_version: str
    stack: str
    environment: str
    lineage: str
    steps: tuple[Step, ...]
    risks: tuple[Risk, ...] = ()
    blast: tuple[BlastChange, ...] = ()
    digest: str
    complete: bool = True
    targets: tuple[Address, ...] = ()
    excluded: tuple[Address, ...] = ()
    forced: bool = False
    facts: Facts

    @property
    def moves(self) -> list[Step]:
        """What is renamed before anything else is done."""
        return [s for s in self.steps if s.previous_address]

    @property
    def deeds(self) -> list[Step]:
        """Proposals and settlements: of thousands of steps mostly a few."""
        return [s for s in self.steps if s.action in _CLASSES or s.previous_address]

    @property
    def proposals(self) -> list[Step]:
        """What needs approval, in the order it is shown."""
        return [s for s in self.deeds if s.step_class is StepClass.PROPOSAL]

    @property
    def settlements(self) -> list[Step]:
        """What an earlier approval already allows."""
        return [s for s in self.deeds if s.step_class is StepClass.SETTLEMENT]

    @property
    def refusals(self) -> list[Check]:
        """What keeps the plan from being applied."""
        return [c for c in self.facts.checks if c.severity is Severity.ERROR]

    @property
    def summary(self) -> Summary:
        """The counts of the proposals."""

        def count(*actions: Action) -> int:
            return sum(1 for s in self.steps if s.action in actions)

        imported = sum(1 for s in self.steps if s.is_import)
        return Summary(
            import_=imported,
            add=count(Action.CREATE, Action.ROTATE),
            change=count(Action.UPDATE) - imported,
            remove=count(Action.DELETE, Action.ROTATE),
            forget=count(Action.FORGET),
            manual=count(Action.MANUAL),
        )
