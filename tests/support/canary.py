"""Looking for a secret in every form: in texts, in files, in a Vault mount, in the process list."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

from tests.support.bao import Bao

_LOOK_EVERY_S = 0.1
_CHUNK = 24


def forms_of(secret: str) -> list[bytes]:
    """How a secret could look: as it is, in pieces, percent-encoded, without padding, in base64, in JSON."""
    pieces = [secret[i : i + _CHUNK] for i in (0, len(secret) // 3, len(secret) - _CHUNK)]
    texts = {
        *pieces,
        secret.rstrip("="),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        *(quote(piece, safe="") for piece in pieces),
        secret.replace("/", "\\/"),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        base64.b64decode(secret).hex(),
    }
    return [text.encode() for text in sorted(texts)]


class Canaries:
    """Secrets that must be found where they belong and nowhere else."""

    def __init__(self) -> None:
        self._forms: list[bytes] = []
        self.sightings: list[str] = []

    def add(self, *secrets: str) -> None:
        """From now on these are looked for."""
        self._forms += [form for secret in secrets for form in forms_of(secret)]

    def is_in(self, data: bytes | str) -> bool:
        """Whether any form of any canary is in there."""
        held = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        return any(form in held for form in self._forms)

    def texts(self, texts: Iterable[str]) -> list[str]:
        """The texts that hold one."""
        return [text for text in texts if self.is_in(text)]

    def files(self, *folders: Path) -> list[Path]:
        """The files that hold one, in name or content."""
        found = (file for folder in folders for file in folder.rglob("*") if file.is_file())
        return [file for file in found if self.is_in(str(file)) or self.is_in(file.read_bytes())]

    def paths(self, bao: Bao, mount: str) -> set[str]:
        """The paths of a mount that hold one, in metadata or any version of the data."""
        return {path for path, answer in bao.walk(mount) if self.is_in(json.dumps(answer["data"]))}

    @contextmanager
    def watching_processes(self) -> Iterator[None]:
        """Samples command lines and environments of all processes into ``sightings``."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK_EVERY_S):
                seen = list(_process_list())
                if self.is_in(b"\0".join(data for _, data in seen)):  # one search, however many processes
                    self.sightings += [place for place, data in seen if self.is_in(data)]

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _process_list() -> Iterator[tuple[str, bytes]]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            for name in ("cmdline", "environ"):
                try:
                    yield f"{process}/{name}", (process / name).read_bytes()
                except OSError:
                    continue
