"""Declarations as a stack file, laid out for its readers."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from enum import Enum

import krakenstate
from krakenstate.model import roles
from krakenstate.model.declarations import (
    Account,
    Allowlist,
    Key,
    Process,
    Vault,
    VaultFields,
    Waiver,
)
from krakenstate.model.desired import StackHead
from krakenstate.model.entry import Declaration
from krakenstate.model.vocabulary import Permission
from krakenstate.stack.layout import Group, Node, call, listed, quoted, statement
from krakenstate.stack.outline import Outline, shown
from krakenstate.stack.text import clean

_ROLES = {
    value: name
    for name, value in reversed(vars(roles).items())
    if name.isupper() and isinstance(value, frozenset)
}
_COMMENT_WIDTH = 160
_FIRST = ("name", "account", "process", "master", "permissions", "general", "transfer", "allowlist")


def head_beside(head: StackHead, name: str) -> StackHead:
    """The head of a stack of another name: paths of its own beside those of this one, all else as here.

    Raises:
        ValidationError: It is no name of a stack.
    """

    def beside(path: str) -> str:
        return f"{path.rpartition('/')[0]}/{name}" if "/" in path else f"{path}-{name}"

    vault = Vault(mount=head.vault.mount, secrets=beside(head.vault.secrets), state=beside(head.vault.state))
    return StackHead(**dict(head) | {"name": name, "vault": vault})


def stack_text(head: StackHead, made: Outline, today: date) -> str:
    """The whole file: the same outline always gives the same text.

    Args:
        head: Name, environment and Vault of the stack.
        made: What it declares, in order.
        today: Named in the file's first line.
    """
    writer = _Writer(made)
    parts = [
        statement(_head(head), target="stack"),
        writer.section("networks that keys may be used from", Allowlist),
        writer.section("accounts", Account),
        writer.section("programs that hold keys", Process),
        *writer.keys(),
    ]
    body = "\n\n".join(part for part in parts if part)
    title = (
        f'"""The keys of {head.name} as they were on {today}. Generated once; from here on it is yours."""'
    )
    return "\n\n".join(part for part in (title, _imports(body), body) if part) + "\n"


def _head(head: StackHead) -> Node:
    environment: Node = "Environment.production()"
    if not head.environment.is_production:
        environment = call(
            "Environment",
            name=quoted(head.environment.name),
            spot_url=quoted(head.environment.spot_url),
            futures_url=quoted(head.environment.futures_url),
        )
    vault = call("Vault", **{field: quoted(value) for field, value in head.vault.model_dump().items()})
    set_by_itself = {
        field: call(type(part).__name__, **{name: _plain(value) for name, value in vars(part).items()})
        for field, part in (("limits", head.limits), ("thresholds", head.thresholds))
        if part != type(part)()
    }
    if head.promotes_from is not None:
        fields = {name: value for name, value in vars(head.promotes_from).items() if value is not None}
        set_by_itself["promotes_from"] = call("Promotion", **{n: _plain(v) for n, v in fields.items()})
    return call("Stack", name=quoted(head.name), environment=environment, vault=vault, **set_by_itself)


def _plain(value: object) -> Node:
    if isinstance(value, timedelta):
        days, rest = divmod(value, timedelta(days=1))
        return f"timedelta(seconds={value.total_seconds()!r})" if rest else f"timedelta(days={days})"
    return quoted(value) if isinstance(value, str) else repr(value)


def _imports(body: str) -> str:
    words = set(re.findall(r"\b[A-Za-z_]+\b(?=[(.])", body))
    ours = sorted((words & set(krakenstate.__all__)) - {"roles"})
    ours += ["roles"] if "roles" in words else []
    line = f"from krakenstate import {', '.join(ours)}"
    times = [name for name in ("date", "timedelta") if name in words]
    lines = [f"from datetime import {', '.join(times)}\n"] if times else []
    if len(line) > 88:
        line = "from krakenstate import (\n" + "".join(f"    {name},\n" for name in ours) + ")"
    return "\n".join([*lines, line])


class _Writer:
    def __init__(self, made: Outline) -> None:
        self._made = made
        self._names = _variables(made.declarations)

    def section(self, title: str, cls: type[Declaration]) -> str:
        """All declarations of a kind, under a title."""
        chosen = [d for d in self._made.declarations if isinstance(d, cls)]
        return "\n".join([f"# -- {title}", *map(self._one, chosen)]) if chosen else ""

    def keys(self) -> Iterable[str]:
        """The keys, a part for each account."""
        accounts = dict.fromkeys(key.account.address for key in self._made.keys)
        for address in accounts:
            chosen = [key for key in self._made.keys if key.account.address == address]
            yield "\n".join([f"# -- keys on {address.name}", *map(self._one, chosen)])

    def _one(self, declared: Declaration) -> str:
        fields = [f for f in _FIRST if f in type(declared).model_fields]
        fields += [f for f in type(declared).model_fields if f not in fields]
        values = {
            field: self._value(getattr(declared, field))
            for field in fields
            if getattr(declared, field) != type(declared).model_fields[field].default
        }
        node = call("stack.add", call(type(declared).__name__, **values))
        comments = [clean(text, _COMMENT_WIDTH) for text in self._made.comments.get(declared.address, ())]
        return statement(node, target=self._names.get(declared.address, ""), comments=comments)

    def _value(self, value: object) -> Node:
        match value:
            case Declaration():
                return self._names[value.address]
            case Waiver():
                return call("Waiver", **{name: self._value(v) for name, v in vars(value).items()})
            case VaultFields():
                items = tuple((f"{quoted(name)}: ", quoted(there)) for name, there in vars(value).items())
                return Group("{", items, "}")
            case Enum():
                return f"{type(value).__name__}.{value.name}"
            case bool() | int() | timedelta():
                return _plain(value)
            case date():
                return f"date({value.year}, {value.month}, {value.day})"
            case frozenset():
                return _permissions(value)
            case tuple():
                return listed(self._value(item) for item in value)
            case str():
                return quoted(value)
            case _:
                return quoted(shown(value))  # type: ignore[arg-type]  # what is left are networks


def _permissions(value: frozenset[Permission]) -> Node:
    if not value:
        return "[]"
    if value in _ROLES:
        return f"roles.{_ROLES[value]}"
    return listed((f"Permission.{p.name}" for p in Permission if p in value), "{}")


def _variables(declarations: Sequence[Declaration]) -> dict[str, str]:
    """Names for what others refer to; keys need none."""
    taken = {*krakenstate.__all__, *dir(builtins), *keyword.kwlist, "date", "timedelta", "stack"}
    found: dict[str, str] = {}
    for declared in declarations:
        if isinstance(declared, Key):
            continue
        name = declared.name.replace("-", "_")
        if name in taken:
            name = f"{name}_{declared.type_name.rpartition('_')[2]}"
        number, base = 2, name
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        found[declared.address] = name
    return found
