"""A desk for end-to-end tests: a stack file, a simulated Kraken, a Vault mount, and the command line.

Every command is a process of its own with a scrubbed environment, and speaks through real sockets. The clock
is a rehearsal's: ``KRAKENSTATE_NOW`` and the simulated Kraken's clock start on one fixed day and tick
together, so that no test depends on today's date.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from krakenstate.model.task import TaskKind, task_id
from tests.support.bao import Bao
from tests.support.cli import ROOT, Result, clean_environment
from tests.support.simulator import SimulatedKraken
from tests.support.warm import WarmStart

BEGINS = datetime(2026, 11, 2, 9, tzinfo=UTC)
EXAMPLE = ROOT / "examples" / "desk" / "stacks" / "prod.py"
RUNNER, COLO = "192.0.2.10", "203.0.113.7"
COLO_NETWORKS = ["203.0.113.7", "2001:db8:1::/64"]
MASTER, MM, CARRY = "ops@desk.example", "kraken+mm@desk.example", "kraken+carry@desk.example"
MASTER_IIBAN = "AA12 N84G ABCD 3F5K"
NO_CHANGES = "No changes. Your accounts match the configuration."
AT_RUNNER = ("--site", "runner")
APPLY = ("apply", *AT_RUNNER, "--auto-approve")
COMMAND_MAX_S = 60.0
_CODE = re.compile(r"^  KS[0-9]{4}$", re.MULTILINE)

HEADER = """\
from datetime import date, timedelta
from krakenstate import *

stack = Stack(
    name="prod", environment=Environment.production(),
    vault=Vault(mount="kv", secrets="kraken/prod", state="krakenstate/prod"))

runner = stack.add(Allowlist(name="runner", networks=["192.0.2.10"]))
colo = stack.add(Allowlist(name="colo", networks=["203.0.113.7", "2001:db8:1::/64"]))
desk = stack.add(MasterAccount(name="desk", email="ops@desk.example", iiban="AA12 N84G ABCD 3F5K"))
pnl = stack.add(Process(name="pnl", owner="risk", purpose="hourly P&L"))
hedger = stack.add(Process(name="hedger", owner="market-making", purpose="hedges on perpetuals"))
platform = stack.add(Process(name="krakenstate", owner="platform", purpose="this program"))
"""
PNL = """
stack.add(SpotKey(name="pnl", account=desk, process=pnl, permissions=roles.RECONCILIATION, allowlist=[runner],
    nonce_unit=NonceUnit.MILLISECONDS))
"""
PNL_PERMISSIONS = ["query-funds", "query-open-trades", "query-closed-trades", "query-ledger"]
HEDGER = """
stack.add(DerivativesKey(name="hedger", account=desk, process=hedger,
    general=Access.READ_ONLY, transfer=Access.NO_ACCESS, allowlist=[runner]))
"""
CREATOR = """
stack.add(SpotKey(name="spot-creator", account=desk, process=platform, controls=desk,
    permissions={Permission.WITHDRAW_FUNDS}, allowlist=[runner], expires=date(2026, 12, 31)))
