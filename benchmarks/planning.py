"""Figures 3 to 6: plans of settled desks of many keys, their memory and their growth."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from benchmarks import houses
from benchmarks.command import Invocation, program, surroundings
from benchmarks.figures import Contestant, Figure
from benchmarks.workshop import Workshop


def figures(shop: Workshop) -> Iterator[Figure]:
    """No-change plans beside the peers', then our own at other sizes."""
    ours = {keys: krakenstate(shop, keys) for keys in (1000, 10_000, 100_000)}
    changed = krakenstate(shop, 10_000, changed=True)
    goals = {("3", 1000): (0.25, 0.6), ("4", 10_000): (0.06, 0.12)}
    for (number, keys), (to_terraform, to_octodns) in goals.items():
        what = f"no-change plan of {keys:,} keys, against "
        theirs = terraform(shop, keys), octodns(shop, keys)
        yield Figure(
            f"{number}a", f"{what}terraform plan -refresh=false", to_terraform, ours[keys], theirs[0]
        )
        yield Figure(f"{number}b", f"{what}octodns-sync", to_octodns, ours[keys], theirs[1])
    memory = "peak memory at 10,000 keys, against "
    for letter, name, goal, peer in (("a", "terraform", 0.2, terraform), ("b", "octodns-sync", 1.2, octodns)):
        yield Figure(f"5{letter}", memory + name, goal, ours[10_000], peer(shop, 10_000), "peak_mib")
    yield Figure("6a", "plan, growth from 1,000 to 10,000 keys", 6, ours[10_000], ours[1000])
    yield Figure("6b", "plan, growth from 10,000 to 100,000 keys", 11, ours[100_000], ours[10_000])
    yield Figure("6c", "one key in a hundred changed, against none", 1.25, changed, ours[10_000])


def krakenstate(shop: Workshop, keys: int, *, changed: bool = False) -> Contestant:
    """A plan from the stack file and the stored snapshot, its state in a Vault on loopback."""
    name = f"{'changed-' if changed else ''}{keys}"

    def make() -> Invocation:
        settled = houses.write_stack(shop.folder / "work" / f"krakenstate-{keys}", keys)
        shop.settle(keys, settled)
        folder = shop.folder / "work" / f"krakenstate-{name}"
        houses.write_stack(folder, keys, changed=changed)
        variables = surroundings(shop.home, shop.vault.environment)
        return Invocation([shop.krakenstate, "plan", "--refresh=false"], folder, variables)

    return program(f"krakenstate plan {name}", make)


def terraform(shop: Workshop, keys: int) -> Contestant:
    """A plan of as many null resources, nothing refreshed, the state in a local file."""

    def make() -> Invocation:
        folder = shop.folder / "work" / f"terraform-{keys}"
        houses.write_terraform(folder, keys)
        variables = surroundings(shop.home, {"TF_CLI_CONFIG_FILE": str(shop.terraform_settings)})
        setup = [str(shop.terraform), "init", "-input=false", "-no-color"]
        subprocess.run(setup, cwd=folder, env=variables, check=True, stdout=subprocess.DEVNULL)
        arguments = [shop.terraform, "plan", "-refresh=false", "-input=false", "-no-color"]
        return Invocation(arguments, folder, variables)

    return program(f"terraform plan {keys}", make)


def octodns(shop: Workshop, keys: int) -> Contestant:
    """A plan of a zone with as many records, from one folder of YAML to another."""

    def make() -> Invocation:
        folder = shop.folder / "work" / f"octodns-{keys}"
        houses.write_octodns(folder, keys)
        arguments = [shop.peer("octodns") / "octodns-sync", "--config-file=config.yaml"]
        return Invocation(arguments, folder, surroundings(shop.home))

    return program(f"octodns-sync {keys}", make)
