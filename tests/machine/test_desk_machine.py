"""A desk lives: declared, edited, removed, applied, settled; people act and err; the power goes; time passes.

``tests/support/trial.py`` says what must hold after each step. At the end faults cease, people do what their
tasks say, and the desk must come to rest with nothing left to propose.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from krakenstate.model.task import TaskKind
from tests.support import hosts
from tests.support.stock import ITEMS
from tests.support.trial import Trial

ITEM = st.sampled_from(sorted(ITEMS))
DICE = st.integers(0, 5)
NUMBER = st.integers(0, 25)
COMMANDS = st.sampled_from(["apply", "settle", "bring"])
SPANS = st.sampled_from(
    [timedelta(minutes=1), timedelta(minutes=6), timedelta(minutes=20), timedelta(days=3), timedelta(days=20)]
)
MISTAKES = st.sampled_from(
    [
        {"permission": ["query-funds", "withdraw-funds"]},
        {"general": "full_access"},
        {"account": "other@desk.example"},
        {"account": "ops@desk.example"},
        {"name": "no-such-name"},
        {"ip": ["203.0.113.7"]},
        {"ip": ["none"]},
        {"key_2fa": "12345"},
        {"active_after_s": 200},
        {"expires": "2026-11-03"},
    ]
)
JUNK = st.sampled_from(
    [{}, {"api_key": "k"}, {"api_key": 7, "api_secret": None}, {"api_key": "x", "api_secret": "y"}]
)
STRAY_PATHS = ["pnl", "pnl/spot_key.gone", "hedger/spot_key.pnl", "nobody/spot_key.pnl", "pnl/spot_key.pnl/x"]


LAST_DAY = datetime(2026, 12, 1, tzinfo=UTC)
"""The keys that control others expire at the end of that month; this is not about rotation."""


class Desk(RuleBasedStateMachine):
    """Everything that happens to a desk, one thing at a time."""

    board = None

    def __init__(self):
        super().__init__()
        self.trial = Trial(self.board)

    def teardown(self):
        """Everything can be put right; then the world ends."""
        try:
            self.trial.come_to_rest()
        finally:
            self.trial.close()

    # -- the stack -------------------------------------------------------------------------------------

    @initialize(items=st.lists(ITEM, max_size=6), dice=DICE)
    def begin(self, items, dice):
        """A stack on its first day."""
        for item in items:
            self.trial.declare(item, dice)

    @rule(item=ITEM, variant=DICE)
    def declare(self, item, variant):
        """A pull request adds or edits something."""
        self.trial.declare(item, variant)

    @precondition(lambda self: self.trial.chosen)
    @rule(dice=st.integers(0, 20))
    def remove(self, dice):
        """A pull request takes something away."""
        items = sorted(self.trial.chosen)
        self.trial.remove(items[dice % len(items)])

    # -- runs ------------------------------------------------------------------------------------------

    @rule()
    def plan(self):
        """Somebody looks."""
        self.trial.plan()

    @rule()
    def apply(self):
        """A merge."""
        self.trial.apply()

    @rule()
    def settle(self):
        """The schedule."""
        self.trial.settle()

    # -- people ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.trial.books.state.open_tasks())
    @rule(dice=st.integers(0, 20))
    def somebody_does_their_task(self, dice):
        """As its instructions say."""
        tasks = self.trial.books.state.open_tasks()
        self.trial.do(tasks[dice % len(tasks)])

    @rule()
    def everybody_does_their_tasks(self):
        """A good day."""
        for task in self.trial.books.state.open_tasks():
            self.trial.do(task)

    @precondition(lambda self: self.trial.keys)
    @rule(dice=DICE, mistake=MISTAKES, by_inbox=st.booleans())
    def somebody_makes_a_wrong_key(self, dice, mistake, by_inbox):
        """And hands it in all the same."""
        key = self._key(dice)
        self._bring(key, self.trial.make_key(key, **mistake), by_inbox)

    @precondition(lambda self: self.trial.keys)
    @rule(dice=DICE, by_inbox=st.booleans())
    def somebody_makes_a_key(self, dice, by_inbox):
        """As declared, asked for or not."""
        key = self._key(dice)
        self._bring(key, self.trial.make_key(key), by_inbox)

    @precondition(lambda self: self.trial.keys and self.trial.books.made)
    @rule(dice=DICE, which=st.integers(0, 20), by_inbox=st.booleans())
    def somebody_hands_a_key_in_again(self, dice, which, by_inbox):
        """For the same key, or for another one."""
        made = self.trial.books.made
        self._bring(self._key(dice), made[which % len(made)], by_inbox)

    @precondition(lambda self: self.trial.keys)
    @rule(dice=DICE, junk=JUNK)
    def somebody_leaves_junk(self, dice, junk):
        """In the inbox."""
        self.trial.leave_junk(self._key(dice), junk)

    @precondition(lambda self: self.trial.books.made)
    @rule(which=st.integers(0, 20), path=st.sampled_from(STRAY_PATHS))
    def somebody_leaves_a_stray(self, which, path):
        """A key, and nobody knows whose."""
        made = self.trial.books.made
        self.trial.leave_stray(path, made[which % len(made)])

    @precondition(lambda self: self.trial.books.made)
    @rule(which=st.integers(0, 20))
    def somebody_deletes_a_key(self, which):
        """In the web page, unasked."""
        self.trial.delete_at_kraken(self.trial.books.made[which % len(self.trial.books.made)].fingerprint)

    @precondition(lambda self: self._attestable())
    @rule(dice=DICE)
    def somebody_says_what_is_not_so(self, dice):
        """A task attested, and nothing done."""
        tasks = self._attestable()
        self.trial.attest(tasks[dice % len(tasks)])

    # -- hosts -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.trial.keys)
    @rule(dice=DICE)
    def a_host_reports(self, dice):
        """As its key says."""
        hosts.report(self.trial, self._key(dice))

    @precondition(lambda self: self.trial.keys and self.trial.books.made)
    @rule(
        dice=DICE,
        which=st.integers(0, 20),
        lie=st.sampled_from(hosts.LIES),
        code=st.sampled_from(hosts.REJECTIONS),
        age=st.sampled_from(hosts.AGES),
    )
    def a_host_says_what_it_likes(self, dice, which, lie, code, age):
        """Of any key there ever was."""
        made = self.trial.books.made
        of = made[which % len(made)]
        hosts.forge(self.trial, self._key(dice), of, lie=lie, code=code, age=age)

    @precondition(lambda self: self.trial.keys)
    @rule(dice=DICE, nonsense=st.sampled_from(hosts.NONSENSE))
    def a_host_writes_nonsense(self, dice, nonsense):
        """Or what is of another stack."""
        hosts.leave(self.trial, self._key(dice), nonsense)

    # -- accidents -------------------------------------------------------------------------------------

    @rule(number=NUMBER, moment=st.sampled_from(["before", "after"]), command=COMMANDS, dice=DICE)
    def the_power_goes(self, number, moment, command, dice):
        """In the middle of a command."""
        credential = self._fresh(dice) if command == "bring" else None
        if command != "bring" or credential is not None:  # else no command comes that it could go in
            self.trial.cut_power_at(number, moment)
            self._command(command, dice, credential)

    @precondition(lambda self: self.trial.keys)
    @rule(number=NUMBER, dice=DICE, other=DICE, command=COMMANDS)
    def somebody_hands_in_during_a_command(self, number, dice, other, command):
        """Somebody else's lock keeps no secret out."""
        credential = self._fresh(dice) if command == "bring" else None
        second = self._fresh(other)
        if second is not None and (command != "bring" or credential is not None):
            self.trial.interrupt_at(number, lambda: self.trial._hand_in(self._key(other).address, second))
        self._command(command, dice, credential)

    @rule(back=st.integers(1, 4))
    def an_older_state_is_put_back(self, back):
        """It is refused, nothing is done on it, and the version that the error names goes on."""
        self.trial.put_an_older_state_back(back)

    @rule(
        site=st.sampled_from(["runner", "colo", None]), egress=st.sampled_from([None, None, "runner", "colo"])
    )
    def the_runner_moves(self, site, egress):
        """And does not always know where it is."""
        self.trial.travel(site, egress)

    @precondition(lambda self: self.trial.world.clock.instant < LAST_DAY)
    @rule(span=SPANS)
    def time_passes(self, span):
        """Breakers close, keys expire."""
        self.trial.wait(span)

    # -- how -------------------------------------------------------------------------------------------

    def _key(self, dice):
        return self.trial.keys[dice % len(self.trial.keys)]

    def _fresh(self, dice):
        return self.trial.make_key(self._key(dice)) if self.trial.keys else None

    def _bring(self, key, credential, by_inbox):
        if credential is None:
            return
        if by_inbox:
            self.trial.leave_in_inbox(key, credential)
        else:
            self.trial.hand_in(key.address, credential)

    def _command(self, command, dice, credential):
        if command == "bring":
            if credential is not None:
                self.trial.hand_in(self._key(dice).address, credential)
        else:
            getattr(self.trial, command)()

    def _attestable(self):
        lies = {TaskKind.STOP_PROCESS, TaskKind.EDIT_KEY, TaskKind.DELETE_KEY, TaskKind.INSTALL_GRANT}
        return [t for t in self.trial.books.state.open_tasks() if t.kind in lies]


def live(board, **how):
    """Many desks."""
    Desk.board = board
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(Desk, settings=settings(deadline=None, suppress_health_check=checks, **how))


def test_a_desk_lives_and_comes_to_rest(switchboard):
    """In any order of events nothing is lost, created twice or let go of; then there is nothing to do."""
    live(switchboard, max_examples=15, stateful_step_count=20, derandomize=True, database=None)


@pytest.mark.soak
def test_many_desks_live_and_come_to_rest(switchboard):
    """The same, long and at random."""
    live(switchboard, max_examples=300, stateful_step_count=50)
