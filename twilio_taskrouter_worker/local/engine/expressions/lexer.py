"""Splits the text of an expression into tokens, in one pass.

The lexer never fails: it marks unknown characters, and the parser decides whether to ignore or refuse them.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from .errors import END_OF_INPUT
from .semantics import BOOLEANS, DIGIT_PART, ESCAPABLE, IDENTIFIER, NUMBER, Semantics


class TokenKind(enum.Enum):
    """The kinds of token."""

    STRING = enum.auto()
    NUMBER = enum.auto()
    BOOLEAN = enum.auto()
    NULL = enum.auto()
    IDENTIFIER = enum.auto()
    WORD = enum.auto()
    """A word operator, in capitals: AND, OR, NOT, IN, HAS or CONTAINS."""
    SYMBOL = enum.auto()
    """A symbol operator, a parenthesis, a bracket, a comma or a dot."""
    UNKNOWN = enum.auto()
    """A character that no rule matches, or a string that is not closed."""
    END = enum.auto()


class Token(NamedTuple):
    """One token: its kind, its text as written (word operators in capitals), and its place."""

    kind: TokenKind
    text: str
    start: int
    end: int


WORD_OPERATORS = frozenset({"AND", "OR", "NOT", "IN", "HAS", "CONTAINS"})

# The order of the alternatives matters: names before numbers, so that a part of a key after a dot may begin with a
# digit; two-character symbols before one-character ones.
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<word>{IDENTIFIER}|{DIGIT_PART})
    | (?P<number>{NUMBER})
    | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')
    | (?P<symbol>==|!=|>=|<=|>-|<-|[=<>!()\[\],.])
    | (?P<unclosed>["'].*)
    | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# Words are missing: they become operators, constants or names (see _word).
_KINDS = {
    "number": TokenKind.NUMBER,
    "string": TokenKind.STRING,
    "symbol": TokenKind.SYMBOL,
    "unclosed": TokenKind.UNKNOWN,
    "unknown": TokenKind.UNKNOWN,
}
_ESCAPE = re.compile(rf"\\([{re.escape(ESCAPABLE)}])")


def tokenize(text: str, semantics: Semantics) -> list[Token]:
    """Return the tokens of a text, with an END token last.

    Args:
        text: Any text.
        semantics: Decides which spellings of operators and null are recognized.
    """
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        group = match.lastgroup
        if group == "space":
            continue
        start, end = match.span()
        if group == "word":
            tokens.append(_word(match.group(), start, end, semantics))
        else:
            tokens.append(Token(_KINDS[str(group)], match.group(), start, end))
    # The parser can look at the next token without checking for the end.
    tokens.append(Token(TokenKind.END, END_OF_INPUT, len(text), len(text)))
    return tokens


def unquote(text: str) -> str:
    """Return the value of a string token.

    Args:
        text: The token with its quotes.
    """
    # Most strings have no escape and need no substitution.
    return _ESCAPE.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]


def quote(value: str) -> str:
    """Return a string as an expression spells it, the inverse of ``unquote``.

    Args:
        value: The string; the result is in double quotes.
    """
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _word(text: str, start: int, end: int, semantics: Semantics) -> Token:
    # Only operators and null have a switch for their case; true and false do not.
    operator = text.upper() if semantics.word_operators_any_case else text
    if operator in WORD_OPERATORS:
        return Token(TokenKind.WORD, operator, start, end)
    if text in BOOLEANS:
        return Token(TokenKind.BOOLEAN, text, start, end)
    if (text.lower() if semantics.null_any_case else text) == "null":
        return Token(TokenKind.NULL, text, start, end)
    return Token(TokenKind.IDENTIFIER, text, start, end)
