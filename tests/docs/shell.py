"""Shell lines from the pages, run as a reader would run them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.cli import clean_environment

SHOWN_WIDTH = "100"
SCRIPT_MAX_S = 240
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A script in bash, with the project's programs on the PATH and nobody's settings around it."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=clean_environment({"PATH": PATH, "HOME": str(home), "COLUMNS": SHOWN_WIDTH}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_MAX_S,
        check=False,
    )
