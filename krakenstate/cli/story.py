"""The story the demo tells: a desk from its first declaration to "No changes", mistakes included."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from krakenstate.cli.stage import Stage
from krakenstate.errors import RehearsalError
from krakenstate.model.task import TaskKind, task_id

RUNNER, COLO = "192.0.2.10", "203.0.113.7"
COLO_NETWORKS = "203.0.113.7,2001:db8:1::/64"
MASTER, MM, CARRY = "ops@desk.example", "kraken+mm@desk.example", "kraken+carry@desk.example"
NO_CHANGES = "No changes. Your accounts match the configuration."
SECRET_CHARACTERS = 88
AT_RUNNER = ("--site", "runner")


def play(folder: Path) -> None:
    """Tells the whole story in a folder, and leaves nothing behind.

    Raises:
        RehearsalError: A command did something else than the story says.
    """
    example = find_example()
    with Stage(folder) as stage:
        shutil.copytree(example / "stacks", stage.folder / "stacks")
        _declare(stage)
        _controllers(stage)
        _subaccounts(stage)
        _process_keys(stage)
        _put_right(stage)
        _grants(stage)
        _drift(stage)
        _stop_trading(stage)
        stage.note("\nThe demo has ended; its servers and its folder are gone.")


def find_example() -> Path:
    """The folder of the example desk: in the clone this program runs from, or in the current folder.

    Raises:
        RehearsalError: There is none.
    """
    here = Path(__file__).resolve().parent.parent.parent
    for root in (here, Path.cwd()):
        if (root / "examples" / "desk" / "stacks" / "prod.py").is_file():
            return root / "examples" / "desk"
    raise RehearsalError(
        "The demo plays the stack in examples/desk, and there is no such folder here.",
        next_step="Run it in a clone of krakenstate.",
    )


def _declare(stage: Stage) -> None:
    stage.chapter("1. A desk declares its accounts and keys; nothing of it exists yet")
    stage.raise_servers()
    stage.note("\nThe desk has a verified master account, and a second whole account for Derivatives:")
    stage.run(
        "dev", "web", "create-account", "--name", "desk", "--email", MASTER, "--iiban", "AA12 N84G ABCD 3F5K"
    )
    stage.run("dev", "web", "create-account", "--name", "carry", "--email", CARRY)
    stage.run("init", expect="has been initialised")
    stage.run("plan", *AT_RUNNER, expect="9 manual.")
    _no_signed_call_yet(stage)
    stage.run(
        "apply", *AT_RUNNER, "--auto-approve", expect=("9 manual pending", f"Kraken account to add: {CARRY}")
    )
    stage.note("\nApplying again does nothing new:")
    stage.run("apply", *AT_RUNNER, "--auto-approve", expect="No changes to propose. 9 manual tasks open.")
    stage.run("task", "show", _task(TaskKind.CREATE_KEY, "spot_key.spot-creator", generation=1))


def _no_signed_call_yet(stage: Stage) -> None:
    calls = stage.run("dev", "calls", quiet=True)
    signed = [c for c in calls.splitlines() if c and "/0/public/" not in json.loads(c)["path"]]
    if signed:
        raise RehearsalError(f"{len(signed)} signed calls were made before there was any key.")
    stage.note("  (the simulated Kraken saw not one signed call)")


def _controllers(stage: Stage) -> None:
    stage.chapter("2. People make the two keys that krakenstate itself needs, and hand them in")
    stage.hand_in(
        "spot_key.spot-creator",
        *("--account", MASTER, "--api", "spot", "--name", "spot-creator-g1"),
        *("--permission", "withdraw-funds", "--ip", RUNNER, "--expires", "2026-12-31"),
    )
    stage.hand_in(
        "derivatives_key.derivatives-controller",
        *("--account", MASTER, "--api", "derivatives", "--general", "FULL_ACCESS", "--ip", RUNNER),
    )
    stage.run("settle", *AT_RUNNER, expect="Settle complete! 2 published")
    stage.run("settle", *AT_RUNNER, expect="Nothing to settle.")


def _subaccounts(stage: Stage) -> None:
    stage.chapter("3. The Spot subaccount is created by API, the Derivatives one linked by support")
    stage.run("plan", *AT_RUNNER, expect="Plan: 1 to add")
    stage.run("apply", *AT_RUNNER, "--auto-approve", expect="Resources: 1 added")
    stage.note("\nThe owner of the new subaccount's mailbox finishes its set-up:")
    stage.run("dev", "email", "confirm", MM)
    task = _task(TaskKind.LINK_DERIVATIVES, "derivatives_subaccount.carry")
    stage.note("\nThe ticket is pasted into support's form; support acts, and the account's owner confirms:")
    stage.pipe(("task", "show", task), ("dev", "support", "process", "--ticket", "-"))
    stage.run("dev", "email", "confirm", CARRY)


def _process_keys(stage: Stage) -> None:
    stage.chapter("4. People make the processes' keys, and make two mistakes")
    stage.hand_in(
        "spot_key.mm-quoter",
        *("--account", "desk-mm", "--api", "spot", "--name", "mm-quoter-g1"),
        *("--permission", "query-funds,query-open-trades,modify-trades,close-trades"),
        *("--ip", COLO_NETWORKS, "--expires", "2027-06-30"),
    )
    stage.note("\nA permission too many:")
    stage.hand_in(
        "spot_key.pnl",
        *("--account", "desk-mm", "--api", "spot", "--name", "pnl-g1"),
        *("--permission", "query-funds,query-open-trades,query-closed-trades,query-ledger,add-funds"),
        *("--ip", f"198.51.100.0/28,{RUNNER}"),
    )
    stage.note("\nSigned in to the wrong account:")
    stage.hand_in("derivatives_key.hedger", *_hedger(MASTER))
    stage.run(
        "settle",
        *AT_RUNNER,
        expect=("1 closed", "2 rejected", "add-funds", "Key belongs to another account"),
    )


def _hedger(account: str) -> tuple[str, ...]:
    level = ("--general", "FULL_ACCESS", "--transfer", "NO_ACCESS")
    return ("--account", account, "--api", "derivatives", *level, "--ip", f"{COLO_NETWORKS},{RUNNER}")


def _put_right(stage: Stage) -> None:
    stage.chapter("5. Both are put right, and every key is verified from where it may be asked")
    delete = _task(TaskKind.DELETE_KEY, "derivatives_key.hedger", generation=1)
    shown = stage.run("task", "show", delete)
    keys = json.loads(stage.run("dev", "web", "list-keys", "--account", MASTER, quiet=True))["keys"]
    ends = [k["api_key"][-4:] for k in keys if k["api"] == "derivatives"]
    wrong = next(end for end in ends if f"(...{end})" in shown)
    stage.run("dev", "web", "delete-key", "--account", MASTER, "--last4", wrong)
    stage.run("task", "attest", delete, "--note", "deleted in the web page", expect="attested")
    stage.hand_in("derivatives_key.hedger", *_hedger(CARRY))
    stage.run(
        *("dev", "web", "edit-key", "--account", "desk-mm", "--name", "pnl-g1"),
        *("--permission", "query-funds,query-open-trades,query-closed-trades,query-ledger"),
    )
    stage.run("settle", *AT_RUNNER, expect="2 published")
    stage.note("\nmm-quoter's key admits only the colocation, so it is verified from there:")
    stage.run("dev", "egress", COLO)
    stage.run("settle", "--site", "colo", expect="1 published")
    stage.run("dev", "egress", RUNNER)


def _grants(stage: Stage) -> None:
    stage.chapter("6. A Vault administrator installs the grants; each process reads its own secret")
    policies = _policies(stage)
    for process in _SECRETS:
        task = _task(TaskKind.INSTALL_GRANT, f"grant.{process}")
        if process == "hedger":
            stage.run("task", "show", task)
        stage.vault("policy", "write", f"krakenstate-prod-{process}", "-", stdin=policies[process])
        stage.run("task", "attest", task, "--note", "installed", expect="attested")
    tokens = {process: _read_back(stage, process, address) for process, address in _SECRETS.items()}
    stage.note("\nA process is refused its neighbour's:")
    neighbour = f"kraken/prod/mm-quoter/{_SECRETS['mm-quoter']}"
    stage.vault("kv", "get", "-mount=kv", neighbour, token=tokens["pnl"], code=2)
    stage.run("plan", *AT_RUNNER, expect=NO_CHANGES)


def _policies(stage: Stage) -> dict[str, str]:
    """What the administrator copies from the tasks: each process's policy."""
    tasks = stage.data("task", "list")["tasks"]
    granted = {
        t["address"].partition(".")[2]: t["instructions"] for t in tasks if t["kind"] == "install-grant"
    }
    return {process: text.split("<<'EOF'\n")[1].split("\nEOF\n")[0] for process, text in granted.items()}


