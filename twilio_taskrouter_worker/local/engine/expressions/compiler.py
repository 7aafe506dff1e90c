"""Compilation of a syntax tree to nested closures, along with the data that ``explain`` needs.

Closures, because testing a worker is the innermost operation of routing: every choice that does not depend on the scope
is made here, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .comparisons import Test, compare_values, constant_test, general_test, is_plain_text, path_test
from .errors import ExpressionWarning, Position, shortened
from .members import Members, remembering
from .moments import Changes
from .nodes import And, ArrayLiteral, Comparison, Literal, Node, Operand, Operator, Path, Span, comparisons
from .paths import Read, Reader, reader_for
from .scopes import ExpressionContext
from .semantics import Semantics

_MANY = 4
"""The least number of HAS comparisons on one path for which it pays to prepare the array."""


@attrs.frozen(eq=False)
class Part:
    """A compiled sub-expression."""

    span: Span
    """Its place in the text."""
    operator: str
    """``AND``, ``OR`` or the comparison's operator in its canonical spelling."""
    test: Test
    parts: tuple[Part, ...] = ()
    """The operands of AND or OR; a comparison has none."""
    reads: tuple[tuple[Span, Read], ...] = ()
    """The paths of a comparison: the place of each, and the function that reads its value."""
    required: Mapping[str, str | int] = attrs.field(factory=dict)
    """Task attributes that must have a certain value for the part to be true."""


class Compiler:
    """Compiles one syntax tree; ``readers`` then lists the paths that it reads."""

    def __init__(self, context: ExpressionContext, semantics: Semantics) -> None:
        self._context = context
        self._semantics = semantics
        # By meaning: nodes leave their place out of comparisons, so equal paths share a reader.
        self.readers: dict[Path, Reader] = {}
        self.changes: list[Changes] = []
        """When the comparisons that read the present time may change."""
        self._asked: Counter[tuple[str | int, ...]] = Counter()
        """How many comparisons look into the array at a path."""
        self._prepared: dict[tuple[str | int, ...], Callable[[Any], Members]] = {}

    def compile(self, root: Node) -> Part:
        """Return the compiled form of a tree.

        Args:
            root: The whole tree, since its comparisons are counted before any is compiled.

        Raises:
            UnknownPathError: A path has no meaning in the context.
        """
        # Counted beforehand, because the form of the first test depends on all that follow.
        self._asked.update(
            node.left.steps
            for node in comparisons(root)
            if node.operator is Operator.HAS and isinstance(node.left, Path)
        )
        return self._compile(root)

    def warnings(self, text: str) -> list[ExpressionWarning]:
        """Return the warnings about paths that were compiled although they can never have a value.

        Args:
            text: The expression, to quote the paths.
        """
        return [
            ExpressionWarning(
                Position.at(text, path.span[0]),
                found := text[slice(*path.span)],
                reader.warning,
                f"the key {shortened(found)} has no prefix and is always missing",
            )
            for path, reader in self.readers.items()
            if reader.warning is not None
        ]

    def _compile(self, node: Node) -> Part:
        if isinstance(node, Comparison):
            return self._comparison(node)
        # The parts are kept for explain; the tests alone decide.
        parts = tuple(self._compile(part) for part in node.parts)
        tests = tuple(part.test for part in parts)
        if isinstance(node, And):
            required = {name: value for part in parts for name, value in part.required.items()}
            return Part(node.span, "AND", _all_of(tests), parts, required=required)
        return Part(node.span, "OR", _any_of(tests), parts)

    def _comparison(self, node: Comparison) -> Part:
        paths = [operand for operand in (node.left, node.right) if isinstance(operand, Path)]
        readers = [self._reader(path) for path in paths]
        if any(reader.moment is not None for reader in readers):
            self._note_changes(node)
        reads = tuple((path.span, reader.read) for path, reader in zip(paths, readers, strict=True))
        return Part(node.span, node.operator.value, self._test(node), (), reads, self._required(node))

    def _note_changes(self, node: Comparison) -> None:
        """Record when a comparison may change by itself, because it reads the present time."""
        compare = compare_values(node.operator, self._semantics)
        left, right = node.left, node.right
        # The time may stand on either side of the operator.
        for mine, other in ((left, right), (right, left)):
            if not isinstance(mine, Path) or (field := self._reader(mine).moment) is None:
                continue
            if isinstance(other, Path):
                # Against another path the outcome is unknown: it may change at every step of the field.
                self.changes.append(Changes(field, None))
                continue
            value = _constant(other)
            if mine is left:
                # Bound as a default: a closure over the loop variable would see its last value.
                self.changes.append(Changes(field, lambda moment, value=value: compare(moment, value)))  # type: ignore[misc]
            else:
                self.changes.append(Changes(field, lambda moment, value=value: compare(value, moment)))  # type: ignore[misc]

    def _test(self, node: Comparison) -> Test:
        left, kind, right = node.left, node.operator, node.right
        # A literal on the right is the usual form and has tests of its own.
        if not isinstance(right, Path):
            if not isinstance(left, Path):
                return constant_test(_constant(left), kind, _constant(right), self._semantics)
            return path_test(self._reader(left), kind, _constant(right), self._semantics, self._members(left, kind))
        return general_test(self._read(left), kind, self._read(right), self._semantics)

    def _required(self, node: Comparison) -> dict[str, str | int]:
        """Return the task attribute that a comparison asks to have one value, if that is all it asks."""
        if self._context is ExpressionContext.TASK and isinstance(node.left, Path) and isinstance(node.right, Literal):
            key, value = self._reader(node.left).key, node.right.value
            # Other texts and numbers equal more than one value: "5" and 5.0 equal 5.
            exact = type(value) is int or is_plain_text(value, self._semantics)
            if key is not None and node.operator is Operator.EQ and exact:
                assert isinstance(value, (str, int))
                return {key[1]: value}
        return {}

    def _members(self, path: Path, kind: Operator) -> Callable[[Any], Members] | None:
        """Return the function that prepares the array at a path, or None if too few comparisons use it."""
        if kind is not Operator.HAS or self._asked[path.steps] < _MANY:
            return None
        # Shared by all comparisons with this path: the array of each worker is prepared once for all of them.
        found = self._prepared.get(path.steps)
        if found is None:
            found = self._prepared[path.steps] = remembering(self._reader(path).read, self._semantics)
        return found

    def _read(self, operand: Operand) -> Read:
        if isinstance(operand, Path):
            return self._reader(operand).read
        value = _constant(operand)
        return lambda scope: value

    def _reader(self, path: Path) -> Reader:
        # Nodes compare by meaning: a path that occurs twice has one reader.
        reader = self.readers.get(path)
        if reader is None:
            reader = self.readers[path] = reader_for(path, self._context)
        return reader


def _constant(operand: Literal | ArrayLiteral) -> Any:
    return operand.value if isinstance(operand, Literal) else operand.values


def _all_of(tests: tuple[Test, ...]) -> Test:
    # Two and three operands are nearly all; unrolled, they need no loop and no call of all().
    if len(tests) == 2:
        first, second = tests
        return lambda scope: first(scope) and second(scope)
    if len(tests) == 3:
        one, two, three = tests
        return lambda scope: one(scope) and two(scope) and three(scope)

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
