"""The command line as a user runs it: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from krakenstate.cli.pipelines import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
_PREFIXES = ("KRAKENSTATE_", "VAULT_", "BAO_", "KRAKEN_")
_NAMES = ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_ACTIONS", *VARIABLES)


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what steers krakenstate, and with ``extra``."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_PREFIXES) and k not in _NAMES}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(extra or {})


def run_cli(
    *args: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 60,
) -> Result:
    """Runs ``krakenstate`` with arguments.

    Args:
        args: The command line after the program's name.
        cwd: Working folder.
        env: Variables beside those of this process, from which all of krakenstate's and Vault's are taken.
        stdin: Text for standard input; empty unless given.
        timeout: Seconds after which the test fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "krakenstate", *args],
        cwd=cwd,
        env=clean_environment(env),
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)
