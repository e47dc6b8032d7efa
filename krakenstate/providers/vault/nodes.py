"""The nodes of one Vault: whom to ask, in which order, and what to do while none of them leads.

How this works: with several nodes in ``VAULT_ADDR`` the one that leads is asked, since a standby may answer
from data that are older than the last write. OpenBao does so by default on integrated storage: a secret that
was stored a moment ago is a 404 there. An answer to a write carries ``X-Vault-Index``; sent back with a later
request, a standby that has not caught up hands the request to the leader. So a run never reads behind its own
writes, its lock among them, whichever node or load balancer answers.

So several nodes without a leader are not asked at all. A node that refused the connection, is sealed or knows
no leader did nothing, so the next one is asked, and once this Vault has answered, a change of leaders is
waited for. A node that fell silent or failed may have carried out a write: only reads go on then.

Source: openbao.org/docs/concepts/consistency (read in November 2026); tried with OpenBao 2.7.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from krakenstate.errors import (
    VaultAddressRefused,
    VaultLeaderless,
    VaultSealed,
    VaultUnreachable,
    VaultWriteUnknown,
)
from krakenstate.model.declarations import origin_of
from krakenstate.providers.base import NodeHealth
from krakenstate.providers.vault.answers import Answer, Silence, health_in

log = logging.getLogger("krakenstate.vault")
PATIENCE_S = 30.0
"""For a new leader: an election takes some seconds, and unsealing a node is a person's work."""
POLL_S = 0.25
INDEX = "X-Vault-Index"
_FRESH = {"X-Vault-Inconsistent": "forward-active-node"}