_SECRETS = {
    "hedger": "derivatives_key.hedger",
    "mm-quoter": "spot_key.mm-quoter",
    "pnl": "spot_key.pnl",
}


def _read_back(stage: Stage, process: str, address: str) -> str:
    """A process reads its secret with a token of its own; returns the token."""
    policy = f"-policy=krakenstate-prod-{process}"
    token = stage.vault("token", "create", policy, "-no-default-policy", "-field=token", quiet=True).strip()
    path = f"kraken/prod/{process}/{address}"
    read = stage.vault("kv", "get", "-mount=kv", "-format=json", path, token=token, quiet=True)
    held = json.loads(read)["data"]
    data, version = held["data"], held["metadata"]["version"]
    if len(data["api_secret"]) != SECRET_CHARACTERS:
        raise RehearsalError(f"The secret of {address} is not whole.")
    hidden = f"api_secret of {SECRET_CHARACTERS} characters, not shown here"
    stage.note(f"  version {version}: account {data['account']}, {hidden}")
    return token


def _drift(stage: Stage) -> None:
    stage.chapter("7. Somebody widens a key in the web page")
    key = ("dev", "web", "edit-key", "--account", CARRY, "--key", _public_half(stage))
    stage.run(
        *key,
        *("--ip", f"{COLO_NETWORKS},{RUNNER},198.51.100.0/24"),
        shown_as="krakenstate dev web edit-key (hedger's key) --ip ...,198.51.100.0/24",
    )
    stage.run("drift", *AT_RUNNER, expect="WIDENS")
    stage.run("apply", *AT_RUNNER, "--auto-approve", expect="1 manual pending")
    stage.run("task", "show", _task(TaskKind.EDIT_KEY, "derivatives_key.hedger", generation=1))
    stage.run(
        *key,
        *("--ip", f"{COLO_NETWORKS},{RUNNER}"),
        shown_as="krakenstate dev web edit-key (hedger's key) --ip (as declared)",
    )
    stage.run("settle", *AT_RUNNER, expect="1 closed")


