"""What a run does, as one JSON object a line: the types that Terraform has, and three of our own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.plan import Action, Plan, Reason, Step, StepClass, Summary
from krakenstate.model.run import Breaker, Effect, Outcome
from krakenstate.model.task import Task, TaskKind, TaskStatus
from krakenstate.views import apply_text
from krakenstate.views.plan_words import conclusion
from krakenstate.views.style import MARKS, plain, plain_lines

UI_VERSION: Literal["1.0"] = "1.0"
MODULE: Literal["krakenstate.ui"] = "krakenstate.ui"


class _Line(Model):
    """What every line has. ``@timestamp`` is this machine's clock, in a rehearsal as well."""

    level: Literal["info", "warn", "error"] = Field(default="info", serialization_alias="@level")
    message: str = Field(serialization_alias="@message")
    module: Literal["krakenstate.ui"] = Field(default=MODULE, serialization_alias="@module")
    timestamp: Instant = Field(serialization_alias="@timestamp")


class Resource(Model):
    """What a line is about."""

    addr: Address
    resource_type: str
    resource_name: str

    @classmethod
    def at(cls, address: Address) -> "Resource":
        """The resource at an address."""
        return cls(addr=address, resource_type=address.type, resource_name=address.name)


class Version(_Line):
    """The first line: who speaks, and in which version of these lines."""

    type: Literal["version"] = "version"
    krakenstate: str
    ui: Literal["1.0"] = UI_VERSION


class Change(Model):
    """A step of the plan, without its values: those are in ``plan --json``."""

    resource: Resource
    previous_address: Address | None = None
    action: Action
    reason: Reason
    step_class: StepClass = Field(serialization_alias="class")


class PlannedChange(_Line):
    """Something the plan proposes or has ready."""

    type: Literal["planned_change"] = "planned_change"
    change: Change


class Counts(Model):
    """How many of each; of an apply or settle those that were done."""

    import_: int = Field(default=0, serialization_alias="import")
    add: int = 0
    change: int = 0
    remove: int = 0
    forget: int = 0
    manual: int = 0
    published: int = 0
    closed: int = 0
    rejected: int = 0
    failed: int = 0
    operation: Literal["plan", "apply", "settle"]


class Result(Model):
    """What one step came to."""

    address: Address
    effect: Effect
    text: str
    code: str = ""
    report: str = ""


class TaskLine(Model):
    """A task, as ``task list --json`` has it in more words."""

    id: str
    kind: TaskKind
    address: Address
    assignee: str
    title: str
    status: TaskStatus


class ChangeSummary(_Line):
    """The plan in numbers, before it is carried out; and the last line of a run that was not refused.

    Of a plan, ``outcomes`` is empty; ``tasks`` are those open then.
    """

    type: Literal["change_summary"] = "change_summary"
    changes: Counts
    plan_digest: str | None = None
    outcomes: tuple[Result, ...] = ()
    tasks: tuple[TaskLine, ...] = ()


class Hook(Model):
    """A step at work; ``result`` once it has ended."""

    resource: Resource
    action: Action
    elapsed_seconds: int = 0
    result: Result | None = None


class ApplyStart(_Line):
    """A step has begun."""

    type: Literal["apply_start"] = "apply_start"
    hook: Hook


class ApplyProgress(_Line):
    """A step goes on; every ten seconds."""

    type: Literal["apply_progress"] = "apply_progress"
    hook: Hook


class ApplyComplete(_Line):
    """A step has ended."""

    type: Literal["apply_complete"] = "apply_complete"
    hook: Hook


class ApplyErrored(_Line):
    """A step failed; independent ones go on."""

    type: Literal["apply_errored"] = "apply_errored"
    hook: Hook


class TaskOpened(_Line):
    """Somebody has work to do."""

    type: Literal["task_opened"] = "task_opened"
    task: TaskLine


class TaskVerified(_Line):
    """Somebody's work was seen to be done."""

    type: Literal["task_verified"] = "task_verified"
    task: TaskLine


class OpenBreaker(Model):
    """Who is left alone until when, and the code of what Kraken said."""

    scope: str
    address: Address
    account: Address
    code: str
    until: Instant


class BreakerOpen(_Line):
    """After a failed authentication nothing more is asked for a while."""

    type: Literal["breaker_open"] = "breaker_open"
    breaker: OpenBreaker


class Told(Model):
    """A diagnostic's text; ``severity`` is ``info`` for what is merely worth a line."""

    severity: Literal["info", "warning", "error"]
    summary: str
    detail: str = ""
    next_step: str = ""
    address: str | None = None
    file: str | None = None
    line: int | None = None


class Diagnostic(_Line):
    """Something worth saying; where it ended the run, with the fields of the error envelope."""

    type: Literal["diagnostic"] = "diagnostic"
    diagnostic: Told
    error: str | None = None
    code: str | None = None
    retryable: bool | None = None
    problems: tuple[dict[str, JsonValue], ...] = ()


Event = Annotated[
    Version
    | PlannedChange
    | ChangeSummary
    | ApplyStart
    | ApplyProgress
    | ApplyComplete
    | ApplyErrored
    | TaskOpened
    | TaskVerified
    | BreakerOpen
    | Diagnostic,
    Field(discriminator="type"),
]
"""One line of ``apply --json`` and ``settle --json``."""

