"""How typer is worn here: plain help in groups, and its exceptions told apart from ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import typer
from typer.core import TyperGroup

from krakenstate.errors import Interrupted

CORE = "Core"
PEOPLE = "People"
ADOPT = "Adopt"
ASSURANCE = "Assurance"
STATE = "State"
REHEARSE = "Rehearse"
_PANELS = (CORE, PEOPLE, ADOPT, ASSURANCE, STATE, REHEARSE)

USAGE_ERROR: type[Exception] = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)
"""The root of what typer raises about a command line; its home has moved between typer's versions."""


class Group(TyperGroup):
    """A group whose help lists commands by panel, in plain text."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, one section per panel."""
        listed = list(self._shown(ctx))
        room = formatter.width - 6 - max((len(name) for _, name, _ in listed), default=0)
        for panel, commands in groupby(listed, key=lambda shown: shown[0]):
            rows = [(name, command.get_short_help_str(room)) for _, name, command in commands]
            with formatter.section(f"{panel} commands" if panel else "Commands"):
                formatter.write_dl(rows)

    def _shown(self, ctx: Any) -> Iterator[tuple[str, str, Any]]:
        listed = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                listed.append((panel if isinstance(panel, str) else "", name, command))
        order = {panel: index for index, panel in enumerate(_PANELS)}
        yield from sorted(listed, key=lambda shown: order.get(shown[0], len(order)))

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; Ctrl-C leaves it as one of our errors."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("Stopped by Ctrl-C.") from None


def add(
    app: typer.Typer, command: Callable[..., None], *, name: str = "", panel: str | None = None, example: str
) -> None:
    """Registers a command function; its docstring is the help, ``example`` the last line of it."""
    app.command(name or None, rich_help_panel=panel, epilog=f"Example: {example}")(command)


def usage_message(error: Exception) -> tuple[str, str | None]:
    """What typer says about a command line, and the command whose help would say more."""
    describe = getattr(error, "format_message", None)
    message = str(describe()) if describe else str(error)
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None)
    return message.strip().rstrip(".") + ".", path if isinstance(path, str) else None


def is_help_request(error: Exception) -> bool:
    """Whether typer only wants to say that a group was called without a command."""
    return type(error).__name__ == "NoArgsIsHelpError"
