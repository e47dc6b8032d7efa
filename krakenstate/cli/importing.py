"""``krakenstate import``: a stack file of what was there before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.options import DesiredOpt, JsonOpt, LockTimeoutOpt, SiteOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import (
    FileExists,
    FileUnusable,
    ImportImpossible,
    KrakenstateError,
    NothingToImport,
    UsageError,
)

if TYPE_CHECKING:
    from datetime import date

    from krakenstate.cli.wiring import Wired
    from krakenstate.model.address import Address
    from krakenstate.model.declarations import Key, VaultFields
    from krakenstate.model.desired import Desired, StackHead
    from krakenstate.model.inventory import InventoryEntry
    from krakenstate.stack.outline import Outline


def import_stack(
    generate_config_out: Annotated[
        Path,
        typer.Option(
            "--generate-config-out",
            metavar="FILE",
            help="Stack file to write, such as stacks/desk.py; one that exists is never written over.",
            show_default=False,
        ),
    ],
    stack: StackOpt = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="OURS=THEIRS",
            help="What secrets in Vault call a half of a key: api_key=key or api_secret=secret.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[
        str,
        typer.Option("--owner", metavar="TEXT", help="Owner of the processes, and of waivers."),
    ] = "desk",
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Write a stack file of the keys in the inventory, and record them as they are.

    Accounts, allowlists and processes are taken from the stack that --stack names. No key is asked, made or
    changed, and nothing is written to the paths where secrets lie: plan of the new stack proposes nothing.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.stack.generate import stack_text

    output, path = Output(json=as_json), generate_config_out
    fields = _fields(field or [])
    if path.exists():
        raise FileExists(f"{path} exists.")
    wired = wire(stack, output=output, desired=desired, site=site)
    head = _head(wired.session.desired, path)
    today = wired.session.clock().date()
    made, entries = _outline(wired, head, fields, owner)
    for rule, address in _broken(head, made, today):
        made.waive(rule, address, owner, today)
    _write(path, stack_text(head, made, today))
    try:
        recorded = _record(path, wired, entries, output, lock_timeout)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _tell(output, path, made, recorded)


def _outline(
    wired: Wired, head: StackHead, fields: VaultFields, owner: str
) -> tuple[Outline, list[InventoryEntry]]:
    from krakenstate.engine.adoption import linked, look_at
    from krakenstate.engine.reading import load_for_reading
    from krakenstate.model.declarations import Account, Allowlist, Process
    from krakenstate.model.inventory import speaks_of
    from krakenstate.stack.outline import Held, outline

    session = wired.session
    state = load_for_reading(session)
    keys = wired.loaded.desired.of(_key_type())
    entries = [e for e in state.inventory if not any(speaks_of(e, key) for key in keys)]
    if not entries:
        raise NothingToImport(
            f"The inventory of {session.desired.head.name} holds no key that it does not declare."
        )
    held = {}
    for entry in entries:
        if entry.vault_path is not None:
            place = entry.vault_path.removeprefix(f"{head.vault.mount}/")
            seen = look_at(session, place, entry.api, fields)
            held[place] = Held(seen.fingerprint, seen.problem)
    declared = [d for cls in (Account, Allowlist, Process) for d in session.desired.of(cls)]
    made = outline(
        [*declared, *linked(session, state)],
        entries,
        held,
        mount=head.vault.mount,
        fields=fields,
        owner=owner,
        today=session.clock().date(),
    )
    return made, entries


def _record(
    path: Path, wired: Wired, entries: list[InventoryEntry], output: Output, lock_timeout: float
) -> int:
    """Reads the new file as any command would, and records what it declares."""
    from krakenstate.cli.common import check_policy
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import runs
    from krakenstate.engine.adoption import adopt_everything

    session = wire(str(path), output=output, check_mount=False).session
    check_policy(session.desired, session.clock().date())
    is_other = session.desired.head.name != wired.session.desired.head.name
    if is_other:
        runs.initialise(session)
    with (
        stopping_between_steps() as stop,
        runs.writing(session, "import", wait_s=lock_timeout, stop=stop) as run,
    ):
        if is_other:
            run.state.put_inventory(entries)
        return adopt_everything(run, wired.who)


def _tell(output: Output, path: Path, made: Outline, recorded: int) -> None:
    from krakenstate.cli.common import shows_hints
    from krakenstate.views.style import plain
    from krakenstate.views.words import count

    if output.json:
        output.data(
            {
                "file": str(path),
                "keys": len(made.keys),
                "recorded": recorded,
                "findings": [
                    {"address": str(address), "text": plain(text)}
                    for address, texts in made.comments.items()
                    for text in texts
                ],
            }
        )
        return
    output.result(
        f"{plain(str(path))} declares {count(len(made.keys), 'key')}. Recorded as attested: "
        f"{count(recorded, 'account or key', 'accounts and keys')}. Nothing else was touched."
    )
    for address, texts in made.comments.items():
        for text in texts:
            output.result(f"  {plain(address)}: {plain(text)}")
    if shows_hints():
        output.progress(f"Next: krakenstate plan {path.stem}")


def _head(desired: Desired, path: Path) -> StackHead:
    """The head of the new stack: of the same desk under the file's name.

    Raises:
        UsageError: The file's name is no stack's.
        ImportImpossible: The stack would take the place of one that declares keys.
    """
    from pydantic import ValidationError

    from krakenstate.model.declarations import Grant
    from krakenstate.stack.generate import head_beside

    head = desired.head
    if path.suffix != ".py":
        raise UsageError("--generate-config-out names no .py file.", next_step="Such as stacks/desk.py.")
    if path.stem == head.name:
        holds_more = [*desired.of(_key_type()), *desired.of(Grant), *desired.moves, *desired.removed]
        if holds_more:
            raise ImportImpossible(
                f"{path} would be the stack {head.name} anew, and what declares it now holds keys or grants, "
                "which would be lost.",
                next_step="Import into a stack of another name, or from a file that declares accounts alone.",
            )
        return head
    try:
        return head_beside(head, path.stem)
    except (ValidationError, KrakenstateError):
        pass
    raise UsageError(f'"{path.stem}" is no name of a stack.', next_step="Such as stacks/desk.py.")


def _broken(head: StackHead, made: Outline, today: date) -> list[tuple[str, Address]]:
    from krakenstate.model.desired import Desired
    from krakenstate.policy.judge import broken

    return broken(Desired(head, made.declarations), today)


def _fields(given: list[str]) -> VaultFields:
    from pydantic import ValidationError

    from krakenstate.model.declarations import VaultFields

    pairs = {name: theirs for name, _, theirs in (each.partition("=") for each in given)}
    try:
        return VaultFields.model_validate(pairs)
    except ValidationError:
        pass
    raise UsageError(
        "--field takes api_key=NAME and api_secret=NAME.",
        next_step="Such as: --field api_key=key --field api_secret=secret",
    )


def _key_type() -> type[Key]:
    from krakenstate.model.declarations import Key

    return Key


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FileExists(f"{path} exists.") from None
    except OSError as problem:
        raise FileUnusable(f"{path} cannot be written: {problem.strerror}.") from problem
