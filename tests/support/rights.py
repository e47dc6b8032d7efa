"""The Vault policies that docs/concepts.md gives, for a mount and a process of a test's own."""

import re

from tests.support.cli import ROOT

POLICIES = dict(
    re.findall(
        r"<!-- policy: (\w+) -->\n```hcl\n(.*?)```",
        (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
)
JOBS = {"plan": "planner", "observe": "observer", "apply": "operator"}
"""Which policy each job of a pipeline logs in with; ``render`` has none."""


def policy(name: str, mount: str, *, stack: str = "prod", process: str = "pnl") -> str:
    """A policy of the page, which speaks of the mount ``kv``, the stack ``first``, the process ``quoter``."""
    text = POLICIES[name].replace('path "kv/', f'path "{mount}/')
    for prefix in ("kraken", "krakenstate"):
        text = text.replace(f"/{prefix}/first/", f"/{prefix}/{stack}/")
    return text.replace("/quoter/", f"/{process}/")
