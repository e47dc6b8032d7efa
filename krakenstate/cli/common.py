"""What commands that read the state have in common."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from krakenstate.cli.options import WITHIN_MAX_DAYS
from krakenstate.cli.output import worst_exit_code
from krakenstate.errors import (
    FileUnusable,
    InvalidKey,
    InvalidNonce,
    InvalidSignature,
    StackResultInvalid,
    TemporaryLockout,
    UsageError,
    catalogue,
)

if TYPE_CHECKING:
    from datetime import date

    from krakenstate.cli.output import Output
    from krakenstate.cli.wiring import Wired
    from krakenstate.engine.scope import Scope
    from krakenstate.model.desired import Desired, StackHead
    from krakenstate.model.plan import Check, Plan
    from krakenstate.model.run import Outcome
    from krakenstate.model.snapshot import Snapshot
    from krakenstate.model.state import State
    from krakenstate.policy.base import Ruling

NOTHING_LEFT = 0
CHANGES = 2
TASKS_OPEN = 8
_NO_BARE = ("-c", "safe.bareRepository=explicit")
_GIT_TIMEOUT_S = 5
_REJECTED_BY_KRAKEN = {leaf.code for leaf in (InvalidKey, InvalidNonce, InvalidSignature, TemporaryLockout)}


def shows_hints() -> bool:
    """Whether to say which command to type next; not to programs."""
    return not (os.environ.get("KRAKENSTATE_IN_AUTOMATION") or os.environ.get("CI"))


def commit_of(path: Path | None) -> str | None:
    """The commit a stack file is checked out at, if it lies in a git work tree."""
    for variable in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        if os.environ.get(variable):
            return os.environ[variable]
    if path is None:
        return None
    try:
        found = subprocess.run(
            # a folder of the stack's could pass for a repository, with a configuration of its own
            ["git", *_NO_BARE, "-C", str(path.resolve().parent), "rev-parse", "HEAD"],  # noqa: S607 - the user's
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def what_if(as_of: date | None, now: datetime) -> datetime | None:
    """The instant ``--as-of`` looks from: the beginning of that day, UTC; ``None`` for today or without one.

    Raises:
        UsageError: The day has passed, and nobody kept what was known then; or it is out of reach.
    """
    if as_of is None or as_of == now.date():
        return None
    if as_of < now.date():
        raise UsageError(
            f"--as-of {as_of} has passed: only a look ahead can be computed, the state keeps no past.",
            next_step=f"Name a day after {now.date()}, or leave --as-of out.",
        )
    if as_of > now.date() + timedelta(days=WITHIN_MAX_DAYS):
        raise UsageError(
            f"--as-of {as_of} is more than {WITHIN_MAX_DAYS} days ahead.",
            next_step="Name a day within ten years.",
        )
    return datetime.combine(as_of, time(), tzinfo=UTC)


def write_file(path: Path, text: str) -> None:
    """Writes a file that was named on the command line: all of it, or what was there before stays.

    Raises:
        FileUnusable: It cannot be written, or a link in the working folder stands in its way: that folder may
            be a stranger's checkout, and the link lead to any file of whoever works in it.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link that is looked for
    if place.is_relative_to(Path.cwd()) and place.resolve() != place:
        raise FileUnusable(
            f"{path} is a link or lies behind one, and a link in the working folder could lead to any file.",
            next_step="Name a file that is none.",
        )
    try:
        _write_whole(path, text)
    except OSError as problem:
        raise FileUnusable(f"{path} cannot be written: {problem.strerror}.") from problem


def _write_whole(path: Path, text: str) -> None:
    """Writes beside a file and then in its place, so that a full disk leaves no half of it."""
    place = path.resolve()
    is_device = path.exists() and not path.is_file()  # or a pipe; or a folder, which is refused
    if is_device or not os.access(place.parent, os.W_OK):
        path.write_text(text, encoding="utf-8")
        return
    mode = place.stat().st_mode & 0o777 if place.exists() else 0o666
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def snapshot_for(wired: Wired, state: State, *, refresh: bool, observed: Path | None = None) -> Snapshot:
    """A fresh observation, the stored one, or one from a file.

    Raises:
        FileUnusable, StackResultInvalid: The file is not a snapshot of this state.
    """
    session = wired.session
    if observed is not None:
        return _read_snapshot(observed, state)
    if refresh:
        from krakenstate.engine.observe import take_snapshot

        return take_snapshot(session, state)
    stored = session.records.snapshots.load_snapshot()
    if stored is None or stored.lineage != state.index.lineage:
        raise FileUnusable(
            "There is no stored snapshot yet, and --refresh=false forbids observing now.",
            next_step="Run: krakenstate observe",
        )
    return stored


