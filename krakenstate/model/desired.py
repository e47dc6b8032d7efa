"""The desired state: what a rendered stack says, with references resolved.

One set of types serves both sides: the declarations people write are what planning reads. In JSON a reference
is the address of what it refers to; loading puts the objects back, in the order of ``RESOURCE_TYPES``.
"""

from collections.abc import Iterable, Mapping
from functools import cache, cached_property, lru_cache
from typing import Any, Literal, NamedTuple, Self, TypeVar

from pydantic import JsonValue, ValidationError

from krakenstate.errors import AddressUnknown, KrakenstateError, ReferenceNotAdded, Source
from krakenstate.model.address import Address
from krakenstate.model.base import Model
from krakenstate.model.declarations import (
    RESOURCE_TYPES,
    Allowlist,
    Environment,
    Key,
    MasterAccount,
    Moved,
    Removed,
    Vault,
)
from krakenstate.model.entry import Declaration, Name, Reference, problems_of, suggest
from krakenstate.model.limits import Limits, Thresholds
from krakenstate.model.promotion import Promotion
from krakenstate.model.vocabulary import Api

FORMAT_VERSION: Literal["1.0"] = "1.0"
_COMPARED_MAX = 20_000
"""Among how many addresses one is looked for that was meant; more take seconds."""
_TYPES = {cls.type_name: cls for cls in RESOURCE_TYPES}
D = TypeVar("D", bound=Declaration)


class StackHead(Model):
    """What a stack says of itself."""

    name: Name
    environment: Environment
    vault: Vault
    promotes_from: Promotion | None = None
    limits: Limits = Limits()
    thresholds: Thresholds = Thresholds()


class RenderedSource(Model):
    """A line of a stack file, as plain data."""

    file: str
    line: int
    text: str = ""


class RenderedResource(Model):
    """One declaration as plain data: references are addresses."""

    type: str
    name: str
    attributes: dict[str, JsonValue]
    source: RenderedSource | None = None


class RenderedMove(Model):
    """A ``Moved`` as plain data."""

    old: str
    new: str
    source: RenderedSource | None = None


class RenderedRemoval(Model):
    """A ``Removed`` as plain data."""

    address: str
    source: RenderedSource | None = None


class Rendered(Model):
    """What ``krakenstate render`` writes and ``--desired`` reads.

    ``policies`` are the names of the files with the desk's own rules that lay beside the stack.
    """

    format_version: Literal["1.0"] = FORMAT_VERSION
    krakenstate_version: str
    isolation: Literal["kernel", "process"]
    isolation_reason: str | None = None
    stack: StackHead
    resources: tuple[RenderedResource, ...]
    moves: tuple[RenderedMove, ...] = ()
    removed: tuple[RenderedRemoval, ...] = ()
    policies: tuple[str, ...] = ()


class Desired:
    """A stack's declarations by address.

    Args:
        head: Name, environment and Vault of the stack.
        resources: In any order; kept sorted by address.
        moves: Renames, kept sorted by the old address.
        removed: Addresses to let go of, sorted.
    """

    def __init__(
        self,
        head: StackHead,
        resources: Iterable[Declaration],
        moves: Iterable[Moved] = (),
        removed: Iterable[Removed] = (),
    ) -> None:
        self.head = head
        self.moves: Mapping[Address, Moved] = {m.old: m for m in sorted(moves, key=lambda m: m.old)}
        self.removed: Mapping[Address, Removed] = {
            r.address: r for r in sorted(removed, key=lambda r: r.address)
        }
        ordered = sorted(resources, key=lambda r: r.address)
        self.resources: Mapping[Address, Declaration] = {r.address: r for r in ordered}
        self._families: dict[type[Declaration], tuple[Declaration, ...]] = {}
        self._controllers: dict[tuple[Address, Api], Key] = {}
        for key in reversed(self.of(Key)):
            if isinstance(key.controls, MasterAccount):
                self._controllers[key.controls.address, key.api] = key

    def of(self, cls: type[D]) -> list[D]:
        """All resources of a type or family, by address."""
        if cls not in self._families:
            of_family = {kind for kind in {type(r) for r in self.resources.values()} if issubclass(kind, cls)}
            self._families[cls] = tuple(r for r in self.resources.values() if type(r) in of_family)
        return list(self._families[cls])  # type: ignore[arg-type]  # kept under the class they are of

    def get(self, address: str) -> Declaration:
        """The declaration at an address.

        Raises:
            AddressUnknown: The stack has none.
        """
        found = self.resources.get(Address(address))
        if found is None:
            near = suggest(address, map(str, self.resources)) if len(self.resources) < _COMPARED_MAX else ""
            raise AddressUnknown(f"The stack {self.head.name} declares nothing at {address}.{near}")
        return found

    def moved_to(self, address: Address) -> Address:
        """Where the renames lead from an address; itself if nothing was renamed."""
        seen = {address}
        while address in self.moves and self.moves[address].new not in seen:
            address = self.moves[address].new
            seen.add(address)
        return address

    def moved_from(self, address: Address) -> tuple[Address, ...]:
        """The addresses whose renames lead here."""
        return tuple(old for old in self.moves if old != address and self.moved_to(old) == address)

    def source(self, address: str) -> Source | None:
        """The line an address is declared on, if it is."""
        found = self.resources.get(Address(address))
        return found.source if found else None

    def controller(self, master: MasterAccount, api: Api) -> Key | None:
        """The key this program itself uses on a master account, if one is declared."""
        return self._controllers.get((master.address, api))

    @cached_property
    def adopted_accounts(self) -> frozenset[Address]:
        """Who the accounts are on which a key sits that was there before."""
        return frozenset(key.account.identity for key in self.of(Key) if key.is_adopted)

    def site(self, name: str) -> Allowlist | None:
        """The allowlist a run may call its site."""
        return next((a for a in self.of(Allowlist) if a.name == name), None)


