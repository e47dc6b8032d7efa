"""``krakenstate validate``: is the stack right, before anything is asked or changed?"""

from __future__ import annotations

from krakenstate.cli.options import DesiredOpt, JsonOpt, RequireIsolationOpt, StackArg, StrictOpt
from krakenstate.cli.output import Output


def validate(
    stack: StackArg = None,
    desired: DesiredOpt = None,
    strict: StrictOpt = False,
    as_json: JsonOpt = False,
    require_isolation: RequireIsolationOpt = False,
) -> None:
    """Check a stack and report all its problems together, what the policy refuses included."""
    from krakenstate.cli.common import check_policy, today_for
    from krakenstate.cli.desk import desk_of
    from krakenstate.policy.base import Ruling
    from krakenstate.stack.load import load
    from krakenstate.views.policy import check_rows, policy_lines
    from krakenstate.views.style import Paint

    output = Output(json=as_json)
    loaded = load(stack, desired, require_isolation=require_isolation)
    look = desk_of(loaded, from_file=desired is not None, credentials=False)
    desk = look(None) if look else Ruling()
    checks = check_policy(loaded.desired, today_for(loaded.desired.head), desk=desk, strict=strict)
    count = len(loaded.desired.resources)
    name = loaded.desired.head.name
    if as_json:
        said = {"valid": True, "stack": name, "declarations": count, "isolation": loaded.isolation}
        output.data(said | {"isolation_reason": loaded.isolation_reason, "checks": check_rows(checks)})
        return
    found = policy_lines(checks, Paint(output.colour), output.width)
    if found:
        output.result("\n".join([*found, ""]))
    noun = "declaration" if count == 1 else "declarations"
    success = output.paint("Success!", "green")
    output.result(f"{success} The stack {name} is valid: {count} {noun}.")
    if desired is None:
        reason = f": {loaded.isolation_reason}" if loaded.isolation_reason else ""
        output.progress(f"Rendered with {loaded.isolation} isolation{reason}.")
