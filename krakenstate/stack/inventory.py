"""A desk's own list of keys, as a table that was pasted or exported, read with distrust.

How this works: the first line names the columns, in any order; what divides them there (tab, pipe, comma or
semicolon, else two spaces or more) divides them below. Columns that only spaces divide are cut where their
names begin. Every problem of the table is found before any is reported. A cell that looks like a secret is
refused and never repeated; any other cell is cleaned before it is looked at.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from krakenstate.errors import InventoryHoldsSecret, InventoryInvalid, KrakenstateError, Source
from krakenstate.model.declarations import NAME_AT_KRAKEN_MAX, VaultPath
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.network import IPNetwork, parse_network, sort_networks
from krakenstate.model.vocabulary import Access, Api, Permission
from krakenstate.stack.text import clean

COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "account": ("account",),
    "api": ("api",),
    "permissions": ("permissions", "general", "transfer"),
    "allowlist": ("networks",),
    "expiry": ("expires",),
    "last used": ("last_used",),
    "used by": ("used_by",),
    "vault path": ("vault_path",),
}
"""Every column, with the fields of an entry that it fills."""
REQUIRED = ("name", "account")
TABLE_MAX_BYTES = 4 * 2**20
ROWS_MAX = 5000
_CELL_MAX = 500
_SHOWN_MAX = 60

_DASHES = frozenset({"", "-", "\u2013", "\u2014"})
_UNKNOWN = _DASHES | {"?", "n/a", "unknown"}
_NONE = frozenset({"none", "never", "nobody", "no"})
_EVERYWHERE = _DASHES | {"any", "all", "none", "everywhere", "no restriction", "*"}
_APIS = {"spot": Api.SPOT, "kraken pro": Api.SPOT, "derivatives": Api.DERIVATIVES, "futures": Api.DERIVATIVES}
_LEVELS = {
    "full access": Access.FULL_ACCESS,
    "full": Access.FULL_ACCESS,
    "read only": Access.READ_ONLY,
    "read": Access.READ_ONLY,
    "no access": Access.NO_ACCESS,
    "none": Access.NO_ACCESS,
    "no": Access.NO_ACCESS,
}
_LEVEL = re.compile(
    r"(general|transfer|withdrawal)(?: api)?\s*[:= ]\s*(full access|full|read only|read|no access|none|no)\b"
)
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_AGO = re.compile(r"(?:an?|\d{1,4}) (second|minute|hour|day|week|month)s? ago")
_DAYS = {"second": 0, "minute": 0, "hour": 0, "day": 1, "week": 7, "month": 30}
_RULE = re.compile(r"[\s|:+=-]*[-=][\s|:+=-]*")
_TOKEN = re.compile(r"hv[sbr]\.[A-Za-z0-9_-]{8,}|[0-9a-fA-F]{40,}|-----BEGIN ")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]{40,}")
_GAP = re.compile(r" {2,}")
_PATH: TypeAdapter[str] = TypeAdapter(VaultPath)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was read: its entries, and the fields that it has columns for."""

    entries: tuple[InventoryEntry, ...]
    fields: tuple[str, ...]


def read_table(text: str, name: str, today: date) -> tuple[Table, list[KrakenstateError]]:
    """A table's entries, and everything that is wrong with it.

    Args:
        text: The whole of it.
        name: What messages call it.
        today: The day on which somebody copied it, for ``3 days ago``.
    """
    reader = _Reader(clean(name, 100), today)
    entries = reader.read(text.removeprefix("\ufeff"))
    fields = tuple(field for column in reader.columns for field in COLUMNS[column])
    return Table(tuple(entries), fields if "api" in reader.columns else (*fields, "api")), reader.problems


def looks_secret(text: str) -> bool:
    """Whether a text holds what may be half of a key or a token."""
    for each in (text, "".join(text.split())):
        if _TOKEN.search(each):
            return True
        for run in _BASE64_RUN.findall(each):
            kinds = (str.isupper, str.islower, str.isdigit)
            if all(any(kind(c) for c in run) for kind in kinds):
                return True
    return False


