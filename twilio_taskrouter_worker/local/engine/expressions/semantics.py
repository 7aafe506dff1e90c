"""The meaning of expressions where the service's documentation leaves it open, in one place.

The choices that a user may want the other way are switches of ``Semantics``. The rest are constants here.

How values compare, with the default switches:

- Booleans, numbers, strings and NULL are four types; ``true`` is not ``1``. Values of two types are unequal, except
  that a number and a numeric string compare as numbers. Two strings always compare as text, so ``"10" < "9"``.
- A missing value and a JSON ``null`` are both NULL, and NULL equals only NULL.
- An object is a value of a type of its own that equals nothing and has no text, so ``address != null`` is true
  if there is one.
- An array on either side of a scalar operator makes it false, ``!=`` included.
- As text (CONTAINS), a number is written the shortest way that keeps its value (``5`` for 5.0), a boolean as ``true``
  or ``false``.
- ``>-`` and ``<-`` are read greedily: ``skill>-1`` is ``skill HAS 1``; write ``skill > -1`` to compare with minus one.
- An attribute that is missing or null gives way to the worker field, or worker channel value, of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

MAX_DEPTH = 64
"""Levels of parentheses; deeper is a syntax error, long before Python's own stack would end."""

MAX_TERMS = 2000
"""Comparisons in one expression. With :data:`MAX_STEPS` it bounds what testing one worker can cost."""

MAX_STEPS = 64
"""Parts of one key."""

MAX_NUMBER_LENGTH = 64
"""Characters of a number, in an expression or as a numeric string in a document; longer strings are just text."""

IDENTIFIER = r"[A-Za-z_$][A-Za-z0-9_$]*"
"""Names are ASCII, so that nothing parses here that might not parse live."""

DIGIT_PART = r"(?<=\.)[0-9][A-Za-z0-9_$]*"
"""A part of a key, after a dot, that begins with a digit."""

NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
"""No exponent, no leading plus, no bare decimal point."""

BOOLEANS = {"true": True, "false": False}
"""Lower case only."""

ESCAPABLE = "\\\"'"
"""A backslash before one of these stands for the character; before anything else it stands for itself."""

WORKER_FIELDS = ("sid", "friendly_name", "activity_sid", "activity_name")
"""The worker's own fields that expressions can read beside its attributes."""

ACTIVITY_FIELDS = ("activity_sid", "activity_name")

CHANNEL_FIELDS = ("configured_capacity", "assigned_tasks", "available_capacity_percentage")
"""What ``worker.channel.<unique name>.<field>`` can read."""

ACTIVITY_SID_PREFIX = "WA"
"""In a skip_if, ``workers.<name>`` with such a name counts the workers in that activity."""

Number = int | float

_is_numeric = re.compile(NUMBER).fullmatch


def is_array(value: Any) -> bool:
    """Return whether a value of a document is an array.

    Args:
        value: Any value; tuples count as arrays.
    """
    return isinstance(value, (list, tuple))


def is_object(value: Any) -> bool:
    """Return whether a value of a document is an object.

    Args:
        value: Any value; every mapping counts as an object.
    """
    return isinstance(value, Mapping)


