"""Fixtures of this folder."""

from tests.e2e.conftest import bao, new_desk, warm
from tests.support.world import switchboard, world

__all__ = ["bao", "new_desk", "switchboard", "warm", "world"]
