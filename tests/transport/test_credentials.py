"""What cannot be a key never reaches a request."""

import pytest
from pydantic import SecretStr

from krakenstate.errors import InvalidKey, InvalidSignature
from krakenstate.model.credential import Credential
from krakenstate.transport.credentials import read_halves
from tests.support.kraken import CREDENTIAL, PUBLIC


def test_a_key_is_made_ready():
    """The public half is sent as it is, the private half signs decoded."""
    assert read_halves(CREDENTIAL) == (PUBLIC, b"canary" * 10 + b"ends")


@pytest.mark.parametrize(
    ("public", "private", "kind"),
    [
        pytest.param("", "c2VjcmV0", InvalidKey, id="no public half"),
        pytest.param("two\nlines", "c2VjcmV0", InvalidKey, id="a header of its own"),
        pytest.param("k\u00e9y", "c2VjcmV0", InvalidKey, id="not ASCII"),
        pytest.param("key", "canary!", InvalidSignature, id="not base64"),
        pytest.param("key", "", InvalidSignature, id="no private half"),
    ],
)
def test_what_cannot_be_a_key_is_refused(public, private, kind):
    """A damaged secret is reported like a rejected one, without a call and without quoting it."""
    with pytest.raises(kind) as caught:
        read_halves(Credential(api_key=SecretStr(public), api_secret=SecretStr(private)))
    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"
