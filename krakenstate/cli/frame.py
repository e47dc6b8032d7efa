"""How typer is worn here: plain help, commands imported when called, its exceptions told apart from ours."""

from __future__ import annotations

import re
from collections import UserDict
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from krakenstate.cli.commands import ENTRIES, Entry
from krakenstate.cli.overview import overview
from krakenstate.errors import Interrupted

USAGE_ERROR: type[Exception] = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)
"""The root of what typer raises about a command line; its home has moved between typer's versions."""
_VALUE_OF_SWITCH = re.compile(r"Option '(--[a-z-]+)' does not take a value")


class Group(TyperGroup):
    """A group in plain text; Ctrl-C leaves it as one of our errors."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("Stopped by Ctrl-C.") from None


def add(app: typer.Typer, command: Callable[..., None], *, name: str = "", example: str) -> None:
    """Registers a command function; its docstring is the help, ``example`` the last line of it."""
    app.command(name or None, epilog=f"Example: {example}")(command)


class Commands(UserDict[str, Any]):
    """The commands of the first level by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        found = self.data[name]
        if isinstance(found, Entry):
            found = self.data[name] = _load(name, found)
        return found


class FrontGroup(Group):
    """The first level of the command line."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.commands = Commands(ENTRIES)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overall help, for which no command is imported."""
        del ctx
        formatter.write(overview(formatter.width))


def _load(name: str, entry: Entry) -> Any:
    """The command itself, its module imported now."""
    found = getattr(import_module(f"krakenstate.cli.{entry.module}"), entry.attribute)
    holder = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        add(holder, found, name=name, example=entry.example)
    return get_group(holder).commands[name]


def usage_message(error: Exception) -> tuple[str, str | None]:
    """What typer says about a command line, and the command whose help would say more."""
    describe = getattr(error, "format_message", None)
    message = str(describe()) if describe else str(error)
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None)
    message = message.strip().rstrip(".").replace("Value error, ", "")
    message = _VALUE_OF_SWITCH.sub(r"\1 takes true or false", message)
    if message.startswith("No such option: --chdir"):
        message = "--chdir stands before the command, as in: krakenstate --chdir desk plan"
    return message if message.endswith("?") else f"{message}.", path if isinstance(path, str) else None


def is_help_request(error: Exception) -> bool:
    """Whether typer only wants to say that a group was called without a command."""
    return type(error).__name__ == "NoArgsIsHelpError"
