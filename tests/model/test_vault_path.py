"""A stack's paths in Vault mean themselves alone, wherever they are written."""

import pytest
from pydantic import ValidationError

from krakenstate.model.declarations import Vault

HOSTILE = [
    'x"{capabilities=["sudo","read"]}path"*',
    "kraken/+",
    "kraken/*",
    "kraken*",
    "{{identity.entity.name}}",
    "kraken/../../sys",
    "/kraken",
    "kraken//prod",
    "kraken?list=true",
    "kraken#x",
    "kraken%2f..",
    "kraken/$(id)",
    "kraken;id",
    "kraken`id`",
    "kraken prod",
    "kraken\nprod",
    "kraken\u202eprod",
    "",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_means_more_than_itself_is_refused(path):
    """No second rule in a policy, no wildcard, no template, no step up, no query, no command of a shell."""
    for field in ("mount", "secrets", "state"):
        with pytest.raises(ValidationError, match="a Vault path is made of"):
            Vault(**{"mount": "kv", "secrets": "kraken/prod", "state": "krakenstate/prod", field: path})


@pytest.mark.parametrize("path", ["kv", "kraken/prod", "Team-1/kraken_prod.v2", "a+b/c@d:e=f,g~h"])
def test_a_plain_path_is_taken(path):
    """Whatever desks call their paths, as long as it is plain."""
    assert Vault(mount="kv", secrets=path, state="s").secrets == path


@pytest.mark.parametrize(
    ("secrets", "state"),
    [
        pytest.param("kraken", "kraken", id="the same"),
        pytest.param("kraken", "kraken/quarantine", id="records where a process of that name reads"),
        pytest.param("krakenstate/prod/quarantine", "krakenstate/prod", id="secrets among the records"),
    ],
)
def test_secrets_and_records_lie_apart(secrets, state):
    """A process reads all that lies below its own name, so no name may lead to the records."""
    with pytest.raises(ValidationError, match="lie one in the other"):
        Vault(mount="kv", secrets=secrets, state=state)
    assert Vault(mount="kv", secrets="kraken", state="krakenstate").state == "krakenstate"
