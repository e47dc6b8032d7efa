"""Fixtures of this folder."""

from tests.e2e.conftest import new_desk, warm
from tests.foreign.conftest import no_proxy
from tests.support.bao import bao
from tests.support.world import switchboard, world

__all__ = ["bao", "new_desk", "no_proxy", "switchboard", "warm", "world"]
