"""The pages agree with the program: links, commands, flags, codes, declarations, variables, roles."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

import krakenstate
from krakenstate import errors
from krakenstate.cli.app import PROGRAM, build
from krakenstate.cli.commands import ENTRIES, PANELS
from krakenstate.cli.words import FLAGS, SWITCHES
from krakenstate.errors import KrakenstateError, StackProblems, catalogue
from krakenstate.model import declarations, roles
from krakenstate.model.entry import Declaration
from krakenstate.model.limits import Limits, Thresholds
from krakenstate.model.task import TaskKind
from krakenstate.model.vocabulary import Access, NonceUnit, Permission
from krakenstate.stack.authoring import Stack
from tests.docs.markdown import GENERATED, ROOT, Page, commands_in, pages
from tools import docs

CONCEPTS = Page(ROOT / "docs" / "concepts.md")
KRAKEN = Page(ROOT / "docs" / "kraken.md")
WRITTEN = [page for page in pages() if page.name not in GENERATED]
OF_OTHERS = {"--check", "--help"}
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_ROW = re.compile(r"^\| `([^`]+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
_MODULES = sorted((ROOT / "krakenstate").rglob("*.py"))


def named(page: Page) -> str:
    """How a test is called for a page."""
    return page.name


@cache
def command_tree() -> Any:
    """The command line as typer sees it."""
    return build()


def flags_of(command: Any) -> set[str]:
    """Every spelling of a command's options, Terraform's included."""
    spelled = {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("--")}
    return spelled | {"--help", "--no-color"}


def all_flags(command: Any) -> Iterator[str]:
    """The flags of a command and of everything below it."""
    yield from flags_of(command)
    for below in getattr(command, "commands", {}).values():
        yield from all_flags(below)


def find_mistake(words: list[str]) -> str | None:
    """What is wrong with a command line after ``krakenstate``, if anything."""
    command, path, rest = command_tree(), [PROGRAM], list(words)
    if rest[:1] == ["--chdir"]:
        rest = rest[2:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if re.fullmatch(r"[….A-Z]+", name):
            return None
        if name not in command.commands:
            return f"{' '.join(path)} has no command {name}"
        command = command.commands[name]
        path.append(name)
    for word in rest:
        flag = word.partition("=")[0]
        if re.fullmatch(_FLAG, flag) and flag not in flags_of(command) | set(SWITCHES) | set(FLAGS):
            return f"{' '.join(path)} has no option {flag}"
    return None


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_link_leads_somewhere(page):
    """A link names a file that exists and, after #, a heading that is in it."""
    broken = []
    for target in page.links:
        file, _, anchor = target.partition("#")
        found = Page((page.path.parent / file).resolve()) if file else page
        if not found.path.exists() or (anchor and anchor not in found.anchors):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_every_command_named_exists(page):
    """Each krakenstate command line in code is one the program understands, with its options."""
    mistakes = [find_mistake(words) for line in page.code() for words in commands_in(line)]
    assert [mistake for mistake in mistakes if mistake] == []


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_every_flag_named_exists(page):
    """A flag that stands alone in code is an option of some command."""
    known = set(all_flags(command_tree())) | set(SWITCHES) | OF_OTHERS
    alone = [line for line in page.code() if line.startswith("--")]
    assert [flag for line in alone for flag in _FLAG.findall(line) if flag not in known] == []


@pytest.mark.parametrize("line", ["plan prod --sight runner", "force", "task shw 1", "dev web create-keys"])
def test_a_command_that_does_not_exist_is_noticed(line):
    """The checks above would notice a wrong option, command or sub-command."""
    assert find_mistake(line.split())


def test_every_remedy_names_commands_that_exist():
    """What an error tells people to type is understood by the program."""
    told = re.compile(r"(?::|[Rr]un) (krakenstate [^.,;]+)")
    lines = [line.replace(" | ", " ") for leaf in catalogue() for line in told.findall(leaf.remedy)]
    commands = [words for line in lines for words in commands_in(line)]
    assert len(commands) > 10
    mistakes = [find_mistake(words) for words in commands]
    assert [mistake for mistake in mistakes if mistake] == []


