"""Loading a stack while what a run needs is imported; what may be done before its second run has ended."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from krakenstate.cli.output import when_command_ends
from krakenstate.errors import KrakenstateError
from krakenstate.stack.find import find_stack
from krakenstate.stack.running import run_stack

if TYPE_CHECKING:
    from krakenstate.stack.load import LoadedStack


def load_beside_imports(
    stack: str | None, desired: Path | None, rooms: Iterable[str], *, in_turn: bool
) -> tuple[LoadedStack, Callable[[], LoadedStack]]:
    """Starts the stack's own processes, then imports in a thread what every run needs while they run.

    The rendering stays with the main thread, where Ctrl-C ends it, its processes first. What is imported and
    loaded stays until the end, and looking for garbage among it takes a third of the time, so nobody looks.
    The stack's two runs may take turns, ``in_turn``, where there is enough to do before the second is needed.
    """
    gc.disable()
    try:
        with ThreadPoolExecutor(1, "imports") as pool:
            importing: list[Future[ModuleType]] = []

            def import_rooms() -> None:
                importing.extend(pool.submit(import_module, name) for name in rooms)

            if desired is None:
                runs = ExitStack()
                when_command_ends(runs.close)
                ran = runs.enter_context(
                    run_stack(find_stack(stack), in_turn=in_turn, meanwhile=import_rooms)
                )
                from krakenstate.stack.load import read_first_run

                loaded, confirmed = read_first_run(ran)
            else:
                from krakenstate.stack.load import load

                loaded = load(stack, desired)
                confirmed = partial(_itself, loaded)
            for done in importing:
                done.result()
    finally:
        gc.freeze()
        gc.enable()
    return loaded, confirmed


def _itself(loaded: LoadedStack) -> LoadedStack:
    return loaded


@contextmanager
def unless_unstable(confirmed: Callable[[], LoadedStack]) -> Iterator[None]:
    """What goes wrong in the block is said only if both runs of the stack agree: else it may come from that.

    Raises:
        StackUnstable: They do not.
    """
    try:
        yield
    except KrakenstateError:
        confirmed()
        raise
