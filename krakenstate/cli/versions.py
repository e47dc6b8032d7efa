"""What runs: this program, Python, and the machine below them."""

from __future__ import annotations

import os
import sys

from krakenstate import __version__


def versions() -> dict[str, str]:
    """By name, as ``version --json`` shows them."""
    machine = os.uname()
    return {
        "krakenstate": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": f"{machine.sysname}-{machine.release}-{machine.machine}",
    }


def version_text() -> str:
    """The same for people."""
    found = versions()
    return f"krakenstate {found['krakenstate']}\nPython {found['python']} on {found['platform']}"
