"""Bots of three libraries, while krakenstate observes, plans and settles beside them."""

from collections.abc import Callable

import pytest

from tests.support.e2e import Desk
from tests.support.watched import bots_are_not_disturbed

SECONDS = 10


@pytest.mark.timeout(240)
def test_bots_see_nothing_of_krakenstate(new_desk: Callable[[str], Desk]) -> None:
    """For ten seconds, with default settings, no bot sees an error; Derivatives keys and the controller are
    asked meanwhile, and no Spot key in service is."""
    bots_are_not_disturbed(new_desk, SECONDS)
