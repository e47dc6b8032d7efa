"""Bots of three libraries for a minute, while krakenstate observes, plans and settles beside them."""

import os
from collections.abc import Callable

import pytest

from tests.support.e2e import Desk
from tests.support.watched import bots_are_not_disturbed

SOAK_S = float(os.environ.get("KRAKENSTATE_SOAK_S", "60"))


@pytest.mark.soak
def test_bots_see_nothing_of_krakenstate(new_desk: Callable[[str], Desk]) -> None:
    """A minute of observing, planning and settling beside bots that call twenty times a second each."""
    bots_are_not_disturbed(new_desk, SOAK_S)
