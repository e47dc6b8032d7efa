"""Every seam of a run: the gaps between its remote writes, found by watching the run itself.

How this works: a run is played once, and each thing it does to the outside is noted in order: key-value
writes, deletions and metadata, and signed calls to Kraken, which move nonces at least. Between two of them
nothing outside changes, so a process that dies leaves one of exactly that many worlds. The gaps are the
seams: before the intent, after it, after the effect, between metadata and data, between document and index,
under the lock, while it is given back. Each is tried twice: the process dies there; or what comes next takes
effect and its answer is lost.

What the code could do is read from its source, so that a remote write which no scenario reaches is noticed.
"""

from __future__ import annotations

import ast
import copy
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from krakenstate.engine import observe, reading, runs
from krakenstate.engine.session import Writing
from krakenstate.errors import KrakenstateError, VaultWriteUnknown
from krakenstate.model.credential import Credential
from krakenstate.model.plan import Plan
from krakenstate.model.run import CallKind
from krakenstate.model.task import TaskKind
from krakenstate.store.base import KeyValue
from tests.support.books import SECRET_PLACES, Books
from tests.support.cli import ROOT
from tests.support.memory import PowerCut
from tests.support.world import SECRETS, STATE, Switchboard, World

DIES, ANSWER_LOST = "dies before", "loses the answer of"
FATES = (DIES, ANSWER_LOST)
PACKAGE = ROOT / "krakenstate"
_WRITES = {"write", "delete", "write_metadata", "keep_versions"}
_PASSING = {"at", "version", "provenance", "round", "id", "note", "nonce"}


@dataclass(frozen=True)
class Site:
    """A place in the source from where something outside is changed."""

    file: str
    first: int
    last: int
    text: str
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.first} {self.text} in {self.function}"


def _calls(folder: str) -> Iterator[tuple[Site, str, str]]:
    """Every call of a method below a folder of the package: where, whose method, its name."""
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    text = f"{ast.unparse(node.func)}({ast.unparse(node.args[0]) if node.args else ''}, ...)"
                    last = node.end_lineno or node.lineno
                    site = Site(str(path.relative_to(ROOT)), node.lineno, last, text, function.name)
                    yield site, ast.unparse(node.func.value), node.func.attr


def key_value_sites() -> set[Site]:
    """Every write to the key-value store in the source."""
    return {
        site
        for folder in ("store", "providers/vault")
        for site, owner, name in _calls(folder)
        if owner in {"self._kv", "kv"} and name in _WRITES
    }


def journalled_sites() -> set[Site]:
    """Every ``Writing.write`` in the source."""
    return {site for site, owner, name in _calls("") if name == "write" and owner in {"run", "self._run"}}


