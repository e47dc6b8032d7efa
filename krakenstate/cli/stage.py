"""The demo's stage: runs commands as a user would, prints each before its output, and cleans up.

How this works: every command is a process of its own, so that what is shown is what a user gets. The clock is
a rehearsal's (``KRAKENSTATE_NOW``), starting on a fixed day, so that the story reads the same next year.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import Any, NoReturn

from krakenstate.cli import forks, pipelines
from krakenstate.errors import RehearsalError, Terminated

BEGINS = datetime(2026, 11, 2, 9, tzinfo=UTC)
_COMMAND_MAX_S = 120
_SURROUNDINGS = (
    "CI",
    "KRAKENSTATE_",
    "VAULT_",
    "BAO_",
    "GITHUB_",
    "NO_COLOR",
    "FORCE_COLOR",
    *pipelines.VARIABLES,
)


class Stage:
    """A folder, two servers and an audience.

    Args:
        folder: Played in; must not exist, and is removed at the end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._began = time.monotonic()
        self._exports: dict[str, str] = {}
        self._is_up = False

    def __enter__(self) -> Stage:
        def end(_number: int, _frame: FrameType | None) -> NoReturn:
            raise Terminated("Stopped by SIGTERM.")

        signal.signal(signal.SIGTERM, end)
        if forks.AVAILABLE:
            forks.warm_up()
        if self.folder.exists():
            self._strike()
        self.folder.mkdir(parents=True)
        ignore = self.folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._strike()

    def raise_servers(self) -> None:
        """Starts the simulated Kraken and the OpenBao server."""
        self._is_up = True
        shown = self.run("dev", "up", "--json", "--dir", str(self._servers), quiet=True)
        self._exports = json.loads(shown)["env"]
        self.note("  both answer on loopback; what they need is in the environment of every command below")

    @property
    def _servers(self) -> Path:
        return self.folder / "servers"

    def _strike(self) -> None:
        """Ends the servers, whatever state they are in, and removes the folder."""
        if self._is_up or self._servers.exists():
            subprocess.run(
                [*_PROGRAM, "dev", "down", "--dir", str(self._servers)],
                env=self._environment(),
                capture_output=True,
                timeout=_COMMAND_MAX_S,
                check=False,
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self._is_up = False

    # -- telling -----------------------------------------------------------------------------------------

    def chapter(self, title: str) -> None:
        """A headline of the story."""
        print(f"\n{'=' * 80}\n{title}\n{'=' * 80}", flush=True)

    def note(self, text: str) -> None:
        """A line of the narrator's."""
        print(text, flush=True)

    # -- playing -----------------------------------------------------------------------------------------

    def run(
        self,
        *words: str,
        expect: str | Sequence[str] = (),
        code: int = 0,
        stdin: str | None = None,
        shown_as: str | None = None,
        quiet: bool = False,
    ) -> str:
        """One krakenstate command: printed, run, its output printed, and checked.

        Args:
            words: What follows ``krakenstate``.
            expect: Texts its output must contain.
            code: The exit code it must end with.
            stdin: What is piped into it.
            shown_as: The command line to print, where it differs (a pipe).
            quiet: Whether its output stays off the screen.

        Returns:
            What it printed; of a quiet command its standard output alone.

        Raises:
            RehearsalError: It did something else.
        """
        self.note(f"\n$ {shown_as or 'krakenstate ' + _quoted(words)}")
        return self._play([*_PROGRAM, *words], expect=expect, code=code, stdin=stdin, quiet=quiet)

    def pipe(self, maker: Sequence[str], taker: Sequence[str], *, expect: str = "") -> None:
        """Two krakenstate commands with a pipe between them; what flows through it is never shown."""
        self.note(f"\n$ krakenstate {_quoted(maker)} \\\n    | krakenstate {_quoted(taker)}")
        made = self._play([*_PROGRAM, *maker], quiet=True)
        self._play([*_PROGRAM, *taker], expect=expect, stdin=made)

    def hand_in(self, address: str, *how: str) -> None:
        """Somebody makes a key in the web page and pipes it into ``key ingest``."""
        self.pipe(
            ("dev", "web", "create-key", *how),
            ("key", "ingest", address),
            expect="You may close the dialog.",
        )

    def vault(
        self,
        *words: str,
        token: str | None = None,
        stdin: str | None = None,
        code: int = 0,
        quiet: bool = False,
    ) -> str:
        """One command of OpenBao's own client, by an administrator or with a process's token."""
        from krakenstate.sim.openbao import find_binary

        program = find_binary(os.environ)
        if program is None:
            raise RehearsalError("There is no bao program, so the secrets cannot be read back.")
        whose = "# with the process's own token\n$ " if token else ""
        self.note(f"\n$ {whose}bao {_quoted(words)}")
        return self._play([str(program), *words], token=token, stdin=stdin, code=code, quiet=quiet)

    def data(self, *words: str) -> Any:
        """A command's JSON, off the screen."""
        return json.loads(self._play([*_PROGRAM, *words, "--json"], quiet=True))

    def _play(
        self,
        command: Sequence[str],
        *,
        expect: str | Sequence[str] = (),
        code: int = 0,
        stdin: str | None = None,
        token: str | None = None,
        quiet: bool = False,
    ) -> str:
        ended = self._finish(command, stdin=stdin or "", env=self._environment(token), apart=quiet)
        if not quiet or ended.returncode != code:
            for text in (ended.stderr or "", ended.stdout):
                if text.strip():
                    self.note(text.rstrip("\n"))
        texts = [expect] if isinstance(expect, str) else expect
        missing = [text for text in texts if text not in ended.stdout]
        if ended.returncode != code:
            raise RehearsalError(f"The command ended with {ended.returncode}; {code} was expected.")
        if missing:
            raise RehearsalError(f'The command did not say "{missing[0]}".')
        return ended.stdout

    def _finish(
        self, command: Sequence[str], *, stdin: str, env: dict[str, str], apart: bool
    ) -> subprocess.CompletedProcess[str]:
        """A command from beginning to end; its two streams come apart, or as one in the order of printing."""
        if not forks.AVAILABLE or tuple(command[: len(_PROGRAM)]) != _PROGRAM:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=env,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if apart else subprocess.STDOUT,
                text=True,
                timeout=_COMMAND_MAX_S,
                check=False,
            )
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            words = command[len(_PROGRAM) :]
            streams = {"stdin": given, "stdout": out, "stderr": err if apart else out}
            code = forks.run(words, cwd=self.folder, env=env, **streams)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, code, out.read().decode(), err.read().decode())

    def _environment(self, token: str | None = None) -> dict[str, str]:
        env = {n: v for n, v in os.environ.items() if not n.startswith(_SURROUNDINGS)}
        env |= self._exports
        now = BEGINS + timedelta(seconds=time.monotonic() - self._began)
        env["KRAKENSTATE_NOW"] = now.isoformat()
        env["KRAKENSTATE_DEV_DIR"] = str(self._servers)
        env["KRAKENSTATE_IN_AUTOMATION"] = "1"
        env["COLUMNS"] = "100"
        if "KRAKENSTATE_BAO" in os.environ:
            env["KRAKENSTATE_BAO"] = os.environ["KRAKENSTATE_BAO"]
        if token is not None:
            env["VAULT_TOKEN"] = token
        for name in ("ADDR", "TOKEN"):
            if f"VAULT_{name}" in env:
                env[f"BAO_{name}"] = env[f"VAULT_{name}"]
        env["HOME"] = str(self.folder)
        return env


_PROGRAM = (sys.executable, "-m", "krakenstate")


def _quoted(words: Sequence[str]) -> str:
    return " ".join(f'"{w}"' if not w or any(c in w for c in " *$&|<>") else w for w in words)
