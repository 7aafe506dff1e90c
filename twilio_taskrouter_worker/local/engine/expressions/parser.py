"""A recursive-descent parser for expressions; ``order_by`` and keys use its parts.

The rules of the grammar are methods of the same name. Only parentheses recurse, to a limit.
"""

from __future__ import annotations

from typing import NoReturn

from .errors import ExpressionSyntaxError
from .lexer import Token, TokenKind, tokenize, unquote
from .nodes import And, ArrayLiteral, Comparison, Literal, Node, Operand, Operator, Or, Path, Scalar
from .semantics import BOOLEANS, MAX_DEPTH, MAX_NUMBER_LENGTH, Semantics, parse_number

_SYMBOL_OPERATORS = {
    "==": Operator.EQ,
    "=": Operator.EQ,
    "!=": Operator.NE,
    ">": Operator.GT,
    ">=": Operator.GE,
    "<": Operator.LT,
    "<=": Operator.LE,
    ">-": Operator.HAS,
    "<-": Operator.IN,
}
_WORD_OPERATORS = {"CONTAINS": Operator.CONTAINS, "HAS": Operator.HAS, "IN": Operator.IN}
_LITERALS = (TokenKind.STRING, TokenKind.NUMBER, TokenKind.BOOLEAN, TokenKind.NULL)
_UNKNOWN_HINTS = {
    '"': "the string is not closed",
    "'": "the string is not closed",
    "&": "write AND",
    "|": "write OR",
}


def parse(text: str, semantics: Semantics) -> Node:
    """Return the syntax tree of an expression; raises ExpressionSyntaxError."""
    parser = Parser(text, semantics)
    node = parser.expression()
    parser.end("AND, OR or the end of the expression")
    return node


