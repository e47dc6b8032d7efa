"""The simulator's own signature check against the published vectors."""

import pytest

from krakenstate.sim.signatures import derivatives_signature, is_same, spot_signature

SECRET_A = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
SECRET_B = "MTIzNGFiY2QxMjM0YWJjZDU2NzhlZjkwNTY3OGVmOTA="
SECRET_C = "7zxMEF5p/Z8l2p2U7Ghv6x14Af+Fx+92tPgUdVQ748FOIrEoT9bgT+bTRfXc5pz8na+hL/QdrCVG7bh9KpT0eMTm"
ORDER = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"


@pytest.mark.parametrize(
    ("secret", "path", "nonce", "body", "expected"),
    [
        pytest.param(
            SECRET_A, "/0/private/AddOrder", "1616492376594", ORDER,
            "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==",
            id="form",
        ),
        pytest.param(
            SECRET_A, "/0/private/GetCustodyTask?id=TGWOJ4JQPOTZT2", "1616492376594",
            b'{"nonce":1616492376594}',
            "2rM09q8HG7LvjivBitQUybwZ/DSeO8+i0U/at/wclH2Jma6gMaE/0Nw9dyLR+ykMd5eWCngSL4K58i6uJzXDCw==",
            id="json-and-query",
        ),
        pytest.param(
            SECRET_B, "/0/private/BalanceEx", "1700000000000", b"nonce=1700000000000",
            "O7ZTAeunaDvw+1minF1mLorGYT3WFaLOvt9noBw/Ztoj1YBuk/ssixJ3nh4mbD38EB0O2JXgUG5YlhAEqhLfQA==",
            id="short-secret",
        ),
        pytest.param(
            SECRET_B, "/0/private/Balance", "1700000000000", b"nonce=1700000000000",
            "F8f5AtcXkzpES3p+qZ7LibfKErlraMXHLW8ekcte8eh7VTY0FdMp8n7q529T7TDFGV2u8VVkuZaXfQcsreTG9A==",
            id="other-path",
        ),
        pytest.param(
            SECRET_A, "/0/private/GetApiKeyInfo", "1616492376594", b"nonce=1616492376594",
            "0hXh9q5/fK8xgzNfiExbUyhEvsv1gAYGgL/5PWy8Xo8kFGhpI/ZwAnHB1eC0SYtlYiywFcypDRuBP/GjHp+ojA==",
            id="self-description",
        ),
    ],
)  # fmt: skip
def test_spot_signatures_are_the_published_ones(secret, path, nonce, body, expected):
    """Each vector gives the signature Kraken's documentation or a working client gives."""
    assert spot_signature(secret, path, nonce, body) == expected


def test_a_secret_that_was_not_decoded_gives_another_signature():
    """The classic mistake, signing with the base64 text itself, does not pass."""
    wrong = "zA0LsmBEQjAhiVXDC0d286hCa9i387Mf1ZKLsYKEAfzW+x3m5FeiAkR7eoNxQ7ykM1KedtbCWKAZ4wyKRSmgfQ=="
    right = spot_signature(SECRET_A, "/0/private/AddOrder", "1616492376594", ORDER)
    assert not is_same(wrong, right)


@pytest.mark.parametrize(
    ("post_data", "nonce", "path", "expected"),
    [
        pytest.param(
            b"c100b894-1729-464d-ace1-52dbce11db42", "", "",
            "4JEpF3ix66GA2B+ooK128Ift4XQVtc137N9yeg4Kqsn9PI0Kpzbysl9M1IeCEdjg0zl00wkVqcsnG4bmnlMb3A==",
            id="published-challenge",
        ),
        pytest.param(
            b"", "1700000000000", "/derivatives/api/v3/subaccounts",
            "ejNN4jnrgD/bNhQ9t7qENhYzdc5bECUdllFPsitG82e3Dwod6zHMOB64vxn5GdQEr0+Z0zyv68MYS6ZRPUAPIQ==",
            id="prefix-dropped",
        ),
        pytest.param(
            b"", "1700000000000", "/api/auth/v1/api-keys/v3/check",
            "SsLWsyiwMZ6nMxbi/MjGveOxHB28IsZhNl2s/ocuTFZW1FxdNQcyXWwG0zZwB1H9UYn8kEFnip4GOnDK6ANPSA==",
            id="path-kept-whole",
        ),
        pytest.param(
            b"tradingEnabled=false", "1700000000000",
            "/derivatives/api/v3/subaccount/11111111-2222-3333-4444-555555555555/trading-enabled",
            "6qjcTnx+tRxnGgAmwdLsZqgWBc5Y7rYhRju+akymvOIa4szCryBSs6eeO3safoP/DAXc43/17iAiDDY5KsMeFw==",
            id="query",
        ),
    ],
)  # fmt: skip
def test_derivatives_signatures_are_the_published_ones(post_data, nonce, path, expected):
    """Path prefix, nonce and encoded data enter the signature as documented."""
    assert derivatives_signature(SECRET_C, post_data, nonce, path) == expected
