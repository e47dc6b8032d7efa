"""``krakenstate version``."""

from __future__ import annotations

import platform

import typer

from krakenstate import __version__
from krakenstate.cli.options import JsonOpt
from krakenstate.cli.output import Output


def version(as_json: JsonOpt = False) -> None:
    """Print the versions of krakenstate and Python."""
    output = Output(json=as_json)
    facts = {
        "krakenstate": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
    if as_json:
        output.data(facts)
    else:
        output.result(f"krakenstate {__version__}")
        output.result(f"Python {facts['python']} on {facts['platform']}")


def eager(wanted: bool) -> None:
    """``krakenstate --version``: the same, whatever else stands on the command line."""
    if wanted:
        version()
        raise typer.Exit
