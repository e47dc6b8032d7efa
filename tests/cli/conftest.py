"""Fixtures of this folder."""

from tests.e2e.conftest import new_desk
from tests.support.world import switchboard, world

__all__ = ["new_desk", "switchboard", "world"]