"""
SUBACCOUNT = """
mm = stack.add(SpotSubaccount(name="mm", master=desk, username="desk-mm", email="kraken+mm@desk.example"))
"""


class Desk:
    """One stack, in one folder, with a Kraken and a Vault mount of its own.

    Args:
        folder: Made here: the working folder, with ``stacks/prod.py``, and a home beside it.
        kraken: A running simulator; its clock is set.
        bao: A running Vault server.
        mount: The KV mount the stack shall use.
        stack: The text of the stack file, which names the mount ``kv``.

    Attributes:
        origin: Where krakenstate finds Kraken; a test may put a proxy there before ``init``.
        said: Everything that commands wrote to either stream.
        always: Variables that every command sees, beside the usual ones.
        warm: Where commands start from; ``None`` starts each with an interpreter of its own.
    """

    def __init__(self, folder: Path, kraken: SimulatedKraken, bao: Bao, mount: str, stack: str) -> None:
        self.kraken, self.bao, self.mount = kraken, bao, mount
        self.folder, self.home = folder / "work", folder / "home"
        self.home.mkdir(parents=True)
        self.declare(stack)
        self.origin = kraken.origin
        self.said: list[str] = []
        self.always: dict[str, str | None] = {}
        self.warm: WarmStart | None = None
        self._began = time.monotonic()
        kraken.people("clock", set=BEGINS.isoformat())
        kraken.people("egress", address=RUNNER)

    # -- the stack ---------------------------------------------------------------------------------------

    @property
    def stack_file(self) -> Path:
        """Where the stack is declared."""
        return self.folder / "stacks" / "prod.py"

    def declare(self, stack: str) -> None:
        """Writes the stack file anew, onto this desk's mount."""
        self.stack_file.parent.mkdir(parents=True, exist_ok=True)
        self.stack_file.write_text(stack.replace('mount="kv"', f'mount="{self.mount}"'), encoding="utf-8")

    def edit(self, old: str, new: str) -> None:
        """Replaces what must stand in the stack file."""
        text = self.stack_file.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in the stack"
        self.stack_file.write_text(text.replace(old, new), encoding="utf-8")

    def colleague(self, name: str) -> Desk:
        """Somebody else with the same stack, Vault and Kraken, from a working folder and a home of their own.

        Clocks agree until one of the two desks is told to advance.
        """
        other = copy.copy(self)
        root = self.home.parent.parent / name
        other.folder, other.home = root / "work", root / "home"
        shutil.copytree(self.folder, other.folder)
        other.home.mkdir()
        return other

    # -- the command line --------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The rehearsal's instant."""
        return BEGINS + timedelta(seconds=time.monotonic() - self._began)

    def advance(self, seconds: float) -> None:
        """Moves both clocks."""
        self._began -= seconds
        self.kraken.people("clock", advance_s=seconds)

    def environment(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """What a command sees; a variable that is ``None`` in ``extra`` is taken out."""
        env: dict[str, str | None] = {
            "HOME": str(self.home),
            "COLUMNS": "100",
            "VAULT_ADDR": self.bao.address,
            "VAULT_TOKEN": self.bao.root_token,
            "KRAKENSTATE_SPOT_URL": self.origin,
            "KRAKENSTATE_FUTURES_URL": self.origin,
            "KRAKENSTATE_NOW": self.now.isoformat(),
            "KRAKENSTATE_IN_AUTOMATION": "1",
        }
        env.update(self.always)
        env.update(extra or {})
        clean = clean_environment({n: v for n, v in env.items() if v is not None})
        return {n: v for n, v in clean.items() if n not in env or env[n] is not None}

    def start(self, *words: str, env: Mapping[str, str | None] | None = None, **more: Any) -> Any:
        """A command that runs beside the test."""
        return subprocess.Popen(
            [sys.executable, "-m", "krakenstate", *words],
            cwd=self.folder,
            env=self.environment(env),
            stdin=more.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(
        self,
        *words: str,
        code: int | None = 0,
        expect: str | tuple[str, ...] = (),
        stdin: str | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> Result:
        """A command, from beginning to end; its exit code and what it must say are checked.

        A ``code`` of ``None`` takes whatever the command ends with.
        Whatever it does, it shows no traceback; a failure ends with a stable code on standard error.
        """
        if self.warm is not None:
            done = self.warm.run(words, cwd=self.folder, env=self.environment(env), stdin=stdin or "")
        else:
            done = self._run_cold(words, env, stdin or "")
        stdout, stderr = done.stdout, done.stderr
        self.said += [stdout, stderr]
        told = f"$ krakenstate {' '.join(words)}\n-> {done.code}, expected {code}\n{stdout}\n{stderr}"
        assert "Traceback" not in stdout + stderr, told
        assert code in {None, done.code}, told
        if (
            code not in {None, 0, 2, 8} and "Stored in Vault" not in stderr
        ):  # a refused key is a result of its own
            assert _CODE.search(stderr), told
        for text in (expect,) if isinstance(expect, str) else expect:
            assert text in stdout + stderr, f"{text!r} is not in:\n{told}"
        return done

    def _run_cold(self, words: tuple[str, ...], env: Mapping[str, str | None] | None, stdin: str) -> Result:
        running = self.start(*words, env=env, stdin=subprocess.PIPE)
        try:
            stdout, stderr = running.communicate(stdin, timeout=COMMAND_MAX_S)
        except BaseException:
            running.kill()
            running.communicate()
            raise
        return Result(running.returncode, stdout, stderr)

    def data(self, *words: str, code: int = 0, stdin: str | None = None) -> Any:
        """A command's standard output as JSON, all of it."""
        return json.loads(self.run(*words, "--json", code=code, stdin=stdin).stdout)

    def events(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """A command's standard output as events, all of it, one to a line."""
        return [json.loads(line) for line in self.run(*words, "--json", code=code).stdout.splitlines()]

    def fails(
        self,
        ks: str,
        *words: str,
        code: int = 1,
        stdin: str | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> Result:
        """A command that must fail with this code on standard error, give no result, and write nothing.

        What every observation leaves (the snapshot) and a lock that is free again do not count as written.
        """
        before = self.lasting()
        done = self.run(*words, code=code, stdin=stdin, env=env)
        assert f"\n  {ks}\n" in done.stderr, f"{ks} is not in:\n{done.stderr}"
        assert "Error: " in done.stderr
        assert self.lasting() == before, "a failed command wrote to Vault"
        return done

    # -- people ------------------------------------------------------------------------------------------

    def make_key(self, account: str, api: str, **more: Any) -> str:
        """A new key as its dialog shows it: JSON with both halves."""
        return json.dumps(self.kraken.people("create-key", account=account, api=api, **more))

    def hand_in(self, address: str, made: str, *site: str, code: int = 0) -> str:
        """Pipes a key into ``key ingest``; its public half comes back."""
        self.run("key", "ingest", address, *site, stdin=made, code=code, expect="You may close the dialog.")
        return str(json.loads(made)["api_key"])

    def sign_up(self) -> None:
        """The master account, as people made it long ago."""
        self.kraken.people("create-account", name="desk", email=MASTER, iiban=MASTER_IIBAN)

    # -- the world ---------------------------------------------------------------------------------------

    def task(self, kind: TaskKind, address: str, *, generation: int = 0, round_: int = 1) -> str:
        """A task's id: a hash of what it is about."""
        return task_id(address, kind, generation, round_)

    def tasks(self, *more: str) -> dict[str, dict[str, Any]]:
        """The open tasks by id."""
        return {t["id"]: t for t in self.data("task", "list", *more)["tasks"]}

    def calls(self, path: str = "", *, last4: str | None = None) -> list[dict[str, Any]]:
        """The API calls that Kraken saw, those to a path, or those of one key."""
        return [
            c
            for c in self.kraken.calls()
            if path in c["path"] and (last4 is None or (c["key_last4"] or "") == last4)
        ]

    def signed_calls(self) -> list[dict[str, Any]]:
        """The API calls that carried a key."""
        return [c for c in self.kraken.calls() if c["key_last4"]]

    def secret_at(self, path: str) -> dict[str, Any]:
        """The data of a KV entry."""
        return dict(self.bao.request("GET", f"{self.mount}/data/{path}")["data"]["data"])

    def vault(self) -> dict[str, list[Any]]:
        """Everything the mount holds: metadata and all versions of each path."""
        held: dict[str, list[Any]] = {}
        for path, answer in self.bao.walk(self.mount):
            held.setdefault(path, []).append(answer["data"])
        return held

    def lasting(self) -> dict[str, list[Any]]:
        """State, secrets, breakers and journals: the mount without what locking and observing leave."""
        passing = ("/lock", "/snapshot")
        return {p: v for p, v in self.vault().items() if not p.endswith(passing) and "/probes/" not in p}

    def variant(self, name: str, *changes: tuple[str, str]) -> tuple[str, str]:
        """A copy of the stack in a folder of its own, with changes; the words that lead a command there."""
        text = self.stack_file.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"{old!r} is not in the stack"
            text = text.replace(old, new)
        file = self.folder / name / "stacks" / "prod.py"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        return "--chdir", name

    def lock_is_free(self) -> bool:
        """Whether no run holds the lock."""
        entry = self.vault().get("krakenstate/prod/lock")
        return entry is None or self.secret_at("krakenstate/prod/lock").get("released") is True
