"""The commands of the first level: where each lives, and what the overall help says of it.

How this works: importing a command costs more than answering ``--help``, so its module is imported when it is
called, or when its own help is asked for. What the overall help shows of it stands here, beside its name; a
test holds the two together.
"""

from __future__ import annotations

CORE = "Core"
PEOPLE = "People"
ADOPT = "Adopt"
ASSURANCE = "Assurance"
STATE = "State"
REHEARSE = "Rehearse"
PANELS = (CORE, PEOPLE, ADOPT, ASSURANCE, STATE, REHEARSE)
"""The sections of the overall help, in order."""


class Entry:
    """One command, or one group of commands. A plain class: dataclasses take longer to import than all this.

    Args:
        panel: The section of the overall help.
        summary: The first sentence of its help.
        module: Its module in ``krakenstate.cli``.
        attribute: The function there, or the group's ``typer.Typer``.
        example: The last line of its help; a group has none, its commands have.
    """

    __slots__ = ("attribute", "example", "module", "panel", "summary")

    def __init__(self, panel: str, summary: str, module: str, attribute: str, example: str = "") -> None:
        self.panel = panel
        self.summary = summary
        self.module = module
        self.attribute = attribute
        self.example = example


ENTRIES = {
    "init": Entry(
        CORE,
        "Create a stack's state in Vault, and pin its Kraken.",
        "init",
        "init",
        "krakenstate init prod",
    ),
    "validate": Entry(
        CORE,
        "Check a stack and report all its problems together, what the policy refuses included.",
        "validate",
        "validate",
        "krakenstate validate prod",
    ),
    "render": Entry(
        CORE,
        "Run a stack file and write its declarations as JSON.",
        "render",
        "render",
        "krakenstate render prod --out desired.json",
    ),
    "observe": Entry(
        CORE,
        "Ask Kraken and Vault what exists.",
        "observe",
        "observe",
        "krakenstate observe prod --site runner",
    ),
    "plan": Entry(
        CORE,
        "Show what applying the stack would do.",
        "plan",
        "plan",
        "krakenstate plan prod --site runner",
    ),
    "show": Entry(CORE, "Show a saved plan.", "show", "show", "krakenstate show plan.json"),
    "apply": Entry(
        CORE,
        "Plan, show the plan, ask, and carry it out.",
        "apply",
        "apply",
        "krakenstate apply prod --site runner",
    ),
    "settle": Entry(
        CORE,
        "Carry out what applied declarations already allow.",
        "settle",
        "settle",
        "krakenstate settle prod --site runner",
    ),
    "drift": Entry(
        CORE,
        "Compare what is with what was recorded.",
        "drift",
        "drift",
        "krakenstate drift prod --site runner",
    ),
    "version": Entry(
        CORE,
        "Print the versions of krakenstate and Python.",
        "version",
        "version",
        "krakenstate version --json",
    ),
    "import": Entry(
        ADOPT,
        "Write a stack file of the keys in the inventory, and record them as they are.",
        "importing",
        "import_stack",
        "krakenstate import --stack accounts/desk.py --generate-config-out stacks/desk.py",
    ),
    "doctor": Entry(
        ASSURANCE,
        "Check clock, servers, Vault, state, breakers and keys.",
        "doctor",
        "doctor",
        "krakenstate doctor prod --site runner",
    ),
    "consumer": Entry(
        ASSURANCE,
        "Print what a process needs so that it reads its secret from Vault.",
        "consumer",
        "consumer",
        "krakenstate consumer process.pnl --format python",
    ),
    "schema": Entry(
        ASSURANCE,
        "Print a JSON Schema of what krakenstate writes.",
        "schema",
        "schema",
        "krakenstate schema plan",
    ),
    "panic": Entry(
        ASSURANCE,
        "Have every key of an account deleted, and stop its Derivatives trading.",
        "leak",
        "panic",
        'krakenstate panic --account carry --reason "orders nobody sent"',
    ),
    "force-unlock": Entry(
        STATE,
        "Break the lock of a run that is dead.",
        "lock",
        "force_unlock",
        "krakenstate force-unlock 0b6c2f5e-8d1f-4c39-9d55-2f0a7a1c3e84",
    ),
    "demo": Entry(
        REHEARSE,
        "Watch a desk come into being on servers of this machine.",
        "demo",
        "demo",
        "krakenstate demo",
    ),
    "task": Entry(PEOPLE, "What people have to do.", "task", "app"),
    "key": Entry(PEOPLE, "Keys on their way in, and what a key can do.", "key", "app"),
    "inventory": Entry(ADOPT, "The desk's own list of its keys.", "inventory", "app"),
    "policy": Entry(ASSURANCE, "The rules that accounts and keys keep.", "policy", "app"),
    "report": Entry(ASSURANCE, "What there is, for people who audit it.", "report", "app"),
    "state": Entry(STATE, "What is recorded of each resource.", "state_changes", "app"),
    "lock": Entry(STATE, "Who writes now.", "lock", "app"),
    "dev": Entry(REHEARSE, "Rehearse on a simulated Kraken and a real OpenBao.", "dev", "app"),
}
