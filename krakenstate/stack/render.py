"""Rendering: what a stack file's two processes reported becomes plain data.

The second run has another hash seed. A stack whose declarations depend on it, on the clock or on chance would
plan differently each time, so a difference between the runs is an error.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from krakenstate.errors import (
    KrakenstateError,
    Source,
    StackError,
    StackExited,
    StackMisnamed,
    StackMissing,
    StackOutputTooLarge,
    StackRaised,
    StackResultInvalid,
    StackTimeout,
    StackTwice,
    StackUnstable,
    catalogue,
)
from krakenstate.model.desired import (
    PlainDeclaration,
    RenderedMove,
    RenderedRemoval,
    RenderedSource,
    dump_source,
)
from krakenstate.stack.errand import Isolation
from krakenstate.stack.find import StackFile
from krakenstate.stack.listening import PRINTED_MAX, REPORT_MAX, Child, Ending
from krakenstate.stack.plain import (
    Report,
    ReportedExtra,
    ReportedProblem,
    ReportedSource,
    admit,
    parse_report,
)
from krakenstate.stack.running import FILE_MAX, Ran
from krakenstate.stack.text import clean

_PRINTED_LINES_MAX = 200
_LINE_SHOWN_MAX = 120


class Run(NamedTuple):
    """What one run of a stack file gave, believed as far as it can be checked here.

    Its resources are its reader's to use up.
    """

    report: Report | None
    resources: list[PlainDeclaration]
    placeholders: tuple[str, ...]
    problems: tuple[KrakenstateError, ...]
    isolation: Isolation


class Lines:
    """The stack file's own text, so that the lines shown are not the child's word."""

    def __init__(self, stack: StackFile) -> None:
        self._stack = stack
        self._texts: dict[Path, list[str]] = {}
        self._sources: dict[tuple[str, int], Source] = {}

    def source(self, claimed: ReportedSource | None) -> Source:
        """A line the child claims, if it is in the stack file or in Python below the project; else the first.

        The text of the line is shown, so a claim must not choose another kind of file, nor one that is
        hidden.
        """
        place = (claimed.file, claimed.line) if claimed else (self._stack.display, 1)
        if place not in self._sources:
            self._sources[place] = self._find(*place)
        return self._sources[place]

    def _find(self, file: str, line: int) -> Source:
        if file == self._stack.display:
            return Source(self._stack.display, line, self._text(self._stack.path, line))
        path = self._source_named(file)
        if path is None:
            return self.source(None)
        shown = clean(str(path.relative_to(self._stack.project)), 300)
        return Source(shown, line, self._text(path, line))

    def _source_named(self, name: str) -> Path | None:
        try:
            path = (self._stack.project / name).resolve()
            is_file = path.is_file()
        except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL
            return None
        if not is_file or path.suffix != ".py" or not path.is_relative_to(self._stack.project):
            return None
        inside = path.relative_to(self._stack.project).parts
        return None if any(part.startswith(".") for part in inside) else path

    def _text(self, path: Path, line: int) -> str:
        if path not in self._texts:
            try:
                with path.open("rb") as file:
                    self._texts[path] = file.read(FILE_MAX).decode("utf-8", "replace").splitlines()
            except OSError:
                self._texts[path] = []
        lines = self._texts[path]
        return clean(lines[line - 1].strip(), _LINE_SHOWN_MAX) if 0 < line <= len(lines) else ""


def render_stack(ran: Ran, *, show: Callable[[str], None] | None = None) -> Run:
    """What a stack file declared in its two runs, problems included.

    Args:
        ran: The runs.
        show: Takes each line the stack printed in the first.

    Raises:
        StackUnstable: The two gave different declarations.
    """
    first = read_first(ran, show=show)
    return first._replace(isolation=agreed(ran, first))


def read_first(ran: Ran, *, show: Callable[[str], None] | None = None) -> Run:
    """What the first run declared, which is worth nothing until the second has ``agreed``."""
    if show:
        for line in _printed_lines(ran.first):
            show(line)
    return _read(ran.first, ran)


def agreed(ran: Ran, first: Run) -> Isolation:
    """Waits for the second run and compares; what was obtained in both.

    What the first run itself reports as wrong is not compared, so the second is not waited for either.

    Args:
        ran: The runs.
        first: As ``read_first`` told it; its resources may be used up.

    Raises:
        StackUnstable: The two gave different declarations.
    """
    if first.problems:
        return first.isolation
    child = ran.second()
    if not _is_same(ran.first, child):
        _compare(_read(ran.first, ran), _read(child, ran), Lines(ran.stack))
    for one in ran.children:
        one.report.clear()
    return child.isolation if first.isolation.kind == "kernel" else first.isolation


def stack_problems(run: Run, stack: StackFile) -> list[KrakenstateError]:
    """What is wrong with the ``Stack`` objects of a file."""
    report, lines = run.report, Lines(stack)
    if report is None:
        return []
    problems: list[KrakenstateError] = []
    if not report.stacks and report.finished:
        problems.append(StackMissing(f"{stack.display} makes no Stack(...).", source=lines.source(None)))
    for extra in report.stacks[1:]:
        message = f'The first is "{clean(report.stacks[0].name, 63)}", this one "{clean(extra.name, 63)}".'
        problems.append(StackTwice(message, source=lines.source(extra.source)))
    if len(report.stacks) == 1 and report.stacks[0].name != stack.name:
        only = report.stacks[0]
        problems.append(
            StackMisnamed(
                f'{stack.display} defines the stack "{clean(only.name, 63)}" and must define "{stack.name}".',
                source=lines.source(only.source),
            )
        )
    return problems


def renames_of(run: Run, stack: StackFile) -> tuple[tuple[RenderedMove, ...], tuple[RenderedRemoval, ...]]:
    """The ``Moved`` and ``Removed`` of a file, as the child reports them."""
    if run.report is None:
        return (), ()
    lines = Lines(stack)

    def told(entry: ReportedExtra) -> RenderedSource | None:
        return dump_source(lines.source(entry.source))

    extras = run.report.extras
    moves = (RenderedMove(old=e.old, new=e.new, source=told(e)) for e in extras if e.kind == "Moved")
    removed = (RenderedRemoval(address=e.address, source=told(e)) for e in extras if e.kind == "Removed")
    return tuple(moves), tuple(removed)


def _is_same(one: Child, other: Child) -> bool:
    """Whether two runs ended by themselves and said the same, byte for byte."""
    return (one.ending, one.report) == (other.ending, other.report) and one.ending is Ending.BY_ITSELF


def _read(child: Child, ran: Ran) -> Run:
    """A child's report, or the problem that stands for it."""
    lines = Lines(ran.stack)
    try:
        report = _report_of(child, ran.stack, lines, ran.time_max_s)
    except StackError as problem:
        return Run(None, [], (), (problem,), child.isolation)
    problems = [_problem_of(problem, lines) for problem in report.problems]
    resources: list[PlainDeclaration] = []
    broken = [clean(address, 130) for address in report.placeholders]
    places = [lines.source(line) for line in report.lines]
    for type_, number, fields in report.resources:
        source = places[number] if 0 <= number < len(places) else lines.source(None)
        item = PlainDeclaration(type_, fields.pop("name"), fields, source)
        if wrong := admit(item):
            problems += wrong
            broken.append(clean(item.address, 130))
        else:
            resources.append(item)
    if not report.finished and not problems:
        problems.append(StackExited("It did not run to its end.", source=lines.source(None)))
    rest = report.model_copy(update={"lines": (), "resources": ()})
    return Run(rest, resources, tuple(broken), tuple(problems), child.isolation)


