"""What a check-up of the surroundings found: one line per check, each with a level."""

from enum import StrEnum

from pydantic import Field, JsonValue

from krakenstate.model.base import Instant, Model


class Level(StrEnum):
    """How good or bad the finding of one check is. ``skipped``: it needs something that failed before."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Area(StrEnum):
    """What a check is about, in the order in which they are shown."""

    KRAKEN = "kraken"
    VAULT = "vault"
    STATE = "state"
    BREAKERS = "breakers"
    KEYS = "keys"


class Check(Model):
    """One check. ``code`` is that of the error it met; ``facts`` are for programs."""

    area: Area
    name: str
    level: Level
    text: str
    code: str = ""
    next_step: str = ""
    facts: dict[str, JsonValue] = Field(default_factory=dict)


class Checkup(Model):
    """All checks of one run."""

    stack: str
    environment: str
    site: str | None = None
    at: Instant
    checks: tuple[Check, ...]

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.level is Level.PROBLEM)
