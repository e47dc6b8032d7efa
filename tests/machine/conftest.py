"""Fixtures of this folder."""

from tests.support.world import switchboard

__all__ = ["switchboard"]
