"""What the tests read of the documentation: tables and code blocks of reStructuredText, by our own habits only.

Tables are ``csv-table`` directives with ``|`` between the cells; code blocks are ``code-block`` directives and literal
blocks after ``::``.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


@dataclass
class Table:
    """One table."""

    section: str
    """Title of the section it is in."""
    name: str | None
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Block:
    """One code block."""

    path: Path
    line: int
    language: str
    name: str | None
    text: str

    @property
    def id(self) -> str:
        """What the block is called in a test's name."""
        return f"{self.path.name}:{self.line}"


def tables(path: Path) -> list[Table]:
    """The tables of a page, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found: list[Table] = []
    section = ""
    for index, line in enumerate(lines):
        if index and line and line == line[0] * len(line) and line[0] in "=-~" and lines[index - 1].strip():
            section = lines[index - 1].strip()
        if line.startswith(".. csv-table::"):
            options, body = _directive(lines, index)
            table = Table(section, options.get("name"))
            cells = [[cell.strip() for cell in row.split("|")] for row in body if row.strip()]
            table.header, table.rows = cells[0], cells[1:]
            found.append(table)
    return found


def blocks(path: Path) -> list[Block]:
    """The code blocks of a page, in order; literal blocks are Python."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for index, line in enumerate(lines):
        directive = re.match(r"\s*\.\. code-block:: *(\w*)", line)
        literal = line.rstrip().endswith("::") and not line.lstrip().startswith("..")
        if directive or literal:
            options, body = _directive(lines, index)
            language = directive.group(1) if directive else "python"
            found.append(
                Block(path, index + 2, language, options.get("name"), textwrap.dedent("\n".join(body)).strip("\n"))
            )
    return found


def block(page: str, name: str) -> Block:
    """The code block of a page with this name."""
    (found,) = [each for each in blocks(DOCS / page) if each.name == name]
    return found


def literals(text: str) -> list[str]:
    """What stands in double backticks."""
    return re.findall(r"``(.+?)``", text)


def _directive(lines: list[str], start: int) -> tuple[dict[str, str], list[str]]:
    """Options and content of what begins at this line: all that is indented more."""
    indent = len(lines[start]) - len(lines[start].lstrip())
    inside = []
    for line in lines[start + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        inside.append(line)
    options = {}
    while inside and (option := re.match(r"\s*:([\w-]+):\s*(.*)", inside[0])):
        options[option.group(1)] = option.group(2).strip()
        inside.pop(0)
    return options, inside
