"""A secret is found at its place in Vault and nowhere else, whichever way it came and whatever went wrong."""

import base64
import json
from collections.abc import Callable

import pytest

from krakenstate.model.task import TaskKind
from krakenstate.sim.openbao import free_port
from tests.support.canary import Canaries
from tests.support.e2e import APPLY, AT_RUNNER, HEADER, HEDGER, MASTER, PNL_PERMISSIONS, RUNNER, Desk
from tests.support.proxy import Way, proxy
from tests.support.terminal import on_a_terminal

NAMES = ("json", "lines", "typed", "wrapped", "inbox", "walked", "streamed", "broken")
STACK = (
    HEADER
    + HEDGER
    + """
for name in ("json", "lines", "typed", "wrapped", "inbox", "walked", "streamed", "broken"):
    process = stack.add(Process(name=name, owner="risk", purpose="reads"))
    stack.add(SpotKey(name=name, account=desk, process=process, permissions=roles.RECONCILIATION,
        allowlist=[runner], nonce_unit=NonceUnit.MILLISECONDS))
"""
)


def published(name: str) -> str:
    """Where a process reads its key."""
    return f"kraken/prod/{name}/spot_key.{name}"


@pytest.mark.timeout(400)
def test_a_secret_is_at_its_place_in_vault_and_nowhere_else(new_desk: Callable[[str], Desk]) -> None:
    """By every way in and through every failure, no stream, file, record or process list holds it."""
    desk = new_desk(STACK)
    canaries = Canaries()
    desk.always = {"KRAKENSTATE_LOG": "debug"}
    with proxy(desk.kraken.origin) as way, canaries.watching_processes():
        desk.origin = way.origin
        desk.run("init")
        desk.run(*APPLY)
        warm, desk.warm = desk.warm, None  # the process list is looked at: processes as users have them
        made = {}
        for name in NAMES:
            made[name] = desk.make_key(
                MASTER, "spot", name=f"{name}-g1", permission=PNL_PERMISSIONS, ip=[RUNNER]
            )
            canaries.add(json.loads(made[name])["api_secret"])

        arrives_as_json_while_kraken_is_away(
            desk, canaries, made["json"], lambda: way.treat("", Way.NEVER_ARRIVED)
        )
        way.let_go()
        arrives_in_two_lines(desk, made["lines"])
        arrives_at_a_prompt(desk, canaries, made["typed"])
        arrives_wrapped(desk, made["wrapped"])
        arrives_through_the_inbox(desk, made["inbox"])
        arrives_on_a_walk(desk, canaries, made["walked"])
        arrives_in_a_stream(desk, made["streamed"])
        expected = {published(name) for name in NAMES if name != "broken"}
        assert canaries.paths(desk.bao, desk.mount) == expected
        for path in expected:
            assert desk.secret_at(path)["api_secret"] in "".join(made.values())

        is_refused_when_broken(desk, canaries, made["broken"])
        is_refused_by_vault(desk, made["broken"])
        answers_for_another_account(desk, canaries)
        is_not_stored_without_vault(desk, made["broken"])
        assert canaries.paths(desk.bao, desk.mount) == expected
        desk.warm = warm
        for words in (
            ("plan", *AT_RUNNER, "--json"),
            ("drift", *AT_RUNNER),
            ("observe", *AT_RUNNER, "--json"),
            ("state", "pull"),
            ("task", "list", "--all", "--json"),
            ("state", "show", "spot_key.json", "--json"),
            ("state", "show", "derivatives_key.hedger"),
        ):
            desk.run(*words)

    assert canaries.texts(desk.said) == []
    assert canaries.files(desk.folder, desk.home) == []
    assert canaries.paths(desk.bao, desk.mount) == expected
    assert canaries.sightings == []


def arrives_as_json_while_kraken_is_away(
    desk: Desk, canaries: Canaries, made: str, break_the_line: Callable[[], None]
) -> None:
    """Stored first: a Kraken that does not answer keeps nothing out of quarantine, and settle goes on."""
    break_the_line()
    running = desk.start("key", "ingest", "spot_key.json", *AT_RUNNER, stdin=-1)
    stdout, stderr = running.communicate(made, timeout=60)
    desk.said += [stdout, stderr]
    assert running.returncode in {0, 1}
    assert "You may close the dialog." in stderr
    assert canaries.paths(desk.bao, desk.mount) == {"krakenstate/prod/quarantine/json/spot_key.json"}


def arrives_in_two_lines(desk: Desk, made: str) -> None:
    """Two lines on standard input; the settle that follows takes what waited, too."""
    key = json.loads(made)
    text = f"{key['api_key']}\n{key['api_secret']}\n"
    desk.run("key", "ingest", "spot_key.lines", stdin=text, expect="You may close the dialog.")
    desk.run("settle", *AT_RUNNER, expect="Settle complete! 2 published.")


def arrives_at_a_prompt(desk: Desk, canaries: Canaries, made: str) -> None:
    """Typed on a terminal, where nothing of it is echoed."""
    key = json.loads(made)
    code, screen = on_a_terminal(
        ["key", "ingest", "spot_key.typed", *AT_RUNNER],
        [("API key", key["api_key"]), ("Private key", key["api_secret"])],
        cwd=desk.folder,
        env=desk.environment(),
    )
    desk.said.append(screen)
    assert code == 0, screen.replace(key["api_secret"], "(the secret)")
    assert not canaries.is_in(screen)
    assert key["api_key"] not in screen


