"""A check-up before anything is asked with a key: clock, servers, Vault, state, breakers, keys.

How this works: every check stands alone. One that fails is a line of the result and does not stop the others;
what needs its outcome is skipped. Nothing is written, and no signed call is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from krakenstate.engine.observe import (
    CLOCK_TOLERANCE,
    addressed,
    check_offset,
    refusal_of,
    slots_of,
    whereabouts,
)
from krakenstate.engine.promotion import verified_upstream
from krakenstate.engine.reading import load_state
from krakenstate.engine.session import Session
from krakenstate.errors import Interrupted, KrakenstateError, VaultDenied
from krakenstate.model.base import format_instant
from krakenstate.model.checkup import Area, Check, Checkup, Level
from krakenstate.model.declarations import Key
from krakenstate.model.promotion import Promotion
from krakenstate.model.state import State
from krakenstate.providers.base import Greeter, NodeHealth, VaultProbe

DRIFTING = timedelta(seconds=10)
"""From here on a clock that may still be used is worth a warning."""


@dataclass(frozen=True, slots=True)
class _Right:
    """A path below the mount, and what some commands need to do there."""

    path: str
    needed: frozenset[str]


def examine(session: Session, vault: VaultProbe, derivatives: Greeter) -> Checkup:
    """All checks, in the order in which they are shown."""
    return Checkup(
        stack=session.desired.head.name,
        environment=session.desired.head.environment.name,
        site=session.site.name if session.site else None,
        at=session.clock(),
        checks=tuple(_Doctor(session, vault, derivatives).checks()),
    )


class _Doctor:
    def __init__(self, session: Session, vault: VaultProbe, derivatives: Greeter) -> None:
        self._session = session
        self._vault = vault
        self._derivatives = derivatives

    def checks(self) -> Iterator[Check]:
        yield from _attempt(Area.KRAKEN, "clock", self._clock)
        yield from _attempt(Area.KRAKEN, "derivatives", self._greeting)
        nodes = self._vault.health()
        yield from map(_node, nodes)
        mount = list(_attempt(Area.VAULT, "mount", self._mount)) if any(n.serves for n in nodes) else []
        yield from mount
        if not mount or mount[0].level is Level.PROBLEM:
            for area in (Area.STATE, Area.BREAKERS, Area.KEYS):
                yield Check(area=area, name=area.value, level=Level.SKIPPED, text="Vault cannot be used.")
            return
        yield from _attempt(Area.VAULT, "token", self._token, tolerated=True)
        yield from self._recorded()

    # -- Kraken ----------------------------------------------------------------------------------------

    def _clock(self) -> Iterable[Check]:
        session = self._session
        offset = session.clock() - session.providers.clock.server_time()
        check_offset(offset)
        seconds = offset.total_seconds()
        way = "ahead of" if seconds > 0 else "behind"
        text = f"{session.origins.spot} answers; this machine's clock is {abs(seconds):.1f} s {way} it."
        drifting = abs(offset) > DRIFTING
        if drifting:
            limit = round(CLOCK_TOLERANCE.total_seconds())
            text += f" From {limit} s on nothing is asked any more: synchronise it (NTP)."
        facts: dict[str, JsonValue] = {"origin": session.origins.spot, "offset_ms": round(seconds * 1000)}
        yield _found(Area.KRAKEN, "clock", text, warning=drifting, facts=facts)

    def _greeting(self) -> Iterable[Check]:
        self._derivatives.greet()
        origin = self._session.origins.futures
        yield _found(Area.KRAKEN, "derivatives", f"{origin} answers.", facts={"origin": origin})

    # -- Vault -----------------------------------------------------------------------------------------

    def _mount(self) -> Iterable[Check]:
        self._vault.check_mount()
        text = f"The mount {self._vault.mount} is a KV version 2 engine."
        yield _found(Area.VAULT, "mount", text, facts={"mount": self._vault.mount, "kv_version": 2})

    def _token(self) -> Iterable[Check]:
        purposes = self._purposes()
        paths = sorted({right.path for rights in purposes.values() for right in rights})
        may = self._vault.capabilities(paths)
        lacking = {
            purpose: [r for r in rights if not _has(may[r.path], r)] for purpose, rights in purposes.items()
        }
        enough = [purpose for purpose, missing in lacking.items() if not missing]
        short = {purpose: missing for purpose, missing in lacking.items() if missing}
        text = (
            f"The token is enough to {'; to '.join(enough)}."
            if enough
            else "The token is enough for nothing here."
        )
        for purpose, missing in short.items():
            wanted = ", ".join(sorted(missing[0].needed - may[missing[0].path]))
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            text += f" To {purpose} it lacks {wanted} on {missing[0].path}{more}."
        facts: dict[str, JsonValue] = {
            "capabilities": {path: [*sorted(words)] for path, words in sorted(may.items())},
            "enough_to": [*enough],
        }
        yield _found(Area.VAULT, "token", text, warning=not enough, facts=facts)

    def _purposes(self) -> dict[str, list[_Right]]:
        """What kinds of commands need, as docs/concepts.md grants it."""
        paths = self._session.desired.head.vault
        mount, state = paths.mount, paths.state
        slots = [
            self._session.slot(key.process.address, key.address) for key in self._session.desired.of(Key)
        ]
        secrets = [f"{paths.secrets}/{slot.process}/{slot.address}" for slot in slots]

        def rights(kind: str, words: str, *below: str) -> list[_Right]:
            return [_Right(f"{mount}/{kind}/{path}", frozenset(words.split())) for path in below]

        plan = [
            *rights("data", "read", f"{state}/index", f"{state}/resources/stack", f"{state}/snapshot"),
            *rights("data", "read", f"{state}/journal/run/run"),
            *rights("metadata", "list", f"{state}/journal/open/"),
        ]
        promotion = self._session.desired.head.promotes_from
        if promotion is not None:
            other = promotion.state_beside(paths)
            below = (f"{other}/{name}" for name in ("index", "resources/stack", "snapshot"))
            plan += rights("data", "read", *below)
        kept = [f"{state}/snapshot", f"{state}/breakers/credential", f"{state}/probes/key"]
        observe = [
            *plan,
            *rights("data", "create update read", *kept),
            *rights("data", "read", *secrets),
            *rights("metadata", "read", *secrets),
            *rights("metadata", "list", f"{state}/breakers/", f"{state}/inbox/", f"{state}/quarantine/"),
            *rights("metadata", "list", f"{state}/evidence/"),
            *rights("data", "read", f"{state}/evidence/process/key"),
        ]
        owned = [f"{state}/{name}" for name in ("index", "lock", "resources/stack", "journal/run/run")]
        taken_in = [f"{state}/{name}/process/key" for name in ("inbox", "quarantine")]
        apply = [
            *observe,
            *rights("data", "create update read", *owned, *secrets, f"{state}/quarantine/process/key"),
            *rights("metadata", "create update read", *secrets),
            *rights("metadata", "read delete", *taken_in),
        ]
        return {"plan from the snapshot": plan, "observe and plan": observe, "apply and settle": apply}

    # -- what is recorded ------------------------------------------------------------------------------

    def _recorded(self) -> Iterator[Check]:
        states: list[State] = []

        def read_state() -> Iterable[Check]:
            state = load_state(self._session, without_packs=True)  # what it has to look at are the documents
            states.append(state)
            return self._state(state)

        yield from _attempt(Area.STATE, "state", read_state)
        promotion = self._session.desired.head.promotes_from
        if promotion is not None:
            yield from _attempt(Area.STATE, "promotion", lambda: self._upstream(promotion))
        yield from _attempt(Area.STATE, "lock", self._lock, tolerated=True)
        yield from _attempt(Area.STATE, "runs", self._runs, tolerated=True)
        yield from _attempt(Area.BREAKERS, "breakers", self._breakers, tolerated=True)
        if states:
            yield from _attempt(Area.KEYS, "keys", lambda: self._keys(states[0]), tolerated=True)
        else:
            yield Check(area=Area.KEYS, name="keys", level=Level.SKIPPED, text="The state could not be read.")

    def _state(self, state: State) -> Iterable[Check]:
        index = state.index
        text = f"Lineage {index.lineage}, serial {index.serial}, written {format_instant(index.written_at)}."
        facts: dict[str, JsonValue] = {
            "location": self._session.records.state.location,
            "lineage": index.lineage,
            "serial": index.serial,
            "written_at": format_instant(index.written_at),
            "written_by": index.krakenstate_version,
        }
        yield _found(Area.STATE, "state", text, facts=facts)
        yield from _attempt(Area.STATE, "history", lambda: self._history(state), tolerated=True)

    def _upstream(self, promotion: Promotion) -> Iterable[Check]:
        """Whether the stack that keys are promoted from can be read, and what it could prove now."""
        proofs = verified_upstream(self._session, promotion)
        days = f"{promotion.within.total_seconds() / 86400:g} days"
        text = (
            f"{promotion.stack}, from which Spot keys are promoted, can be read. Keys verified there in the "
            f"last {days}: {len(proofs)}."
        )
        facts: dict[str, JsonValue] = {"stack": promotion.stack, "verified": [p.address for p in proofs]}
        yield _found(Area.STATE, "promotion", text, facts=facts)

    def _history(self, state: State) -> Iterable[Check]:
        """Whether a pinned version outlives the writing of the next one."""
        try:
            mount: int | None = self._vault.kept_versions()
        except VaultDenied:
            mount = None
        own = self._session.records.state.own_limits(state)
        kept = {path: max(limit, mount or 0) for path, limit in own.items()}
        short = sorted(path for path, count in kept.items() if count == 1 or (count == 0 and mount == 1))
        facts: dict[str, JsonValue] = {"mount_keeps": mount, "too_short": [*short]}
        if short:
            more = f", and {len(short) - 1} more" if len(short) > 1 else ""
            text = (
                f"{short[0]} keeps one version alone{more}: a run that dies while it writes the state could "
                f"lose it. Set it: bao kv metadata put -max-versions=10 {short[0]}"
            )
        elif mount is None and 0 in kept.values():
            text = "This token may not see how many versions the mount keeps; let it be two or more."
        else:
            text = f"Its entries keep {min(kept.values())} versions or more."
        yield _found(Area.STATE, "history", text, warning=bool(short), facts=facts)

    def _lock(self) -> Iterable[Check]:
        lock = self._session.records.locks.current()
        if lock is None:
            yield _found(Area.STATE, "lock", "Nobody holds the lock.", facts={"held": False})
            return
        text = (
            f"{lock.who} holds the lock for {lock.operation} since {format_instant(lock.created)}; its lease "
            f"ends {format_instant(lock.expires_at)} unless it is renewed."
        )
        facts: dict[str, JsonValue] = {"held": True, **lock.model_dump(mode="json")}
        yield _found(Area.STATE, "lock", text, warning=True, facts=facts)

    def _runs(self) -> Iterable[Check]:
        unfinished = self._session.records.journal.unfinished()
        if not unfinished:
            yield _found(Area.STATE, "runs", "Every earlier run ended.")
        for run, intents in unfinished:
            unknown = sum(intent.result is None for intent in intents)
            text = (
                f"{run.operation} ({run.id}, by {run.who}) is still running or did not end; "
                f"{unknown} of its {len(intents)} writes have no outcome. The next apply or settle looks "
                "at it."
            )
            facts: dict[str, JsonValue] = {"run": run.id, "writes": len(intents), "without_outcome": unknown}
            yield _found(Area.STATE, "runs", text, warning=True, facts=facts)

    def _breakers(self) -> Iterable[Check]:
        now = self._session.clock()
        open_ = [b for b in self._session.records.ledger.breakers() if b.until > now]
        if not open_:
            yield _found(Area.BREAKERS, "breakers", "No breaker is open.")
        for breaker in open_:
            text = (
                f"{breaker.scope.value} of {breaker.address}: not asked until "
                f"{format_instant(breaker.until)}, after a failed authentication ({breaker.code})."
            )
            facts: dict[str, JsonValue] = {
                "scope": breaker.scope.value,
                "address": str(breaker.address),
                "account": str(breaker.account),
                "until": format_instant(breaker.until),
                "cause": breaker.code,
            }
            yield _found(Area.BREAKERS, "breakers", text, warning=True, facts=facts)

    # -- keys ------------------------------------------------------------------------------------------

    def _keys(self, state: State) -> Iterable[Check]:
        session = self._session
        slots = [session.slot(process, address) for process, address in slots_of(session, state)]
        arrivals = addressed(session.custody.arrivals(slots), state)
        for key in session.desired.of(Key):
            record = state.key(key.address)
            if record is None or record.published is None:
                why, reason = whereabouts(key.address, arrivals), "pending"
            else:
                why = refusal_of(session, key, record, record.published.fingerprint)
                reason = "not_asked" if why else ""
            text = f"not asked: {why}." if why else "may be asked from this site."
            yield _found(Area.KEYS, str(key.address), text, facts={"may_be_asked": not why, "reason": reason})


def _has(may: frozenset[str], right: _Right) -> bool:
    return "root" in may or right.needed <= may


def _node(node: NodeHealth) -> Check:
    facts: dict[str, JsonValue] = {
        "origin": node.origin,
        "reachable": not node.silence,
        "sealed": node.is_sealed if not node.silence else None,
        "standby": node.is_standby if not node.silence else None,
        "version": node.version or None,
    }
    if node.silence:
        text = f"{node.origin} does not answer: {node.silence}."
    elif not node.is_initialised:
        text = f"{node.origin} is not initialised."
    elif node.is_sealed:
        text = f"{node.origin} is sealed; a Vault administrator unseals it."
    else:
        role = "standby" if node.is_standby else "active"
        version = f", version {node.version}" if node.version else ""
        text = f"{node.origin} answers: unsealed, {role}{version}."
    code = "" if node.serves else ("KS4001" if node.silence else "KS4002")
    level = Level.OK if node.serves else Level.PROBLEM
    return Check(area=Area.VAULT, name="node", level=level, text=text, code=code, facts=facts)


def _found(
    area: Area, name: str, text: str, *, warning: bool = False, facts: dict[str, JsonValue] | None = None
) -> Check:
    level = Level.WARNING if warning else Level.OK
    return Check(area=area, name=name, level=level, text=text, facts=facts or {})


def _attempt(
    area: Area, name: str, check: Callable[[], Iterable[Check]], *, tolerated: bool = False
) -> Iterator[Check]:
    """What a check found, or the error it met as a line of its own.

    Args:
        area: Of the line.
        name: Of the line.
        check: The check.
        tolerated: Many tokens are narrower than this check, so that a denied one is a warning.
    """
    try:
        found = list(check())
    except Interrupted:
        raise
    except KrakenstateError as error:
        denied = tolerated and isinstance(error, VaultDenied)
        level = Level.WARNING if denied else Level.PROBLEM
        yield Check(
            area=area,
            name=name,
            level=level,
            text=error.message,
            code=error.code,
            next_step="" if denied else error.next_step,
        )
        return
    yield from found