def _read_snapshot(file: Path, state: State) -> Snapshot:
    from pydantic import ValidationError

    from krakenstate.model.snapshot import Snapshot

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise FileUnusable(f"{file} cannot be read as text.") from problem
    try:
        snapshot = Snapshot.model_validate_json(text)
    except ValidationError as wrong:
        raise StackResultInvalid(
            f"{file} is not a snapshot: {wrong.error_count()} fields are wrong.",
            next_step="Make one with: krakenstate observe --json",
        ) from None
    if snapshot.lineage != state.index.lineage:
        raise StackResultInvalid(
            f"{file} is a snapshot of another lineage than the state.",
            next_step="Observe the stack that is planned: krakenstate observe --json",
        )
    return snapshot


def exit_code_for_gaps(snapshot: Snapshot) -> int:
    """0 when everything asked could be read, else what kept it from being read."""
    by_code = {leaf.code: leaf.exit_code for leaf in catalogue()}
    codes = {by_code.get(o.code, 1) for o in snapshot.unreadable}
    return 3 if 3 in codes else (1 if codes else 0)


def exit_code_for_outcomes(outcomes: Iterable[Outcome]) -> int:
    """3 when Kraken rejected a key that was asked, else 0; a key that merely differs is no failure."""
    return 3 if {o.code for o in outcomes} & _REJECTED_BY_KRAKEN else 0


def scope_of(targets: list[str] | None, excluded: list[str] | None) -> Scope | None:
    """What ``--target`` and ``--exclude`` ask for; ``None`` for everything.

    Raises:
        UsageError: Both were given.
        AddressUnknown: One is no address.
    """
    if not targets and not excluded:
        return None
    from krakenstate.engine.scope import Scope
    from krakenstate.model.address import Address

    if targets and excluded:
        raise UsageError(
            "--target and --exclude were both given.", next_step="Give one of them, as often as needed."
        )
    return Scope(tuple(map(Address, targets or ())), tuple(map(Address, excluded or ())))


def detailed_code(plan: Plan) -> int:
    """What ``--detailed-exitcode`` says of a plan."""
    if plan.proposals or plan.settlements:
        return CHANGES
    return TASKS_OPEN if plan.facts.tasks else NOTHING_LEFT


def today_for(head: StackHead) -> date:
    """The day from which the policy counts, for a command without a session: in UTC, or a rehearsal's.

    Raises:
        NowRefused: KRAKENSTATE_NOW is set where it does not count.
    """
    if not os.environ.get("KRAKENSTATE_NOW"):
        return datetime.now(UTC).date()
    from krakenstate.cli.wiring import clock_of, origins_of

    return clock_of(origins_of(head.environment, os.environ), os.environ)().date()


def check_policy(
    desired: Desired, today: date, *, desk: Ruling | None = None, strict: bool = False
) -> tuple[Check, ...]:
    """What the rules find in a stack that they do not refuse; the desk's own where they were looked at.

    Raises:
        PolicyError: One rule refuses it.
        StackProblems: Several do.
    """
    from krakenstate.policy.base import Case
    from krakenstate.policy.judge import judge, refuse

    found = judge(Case(desired, today), desk=desk, strict=strict)
    refuse(found)
    return found


def exit_code_for_checks(output: Output, checks: Iterable[Check]) -> int:
    """0 when none refuses, else the exit code of what does, which standard error is told of.

    The checks themselves stand in the result.
    """
    from krakenstate.policy.judge import refusals

    found = refusals(checks)
    if not found:
        return 0
    worst = worst_exit_code(error.exit_code for error in found)
    first = next(error for error in found if error.exit_code == worst)
    others = f" It is one of {len(found)} errors; all stand in the result." if len(found) > 1 else ""
    told = type(first)(
        f"{first.message}{others}", next_step=first.next_step, address=first.address, source=first.source
    )
    output.print_error(told, beside_result=True)
    return worst


def write_reports(output: Output, outcomes: Iterable[Outcome]) -> None:
    """Tickets and acceptance reports, each below the address it is about."""
    from krakenstate.views.apply_text import report_of
    from krakenstate.views.style import plain

    for outcome in outcomes:
        report = report_of(outcome)
        if report:
            output.result(f"\n{plain(outcome.address)}:\n\n{report}\n")