def _public_half(stage: Stage) -> str:
    keys = json.loads(stage.run("dev", "web", "list-keys", "--account", CARRY, quiet=True))["keys"]
    return str(next(k["api_key"] for k in keys if k["api"] == "derivatives"))


def _stop_trading(stage: Stage) -> None:
    stage.chapter("8. A change to the stack: trading on the Derivatives subaccount is switched off")
    edited = stage.folder / "edited" / "stacks"
    edited.mkdir(parents=True)
    before = (stage.folder / "stacks" / "prod.py").read_text(encoding="utf-8")
    after = before.replace("trading_enabled=True", "trading_enabled=False")
    if before == after:
        raise RehearsalError("The stack has no trading_enabled=True to change.")
    (edited / "prod.py").write_text(after, encoding="utf-8")
    stage.note("\n(a copy of the stack in edited/ says trading_enabled=False)")
    stage.run("--chdir", "edited", "plan", *AT_RUNNER, expect=("trading_enabled", "LOSES", "1 to change"))
    stage.run("--chdir", "edited", "apply", *AT_RUNNER, "--auto-approve", expect="1 changed")
    stage.run("--chdir", "edited", "plan", *AT_RUNNER, expect=NO_CHANGES)


def _task(kind: TaskKind, address: str, *, generation: int = 0, round_: int = 1) -> str:
    """A task's id: a hash of what it is about, so it can be known before the task is opened."""
    return task_id(address, kind, generation, round_)
