"""From a stack's name or a rendered file to the desired state: what commands use."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

import krakenstate
from krakenstate.errors import (
    FileUnusable,
    IsolationUnavailable,
    KrakenstateError,
    Source,
    StackResultInvalid,
)
from krakenstate.model.declarations import Moved, Removed
from krakenstate.model.desired import (
    Desired,
    PlainDeclaration,
    Rendered,
    RenderedMove,
    RenderedRemoval,
    StackHead,
    dump_declaration,
    dump_source,
    load_declarations,
)
from krakenstate.model.entry import Declaration
from krakenstate.stack.check import check_declarations, check_vault_paths, raise_problems
from krakenstate.stack.errand import Isolation
from krakenstate.stack.find import StackFile, find_rules, find_stack
from krakenstate.stack.plain import admit, describe_place, parse_json
from krakenstate.stack.renames import check_renames, load_renames
from krakenstate.stack.render import Run, agreed, read_first, renames_of, stack_problems
from krakenstate.stack.running import Ran, run_stack
from krakenstate.stack.text import clean

_VERSION = re.compile(r"1\.\d{1,6}")
_RENDERED_MAX = 128 * 2**20
"""Bytes of a rendered stack; 100,000 keys with a process each take 85 MiB."""


@dataclass(frozen=True)
class LoadedStack:
    """A stack that is known to be right.

    Args:
        desired: Its declarations, with their lines.
        path: The stack file, or the rendered file it was read from.
        isolation: What was obtained when the stack file ran.
        isolation_reason: Why that is no more than ``process``, where it is known.
        policies: Names of the files with the desk's own rules that lay beside it.
    """

    desired: Desired
    path: Path
    isolation: Literal["kernel", "process"]
    isolation_reason: str | None = None
    policies: tuple[str, ...] = ()

    @cached_property
    def rendered(self) -> Rendered:
        """Its declarations as plain data, sorted by address."""
        desired = self.desired
        return Rendered(
            krakenstate_version=krakenstate.__version__,
            isolation=self.isolation,
            isolation_reason=self.isolation_reason,
            stack=desired.head,
            resources=tuple(dump_declaration(declaration) for declaration in desired.resources.values()),
            moves=tuple(
                RenderedMove(old=m.old, new=m.new, source=dump_source(m.source))
                for m in desired.moves.values()
            ),
            removed=tuple(
                RenderedRemoval(address=r.address, source=dump_source(r.source))
                for r in desired.removed.values()
            ),
            policies=self.policies,
        )


def load(name: str | None, desired: Path | None, *, require_isolation: bool = False) -> LoadedStack:
    """``load_desired`` where a rendered file is given, else ``load_stack``.

    Raises:
        StackResultInvalid: The rendered file is of another stack than the named one.
        IsolationUnavailable: It says that it was rendered without the isolation that is required.
        KrakenstateError: As the two.
    """
    if desired is None:
        return load_stack(name, require_isolation=require_isolation)
    loaded = load_desired(desired)
    if require_isolation and loaded.isolation != "kernel":
        raise IsolationUnavailable(
            f"--require-isolation was given, and {desired} says that it was rendered without it."
        )
    wanted = Path(name).stem if name and name.endswith(".py") else name
    if wanted is not None and loaded.desired.head.name != wanted:
        raise StackResultInvalid(
            f'{desired} holds the stack "{loaded.desired.head.name}", not "{clean(wanted, 63)}".'
        )
    return loaded


def load_stack(
    name: str | None, *, require_isolation: bool = False, time_max_s: float | None = None
) -> LoadedStack:
    """Runs a stack file in child processes and checks what it declares.

    Lines that the stack prints appear on standard error.

    Args:
        name: As typed: a name, a path, or ``None`` for the only stack there is.
        require_isolation: Fail without kernel isolation.
        time_max_s: Time the file may take; the usual limit unless given.

    Raises:
        StackError: One thing is wrong.
        StackProblems: Several are, each with its line.
    """
    stack = find_stack(name)
    with run_stack(stack, require_isolation=require_isolation, time_max_s=time_max_s) as ran:
        return read_stack(ran)


def read_stack(ran: Ran) -> LoadedStack:
    """Checks what a stack file declared: what its first run said, and that the second said the same.

    Lines that the stack printed appear on standard error.

    Raises:
        StackError: One thing is wrong; that the two runs differ is said before what is wrong in both.
        StackProblems: Several are, each with its line.
    """
    _, confirmed = read_first_run(ran)
    return confirmed()


def read_first_run(ran: Ran) -> tuple[LoadedStack, Callable[[], LoadedStack]]:
    """What the first run of a stack file declared, and what waits for the second.

    On the first one's word alone Vault may be read, and no more: Kraken is not asked, nothing is written and
    no plan is shown. The second gives the same stack, with the isolation that both runs had, or raises
    ``StackUnstable``.

    Raises:
        StackError, StackProblems: As ``read_stack``.
    """
    stack = ran.stack
    run = read_first(ran, show=lambda line: _show(stack, line))
    loaded, problems = _declare(run.resources, run.placeholders)
    renames, more = _rename(*renames_of(run, stack), loaded, run.placeholders)
    try:
        raise_problems([*run.problems, *stack_problems(run, stack), *problems, *more])
        head = _head_of(run, stack)
        policies = [clean(file.name, 100) for file in find_rules(stack.project)]
        read = _finish(head, loaded, renames, stack.path, run.isolation, policies=policies)
    except KrakenstateError:
        agreed(ran, run)
        raise

    @cache
    def confirmed() -> LoadedStack:
        isolation = agreed(ran, run)
        return replace(read, isolation=isolation.kind, isolation_reason=isolation.reason)

    return read, confirmed


def load_desired(path: Path) -> LoadedStack:
    """Reads what ``krakenstate render`` wrote, and checks all of it anew.

    Raises:
        FileUnusable: The file cannot be read, or is too large.
        StackResultInvalid: It is no rendered stack of a version understood here.
        StackError: One declaration in it is wrong.
        StackProblems: Several are.
    """
    shown = clean(str(path), 200)
    value = parse_json(read_file(path, shown, _RENDERED_MAX), shown)
    version = value.get("format_version")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise StackResultInvalid(f"{shown} has a format_version that this version does not read.")
    known = {field: value[field] for field in Rendered.model_fields if field in value}
    try:
        rendered = Rendered.model_validate(known | {"format_version": "1.0"})
    except ValidationError as invalid:
        raise StackResultInvalid(f"{shown} is wrong at {describe_place(invalid)}.") from None
    admitted: list[PlainDeclaration] = []
    problems: list[KrakenstateError] = []
    refused: set[str] = set()
    for resource in rendered.resources:
        item = PlainDeclaration.of(resource)
        item = item._replace(source=_harmless_line(item.source))
        if wrong := admit(item):
            problems += wrong
            refused.add(item.address)
        else:
            admitted.append(item)
    broken = refused - {item.address for item in admitted}
    loaded, more = _declare(admitted, broken)
    renames, wrong = _rename(
        [_clean_source(move) for move in rendered.moves],
        [_clean_source(removal) for removal in rendered.removed],
        loaded,
        broken,
    )
    raise_problems([*problems, *more, *wrong])
    reason = clean(rendered.isolation_reason, 300) if rendered.isolation_reason else None
    policies = [clean(name, 100) for name in rendered.policies[:100]]
    return _finish(
        rendered.stack, loaded, renames, path, Isolation(rendered.isolation, reason), policies=policies
    )


def dump_rendered(rendered: Rendered) -> str:
    """The text of a rendered stack: the same declarations always give the same bytes."""
    return rendered.model_dump_json(indent=2)


def _declare(
    resources: list[PlainDeclaration], broken: Iterable[str]
) -> tuple[list[Declaration], list[KrakenstateError]]:
    loaded, problems = load_declarations(resources, broken=broken)
    return loaded, [*problems, *check_declarations(loaded)]


def _rename(
    moves: Iterable[RenderedMove],
    removed: Iterable[RenderedRemoval],
    loaded: Sequence[Declaration],
    broken: Iterable[str],
) -> tuple[tuple[list[Moved], list[Removed]], list[KrakenstateError]]:
    renamed, gone, problems = load_renames(moves, removed)
    return (renamed, gone), [*problems, *check_renames(renamed, gone, loaded, broken)]


def _head_of(run: Run, stack: StackFile) -> StackHead:
    if run.report is None or not run.report.stacks:
        raise StackResultInvalid(f"{stack.display} gave no stack.")  # it has a problem, which was raised
    said = run.report.stacks[0]
    try:
        return StackHead.model_validate(said.model_dump(exclude={"source"}))
    except ValidationError as invalid:
        message = f"The stack in {stack.display} is wrong at {describe_place(invalid)}."
        raise StackResultInvalid(message) from None


def _finish(
    head: StackHead,
    loaded: Sequence[Declaration],
    renames: tuple[list[Moved], list[Removed]],
    path: Path,
    isolation: Isolation,
    *,
    policies: Iterable[str],
) -> LoadedStack:
    desired = Desired(head, loaded, *renames)
    raise_problems(check_vault_paths(desired))
    return LoadedStack(desired, path, isolation.kind, isolation.reason, tuple(policies))


def read_file(path: Path, shown: str, size_max: int = 32 * 2**20) -> bytes:
    """A file named on the command line, of a size that is no accident.

    Args:
        path: The file.
        shown: How messages call it.
        size_max: Bytes it may hold; a plan of ten thousand changes takes half of the usual limit.

    Raises:
        FileUnusable: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(size_max + 1)
    except OSError as problem:
        raise FileUnusable(f"{shown} cannot be read: {problem.strerror}.") from problem
    if len(data) > size_max:
        raise FileUnusable(f"{shown} is larger than {size_max // 2**20} MiB.")
    return data


R = TypeVar("R", RenderedMove, RenderedRemoval)


def _clean_source(item: R) -> R:
    line = item.source
    told = Source(line.file, line.line, line.text) if line else None
    return item.model_copy(update={"source": dump_source(_harmless_line(told))})


@lru_cache(1024)
def _harmless_line(line: Source | None) -> Source | None:
    """What a file claims of a line, in a form that can be shown."""
    if line is None:
        return None
    return Source(clean(line.file, 300), max(1, min(line.line, 10**7)), clean(line.text, 120))


def _show(stack: StackFile, line: str) -> None:
    sys.stderr.write(f"{stack.display} printed: {line}\n")
