"""Plugins of pydantic's: none is loaded, and what would look for them is imported when somebody calls it.

A plugin that lies in some package of the environment would run beside every secret, and in a stack's process.
Pydantic is told to load none, and imports ``importlib.metadata`` all the same: of the 183 ms that a stack's
process takes to begin, 22 (measured).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType

NO_PLUGINS = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""What tells pydantic so; the only variable that a stack file sees."""

_METADATA = "importlib.metadata"

TYPE_CHECKING = False  # as in typing, which commands that read no stack do without
if TYPE_CHECKING:
    from typing import Any


def switch_off() -> None:
    """For a process of our own, before pydantic is imported in it."""
    os.environ.update(NO_PLUGINS)
    if _METADATA not in sys.modules:
        stand_in = _Later(_METADATA)
        stand_in.__spec__ = importlib.util.find_spec(_METADATA)
        assert stand_in.__spec__ is not None  # noqa: S101 - it is Python's own
        stand_in.__path__ = stand_in.__spec__.submodule_search_locations or []
        sys.modules[_METADATA] = importlib.metadata = stand_in  # as an import would set both


class _Later(ModuleType):
    """``importlib.metadata``, which is imported when ``entry_points`` is called, or anything else is used."""

    def entry_points(self, **wanted: str) -> Any:
        """The real one's answer: only the name is taken when pydantic is imported."""
        return self._real().entry_points(**wanted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def _real(self) -> ModuleType:
        if sys.modules.get(_METADATA) is self:
            del sys.modules[_METADATA]
        return importlib.import_module(_METADATA)
