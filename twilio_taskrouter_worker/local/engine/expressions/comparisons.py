"""Compilation of one comparison to a closure that tests it.

The general form reads both sides and applies the semantics. The common forms, a path against a literal, leave out the
steps whose result is known at compile time; each gives the same result as the general form, but faster.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .members import Members, asking
from .nodes import Operator
from .paths import Read, Reader
from .semantics import Semantics, is_array, is_number, is_object

Test = Callable[[Any], bool]
"""Takes a scope, never raises."""

_ORDERED: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def compare_values(kind: Operator, semantics: Semantics) -> Callable[[Any, Any], bool]:
    """Return the function that compares two values by an operator.

    Args:
        kind: The operator.
        semantics: The switches; bound into the function.
    """
    if kind in _ORDERED:
        ordered = _ORDERED[kind]

        def compare(left: Any, right: Any) -> bool:
            pair = semantics.order(left, right)
            return pair is not None and ordered(*pair)

        return compare
    table: dict[Operator, Callable[[Any, Any], bool]] = {
        Operator.EQ: semantics.equal,
        Operator.NE: semantics.unequal,
        Operator.CONTAINS: semantics.contains,
        Operator.HAS: semantics.has,
        Operator.IN: semantics.is_in,
        Operator.NOT_IN: semantics.not_in,
    }
    return table[kind]


def general_test(left: Read, kind: Operator, right: Read, semantics: Semantics) -> Test:
    """Return the test of a comparison of any two operands.

    Args:
        left: Reads the left value from a scope.
        kind: The operator.
        right: Reads the right value from a scope.
        semantics: The switches.
    """
    compare = compare_values(kind, semantics)
    return lambda scope: compare(left(scope), right(scope))


def constant_test(left: Any, kind: Operator, right: Any, semantics: Semantics) -> Test:
    """Return the test of a comparison of two constants, evaluated at compile time.

    Args:
        left: The left value.
        kind: The operator.
        right: The right value.
        semantics: The switches.
    """
    # ``1==1`` is the default expression of a queue.
    result = compare_values(kind, semantics)(left, right)
    return lambda scope: result


def path_test(
    reader: Reader, kind: Operator, literal: Any, semantics: Semantics, members: Callable[[Any], Members] | None = None
) -> Test:
    """Return the test of a path on the left against a literal on the right.

    Args:
        reader: Reads the path.
        kind: The operator.
        literal: The right value; an array is a tuple.
        semantics: The switches.
        members: Returns the prepared elements of the array at the path, for HAS only; None: they are not prepared.
    """
    test = None
    read = reader.read
    # Only for HAS (see Compiler._members); what is not an array has no members.
    if members is not None:
        asked = asking(literal, semantics)
        return lambda scope: asked(members(scope))
    # From the most special form to the most general; each condition excludes the cases its form gets wrong.
    if kind is Operator.EQ and reader.key is not None and (is_plain_text(literal, semantics) or is_number(literal)):
        return _key_test(*reader.key, literal, semantics)
    if is_plain_text(literal, semantics):
        test = _text_test(read, kind, literal)
    elif kind in _ORDERED and is_number(literal):
        test = _number_test(read, kind, literal, semantics)
    elif kind in (Operator.IN, Operator.NOT_IN) and is_array(literal):
        test = _membership_test(read, kind, literal, semantics)
    return test or general_test(read, kind, lambda scope: literal, semantics)


def is_plain_text(value: Any, semantics: Semantics) -> bool:
    """Return whether only the identical string equals this value.

    Args:
        value: The value of a literal.
        semantics: The switches.
    """
    return isinstance(value, str) and semantics.case_sensitive and semantics.number(value) is None


def _key_test(document_of: Read, name: str, literal: Any, semantics: Semantics) -> Test:
    """Return the test whether a single name equals a text or number, the most common one in filters."""
    if isinstance(literal, str):

        def test_text(scope: Any) -> bool:
            document = document_of(scope)
            known = type(document) is dict or is_object(document)
            return known and bool(document.get(name) == literal)

        return test_text

    def test(scope: Any) -> bool:
        document = document_of(scope)
        value = document.get(name) if type(document) is dict or is_object(document) else None
        # type() and not isinstance: True is an int to Python, but not in the language.
        return value == literal if type(value) is int else semantics.equal(value, literal)

    return test


def _text_test(read: Read, kind: Operator, literal: str) -> Test | None:
    # Arrays and objects equal no string in Python either, so their rules need no test.
    if kind is Operator.EQ:
        return lambda scope: bool(read(scope) == literal)
    if kind is Operator.HAS:

        def has(scope: Any) -> bool:
            value = read(scope)
            # Python's ``in`` is right for plain text: no number or boolean equals it.
            return literal in value if type(value) is list else is_array(value) and literal in value

        return has
    return None


def _number_test(read: Read, kind: Operator, literal: Any, semantics: Semantics) -> Test:
    ordered = _ORDERED[kind]

    def test(scope: Any) -> bool:
        value = read(scope)
        # Most attributes that are compared by order are integers; a boolean is not one here.
        if type(value) is int:
            return ordered(value, literal)
        number = semantics.number(value)
        return number is not None and ordered(number, literal)

    return test


def _membership_test(read: Read, kind: Operator, literal: tuple[Any, ...], semantics: Semantics) -> Test:
    # The array is a literal, so its elements are prepared once.
    elements = Members(literal, semantics)
    # By the type of the value, as semantics.equal compares: see Members.
    if kind is Operator.IN:
        return lambda scope: read(scope) in elements
    null_counts = semantics.null_is_not_in

    def not_in(scope: Any) -> bool:
        value = read(scope)
        return (value is not None or null_counts) and value not in elements

    return not_in
