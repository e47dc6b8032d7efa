"""Blocks: one address, its sentence, and the attributes that change."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from krakenstate.model.declarations import DerivativesKey, SpotKey
from krakenstate.model.plan import Action, AttributeChange, DriftItem, Reason, Risk, Step, StepClass
from krakenstate.views import values
from krakenstate.views.explain import explanation
from krakenstate.views.style import MARKS, Paint, plain, wrap
from krakenstate.views.words import count

_LEAF, _ELEMENT = 6, 10
_INNER = " " * 8

_KEYS = {SpotKey.type_name, DerivativesKey.type_name}
"""Their blocks name the account, the key and the end of its public half, whatever changes."""

_REASONS = {
    Reason.NOT_HANDED_IN: "no key has been handed in yet",
    Reason.NOT_INSTALLED: "nobody has said yet that it is installed",
    Reason.DECLARATION_CHANGED: "the declaration changed while its task was open",
    Reason.REMOVED_FROM_STACK: "it is no longer in the stack",
    Reason.HANDED_IN: "a key was handed in",
    Reason.EVIDENCE_READY: "its evidence is there",
    Reason.OUTCOME_UNKNOWN: "the outcome of an earlier call is not known",
}
"""Said in a block whose step brings no note of its own; the other reasons show in the attributes."""


def step_block(
    step: Step, paint: Paint, width: int, *, explain: bool = False, stakes: Sequence[str] = ()
) -> list[str]:
    """A step as a block: its sentence, why, what it is about, and the difference.

    Args:
        step: What it is about.
        paint: How lines are coloured, and where their symbols stand.
        width: Columns; notes wrap there.
        explain: Whether the step is told in plain language too.
        stakes: Risks that no list says.
    """
    told = [("", text) for text in stakes]
    if explain:
        plainly = explanation(step)
        told += [("what: ", plainly.what), ("who:  ", plainly.who), ("why:  ", plainly.why)]
    comments = [line for head, text in told for line in wrap(text, width, f"  # {head}", "  #       ")]
    if step.previous_address and step.action.step_class is None:
        return _moved_block(step, comments, paint)
    mark = MARKS[step.action]
    sentence = "will be imported" if step.is_import else mark.sentence
    lines = [f"  # {paint.bold(plain(step.address))} {sentence}"]
    if step.previous_address:
        lines.append(f"  # (moved from {plain(step.previous_address)})")
    if reason := plain(step.note) or _REASONS.get(step.reason, ""):
        lines += wrap(f"({reason})", width, "  # ", "  #  ")
    if step.waits_on:
        lines += wrap(f"(waits on {', '.join(step.waits_on)})", width, "  # ", "  #  ")
    lines += comments
    is_resource = step.action is not Action.MANUAL and step.step_class is StepClass.PROPOSAL
    lines.append(paint.titled(mark, plain(step.address), f"{_title(step)}{' {' if is_resource else ''}"))
    if is_resource and step.label and step.address.type in _KEYS:
        lines.append(f"{_INNER}# {plain(step.label)}")
    lines += attribute_lines(changes_of(step), step.after_unknown, paint, width)
    if step.unchanged:
        lines.append(f"{_INNER}# ({count(step.unchanged, 'unchanged attribute')} hidden)")
    return [*lines, "    }"] if is_resource else lines


def watched_block(step: Step, paint: Paint, width: int) -> list[str]:
    """What would happen to something that is only observed."""
    assert step.would is not None  # noqa: S101 - the caller looked
    sentence = MARKS[step.would].sentence.replace("will be", "would be").replace("must be", "would be")
    lines = [f"  # {paint.bold(plain(step.address))} {sentence.replace('needs', 'would need')}"]
    if reason := plain(step.note):
        lines += wrap(f"({reason})", width, "  # ", "  #  ")
    title = plain(step.label) or resource_title(step.address.type, step.address.name)
    return [*lines, f"      {title}", *attribute_lines(changes_of(step), step.after_unknown, paint, width)]


def _moved_block(step: Step, comments: list[str], paint: Paint) -> list[str]:
    """A rename and nothing else."""
    old, new = plain(step.previous_address or ""), paint.bold(plain(step.address))
    title = resource_title(step.address.type, step.address.name)
    lines = [f"  # {old} has moved to {new}", *comments, f"    {title} {{"]
    if step.label:
        lines.append(f"{_INNER}# {plain(step.label)}")
    return [*lines, "    }"]


def drift_block(item: DriftItem, paint: Paint, width: int) -> list[str]:
    """What has changed elsewhere about one address."""
    mark = MARKS[Action.UPDATE]
    title = plain(item.label) or resource_title(item.address.type, item.address.name)
    return [
        f"  # {paint.bold(plain(item.address))} has changed",
        paint.titled(mark, plain(item.address), title),
        *attribute_lines(item.changes, (), paint, width),
    ]


def ordered_risks(risks: Iterable[Risk]) -> list[Risk]:
    """Critical ones and gains first, then by address."""
    return sorted(risks, key=lambda r: (not is_loud(r), not r.critical, r.address, r.word, r.text))


def is_loud(risk: Risk) -> bool:
    """Whether it lets somebody do more, or could empty an account."""
    return risk.critical or risk.word.is_gain


def risk_lines(risks: Iterable[Risk], paint: Paint, width: int) -> list[str]:
    """The risk list: gains lead, critical ones before others; ``!`` marks both."""
    lines = []
    for risk in ordered_risks(risks):
        loud = is_loud(risk)
        start = f"  {'!' if loud else ' '} {plain(risk.address)} {risk.word.value} "
        first, *more = wrap(risk.text, width, start, " " * 6)
        head = f"  {paint.over('red', '!') if loud else ' '} {plain(risk.address)} {paint.risk(risk.word)}"
        lines += [head + first[len(start.rstrip()) :], *more]
    return lines


def changes_of(step: Step) -> Sequence[AttributeChange]:
    """The attributes to show: the step's own, else all that come with a creation or go with a removal."""
    if step.changes:
        return [_as_set(change) for change in step.changes]
    if step.before is None and step.after is not None:
        return [_addition(name, value) for name, value in step.after.items() if value is not None]
    if step.after is None and step.before is not None and step.action in {Action.DELETE, Action.MANUAL}:
        return [_removal(name, value) for name, value in step.before.items() if value is not None]
    return ()


