"""What Vault answered, reduced to what may be looked at, and what each failure is called here.

Of Vault's own error texts only fixed words are looked for; none is repeated, since they may quote a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from krakenstate.errors import (
    MountMissing,
    VaultAnswerUnexpected,
    VaultConflict,
    VaultDenied,
    VaultError,
    VaultUnreachable,
)
from krakenstate.providers.base import NodeHealth

_LEADERLESS = ("active cluster node not found", "node not active")
_SEALED = ("is sealed", "not yet initialized", "not initialized")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node said. ``redirect`` is the place it pointed to, if it did.

    ``index`` is how far the cluster's storage was after a write.
    """

    status: int
    body: Mapping[str, Any] | None = field(repr=False)
    has_text: bool = False
    redirect: str | None = None
    index: str | None = None

    @property
    def data(self) -> Mapping[str, Any] | None:
        """The part of an answer that was asked for."""
        found = (self.body or {}).get("data")
        return found if isinstance(found, dict) else None

    def says(self, *words: str) -> bool:
        """Whether Vault's own error texts contain one of these."""
        errors = (self.body or {}).get("errors")
        text = " ".join(e for e in errors if isinstance(e, str)).lower() if isinstance(errors, list) else ""
        return any(word in text for word in words)

    @property
    def is_sealed(self) -> bool:
        """Whether this node can do nothing until somebody unseals it."""
        return self.status >= 400 and self.says(*_SEALED)

    @property
    def is_leaderless(self) -> bool:
        """Whether this node had nobody to hand the request to, so that nothing was done."""
        return self.status >= 500 and self.says(*_LEADERLESS)

    @property
    def is_nothing(self) -> bool:
        """Whether a KV engine says that there is no such entry, or that this version of it is gone."""
        if self.status != 404 or self.body is None:
            return False
        if self.body.get("errors") == []:
            return True
        data = self.data or {}
        return data.get("data", ...) is None and isinstance(data.get("metadata"), dict)


class Silence(NamedTuple):
    """No answer; ``unsent`` when the connection itself was refused, so that nothing can have happened."""

    unsent: bool
    why: str


def health_in(origin: str, answer: Answer | Silence) -> NodeHealth:
    """What ``sys/health`` says, whatever the HTTP status: a standby and a sealed node have their own."""
    if isinstance(answer, Silence):
        return NodeHealth(origin, silence=answer.why)
    body = answer.body or {}
    if not isinstance(body.get("sealed"), bool):
        return NodeHealth(origin, silence=f"HTTP {answer.status}, and no word about its health")
    version = body.get("version")
    return NodeHealth(
        origin,
        is_initialised=body.get("initialized") is not False,
        is_sealed=body["sealed"],
        is_standby=body.get("standby") is True,
        version=version[:40] if isinstance(version, str) else "",
    )


def failure(answer: Answer, path: str, capability: str) -> VaultError:
    """The one place where an answer that is no success becomes an exception."""
    if answer.status == 403:
        return VaultDenied(
            f"The token may not {capability} {path}, or it has expired.",
            next_step=f"Log in again, or ask for a policy with the capability {capability} on: {path}",
        )
    if answer.status == 404 and answer.says("no handler for route"):
        mount = path.partition("/data/")[0].partition("/metadata/")[0]
        return MountMissing(f"Vault has nothing mounted for {mount}.")
    if answer.status == 400 and answer.says("check-and-set parameter"):
        return VaultConflict(f"{path} has another version than the one this write was based on.")
    if answer.status in {502, 503, 504}:
        return VaultUnreachable(f"Vault, or a proxy before it, answered {answer.status} for {path}.")
    if answer.body is None and answer.has_text:
        return VaultAnswerUnexpected(f"The answer for {path} (HTTP {answer.status}) is not JSON.")
    return VaultAnswerUnexpected(f"Vault answered HTTP {answer.status} for {path}.")


def expect(answer: Answer, path: str, capability: str) -> Mapping[str, Any]:
    """The data of a success."""
    if answer.status != 200 or answer.data is None:
        raise failure(answer, path, capability)
    return answer.data


def number_in(found: Mapping[str, Any], name: str, path: str) -> int:
    """A whole number that an answer must have."""
    value = found.get(name)
    if not isinstance(value, int):
        raise VaultAnswerUnexpected(f"The answer for {path} has no {name}.")
    return value
