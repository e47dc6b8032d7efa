"""What parent and child process say to each other first; both import it at once, so it needs no model."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple


class Errand(NamedTuple):
    """What the parent asks for; travels as JSON.

    Args:
        file: The stack file, absolute.
        display: The same as the user named it; what tracebacks and sources show.
        project: Folder that is not to be imported from.
        report_fd: Where the report goes.
        alarm_s: After this time the line that runs is reported.
        cpu_s: Processor time after which the kernel ends the process.
        output_max: Bytes it may print.
        memory_max: Bytes of address space it may use.
        confined: Whether the kernel is asked to hold it; only tests of the lesser isolation say no.
        kernel_only: Run the file only if the kernel does.
        libraries: Folders it may read beside those it imports from.
        is_policy: Whether the file holds rules, whose data comes on standard input.
    """

    file: str
    display: str
    project: str
    report_fd: int
    alarm_s: float
    cpu_s: int
    output_max: int
    memory_max: int
    confined: bool
    kernel_only: bool
    libraries: tuple[str, ...]
    is_policy: bool = False

    def to_json(self) -> str:
        """Plain text for an argument."""
        return json.dumps(self._asdict())


class Isolation(NamedTuple):
    """What keeps a stack file from its surroundings.

    Args:
        kind: ``kernel`` if the kernel holds all that is promised, else ``process``.
        reason: Why it is no more than ``process``.
    """

    kind: Literal["kernel", "process"]
    reason: str | None = None