class _Reader:
    def __init__(self, name: str, today: date) -> None:
        self._name = name
        self._today = today
        self.columns: list[str] = []
        self.problems: list[KrakenstateError] = []

    def read(self, text: str) -> list[InventoryEntry]:
        if len(text.encode(errors="replace")) > TABLE_MAX_BYTES:
            self._wrong(1, f"the table is larger than {TABLE_MAX_BYTES // 2**20} MiB")
            return []
        rows = list(self._rows(text))
        if len(rows) > ROWS_MAX:
            self._wrong(1, f"the table has {len(rows)} lines; at most {ROWS_MAX} are read")
            return []
        found: dict[str, tuple[int, InventoryEntry]] = {}
        for line, cells in rows:
            entry = self._entry(line, cells)
            if entry is not None:
                self._keep(found, line, entry)
        if self.columns and not found and not self.problems:
            self._wrong(1, "there is no key below the names of the columns")
        return [entry for _, entry in found.values()]

    # -- lines and cells -----------------------------------------------------------------------------------

    def _rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        start = next((n for n, line in enumerate(lines) if line.strip() and not _RULE.fullmatch(line)), None)
        if start is None:
            self._wrong(1, "the table is empty")
            return
        split = _splitter(lines[start])
        head = next(iter(split(start + 1, lines[start : start + 1])))[1]
        if not self._take_head(start + 1, head):
            return
        for line, cells in split(start + 2, lines[start + 1 :]):
            if cells is None:
                self._wrong(line, "the columns do not line up with their names; divide them by tabs or |")
            elif any(cell.strip() for cell in cells):
                yield line, cells

    def _take_head(self, line: int, head: Sequence[str] | None) -> bool:
        names = [re.sub(r"[\s_-]+", " ", clean(cell)).strip().casefold() for cell in head or ()]
        while names and not names[-1]:
            names.pop()
        before = len(self.problems)
        for name, cell in zip(names, head or (), strict=False):
            if name in COLUMNS and name not in self.columns:
                self.columns.append(name)
            elif looks_secret(cell):
                self._secret(line, "the names of the columns")
            else:
                twice = name in COLUMNS
                what = f'the column "{name[:_SHOWN_MAX]}" ' + ("is there twice" if twice else "is not known")
                self._wrong(line, f"{what}; the columns are {', '.join(COLUMNS)}")
        missing = [name for name in REQUIRED if name not in self.columns]
        if missing and len(self.problems) == before:
            self._wrong(
                line, f"there is no column {' and no column '.join(missing)}; the first line names them"
            )
        return len(self.problems) == before

    def _entry(self, line: int, cells: Sequence[str]) -> InventoryEntry | None:
        before = len(self.problems)
        for number, cell in enumerate(cells):
            if looks_secret(cell):
                column = self.columns[number] if number < len(self.columns) else f"column {number + 1}"
                self._secret(line, column)
        if len(self.problems) > before:
            return None
        if any(cell.strip() for cell in cells[len(self.columns) :]):
            self._wrong(line, f"there are {len(cells)} cells for {len(self.columns)} columns")
            return None
        texts = dict.fromkeys(COLUMNS, "")
        for column, cell in zip(self.columns, cells, strict=False):
            texts[column] = clean(cell).strip()
            if len(texts[column]) > _CELL_MAX:
                self._wrong(line, f"{column}: more than {_CELL_MAX} characters")
        values = self._values(line, texts)
        return InventoryEntry.model_validate(values) if len(self.problems) == before else None

    def _values(self, line: int, texts: dict[str, str]) -> dict[str, object]:
        values: dict[str, object] = {}

        def take(column: str, field: str, parse: Callable[[str], object]) -> None:
            try:
                values[field] = parse(texts[column])
            except ValueError as wrong:
                self._wrong(line, f"{column}: {wrong}")

        take("name", "name", _name)
        take("account", "account", _account)
        take("api", "api", lambda text: _api(text, texts["permissions"]))
        if values.get("api") is Api.DERIVATIVES:
            for part, field in enumerate(("general", "transfer")):
                before = len(self.problems)
                take("permissions", field, lambda text, part=part: _levels(text)[part])  # type: ignore[misc]
                if len(self.problems) > before:
                    break
        else:
            take("permissions", "permissions", _permissions)
        if "allowlist" in self.columns:
            take("allowlist", "networks", _networks)
        take("expiry", "expires", self._day)
        take("last used", "last_used", self._day)
        take("used by", "used_by", _users)
        take("vault path", "vault_path", _path)
        return values

    def _keep(self, found: dict[str, tuple[int, InventoryEntry]], line: int, entry: InventoryEntry) -> None:
        """A key that is listed twice may differ in who uses it, and in nothing else."""
        identity = entry.identity.casefold()
        if identity not in found:
            found[identity] = (line, entry)
            return
        first, known = found[identity]
        if known.model_copy(update={"used_by": entry.used_by}) != entry:
            self._wrong(
                line, f'"{entry.name}" on {entry.account} is on line {first} too, and described otherwise'
            )
            return
        users = (*known.used_by, *(user for user in entry.used_by if user not in known.used_by))
        found[identity] = (first, known.model_copy(update={"used_by": users}))

    def _day(self, text: str) -> date | None:
        """A day in one of the forms that can be read in one way only."""
        lowered = text.casefold()
        if lowered in _UNKNOWN | _NONE:
            return None
        if lowered in {"today", "just now", "now", "yesterday"}:
            return self._today - timedelta(days=lowered == "yesterday")
        ago = _AGO.fullmatch(lowered)
        if ago:
            number = lowered.split()[0]
            count = int(number) if number.isdigit() else 1
            return self._today - timedelta(days=count * _DAYS[ago[1]])
        try:
            return datetime.fromisoformat(text.removesuffix(" UTC")).date()
        except ValueError:
            pass
        for form in _DATES:
            try:
                return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no time zone
            except ValueError:
                continue
        raise ValueError(f'"{text[:_SHOWN_MAX]}" is no date; write 2027-06-30')

    def _secret(self, line: int, column: str) -> None:
        self.problems.append(
            InventoryHoldsSecret(
                f"Line {line}, {column}: it looks like half of a key or like a token, so nothing was stored.",
                source=Source(self._name, line),
            )
        )

    def _wrong(self, line: int, message: str) -> None:
        self.problems.append(InventoryInvalid(f"Line {line}: {message}.", source=Source(self._name, line)))


