"""The words of a command line, as far as they can be read before there is one: typer takes long to import."""

from __future__ import annotations

from itertools import pairwise

SWITCHES = ("--refresh", "--input")
"""Options that are on unless said otherwise, in Terraform's way: ``--refresh=false``."""

FLAGS = (
    "--auto-approve",
    "--detailed-exitcode",
    "--explain",
    "--force-threshold",
    "--forge",
    "--in-use",
    "--json",
    "--no-color",
    "--now",
    "--refresh-only",
    "--report",
    "--require-isolation",
    "--stats",
    "--strict",
)
"""Options that are off unless given; ``--json=true`` and ``--json=false`` are understood as well."""

VALUED = (
    "--approved-digest",
    "--as-of",
    "--comment-limit",
    "--exclude",
    "--format",
    "--lock-timeout",
    "--observed",
    "--out",
    "--site",
    "--target",
    "--within",
)
"""Options with a value that leave open which stack file runs; ``--desired`` has another run in its place."""


def normalise_arguments(arguments: list[str]) -> list[str]:
    """Boolean options in Terraform's spelling, as the parser below understands them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    out: list[str] = []
    for argument in arguments[:end]:
        option, equals, value = argument.partition("=")
        truth = {"true": True, "1": True, "false": False, "0": False}.get(value.lower()) if equals else None
        if truth is not None and option in SWITCHES:
            out.append(option if truth else option.replace("--", "--no-", 1))
        elif truth is not None and option in FLAGS:
            out.extend([option] if truth else [])
        else:
            out.append(argument)
    return out + arguments[end:]


def asks_for_json(words: list[str]) -> bool:
    """Whether a command line wants JSON, and so its failures as JSON too."""
    return bool({"--json", "--format=json"} & set(words)) or ("--format", "json") in pairwise(words)


def plans_from_what_is_known(words: list[str]) -> bool:
    """Whether a command line, normalised, is a plan that asks Kraken nothing."""
    asks_not = any(word == "--no-refresh" or word.partition("=")[0] == "--observed" for word in words)
    return words[:1] == ["plan"] and asks_not


def streams_events(words: list[str]) -> bool:
    """Whether a command line wants what happens as events, one JSON object a line."""
    command = next((w for b, w in pairwise(["", *words]) if not w.startswith("-") and b != "--chdir"), "")
    return command in {"apply", "settle"} and asks_for_json(words)