def dump_declaration(declaration: Declaration) -> RenderedResource:
    """A declaration as plain data, without the fields left at their defaults."""
    plain: dict[str, Any] = declaration.model_dump(mode="json", exclude_defaults=True)
    return RenderedResource(
        type=declaration.type_name,
        name=plain.pop("name"),
        attributes=dict(sorted(plain.items())),
        source=dump_source(declaration.source),
    )


@lru_cache(1024)  # thousands of declarations come from one line
def dump_source(source: Source | None) -> RenderedSource | None:
    """A line as plain data."""
    return RenderedSource(file=source.file, line=source.line, text=source.text) if source else None


class PlainDeclaration(NamedTuple):
    """One declaration as plain data: its name apart from other fields, addresses for what it refers to."""

    type: str
    name: str
    attributes: dict[str, Any]
    source: Source | None = None

    @classmethod
    def of(cls, rendered: RenderedResource) -> Self:
        """What a rendered stack says of one resource."""
        line = rendered.source
        source = Source(line.file, line.line, line.text) if line else None
        return cls(rendered.type, rendered.name, rendered.attributes, source)

    @property
    def address(self) -> str:
        """``type.name``, of whatever form."""
        return f"{self.type}.{self.name}"


def load_declarations(
    plain: list[PlainDeclaration], *, broken: Iterable[str] = ()
) -> tuple[list[Declaration], list[KrakenstateError]]:
    """Plain data as declarations again, and the problems met on the way.

    Args:
        plain: Untrusted: every field is validated anew. Empty afterwards, so that not all is held twice.
        broken: Addresses already reported as wrong; what refers to them is left out without a second report.
    """
    problems: list[KrakenstateError] = []
    loaded: dict[str, Declaration] = {}
    out: list[Declaration] = []
    unusable = set(broken)
    shared: dict[tuple[str, ...], set[str]] = {}
    order = {name: number for number, name in enumerate(_TYPES)}
    plain.sort(key=lambda each: order.get(each.type, -1))
    plain.reverse()
    while plain:
        item = plain.pop()
        cls = _TYPES.get(item.type)
        if cls is None:
            text = f'"{item.type[:60]}" is not a resource type.'
            problems.append(AddressUnknown(text, source=item.source))
            continue
        fields, missing = _resolve(cls, item, loaded)
        if missing:
            for target in sorted(set(missing) - unusable):
                text = f"{item.address} refers to {target}, which was never added to the stack."
                problems.append(ReferenceNotAdded(text, address=item.address, source=item.source))
            unusable.add(item.address)
            continue
        try:
            made = cls.model_validate(fields).with_source(item.source)
            given = tuple(fields)  # thousands give the same: one set for all, not 700 bytes for each
            if given not in shared:
                shared[given] = set(given)
            object.__setattr__(made, "__pydantic_fields_set__", shared[given])
        except ValidationError as invalid:
            problems += problems_of(cls, fields, invalid, item.source)
            unusable.add(item.address)
            continue
        out.append(made)
        loaded.setdefault(made.address, made)
    return out, problems


def _resolve(
    cls: type[Declaration], item: PlainDeclaration, loaded: Mapping[str, Declaration]
) -> tuple[dict[str, Any], list[str]]:
    """All fields, with addresses replaced by declarations, and the addresses that stand for nothing."""
    fields: dict[str, Any] = {**item.attributes, "name": item.name}
    missing: list[str] = []

    def look_up(target: object) -> Declaration | None:
        found = loaded.get(target) if isinstance(target, str) else None
        if found is None:
            missing.append(str(target)[:100])
        return found

    for field in _references(cls):
        value = fields.get(field)
        if isinstance(value, list):
            fields[field] = tuple(map(look_up, value))
        elif value is not None:
            fields[field] = look_up(value)
    return fields, missing


@cache
def _references(cls: type[Declaration]) -> tuple[str, ...]:
    return tuple(
        field
        for field, info in cls.model_fields.items()
        if any(isinstance(mark, Reference) for mark in info.metadata)
    )
