"""The nodes of a parsed expression.

Nodes compare by meaning, not by place: spans are not part of equality or repr. ``render`` is the inverse of the parser.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from decimal import Decimal

import attrs

from .lexer import quote
from .semantics import Number

Scalar = str | Number | bool | None


class Operator(enum.Enum):
    """A comparison operator, by its canonical spelling."""

    EQ = "=="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    CONTAINS = "CONTAINS"
    HAS = "HAS"
    IN = "IN"
    NOT_IN = "NOT IN"


Span = tuple[int, int]


# Excluded from equality, so that the same path in two places has one reader.
def _span() -> Span:
    return attrs.field(default=(0, 0), eq=False, repr=False)


@attrs.frozen
class Literal:
    """A string, a number, a boolean or null."""

    value: Scalar
    span: Span = _span()


@attrs.frozen
class ArrayLiteral:
    """An array of literals."""

    values: tuple[Scalar, ...]
    span: Span = _span()


@attrs.frozen
class Path:
    """A key: names and array indices; the first step is always a name."""

    steps: tuple[str | int, ...]
    span: Span = _span()


Operand = Literal | ArrayLiteral | Path


@attrs.frozen
class Comparison:
    """Two operands and the operator between them."""

    left: Operand
    operator: Operator
    right: Operand
    span: Span = _span()


@attrs.frozen
class And:
    """Two or more parts that must all be true."""

    parts: tuple[Node, ...]
    span: Span = _span()


@attrs.frozen
class Or:
    """Two or more parts of which one must be true."""

    parts: tuple[Node, ...]
    span: Span = _span()


Node = Comparison | And | Or


def comparisons(root: Node) -> Iterator[Comparison]:
    """Iterate over the comparisons of a tree, in no particular order.

    Args:
        root: The tree; an explicit stack keeps deep trees off Python's own.
    """
    # A stack instead of recursion.
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if isinstance(node, Comparison):
            yield node
        else:
            nodes.extend(node.parts)


def render(node: Node) -> str:
    """Return a text that parses to this node, whatever the precedence of AND and OR.

    Args:
        node: A tree of any depth.
    """
    if isinstance(node, Comparison):
        return f"{render_operand(node.left)} {node.operator.value} {render_operand(node.right)}"
    word = " AND " if isinstance(node, And) else " OR "
    # Parentheses around every nested AND and OR make the text independent of precedence.
    return word.join(render(part) if isinstance(part, Comparison) else f"({render(part)})" for part in node.parts)


def render_operand(operand: Operand) -> str:
    """Return a text that parses to this operand.

    Args:
        operand: A literal, an array or a path.
    """
    if isinstance(operand, Literal):
        return render_scalar(operand.value)
    if isinstance(operand, ArrayLiteral):
        return "[" + ", ".join(map(render_scalar, operand.values)) + "]"
    return render_path(operand.steps)


def render_path(steps: tuple[str | int, ...]) -> str:
    """Return the text of a path.

    Args:
        steps: Names and array indices; the first is a name.
    """
    # The first step is always a name.
    first, *rest = steps
    return str(first) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)


def render_scalar(value: Scalar) -> str:
    """Return the text of a literal.

    Args:
        value: A float is written without an exponent, which the grammar does not have.
    """
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # repr() may use an exponent, which the grammar does not have.
    digits = format(Decimal(repr(value)), "f")
    return digits if "." in digits else f"{digits}.0"
