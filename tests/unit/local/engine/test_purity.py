"""The engine is pure: nothing in it reaches for the world."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import twilio_taskrouter_worker.local.engine as engine

ROOT = Path(engine.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ALLOWED = {
    "__future__",
    "attrs",
    "bisect",
    "collections",
    "collections.abc",
    "decimal",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "operator",
    "random",
    "re",
    "types",
    "typing",
    "urllib.parse",
}
"""Modules without socket, thread, clock or HTTP. Of ``random`` only the class ``Random``."""


def imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each absolute import's module and the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
            yield "__import__", ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_of_the_world_is_imported(path: Path) -> None:
    """Each file imports only what can neither wait, nor talk, nor tell the time, nor throw dice of its own."""
    for module, names in imports(ast.parse(path.read_text(encoding="utf-8"))):
        assert module in ALLOWED, f"{path.name} imports {module}"
        if module == "random":
            assert names == ("Random",), f"{path.name} uses random's module state"


def test_relative_imports_stay_inside() -> None:
    """No file reaches out of the engine's folder by dots."""
    for path in FILES:
        depth = len(path.relative_to(ROOT).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, path.name


def test_there_is_something_to_look_at() -> None:
    """The test above did not pass for want of files."""
    assert len(FILES) > 20
