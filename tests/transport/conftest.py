"""Fixtures of this folder."""

from tests.support.kraken import kraken, origin_for, scripted

__all__ = ["kraken", "origin_for", "scripted"]
