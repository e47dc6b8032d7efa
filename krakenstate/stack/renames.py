"""``Moved`` and ``Removed``: read with distrust, and held against what the stack declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from krakenstate.errors import KrakenstateError, MoveImpossible, Source
from krakenstate.model.address import Address
from krakenstate.model.declarations import RESOURCE_TYPES, Allowlist, Moved, Process, Removed
from krakenstate.model.desired import RenderedMove, RenderedRemoval, RenderedSource
from krakenstate.model.entry import Declaration
from krakenstate.stack.text import clean

_TYPES = {cls.type_name for cls in RESOURCE_TYPES}
_UNRECORDED = {
    Allowlist.type_name: "An allowlist is recorded nowhere under its name; rename it without Moved",
    Process.type_name: (
        "A process's name is part of the path it reads its secrets from; declare a new process, give it a "
        "key of its own, and take the old ones out"
    ),
}


def load_renames(
    moves: Iterable[RenderedMove], removed: Iterable[RenderedRemoval]
) -> tuple[list[Moved], list[Removed], list[KrakenstateError]]:
    """Plain data as entries again, and the problems of those that are none."""
    problems: list[KrakenstateError] = []
    out_moves: list[Moved] = []
    out_removed: list[Removed] = []
    for move in moves:
        source = _source(move.source)
        old, new = (_address(text, source, problems) for text in (move.old, move.new))
        if old and new:
            out_moves.append(Moved(old=old, new=new).with_source(source))
    for removal in removed:
        source = _source(removal.source)
        address = _address(removal.address, source, problems)
        if address:
            out_removed.append(Removed(address=address).with_source(source))
    return out_moves, out_removed, problems


def check_renames(
    moves: Sequence[Moved],
    removed: Sequence[Removed],
    declarations: Iterable[Declaration],
    broken: Iterable[str],
) -> list[KrakenstateError]:
    """What is wrong with a stack's renames and removals, each with its line.

    Args:
        moves: In the order of the file.
        removed: In the order of the file.
        declarations: The valid ones.
        broken: Addresses of declarations that are reported as wrong already.
    """
    if not (moves or removed):
        return []
    declared = {str(d.address) for d in declarations} | set(broken)
    by_old, by_new = ({getattr(m, end): m for m in reversed(moves)} for end in ("old", "new"))
    let_go = {r.address for r in removed}
    said: list[tuple[Moved | Removed, str]] = []
    for move in moves:
        why = _wrong_move(move, by_old, by_new, declared) or _wrong_end(move, by_old, declared | let_go)
        said += [(move, f"Moved(old={move.old}, new={move.new}): {why}.")] if why else []
    for removal in removed:
        why = _wrong_removal(removal, by_old, declared)
        said += [(removal, f"Removed(address={removal.address}): {why}.")] if why else []
    return [MoveImpossible(message, source=entry.source) for entry, message in said]


def _wrong_move(
    move: Moved, by_old: Mapping[Address, Moved], by_new: Mapping[Address, Moved], declared: set[str]
) -> str:
    if move.old.type != move.new.type:
        return "it changes the type, and a rename keeps it"
    if move.old.type in _UNRECORDED:
        return _UNRECORDED[move.old.type]
    if by_old[move.old] is not move:
        return f"{move.old} is renamed to {by_old[move.old].new} already"
    if by_new[move.new] is not move:
        return f"{by_new[move.new].old} is renamed to {move.new} already"
    if str(move.old) in declared:
        return f"both are there, for the stack still declares {move.old}"
    return ""


def _wrong_end(move: Moved, by_old: Mapping[Address, Moved], known: set[str]) -> str:
    end = _end(move, by_old)
    if end is None:
        return "it leads back to where it began"
    return "" if str(end) in known else f"the stack declares nothing at {end}"


def _wrong_removal(removal: Removed, by_old: Mapping[Address, Moved], declared: set[str]) -> str:
    if str(removal.address) in declared:
        return "the stack still declares it"
    if removal.address.type in _UNRECORDED:
        return f"the state records no {removal.address.type}, so there is nothing to let go of"
    return "it is renamed as well; name its new address" if removal.address in by_old else ""


def _end(move: Moved, by_old: Mapping[Address, Moved]) -> Address | None:
    """Where a chain of renames ends; ``None`` if it runs in a circle."""
    seen, address = {move.old}, move.new
    while address in by_old:
        if address in seen:
            return None
        seen.add(address)
        address = by_old[address].new
    return None if address in seen else address


def _address(text: str, source: Source | None, problems: list[KrakenstateError]) -> Address | None:
    shown = clean(text, 130)
    try:
        address = Address(text)
    except KrakenstateError as wrong:
        problems.append(MoveImpossible(clean(wrong.message, 300), source=source))
        return None
    if address.type not in _TYPES:
        problems.append(MoveImpossible(f"{shown}: there is no type {address.type}.", source=source))
        return None
    return address


def _source(rendered: RenderedSource | None) -> Source | None:
    return Source(rendered.file, rendered.line, rendered.text) if rendered else None
