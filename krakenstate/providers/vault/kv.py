"""One KV version 2 mount of Vault or OpenBao, and the few calls beside it.

How this works: every request goes through ``Nodes.ask``, which chooses among the nodes of ``VAULT_ADDR``;
every answer that is no success goes through ``answers.failure``, which turns it into one leaf of
``VaultError``.
"""

from __future__ import annotations

import builtins
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from pydantic import SecretStr

from krakenstate.errors import (
    LoginMethodMissing,
    MountMissing,
    MountNotVersioned,
    VaultAnswerUnexpected,
    VaultConflict,
    VaultDenied,
    VaultWriteUnknown,
    WrappingTokenInvalid,
)
from krakenstate.model.traffic import Meter, uncounted
from krakenstate.providers.base import NodeHealth
from krakenstate.providers.vault.answers import Answer, expect, failure, number_in
from krakenstate.providers.vault.client import Sender
from krakenstate.providers.vault.nodes import PATIENCE_S, Nodes, Request, parse_addresses
from krakenstate.store.base import Entry, Metadata

log = logging.getLogger("krakenstate.vault")
_KEPT_BY_DEFAULT = 10
"""Versions of an entry. Source: OpenBao and Vault, KV version 2 API, max_versions (read in November 2026)."""
_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*")


class VaultClient:
    """One KV version 2 mount, as ``store.base.KeyValue``. Constructing it opens no socket.

    Before its first use it makes sure, once, that the mount exists and is version 2: version 1 would take
    writes without check-and-set.

    Args:
        addresses: ``VAULT_ADDR``, one origin or several separated by commas; https, or http to loopback.
        token: ``VAULT_TOKEN``.
        mount: Path of the mount.
        namespace: ``VAULT_NAMESPACE``.
        cacert: ``VAULT_CACERT``, a file; without it the public authorities certify. Always verified.
        timeout_s: For connecting, and again for the answer.
        patience_s: How long several nodes that answered before are waited for while none of them leads.
        meter: Counts each request, under its method and path.

    Raises:
        VaultAddressRefused: A node is neither https nor loopback.
    """

    def __init__(
        self,
        addresses: str,
        token: SecretStr,
        mount: str,
        *,
        namespace: str | None = None,
        cacert: str | None = None,
        timeout_s: float = 15,
        patience_s: float = PATIENCE_S,
        meter: Meter = uncounted,
    ) -> None:
        self._sender = Sender(namespace or None, cacert or None, timeout_s, meter)
        self._server = Nodes(parse_addresses(addresses), self._sender.send, patience_s=patience_s)
        self._token = SecretStr(token.get_secret_value().strip())
        self._mount = mount.strip("/")
        self._is_checked = False
        self._may_scan = True

    @property
    def mount(self) -> str:
        """Path of the mount."""
        return self._mount

    def close(self) -> None:
        """Closes idle connections."""
        self._sender.close()

    def health(self) -> tuple[NodeHealth, ...]:
        """What each node of ``VAULT_ADDR`` says of itself; one that does not answer is listed too."""
        return self._server.health()

    def capabilities(self, paths: Sequence[str]) -> dict[str, frozenset[str]]:
        """What the token may do on API paths, in Vault's own words.

        Raises:
            VaultDenied: The token may not ask that; the default policy lets every token.
            VaultAnswerUnexpected: A path is missing in the answer.
        """
        where = "sys/capabilities-self"
        found = expect(
            self._server.ask(Request("post", where, self._token, body={"paths": [*paths]})), where, "update"
        )
        told = {path: found.get(path) for path in paths}
        if not all(isinstance(words, builtins.list) for words in told.values()):
            raise VaultAnswerUnexpected(f"The answer for {where} does not name every path that was asked.")
        return {path: frozenset(map(str, words or ())) for path, words in told.items()}

    def check_mount(self) -> None:
        """Makes sure that the mount exists and is KV version 2.

        Raises:
            MountMissing: It does not exist.
            MountNotVersioned: It is something else.
            VaultDenied: The token has no rights there, or the mount does not exist; Vault does not tell.
        """
        path = f"sys/internal/ui/mounts/{_encode(self._mount)}"
        answer = self._server.ask(Request("get", path, self._token))
        if answer.status == 403 and answer.says("preflight"):
            # A token that may see everything gets the truth from the router.
            config = self._server.ask(Request("get", f"{_encode(self._mount)}/config", self._token))
            if config.status == 404 and config.says("no handler for route"):
                raise failure(config, self._mount, "read")
            raise VaultDenied(
                f"The token has no rights on the mount {self._mount}, or there is no such mount."
            )
        if answer.status == 403:  # every token that counts may ask this
            raise VaultDenied(
                "Vault does not take this token at all: it has expired, was revoked, may not be used from "
                "here, or is one of another server or namespace.",
                next_step="Log in again, and set VAULT_TOKEN",
            )
        found = expect(answer, path, "read")
        if found.get("path") != f"{self._mount}/":
            raise MountMissing(f"Vault has nothing mounted at {self._mount}.")
        options = found.get("options")
        if found.get("type") != "kv" or not isinstance(options, dict) or options.get("version") != "2":
            raise MountNotVersioned(f"The mount {self._mount} is not a KV version 2 engine.")
        self._is_checked = True

    def read(self, path: str, version: int | None = None) -> Entry | None:
        """The newest or a given version; ``None`` if the server says that there is none or it was deleted."""
        full = self._at("data", path)
        params = {} if version is None else {"version": version}
        answer = self._ask("get", full, params=params)
        return None if answer.is_nothing else _entry(answer, full)

    def look(self, path: str) -> tuple[Entry | None, int]:
        """What is there, and the version that the next check-and-set write must name.

        For data that were deleted or destroyed the answer names their version; where none was ever written,
        it names nothing, also if there is a head. Tried with OpenBao 2.7.
        """
        full = self._at("data", path)
        answer = self._ask("get", full)
        if not answer.is_nothing:
            entry = _entry(answer, full)
            return entry, entry.version
        gone = (answer.data or {}).get("metadata")
        return None, number_in(gone, "version", full) if isinstance(gone, dict) else 0

    def write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        """Writes if the newest version is ``cas`` (0: none yet); returns the new version.

        A write that a dying node left without an answer is looked for at the next leader. Check-and-set makes
        sending it again harmless: it takes effect once at most.
        """
        try:
            return self._write(path, data, cas)
        except VaultWriteUnknown as silence:
            unanswered = silence
        if not self._server.can_fail_over:
            raise unanswered
        log.warning("%s It is looked for at another node.", unanswered.message)
        if self._is_written(path, data, cas):
            return cas + 1
        try:
            return self._write(path, data, cas)
        except VaultConflict:
            if self._is_written(path, data, cas):
                return cas + 1
            raise

    def _write(self, path: str, data: Mapping[str, Any], cas: int) -> int:
        full = self._at("data", path)
        answer = self._ask("post", full, body={"data": dict(data), "options": {"cas": cas}})
        if answer.status >= 500:  # a leader that was deposed while it wrote cannot know what became of it
            raise VaultWriteUnknown(f"Vault, or a proxy before it, answered {answer.status} for {full}.")
        return number_in(expect(answer, full, "create or update"), "version", full)

    def _is_written(self, path: str, data: Mapping[str, Any], cas: int) -> bool:
        entry = self.read(path)
        return entry is not None and entry.version == cas + 1 and entry.data == dict(data)

    def delete(self, path: str) -> None:
        """Removes all versions and metadata; removing nothing is fine.

        One that a dying node left without an answer is looked for at the next leader. It is sent again only
        if the entry is still exactly as it was before: something new may lie there by then.
        """
        before = self._state_of(path) if self._server.can_fail_over else None
        try:
            self._change("delete", path)
        except VaultWriteUnknown as silence:
            unanswered = silence
        else:
            return
        if before is None:
            raise unanswered
        log.warning("%s It is looked for at another node.", unanswered.message)
        if self._state_of(path) == before:
            self._change("delete", path)

    def _state_of(self, path: str) -> tuple[Any, ...] | None:
        """What changes with every change of an entry; ``None`` if there is none or nobody may look."""
        full = self._at("metadata", path)
        answer = self._ask("get", full)
        if answer.is_nothing or answer.status == 403:
            return None
        found = expect(answer, full, "read")
        return tuple(found.get(mark) for mark in ("created_time", "updated_time", "current_version"))

    def _change(
        self, method: Literal["post", "delete"], path: str, body: Mapping[str, Any] | None = None
    ) -> None:
        """Changes or removes an entry's head."""
        full = self._at("metadata", path)
        answer = self._ask(method, full, body=body)
        if answer.status >= 500:  # as for data: a leader that was deposed cannot know
            raise VaultWriteUnknown(f"Vault, or a proxy before it, answered {answer.status} for {full}.")
        if answer.status not in {200, 204} and not (method == "delete" and answer.is_nothing):
            raise failure(answer, full, "delete" if method == "delete" else "create or update")

    def _merge(self, path: str, change: Callable[[], Mapping[str, Any] | None]) -> None:
        """Changes an entry's head to what ``change`` makes of it now.

        An unanswered change is made anew from what the next leader holds: merged twice is merged once.
        """
        body = change()
        if body is None:
            return
        try:
            self._change("post", path, body)
        except VaultWriteUnknown as silence:
            unanswered = silence
        else:
            return
        if not self._server.can_fail_over:
            raise unanswered
        log.warning("%s It is looked for at another node.", unanswered.message)
        body = change()
        if body is not None:
            self._change("post", path, body)

    def list(self, path: str) -> builtins.list[str]:
        """Names below a path, folders with a slash at their end; empty if the server says there are none."""
        full = self._at("metadata", path)
        answer = self._ask("list", full)
        if answer.is_nothing:
            return []
        keys = expect(answer, full, "list").get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise VaultAnswerUnexpected(f"The answer for {full} lists no names.")
        return sorted(keys)

    def metadata(self, path: str) -> Metadata | None:
        """An entry's head; ``None`` if the server says there is none."""
        full = self._at("metadata", path)
        answer = self._ask("get", full)
        if answer.is_nothing:
            return None
        return _head(expect(answer, full, "read"), full)

    def heads(self, folder: str) -> dict[str, Metadata] | None:
        """The heads of everything below a folder, where the server tells them in one answer.

        OpenBao does, to whoever may ``scan`` there; Vault does not know the verb. ``None`` after a refusal
        of any kind: then list and ask one by one, so that none is taken for an absence.
        Source: openbao.org/api-docs/secret/kv/kv-v2 (read in November 2026); tried with OpenBao 2.7.
        """
        if not self._may_scan:
            return None
        full = self._at("detailed-metadata", folder)
        answer = self._ask("scan", full)
        told = answer.data.get("key_info", {}) if answer.status == 200 and answer.data is not None else None
        if not isinstance(told, dict) or not all(isinstance(found, dict) for found in told.values()):
            self._may_scan = False
            return None
        return {str(name): _head(found, full) for name, found in told.items() if not name.endswith("/")}

    def write_metadata(
        self, path: str, custom: Mapping[str, str], before: Mapping[str, str] | None = None
    ) -> None:
        """Merges into an entry's custom metadata, creating the entry's head if need be."""
        known = before

        def merged() -> Mapping[str, Any] | None:
            nonlocal known
            there, known = known, None  # looked at anew, should it be sent again
            if there is None:
                head = self.metadata(path)
                there = head.custom if head else {}
            wanted = {**there, **custom}
            return None if there and wanted == dict(there) else {"custom_metadata": wanted}

        self._merge(path, merged)

    def keep_versions(self, path: str, count: int) -> None:
        """Makes an entry keep at least so many versions, creating its head if need be."""
        self._merge(path, lambda: {"max_versions": count})

    def kept_versions(self) -> int:
        """How many versions the mount keeps of an entry that does not say itself.

        Raises:
            VaultDenied: The token may not read the mount's settings.
        """
        where = f"{_encode(self._mount)}/config"
        found = expect(self._ask("get", where), where, "read").get("max_versions")
        return found if isinstance(found, int) and found else _KEPT_BY_DEFAULT

    def read_system(self, path: str) -> dict[str, Any] | None:
        """What an API path outside the mount holds; ``None`` if the server says that there is nothing.

        Raises:
            LoginMethodMissing: Nothing is mounted there.
            VaultDenied: The token may not read it.
        """
        answer = self._server.ask(Request("get", _encode(path), self._token))
        return None if answer.is_nothing else dict(expect(_mounted(answer, path), path, "read"))

    def write_system(self, path: str, body: Mapping[str, Any]) -> None:
        """Writes to an API path outside the mount, once. Raises as ``read_system``."""
        answer = _mounted(self._server.ask(Request("post", _encode(path), self._token, body=body)), path)
        if answer.status not in {200, 204}:
            raise failure(answer, path, "create or update")

    def delete_system(self, path: str) -> None:
        """Removes what an API path outside the mount holds; removing nothing is fine."""
        answer = self._server.ask(Request("delete", _encode(path), self._token))
        if answer.status not in {200, 204, 404}:
            raise failure(answer, path, "delete")

    def unwrap(self, token: SecretStr) -> dict[str, Any]:
        """What a response-wrapping token wraps. It can be opened once, and this opens it.

        Raises:
            WrappingTokenInvalid: It is unknown, expired, or was opened before.
        """
        # A control character would make the HTTP library put the token into its own exception's text.
        if not token.get_secret_value().isascii() or not token.get_secret_value().isprintable():
            raise WrappingTokenInvalid("What was given is not of the form of a wrapping token.")
        answer = self._server.ask(Request("post", "sys/wrapping/unwrap", token))
        if answer.status in {400, 403, 404}:
            raise WrappingTokenInvalid("Vault does not know this wrapping token: expired, or opened before.")
        return dict(expect(answer, "sys/wrapping/unwrap", "update"))

    def _ask(
        self,
        method: Literal["get", "post", "delete", "list", "scan"],
        path: str,
        *,
        params: Mapping[str, int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        if not self._is_checked:
            self.check_mount()
        return self._server.ask(Request(method, path, self._token, params or {}, body))

    def _at(self, kind: str, path: str) -> str:
        return f"{_encode(self._mount)}/{kind}/{_encode(path)}"


def _entry(answer: Answer, full: str) -> Entry:
    found = expect(answer, full, "read")
    data, head = found.get("data"), found.get("metadata")
    if not isinstance(data, dict) or not isinstance(head, dict):
        raise VaultAnswerUnexpected(f"The answer for {full} is not that of a KV version 2 engine.")
    return Entry(
        data=data,
        version=number_in(head, "version", full),
        written_at=_written_at(head),
        custom=_custom(head) if "custom_metadata" in head else None,
    )


def _head(found: Mapping[str, Any], full: str) -> Metadata:
    current = number_in(found, "current_version", full)
    versions = found.get("versions")
    newest = versions.get(str(current)) if isinstance(versions, dict) else None
    gone = not isinstance(newest, dict) or any(newest.get(mark) for mark in ("deletion_time", "destroyed"))
    keeps = found.get("max_versions")
    return Metadata(
        version=current,
        custom=_custom(found),
        gone=gone,
        keeps=keeps if isinstance(keeps, int) else 0,
        written_at=_written_at(newest),
    )


def _custom(head: Mapping[str, Any]) -> dict[str, str]:
    found = head.get("custom_metadata")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _written_at(head: object) -> str:
    """When a version was written; empty if the server does not tell."""
    found = head.get("created_time") if isinstance(head, dict) else None
    return found[:40] if isinstance(found, str) else ""


def _mounted(answer: Answer, path: str) -> Answer:
    if answer.status == 404 and answer.says("no handler for route"):
        method = path.partition("/role/")[0]
        raise LoginMethodMissing(f"Vault has no login method at {method}.")
    return answer


def _encode(path: str) -> str:
    """A path with its parts percent-encoded; nearly all are plain, and nothing in them is to be encoded.

    Raises:
        ValueError: A part is empty or made of dots, and would lead elsewhere.
    """
    if _PLAIN.fullmatch(path):
        return path
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError("a path below the mount has no empty and no dots-only part")
    return "/".join(quote(part, safe="") for part in parts)
