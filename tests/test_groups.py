"""The suite's own running: what costs much to set up is set up once."""

import pytest


@pytest.mark.xdist_group("a-group")
def test_a_group_stays_on_one_worker(request):
    """Where tests are handed out by group, the group is part of a test's id, by which that is done."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("tests are not handed out by group")
    assert request.node.nodeid.endswith("@a-group")
