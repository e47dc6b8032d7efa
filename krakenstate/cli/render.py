"""``krakenstate render``: a stack file as plain data, for jobs that must not execute it."""

from __future__ import annotations

from krakenstate.cli.options import JsonOpt, OutOpt, RequireIsolationOpt, StackArg
from krakenstate.cli.output import Output


def render(
    stack: StackArg = None,
    out: OutOpt = None,
    as_json: JsonOpt = False,
    require_isolation: RequireIsolationOpt = False,
) -> None:
    """Run a stack file and write its declarations as JSON.

    The result is what --desired takes. It goes to standard output unless --out names a file; --json changes
    how failures are reported.
    """
    from krakenstate.cli.common import write_file
    from krakenstate.stack.load import dump_rendered, load_stack

    output = Output(json=as_json)
    loaded = load_stack(stack, require_isolation=require_isolation)
    text = dump_rendered(loaded.rendered)
    if out is None:
        output.result(text)
        return
    write_file(out, text + "\n")
    name, count = loaded.desired.head.name, len(loaded.desired.resources)
    output.progress(f"Rendered {name}: {count} declarations, {loaded.isolation} isolation, to {out}.")
