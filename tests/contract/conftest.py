"""Fixtures of this folder."""

from tests.support.bao import bao, mount
from tests.support.world import switchboard, world

__all__ = ["bao", "mount", "switchboard", "world"]
