"""The way from a command to the simulator: where it is, and one request through the people's side door."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from krakenstate.sim.errors import DevError
from krakenstate.sim.loopback import ask

DEFAULT_DIRECTORY = Path(".krakenstate") / "dev"
DIRECTORY_VARIABLE = "KRAKENSTATE_DEV_DIR"
RECORD_FILE = "dev.json"
READY_FILE = "simulator.json"
ADMIN_HEADER = "x-sim-admin"


def find_directory(
    given: Path | None = None, environment: Mapping[str, str] = os.environ, start: Path | None = None
) -> Path:
    """The development environment's folder: the given one, the variable's, or one here or in a parent folder.

    Raises:
        DevError: there is none.
    """
    chosen = given or (Path(environment[DIRECTORY_VARIABLE]) if environment.get(DIRECTORY_VARIABLE) else None)
    here = (start or Path.cwd()).absolute()
    candidates = [chosen.absolute()] if chosen else [p / DEFAULT_DIRECTORY for p in (here, *here.parents)]
    for candidate in candidates:
        if (candidate / RECORD_FILE).exists() or (candidate / READY_FILE).exists():
            return candidate
    where = f"in {chosen}" if chosen else "here"
    raise DevError(f"No development environment runs {where}", "Start one with: krakenstate dev up")


def perform(directory: Path, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Have the simulator in `directory` carry out one operation of its people.

    Arguments that are None are left out.

    Raises:
        DevError: it cannot be done, or the simulator does not answer.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        ready = json.loads((directory / READY_FILE).read_text())
        headers = {ADMIN_HEADER: ready["admin_token"]}
        status, answer = ask(f"{ready['url']}/_sim/{operation}", "POST", headers, given)
    except (OSError, ValueError) as problem:
        raise DevError(
            "The simulator does not answer",
            "See what runs: krakenstate dev status\nTo start anew, first: krakenstate dev down",
        ) from problem
    if status != 200:
        raise DevError(answer["error"], answer["next_step"])
    return dict(answer)