Lines = Iterator[tuple[int, list[str] | None]]


def _splitter(head: str) -> Callable[[int, Sequence[str]], Lines]:
    """How the lines of a table are divided, as its first line shows."""
    if "\t" in head:
        return lambda first, lines: _divided(first, lines, lambda line: line.split("\t"))
    if "|" in head:
        return lambda first, lines: _divided(first, lines, _piped)
    for delimiter in (",", ";"):
        if delimiter in head:
            return lambda first, lines: _comma_separated(first, lines, delimiter)
    starts = [0, *(gap.end() for gap in _GAP.finditer(head.rstrip()) if gap.start() > 0)]
    offset = len(head) - len(head.lstrip())
    starts[0] = min(offset, starts[0])
    return lambda first, lines: _aligned(first, lines, starts)


def _divided(first: int, lines: Sequence[str], split: Callable[[str], list[str]]) -> Lines:
    for number, line in enumerate(lines, start=first):
        if line.strip() and not _RULE.fullmatch(line):
            yield number, [_unquoted(cell) for cell in split(line)]


def _piped(line: str) -> list[str]:
    return line.strip().removeprefix("|").removesuffix("|").split("|")


def _unquoted(cell: str) -> str:
    text = cell.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if is_quoted else text


def _comma_separated(first: int, lines: Sequence[str], delimiter: str) -> Lines:
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    begins = first
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield begins, None
            return
        yield begins, cells
        begins = first + reader.line_num


