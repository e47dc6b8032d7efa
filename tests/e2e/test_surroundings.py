"""Bad surroundings: each is said with its code on standard error, and nothing is written."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from krakenstate.sim.openbao import free_port
from krakenstate.store.vault.lock import VaultLockKeeper
from tests.support.bao import start_bao
from tests.support.e2e import APPLY, AT_RUNNER, HEADER, MASTER, PNL, PNL_PERMISSIONS, RUNNER, Desk

PLAN = ("plan", *AT_RUNNER)


@pytest.fixture
def desk(standing_desk: Desk) -> Desk:
    """The module's desk: spot_key.pnl was applied, derivatives_key.hedger is only declared."""
    return standing_desk


@contextmanager
def answering(content_type: str, body: bytes) -> Iterator[str]:
    """A server on loopback that answers everything with the same page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the library's spelling

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# -- the state ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [PLAN, APPLY, ("task", "list")], ids=" ".join)
def test_a_missing_lineage_is_never_an_empty_state(
    desk: Desk, command: tuple[str, ...], tmp_path: Path
) -> None:
    """Without `init` nothing is planned and nothing is written, not even by apply."""
    there = desk.variant(f"fresh-{command[0]}", ("krakenstate/prod", "krakenstate/fresh"))
    desk.fails("KS3001", *there, *command)
    assert not any(path.startswith("krakenstate/fresh/resources") for path in desk.vault())


def test_another_stacks_state_is_refused(desk: Desk) -> None:
    """A stack that points at another stack's state gets neither to read nor to initialise it."""
    words = desk.variant("uat", ('name="prod"', 'name="uat"'))
    stacks = desk.folder / "uat" / "stacks"
    (stacks / "prod.py").rename(stacks / "uat.py")
    desk.fails("KS3006", *words, *PLAN)
    desk.fails("KS3006", *words, "init")


def test_other_origins_than_the_pinned_ones_are_refused(desk: Desk) -> None:
    """A state initialised against one server is not used against another, and that one is not even asked."""
    with answering("text/plain", b"") as other:
        done = desk.fails("KS3005", *PLAN, env={"KRAKENSTATE_FUTURES_URL": other})
    assert other in done.stderr


def test_a_lock_held_by_another_run_is_respected(desk: Desk) -> None:
    """A second writer ends with exit code 6, and says who holds the lock since when."""
    client = desk.bao.client(desk.mount)
    keeper = VaultLockKeeper(
        client,
        desk.mount,
        "krakenstate/prod",
        clock=lambda: desk.now,
        who="somebody@elsewhere",
        host="elsewhere",
        version="0",
        in_background=False,
    )
    lease = keeper.acquire("settle", wait_s=0)
    try:
        before = desk.vault()
        done = desk.fails("KS6001", *APPLY, code=6)
        assert "somebody@elsewhere (settle, since 2026-11-02T09:" in " ".join(done.stderr.split())
        assert lease.lock.id in done.stderr
        assert desk.vault() == before
        desk.run(*PLAN, expect="1 manual.")  # reading needs no lock
    finally:
        lease.release()
        client.close()


# -- Vault -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        pytest.param(("VAULT_ADDR",), "VAULT_ADDR is not set", id="address"),
        pytest.param(("VAULT_TOKEN",), "VAULT_TOKEN is not set", id="token"),
        pytest.param(("VAULT_ADDR", "VAULT_TOKEN"), "VAULT_ADDR and VAULT_TOKEN are not set", id="both"),
    ],
)
def test_a_missing_vault_variable_is_named(desk: Desk, missing: tuple[str, ...], named: str) -> None:
    """What is not set is said by name."""
    done = desk.fails("KS4006", *PLAN, code=3, env=dict.fromkeys(missing))
    assert named in done.stderr


def test_an_unreachable_vault_is_said(desk: Desk) -> None:
    """Nobody answers at VAULT_ADDR."""
    desk.fails("KS4001", *APPLY, env={"VAULT_ADDR": f"http://127.0.0.1:{free_port()}"})