@dataclass(frozen=True, slots=True)
class Request:
    """One call; ``repr`` shows neither token nor body. ``at_root`` leaves the namespace out."""

    method: Literal["get", "post", "delete", "list", "scan"]
    path: str
    token: SecretStr = field(repr=False)
    params: Mapping[str, int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    at_root: bool = False

    @property
    def may_repeat(self) -> bool:
        """Whether asking twice does no more than asking once."""
        return self.method in {"get", "list", "scan"}


Send = Callable[[str, Request, Mapping[str, str]], Answer | Silence]


def parse_addresses(addresses: str) -> tuple[str, ...]:
    """The origins of ``VAULT_ADDR``: one or several, separated by commas.

    Raises:
        VaultAddressRefused: One is neither https nor loopback, or is no origin.
    """
    origins = []
    for text in filter(None, (part.strip() for part in addresses.split(","))):
        try:
            origins.append(origin_of(text))
        except ValueError as error:
            why = str(error)
        else:
            continue
        raise VaultAddressRefused(f"A node in VAULT_ADDR is refused: {why}.")
    if not origins:
        raise VaultAddressRefused("VAULT_ADDR names no node.")
    return tuple(dict.fromkeys(origins))


class Nodes:
    """The nodes of one Vault.

    Args:
        origins: From ``parse_addresses``.
        send: One request to one node, with these further headers, sent once.
        patience_s: How long a Vault of several nodes that answered before is waited for.
    """

    def __init__(self, origins: tuple[str, ...], send: Send, *, patience_s: float = PATIENCE_S) -> None:
        self.origins = origins
        self._send = send
        self._patience_s = patience_s if len(origins) > 1 else 0.0
        self._leader: str | None = None
        self._silent: str | None = None
        self._has_answered = False
        self._index = _Index()

    @property
    def can_fail_over(self) -> bool:
        """Whether another node may carry on when one falls silent."""
        return self._patience_s > 0

    def ask(self, request: Request) -> Answer:
        """The first answer of a node that is up, the leader before the others.

        Raises:
            VaultUnreachable: None answered.
            VaultWriteUnknown: One fell silent while it may have been writing.
            VaultSealed: All that answered are sealed.
            VaultLeaderless: There are several nodes, and none of them leads, or they point at each other.
            VaultAddressRefused: One redirects to somewhere VAULT_ADDR does not list.
        """
        until = time.monotonic() + self._patience_s
        is_told = False
        while True:
            try:
                answer = self._walk(request)
            except VaultWriteUnknown:
                self._leader = None
                raise
            except (VaultUnreachable, VaultSealed, VaultLeaderless) as error:
                self._leader = None
                if not self._has_answered or time.monotonic() > until:
                    raise
                if not is_told:
                    log.warning(
                        "Vault has no leader at the moment, waiting up to %g s: %s",
                        self._patience_s,
                        error.message,
                    )
                    is_told = True
                time.sleep(POLL_S)
                continue
            self._has_answered = True
            self._index.note(answer.index)
            return answer

    def health(self) -> tuple[NodeHealth, ...]:
        """What each node says of itself, asked without a token."""
        request = Request("get", "sys/health", SecretStr(""), at_root=True)
        return tuple(health_in(origin, self._send(origin, request, {})) for origin in self.origins)

    def _walk(self, request: Request) -> Answer:
        sealed: str | None = None
        leaderless: str | None = None
        silent: list[str] = []
        for origin in self._in_order():
            answer = self._follow(origin, request)
            if answer is None:
                leaderless = origin
            elif isinstance(answer, Silence):
                self._silent = origin
                silent.append(f"{origin} ({answer.why})")
                if not request.may_repeat and not answer.unsent:
                    raise VaultWriteUnknown(
                        f"{silent[-1]} was sent a write and did not answer, so the write may or may not have "
                        f"taken effect: {request.path}."
                    )
            elif answer.is_sealed:
                sealed = origin
            elif answer.is_leaderless:
                leaderless = origin
            elif answer.status >= 500 and request.may_repeat and len(self.origins) > 1:
                silent.append(
                    f"{origin} (HTTP {answer.status})"
                )  # as a leader does while it loses its office
            else:
                return answer
        if leaderless:
            raise VaultLeaderless(f"{leaderless} knows no leader.")
        if sealed:
            raise VaultSealed(f"{sealed} is sealed or not initialised.")
        raise VaultUnreachable(f"Asked without success: {', '.join(silent)}.")

    def _in_order(self) -> list[str]:
        """Whom to ask: of several nodes the leader first, and last who fell silent last.

        Raises:
            VaultLeaderless: All that are up are standbys.
        """
        if len(self.origins) > 1 and self._leader is None:
            serving = [node for node in self.health() if node.serves]
            self._leader = next((node.origin for node in serving if not node.is_standby), None)
            if serving and self._leader is None:
                raise VaultLeaderless(f"{' and '.join(node.origin for node in serving)} are standbys.")
        leader, silent = self._leader, self._silent
        return sorted(self.origins, key=lambda origin: (origin == silent, origin != leader))

    def _follow(self, origin: str, request: Request) -> Answer | Silence | None:
        """One node's answer; a standby's redirect is followed once, and only among the nodes.

        ``None`` if that leads to no leader: one that just lost its office still redirects to itself.
        """
        headers = self._index.headers(is_write=not request.may_repeat)
        answer = self._send(origin, request, headers)
        if isinstance(answer, Silence) or answer.redirect is None:
            return answer
        target = _origin_of_redirect(answer.redirect)
        if target not in self.origins:
            raise VaultAddressRefused(
                f"{origin} redirects to {target or 'an address that is no origin'}, which VAULT_ADDR does "
                "not list. Nothing was sent there."
            )
        answer = self._send(target, request, headers)
        return None if isinstance(answer, Answer) and answer.redirect is not None else answer


class _Index:
    """How far this run's own writes went, in the cluster's own count; several threads may tell of theirs."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._newest: str | None = None
        self._count: tuple[str, int] | None = None

    def note(self, told: str | None) -> None:
        """Keeps the larger one; one of another form or cluster replaces what was kept."""
        if not told:
            return
        now = _count(told)
        with self._mutex:
            before = self._count
            if before is None or now is None or before[0] != now[0] or now[1] > before[1]:
                self._newest, self._count = told, now

    def headers(self, *, is_write: bool) -> dict[str, str]:
        """What makes a standby hand a request on to the leader, if it has not caught up.

        Without an index only a write says so: a read with such a header, but no index, would be answered
        from a standby even where the operator had every plain request forwarded.
        """
        newest = self._newest
        if newest is not None:
            return {INDEX: newest, **_FRESH}
        return dict(_FRESH) if is_write else {}


def _count(index: str) -> tuple[str, int] | None:
    """Cluster and position; the form is not promised, so that an unknown one is merely not compared."""
    try:
        found = json.loads(base64.b64decode(index, validate=True))
        return str(found["cluster"]), int(found["value"])
    except (ValueError, KeyError, TypeError):
        return None


def _origin_of_redirect(location: str) -> str | None:
    try:
        parts = urlsplit(location)
        return origin_of(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None
