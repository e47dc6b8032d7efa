"""Figures 1 and 2: how long it takes to begin, and to plan one key with everything local."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import planning
from benchmarks.command import Invocation, program, surroundings
from benchmarks.figures import Contestant, Figure
from benchmarks.workshop import Workshop

_PYINFRA = 'from pyinfra.operations import files\n\nfiles.file(path="{path}", present=True)\n'
_ANSIBLE = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
  tasks:
    - ansible.builtin.file:
        path: {path}
        state: file
"""


def figures(shop: Workshop) -> Iterator[Figure]:
    """Start-up alone, then a whole plan of one key."""

    def plain(name: str, *arguments: str) -> Contestant:
        def make() -> Invocation:
            tools = {
                "krakenstate": lambda: shop.krakenstate,
                "terraform": lambda: shop.terraform,
                "octodns-sync": lambda: shop.peer("octodns") / "octodns-sync",
            }
            return Invocation([tools[name](), *arguments], shop.home, surroundings(shop.home))

        return program(f"{name} {' '.join(arguments)}", make)

    version, help_text = plain("krakenstate", "version"), plain("krakenstate", "--help")
    yield Figure("1a", "version, against terraform version", 0.6, version, plain("terraform", "version"))
    yield Figure("1b", "--help, against octodns-sync --help", 0.6, help_text, plain("octodns-sync", "--help"))
    one = planning.krakenstate(shop, 1)
    yield Figure("2a", "plan of one key, against terraform plan", 1.3, one, planning.terraform(shop, 1))
    yield Figure("2b", "plan of one key, against pyinfra --dry", 0.6, one, _pyinfra(shop))
    yield Figure("2c", "plan of one key, against ansible --check", 0.4, one, _ansible(shop))


def _pyinfra(shop: Workshop) -> Contestant:
    """One file that is there already, on this machine."""

    def make() -> Invocation:
        folder = _folder_with(shop, "pyinfra", "deploy.py", _PYINFRA)
        arguments = [shop.peer("pyinfra") / "pyinfra", "@local", "deploy.py", "--dry", "-y"]
        return Invocation(arguments, folder, surroundings(shop.home))

    return program("pyinfra --dry", make)


def _ansible(shop: Workshop) -> Contestant:
    """The same file, and no facts gathered."""

    def make() -> Invocation:
        folder = _folder_with(shop, "ansible", "play.yaml", _ANSIBLE)
        playbook = shop.peer("ansible") / "ansible-playbook"
        arguments = [playbook, "--check", "-i", "localhost,", "play.yaml"]
        return Invocation(arguments, folder, surroundings(shop.home))

    return program("ansible-playbook --check", make)


def _folder_with(shop: Workshop, peer: str, file: str, template: str) -> Path:
    folder = shop.folder / "work" / peer
    folder.mkdir(parents=True, exist_ok=True)
    there = folder / "there"
    there.touch()
    (folder / file).write_text(template.format(path=there), encoding="utf-8")
    return folder
