"""The root of the exception tree, and where a declaration stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple, Self


class Source(NamedTuple):
    """Where a declaration stands: file as the user named it, line from 1, and the line's own text."""

    file: str
    line: int
    text: str = ""

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}"
        return f"{where}: {self.text}" if self.text else where


class KrakenstateError(Exception):
    """Anything krakenstate stops for.

    Args:
        message: What happened and why it matters, in sentences. Never holds a secret.
        next_step: What to do now; a command stands alone on its line. Falls back to the class's remedy.
        address: The resource concerned.
        source: Line of its declaration.
    """

    code: ClassVar[str] = ""
    headline: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        next_step: str | None = None,
        address: str | None = None,
        source: Source | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step or self.remedy
        self.address = address
        self.source = source

    def at(self, source: Source | None) -> Self:
        """The same error, with the line of its declaration if none was known."""
        self.source = self.source or source
        return self

    def at_address(self, address: str) -> Self:
        """The same error, with the resource it concerns if none was known."""
        self.address = self.address or address
        return self


def catalogue() -> Iterator[type[KrakenstateError]]:
    """Every class with a code of its own, in order of code."""

    def leaves(of: type[KrakenstateError]) -> Iterator[type[KrakenstateError]]:
        if "code" in vars(of) and of.code:
            yield of
        for child in of.__subclasses__():
            yield from leaves(child)

    yield from sorted(set(leaves(KrakenstateError)), key=lambda leaf: leaf.code)
