"""A real OpenBao server for the tests below."""

from tests.support.bao import bao, kv, mount

__all__ = ["bao", "kv", "mount"]
