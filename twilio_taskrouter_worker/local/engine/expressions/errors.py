"""Errors and warnings about expressions, with their positions."""

from __future__ import annotations

import attrs

END_OF_INPUT = "<EOF>"
"""The value of ``found`` if the text ends too early."""

_LONGEST_FOUND = 40  # characters of the offending token shown in the message


@attrs.frozen
class Position:
    """A place in an expression's text."""

    offset: int
    """Characters before this place, from 0."""
    line: int
    """Line, from 1; lines end with a line feed."""
    column: int
    """Character within the line, from 1."""

    @classmethod
    def at(cls, text: str, offset: int) -> Position:
        """Return the position of a character in a text.

        Args:
            text: The whole expression.
            offset: Characters before the position, from 0.
        """
        line_start = text.rfind("\n", 0, offset) + 1
        return cls(offset, text.count("\n", 0, offset) + 1, offset - line_start + 1)

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@attrs.frozen
class ExpressionWarning:
    """Something in an expression that is not in the grammar and was ignored, as TaskRouter does."""

    position: Position
    """Where it is."""
    found: str
    """The text found there, as written."""
    expected: str
    """The valid alternatives."""
    message: str
    """How it was treated."""

    def __str__(self) -> str:
        return f"{self.message} at {self.position}"

    def as_error(self, expression: str) -> ExpressionSyntaxError:
        """Return the error to raise instead of the warning, where strict expressions are asked for.

        Args:
            expression: The whole text.
        """
        return ExpressionSyntaxError(expression, self.position.offset, self.found, self.expected)


def shortened(found: str) -> str:
    """Return a token as a message shows it.

    Args:
        found: The token as written; a long one is cut off.
    """
    return found if len(found) <= _LONGEST_FOUND else found[: _LONGEST_FOUND - 1] + "…"


class ExpressionSyntaxError(ValueError):
    """An expression, an ``order_by`` or a key does not parse.

    The message names the token found, the valid alternatives and the place, for example
    ``extraneous input '-' expecting OPERATOR at line 1, column 6``.
    """

    expression: str
    """The whole text."""
    position: Position
    """Where the offending token starts; the end of the text when it ends too early."""
    found: str
    """The offending token as written, or ``<EOF>``."""
    expected: str
    """The valid alternatives, for example ``OPERATOR``."""
    hint: str | None
    """A further sentence that helps to repair the text; None when there is nothing to add."""

    def __init__(self, expression: str, offset: int, found: str, expected: str, hint: str | None = None) -> None:
        self.expression = expression
        self.position = Position.at(expression, offset)
        self.found = found
        self.expected = expected
        self.hint = hint
        super().__init__(expression, offset, found, expected, hint)

    def __str__(self) -> str:
        shown = shortened(self.found)
        verb = "mismatched" if self.found == END_OF_INPUT else "extraneous"
        message = f"{verb} input '{shown}' expecting {self.expected} at {self.position}"
        return f"{message}; {self.hint}" if self.hint else message
