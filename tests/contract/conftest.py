"""Fixtures of this folder."""

from tests.support.world import switchboard, world

__all__ = ["switchboard", "world"]
