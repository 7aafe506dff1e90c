"""The elements of an array, prepared for membership tests in constant time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .semantics import Semantics, is_array, is_number


class Members:
    """The set of values that equal an element of an array, by the rules of ``Semantics.equal``.

    A number equals a numeric string, but two strings compare as text; so numbers and strings are kept apart, and
    numeric strings are kept once more by their value.
    """

    __slots__ = ("_booleans", "_null", "_numbers", "_semantics", "_spelled", "_strings")

    def __init__(self, elements: Iterable[Any], semantics: Semantics) -> None:
        self._semantics = semantics
        self._strings: set[str] = set()
        self._numbers: set[Any] = set()
        self._spelled: set[Any] = set()
        self._booleans: set[bool] = set()
        self._null = False
        for element in elements:
            if isinstance(element, str):
                self._strings.add(element if semantics.case_sensitive else element.casefold())
                # None for every string if numeric strings are switched off.
                number = semantics.number(element)
                if number is not None:
                    self._spelled.add(number)
            elif isinstance(element, bool):
                self._booleans.add(element)
            elif is_number(element):
                self._numbers.add(element)
            # Arrays and objects are left out: they equal nothing.
            elif element is None:
                self._null = True

    def __contains__(self, value: object) -> bool:
        return asking(value, self._semantics)(self)


def asking(value: object, semantics: Semantics) -> Callable[[Members], bool]:
    """Return the test whether an array has an element that equals a value.

    Args:
        value: Examined here, once, so that the test itself only looks it up.
        semantics: As in the ``Members`` that the test is applied to.
    """
    if isinstance(value, str):
        text = value if semantics.case_sensitive else value.casefold()
        number = semantics.number(value)
        # Text that is not numeric can only equal a string.
        if number is None:
            return lambda members: text in members._strings
        return lambda members: text in members._strings or number in members._numbers
    if isinstance(value, bool):
        return lambda members: value in members._booleans
    if is_number(value):
        return lambda members: value in members._numbers or value in members._spelled
    return lambda members: value is None and members._null


def remembering(read: Callable[[Any], Any], semantics: Semantics) -> Callable[[Any], Members]:
    """Return a function that prepares the array read from a scope, and returns the same result for the same array.

    All comparisons of one expression with one path share it, so that each worker's array is prepared once.

    Args:
        read: Reads the array from a scope.
        semantics: The switches.
    """
    nothing = Members((), semantics)
    last: tuple[Any, Members] = (None, nothing)

    def members(scope: Any) -> Members:
        nonlocal last
        array = read(scope)
        known, found = last
        # By identity: documents are replaced, not changed in place, when attributes change.
        if array is not known:
            found = Members(array, semantics) if is_array(array) else nothing
            # One assignment, so that another thread sees both or neither.
            last = (array, found)
        return found

    return members
