"""A recursive-descent parser for expressions; ``order_by`` and keys use its parts.

The rules of the grammar are methods of the same name:

    expression = and_part (OR and_part)*
    and_part   = term (AND term)*
    term       = comparison | "(" expression ")"
    comparison = operand operator operand
    operand    = literal | array | path

Only parentheses recurse, to a limit. TaskRouter saves and runs texts that are not in its grammar, so the parser ignores
the same parts and records a warning for each.
"""

from __future__ import annotations

from typing import NoReturn

from .errors import ExpressionSyntaxError, ExpressionWarning, Position, shortened
from .lexer import Token, TokenKind, tokenize, unquote
from .nodes import And, ArrayLiteral, Comparison, Literal, Node, Operand, Operator, Or, Path, Scalar
from .semantics import BOOLEANS, MAX_DEPTH, MAX_NUMBER_LENGTH, MAX_STEPS, MAX_TERMS, Semantics, parse_number

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
# Symbols to which a "=" behind a blank is joined.
_FIRST_HALVES = ("=", "!", ">", "<")
_MOST_WARNINGS = 20
_UNKNOWN_HINTS = {
    '"': "the string is not closed",
    "'": "the string is not closed",
    "&": "write AND",
    "|": "write OR",
}


def parse(text: str, semantics: Semantics) -> Node:
    """Return the syntax tree of an expression.

    Args:
        text: The expression.
        semantics: The switches; precedence and spellings depend on them.

    Raises:
        ExpressionSyntaxError: The text does not parse.
    """
    return Parser(text, semantics).whole()


def _is_dropped(token: Token, following: Token) -> bool:
    if token.kind is TokenKind.UNKNOWN:
        # A quote begins a string that is not closed: that is an error, not a stray character.
        return len(token.text) == 1 and token.text not in "\"'"
    # "! =" is joined to "!=" later; any other "!" has no meaning.
    return token.text == "!" and following.text != "="


def _is_rest_of_key(before: Token, token: Token) -> bool:
    """Return whether a name continues the digits before it; a name that looks like an exponent does not."""
    return (
        before.kind is TokenKind.NUMBER
        and token.kind is TokenKind.IDENTIFIER
        and before.end == token.start
        and before.text.isdigit()
        # "1e5" is a number in an unsupported spelling, not a key.
        and not (token.text[0] in "eE" and token.text[1:].isdigit())
    )


