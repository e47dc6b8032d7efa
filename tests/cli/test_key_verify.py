"""``krakenstate key verify`` alone: one question to one key, and what may be required of it."""

import json
import time

import pytest

from krakenstate.model.ability import moves_funds, violations
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api
from tests.support.cli import run_cli
from tests.support.simulator import simulated_kraken

DESK = "ops@desk.example"
IIBAN = "AA12 N84G ABCD 3F5K"


@pytest.fixture
def kraken():
    """A Kraken with one account."""
    with simulated_kraken() as simulated:
        simulated.people("create-account", name="desk", email=DESK, iiban=IIBAN)
        yield simulated


@pytest.fixture
def verify(kraken, tmp_path):
    """Runs the command, without stack and Vault; gives both streams, after a look for secrets in them."""

    def run(*words, key=None, stdin=None, code=0, futures=False, env=()):
        urls = dict.fromkeys(("KRAKENSTATE_SPOT_URL", "KRAKENSTATE_FUTURES_URL"), kraken.origin)
        seen = {"COLUMNS": "100", **urls, **dict(env)}
        if key is not None and stdin is None:
            prefix = "KRAKEN_FUTURES_API" if futures else "KRAKEN_API"
            seen[f"{prefix}_KEY"] = key.api_key.get_secret_value()
            seen[f"{prefix}_SECRET"] = key.api_secret.get_secret_value()
        done = run_cli("key", "verify", *words, cwd=tmp_path, env=seen, stdin=stdin)
        assert done.code == code, done
        assert "Traceback" not in done.stderr
        if key is not None:
            for half in (key.api_key, key.api_secret):
                assert half.get_secret_value() not in done.stdout + done.stderr
        return done.stdout, done.stderr

    return run


def spot(kraken, **more):
    """A Spot key that may query."""
    return kraken.key(DESK, name="k", **{"permission": ["query-funds"], "ip": ["127.0.0.0/8"], **more})


def asked(kraken):
    """How many signed calls were made."""
    return sum(bool(call["key_last4"]) for call in kraken.calls())


def test_a_fresh_spot_key_tells_everything(kraken, verify):
    """Without stack and Vault: what it can do, from where, until when, whether funds can leave; once."""
    kraken.people("egress", address="127.0.0.1")
    key = spot(kraken, expires="2099-06-30")
    out, err = verify("--fresh", key=key)
    assert err == ""
    assert f'Spot key "k" (...{key.last_four}, fp {key.fingerprint[:4]})' in out
    assert "query-funds" in out
    assert "127.0.0.0/8 (16777216 addresses)" in out
    assert "until         2099-0" in out
    assert "moves funds   no" in out
    assert IIBAN not in out
    assert "ending in 3F5K" in out
    assert asked(kraken) == 1
    assert kraken.calls()[-1]["path"] == "/0/private/GetApiKeyInfo"


@pytest.mark.parametrize("form", ["json", "lines"])
def test_a_key_from_standard_input(kraken, verify, form):
    """A JSON object or two lines will do, with --api to say which platform it is of."""
    key = spot(kraken, ip=[])
    halves = [key.api_key.get_secret_value(), key.api_secret.get_secret_value()]
    fields = dict(zip(("api_key", "api_secret"), halves, strict=True))
    given = "\n".join(halves) if form == "lines" else json.dumps(fields)
    out, _ = verify("--api", "spot", "--fresh", "--json", key=key, stdin=given)
    data = json.loads(out)
    assert (data["ok"], data["moves_funds"], data["open_to_the_world"]) == (True, False, True)
    assert data["key"]["permissions"] == ["query-funds"]
    assert data["key"]["iiban"] == "3F5K"
    _, err = verify("--fresh", stdin=given, code=1)
    assert "--api spot or --api derivatives" in err


def test_a_derivatives_key_is_asked_without_a_nonce(kraken, verify):
    """Its two levels are told, and a level that is required or forbidden counts from there upwards."""
    key = kraken.key(DESK, "derivatives", general="FULL_ACCESS", transfer="NO_ACCESS", ip=[])
    ask = ("--require", "general=READ_ONLY", "--forbid", "transfer=READ_ONLY")
    out, _ = verify(*ask, key=key, futures=True)
    assert "general       FULL_ACCESS" in out
    assert "moves funds   no" in out
    out, _ = verify("--forbid", "general=READ_ONLY", key=key, futures=True, code=1)
    assert "general=READ_ONLY is forbidden, and the key has it." in out
    before = asked(kraken)
    verify("--fresh", key=key, futures=True, code=1)
    assert asked(kraken) == before


