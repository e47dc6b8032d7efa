"""The project's Markdown as data: its pages, headings, links, and the code in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("docs/commands.md", "docs/errors.md", "docs/permissions.md")
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_SHELLS = {"bash", "sh", "shell"}
_ENDS = {"|", "||", "&&", "&", ";", ">", ">>", "<", "<<", "(", ")"}


@dataclass(frozen=True)
class Page:
    """One Markdown file of the project."""

    path: Path

    @property
    def name(self) -> str:
        """Its path below the project's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """What is left without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def anchors(self) -> set[str]:
        """What a link may name after ``#``, as forges derive it from headings."""
        return {anchor_of(title) for _, title in _HEADING.findall(self.prose)}

    @property
    def links(self) -> list[str]:
        """Targets of its links that lead to other files or places in them."""
        return [target for target in _LINK.findall(self.prose) if "://" not in target]

    def section(self, title: str) -> str:
        """A second-level heading's text, up to the next one."""
        _, found, rest = self.text.partition(f"\n## {title}\n")
        assert found, f"{self.name} has no section {title}"
        return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]

    def code(self) -> Iterator[str]:
        """Lines a reader might type: shell blocks with their continuations joined, and code spans."""
        for language, block in _FENCE.findall(self.text):
            if language in _SHELLS:
                yield from block.replace("\\\n", " ").splitlines()
        yield from _SPAN.findall(self.prose)


def anchor_of(title: str) -> str:
    """The anchor a forge gives a heading."""
    bare = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower())
    return bare.strip().replace(" ", "-")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [block for found, block in _FENCE.findall(text) if found == language]


def pages() -> list[Page]:
    """All pages people read."""
    found = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "stacks").glob("*.md"),
    ]
    return [Page(path) for path in sorted(found)]


def commands_in(line: str, program: str = "krakenstate") -> Iterator[list[str]]:
    """The words after ``krakenstate`` in each command of a line."""
    for match in re.finditer(rf"(?:^|(?<!from)[\s(\"$]){program}(?= |$)", line):
        lexer = shlex.shlex(line[match.end() :], posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        words: list[str] = []
        try:
            for word in lexer:
                if word in _ENDS or set(word) <= set("();<>|&"):
                    break
                words.append(word)
        except ValueError:  # a quote of the surrounding command ends here
            pass
        yield words
