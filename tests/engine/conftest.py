"""Fixtures of this folder."""

from tests.support.adopted import made
from tests.support.world import switchboard, world

__all__ = ["made", "switchboard", "world"]
