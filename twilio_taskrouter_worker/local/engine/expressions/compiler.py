"""From a syntax tree to nested closures, with what ``explain`` needs beside them."""

from __future__ import annotations

from typing import Any

import attrs

from .comparisons import Test, constant_test, general_test, path_test
from .nodes import And, ArrayLiteral, Comparison, Literal, Node, Operand, Path, Span
from .paths import Read, Reader, reader_for
from .scopes import ExpressionContext
from .semantics import Semantics


@attrs.frozen(eq=False)
class Part:
    """A compiled sub-expression."""

    span: Span
    """Where it stands in the text."""
    operator: str
    """``AND``, ``OR`` or the comparison's operator in its canonical spelling."""
    test: Test
    parts: tuple[Part, ...] = ()
    """What AND and OR join; a comparison has none."""
    reads: tuple[tuple[Span, Read], ...] = ()
    """The paths of a comparison: where each stands, and how its value is read."""


class Compiler:
    """Compiles one syntax tree; ``readers`` then lists what it reads."""

    def __init__(self, context: ExpressionContext, semantics: Semantics) -> None:
        self._context = context
        self._semantics = semantics
        self.readers: dict[Path, Reader] = {}

    def compile(self, node: Node) -> Part:
        """Return the compiled form of a node; raises UnknownPathError."""
        if isinstance(node, Comparison):
            return self._comparison(node)
        parts = tuple(self.compile(part) for part in node.parts)
        tests = tuple(part.test for part in parts)
        if isinstance(node, And):
            return Part(node.span, "AND", _all_of(tests), parts)
        return Part(node.span, "OR", _any_of(tests), parts)

    def _comparison(self, node: Comparison) -> Part:
        paths = (operand for operand in (node.left, node.right) if isinstance(operand, Path))
        reads = tuple((path.span, self._reader(path).read) for path in paths)
        return Part(node.span, node.operator.value, self._test(node), (), reads)

    def _test(self, node: Comparison) -> Test:
        left, kind, right = node.left, node.operator, node.right
        if not isinstance(right, Path):
            if not isinstance(left, Path):
                return constant_test(_constant(left), kind, _constant(right), self._semantics)
            return path_test(self._reader(left).read, kind, _constant(right), self._semantics)
        return general_test(self._read(left), kind, self._read(right), self._semantics)

    def _read(self, operand: Operand) -> Read:
        if isinstance(operand, Path):
            return self._reader(operand).read
        value = _constant(operand)
        return lambda scope: value

    def _reader(self, path: Path) -> Reader:
        reader = self.readers.get(path)
        if reader is None:
            reader = self.readers[path] = reader_for(path, self._context)
        return reader


def _constant(operand: Literal | ArrayLiteral) -> Any:
    return operand.value if isinstance(operand, Literal) else operand.values


def _all_of(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda scope: first(scope) and second(scope)

    def test(scope: Any) -> bool:
        for part in tests:
            if not part(scope):
                return False
        return True

    return test


def _any_of(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda scope: first(scope) or second(scope)

    def test(scope: Any) -> bool:
        for part in tests:
            if part(scope):
                return True
        return False

    return test