def _aligned(first: int, lines: Sequence[str], starts: Sequence[int]) -> Lines:
    """Cut where the names begin; where a cell reaches over that, the gaps between the cells must tell."""
    ends = [*starts[1:], None]
    for number, line in enumerate(lines, start=first):
        if not line.strip() or _RULE.fullmatch(line):
            continue
        if all(line[begin - 1 : begin] in {"", " "} for begin in starts[1:]):
            yield number, [line[begin:end].strip() for begin, end in zip(starts, ends, strict=True)]
        else:
            cells = _GAP.split(line.strip())
            yield number, cells if len(cells) == len(starts) else None


def _name(text: str) -> str:
    if not text:
        raise ValueError("every key has one")
    if len(text) > NAME_AT_KRAKEN_MAX:
        raise ValueError(f"{len(text)} characters; Kraken's names have at most {NAME_AT_KRAKEN_MAX}")
    return text


def _account(text: str) -> str:
    if not text:
        raise ValueError("every key sits on one")
    return text


def _api(text: str, permissions: str) -> Api:
    if text.casefold() in _UNKNOWN:  # the words for access tell the platform
        try:
            is_derivatives = any(_levels(permissions))
        except ValueError:
            is_derivatives = False
        return Api.DERIVATIVES if is_derivatives else Api.SPOT
    found = _APIS.get(text.casefold())
    if found is None:
        raise ValueError(f'"{text[:_SHOWN_MAX]}" is neither spot nor derivatives')
    return found


def _permissions(text: str) -> tuple[str, ...] | None:
    if text.casefold() in _UNKNOWN:
        return None
    if text.casefold() in _NONE:
        return ()
    found: set[str] = set()
    for part in re.split(r"[,;+]", text):
        words = [part] if _slug(part) in set(Permission) else part.split()
        for word in words:
            if _slug(word) not in set(Permission):
                raise ValueError(f'"{word.strip()[:_SHOWN_MAX]}" is none of Kraken\'s permissions')
            found.add(_slug(word))
    return tuple(sorted(found))


def _levels(text: str) -> tuple[Access | None, Access | None]:
    """A Derivatives key's levels, General and Withdrawal: ``general=full access, transfer=no access``."""
    lowered = re.sub(r"[\s_-]+", " ", text.casefold()).strip()
    if lowered in _UNKNOWN:
        return None, None
    if lowered in _LEVELS:
        return _LEVELS[lowered], None
    found = {
        "transfer" if what != "general" else what: _LEVELS[level] for what, level in _LEVEL.findall(lowered)
    }
    rest = _LEVEL.sub("", lowered).strip(" ,;/+")
    if not found or rest:
        raise ValueError(
            f'"{text[:_SHOWN_MAX]}" is not understood; write general=full-access, transfer=no-access'
        )
    return found.get("general"), found.get("transfer")


def _networks(text: str) -> tuple[IPNetwork, ...] | None:
    """An empty cell is a key without allowlist: of two readings the one that hides nothing."""
    lowered = text.casefold()
    if lowered in _EVERYWHERE:
        return ()
    if lowered in _UNKNOWN:
        return None
    return sort_networks(parse_network(part) for part in re.split(r"[,;+\s]+", text) if part)


def _users(text: str) -> tuple[str, ...]:
    if text.casefold() in _UNKNOWN | _NONE:
        return ()
    parts = [part.strip() for part in re.split(r"[,;+&]| and ", text)]
    return tuple(dict.fromkeys(part for part in parts if part and part.casefold() not in _UNKNOWN))


def _path(text: str) -> str | None:
    if text.casefold() in _UNKNOWN | _NONE:
        return None
    try:
        return _PATH.validate_python(text.strip("/"))
    except ValidationError:
        pass
    raise ValueError("this is no path in Vault: letters, digits and ._~@:=,+- between single slashes")


def _slug(text: str) -> str:
    return re.sub(r"[\s_]+", "-", text.strip().casefold())