def test_a_vault_that_is_no_vault_is_said(desk: Desk) -> None:
    """Some other web server answers at VAULT_ADDR."""
    with answering("text/html", b"<html>welcome</html>") as other:
        done = desk.run(*PLAN, code=1, env={"VAULT_ADDR": other})
    assert "\n  KS40" in done.stderr


def test_plain_http_to_another_machine_is_refused(desk: Desk) -> None:
    """A token is not sent over an unprotected network."""
    desk.fails("KS4007", *PLAN, env={"VAULT_ADDR": "http://vault.example:8200"})


def test_a_sealed_vault_is_said(desk: Desk, tmp_path: Path) -> None:
    """A sealed server is told apart from an unreachable one and from a wrong token."""
    server = start_bao(tmp_path)
    try:
        server.request("PUT", "sys/seal", {})
        surroundings = {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.root_token}
        desk.fails("KS4002", *PLAN, env=surroundings)
    finally:
        server.stop()


def test_a_token_without_rights_is_denied(desk: Desk) -> None:
    """A token that may not read the stack's paths gives exit code 3, in reading and writing commands."""
    nothing = desk.bao.token_with('path "elsewhere/*" { capabilities = ["read"] }')
    for command in (PLAN, APPLY):
        desk.fails("KS4003", *command, code=3, env={"VAULT_TOKEN": nothing})


def test_a_token_that_does_not_exist_is_denied(desk: Desk) -> None:
    """A made-up or expired token gives exit code 3."""
    desk.fails("KS4003", *PLAN, code=3, env={"VAULT_TOKEN": "made-up-by-the-test"})


def test_a_token_that_may_only_read_cannot_apply(desk: Desk) -> None:
    """The lock cannot be taken with a reader's token, so nothing is begun."""
    reader = desk.bao.token_with(f'path "{desk.mount}/*" {{ capabilities = ["read", "list"] }}')
    desk.fails("KS4003", *APPLY, code=3, env={"VAULT_TOKEN": reader})


def test_a_missing_mount_is_said(desk: Desk) -> None:
    """The stack names a mount that is not there."""
    done = desk.fails("KS4004", *desk.variant("no-mount", (desk.mount, "kv-nowhere")), *PLAN)
    assert "kv-nowhere" in done.stderr


def test_an_unversioned_mount_is_said(desk: Desk) -> None:
    """KV version 1 has no check-and-set and no history, so it is refused."""
    flat = desk.bao.new_mount(version=1)
    desk.fails("KS4005", *desk.variant("flat", (desk.mount, flat)), "init")


# -- Kraken and the clock ----------------------------------------------------------------------------------


def test_an_unreachable_kraken_is_said(new_desk: Callable[[str], Desk]) -> None:
    """A closed port is named with its origin, and no plan is made from ignorance."""
    desk = new_desk(HEADER + PNL)
    desk.origin = f"http://127.0.0.1:{free_port()}"
    desk.run("init")
    for command in (PLAN, APPLY):
        done = desk.fails("KS2001", *command)
        assert desk.origin in done.stderr
        assert "Plan:" not in done.stdout
    assert desk.lock_is_free()


def test_a_web_page_instead_of_an_answer_is_said(new_desk: Callable[[str], Desk]) -> None:
    """HTML with status 200 is no answer of Kraken's, and none of it is repeated."""
    desk = new_desk(HEADER + PNL)
    with answering("text/html", b"<html><title>Sign in to the guest network</title></html>") as portal:
        desk.origin = portal
        desk.run("init")
        done = desk.fails("KS2002", *PLAN)
    assert "guest network" not in done.stdout + done.stderr


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_ten_minutes_off_stops_everything(desk: Desk, minutes: int) -> None:
    """A nonce from the wrong clock could stop a key for good, so nothing signed is sent."""
    wrong = (desk.now + timedelta(minutes=minutes)).isoformat()
    done = desk.fails("KS2005", *APPLY, env={"KRAKENSTATE_NOW": wrong})
    assert ("ahead of" if minutes > 0 else "behind") in done.stderr
    assert desk.signed_calls() == []


