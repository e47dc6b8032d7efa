"""The life of a task: open, claimed, verified or attested or cancelled, and never anything after that."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from krakenstate.errors import TaskNotPossible
from krakenstate.model.address import Address
from krakenstate.model.task import TaskKind, TaskStatus, task_id
from krakenstate.model.vocabulary import Api
from krakenstate.tasks import life
from krakenstate.tasks.evidence import evidence_for
from tests.support.looks import NOW, key_record, new_state
from tests.support.world import derivatives_key, spot_key

ADDRESS = Address("spot_key.pnl")
ENDED = (TaskStatus.VERIFIED, TaskStatus.ATTESTED, TaskStatus.CANCELLED)


def opened(state, kind=TaskKind.DELETE_KEY, address=ADDRESS, **more):
    """The task for a piece of work."""
    fields = {"assignee": "risk", "title": "t", "instructions": "i", "now": NOW, **more}
    return life.open_task(state, kind, address, **fields)


def test_opening_the_same_work_twice_is_one_task():
    """While it is open the same task is found, and it was not opened anew."""
    state = new_state()
    first, was_new = opened(state)
    again, is_new = opened(state, title="other words")
    assert (was_new, is_new, again) == (True, False, first)


def test_after_it_ended_the_same_work_is_the_next_round():
    """A cancelled task stays as it is; the next one has round two and another id."""
    state = new_state()
    first, _ = opened(state)
    life.cancel(state, first, "no longer wanted", NOW)
    second, is_new = opened(state)
    assert (is_new, first.round, second.round) == (True, 1, 2)
    assert (first.id, second.id) == (
        task_id(ADDRESS, TaskKind.DELETE_KEY, 0, 1),
        task_id(ADDRESS, TaskKind.DELETE_KEY, 0, 2),
    )


def test_two_keys_to_delete_are_two_tasks():
    """A task about another key of the same address is another task."""
    state = new_state()
    one, _ = opened(state, subject="3f2a91c07b44")
    other, is_new = opened(state, subject="000000000000")
    assert is_new
    assert one.id != other.id
    assert opened(state, subject="3f2a91c07b44") == (one, False)


def test_a_task_claimed_by_one_is_not_taken_by_another():
    """Claiming says who has it; claiming one's own again is fine."""
    state = new_state()
    task, _ = opened(state)
    claimed = life.claim(state, task, "ann")
    assert (claimed.status, claimed.claimed_by) == (TaskStatus.CLAIMED, "ann")
    assert life.claim(state, claimed, "ann") == claimed
    with pytest.raises(TaskNotPossible, match="claimed by ann"):
        life.claim(state, claimed, "ben")


def test_a_rejected_task_is_open_again_and_says_why():
    """The reason stays until the task ends."""
    state = new_state()
    task, _ = opened(state)
    rejected = life.reject(state, life.claim(state, task, "ann"), "wrong name")
    assert (rejected.status, rejected.rejection) == (TaskStatus.OPEN, "wrong name")
    assert life.close(state, rejected, "as declared", NOW).rejection == ""


def test_a_persons_word_is_recorded_with_name_time_and_note():
    """Attesting keeps who, when and what they add."""
    state = new_state()
    task, _ = opened(state)
    closed = life.attest(state, task, "ann", "done at the desk", NOW)
    assert closed.status is TaskStatus.ATTESTED
    assert (closed.attestation.by, closed.attestation.at, closed.attestation.note) == (
        "ann",
        NOW,
        "done at the desk",
    )
    assert state.task(task.id[:4]) == closed


ATTESTABLE = {
    TaskKind.CREATE_KEY: False,
    TaskKind.EDIT_KEY: True,
    TaskKind.DELETE_KEY: True,
    TaskKind.STOP_PROCESS: True,
    TaskKind.ADOPT_KEY: True,
    TaskKind.REQUEST_SPOT_SUBACCOUNT: True,
    TaskKind.FINISH_EMAIL_SETUP: True,
    TaskKind.LINK_DERIVATIVES: False,
    TaskKind.UNLINK_DERIVATIVES: True,
    TaskKind.CONFIRM_IDENTITY: True,
    TaskKind.INSTALL_GRANT: True,
    TaskKind.SETTLE_UNKNOWN: False,
}


@pytest.mark.parametrize("kind", TaskKind)
def test_a_word_closes_only_what_no_api_can_show(kind):
    """Where an API verifies, nobody's word is taken; every kind says what closes it."""
    state = new_state()
    task, _ = opened(state, kind)
    assert task.evidence == evidence_for(kind).text != ""
    if ATTESTABLE[kind]:
        assert life.attest(state, task, "ann", "", NOW).status is TaskStatus.ATTESTED
    else:
        with pytest.raises(TaskNotPossible, match="not closed by anybody's word"):
            life.attest(state, task, "ann", "", NOW)
        assert state.task(task.id).is_open


@pytest.mark.parametrize(("key", "api", "attestable"), [
    (spot_key(), Api.SPOT, True),
    (derivatives_key(), Api.DERIVATIVES, False),
])  # fmt: skip
def test_an_edited_key_is_attested_on_spot_and_verified_on_derivatives(key, api, attestable):
    """A Spot key in service is not asked, so its owner's word counts; a Derivatives key says it itself."""
    state = new_state([key_record(key)])
    assert life.evidence_of(state, TaskKind.EDIT_KEY, key.address).attestable is attestable
    assert evidence_for(TaskKind.EDIT_KEY, api).attestable is attestable


