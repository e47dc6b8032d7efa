"""An empty folder in which the pages' shell lines are run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.shell import PATH, run


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder in the place of a fresh clone; whatever runs there afterwards is ended."""
    if shutil.which("bao", path=PATH) is None:
        pytest.skip("the pages' shell lines need the bao program")
    here = tmp_path / "clone"
    here.mkdir()
    yield here
    for record in list(here.rglob(".krakenstate/dev/dev.json")):
        run(f"krakenstate dev down --dir '{record.parent}'", here)
