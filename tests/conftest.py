"""What all tests share: the servers of a worker, and how property tests run.

An example takes as long as it takes, since cores are shared with servers.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.bao import bao, kv, mount
from tests.support.warm import WarmStart, warm_start

__all__ = ["bao", "kv", "mount", "warm"]

settings.register_profile("krakenstate", deadline=None)
settings.load_profile("krakenstate")


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmStart]:
    """One for all desks of a worker."""
    with warm_start() as start:
        yield start