def test_an_open_question_is_not_waved_away():
    """What became of a creation is answered, not cancelled: otherwise it could be sent again."""
    state = new_state()
    task, _ = opened(state, TaskKind.SETTLE_UNKNOWN)
    with pytest.raises(TaskNotPossible, match="only an answer ends it"):
        life.cancel(state, task, "not wanted", NOW)
    assert state.task(task.id) == task


@pytest.mark.parametrize("end", [
    pytest.param(lambda state, task: life.attest(state, task, "ann", "", NOW), id="attested"),
    pytest.param(lambda state, task: life.cancel(state, task, "not wanted", NOW), id="cancelled"),
    pytest.param(lambda state, task: life.close(state, task, "seen", NOW), id="verified"),
])  # fmt: skip
@pytest.mark.parametrize("then", [
    pytest.param(lambda state, task: life.claim(state, task, "ben"), id="claim"),
    pytest.param(lambda state, task: life.attest(state, task, "ben", "", NOW), id="attest"),
    pytest.param(lambda state, task: life.cancel(state, task, "again", NOW), id="cancel"),
    pytest.param(lambda state, task: life.close(state, task, "again", NOW), id="close"),
    pytest.param(lambda state, task: life.reject(state, task, "again"), id="reject"),
])  # fmt: skip
def test_an_ended_task_stays_as_it_ended(end, then):
    """Nothing that is done to an ended task changes it; it says that it ended."""
    state = new_state()
    task, _ = opened(state)
    ended = end(state, task)
    with pytest.raises(TaskNotPossible):
        then(state, ended)
    assert state.task(task.id) == ended


class Tasks(RuleBasedStateMachine):
    """Any order of what can happen to the tasks of three keys, as the engine and people do it."""

    def __init__(self):
        super().__init__()
        self.state = new_state()
        self.now = NOW
        self.ended = {}
        self.ids = []

    def pick(self, data):
        """One of the open tasks."""
        return data.draw(st.sampled_from(self.state.open_tasks()))

    def end(self, task):
        """Remembers how a task ended."""
        assert task.status in ENDED
        assert task.closed_because
        self.ended[task.id] = task

    @rule(kind=st.sampled_from(TaskKind), name=st.sampled_from("abc"), generation=st.integers(1, 2))
    def open(self, kind, name, generation):
        """Work is asked for, perhaps again."""
        self.now += timedelta(minutes=1)
        address = Address.of("spot_key", name)
        task, is_new = opened(self.state, kind, address, generation=generation, now=self.now)
        assert is_new is (task.id not in self.ids)
        assert task.id == task_id(address, kind, generation, task.round)
        if is_new:
            self.ids.append(task.id)

    @precondition(lambda self: self.state.open_tasks())
    @rule(data=st.data(), who=st.sampled_from(["ann", "ben"]))
    def claim(self, data, who):
        """Somebody takes a task on, unless another has it."""
        task = self.pick(data)
        if task.claimed_by in {None, who}:
            assert life.claim(self.state, task, who).status is TaskStatus.CLAIMED
        else:
            with pytest.raises(TaskNotPossible):
                life.claim(self.state, task, who)

    @precondition(lambda self: self.state.open_tasks())
    @rule(data=st.data())
    def reject(self, data):
        """What was handed in was not right."""
        assert life.reject(self.state, self.pick(data), "not so").is_open

    @precondition(lambda self: self.state.open_tasks())
    @rule(data=st.data())
    def attest(self, data):
        """Somebody gives their word, where it counts."""
        task = self.pick(data)
        if ATTESTABLE[task.kind]:
            self.end(life.attest(self.state, task, "ann", "", self.now))
        else:
            with pytest.raises(TaskNotPossible):
                life.attest(self.state, task, "ann", "", self.now)

    @precondition(lambda self: self.state.open_tasks())
    @rule(data=st.data())
    def verify(self, data):
        """Evidence closes one."""
        self.end(life.close(self.state, self.pick(data), "seen", self.now))

    @precondition(lambda self: self.state.open_tasks())
    @rule(data=st.data())
    def cancel(self, data):
        """It is no longer wanted; only an open question cannot be waved away."""
        task = self.pick(data)
        if task.kind is TaskKind.SETTLE_UNKNOWN:
            with pytest.raises(TaskNotPossible):
                life.cancel(self.state, task, "not wanted", self.now)
        else:
            self.end(life.cancel(self.state, task, "not wanted", self.now))

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def stir(self, data):
        """Somebody tries to change an ended one."""
        task = data.draw(st.sampled_from(list(self.ended.values())))
        with pytest.raises(TaskNotPossible):
            life.claim(self.state, task, "ben")

    @invariant()
    def ended_ones_never_change(self):
        """What ended is as it ended."""
        assert all(self.state.task(task.id) == task for task in self.ended.values())

    @invariant()
    def ids_are_unique_and_kept(self):
        """Every task ever opened is there once, and no two open ones are the same work."""
        tasks = self.state.tasks
        assert sorted(t.id for t in tasks) == sorted(self.ids) == sorted(set(self.ids))
        work = [(t.address, t.kind, t.generation) for t in tasks if t.is_open]
        assert len(work) == len(set(work))


TestTasks = Tasks.TestCase
TestTasks.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