def test_what_is_required_and_forbidden(kraken, verify):
    """Each violation is told and ends with exit code 1; JSON stays one object."""
    key = spot(kraken, permission=["query-funds", "withdraw-funds"], ip=[])
    words = ("--require", "query-ledger", "--require", "query-funds", "--forbid", "withdraw-funds")
    out, _ = verify("--fresh", "--json", *words, key=key, code=1)
    data = json.loads(out)
    assert data["ok"] is False
    assert data["moves_funds"] is True
    assert data["violations"] == [
        "query-ledger is required, and the key does not have it.",
        "withdraw-funds is forbidden, and the key has it.",
    ]


def test_a_key_in_use_is_asked_in_its_unit(kraken, verify):
    """The nonce comes from the clock in the unit that was named, and is never ahead of it."""
    key = spot(kraken, ip=[])
    out, _ = verify("--nonce-unit", "milliseconds", "--json", key=key)
    nonce = int(json.loads(out)["key"]["nonce"])
    assert (time.time() - 60) * 1000 < nonce <= time.time() * 1000
    _, err = verify("--fresh", key=key, code=3)
    assert "KS2103" in err
    assert "it is not fresh" in err
    assert asked(kraken) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param((), "the unit is never guessed", id="no unit"),
        pytest.param(("--nonce-unit", "counter"), "cannot be asked while it is in use", id="counter"),
        pytest.param(("--fresh", "--nonce-unit", "seconds"), "not both", id="both"),
        pytest.param(("--fresh", "--forbid", "withdraw-fund"), "is no permission of a Spot key", id="typo"),
        pytest.param(("--fresh", "--require", "general=READ_ONLY"), "is no permission", id="other platform"),
        pytest.param(("--fresh", "--nonce-unit", "fortnights"), "fortnights", id="no such unit"),
    ],
)
def test_what_could_do_harm_or_check_nothing_is_refused(kraken, verify, words, told):
    """Such a command line ends before anything is asked."""
    _, err = verify(*words, key=spot(kraken), code=1)
    assert told in " ".join(err.split())
    assert "KS8001" in err
    assert kraken.calls() == []


def test_what_is_no_key_is_not_sent(kraken, verify):
    """Half a key, no key and halves that are swapped are told without a call."""
    key = spot(kraken)
    _, err = verify("--api", "spot", "--fresh", code=1)
    assert "KS2201" in err
    swapped = f"{key.api_secret.get_secret_value()}\n{key.api_key.get_secret_value()}"
    _, err = verify("--api", "spot", "--fresh", key=key, stdin=swapped, code=1)
    assert "swapped" in err
    half = {"KRAKEN_API_KEY": key.api_key.get_secret_value()}
    _, err = verify("--fresh", env=half, code=1)
    assert "KRAKEN_API_SECRET is not set" in err
    assert kraken.calls() == []


def test_a_rejected_key_ends_with_exit_code_3(kraken, verify):
    """A site that is not admitted cannot be told from a revoked key; one call, and it is said."""
    kraken.people("egress", address="198.51.100.9")
    _, err = verify("--fresh", key=spot(kraken, ip=["192.0.2.10"]), code=3)
    assert "KS2101" in err
    assert asked(kraken) == 1


def test_a_clock_that_is_off_asks_nothing(kraken, verify):
    """A nonce from the future would stop the key's process, so the key is not asked."""
    later = {"KRAKENSTATE_NOW": "2099-01-01T00:00:00Z"}
    _, err = verify("--nonce-unit", "seconds", key=spot(kraken), env=later, code=1)
    assert "KS2005" in err
    assert asked(kraken) == 0


def test_words_that_are_not_known_are_no_assurance():
    """An unknown level satisfies nothing and excludes nothing; an unknown permission leaves funds open."""
    future = {"fingerprint": "0" * 12, "last_four": "9fQa"}
    odd = KeyDescription(api=Api.DERIVATIVES, general="SOME", transfer="NO_ACCESS", **future)
    assert len(violations(odd, ["general=READ_ONLY"], ["general=FULL_ACCESS"])) == 2
    assert moves_funds(odd) is False
    assert moves_funds(KeyDescription(api=Api.SPOT, permissions=("teleport",), **future)) is None


@pytest.mark.parametrize(
    "words",
    [("--report",), ("spot_key.pnl", "--fresh"), ("spot_key.pnl", "--report", "--api", "spot")],
)
def test_an_address_and_the_options_of_a_lone_key_exclude_each_other(kraken, verify, words):
    """A report is about a declared key, and its stack tells platform and unit; nothing is asked."""
    _, err = verify(*words, key=spot(kraken), code=1)
    assert "KS8001" in err
    assert asked(kraken) == 0
