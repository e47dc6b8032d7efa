"""The house keeps its own rules: who may use which library, how big modules are, what no file may contain.

Which room may import which stands in ``pyproject.toml`` (import-linter); here are the rules that it cannot
say or says clumsily. Each test gathers all offenders, so one run shows the whole list.
"""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "krakenstate"
MAX_MODULE_LINES = 450

# Who may import a library; a package stands for all modules below it.
LIBRARY_USERS = {
    "certifi": ("krakenstate.providers.vault.connections",),
    "click": ("krakenstate.cli",),
    "deepdiff": ("krakenstate.engine.diff",),
    "h11": ("krakenstate.transport.connection", "krakenstate.transport.connections"),
    "httpcore": ("krakenstate.transport.connection", "krakenstate.transport.connections"),
    "httpx": ("krakenstate.transport.connections", "krakenstate.sim"),
    "hvac": (),  # the benchmarks compare with it
    "requests": (),
    "rich": ("krakenstate.cli", "krakenstate.views"),
    "starlette": ("krakenstate.sim",),
    "typer": ("krakenstate.cli",),
    "urllib3": (),
    "uvicorn": ("krakenstate.sim",),
}


def modules() -> list[Path]:
    """Every module of the package, by path."""
    return sorted(PACKAGE.rglob("*.py"))


def dotted(module: Path) -> str:
    """``krakenstate/engine/__init__.py`` → ``krakenstate.engine``."""
    parts = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_libraries(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level name of each absolute import, those inside functions and type blocks included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition(".")[0]


def may_use(library: str, module: str) -> bool:
    """Whether the table lets ``module`` import ``library``; libraries outside the table are free."""
    users = LIBRARY_USERS.get(library)
    return users is None or any(module == user or module.startswith(f"{user}.") for user in users)


def published_files() -> list[Path]:
    """The files git tracks or would take with the next ``git add``."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone, so there is no list of tracked files")
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    # A clone may belong to another user (a container's mount); reading its list is safe all the same.
    command = [git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    files = (ROOT / name for name in sorted(set(listed.decode().split("\0"))) if name)
    return [file for file in files if file.is_file()]


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    """``file:line`` of each match in a published text file."""
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in published_files()
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def machine_path_pattern(*folders: Path) -> re.Pattern[str]:
    """A pattern for paths under any home folder, and under each of ``folders`` deep enough to be telling."""
    telling = [re.escape(str(folder)) for folder in folders if len(folder.parts) > 2]
    return re.compile(
        rf"(?<![\w./-])(?:/(?:(?:home|Users)/[\w.-]+|root)/|(?:{'|'.join([*telling, '(?!)'])})(?![\w.-]))"
    )


@pytest.mark.parametrize(
    ("library", "module", "allowed"),
    [
        pytest.param("deepdiff", "krakenstate.engine.diff", True, id="the named module"),
        pytest.param("deepdiff", "krakenstate.engine.drift", False, id="its neighbour"),
        pytest.param("httpx", "krakenstate.sim.server", True, id="below the named package"),
        pytest.param("httpx", "krakenstate.simulation", False, id="a name that only begins alike"),
        pytest.param("json", "krakenstate.model.plan", True, id="a library outside the table"),
    ],
)
def test_the_table_reads_packages_as_whole_names(library, module, allowed):
    """A permission covers the module or package named and nothing that merely looks similar."""
    assert may_use(library, module) is allowed


def test_imports_are_found_wherever_they_hide():
    """An import inside a function or a type block counts like one at the top."""
    source = "import httpx._types\n\ndef late():\n    from hvac.exceptions import Forbidden\n"
    assert sorted(imported_libraries(source)) == [(1, "httpx"), (4, "hvac")]


def test_each_library_stays_in_its_room():
    """A library with a room of its own is imported nowhere else, so replacing it touches one place."""
    offenders = [
        f"{module.relative_to(ROOT)}:{line} imports {library}"
        for module in modules()
        for line, library in imported_libraries(module.read_text("utf-8"))
        if not may_use(library, dotted(module))
    ]
    assert offenders == []


def test_each_module_says_what_it_holds():
    """Every module opens with a docstring, so the tree can be read from the top of its files."""
    silent = [
        str(module.relative_to(ROOT))
        for module in modules()
        if not ast.get_docstring(ast.parse(module.read_text("utf-8")))
    ]
    assert silent == []


def test_modules_with_models_evaluate_their_annotations():
    """Annotations left as text are compiled by pydantic field by field, a third of a model's import."""
    models = re.compile(r"^class \w+\((?:Model|Declaration|Entry|Part)\):", re.MULTILINE)
    texts = {module: module.read_text("utf-8") for module in modules()}
    late = [dotted(m) for m, text in texts.items() if "import annotations\n" in text and models.search(text)]
    assert late == []


def test_no_module_holds_two_subjects():
    """A module stays within 450 lines; one that has grown past that splits along its seam."""
    sizes = {module: len(module.read_text("utf-8").splitlines()) for module in modules()}
    assert {dotted(module): size for module, size in sizes.items() if size > MAX_MODULE_LINES} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("see " + "/home" + "/ann/notes.txt", True, id="someone's home"),
        pytest.param("/srv/clones/ks/krakenstate/model", True, id="below the checkout"),
        pytest.param("'/srv/clones/ks'", True, id="the checkout itself"),
        pytest.param("/srv/clones/ks-old/x", False, id="a name that only begins alike"),
        pytest.param("example.com" + "/home" + "/ann/", False, id="part of a web address"),
    ],
)
def test_a_machine_path_is_recognised(text, found):
    """A path counts where it starts, not as the tail of something longer."""
    assert bool(machine_path_pattern(Path("/srv/clones/ks")).search(text)) is found


def test_no_file_names_a_machine():
    """No published file contains a path of the machine on which it was written."""
    assert lines_matching(machine_path_pattern(ROOT, Path.home())) == []


def test_no_file_names_a_package_index():
    """Where packages come from is each machine's setting; a lock that names an index works in one place."""
    assert lines_matching(re.compile(r'https?://[^ "]+/(simple|packages)/')) == []
