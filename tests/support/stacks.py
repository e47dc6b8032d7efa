"""Stack files for tests: a header every one needs, and a helper that writes them."""

from pathlib import Path

HEADER = """\
from datetime import date, timedelta
from krakenstate import *

stack = Stack(
    name="prod", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"))
"""
"""Six lines; a test's own text begins on line 7."""


def write_stack(folder: Path, body: str, *, name: str = "prod", header: str = HEADER) -> Path:
    """``stacks/NAME.py`` below a folder."""
    file = folder / "stacks" / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(header + body)
    return file
