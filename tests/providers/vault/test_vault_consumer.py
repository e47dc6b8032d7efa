"""What a process is told: paths, units and logins, in texts that other programs can read."""

import re

import pytest

from krakenstate import AppRole, JwtRole, NonceUnit
from krakenstate.model.vocabulary import Api
from krakenstate.providers.vault import consumer
from krakenstate.providers.vault.consumer import Consumer, Secret

PATH = "kraken/prod/pnl/spot_key.pnl"
SPOT = Secret("spot_key.pnl", Api.SPOT, PATH, "KRAKEN", NonceUnit.MILLISECONDS)
PERP = Secret(
    "derivatives_key.hedge", Api.DERIVATIVES, "kraken/prod/pnl/derivatives_key.hedge", "KRAKEN_FUTURES", None
)
ROLE = "krakenstate-prod-pnl"
JWT = JwtRole(bound_audiences="vault", bound_subject="pnl", mount="k8s")
LOGINS = [None, AppRole(), JWT]


def described(*secrets, login=None):
    """The process pnl with these secrets."""
    return Consumer("prod", "pnl", "kv", secrets or (SPOT, PERP), ROLE, login)


class FixedClock:
    """Stands for the module time in a printed program."""

    @staticmethod
    def time_ns():
        """An instant of November 2026."""
        return 1_793_600_000_123_456_789


def counted(unit):
    """Two nonces of the printed Python, at one instant."""
    text = consumer.python(described(Secret("spot_key.pnl", Api.SPOT, PATH, "KRAKEN", unit)))
    begin, end = text.index("_last_kraken_nonce"), text.index("KRAKEN_API_KEY")
    names = {"time": FixedClock}
    exec(text[begin:end], names)
    return names["kraken_nonce"](), names["kraken_nonce"]()


@pytest.mark.parametrize("unit", [unit for unit in NonceUnit if unit is not NonceUnit.COUNTER])
def test_the_example_counts_in_the_declared_unit(unit):
    """It gives the number that krakenstate itself takes for that instant and unit, and then a larger one."""
    first, second = counted(unit)
    digits = {
        NonceUnit.SECONDS: 1_793_600_000,
        NonceUnit.MILLISECONDS: 1_793_600_000_123,
        NonceUnit.MICROSECONDS: 1_793_600_000_123_456,
        NonceUnit.TEN_NANOSECONDS: 179_360_000_012_345_678,
        NonceUnit.NANOSECONDS: 1_793_600_000_123_456_789,
        NonceUnit.DOTNET_TICKS: (1_793_600_000 + 62_135_596_800) * 10**7 + 1_234_567,
    }
    assert (first, second) == (digits[unit], digits[unit] + 1)


@pytest.mark.parametrize(("unit", "says"), [(NonceUnit.COUNTER, "COUNTER"), (None, "declares no nonce_unit")])
def test_the_example_counts_nothing_where_no_clock_is_right(unit, says):
    """A counter, or an undeclared unit: it says so, and shows no way to make a nonce."""
    text = consumer.python(described(Secret("spot_key.pnl", Api.SPOT, PATH, "KRAKEN", unit)))
    assert says in text
    assert "def kraken_nonce" not in text
    compile(text, "example", "exec")


@pytest.mark.parametrize("login", LOGINS, ids=["none", "approle", "jwt"])
def test_the_agents_configuration_is_balanced_and_names_the_login(login):
    """Every block is closed, each secret has a template at its path, and the role is the grant's."""
    text = consumer.vault_agent(described(login=login))
    code = re.sub(r"<<-EOT.*?^EOT$|#.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert code.count("{") == code.count("}")
    assert code.count("template {") == 2
    assert '{{ with secret "kv/data/kraken/prod/pnl/spot_key.pnl" -}}' in text
    expected = {AppRole: 'method "approle"', JwtRole: f'role = "{ROLE}"'}.get(type(login), "token_file")
    assert expected in text


@pytest.mark.parametrize("login", LOGINS, ids=["none", "approle", "jwt"])
def test_the_operators_manifests_have_one_document_each(login):
    """A store and a secret per key; names are fit for Kubernetes; indentation goes by twos."""
    text = consumer.external_secrets(described(login=login))
    store, *secrets = text.split("---\n")
    assert "kind: SecretStore\n" in store
    assert [re.findall(r"^  name: (.*)$", s, re.MULTILINE) for s in secrets] == [
        ["spot-key-pnl"],
        ["derivatives-key-hedge"],
    ]
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert [line for line in lines if (len(line) - len(line.lstrip())) % 2] == []
    plain = re.compile(r" *(- )?([A-Za-z][\w]*:( \S.*)?|\"[^\"]*\")|---")
    assert [line for line in lines if not plain.fullmatch(line)] == []
    assert ("jwt:" in store) is isinstance(login, JwtRole)


def test_a_shell_is_not_led_astray_by_a_path():
    """Whatever a path has in it stays one word."""
    odd = Secret("spot_key.pnl", Api.SPOT, "kraken/a;b'c", "KRAKEN", None)
    assert "-field=api_key 'kraken/a;b'\"'\"'c')" in consumer.env(described(odd))