_COUNTED = {
    "add": {Effect.CREATED},
    "change": {Effect.UPDATED, Effect.MOVED},
    "remove": {Effect.DESTROYED},
    "forget": {Effect.FORGOTTEN},
    "manual": {Effect.OPENED},
    "published": {Effect.PUBLISHED},
    "closed": {Effect.CLOSED},
    "rejected": {Effect.REJECTED},
    "failed": {Effect.FAILED},
}


def version(program: str, at: Instant) -> Version:
    """The first line."""
    return Version(timestamp=at, message=f"krakenstate {program}", krakenstate=program)


def planned(plan: Plan, at: Instant) -> Iterable[PlannedChange | ChangeSummary]:
    """What a plan proposes and has ready, by address, and its numbers."""
    for step in sorted(plan.steps, key=lambda s: s.address):
        if step.step_class is not None:
            yield _planned(step, step.step_class, at)
    tasks = tuple(
        TaskLine(
            id=plain(t.id),
            kind=t.kind,
            address=t.address,
            assignee=plain(t.assignee),
            title=plain(t.title),
            status=TaskStatus.OPEN,
        )
        for t in plan.facts.tasks
    )
    yield ChangeSummary(
        timestamp=at,
        message=conclusion(plan),
        changes=Counts(operation="plan", **_numbers(plan.summary)),
        plan_digest=plan.digest,
        tasks=tasks,
    )


def finished(
    operation: Literal["apply", "settle"],
    outcomes: Sequence[Outcome],
    tasks: Iterable[Task],
    at: Instant,
    *,
    digest: str | None = None,
) -> ChangeSummary:
    """The last line: what was done in numbers, what each step came to, and the tasks that are open now."""
    by_effect = Counter(o.effect for o in outcomes)
    counts = {name: sum(by_effect[e] for e in effects) for name, effects in _COUNTED.items()}
    complete = apply_text.apply_complete if operation == "apply" else apply_text.settle_complete
    return ChangeSummary(
        timestamp=at,
        message=complete(outcomes),
        changes=Counts(operation=operation, **counts),
        plan_digest=digest,
        outcomes=tuple(_result(o) for o in outcomes),
        tasks=tuple(_task(t) for t in tasks),
    )


def started(address: Address, action: Action, at: Instant) -> ApplyStart:
    """A step begins."""
    hook = Hook(resource=Resource.at(address), action=action)
    return ApplyStart(timestamp=at, message=apply_text.started(address, action), hook=hook)


def going_on(address: Address, action: Action, elapsed_s: float, at: Instant) -> ApplyProgress:
    """A step has not ended yet."""
    hook = Hook(resource=Resource.at(address), action=action, elapsed_seconds=int(elapsed_s))
    message = apply_text.still_running(address, action, elapsed_s)
    return ApplyProgress(timestamp=at, message=message, hook=hook)


def ended(outcome: Outcome, action: Action, elapsed_s: float, at: Instant) -> ApplyComplete | ApplyErrored:
    """A step has ended, one way or the other."""
    hook = Hook(
        resource=Resource.at(outcome.address),
        action=action,
        elapsed_seconds=int(elapsed_s),
        result=_result(outcome),
    )
    message = apply_text.finished(outcome, elapsed_s=elapsed_s)
    if outcome.effect is Effect.FAILED:
        return ApplyErrored(level="error", timestamp=at, message=message, hook=hook)
    return ApplyComplete(timestamp=at, message=message, hook=hook)


def task_opened(task: Task, at: Instant) -> TaskOpened:
    """A task was opened."""
    message = apply_text.task_opened(task.address, task.id, task.assignee, task.kind)
    return TaskOpened(timestamp=at, message=message, task=_task(task))


def task_verified(task: Task, at: Instant) -> TaskVerified:
    """A task ended by evidence."""
    because = plain(task.closed_because)
    message = f"{task.address}: task {plain(task.id)} verified: {because or task.kind.value}"
    return TaskVerified(timestamp=at, message=message, task=_task(task))


def breaker_open(breaker: Breaker, at: Instant) -> BreakerOpen:
    """A breaker was opened."""
    opened = OpenBreaker(
        scope=breaker.scope.value,
        address=breaker.address,
        account=breaker.account,
        code=breaker.code,
        until=breaker.until,
    )
    return BreakerOpen(
        level="warn",
        timestamp=at,
        message=f"{breaker.address}: its {breaker.scope.value} is left alone after {breaker.code}",
        breaker=opened,
    )


def said(line: str, at: Instant) -> Diagnostic:
    """Something worth a line."""
    text = plain(line)
    return Diagnostic(timestamp=at, message=text, diagnostic=Told(severity="info", summary=text))


def _planned(step: Step, step_class: StepClass, at: Instant) -> PlannedChange:
    change = Change(
        resource=Resource.at(step.address),
        previous_address=step.previous_address,
        action=step.action,
        reason=step.reason,
        step_class=step_class,
    )
    return PlannedChange(timestamp=at, message=f"{step.address} {MARKS[step.action].sentence}", change=change)


def _numbers(summary: Summary) -> dict[str, int]:
    return summary.model_dump()


def _result(outcome: Outcome) -> Result:
    return Result(
        address=outcome.address,
        effect=outcome.effect,
        text=plain(outcome.text),
        code=plain(outcome.code),
        report="\n".join(plain_lines(outcome.report)),
    )


def _task(task: Task) -> TaskLine:
    return TaskLine(
        id=plain(task.id),
        kind=task.kind,
        address=task.address,
        assignee=plain(task.assignee),
        title=plain(task.title),
        status=task.status,
    )