@pytest.mark.parametrize("name", sorted(docs.pages()))
def test_the_generated_pages_are_up_to_date(name):
    """`make docs` would change nothing."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == docs.pages()[name], "run: make docs"


def test_every_code_has_a_place_in_the_list_of_errors():
    """Each KS code is a heading with headline, cause and remedy, and no two classes share one."""
    codes = [leaf.code for leaf in catalogue()]
    assert len(codes) == len(set(codes))
    page = Page(ROOT / "docs" / "errors.md")
    assert {code.lower() for code in codes} <= page.anchors
    assert [
        leaf.code for leaf in catalogue() if not (leaf.headline and leaf.remedy and vars(leaf)["__doc__"])
    ] == []


def test_every_error_raised_has_a_code():
    """Nothing krakenstate raises of its own tree reaches a user without a code."""
    without = []
    for module in _MODULES:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            call = node.exc if isinstance(node, ast.Raise) else None
            name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
            leaf = getattr(errors, name, None)
            if isinstance(leaf, type) and issubclass(leaf, KrakenstateError) and leaf is not StackProblems:
                without += [] if leaf.code else [f"{module.relative_to(ROOT)}:{node.lineno} {name}"]
    assert without == []


def test_every_page_an_error_names_exists():
    """A remedy that points at a page of the documentation points at one that is there."""
    named_pages = {name for leaf in catalogue() for name in re.findall(r"docs/\w+\.md", leaf.remedy)}
    assert named_pages
    assert [name for name in named_pages if not (ROOT / name).exists()] == []


def fields_in_concepts(heading: str) -> dict[str, tuple[str, str]]:
    """Default and meaning of each field in the table below a heading of concepts.md."""
    _, found, rest = CONCEPTS.text.partition(f"\n### {heading}\n")
    assert found, f"docs/concepts.md has no section {heading}"
    section = re.split(r"^##+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return {name: (default, meaning) for name, default, meaning in _ROW.findall(section)}


MODELS = [
    *declarations.RESOURCE_TYPES,
    declarations.Environment,
    declarations.Vault,
    krakenstate.Promotion,
    Limits,
    Thresholds,
    krakenstate.Violation,
    declarations.Moved,
    declarations.Removed,
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_table_of_a_declaration_is_its_model(model):
    """Field by field: what is required, what the default is, and what this version refuses."""
    shown = fields_in_concepts(model.__name__)
    assert set(shown) == set(model.model_fields)
    for name, field in model.model_fields.items():
        default, meaning = shown[name]
        assert (default == "required") is field.is_required(), name
        if field.default not in {None, PydanticUndefined} and not field.is_required():
            written = '""' if field.default == "" else str(field.default)
            assert default == f"`{written}`", name
        if issubclass(model, Declaration):
            assert meaning.startswith("*later*") is (name in model.later), name


def test_the_table_of_the_stack_is_its_signature():
    """A Stack takes what concepts.md says."""
    annotations = set(Stack.__init__.__annotations__) - {"return"}
    assert set(fields_in_concepts("Stack")) == annotations


def test_everything_a_stack_can_import_is_documented():
    """Each name of the authoring surface stands in concepts.md or kraken.md."""
    text = CONCEPTS.text + KRAKEN.text
    missing = [
        n
        for n in krakenstate.__all__
        if n != "__version__" and f"`{n}" not in text and f"### {n}" not in text
    ]
    assert missing == []


def test_kraken_s_words_are_listed():
    """Every permission, level, unit and role stands in kraken.md, roles with exactly their permissions."""
    table = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", KRAKEN.text, re.MULTILINE))
    words = {p.value for p in Permission} | {a.value for a in Access} | {u.name for u in NonceUnit}
    assert words <= set(table)
    constants = {name: value for name, value in vars(roles).items() if isinstance(value, frozenset)}
    assert constants
    for name, permissions in constants.items():
        assert set(re.findall(r"`([a-z-]+)`", table[name])) == {p.value for p in permissions}


def test_every_kind_of_task_is_listed():
    """concepts.md names every kind of task."""
    section = CONCEPTS.section("Tasks and evidence")
    assert [kind.value for kind in TaskKind if f"`{kind.value}`" not in section] == []


def test_every_variable_is_listed():
    """Every environment variable of krakenstate's own that the code reads stands in concepts.md."""
    section = CONCEPTS.section("Environment variables")
    read = {
        word
        for module in _MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for word in re.findall(r"^(?:KRAKENSTATE|VAULT)_[A-Z_]*[A-Z]$", node.value)
    }
    read -= {"VAULT_DEV_ROOT_TOKEN_ID"}  # what a rehearsal's server is started with
    assert {"KRAKENSTATE_SITE", "VAULT_ADDR"} <= read
    assert sorted(name for name in read if f"`{name}`" not in section) == []


def test_every_exit_code_is_listed():
    """concepts.md lists each exit code an error asks for."""
    section = CONCEPTS.section("Exit codes")
    listed = {
        int(n) for row in re.findall(r"^\| ([0-9, ]+) \|", section, re.MULTILINE) for n in row.split(",")
    }
    assert {leaf.exit_code for leaf in catalogue()} <= listed


def test_every_path_in_the_pages_exists():
    """A file of the project named in the map of rooms or in CONTRIBUTING.md is there."""
    missing = []
    for page in (Page(ROOT / "docs" / "rooms.md"), Page(ROOT / "CONTRIBUTING.md")):
        for span in re.findall(r"`([\w./-]+\.(?:py|md|toml))`", page.prose):
            places = [
                ROOT / span,
                ROOT / "krakenstate" / span,
                *(ROOT / "krakenstate").glob(f"*/{Path(span).name}"),
            ]
            places += (ROOT / "krakenstate").glob(f"*/*/{Path(span).name}")
            if not any(place.exists() for place in places) and span not in {
                "plan_things.py",
                "stacks/dev.py",
            }:
                missing.append(f"{page.name}: {span}")
    assert missing == []


@pytest.mark.parametrize("name", ENTRIES)
def test_the_overall_help_says_what_each_command_says_first(name):
    """The overall help imports no command, and yet repeats the first sentence of each."""
    said = command_tree().commands[name].help.split("\n\n")[0]
    assert " ".join(said.split()) == ENTRIES[name].summary
    assert ENTRIES[name].panel in PANELS
