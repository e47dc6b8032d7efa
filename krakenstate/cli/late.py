"""What is made, and what it needs imported, when it is first used: a plan of what is known asks nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


def late(make: Callable[[], T]) -> T:
    """Stands for what ``make`` gives, which is made once, whichever thread asks first."""
    return cast("T", _Late(make))


class _Late:
    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._made: list[object] = []
        self._mutex = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._mutex:
            if not self._made:
                self._made.append(self._make())
        return getattr(self._made[0], name)
