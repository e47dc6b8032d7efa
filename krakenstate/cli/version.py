"""``krakenstate version``."""

from __future__ import annotations

import typer

from krakenstate.cli.options import JsonOpt
from krakenstate.cli.output import Output
from krakenstate.cli.versions import version_text, versions


def version(as_json: JsonOpt = False) -> None:
    """Print the versions of krakenstate and Python."""
    output = Output(json=as_json)
    if as_json:
        output.data(versions())
    else:
        output.result(version_text())


def eager(wanted: bool) -> None:
    """``krakenstate --version``: the same, whatever else stands on the command line."""
    if wanted:
        version()
        raise typer.Exit
