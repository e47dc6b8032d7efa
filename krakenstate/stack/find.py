"""From what a user typed to a stack file, and which files of rules lie beside it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from krakenstate.errors import StackAmbiguous, StackNotFound
from krakenstate.stack.text import clean

FOLDER = "stacks"
RULES_FOLDER = "policies"
SUFFIX = ".py"
PLAN_SUFFIX = ".json"
_LISTED_MAX = 20


class StackFile(NamedTuple):
    """A stack file: where it is, how the user calls it, and the folder its project lives in."""

    path: Path
    display: str

    @property
    def name(self) -> str:
        """The name its stack must have."""
        return self.path.stem

    @property
    def project(self) -> Path:
        """The folder that contains ``stacks/``, or the file's own."""
        folder = self.path.parent
        return folder.parent if folder.name == FOLDER else folder


def find_stack(name: str | None, below: Path | None = None) -> StackFile:
    """The stack file meant by a name, a path, or nothing.

    Args:
        name: ``prod`` for ``stacks/prod.py``; a path when it ends in ``.py``; ``None`` for the only one.
        below: Folder that contains ``stacks/``; the working folder unless given.

    Raises:
        StackNotFound: There is no such file.
        StackAmbiguous: No name was given and there are several.
    """
    root = below or Path()
    if name is None:
        return _only_stack(root)
    if name.endswith(SUFFIX):
        return _checked(root / name, name)
    if "/" in name or name in {"", ".", ".."}:
        raise StackNotFound(f'"{clean(name, 100)}" is neither a name nor the path of a .py file.')
    if name.endswith(PLAN_SUFFIX):
        raise StackNotFound(
            f"{clean(name, 100)} is no stack's name. Where a stack is meant, a saved plan is none.",
            next_step=f"See a saved plan: krakenstate show {clean(name, 100)}",
        )
    display = f"{FOLDER}/{name}{SUFFIX}"
    return _checked(root / display, display, _found_names(root))


def find_rules(project: Path) -> list[Path]:
    """The policy files of a project, by name; what begins with an underscore or a dot is none."""
    found = (project / RULES_FOLDER).glob(f"*{SUFFIX}")
    return sorted(file for file in found if not file.name.startswith(("_", ".")))


def other_stacks(name: str, below: Path | None = None) -> list[str]:
    """The names of the stacks that lie beside the one of this name."""
    return [found for found in _found_names(below or Path()) if found != name]


def _only_stack(root: Path) -> StackFile:
    names = _found_names(root)
    if not names:
        raise StackNotFound(f"There is no .py file in {FOLDER}/.")
    if len(names) > 1:
        shown = ", ".join(names[:_LISTED_MAX]) + (", ..." if len(names) > _LISTED_MAX else "")
        raise StackAmbiguous(
            f"{FOLDER}/ holds {len(names)} stacks: {shown}.",
            next_step=f"Name one, for example: krakenstate plan {names[0]}\n"
            f"A command that takes an address or an id takes it as: --stack {names[0]}",
        )
    display = f"{FOLDER}/{names[0]}{SUFFIX}"
    return _checked(root / display, display)


def _checked(path: Path, display: str, others: list[str] | None = None) -> StackFile:
    if path.is_file():
        folder, own = (path.parent.parent, 2) if path.parent.name == FOLDER else (path.parent, 1)
        resolved = path.resolve()
        if resolved != folder.resolve().joinpath(*path.parts[-own:]):
            # Lines of the file are shown in messages: through a link of a stranger's, those of any file.
            raise StackNotFound(
                f"{clean(display, 200)} is a link or lies behind one, and links could lead to any file.",
                next_step="Put the file itself there, or give the path that the link leads to.",
            )
        return StackFile(resolved, clean(display))
    there = f" There is: {', '.join(others[:_LISTED_MAX])}." if others else ""
    raise StackNotFound(f"{clean(display, 200)} {_why_not(path)}.{there}")


def _why_not(path: Path) -> str:
    """Why a path is no stack file."""
    if path.is_symlink():
        return "is a link that leads to no file"
    return "is no file" if path.exists() else "does not exist"


def _found_names(root: Path) -> list[str]:
    files = (root / FOLDER).glob(f"*{SUFFIX}")
    return sorted(
        clean(file.stem) for file in files if file.is_file() and not file.stem.startswith(("_", "."))
    )
