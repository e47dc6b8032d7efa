"""The question before an apply: only yes is yes, and whoever leaves it changes nothing."""

from collections.abc import Callable

import pytest

from tests.support.e2e import AT_RUNNER, HEADER, PNL, Desk
from tests.support.terminal import on_a_terminal

QUESTION = "Do you want to perform these actions?"


def asked(desk: Desk, answer: str) -> tuple[int, str]:
    """An apply on a terminal, and what is typed at its question."""
    return on_a_terminal(
        ["apply", *AT_RUNNER],
        [("Enter a value:", answer)],
        cwd=desk.folder,
        env=desk.environment({"NO_COLOR": "1"}),
    )


@pytest.mark.parametrize(
    ("answer", "code", "ks"),
    [
        pytest.param("no", 1, "KS7004", id="no"),
        pytest.param("y", 1, "KS7004", id="half a yes"),
        pytest.param("\x03", 130, "KS9003", id="Ctrl-C"),
    ],
)
def test_anything_but_yes_changes_nothing(
    new_desk: Callable[[str], Desk], answer: str, code: int, ks: str
) -> None:
    """The plan was shown, the answer is told, the lock is free, and no task was opened."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    ended, screen = asked(desk, answer)
    assert ended == code, screen
    assert QUESTION in screen
    assert "Plan: 0 to add, 0 to change, 0 to destroy, 1 manual." in screen
    assert ks in screen
    assert "Traceback" not in screen
    assert desk.tasks() == {}
    assert desk.lock_is_free()


def test_yes_applies(new_desk: Callable[[str], Desk]) -> None:
    """With the one right answer the plan that was shown is carried out."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    ended, screen = asked(desk, "yes")
    assert ended == 0, screen
    assert "Apply complete! Resources: 0 added, 0 changed, 0 destroyed, 1 manual pending." in screen
    assert len(desk.tasks()) == 1
