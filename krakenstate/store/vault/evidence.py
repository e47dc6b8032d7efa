"""Evidence: what hosts leave of the keys of their processes. Read as what it is, somebody else's writing."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic import ValidationError

from krakenstate.errors import ReportUnusable, VaultConflict, VaultDenied
from krakenstate.model.address import Address
from krakenstate.model.report import Answer, Attempt, Evidence, InUse, Report
from krakenstate.model.terms import KeyDescription
from krakenstate.store.base import Entry, KeyValue

EVIDENCE_MAX_BYTES = 16 * 1024
_NAMES = frozenset(
    name for model in (Evidence, Attempt, Answer, InUse, KeyDescription) for name in model.model_fields
)


class VaultEvidence:
    """``store.base.EvidenceStore`` over a key-value store.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages.
        path: The stack's ``state`` prefix; uses ``evidence`` below it.
        stack: The stack's name: evidence for another is not used.
    """

    def __init__(self, kv: KeyValue, mount: str, path: str, *, stack: str) -> None:
        self._kv = kv
        self._mount = mount
        self._path = f"{path}/evidence"
        self._stack = stack

    def path_of(self, process: str, address: str) -> str:
        """Mount and path of a key's evidence, as a person types it."""
        return f"{self._mount}/{self._at(process, address)}"

    def read(self, process: str, address: str) -> tuple[Evidence | None, int]:
        """What was left, and the version that the next write must name.

        Raises:
            ReportUnusable: Something else lies there.
        """
        entry = self._kv.read(self._at(process, address))
        if entry is None:
            return None, 0
        return self._parse(process, address, entry), entry.version

    def write(self, process: str, address: str, evidence: Evidence, version: int) -> int:
        """Replaces exactly that version; the new one comes back.

        Raises:
            VaultConflict: Somebody else wrote meanwhile.
        """
        try:
            return self._kv.write(self._at(process, address), evidence.model_dump(mode="json"), cas=version)
        except VaultConflict:
            pass
        shown = self.path_of(process, address)
        raise VaultConflict(
            f"{shown} was changed by somebody else meanwhile, or its newest version was deleted.",
            next_step=f"See its history, then run the command again: bao kv metadata get {shown}",
            address=address,
        )

    def reports(self, slots: Iterable[tuple[str, str]]) -> dict[Address, Report]:
        """What was left for these processes' keys (process, address); what cannot be used says why.

        Raises:
            VaultError: The evidence could not be listed. A single entry that is denied is a problem of its
                own.
        """
        wanted: dict[str, set[str]] = {}
        for process, address in slots:
            wanted.setdefault(process, set()).add(address)
        found: dict[Address, Report] = {}
        for name in self._kv.list(self._path):
            process = name.rstrip("/")
            if not name.endswith("/") or process not in wanted:
                continue
            for address in wanted[process].intersection(self._kv.list(f"{self._path}/{process}")):
                report = self._report(process, address)
                if report is not None:
                    found[Address(address)] = report
        return found

    def _report(self, process: str, address: str) -> Report | None:
        path = self.path_of(process, address)
        try:
            evidence, _ = self.read(process, address)
        except (ReportUnusable, VaultDenied) as error:
            return Report(path=path, problem=error.message)
        except RecursionError:
            return Report(path=path, problem=f"{path} is nested deeper than any report.")
        if evidence is None:
            return None
        return Report(path=path, attempt=evidence.attempt, answer=evidence.answer, in_use=evidence.in_use)

    def _parse(self, process: str, address: str, entry: Entry) -> Evidence:
        shown = self.path_of(process, address)
        if len(json.dumps(entry.data)) > EVIDENCE_MAX_BYTES:
            raise ReportUnusable(f"{shown} is larger than any report.", address=address)
        found, wrong = None, ""
        try:
            found = Evidence.model_validate(entry.data)
        except ValidationError as error:  # only names of ours are repeated: any other is somebody's text
            parts = {str(part) for e in error.errors() for part in e["loc"] if part in _NAMES}
            wrong = f": {', '.join(sorted(parts))}" if parts else ""
        if found is None:
            raise ReportUnusable(f"{shown} is not of the form of a report{wrong}.", address=address)
        if (found.stack, found.address) != (self._stack, address):
            raise ReportUnusable(f"{shown} is the report of another key.", address=address)
        return found

    def _at(self, process: str, address: str) -> str:
        return f"{self._path}/{process}/{address}"