def is_number(value: Any) -> bool:
    """Return whether a value of a document is a number; a boolean is not.

    Args:
        value: Any value.
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def parse_number(text: str) -> Number | None:
    """Return the number that a text spells, or None if it is not a number or is too long.

    Args:
        text: As in an expression or a document.
    """
    # The length first: converting a long integer takes quadratic time.
    if len(text) > MAX_NUMBER_LENGTH or _is_numeric(text) is None:
        return None
    # An integer stays exact: as a float, long numbers that differ could compare as equal.
    return float(text) if "." in text else int(text)


def number_text(value: Number) -> str | None:
    """Return a number as CONTAINS reads it, or None for an integer too long for Python to write.

    Args:
        value: A float without a fraction is written as an integer.
    """
    # CPython refuses to write integers of more than 4,300 digits (sys.set_int_max_str_digits), which documents may
    # hold.
    try:
        text = repr(value)
    except ValueError:
        return None
    return text[:-2] if text.endswith(".0") else text


@attrs.frozen(kw_only=True)
class Semantics:
    """The switches of the expression language; the defaults imitate the service as far as it is known."""

    and_binds_tighter: bool = True
    """``a OR b AND c`` is ``a OR (b AND c)``, as in SQL. False: both bind alike, from the left."""
    numeric_strings: bool = True
    """A number and a numeric string compare as numbers. False: they are of different types."""
    ordered_strings: bool = True
    """``<`` and its kin order two strings by code point. False: they are never true for strings."""
    case_sensitive: bool = True
    """String values compare exactly. False: without regard to case. Names are always case-sensitive."""
    null_is_not_in: bool = True
    """``NULL NOT IN [...]`` is true where no element is null. False: it is never true."""
    word_operators_any_case: bool = True
    """``and``, ``has`` ... are operators as well as ``AND``, ``HAS``. False: capitals only."""
    null_any_case: bool = True
    """``NULL`` and ``Null`` are the constant as well as ``null``. False: lower case only."""
    strict_expressions: bool = False
    """Refuse what TaskRouter saves and runs although it is not in its grammar: a character that belongs to nothing, a
    blank inside an operator, a rest after a whole expression, a target's key without prefix. False: that is ignored,
    with a warning in the log and in ``explain``."""

    def equal(self, left: Any, right: Any) -> bool:
        """Return whether two scalars are equal; arrays and objects equal nothing.

        Args:
            left: Any value of a document.
            right: Any value of a document.
        """
        # Strings first: they are the most common operands.
        if isinstance(left, str):
            if isinstance(right, str):
                return left == right if self.case_sensitive else left.casefold() == right.casefold()
            return self._equals_number(left, right)
        if isinstance(right, str):
            return self._equals_number(right, left)
        # Before numbers, since Python counts booleans among them.
        if isinstance(left, bool) or isinstance(right, bool):
            return isinstance(left, bool) and isinstance(right, bool) and left == right
        if is_number(left) and is_number(right):
            return bool(left == right)
        return left is None and right is None

    def unequal(self, left: Any, right: Any) -> bool:
        """The ``!=`` operator: not equal, and no array on either side.

        Args:
            left: Any value.
            right: Any value.
        """
        # An array makes every scalar operator false, this one included.
        return not (is_array(left) or is_array(right) or self.equal(left, right))

    def order(self, left: Any, right: Any) -> tuple[Any, Any] | None:
        """Return the pair of values to compare by ``<`` and the other order operators, or None if these two have no
        order.

        Args:
            left: Any value.
            right: Any value.
        """
        if isinstance(left, str) and isinstance(right, str):
            if not self.ordered_strings:
                return None
            return (left, right) if self.case_sensitive else (left.casefold(), right.casefold())
        # A number and a numeric string are compared as numbers; anything else has no order.
        first, second = self.number(left), self.number(right)
        return None if first is None or second is None else (first, second)

    def contains(self, left: Any, right: Any) -> bool:
        """The ``CONTAINS`` operator: the right value's text is part of the left value's text.

        Args:
            left: Any value; NULL, arrays and objects contain nothing.
            right: Any value; NULL, arrays and objects are contained in nothing.
        """
        whole, part = self.text(left), self.text(right)
        return whole is not None and part is not None and part in whole

    def has(self, left: Any, right: Any) -> bool:
        """The ``HAS`` operator: the left array has an element that equals the right value.

        Args:
            left: Any value; only an array has elements.
            right: Any value.
        """
        return is_array(left) and any(self.equal(element, right) for element in left)

    def is_in(self, left: Any, right: Any) -> bool:
        """The ``IN`` operator: the right array has an element that equals the left value.

        Args:
            left: Any value.
            right: Any value; only an array has elements.
        """
        return self.has(right, left)

    def not_in(self, left: Any, right: Any) -> bool:
        """The ``NOT IN`` operator: the right side is an array without an element that equals the left value.

        Args:
            left: Any value; for NULL, ``null_is_not_in`` decides.
            right: Any value; for anything but an array the result is False.
        """
        if left is None and not self.null_is_not_in:
            return False
        # An array on the left equals no element, so it is not in any.
        return is_array(right) and not self.has(right, left)

    def number(self, value: Any) -> Number | None:
        """Return a value as a number, or None if it is not one.

        Args:
            value: A number, or a numeric string if ``numeric_strings`` is on.
        """
        if is_number(value):
            number: Number = value
            return number
        # Attributes entered by hand often have numbers as text.
        if self.numeric_strings and isinstance(value, str):
            return parse_number(value)
        return None

    def text(self, value: Any) -> str | None:
        """Return a scalar as text, or None for NULL, arrays and objects.

        Args:
            value: Any value; folded to one case unless ``case_sensitive`` is on.
        """
        if isinstance(value, str):
            return value if self.case_sensitive else value.casefold()
        if isinstance(value, bool):
            return "true" if value else "false"
        return number_text(value) if is_number(value) else None

    def _equals_number(self, text: str, other: Any) -> bool:
        # Text equals a number by value, but neither a boolean nor NULL.
        if not is_number(other):
            return False
        number = self.number(text)
        return number is not None and number == other


DEFAULT_SEMANTICS = Semantics()
"""The switches as documented."""
