"""Click lists and tickets for Derivatives, as people read them."""

import pytest

from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Access, Api
from krakenstate.providers.kraken_derivatives.instructions import DerivativesInstructions
from krakenstate.providers.kraken_derivatives.links import TICKET_LINE
from tests.support.golden import check_golden
from tests.support.kraken import account_job, derivatives_job

WRITE = DerivativesInstructions()
EXISTING = {"last_four": "Zk31"}
KNOWN = {
    "master_iiban": "AA12 N84G ABCD 3F5K", "master_uid": "aaaaaaaa-0000-0000-0000-000000000001",
    "account_iiban": "AA34 N84G ABCD 9K1D", "account_uid": "bbbbbbbb-0000-0000-0000-000000000002",
}  # fmt: skip
KEY_TEXTS = {
    "derivatives-create": lambda: WRITE.create_key(derivatives_job()),
    "derivatives-create-unmanaged": lambda: WRITE.create_key(
        derivatives_job(terms=KeyTerms(api=Api.DERIVATIVES, general=Access.READ_ONLY))
    ),
    "derivatives-create-open": lambda: WRITE.create_key(
        derivatives_job(terms=KeyTerms(api=Api.DERIVATIVES, networks=()))
    ),
    "derivatives-edit": lambda: WRITE.edit_key(
        derivatives_job(**EXISTING),
        [
            AttributeChange(name="general", before="READ_ONLY", after="FULL_ACCESS"),
            AttributeChange(name="networks", before=["203.0.113.7/32"], after=["203.0.113.7/32", "..."]),
        ],
    ),
    "derivatives-edit-unasked": lambda: WRITE.edit_key(
        derivatives_job(**EXISTING, can_be_asked=False),
        [AttributeChange(name="networks", before=["192.0.2.10/32"], after=["203.0.113.7/32"])],
    ),
    "derivatives-edit-nothing": lambda: WRITE.edit_key(
        derivatives_job(**EXISTING), [AttributeChange(name="controls", before=None, after="x")]
    ),
    "derivatives-delete": lambda: WRITE.delete_key(derivatives_job(**EXISTING), "it sits on a wrong account"),
    "derivatives-correct": lambda: WRITE.correct_key(
        derivatives_job(**EXISTING),
        [
            Finding(attribute="transfer", declared="NO_ACCESS", found="FULL_ACCESS"),
            Finding(attribute="networks", declared="203.0.113.7/32", found="open to the world"),
            Finding(attribute="account_uid", declared="b...2", found="a...1"),
        ],
    ),
}
LINK_TEXTS = {
    "derivatives-link": lambda: WRITE.link_account(account_job()),
    "derivatives-link-known": lambda: WRITE.link_account(account_job(**KNOWN)),
}
TEXTS = {**KEY_TEXTS, **LINK_TEXTS, "derivatives-unlink": lambda: WRITE.unlink_account(account_job(**KNOWN))}


@pytest.mark.parametrize("name", TEXTS)
def test_instructions_read_as_reviewed(name):
    """Each text is the one a reviewer has read."""
    check_golden(f"instructions/{name}.txt", TEXTS[name]())


@pytest.mark.parametrize("name", TEXTS)
def test_instructions_keep_their_form(name):
    """Texts are deterministic, fit into 100 columns and name the account to sign in to."""
    text = TEXTS[name]()
    assert text == TEXTS[name]()
    assert max(map(len, text.splitlines())) <= 100
    assert "Sign in to: " in text
    assert "check the account switcher first" in text.replace("\n", " ")


@pytest.mark.parametrize("name", LINK_TEXTS)
def test_the_ticket_is_ready_to_paste(name):
    """Between its two lines stands a whole ticket, from the master's address, with nothing to fill in."""
    _, ticket, _ = LINK_TEXTS[name]().split(f"{TICKET_LINE}\n")
    lines = ticket.splitlines()
    assert lines[0] == "To: Kraken Derivatives support (support.kraken.com, submit a request)"
    assert lines[1] == "From: ops@desk.example"
    assert lines[2].startswith("Subject: ")
    assert "Kraken account to add: kraken+carry@desk.example" in lines
    assert not any(word in ticket.lower() for word in ("api key", "secret", "password", "<", "..."))


@pytest.mark.parametrize("name", LINK_TEXTS)
def test_the_first_line_saves_a_ticket(name):
    """Before anything else the text says what to do if the link already exists."""
    first = LINK_TEXTS[name]().split("\n\n")[0].replace("\n", " ")
    assert first.startswith("If kraken+carry@desk.example is linked already")
    assert "send nothing" in first
    assert "krakenstate settle prod" in first