def attribute_lines(
    changes: Sequence[AttributeChange], unknown: Iterable[str], paint: Paint, width: int
) -> list[str]:
    """The attributes of a block, by name, with aligned equals signs."""
    pending = set(unknown)
    by_name = {change.name: change for change in changes}
    by_name |= {name: AttributeChange(name=name) for name in pending if name not in by_name}
    longest = max((len(plain(name)) for name in by_name), default=0)
    lines: list[str] = []
    for name, change in sorted(by_name.items()):
        lines += _attribute(change, plain(name).ljust(longest), name in pending, paint, width)
    return lines


def resource_title(type_: str, name: str) -> str:
    """``spot_key "pnl"``."""
    return f"{plain(type_)} {values.quoted(name)}"


def _title(step: Step) -> str:
    resource = resource_title(step.address.type, step.address.name)
    if step.step_class is StepClass.SETTLEMENT:
        return f"{step.action.value} {plain(step.label) or resource}"
    if step.action is not Action.MANUAL:
        return resource
    kind = f"task {values.quoted(step.task_kind.value)}" if step.task_kind else "task"
    whom = f" for {plain(step.assignee)}" if step.assignee else ""
    return f"{kind}{whom}: {plain(step.label) or resource}"


def _addition(name: str, value: JsonValue) -> AttributeChange:
    return AttributeChange(name=name, after=value, added=_elements(value))


def _removal(name: str, value: JsonValue) -> AttributeChange:
    return AttributeChange(name=name, before=value, removed=_elements(value))


def _as_set(change: AttributeChange) -> AttributeChange:
    """A change of plain lists as the set that it is, where the model does not list the elements."""
    old, new = _elements(change.before), _elements(change.after)
    if change.added is not None or change.removed is not None or (old is None and new is None):
        return change
    added = tuple(element for element in new or () if element not in (old or ()))
    removed = tuple(element for element in old or () if element not in (new or ()))
    return change.model_copy(update={"added": added, "removed": removed})


def _elements(value: JsonValue) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return tuple(str(element) for element in value)
    return None


def _attribute(change: AttributeChange, name: str, is_unknown: bool, paint: Paint, width: int) -> list[str]:
    symbol = "+" if change.before is None else "-" if change.after is None and not is_unknown else "~"
    more: list[str] = []
    if is_unknown:
        old = "" if change.before is None else f"{values.shown(change.name, change.before)} -> "
        told = f"{old}{values.UNKNOWN}"
    elif (change.added is not None or change.removed is not None) and not values.is_sensitive(change.name):
        told, more = _set_lines(change, paint)
    elif values.is_text_block(change.before) or values.is_text_block(change.after):
        told, more = _text_block_lines(change, paint)
    elif symbol == "~":
        told = values.arrow(change.name, change.before, change.after)
    elif symbol == "-":
        told = f"{values.shown(change.name, change.before)} -> null"
    else:
        told = values.shown(change.name, change.after)
    first, below = _with_note(f"{name} = {told}", change.note, width)
    return [paint.signed(symbol, _LEAF, first), *more, *below]


def _set_lines(change: AttributeChange, paint: Paint) -> tuple[str, list[str]]:
    signed = [("-", e) for e in change.removed or ()] + [("+", e) for e in change.added or ()]
    if not signed:
        return "[]", []
    elements = [paint.signed(sign, _ELEMENT, f"{values.quoted(e)},") for sign, e in signed]
    return "[", [*elements, f"{_INNER}]"]


def _text_block_lines(change: AttributeChange, paint: Paint) -> tuple[str, list[str]]:
    old, new = values.text_lines(change.before), values.text_lines(change.after)
    diff = [line for line in difflib.ndiff(old, new) if not line.startswith("?")]
    return "<<-EOT", [*(paint.signed(line[0], _ELEMENT, line[2:]) for line in diff), f"{_INNER}EOT"]


def _with_note(first: str, note: str, width: int) -> tuple[str, list[str]]:
    """The note behind the attribute's first line, or below the attribute where it would be too long."""
    if not note:
        return first, []
    trailing = f"{first}    # {plain(note)}"
    if len(trailing) + _LEAF + 2 <= width:
        return trailing, []
    return first, wrap(note, width, f"{_INNER}# ", f"{_INNER}# ")
