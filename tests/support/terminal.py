"""A command on a terminal of its own, typed to by the test."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'krakenstate', *sys.argv[1:]])\n"
)


def on_a_terminal(
    words: Sequence[str],
    answers: Sequence[tuple[str, str]],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float = 60,
) -> tuple[int, str]:
    """Runs krakenstate on a pseudo-terminal.

    Args:
        words: The command line after the program's name.
        answers: Prompts in their order, and what is typed at each, without the return key.
        cwd: Working folder.
        env: The whole environment.
        timeout: Seconds for all of it.

    Returns:
        The exit code, and everything that was to be seen on the terminal.
    """
    master, slave = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *words],
            cwd=cwd,
            env=dict(env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        screen = _Screen(master, time.monotonic() + timeout)
        try:
            for prompt, text in answers:
                screen.wait_for(prompt)
                os.write(master, text.encode() + b"\n")
            screen.wait_for(None)
            return child.wait(timeout), screen.text
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    finally:
        os.close(master)


class _Screen:
    def __init__(self, master: int, deadline: float) -> None:
        self._master, self._deadline = master, deadline
        self.text = ""
        self._seen = 0

    def wait_for(self, prompt: str | None) -> None:
        """Reads until a prompt appears, or to the end."""
        while prompt is None or prompt not in self.text[self._seen :]:
            left = self._deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise AssertionError(f"waited in vain for {prompt!r}; the terminal shows:\n{self.text}")
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other side is closed
                data = b""
            if not data:
                if prompt is None:
                    return
                raise AssertionError(f"the command ended before {prompt!r}; the terminal shows:\n{self.text}")
            self.text += data.decode("utf-8", "replace")
        self._seen = len(self.text)
