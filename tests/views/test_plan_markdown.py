"""Plans as Markdown: what a reviewer sees first, what fits a comment, and what cannot be forged."""

import re
from functools import cache

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from krakenstate.model.plan import Action, Check, Risk, RiskWord, Severity
from krakenstate.views.drift_issue import render_drift_issue
from krakenstate.views.markdown import COMMENT_MAX, code, fenced, link, prose
from krakenstate.views.mask import mask_names, masked
from krakenstate.views.plan_html import render_plan_html
from krakenstate.views.plan_markdown import render_plan_markdown
from tests.support.golden import check_golden
from tests.views import plans, samples
from tests.views.plans import NOW, PLANS, PNL
from tests.views.test_hostile_text import FOREIGN, HOSTILE, controls_in, hostile_plan

RUN = "https://github.example/desk/keys/actions/runs/7"
PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
OURS = re.compile(r"[+!.-]   |\+/- |<=  |@@ spot_key\.a[0-9]+ @@ task |  [#?] | {4,}[^ ]|Not known:$|$")
"""How a line of the difference may begin."""
CALLS = [
    pytest.param("@everyone and @desk/team, see #12, !7, GH-3, desk/keys#4", id="mentions and references"),
    pytest.param("https://evil.example www.evil.example mailto:a@evil.example", id="links"),
    pytest.param("</details><script>alert(1)</script><img src=x onerror=y>", id="HTML"),
    pytest.param("```\n````\n~~~\n# done", id="fences"),
    pytest.param("![x](http://evil.example/pixel) [y](javascript:z) $\\frac{1}{2}$", id="images and math"),
    pytest.param("x -->\n<!-- krakenstate:plan:prod:production -->", id="a marker of ours"),
]


def markdown_of(plan, **options):
    """The comment at the tests' instant."""
    return render_plan_markdown(plan, now=NOW, run=RUN, **options)


@cache
def hostile_comment(text):
    """The comment on a plan that holds foreign text in every place; ``x`` is an honest one."""
    return markdown_of(hostile_plan(text), explain=True)


def hostile_issue(text):
    """The issue about drift with foreign text in every place."""
    plan = hostile_plan(text)
    check = Check(code=text, address=PNL, text=text, severity=Severity.ERROR, rule=text)
    return render_drift_issue(plan.facts.drift, samples.snapshot(), checks=(check,), digest=text)


def tokens_of(text):
    """The structure of Markdown, without its words: every token's type, in order."""
    found = []
    for token in PARSER.parse(text):
        found.append(token.type)
        found += [child.type for child in token.children or ()]
    return found


def fence_of(comment):
    """The lines of the folded difference."""
    return comment.split("diff\n", 1)[1].split("\n```")[0].splitlines()


def words_of(text):
    """The words a forge looks at for mentions and references: text outside code."""
    inline = [child for token in PARSER.parse(text) for child in token.children or ()]
    return [child.content for child in inline if child.type == "text"]


@pytest.mark.parametrize("name", PLANS)
def test_each_comment_reads_as_reviewed(name):
    """The comment of each situation is the one that was reviewed."""
    check_golden(f"views/plan-{name}.md", markdown_of(PLANS[name]()))


def test_the_page_reads_as_reviewed():
    """The page of a plan with every kind of block is the one that was reviewed."""
    check_golden("views/plan-every-block.html", render_plan_html(plans.every_block(), now=NOW) + "\n")


@pytest.mark.parametrize("text", [*HOSTILE, *CALLS])
def test_foreign_text_changes_no_structure(text):
    """A comment with hostile text has the same headings, rows and fences as one with an honest word."""
    honest, forged = hostile_comment("x"), hostile_comment(text)
    assert tokens_of(forged) == tokens_of(honest)
    assert controls_in(forged) == set()
    marker = [line for line in forged.splitlines() if line.startswith("<!--")]
    assert marker == ["<!-- krakenstate:plan:prod:production -->"]


@pytest.mark.parametrize("text", [*HOSTILE, *CALLS])
def test_foreign_text_changes_no_structure_of_an_issue(text):
    """Neither does it in the issue about drift, whose two markers stay the only ones."""
    forged, honest = hostile_issue(text), hostile_issue("x")
    assert tokens_of(forged) == tokens_of(honest)
    assert controls_in(forged) == set()
    markers = [line.split(":")[0] for line in forged.splitlines() if line.startswith("<!--")]
    assert markers == ["<!-- krakenstate", "<!-- findings"]
    assert not re.search(r"[@#!](?=\w)|://|\bwww\.|\bGH-", " ".join(words_of(forged)))


@given(FOREIGN)
@settings(max_examples=60)
def test_no_text_at_all_changes_the_structure_of_prose_and_code(text):
    """Whatever a name or note holds, a row stays one row of text and one span of code."""
    for shown in (f"- x {prose(text)} x", f"- x {code(text)} x"):
        assert controls_in(shown) == set()
        found = tokens_of(shown)
        assert found[:4] == ["bullet_list_open", "list_item_open", "paragraph_open", "inline"]
        assert set(found[4:-3]) <= {"text", "text_special", "code_inline"}
        assert found[-3:] == ["paragraph_close", "list_item_close", "bullet_list_close"]


@pytest.mark.parametrize("text", [*HOSTILE, *CALLS])
def test_foreign_text_calls_nobody_and_links_nowhere(text):
    """Outside code no mention, reference or address survives that a forge would act on."""
    said = " ".join(words_of(hostile_comment(text)))
    assert not re.search(r"[@#!](?=\w)|://(?!github\.example)|\bwww\.|\bGH-", said.replace(RUN, ""))