class Parser:
    """The tokens of one text and how far they are consumed."""

    def __init__(self, text: str, semantics: Semantics) -> None:
        self._text = text
        self._semantics = semantics
        self._tokens = tokenize(text, semantics)
        self._index = 0
        self._depth = 0
        self._changes = 0

    @property
    def current(self) -> Token:
        """The token to consume next."""
        return self._tokens[self._index]

    def advance(self) -> Token:
        """Consume a token; the caller has seen that it is not the END token."""
        token = self._tokens[self._index]
        self._index += 1
        return token

    def at_symbol(self, text: str) -> bool:
        """Tell whether the next token is this symbol."""
        return self.current.kind is TokenKind.SYMBOL and self.current.text == text

    def end(self, expected: str) -> None:
        """Refuse whatever is left of the text."""
        if self.current.kind is not TokenKind.END:
            self.refuse(expected)

    def refuse(self, expected: str, hint: str | None = None, token: Token | None = None) -> NoReturn:
        """Raise the syntax error about a token, by default the next one."""
        token = token or self.current
        found = token.text if token.kind is TokenKind.END else self._text[token.start : token.end]
        raise ExpressionSyntaxError(self._text, token.start, found, expected, hint or self._hint(token))

    def expression(self) -> Node:
        """Parse an expression up to a token that cannot continue it."""
        if not self._semantics.and_binds_tighter:
            return self._from_the_left()
        start = self.current.start
        parts = [self.and_part()]
        while self._take_word("OR"):
            parts.append(self.and_part())
        return parts[0] if len(parts) == 1 else Or(tuple(parts), (start, self._consumed))

    def and_part(self) -> Node:
        """Parse terms joined by AND."""
        start = self.current.start
        parts = [self.term()]
        while self._take_word("AND"):
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else And(tuple(parts), (start, self._consumed))

    def term(self) -> Node:
        """Parse a comparison or an expression in parentheses."""
        if not self.at_symbol("("):
            return self.comparison()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.refuse(f"at most {MAX_DEPTH} nested parentheses")
        self.advance()
        node = self.expression()
        if not self.at_symbol(")"):
            self.refuse("AND, OR or ')'")
        self.advance()
        self._depth -= 1
        return node

    def comparison(self) -> Comparison:
        """Parse an operand, an operator and an operand."""
        left = self.operand("a value, a key or '('")
        operator = self.operator()
        right = self.operand("a value or a key")
        return Comparison(left, operator, right, (left.span[0], right.span[1]))

    def operator(self) -> Operator:
        """Parse a comparison operator."""
        token = self.current
        if token.kind is TokenKind.WORD and token.text == "NOT":
            self.advance()
            if self.current.kind is not TokenKind.WORD or self.current.text != "IN":
                self.refuse("IN")
            self.advance()
            return Operator.NOT_IN
        table = {TokenKind.SYMBOL: _SYMBOL_OPERATORS, TokenKind.WORD: _WORD_OPERATORS}.get(token.kind, {})
        operator = table.get(token.text)
        if operator is None:
            self.refuse("OPERATOR")
        self.advance()
        return operator

    def operand(self, expected: str) -> Operand:
        """Parse a literal, an array or a path."""
        token = self.current
        if token.kind in _LITERALS:
            self.advance()
            return Literal(self._scalar(token), (token.start, token.end))
        if token.kind is TokenKind.IDENTIFIER:
            return self.path(expected)
        if self.at_symbol("["):
            return self._array()
        self.refuse(expected, self._name_hint())

    def path(self, expected: str) -> Path:
        """Parse a path: names after dots, indices in brackets."""
        if self.current.kind is not TokenKind.IDENTIFIER:
            self.refuse(expected, self._name_hint())
        first = last = self.advance()
        steps: list[str | int] = [first.text]
        while True:
            if self.at_symbol("."):
                self.advance()
                if self.current.kind is not TokenKind.IDENTIFIER:
                    self.refuse("a name", self._name_hint())
                last = self.advance()
                steps.append(last.text)
            elif self.at_symbol("["):
                self.advance()
                steps.append(self._index_step())
                if not self.at_symbol("]"):
                    self.refuse("']'")
                last = self.advance()
            else:
                return Path(tuple(steps), (first.start, last.end))

    def _index_step(self) -> int:
        token = self.current
        if token.kind is not TokenKind.NUMBER or not token.text.isdigit() or len(token.text) > MAX_NUMBER_LENGTH:
            self.refuse("an array index, counted from 0")
        return int(self.advance().text)

    def _array(self) -> ArrayLiteral:
        start = self.advance().start
        values: list[Scalar] = []
        while not self.at_symbol("]"):
            if values:
                if not self.at_symbol(","):
                    self.refuse("',' or ']'")
                self.advance()
            if self.current.kind not in _LITERALS:
                self.refuse("a value" if values else "a value or ']'", self._array_hint())
            values.append(self._scalar(self.advance()))
        return ArrayLiteral(tuple(values), (start, self.advance().end))

    def _array_hint(self) -> str | None:
        inner = self.at_symbol("[") or self.current.kind is TokenKind.IDENTIFIER
        return "an array holds only strings, numbers, booleans and null" if inner else None

    def _scalar(self, token: Token) -> Scalar:
        if token.kind is TokenKind.STRING:
            return unquote(token.text)
        if token.kind is TokenKind.BOOLEAN:
            return BOOLEANS[token.text]
        if token.kind is TokenKind.NULL:
            return None
        number = parse_number(token.text)
        if number is None:
            self.refuse(f"a number of at most {MAX_NUMBER_LENGTH} characters", token=token)
        return number

    def _take_word(self, word: str) -> bool:
        taken = self.current.kind is TokenKind.WORD and self.current.text == word
        self._index += taken
        return taken

    @property
    def _consumed(self) -> int:
        return self._tokens[self._index - 1].end

    def _from_the_left(self) -> Node:
        """Parse terms joined by AND and OR without precedence; each change of the word is one level deeper."""
        start = self.current.start
        node = self.term()
        while self.current.kind is TokenKind.WORD and self.current.text in ("AND", "OR"):
            self._changes += 1
            if self._changes > MAX_DEPTH:
                self.refuse(f"at most {MAX_DEPTH} changes between AND and OR")
            word, parts = self.current.text, [node]
            while self._take_word(word):
                parts.append(self.term())
            span = (start, self._consumed)
            node = And(tuple(parts), span) if word == "AND" else Or(tuple(parts), span)
        return node

    def _hint(self, token: Token) -> str | None:
        first = token.text[0]
        if token.kind is TokenKind.UNKNOWN and first in _UNKNOWN_HINTS:
            return _UNKNOWN_HINTS[first]
        before = self._tokens[self._index - 1] if self._index else token
        if first == "-" and before.kind is TokenKind.IDENTIFIER and before.end == token.start:
            return "a key cannot contain a hyphen"
        return None

    def _name_hint(self) -> str | None:
        token = self.current
        return f"{token.text} is an operator and cannot be a key" if token.kind is TokenKind.WORD else None