def signed_methods() -> set[str]:
    """Every method of Kraken's clients that signs a call, as ``file:method``."""
    found = set()
    for path in sorted((PACKAGE / "providers").glob("kraken_*/client.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = {a.arg for a in node.args.args}
                if "credential" in names:
                    found.add(f"{path.relative_to(ROOT)}:{node.name}")
    return found


class Reached:
    """What of the source the scenarios have reached; only while ``is_on``, so where accidents are tried."""

    def __init__(self) -> None:
        self.is_on = False
        self.lines: set[tuple[str, int]] = set()
        self.methods: set[str] = set()
        self.kinds: set[CallKind] = set()

    def note(self) -> None:
        """Notes the innermost line of the package that is being carried out, and its named method."""
        if not self.is_on:
            return
        frame, first = sys._getframe(1), True
        while frame is not None:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(PACKAGE):
                name = str(file.relative_to(ROOT))
                if first:
                    self.lines.add((name, frame.f_lineno))
                    first = False
                if not frame.f_code.co_name.startswith(("_", "<")):
                    self.methods.add(f"{name}:{frame.f_code.co_name}")
                    return
            frame = frame.f_back  # type: ignore[assignment]  # None ends the loop

    def missed(self, sites: set[Site]) -> list[str]:
        """The sites that nothing has reached."""
        return sorted(
            str(site)
            for site in sites
            if not any(file == site.file and site.first <= line <= site.last for file, line in self.lines)
        )


class Line:
    """The line from a process to the outside; it can be cut at any of its writes."""

    def __init__(self, inner: KeyValue, reached: Reached, lose_answer: Callable[[str], None]) -> None:
        self._inner = inner
        self._reached = reached
        self._lose_answer = lose_answer
        self._mutex = threading.Lock()
        self.before_each: Callable[[], None] = lambda: None
        self.whole()

    def whole(self) -> None:
        """Nothing is cut, and counting begins anew."""
        self.seen: list[str] = []
        self.is_off, self._at, self._fate = False, -1, ""

    def cut(self, number: int, fate: str) -> None:
        """The write of that number, the first being 0, meets this fate."""
        self.whole()
        self._at, self._fate = number, fate

    # -- the key-value store -----------------------------------------------------------------------------

    def read(self, path: str, version: int | None = None) -> Any:
        self._is_live()
        return self._inner.read(path, version)

    def look(self, path: str) -> Any:
        self._is_live()
        return self._inner.look(path)

    def heads(self, folder: str) -> Any:
        self._is_live()
        return self._inner.heads(folder)

    def list(self, path: str) -> Any:
        self._is_live()
        return self._inner.list(path)

    def metadata(self, path: str) -> Any:
        self._is_live()
        return self._inner.metadata(path)

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        label = f"write {_described(path, data)}"
        return self._stored(label, lambda: self._inner.write(path, data, cas))

    def delete(self, path: str) -> None:
        self._stored(f"delete {_described(path, {})}", lambda: self._inner.delete(path))

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        label = f"note beside {_described(path, {})}"
        self._stored(label, lambda: self._inner.write_metadata(path, custom, before))

    def keep_versions(self, path: str, count: int) -> None:
        label = f"keep versions of {_described(path, {})}"
        self._stored(label, lambda: self._inner.keep_versions(path, count))

    def _stored(self, label: str, write: Callable[[], Any]) -> Any:
        fate = self._next(label)
        result = write()
        if fate == ANSWER_LOST:
            raise VaultWriteUnknown("Its answer never came, as this test wants it.")
        return result

    # -- Kraken ------------------------------------------------------------------------------------------

    def ask(self, request: Callable[..., Any], method: str, path: str, **more: Any) -> Any:
        """One HTTP request; unsigned ones change nothing."""
        if not more.get("headers"):
            self._is_live()
            return request(method, path, **more)
        if self._next(f"{method} {path.rpartition('/')[2]}") == ANSWER_LOST:
            self._lose_answer(path)
        return request(method, path, **more)

    # -- shared ------------------------------------------------------------------------------------------

    def _is_live(self) -> None:
        if self.is_off:
            raise PowerCut

    def _next(self, label: str) -> str:
        """What becomes of the next write."""
        self.before_each()
        with self._mutex:
            self._is_live()
            self._reached.note()
            number = len(self.seen)
            self.seen.append(label)
            if number != self._at:
                return ""
            if self._fate == DIES:
                self.is_off = True
                raise PowerCut
            return self._fate


def _journalled(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The calls that an entry of the journal is about: one, or several that are made side by side."""
    found: list[Mapping[str, Any]] = data.get("intents", [data] if "kind" in data else [])
    return found


def _described(path: str, data: Mapping[str, Any]) -> str:
    """A path in words that are the same in each run."""
    if "/journal/" in path:
        if calls := _journalled(data):
            is_before = all(call["result"] is None for call in calls)
            kinds = sorted({call["kind"] for call in calls})
            return f"{'intent' if is_before else 'outcome'} {' '.join(kinds)}"
        return "journal marker" if "/open/" in path else "journal"
    if path.endswith("/lock"):
        return "free lock" if data.get("released") else "lock"
    if path.startswith(f"{SECRETS}/"):
        return "published secret"
    return path.removeprefix(f"{STATE}/").partition("/")[0]


class Stage:
    """One world that can be put back to where a scenario begins, as often as there are seams."""

    def __init__(self, board: Switchboard, reached: Reached) -> None:
        self.reached = reached
        self.world = World(board)
        self.books = Books(self.world)
        self.books.approved = 1
        self.line = Line(self.world.kv, reached, self._lose_answer)
        self.world.mains.inner = self.line
        self.world.mains.watch = self._watch
        for http in self.world._http:
            self._wire(http)
        self._record_keys()
        self.memo: dict[str, Any] = {}
        self.recorded: set[str] = set()

    def close(self) -> None:
        """Closes connections."""
        self.world.close()

    def keep(self) -> None:
        """Here the scenario begins."""
        world = self.world
        self._kept = copy.deepcopy((world.kv._entries, world.simulation.world, world.administration.held))
        self._given = world.desired, dict(self.memo)
        self._instant, self._intended = world.clock.instant, self.books.intended
        self._promised = dict(self.books.promised)
        self._attested = set(self.books.attested_deletions)

    def put_back(self) -> None:
        """Everything is as it was when the scenario began."""
        world = self.world
        world.kv._entries, world.simulation.world, world.administration.held = copy.deepcopy(self._kept)
        world.desired, self.memo = self._given[0], dict(self._given[1])
        world.clock.instant, self.books.intended = self._instant, self._intended
        self.books.promised = dict(self._promised)
        self.books.attested_deletions = set(self._attested)
        self.books.absent.clear()
        self.books._read = None
        self.books.texts.clear()
        world.said.clear()
        self.line.before_each = lambda: None
        self.line.whole()

    # -- commands ----------------------------------------------------------------------------------------

    def hand_in(self, address: str, credential: Credential, site: str | None = "runner") -> None:
        """``key ingest``; whoever was not told that the secret is stored repeats it."""
        if credential.fingerprint in self.books.promised:
            return
        session = self.world.session(site)
        key = runs.expect_hand_in(session, address)

        def stored(_path: str) -> None:
            self.books.promise(credential, key.process.name, address)

        runs.hand_in(session, key, credential, stored=stored, wait_s=0)

    def attest(self, kind: TaskKind, address: str) -> None:
        """``task attest``, unless the task ended already."""
        if any(t.kind is kind for t in self.world.state.open_tasks(address)):
            task = self.world.attest(kind, address)
            if kind is TaskKind.DELETE_KEY:
                self.books.attested_deletions.add(task.subject or f"all of {task.address}")

    def answer(self) -> bool:
        """Somebody looks what became of each unknown creation, and says it; whether anything was asked."""
        emails = {a.email for a in self.world.simulation.world.accounts}
        asked = [t for t in self.world.state.open_tasks() if t.kind is TaskKind.SETTLE_UNKNOWN]
        for task in asked:
            record = self.world.state.account(task.address)
            there = record is not None and record.email in emails
            self.world.answer(task.address, created=there)
            if not there:
                self.books.absent.add(str(task.address))
        return bool(asked)

    def plan(self) -> Plan:
        """As ``krakenstate plan``."""
        session = self.world.session()
        state = reading.load_for_reading(session)
        plan = reading.make_plan(session, state, observe.take_snapshot(session, state))
        self.books.look_at(plan)
        return plan

    # -- what is -----------------------------------------------------------------------------------------

    def essence(self) -> dict[str, Any]:
        """What is recorded, stored and true, without instants and versions."""
        world, state = self.world, self.books.state
        accounts = world.simulation.world.accounts
        return {
            "records": [_lasting(r.model_dump(mode="json")) for r in state.records],
            "tasks": sorted((t.kind.value, t.address, t.subject) for t in state.open_tasks()),
            "secrets": {
                path: entry.data
                for path in world.kv.paths
                if path.startswith(SECRET_PLACES) and (entry := world.kv.read(path))
            },
            "kraken": sorted(
                (a.email, str(getattr(a, "trading_enabled", None)), len(a.spot_keys), len(a.derivatives_keys))
                for a in accounts
            ),
        }

    # -- shared ------------------------------------------------------------------------------------------

    def _watch(self, moment: str, path: str, data: Mapping[str, Any]) -> bool:
        if self.reached.is_on and "/journal/" in path:
            self.reached.kinds |= {CallKind(call["kind"]) for call in _journalled(data)}
        return self.books.count(moment, path, data)

    def _wire(self, http: Any) -> None:
        request = http.request
        http.request = lambda method, path, **more: self.line.ask(request, method, path, **more)

    def _lose_answer(self, path: str) -> None:
        self.world.people("fault", kind="drop-after", path=path, times=1)

    def _record_keys(self) -> None:
        make = self.world.make_key

        def make_key(*args: Any, **more: Any) -> Credential:
            credential = make(*args, **more)
            self.books.made.append(credential)
            return credential

        self.world.make_key = make_key  # type: ignore[method-assign]


def _lasting(value: Any) -> Any:
    """Without what differs from run to run."""
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if k not in _PASSING and not k.endswith("_at")}
    return [_lasting(v) for v in value] if isinstance(value, list) else value


def differences(found: Any, wanted: Any, where: str = "") -> list[str]:
    """Where two values differ, a line each."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        return [d for k in keys for d in differences(found.get(k), wanted.get(k), f"{where}/{k}")]
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [d for n, (a, b) in pairs for d in differences(a, b, f"{where}/{n}")]
    return [] if found == wanted else [f"{where} is {found!r}, not {wanted!r}"]


def noting_callers(reached: Reached) -> Callable[..., Any]:
    """``Writing.write`` that notes from where it is called."""
    write = Writing.write

    def noted(self: Writing, *args: Any, **more: Any) -> Any:
        reached.note()
        return write(self, *args, **more)

    return noted


def ends_somehow(run: Callable[[], object]) -> BaseException | None:
    """One command, however it ends; any error that has no KS code passes through."""
    with suppress(PowerCut):
        try:
            run()
        except KrakenstateError as error:
            assert error.code  # noqa: PT017 - any command may stop, with a code
            return error
        return None
    return PowerCut()
