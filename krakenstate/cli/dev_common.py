"""What the `krakenstate dev` commands share: errors in words, one deed of the people, one line of JSON."""

import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from krakenstate.cli.output import Output
from krakenstate.errors import RehearsalError
from krakenstate.sim.errors import DevError

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a DevError into text on standard error and exit code 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except DevError as error:
            message = error.message if error.message.endswith(".") else f"{error.message}."
            raise RehearsalError(message, next_step=error.next_step) from None

    return run


def perform(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Have the simulator's people do something, in the development environment here.

    Raises:
        DevError: it cannot be done, or nothing runs.
    """
    from krakenstate.sim import remote

    return remote.perform(remote.find_directory(), operation, arguments)


def say(result: Any) -> None:
    """Print one line of JSON."""
    Output().result(json.dumps(result, ensure_ascii=False))


def seconds(duration: str) -> float:
    """A duration such as 16m.

    Raises:
        DevError: it is none.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = duration[:-1], duration[-1:]
    if unit not in units or not number.isdigit():
        raise DevError(f"{duration!r} is no duration", "Write it as 30s, 16m, 5h or 90d.")
    return float(int(number) * units[unit])
