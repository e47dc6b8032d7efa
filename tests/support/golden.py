"""Golden files: expected output as a reviewer reads it, kept below ``tests/golden``."""

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
UPDATE = "KRAKENSTATE_UPDATE_GOLDEN"


def check_golden(name: str, text: str) -> None:
    """Compares ``text`` with the golden file ``name`` (``instructions/spot-create.txt``), byte for byte.

    With KRAKENSTATE_UPDATE_GOLDEN=1 the file is written instead, to be reviewed as part of the change.
    """
    file = GOLDEN / name
    if os.environ.get(UPDATE) == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return
    if not file.exists():
        pytest.fail(f"There is no golden file {name}; write it with {UPDATE}=1 and review it.")
    assert text == file.read_bytes().decode(), f"{name} differs; if that is meant, run again with {UPDATE}=1"