def test_a_rehearsals_clock_is_refused_against_the_real_kraken(desk: Desk) -> None:
    """KRAKENSTATE_NOW counts only where all origins are loopback."""
    real: dict[str, str | None] = {"KRAKENSTATE_SPOT_URL": None}
    done = desk.fails("KS8002", *PLAN, env=real)
    assert "api.kraken.com" in done.stderr


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-02T09:00:00"])
def test_a_clock_without_a_time_zone_is_refused(desk: Desk, text: str) -> None:
    """KRAKENSTATE_NOW is an instant, or nothing is done."""
    desk.fails("KS8002", *PLAN, env={"KRAKENSTATE_NOW": text})


def test_plain_http_to_kraken_is_refused(desk: Desk) -> None:
    """An origin that is neither https nor loopback gets no signed call."""
    desk.fails(
        "KS2007", *PLAN, env={"KRAKENSTATE_SPOT_URL": "http://api.kraken.example", "KRAKENSTATE_NOW": None}
    )


# -- the command line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ks", "words"),
    [
        pytest.param("KS1208", ("plan", "--site", "nowhere"), id="site"),
        pytest.param("KS1209", ("state", "show", "spot_key.nobody"), id="address-in-state"),
        pytest.param("KS1209", ("key", "ingest", "spot_key.nobody"), id="address-of-hand-in"),
        pytest.param("KS3101", ("task", "show", "00000000"), id="task"),
        pytest.param("KS3101", ("task", "attest", "00000000"), id="task-attested"),
        pytest.param("KS1009", ("plan", "staging"), id="stack"),
    ],
)
def test_what_is_not_known_is_said(desk: Desk, ks: str, words: tuple[str, ...]) -> None:
    """A name that nothing has is refused by name, before anything is asked."""
    asked = len(desk.kraken.calls())
    done = desk.fails(ks, *words)
    assert words[-1] in done.stderr
    assert len(desk.kraken.calls()) == asked


def test_a_question_needs_exactly_one_answer(desk: Desk) -> None:
    """`task settle` without an answer, or with both, is refused with both flags named."""
    for answers in ((), ("--created", "--absent")):
        done = desk.fails("KS8001", "task", "settle", "00000000", *answers)
        assert "--created or --absent" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("rubbish", id="rubbish"),
        pytest.param("", id="empty"),
        pytest.param('{"format_version": 1, "stack": "prod"', id="cut-off"),
        pytest.param('{"stack": "prod"}', id="another-shape"),
        pytest.param("[" * 20_000, id="deeply-nested"),
        pytest.param("\ufeff\x00\x1b[2J", id="control-characters"),
    ],
)
def test_a_rendered_stack_that_is_none_is_refused(desk: Desk, text: str, tmp_path: Path) -> None:
    """--desired takes what render wrote and nothing else."""
    file = tmp_path / "desired.json"
    file.write_text(text, encoding="utf-8")
    done = desk.fails("KS1007", *PLAN, "--desired", str(file))
    assert "\x1b[2J" not in done.stderr


def test_a_rendered_stack_that_is_not_there_is_refused(desk: Desk, tmp_path: Path) -> None:
    """--desired names a file that exists."""
    desk.fails("KS8003", *PLAN, "--desired", str(tmp_path / "nowhere.json"))


def test_under_ci_stacks_are_rendered_elsewhere_and_plans_approved(desk: Desk, tmp_path: Path) -> None:
    """With CI set no stack file is executed beside credentials, and apply wants the approved digest."""
    ci: dict[str, str | None] = {"CI": "true", "VAULT_TOKEN": None}
    desk.fails("KS1014", *PLAN, env={"CI": "true"})
    rendered = tmp_path / "desired.json"
    desk.run("render", "--out", str(rendered), env=ci)
    under_ci: dict[str, str | None] = {"CI": "true"}
    done = desk.fails("KS7003", *APPLY, "--desired", str(rendered), env=under_ci)
    assert "--approved-digest" in done.stderr
    shown = desk.run(*PLAN, "--desired", str(rendered), "--json", env=under_ci)
    assert json.loads(shown.stdout)["summary"]["manual"] == 1


def test_nobody_to_ask_is_said_and_the_flag_named(desk: Desk) -> None:
    """Apply without a terminal carries nothing out unless --auto-approve was given."""
    done = desk.fails("KS7003", "apply", *AT_RUNNER)
    assert "--auto-approve" in done.stderr
    assert desk.lock_is_free()


