"""How strictly a run looks at its plans."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """What a run was told about rules and thresholds.

    Args:
        strict: Whether warnings of the policy are errors.
        force_threshold: Whether thresholds only warn.
    """

    strict: bool = False
    force_threshold: bool = False
