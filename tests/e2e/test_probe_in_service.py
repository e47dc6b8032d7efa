"""`probe_in_service=True` on the command line: once a day across runners, never on a pull request."""

from collections.abc import Callable

from tests.support.e2e import APPLY, AT_RUNNER, HEADER, MASTER, PNL, PNL_PERMISSIONS, RUNNER, Desk

PROBED = PNL.replace("nonce_unit=", "probe_in_service=True, nonce_unit=")
INFO, DAY_S = "GetApiKeyInfo", 86400
PULL_REQUESTS = (
    {"GITHUB_EVENT_NAME": "pull_request"},
    {"GITHUB_EVENT_NAME": "pull_request_target"},
    {"CI_MERGE_REQUEST_ID": "7"},
)


def test_a_key_in_service_is_asked_once_a_day_and_never_on_a_pull_request(
    new_desk: Callable[[str], Desk],
) -> None:
    """Pull requests ask nothing; of three runners at once, in folders of their own, one does; then none."""
    desk = new_desk(HEADER + PROBED)
    desk.run("validate", expect="valid")
    desk.run("init")
    desk.run(*APPLY)
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    desk.hand_in("spot_key.pnl", made, *AT_RUNNER)
    assert len(desk.calls(INFO)) == 1
    desk.advance(DAY_S + 5)

    for variables in PULL_REQUESTS:
        desk.run("plan", *AT_RUNNER, env=variables, expect="No changes.")
        desk.run("observe", *AT_RUNNER, env=variables, expect="never asked on a pull request")
    assert len(desk.calls(INFO)) == 1

    folders = [desk.variant(name) for name in ("one", "two", "three")]
    runners = [desk.start(*folder, "observe", *AT_RUNNER) for folder in folders]
    said = ["\n".join(runner.communicate(timeout=60)) for runner in runners]
    assert [runner.returncode for runner in runners] == [0, 0, 0], said
    assert len(desk.calls(INFO)) == 2
    assert sum("present" in text and "at most once a day" not in text for text in said) == 1

    desk.run("plan", *AT_RUNNER, expect="No changes.")
    desk.run("observe", *AT_RUNNER, expect="asked less than an hour ago; at most once a day")
    assert len(desk.calls(INFO)) == 2
    desk.advance(DAY_S)
    desk.run("settle", *AT_RUNNER)
    desk.run("plan", *AT_RUNNER)
    fresh, *in_service = [c["nonce"] for c in desk.calls(INFO)]
    assert fresh == 1
    assert [len(str(nonce)) for nonce in in_service] == [13, 13]  # milliseconds
