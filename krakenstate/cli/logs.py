"""Logging: warnings alone unless ``KRAKENSTATE_LOG`` asks for more or none, and never a secret in it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from krakenstate.errors import FileUnusable, UsageError
from krakenstate.secret.redactor import REDACTOR, ScrubbingFormatter

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_OFF = frozenset({"off", "0", "false"})
_UNASKED = ""


def configure(environment: Mapping[str, str]) -> None:
    """Sends log records to standard error, or to ``KRAKENSTATE_LOG_PATH``.

    Raises:
        UsageError: ``KRAKENSTATE_LOG`` is no level.
        FileUnusable: The log file cannot be opened.
    """
    word = environment.get("KRAKENSTATE_LOG", "").strip().lower()
    logger = logging.getLogger("krakenstate")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = False
    if word in _OFF:
        logger.addHandler(logging.NullHandler())
        return
    if word != _UNASKED and word not in _LEVELS:
        raise UsageError(
            "KRAKENSTATE_LOG names no level.", next_step="Set it to debug, info, warning or error."
        )
    if word == _UNASKED:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(ScrubbingFormatter(logging.Formatter("Warning: %(message)s"), REDACTOR))
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        return
    path = environment.get("KRAKENSTATE_LOG_PATH")
    logger.addHandler(_handler(path))
    logger.setLevel(_LEVELS[word])


def is_debug(environment: Mapping[str, str]) -> bool:
    """Whether internals such as tracebacks may be shown."""
    return environment.get("KRAKENSTATE_LOG", "").strip().lower() == "debug"


def _handler(path: str | None) -> logging.Handler:
    handler: logging.Handler
    try:
        handler = logging.FileHandler(path, encoding="utf-8") if path else logging.StreamHandler(sys.stderr)
    except OSError as problem:
        raise FileUnusable(f"The log file {path} cannot be opened: {problem.strerror}.") from problem
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    handler.setFormatter(ScrubbingFormatter(plain, REDACTOR))
    return handler
