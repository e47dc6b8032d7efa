"""Running a stack file: two processes, from their start to their end.

The first is read while the second, which has another hash seed and must say the same, may still run.

Nothing in here needs a model, so that a command can start these processes first and import all it needs while
they run; with ``running_ahead`` they run before there is a command. ``render.py`` reads what they report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from krakenstate.errors import FileUnusable, IsolationUnavailable, KrakenstateError
from krakenstate.stack import process
from krakenstate.stack.find import StackFile, find_stack
from krakenstate.stack.listening import Child, Ending

SEEDS = (0, 20_011)
FILE_MAX = 4 * 1024 * 1024


class Ran(NamedTuple):
    """The two runs of a stack file, of which the first has ended.

    Args:
        stack: The file.
        children: Its processes, one for each seed.
        time_max_s: The time on the clock that each has.
    """

    stack: StackFile
    children: tuple[Child, Child]
    time_max_s: float

    @property
    def first(self) -> Child:
        """The run that is read."""
        return self.children[0]

    def second(self) -> Child:
        """The run that must say the same, once it has ended."""
        process.finish_children(self.children, self.time_max_s)
        return self.children[1]


class _Ahead(NamedTuple):
    """Processes that run before they were asked for, and what they were started for."""

    stack: StackFile
    require_isolation: bool
    children: list[Child]


_ahead: list[_Ahead] = []


@contextmanager
def running_ahead(
    name: str | None, *, require_isolation: bool = False, in_turn: bool = False
) -> Iterator[None]:
    """For the block's duration a stack file runs that ``run_stack`` will most likely be asked for.

    What keeps it from running is not said: ``run_stack`` comes to the same. What nobody asked for by the end
    of the block is ended.
    """
    try:
        stack = find_stack(name)
        _check_readable(stack)
    except KrakenstateError:
        yield
        return
    children = process.start_children(
        stack.path,
        stack.display,
        stack.project,
        SEEDS,
        process.TIME_MAX_S,
        kernel_only=require_isolation,
        in_turn=in_turn,
    )
    _ahead.append(_Ahead(stack, require_isolation, children))
    try:
        yield
    finally:
        while _ahead:
            process.end_children(_ahead.pop().children)


def _take_ahead(stack: StackFile, require_isolation: bool) -> list[Child]:
    """The processes that run for the very same already; others that run are ended."""
    while _ahead:
        found = _ahead.pop()
        if (found.stack, found.require_isolation) == (stack, require_isolation):
            return found.children
        process.end_children(found.children)
    return []


@contextmanager
def run_stack(
    stack: StackFile,
    *,
    require_isolation: bool = False,
    time_max_s: float | None = None,
    in_turn: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Ran]:
    """Runs a stack file twice; the block begins when the first run has ended, and ends the other.

    Args:
        stack: The file.
        require_isolation: Fail without kernel isolation.
        time_max_s: Time on the clock; the usual limit unless given.
        in_turn: Whether the caller has enough to do with the first run while the second runs.
        meanwhile: Called once both processes have started.

    Raises:
        IsolationUnavailable: It was required and not obtained; the stack file did not run.
        FileUnusable: The file cannot be read.
    """
    _check_readable(stack)
    limit = process.TIME_MAX_S if time_max_s is None else time_max_s
    first, second = process.run_children(
        stack.path,
        stack.display,
        stack.project,
        SEEDS,
        limit,
        kernel_only=require_isolation,
        in_turn=in_turn,
        meanwhile=meanwhile,
        started=_take_ahead(stack, require_isolation) if time_max_s is None else (),
        awaited=None if require_isolation else 1,
    )
    try:
        if require_isolation:
            _require_kernel((first, second))
        yield Ran(stack, (first, second), limit)
    finally:
        process.end_children((first, second))


def _require_kernel(children: Iterable[Child]) -> None:
    for child in children:
        if child.isolation.kind != "kernel" and child.ending is Ending.BY_ITSELF:
            raise IsolationUnavailable(
                f"--require-isolation was given, and {child.isolation.reason}. The stack file did not run."
            )


def _check_readable(stack: StackFile) -> None:
    try:
        with stack.path.open("rb") as file:
            size = len(file.read(FILE_MAX + 1))
    except OSError as problem:
        raise FileUnusable(f"{stack.display} cannot be read: {problem.strerror}.") from problem
    if size > FILE_MAX:
        raise FileUnusable(f"{stack.display} is larger than {FILE_MAX // 2**20} MiB.")
