"""The suite itself: collecting it gives the same tests everywhere and at any time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# What stands in tests/typing is checked, and never run.
FILES = sorted(path for path in TESTS.rglob("*.py") if path.parent.name != "typing")
CHANGING = {"create_worker_token", "make_token", "monotonic", "now", "time", "token", "utcnow", "uuid4"}
"""Functions whose result differs from one moment, or process, to the next."""


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs at import: of functions not the bodies, but the decorators and defaults."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            for part in (*decorators, node.args):
                yield part
                yield from at_import(part)
        else:
            yield node
            yield from at_import(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_time_and_no_token_is_made_at_import(path: Path) -> None:
    """A value of the moment makes names of tests differ between processes, and grows old in a long run."""
    for node in at_import(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name not in CHANGING, f"line {node.lineno} calls {name}() at import"
