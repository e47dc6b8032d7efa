"""``krakenstate demo``: the whole story, through the command line a user has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Folder to play in; removed afterwards.")
    ] = None,
) -> None:
    """Watch a desk come into being on servers of this machine.

    They are a simulated Kraken and a real OpenBao server. Every command is printed before its output. Nothing
    leaves this machine, and nothing is left running.
    """
    from krakenstate.cli.story import play

    play(directory or Path(".krakenstate") / "demo")
