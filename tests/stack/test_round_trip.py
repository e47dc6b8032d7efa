"""Declarations survive rendering: loading what was dumped gives the same declarations."""

import ipaddress
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from krakenstate import (
    Access,
    Allowlist,
    AppRole,
    DerivativesKey,
    DerivativesSubaccount,
    Grant,
    JwtRole,
    MasterAccount,
    NonceUnit,
    Permission,
    Process,
    SpotKey,
    SpotSubaccount,
)
from krakenstate.errors import Source
from krakenstate.model.desired import PlainDeclaration, RenderedResource, dump_declaration, load_declarations
from krakenstate.stack.plain import admit
from krakenstate.stack.text import clean

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,25}", fullmatch=True)
TEXTS = st.text(min_size=1, max_size=30).map(clean).filter(bool)
WORDS = TEXTS.map(lambda text: "".join(text.split())).filter(bool)
EMAILS = st.from_regex(r"[a-z0-9+]{1,10}@[a-z]{1,8}\.example", fullmatch=True)
IIBANS = st.none() | st.from_regex(r"AA[A-Z0-9]{2}( [A-Z0-9]{4}){3}", fullmatch=True)
NETWORKS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.builds(
        lambda a, p: ipaddress.ip_network((a, p), strict=False), st.ip_addresses(v=4), st.integers(0, 32)
    ),
)
SPANS = st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=3000))
DAYS = st.none() | st.dates(date(2020, 1, 1), date(2100, 1, 1))
LIVES = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))
LOGINS = st.one_of(
    st.none(),
    st.builds(AppRole, mount=st.sampled_from(["approle", "a/b"]), token_ttl=LIVES),
    st.builds(
        JwtRole,
        bound_audiences=st.lists(TEXTS, min_size=1, max_size=2),
        bound_subject=TEXTS,
        bound_claims=st.none() | st.dictionaries(TEXTS, st.lists(TEXTS, min_size=1, max_size=2), max_size=2),
        user_claim=TEXTS,
    ),
)
BASIC = {"protect": st.booleans(), "observe_only": st.booleans()}


@st.composite
def stacks(draw):
    """A few declarations of every type, each after those it refers to."""

    def several(cls, least=0, **fields):
        names = draw(st.lists(NAMES, min_size=least, max_size=3, unique=True))
        return [draw(st.builds(cls, name=st.just(name), **BASIC, **fields)) for name in names]

    lists = several(Allowlist, networks=st.lists(NETWORKS, min_size=1, max_size=4))
    processes = several(Process, 1, owner=TEXTS, purpose=st.just("") | TEXTS)
    masters = several(MasterAccount, 1, email=EMAILS, iiban=IIBANS, spot_subaccounts=st.booleans())
    spots = several(
        SpotSubaccount, master=st.sampled_from(masters), username=WORDS, email=EMAILS, iiban=IIBANS
    )
    links = several(
        DerivativesSubaccount,
        master=st.sampled_from(masters),
        email=EMAILS,
        same_as=st.sampled_from([None, *spots]),
        trading_enabled=st.none() | st.booleans(),
    )
    common = {
        "account": st.sampled_from([*masters, *spots, *links]),
        "process": st.sampled_from(processes),
        "allowlist": st.none() | (st.lists(st.sampled_from(lists), max_size=3) if lists else st.just([])),
        "controls": st.none() | st.sampled_from(masters),
        "rotate_every": SPANS,
        "rotate_before": SPANS,
        "overlap": SPANS,
    }
    return [
        *lists,
        *processes,
        *masters,
        *spots,
        *links,
        *several(
            SpotKey,
            **common,
            permissions=st.none() | st.frozensets(st.sampled_from(Permission)),
            expires=DAYS,
            query_from=DAYS,
            nonce_window=st.none() | st.integers(0, 2**53 - 1),
            nonce_unit=st.none() | st.sampled_from(NonceUnit),
        ),
        *several(
            DerivativesKey,
            **common,
            general=st.none() | st.sampled_from(Access),
            transfer=st.none() | st.sampled_from(Access),
        ),
        *several(Grant, process=st.sampled_from(processes), auth=LOGINS, manage=st.booleans()),
    ]


@settings(deadline=None, max_examples=60)
@given(stacks(), st.randoms(use_true_random=False))
def test_loading_what_was_dumped_gives_the_same(declared, order):
    """In whatever order plain data arrives, the declarations that come out equal those that went in."""
    dumped = [RenderedResource.model_validate_json(dump_declaration(d).model_dump_json()) for d in declared]
    plain = [PlainDeclaration.of(each) for each in dumped]
    order.shuffle(plain)
    assert [wrong for item in plain for wrong in admit(item)] == []
    loaded, problems = load_declarations(plain)
    assert problems == []
    assert {d.address: d for d in loaded} == {d.address: d for d in declared}
    assert [dump_declaration(d).attributes for d in sorted(loaded, key=lambda d: d.address)] == [
        dump_declaration(d).attributes for d in sorted(declared, key=lambda d: d.address)
    ]


def test_a_changed_copy_leaves_its_like_alone():
    """Declarations that give the same fields share what they have in common; a copy has its own."""
    plain = [PlainDeclaration("process", name, {"owner": "x"}) for name in ("a", "b")]
    (one, other), problems = load_declarations(plain)
    assert problems == []
    assert one.model_copy(update={"purpose": "quotes"}).model_fields_set == {"name", "owner", "purpose"}
    assert (one.model_fields_set, other.model_fields_set) == ({"name", "owner"}, {"name", "owner"})


def test_the_line_of_a_declaration_is_no_trait_of_it():
    """Two that say the same on different lines are equal, and a copy keeps its line."""
    one, other = Process(name="a", owner="x").with_source(Source("f.py", 1)), Process(name="a", owner="x")
    assert one == other
    assert one.source != other.source
    assert one.model_copy(update={"owner": "y"}).source == Source("f.py", 1)
