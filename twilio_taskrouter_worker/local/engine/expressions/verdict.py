"""Why an expression is true or false for one scope."""

from __future__ import annotations

import json
from typing import Any

import attrs

from .semantics import is_array, is_object, number_text

EMPTY = "EMPTY"
"""The operator of an empty expression, which matches nobody."""

_LONGEST_VALUE = 200  # characters of a value in readable text
_DEEPEST_VALUE = 20  # levels of arrays and objects that are shown


@attrs.frozen
class Verdict:
    """One sub-expression and its outcome; the whole expression is the root.

    Every part is evaluated, also those that the outcome did not depend on. ``str()`` and ``to_dict()`` show the
    actual values, which are the customer's data; ``repr()`` does not.
    """

    text: str
    """The sub-expression as written, without the parentheses around it."""
    result: bool
    """Whether it is true."""
    operator: str
    """``AND``, ``OR``, a comparison operator in its canonical spelling, or ``EMPTY``."""
    parts: tuple[Verdict, ...] = attrs.field(default=(), repr=False)
    """The operands of AND or OR; empty for a comparison."""
    values: tuple[tuple[str, Any], ...] = attrs.field(default=(), repr=False)
    """For a comparison: each path as written, with its actual value; None where it is missing or null."""
    span: tuple[int, int] = attrs.field(default=(0, 0), eq=False, repr=False)
    """Where it is in the text of the whole expression: the offsets of its first character and behind its last one."""

    def failing(self) -> tuple[Verdict, ...]:
        """Return the smallest parts that make this false, in the order of the text; empty when it is true.

        Of an AND these are the failing parts of its false parts; of a false OR, those of all its parts.
        """
        if self.result:
            return ()
        if not self.parts:
            return (self,)
        # A part that is true contributes nothing.
        return tuple(failing for part in self.parts for failing in part.failing())

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as data for ``json.dumps``; values that JSON does not have become text."""
        start, end = self.span
        data: dict[str, Any] = {
            "text": self.text,
            "result": self.result,
            "operator": self.operator,
            "start": start,
            "end": end,
        }
        if self.parts:
            data["parts"] = [part.to_dict() for part in self.parts]
        if self.values:
            data["values"] = {path: _plain(value) for path, value in self.values}
        return data

    def __str__(self) -> str:
        return "\n".join(self._lines(""))

    def _lines(self, indent: str) -> list[str]:
        line = f"{indent}{'true: ' if self.result else 'false:'} {self.text or '(empty: matches nobody)'}"
        if self.values:
            line += "   [" + ", ".join(f"{path} is {_shown(value)}" for path, value in self.values) + "]"
        return [line, *(below for part in self.parts for below in part._lines(indent + "  "))]


def _shown(value: Any) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _plain(value: Any, level: int = 0) -> Any:
    """Copy a document's value into what JSON can carry, cut off where it is too deep."""
    if value is None or isinstance(value, (bool, str)):
        return value
    # Documents may nest deeper than Python can recurse.
    if level >= _DEEPEST_VALUE:
        return "…"
    if is_array(value):
        return [_plain(element, level + 1) for element in value]
    if is_object(value):
        return {str(key): _plain(element, level + 1) for key, element in value.items()}
    # Too long to be written in decimal digits; see number_text.
    if isinstance(value, int) and number_text(value) is None:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, int) or (isinstance(value, float) and abs(value) < float("inf")):
        return value
    # NaN and the infinities.
    return repr(value)
