"""Where the world is kept between two runs: one private JSON file, replaced as a whole."""

import os
from pathlib import Path

from pydantic import ValidationError

from krakenstate.sim.errors import DevError
from krakenstate.sim.world import World

FILE_MODE = 0o600


def write_private(path: Path, text: str) -> None:
    """Put `text` into `path` in one step, readable by its owner only."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    beside.replace(path)


class WorldStore:
    """Keeps a world in `path`; a missing file is an empty world."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> World:
        """Read the world.

        Raises:
            DevError: the file holds something else.
        """
        try:
            return World.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return World()
        except ValidationError as problem:
            raise DevError(
                f"{self.path} does not hold a world this version can read",
                "Move the file away to start with an empty world.",
            ) from problem

    def save(self, world: World) -> None:
        """Write the world; afterwards the file holds all of it or, after a crash, all of the one before."""
        write_private(self.path, world.model_dump_json(indent=1))