def _report_of(child: Child, stack: StackFile, lines: Lines, time_max_s: float) -> Report:
    top = lines.source(None)
    match child.ending:
        case Ending.OUT_OF_TIME:
            raise StackTimeout(f"It was stopped after {time_max_s:g} seconds.", source=top)
        case Ending.PRINTED_TOO_MUCH:
            raise StackOutputTooLarge(f"It printed more than {PRINTED_MAX // 1024} KiB.", source=top)
        case Ending.REPORTED_TOO_MUCH:
            limit = REPORT_MAX // 2**20
            raise StackOutputTooLarge(f"It declared more than fits into {limit} MiB.", source=top)
        case Ending.BY_ITSELF:
            pass
    if not child.report:
        raise StackExited(f"Its process ended {_ending_of(child)} before it had reported.", source=top)
    try:
        return parse_report(child.report, f"What the process of {stack.display} sent back")
    except StackResultInvalid as problem:
        problem.source = top
        raise


def _ending_of(child: Child) -> str:
    code = child.process.returncode
    if code >= 0:
        return f"with status {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


def _problem_of(reported: ReportedProblem, lines: Lines) -> KrakenstateError:
    """A reported problem as one of ours; an unknown code counts as something the stack raised."""
    classes = {cls.code: cls for cls in catalogue() if issubclass(cls, StackError)}
    cls = classes.get(reported.code, StackRaised)
    address = clean(reported.address, 130) if reported.address else None
    return cls(clean(reported.message, 2000), address=address, source=lines.source(reported.source))


def _compare(first: Run, second: Run, lines: Lines) -> None:
    top = lines.source(None)
    hint = "Two runs of the same file, with different hash seeds, gave different"
    if second.problems:
        problem = second.problems[0]
        message = f"{hint} results: only the second reports {problem.code}: {problem.message}"
        raise StackUnstable(message, source=problem.source or top)
    one, other = _by_address(first.resources), _by_address(second.resources)
    for address in sorted(one.keys() | other.keys()):
        if one.get(address) != other.get(address):
            item = (one.get(address) or other[address])[0]
            raise StackUnstable(
                f"{hint} declarations, first of {address}.", address=address, source=item.source
            )
    if first.report and second.report and first.report.stacks != second.report.stacks:
        raise StackUnstable(f"{hint} stacks.", source=top)
    if first.report and second.report and first.report.extras != second.report.extras:
        raise StackUnstable(f"{hint} entries.", source=top)


def _by_address(resources: Iterable[PlainDeclaration]) -> dict[str, list[PlainDeclaration]]:
    out: dict[str, list[PlainDeclaration]] = {}
    for item in resources:
        out.setdefault(clean(item.address, 130), []).append(item)
    return out


def _printed_lines(child: Child) -> list[str]:
    text = bytes(child.printed[:PRINTED_MAX]).decode("utf-8", "replace")
    return [clean(line, 300) for line in text.splitlines()[:_PRINTED_LINES_MAX]]
