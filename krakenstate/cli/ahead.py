"""A stack's processes start before the command line is read: a run waits for them, and they for nothing.

How this works: the words alone tell which stack file a command will run. Where that is not certain, and where
a command may refuse to run it, nothing is started; what is wrong is left for the command line to say. A
command finds the processes where it would start them (``stack/running.py``), if it asks for the very same;
else they are ended with the program, and nothing of them was seen.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager

from krakenstate.cli.pipelines import is_ci, is_pull_request
from krakenstate.cli.words import FLAGS, SWITCHES, VALUED, normalise_arguments, plans_from_what_is_known

TYPE_CHECKING = False  # as in typing, whose import the processes would wait for
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMANDS = ("apply", "doctor", "drift", "init", "observe", "plan", "render", "settle", "validate")
"""Commands of the first level that run the stack file which their only argument names."""

_WITHOUT_CREDENTIALS = ("render", "validate")
_KNOWN = {*FLAGS, *SWITCHES, *(name.replace("--", "--no-", 1) for name in SWITCHES)}
_SIGTERM_EXIT = 143


@contextmanager
def started_ahead(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    """For the block's duration the stack's processes run, where it is certain which."""
    asked = stack_asked_for(arguments, environment)
    if asked is None:
        yield
        return
    from krakenstate.stack.running import running_ahead

    signal.signal(signal.SIGTERM, _leave)  # until the command line is there, which says more about it
    stack, require_isolation = asked
    in_turn = plans_from_what_is_known(normalise_arguments(list(arguments)))
    with running_ahead(stack, require_isolation=require_isolation, in_turn=in_turn):
        yield


def stack_asked_for(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[str | None, bool] | None:
    """The stack that a command line runs, as typed, and whether it needs isolation; ``None`` if not certain.

    A pipeline's commands with credentials are left alone: whether they may run a stack file is theirs to say.
    """
    command, *words = normalise_arguments(list(arguments)) or [""]
    if command not in COMMANDS or "_KRAKENSTATE_COMPLETE" in environment:
        return None
    if command not in _WITHOUT_CREDENTIALS and (is_ci(environment) or is_pull_request(environment)):
        return None
    named: list[str] = []
    rest = iter(words)
    for word in rest:
        option, equals, _ = word.partition("=")
        if option in VALUED:
            if not equals:
                next(rest, None)
        elif not word.startswith("-"):
            named.append(word)
        elif word not in _KNOWN:
            return None
    if len(named) > 1 or (command == "apply" and any(name.endswith(".json") for name in named)):
        return None
    return next(iter(named), None), "--require-isolation" in words


def _leave(_number: int, _frame: object) -> None:
    sys.exit(_SIGTERM_EXIT)