@pytest.mark.parametrize("text", [*HOSTILE, *CALLS])
def test_a_line_of_the_fence_begins_with_ours(text):
    """In the difference foreign text neither heads a block nor stands where a symbol does."""
    forged, honest = fence_of(hostile_comment(text)), fence_of(hostile_comment("x"))
    assert [line for line in forged if not OURS.match(line)] == []
    heads = re.compile(r"(?:[+!.-]   |\+/- |<=  )(?=[^ ])|@@|  # spot_key\.")
    assert [h[0] for h in map(heads.match, forged) if h] == [h[0] for h in map(heads.match, honest) if h]


@pytest.mark.parametrize("text", [*HOSTILE, *CALLS])
def test_a_page_holds_no_markup_of_others(text):
    """The page has the tags of an honest one and no other; foreign text is in none of them."""

    def tags(plan):
        return re.findall(r"<[^>]*>", render_plan_html(plan, now=NOW, explain=True))

    forged, honest = tags(hostile_plan(text)), tags(hostile_plan("x"))
    painted = {tag for tag in forged if tag.startswith('<span class="c')}
    assert set(forged) - painted == set(honest) - painted
    assert [tag for tag in forged if "span" not in tag] == [tag for tag in honest if "span" not in tag]
    assert forged.count("</span>") == sum(tag in painted for tag in forged)


def test_a_comment_masks_accounts():
    """E-mails and IIBANs are told apart by what is left of them, and cannot be used."""
    text = markdown_of(plans.first_run())
    assert "k***@desk.example" in text
    assert "kraken+carry@desk.example" not in text
    assert mask_names("AA12 N84G ABCD 3F5K and aa12n84gabcd3f5k") == "(IIBAN ...3F5K) and (IIBAN ...3f5k)"
    page = render_plan_html(plans.first_run(), now=NOW)
    assert "kraken+carry@desk.example" not in page


def test_masking_reaches_every_text_and_changes_nothing_else():
    """A masked plan is the plan, but for the names; one without names stays equal."""
    assert masked(plans.edit().steps[1]) == plans.edit().steps[1]
    body = {"email": "ops@desk.example", "deep": [{"to": "AA12 N84G ABCD 3F5K"}]}
    assert masked(body) == {"email": "o***@desk.example", "deep": [{"to": "(IIBAN ...3F5K)"}]}


def many(number):
    """A plan with so many keys."""
    steps = [
        plans.create_key("spot_key.pnl").model_copy(update={"address": PNL.__class__(f"spot_key.k{n:04}")})
        for n in range(number)
    ]
    risks = tuple(
        Risk(address=step.address, word=RiskWord.GAINS, text="query-funds on mm", critical=n == number - 1)
        for n, step in enumerate(steps)
    )
    return plans.plan(*steps, risks=risks)


@pytest.mark.parametrize("most", [4_000, 20_000, COMMENT_MAX])
def test_a_comment_keeps_its_budget(most):
    """Beyond the budget whole blocks are left out, with their number and where to find them."""
    text = markdown_of(many(300), most=most)
    assert len(text) <= most
    shown = len(re.findall(r"^  # spot_key\.k[0-9]+ needs a manual step$", text, re.MULTILINE))
    assert f"blocks are shown. All of it: [the run](<{RUN}>)." in text
    assert 0 <= shown < 300
    assert text.count("```") % 2 == 0
    assert text.index("**Plan: 0 to add, 0 to change, 0 to destroy, 300 manual.**") < 300
    assert "`spot_key.k0299` **GAINS** query-funds on mm" in text.split("<details>")[0]


@pytest.mark.parametrize("text", ["`" * 5000, "@x" * 5000, "&<" * 5000])
def test_a_comment_of_endless_text_keeps_its_budget(text):
    """No single text is long enough to push the summary, the risks or the footer out."""
    shown = markdown_of(hostile_plan(text))
    assert len(shown) <= COMMENT_MAX
    assert "#### Risk" in shown
    assert "Digest: `7be1c0" in shown


def test_without_a_run_the_rest_is_where_the_command_is():
    """Where no forge names a run, a comment that is cut says which command shows all of it."""
    text = render_plan_markdown(many(300), now=NOW, most=10_000)
    assert "blocks are shown. All of it: `krakenstate plan`." in text


def test_a_plan_of_nothing_has_nothing_to_fold():
    """Without a block there is no fold, and no command to apply it."""
    text = markdown_of(plans.nothing())
    assert "**No changes. Your accounts match the configuration.**" in text
    assert "krakenstate apply" not in text


def test_the_command_cannot_be_made_to_run_another():
    """A stack's name from a plan file is quoted where somebody pastes it into a shell."""
    evil = plans.edit().model_copy(update={"stack": "prod; rm -rf /", "digest": "$(id)"})
    text = markdown_of(evil)
    assert "krakenstate apply 'prod; rm -rf /' --approved-digest '$(id)'" in text
    assert text.splitlines()[0] == "<!-- krakenstate:plan:prod--rm--rf--:production -->"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://x.example/a b", "https://x/)>[", None])
def test_only_plain_addresses_become_links(address):
    """An address that is no http one, or could end the link, is left out."""
    assert link("run", address) == "run"


def test_a_fence_is_longer_than_any_in_it():
    """Text with backticks cannot close its fence."""
    assert fenced(["a", "`````"], "diff") == "``````diff\na\n`````\n``````"


def test_actions_have_their_diff_symbols():
    """In the fence an update is ``!`` and a person's work a hunk, so that both are coloured."""
    lines = markdown_of(plans.edit()).splitlines()
    assert '!   derivatives_subaccount "carry" {' in lines
    assert any(line.startswith('@@ spot_key.pnl @@ task "edit-key" for risk: key') for line in lines)
    assert {step.action for step in plans.edit().steps} == {Action.UPDATE, Action.MANUAL}
