"""``--stats``: calls by endpoint and time by what it went for, on standard error when the command ends."""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING

from krakenstate.cli.output import Output, command_runs_s, when_command_ends
from krakenstate.model.traffic import Meter, Traffic

if TYPE_CHECKING:
    from krakenstate.model.desired import StackHead

_UID = re.compile(r"(?<=/subaccount/)[^/]+")


def count_calls(output: Output) -> Traffic:
    """Begins to count; what was counted is printed when the command ends, also if it fails."""
    from krakenstate.views.stats import Spent, render_stats, stats_json

    traffic = Traffic(time.monotonic)

    def tell() -> None:
        times = os.times()
        computing_s = times.user + times.system + times.children_user + times.children_system
        spent = Spent(command_runs_s(), computing_s)
        if output.json:
            output.progress(json.dumps(stats_json(traffic, spent)))
        else:
            output.progress(render_stats(traffic, spent))

    when_command_ends(tell)
    return traffic


def kraken_meter(traffic: Traffic) -> Meter:
    """Counts a call to Kraken under its method and path; of a subaccount's path the id is left out."""
    return lambda method, path: traffic.call("kraken", f"{method} {_UID.sub('{uid}', path)}")


def vault_meter(traffic: Traffic, head: StackHead) -> Meter:
    """Counts a call to Vault under its method, the kind of path, and the folder of the stack."""
    places = head.vault

    def endpoint(method: str, path: str) -> str:
        mount = f"{places.mount}/"
        if not path.startswith(mount):
            return f"{method} {'/'.join(path.split('/')[:2])}"
        kind, _, rest = path.removeprefix(mount).partition("/")
        if rest == places.state or rest.startswith(f"{places.state}/"):
            area = f"<state>/{rest.removeprefix(places.state).lstrip('/').partition('/')[0]}"
        else:
            is_ours = rest == places.secrets or rest.startswith(f"{places.secrets}/")
            area = "<secrets>" if is_ours else "elsewhere"
        return f"{method} {kind} {area}"

    return lambda method, path: traffic.call("vault", endpoint(method.upper(), path))
