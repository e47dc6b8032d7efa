"""``krakenstate validate``: is the stack right, before anything is asked or changed?"""

from __future__ import annotations

from krakenstate.cli.options import DesiredOpt, JsonOpt, RequireIsolationOpt, StackArg
from krakenstate.cli.output import Output


def validate(
    stack: StackArg = None,
    desired: DesiredOpt = None,
    as_json: JsonOpt = False,
    require_isolation: RequireIsolationOpt = False,
) -> None:
    """Check a stack and report all its problems together."""
    from krakenstate.stack.load import load

    output = Output(json=as_json)
    loaded = load(stack, desired, require_isolation=require_isolation)
    count = len(loaded.desired.resources)
    name = loaded.desired.head.name
    if as_json:
        said = {"valid": True, "stack": name, "declarations": count, "isolation": loaded.isolation}
        output.data(said | {"isolation_reason": loaded.isolation_reason})
        return
    noun = "declaration" if count == 1 else "declarations"
    success = output.paint("Success!", "green")
    output.result(f"{success} The stack {name} is valid: {count} {noun}.")
    if desired is None:
        reason = f": {loaded.isolation_reason}" if loaded.isolation_reason else ""
        output.progress(f"Rendered with {loaded.isolation} isolation{reason}.")