class Parser:
    """The tokens of one text, and the position up to which they are consumed."""

    def __init__(self, text: str, semantics: Semantics) -> None:
        self._text = text
        self._semantics = semantics
        self.warnings: list[ExpressionWarning] = []
        """The parts of the text that were ignored so far."""
        # End of the last dropped character, to warn once for several in a row.
        self._dropped_to = -1
        self._tokens = self._significant(tokenize(text, semantics))
        self._index = 0
        # Counters against the limits on nesting, changes between AND and OR, and comparisons.
        self._depth = 0
        self._changes = 0
        self._terms = 0

    def _significant(self, tokens: list[Token]) -> list[Token]:
        """Return the tokens without stray characters, which TaskRouter's lexer drops as well.

        Operators that a blank splits are joined, and so are keys whose first part begins with a digit.
        """
        kept: list[Token] = []
        # The END token counts as its own follower, so that every token has one.
        for token, following in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
            before = kept[-1] if kept else Token(TokenKind.END, "", 0, 0)
            if _is_dropped(token, following):
                self._drop(token)
            elif token.text == "=" and before.kind is TokenKind.SYMBOL and before.text in _FIRST_HALVES:
                # "> =" is read as ">=", with a warning.
                kept[-1] = Token(TokenKind.SYMBOL, f"{before.text}=", before.start, token.end)
                written = self._text[before.start : token.end]
                self._warn(before.start, written, f"'{kept[-1].text}'", f"'{{}}' was read as {kept[-1].text}")
            elif _is_rest_of_key(before, token):
                # "24h_service": the lexer sees a number and a name.
                kept[-1] = Token(TokenKind.IDENTIFIER, before.text + token.text, before.start, token.end)
            else:
                kept.append(token)
        return kept

    def _drop(self, token: Token) -> None:
        """Record a warning about a dropped character, once for several in a row."""
        if token.start != self._dropped_to:
            hint = _UNKNOWN_HINTS.get(token.text)
            self._warn(
                token.start,
                token.text,
                "a value, a key or an operator",
                f"'{{}}' was ignored{f'; {hint}' if hint else ''}",
            )
        self._dropped_to = token.end

    def _warn(self, offset: int, found: str, expected: str, message: str) -> None:
        # A text of nothing but stray characters must not fill the log.
        if len(self.warnings) < _MOST_WARNINGS:
            position = Position.at(self._text, offset)
            self.warnings.append(ExpressionWarning(position, found, expected, message.format(shortened(found))))

    @property
    def current(self) -> Token:
        """The token to consume next."""
        return self._tokens[self._index]

    def advance(self) -> Token:
        """Consume and return a token; the caller has checked that it is not the END token."""
        token = self._tokens[self._index]
        self._index += 1
        return token

    def at_symbol(self, text: str) -> bool:
        """Return whether the next token is a given symbol.

        Args:
            text: The symbol.
        """
        return self.current.kind is TokenKind.SYMBOL and self.current.text == text

    def end(self, expected: str) -> None:
        """Check that the whole text is consumed.

        Args:
            expected: The valid alternatives, for the message.

        Raises:
            ExpressionSyntaxError: A token is left.
        """
        if self.current.kind is not TokenKind.END:
            self.refuse(expected)

    def check(self) -> None:
        """Check that nothing was ignored, if the semantics ask for strict expressions.

        Raises:
            ExpressionSyntaxError: From the first warning.
        """
        if self.warnings and self._semantics.strict_expressions:
            raise self.warnings[0].as_error(self._text)

    def whole(self) -> Node:
        """Parse an expression; text after a complete one is ignored, with a warning.

        Raises:
            ExpressionSyntaxError: The text does not parse.
        """
        node = self.expression()
        token = self.current
        # TaskRouter's parser stops after the longest expression, and so does this one.
        if token.kind is not TokenKind.END:
            rest = self._text[token.start :].rstrip()
            message = "the rest from '{}' on was ignored"
            self._warn(token.start, rest, "AND, OR or the end of the expression", message)
        return node

    def refuse(self, expected: str, hint: str | None = None, token: Token | None = None) -> NoReturn:
        """Raise the syntax error about a token.

        Args:
            expected: The valid alternatives, for the message.
            hint: A further sentence for the message; None: one that the token suggests, if any.
            token: The offending token; None: the next one.

        Raises:
            ExpressionSyntaxError: always.
        """
        token = token or self.current
        # As written: the text of a word operator is in capitals, and joined tokens have lost their blank.
        found = token.text if token.kind is TokenKind.END else self._text[token.start : token.end]
        raise ExpressionSyntaxError(self._text, token.start, found, expected, hint or self._hint(token))

    def expression(self) -> Node:
        """Parse an expression, up to a token that cannot continue it.

        Raises:
            ExpressionSyntaxError: The text does not parse.
        """
        # Precedence is a switch, because the documentation does not state it.
        if not self._semantics.and_binds_tighter:
            return self._from_the_left()
        start = self.current.start
        parts = [self.and_part()]
        while self._take_word("OR"):
            parts.append(self.and_part())
        # A chain becomes one node, so that long expressions do not nest.
        return parts[0] if len(parts) == 1 else Or(tuple(parts), (start, self._consumed))

    def and_part(self) -> Node:
        """Parse terms joined by AND.

        Raises:
            ExpressionSyntaxError: The text does not parse.
        """
        start = self.current.start
        parts = [self.term()]
        while self._take_word("AND"):
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else And(tuple(parts), (start, self._consumed))

    def term(self) -> Node:
        """Parse a comparison or an expression in parentheses.

        Raises:
            ExpressionSyntaxError: The text does not parse, or is nested too deeply.
        """
        if not self.at_symbol("("):
            return self.comparison()
        self._depth += 1
        # Checked before the recursion, so that no text can exhaust Python's stack.
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
        """Parse an operand, an operator and an operand.

        Raises:
            ExpressionSyntaxError: The text does not parse, or has too many comparisons.
        """
        self._terms += 1
        # Bounds the time that testing one worker can take.
        if self._terms > MAX_TERMS:
            self.refuse(f"at most {MAX_TERMS} comparisons")
        left = self.operand("a value, a key or '('")
        operator = self.operator()
        right = self.operand("a value or a key")
        return Comparison(left, operator, right, (left.span[0], right.span[1]))

    def operator(self) -> Operator:
        """Parse a comparison operator.

        Raises:
            ExpressionSyntaxError: The next token is not an operator.
        """
        token = self.current
        if token.kind is TokenKind.WORD and token.text == "NOT":
            self.advance()
            # NOT is only valid as a part of NOT IN.
            if self.current.kind is not TokenKind.WORD or self.current.text != "IN":
                self.refuse("IN")
            self.advance()
            return Operator.NOT_IN
        operator = None
        if token.kind is TokenKind.SYMBOL:
            operator = _SYMBOL_OPERATORS.get(token.text)
        elif token.kind is TokenKind.WORD:
            operator = _WORD_OPERATORS.get(token.text)
        # The word is that of the service's own message.
        if operator is None:
            self.refuse("OPERATOR")
        self.advance()
        return operator

    def operand(self, expected: str) -> Operand:
        """Parse a literal, an array or a path.

        Args:
            expected: The valid alternatives, for the message.

        Raises:
            ExpressionSyntaxError: The next token begins no operand.
        """
        token = self.current
        if token.kind in _LITERALS:
            self.advance()
            return Literal(self._scalar(token), (token.start, token.end))
        if token.kind is TokenKind.IDENTIFIER:
            return self.path(expected)
        if self.at_symbol("["):
            return self._array()
        # An operator word in place of a key is the most likely mistake.
        self.refuse(expected, self._name_hint())

    def path(self, expected: str) -> Path:
        """Parse a path: names after dots, indices in brackets.

        Args:
            expected: The valid alternatives, for the message.

        Raises:
            ExpressionSyntaxError: The next token is not a name, or the path is malformed or too long.
        """
        if self.current.kind is not TokenKind.IDENTIFIER:
            self.refuse(expected, self._name_hint())
        first = last = self.advance()
        steps: list[str | int] = [first.text]
        while True:
            # A dot or bracket can only continue the path: no operator begins with one.
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
            # Bounds the cost of reading one value.
            if len(steps) > MAX_STEPS:
                self.refuse(f"a key of at most {MAX_STEPS} parts", token=first)

    def _index_step(self) -> int:
        token = self.current
        # Digits only: neither a sign nor a fraction is an index.
        # The length is limited as for every number: int() of a very long text takes quadratic time.
        if token.kind is not TokenKind.NUMBER or not token.text.isdigit() or len(token.text) > MAX_NUMBER_LENGTH:
            self.refuse("an array index, counted from 0")
        return int(self.advance().text)

    def _array(self) -> ArrayLiteral:
        start = self.advance().start
        values: list[Scalar] = []
        # An empty array is valid; a comma before the closing bracket is not.
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
        # The token has the form of a number, so None means that it is too long.
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
        """Parse terms joined by AND and OR without precedence; each change between the two nests one level deeper."""
        start = self.current.start
        node = self.term()
        while self.current.kind is TokenKind.WORD and self.current.text in ("AND", "OR"):
            self._changes += 1
            # The tree is as deep as the number of changes, and later steps recurse over it.
            if self._changes > MAX_DEPTH:
                self.refuse(f"at most {MAX_DEPTH} changes between AND and OR")
            # Terms joined by the same word stay in one node.
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
        # The hyphen itself was dropped or read as a sign; only the text shows it.
        before = self._tokens[self._index - 1] if self._index else token
        between = self._text[before.end : token.end] if before.kind is TokenKind.IDENTIFIER else ""
        return "a key cannot contain a hyphen" if between.startswith("-") else None

    def _name_hint(self) -> str | None:
        token = self.current
        return f"{token.text} is an operator and cannot be a key" if token.kind is TokenKind.WORD else None