def arrives_wrapped(desk: Desk, made: str) -> None:
    """Inside a response-wrapping token, which works once and is repeated nowhere either."""
    key = json.loads(made)
    token = desk.bao.wrap({"api_key": key["api_key"], "api_secret": key["api_secret"]})
    desk.run("key", "ingest", "spot_key.wrapped", "--wrapped", *AT_RUNNER, stdin=token, expect="published")
    assert not any(token in text for text in desk.said)
    desk.fails("KS2202", "key", "ingest", "spot_key.wrapped", "--wrapped", stdin=token)
    done = desk.fails("KS4010", "key", "ingest", "spot_key.broken", "--wrapped", code=3, stdin=token)
    assert token not in done.stdout + done.stderr


def arrives_through_the_inbox(desk: Desk, made: str) -> None:
    """Left by an operator; the inbox is emptied with all its versions, those before the last one too."""
    key = json.loads(made)
    inbox = f"{desk.mount}/data/krakenstate/prod/inbox/inbox/spot_key.inbox"
    for _ in range(2):
        desk.bao.request("POST", inbox, {"data": {name: key[name] for name in ("api_key", "api_secret")}})
    desk.run("settle", *AT_RUNNER, expect="Settle complete! 1 published.")


def arrives_on_a_walk(desk: Desk, canaries: Canaries, made: str) -> None:
    """Typed in the walk through an account's open tasks, once with its end cut off."""
    key = json.loads(made)
    public, private = "API key (public key):", "Private key (API secret):"
    code, screen = on_a_terminal(
        ["key", "ingest", "--account", "desk", *AT_RUNNER],
        [
            *[(public, "")] * 3,
            (public, key["api_key"]),
            (private, key["api_secret"][:-2]),
            (public, key["api_key"]),
            (private, key["api_secret"]),
        ],
        cwd=desk.folder,
        env=desk.environment(),
    )
    desk.said.append(screen)
    assert code == 0, screen.replace(key["api_secret"], "(the secret)")
    assert "1 published, 3 skipped" in screen
    assert not canaries.is_in(screen)
    assert key["api_key"] not in screen


def arrives_in_a_stream(desk: Desk, made: str) -> None:
    """A line of its own among lines that are refused, wherever in them the secret stands."""
    key = json.loads(made)
    lines = [
        key["api_secret"],
        json.dumps({**key, "address": key["api_secret"]}),
        json.dumps({**key, "address": "spot_key.ghost"}),
        json.dumps({**key, "address": "spot_key.streamed"})[:-1],
        json.dumps({**key, "address": "spot_key.streamed"}),
    ]
    words = ("key", "ingest", "--account", "desk", *AT_RUNNER)
    desk.run(*words, code=1, stdin="\n".join(lines), expect="1 published")


def is_refused_when_broken(desk: Desk, canaries: Canaries, made: str) -> None:
    """What is no key is refused, wherever in it the secret stood, and not repeated."""
    key = json.loads(made)
    secret = key["api_secret"]
    canaries.add(base64.b64encode(base64.b64decode(secret)[:63]).decode())
    for text in (
        secret,
        f"{secret}\n{key['api_key']}\n{secret}",
        json.dumps({"api_key": secret, "api_secret": key["api_key"]}),
        json.dumps({"api_key": key["api_key"], "api_secret": secret})[:-1],
        json.dumps([secret]),
        json.dumps({"api_key": key["api_key"], "api_secret": {"value": secret}}),
    ):
        desk.fails("KS2201", "key", "ingest", "spot_key.broken", *AT_RUNNER, stdin=text)
    inbox = f"{desk.mount}/data/krakenstate/prod/inbox/broken/spot_key.broken"
    desk.bao.request("POST", inbox, {"data": {"api_key": key["api_key"], "secret": secret}})
    desk.run("settle", *AT_RUNNER, code=4, expect="KS7005")
    desk.bao.request("DELETE", f"{desk.mount}/metadata/krakenstate/prod/inbox/broken/spot_key.broken")


def is_refused_by_vault(desk: Desk, made: str) -> None:
    """A token that may not write gives an error that does not quote what could not be written."""
    reader = desk.bao.token_with(f'path "{desk.mount}/*" {{ capabilities = ["read", "list"] }}')
    env = {"VAULT_TOKEN": reader}
    desk.fails("KS4003", "key", "ingest", "spot_key.broken", *AT_RUNNER, code=3, stdin=made, env=env)
    writer = desk.bao.token_with(
        f'path "{desk.mount}/*" {{ capabilities = ["read", "list", "create", "update", "delete"] }}\n'
        f'path "{desk.mount}/data/krakenstate/prod/quarantine/*" {{ capabilities = ["deny"] }}'
    )
    done = desk.run(
        "key", "ingest", "spot_key.broken", *AT_RUNNER, code=1, stdin=made, env={"VAULT_TOKEN": writer}
    )
    assert "Secret is NOT stored" in done.stderr
    assert "KS2203" in done.stderr
    assert "You may close the dialog" not in done.stderr


def answers_for_another_account(desk: Desk, canaries: Canaries) -> None:
    """A key of the wrong account is dropped for good, with every version of it."""
    desk.kraken.people("create-account", name="other", email="other@desk.example")
    made = desk.make_key(
        "other@desk.example", "derivatives", general="READ_ONLY", transfer="NO_ACCESS", ip=[RUNNER]
    )
    canaries.add(json.loads(made)["api_secret"])
    desk.run("key", "ingest", "derivatives_key.hedger", *AT_RUNNER, stdin=made, code=1)
    assert desk.task(TaskKind.DELETE_KEY, "derivatives_key.hedger", generation=1) in desk.tasks()


def is_not_stored_without_vault(desk: Desk, made: str) -> None:
    """Vault that does not answer is said before the secret is read."""
    away = {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}"}
    desk.fails("KS4001", "key", "ingest", "spot_key.broken", *AT_RUNNER, stdin=made, env=away)
