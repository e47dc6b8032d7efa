"""How strictly a run looks at its plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from krakenstate.model.plan import Plan
    from krakenstate.policy.base import Ruling


class Guard(NamedTuple):
    """What a run was told about rules and thresholds.

    Args:
        strict: Whether warnings of the policy are errors.
        force_threshold: Whether thresholds only warn.
        desk: Looks at the desk's own rules, where there are any.
    """

    strict: bool = False
    force_threshold: bool = False
    desk: Callable[[Plan], Ruling] | None = None