def test_another_digest_than_the_plans_is_refused(desk: Desk) -> None:
    """What was not approved is not carried out: exit code 7, before anything is written."""
    done = desk.fails("KS7001", "apply", *AT_RUNNER, "--approved-digest", "0" * 64, code=7)
    assert desk.data(*PLAN)["plan_digest"] in " ".join(done.stderr.split())


# -- hand-in -----------------------------------------------------------------------------------------------


def test_a_key_that_nobody_asked_for_is_not_taken(desk: Desk) -> None:
    """A declaration that was never applied is no approval, and a grant or an account takes no key."""
    made = desk.make_key(MASTER, "derivatives", general="READ_ONLY", ip=[RUNNER])
    desk.fails("KS2202", "key", "ingest", "derivatives_key.hedger", *AT_RUNNER, stdin=made)
    desk.fails("KS2202", "key", "ingest", "master_account.desk", *AT_RUNNER, stdin=made)


def _half(made: str, **changes: object) -> str:
    return json.dumps(json.loads(made) | changes)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda made: "", id="nothing"),
        pytest.param(lambda made: json.loads(made)["api_secret"], id="one-half"),
        pytest.param(lambda made: made[: len(made) // 2], id="cut-off"),
        pytest.param(lambda made: _half(made, api_secret=json.loads(made)["api_secret"][:40]), id="short"),
        pytest.param(lambda made: _half(made, api_secret=json.loads(made)["api_key"]), id="public-twice"),
        pytest.param(lambda made: _half(made, api_secret=None), id="null"),
        pytest.param(lambda made: f"a\n{json.loads(made)['api_secret']}\nb\n", id="three-lines"),
    ],
)
def test_a_malformed_key_is_refused_and_not_stored(desk: Desk, spoil: Callable[[str], str]) -> None:
    """What cannot be a key is neither stored nor repeated, and the dialog stays open."""
    made = desk.make_key(
        MASTER, "spot", permission=PNL_PERMISSIONS, ip=[RUNNER], name=f"k{len(desk.calls())}"
    )
    desk.kraken.people("delete-key", account=MASTER, key=json.loads(made)["api_key"])
    text = spoil(made)
    done = desk.fails("KS2201", "key", "ingest", "spot_key.pnl", *AT_RUNNER, stdin=text)
    if text:
        assert "Keep the dialog open" in done.stderr
    assert json.loads(made)["api_secret"][:40] not in done.stdout + done.stderr
    assert not any("quarantine" in path for path in desk.vault())
    assert desk.signed_calls() == []


def test_a_refused_key_is_told_with_its_code(new_desk: Callable[[str], Desk]) -> None:
    """Whoever hands in a key of the wrong account sees what is wrong and its code, and the command fails."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    desk.kraken.people("create-account", name="other", email="other@desk.example")
    made = desk.make_key("other@desk.example", "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    done = desk.run("key", "ingest", "spot_key.pnl", *AT_RUNNER, stdin=made, code=1)
    told = done.stdout + done.stderr
    assert "Key belongs to another account" in told
    assert "KS2104" in told


def test_a_secret_that_was_not_stored_is_said_before_all_else(new_desk: Callable[[str], Desk]) -> None:
    """When Vault refuses the secret and the tidying up after it too, the person still learns the first."""
    desk = new_desk(HEADER + PNL)
    desk.run("init")
    desk.run(*APPLY)
    token = desk.bao.token_with(
        f'path "{desk.mount}/*" {{ capabilities = ["read", "list", "create", "update"] }}\n'
        f'path "{desk.mount}/data/krakenstate/prod/quarantine/*" {{ capabilities = ["deny"] }}'
    )
    made = desk.make_key(MASTER, "spot", name="pnl-g1", permission=PNL_PERMISSIONS, ip=[RUNNER])
    words = ("key", "ingest", "spot_key.pnl", *AT_RUNNER)
    done = desk.run(*words, code=1, stdin=made, env={"VAULT_TOKEN": token})
    assert "Secret is NOT stored" in done.stderr
    assert "Keep the dialog open" in done.stderr
