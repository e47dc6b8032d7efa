"""Plugins of pydantic's are not loaded, and what would look for them is there for whoever calls it."""

import subprocess
import sys

from tests.support.cli import clean_environment

PROGRAM = """
import sys
from krakenstate.stack.plugins import switch_off

switch_off()
import krakenstate.stack.child
from krakenstate import Environment

Environment.production()
print([name for name in ("spying_plugin", "email", "zipfile") if name in sys.modules])
import importlib.metadata
import importlib.util

assert importlib.util.find_spec("importlib.metadata").name == "importlib.metadata"
print([found.name for found in importlib.metadata.entry_points(group="pydantic") if found.name == "spy"])
print(importlib.metadata.version("spy"), importlib.metadata is sys.modules["importlib.metadata"])
"""


def test_no_plugin_runs_beside_a_stack(tmp_path):
    """One that lies in the environment is not imported, nor what finds it; asked for, it is found."""
    (tmp_path / "spying_plugin.py").write_text("plugin = None\n")
    info = tmp_path / "spy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pydantic]\nspy = spying_plugin:plugin\n")
    environment = clean_environment()
    environment["PYTHONPATH"] += f":{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.stdout.splitlines()) == ("", ["[]", "['spy']", "1.0 True"])
