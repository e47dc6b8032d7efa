"""Desks whose Kraken and whose Vault fail, in any order: nothing is lost, made twice or let go of.

Each schedule draws a stack, then commands and deeds of people, each with what goes wrong meanwhile: faults of
the simulator on paths (``krakenstate/sim/faults.py``), and calls of Vault that fail or whose answer is lost.
``tests/support/trial.py`` says what must hold after each.
"""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.memory import FAILURES
from tests.support.stock import ITEMS
from tests.support.trial import Trial

PATHS = st.sampled_from(
    [
        "/",
        "/0/public/Time",
        "/0/private/GetApiKeyInfo",
        "/0/private/CreateSubaccount",
        "/api/auth/",
        "/derivatives/api/v3/subaccounts",
        "/derivatives/api/v3/subaccount/",
    ]
)
KINDS = st.sampled_from(
    ["drop-before", "drop-after", "html-5xx", "truncated", "slow", "redirect", "throttle", "unknown-word"]
)
OF_KRAKEN = st.fixed_dictionaries(
    {"kind": KINDS, "path": PATHS, "times": st.integers(1, 3), "delay_s": st.just(0.01)}
)
OF_VAULT = st.tuples(st.sampled_from(sorted(FAILURES)), st.integers(0, 70), st.sampled_from([1, 1, 2, 500]))
COMMANDS = st.sampled_from(["plan", "apply", "apply", "settle", "people", "inbox", "hand in", "edit", "wait"])
EVENTS = st.tuples(
    COMMANDS, st.integers(0, 20), st.lists(OF_KRAKEN, max_size=2), st.one_of(st.none(), OF_VAULT)
)
STACKS = st.dictionaries(st.sampled_from(sorted(ITEMS)), st.integers(0, 5), min_size=1)
CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def play(board, stack, settled, events):
    """One schedule from beginning to end."""
    trial = Trial(board)
    try:
        for item, variant in sorted(stack.items()):
            trial.declare(item, variant)
        for _ in range(settled):  # so that faults meet desks of any age
            trial.apply()
            for task in trial.books.state.open_tasks():
                trial.do(task)
        for command, dice, of_kraken, of_vault in events:
            for fault in of_kraken:
                trial.world.people("fault", **fault)
            if of_vault:
                trial.vault.fail(*of_vault)
            happen(trial, command, dice)
            trial.world.people("fault-clear")
            trial.vault.mend()
        trial.come_to_rest()
    finally:
        trial.close()


def happen(trial, command, dice):
    """One command, or one deed of people."""
    tasks, keys = trial.books.state.open_tasks() if command == "people" else [], trial.keys
    key = keys[dice % len(keys)] if keys else None
    if command in {"plan", "apply", "settle"}:
        getattr(trial, command)()
    elif command == "people" and tasks:
        trial.do(tasks[dice % len(tasks)])
    elif command == "edit":
        trial.declare(sorted(ITEMS)[dice % len(ITEMS)], dice)
    elif command == "wait":
        trial.wait(timedelta(minutes=3 * dice))
    elif key and (credential := trial.make_key(key)):
        if command == "inbox":
            trial.leave_in_inbox(key, credential)
        elif command == "hand in":
            trial.hand_in(key.address, credential)


@settings(deadline=None, max_examples=12, derandomize=True, database=None, suppress_health_check=CHECKS)
@given(STACKS, st.integers(0, 4), st.lists(EVENTS, min_size=2, max_size=8))
def test_whatever_fails_nothing_is_lost_or_made_twice(switchboard, stack, settled, events):
    """No failed call becomes a change, no secret is lost; when the faults end, all comes to rest."""
    play(switchboard, stack, settled, events)


@pytest.mark.soak
@settings(deadline=None, max_examples=500, suppress_health_check=CHECKS)
@given(STACKS, st.integers(0, 4), st.lists(EVENTS, min_size=2, max_size=25))
def test_whatever_fails_for_long(switchboard, stack, settled, events):
    """The same, long and at random."""
    play(switchboard, stack, settled, events)
