"""The Spot signature against the published vectors."""

import base64

import pytest

from krakenstate.providers.kraken_spot.auth import form_body, sign

A = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
B = "MTIzNGFiY2QxMjM0YWJjZDU2NzhlZjkwNTY3OGVmOTA="
ORDER = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"


@pytest.mark.parametrize(
    ("secret", "nonce", "path", "body", "signature"),
    [
        pytest.param(
            A, 1616492376594, "/0/private/AddOrder", ORDER,
            "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==",
            id="1 form body",
        ),
        pytest.param(
            A, 1616492376594, "/0/private/GetCustodyTask?id=TGWOJ4JQPOTZT2", '{"nonce":1616492376594}',
            "2rM09q8HG7LvjivBitQUybwZ/DSeO8+i0U/at/wclH2Jma6gMaE/0Nw9dyLR+ykMd5eWCngSL4K58i6uJzXDCw==",
            id="2 query and JSON",
        ),
        pytest.param(
            B, 1700000000000, "/0/private/BalanceEx", "nonce=1700000000000",
            "O7ZTAeunaDvw+1minF1mLorGYT3WFaLOvt9noBw/Ztoj1YBuk/ssixJ3nh4mbD38EB0O2JXgUG5YlhAEqhLfQA==",
            id="3",
        ),
        pytest.param(
            B, 1700000000000, "/0/private/Balance", "nonce=1700000000000",
            "F8f5AtcXkzpES3p+qZ7LibfKErlraMXHLW8ekcte8eh7VTY0FdMp8n7q529T7TDFGV2u8VVkuZaXfQcsreTG9A==",
            id="4",
        ),
        pytest.param(
            A, 1616492376594, "/0/private/GetApiKeyInfo", "nonce=1616492376594",
            "0hXh9q5/fK8xgzNfiExbUyhEvsv1gAYGgL/5PWy8Xo8kFGhpI/ZwAnHB1eC0SYtlYiywFcypDRuBP/GjHp+ojA==",
            id="5",
        ),
    ],
)  # fmt: skip
def test_signatures_are_the_published_ones(secret, nonce, path, body, signature):
    """Each vector of Kraken's documentation and of working clients is reproduced."""
    assert sign(path, nonce, body.encode(), base64.b64decode(secret)) == signature


def test_a_secret_that_was_not_decoded_signs_wrongly():
    """The well-known mistake of using the secret's text gives the well-known wrong signature."""
    wrong = "zA0LsmBEQjAhiVXDC0d286hCa9i387Mf1ZKLsYKEAfzW+x3m5FeiAkR7eoNxQ7ykM1KedtbCWKAZ4wyKRSmgfQ=="
    assert sign("/0/private/AddOrder", 1616492376594, ORDER.encode(), A.encode()) == wrong


@pytest.mark.parametrize(
    ("path", "nonce"),
    [
        ("/0/public/Time", 1),
        ("private/Balance", 1),
        ("/0/private/Balance", -1),
        ("/0/private/Balance", 2**64),
    ],
)
def test_what_cannot_be_signed_is_refused(path, nonce):
    """Public paths and impossible nonces are bugs of the caller, not requests."""
    with pytest.raises(ValueError, match=r"signed|nonce"):
        sign(path, nonce, b"", b"secret")


def test_the_body_is_encoded_once():
    """Signs that mean something in a form are escaped, so the signed bytes are the ones Kraken decodes."""
    body = form_body(7, {"username": "desk-mm", "email": "kraken+mm@desk.example"})
    assert body == b"nonce=7&username=desk-mm&email=kraken%2Bmm%40desk.example"
