"""The fields of a plan as JSON, as their schema tells them; ``plan_json`` fills them.

Every field is always there; what has no value is ``null``. Fields may be added within a major format version.
"""

from datetime import date
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from krakenstate.model.base import Instant, Model
from krakenstate.model.plan import Action, Actor, Reason, RiskWord, Severity, StepClass
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.task import TaskKind

Values = dict[str, JsonValue]


class SourceShape(Model):
    """A line of the stack."""

    file: str
    line: int
    text: str


class AttributeShape(Model):
    """One attribute's difference; ``added`` and ``removed`` are of sets alone. Secrets are ``null``."""

    name: str
    before: JsonValue
    after: JsonValue
    added: list[str] | None
    removed: list[str] | None
    note: str


class ImportingShape(Model):
    """What is recorded for the first time."""

    id: str


class DriftChangeShape(Model):
    """As Terraform has it; ``actions`` holds one word."""

    actions: list[Action] = Field(min_length=1, max_length=1)
    before: Values | None
    after: Values | None
    after_unknown: dict[str, Literal[True]]
    before_sensitive: Values
    after_sensitive: Values


class ChangeShape(DriftChangeShape):
    """The same, of a step."""

    replace_paths: list[JsonValue]
    importing: ImportingShape | None


class StepShape(Model):
    """What a plan says of one address."""

    address: str
    previous_address: str | None
    step_class: StepClass | None = Field(alias="class")
    type: str
    name: str
    label: str
    action_reason: Reason
    would: Action | None
    actor: Actor | None
    note: str
    task_kind: TaskKind | None
    task_id: str | None
    assignee: str | None
    waits_on: list[str]
    missing: Missing | None
    code: str
    unchanged: int
    source: SourceShape | None
    attributes: list[AttributeShape]
    change: ChangeShape


class RiskShape(Model):
    """One line of the risk list."""

    address: str
    word: RiskWord
    text: str
    critical: bool
    gain: bool


class DriftShape(Model):
    """What somebody changed elsewhere."""

    address: str
    type: str
    name: str
    label: str
    step_class: None = Field(alias="class")
    attributes: list[AttributeShape]
    risks: list[RiskShape]
    change: DriftChangeShape


class WaiverShape(Model):
    """Who lets a declaration break a rule, why, and until when."""

    owner: str
    reason: str
    until: date


class CheckShape(Model):
    """Something a reviewer should know; ``rule`` is set where a rule of the policy found it."""

    code: str
    address: str | None
    text: str
    severity: Severity
    rule: str | None
    remedy: str | None
    waiver: WaiverShape | None
    source: SourceShape | None


class TaskShape(Model):
    """Work for a person: proposed by this plan, or open already."""

    status: Literal["proposed", "open"]
    id: str | None
    kind: TaskKind | None
    address: str
    actor: Literal["person"]
    assignee: str | None
    title: str
    rejection: str
    waits_on: list[str]


class BlastShape(Model):
    """What somebody could do who had a key's secret; ``can`` is ``null`` where it is not known."""

    can: list[str] | None
    account: str
    reach: str
    until: date | None
    text: str
    critical: bool


class BlastChangeShape(Model):
    """The same, before and after; ``null`` where there is no such key."""

    address: str
    before: BlastShape | None
    after: BlastShape | None
    critical: bool


class UpcomingShape(Model):
    """What will need attention, and when, if the day is known."""

    address: str
    on: date | None
    text: str


class ObservationShape(Model):
    """How an address is known, and since how many seconds; or why it is not."""

    address: str
    source: str
    age: int | None
    at: Instant | None
    provenance: Provenance | None
    missing: Missing | None
    detail: str


class SummaryShape(Model):
    """How many of each; a rotation counts as one to add and one to destroy."""

    import_: int = Field(alias="import")
    add: int
    change: int
    remove: int
    forget: int
    manual: int


class SavedShape(Model):
    """Of a saved plan that is shown: its age in seconds, and whether it is old."""

    age: int
    probably_stale: bool


class PlanShape(Model):
    """A plan; ``plan_digest`` is the SHA-256 of its decision, which ``plan --out`` writes."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    format_version: str
    krakenstate_version: str
    timestamp: Instant
    planned_at: Instant
    environment: str
    stack: str
    lineage: str
    serial: int
    isolation: str
    site: str | None
    commit: str | None
    plan_digest: str
    applyable: bool
    as_of: date | None
    complete: bool
    errored: bool
    targets: list[str]
    excluded: list[str]
    resource_changes: list[StepShape]
    resource_drift: list[DriftShape]
    checks: list[CheckShape]
    manual_tasks: list[TaskShape]
    risks: list[RiskShape]
    blast_radius: list[BlastChangeShape]
    upcoming: list[UpcomingShape]
    observations: list[ObservationShape]
    summary: SummaryShape
    saved: SavedShape | None = None
