"""``order_by`` of a workflow target, and the paths of its known-worker keys."""

from __future__ import annotations

from typing import Any

import attrs

from .lexer import TokenKind
from .nodes import Path
from .parser import Parser
from .paths import Inputs, Read, UnknownPathError, inputs_of, order_reader, reader_for
from .scopes import ExpressionContext, WorkerScope
from .semantics import DEFAULT_SEMANTICS, Semantics

_DIRECTIONS = {"ASC": 1, "DESC": -1}
_LACKS = (1, 0)  # sorts after every (0, value), whatever the direction


@attrs.frozen(eq=False)
class Ordering:
    """A compiled ``order_by``: ``sorted(workers, key=lambda worker: ordering.key(worker.scope))``.

    Immutable; may be shared between threads.
    """

    text: str
    """The ``order_by`` as given."""
    inputs: Inputs = attrs.field(repr=False)
    """The inputs that it reads."""
    _clauses: tuple[tuple[Read, int], ...] = attrs.field(repr=False)

    @property
    def names(self) -> frozenset[str]:
        """Every input it reads: ``worker.level``, ``worker.channel.voice.assigned_tasks``."""
        return self.inputs.names

    @property
    def uses_channels(self) -> bool:
        """Whether it reads a value of a worker channel."""
        return self.inputs.uses_channels

    def key(self, scope: WorkerScope) -> tuple[tuple[int, int], ...]:
        """Return a worker's sort key: the smaller comes first, equal keys are a tie. Never raises on any data.

        Per clause a worker with an integer at the path comes before one without, in both directions. Anything but an
        integer (a decimal such as 5.0, a numeric string, a boolean) counts as missing, so a clause over an attribute
        that is an integer for no worker decides nothing.

        Args:
            scope: The worker.
        """
        return tuple(_clause_key(read(scope), direction) for read, direction in self._clauses)


@attrs.frozen(eq=False)
class Key:
    """A compiled ``known_worker_sid`` or ``known_worker_friendly_name``: a path into the task's attributes."""

    text: str
    """The path as given."""
    inputs: Inputs = attrs.field(repr=False)
    """The inputs that it reads."""
    value: Read = attrs.field(repr=False)
    """``value(task_scope)`` returns the value in the task's attributes, None if it is missing; never raises."""


def compile_order_by(text: str, semantics: Semantics = DEFAULT_SEMANTICS) -> Ordering:
    """Parse and compile an ``order_by``: ``worker.<path> ASC|DESC``, several separated by commas; ASC may be left out.

    Args:
        text: The ``order_by`` as given.
        semantics: The switches of the expression language.

    Raises:
        ExpressionSyntaxError: The text is empty or does not parse, or a path does not start with ``worker.``.
        TypeError: The text is not a string.
    """
    parser = _parser(text, semantics)
    clauses = [_clause(parser)]
    while parser.at_symbol(","):
        parser.advance()
        clauses.append(_clause(parser))
    parser.end("ASC, DESC, ',' or the end of the order")
    # At the end: what was ignored is known when the whole text has been read.
    parser.check()
    try:
        readers = [order_reader(path) for path, _ in clauses]
    except UnknownPathError as unknown:
        raise unknown.in_text(text) from None
    directions = (direction for _, direction in clauses)
    reads = (reader.read for reader in readers)
    return Ordering(text, inputs_of(readers), tuple(zip(reads, directions, strict=True)))


def compile_key(text: str, semantics: Semantics = DEFAULT_SEMANTICS) -> Key:
    """Parse and compile a known-worker key such as ``task.agent_sid``; the prefix ``task.`` may be left out.

    Args:
        text: The path as given.
        semantics: The switches of the expression language.

    Raises:
        ExpressionSyntaxError: The text is empty or is not a single path.
        TypeError: The text is not a string.
    """
    parser = _parser(text, semantics)
    path = parser.path("a key")
    parser.end("the end of the key")
    parser.check()
    reader = reader_for(path, ExpressionContext.TASK)
    return Key(text, inputs_of([reader]), reader.read)


def _parser(text: str, semantics: Semantics) -> Parser:
    if not isinstance(text, str):
        raise TypeError(f"an order or a key is a str, not {type(text).__name__}")
    return Parser(text, semantics)


def _clause(parser: Parser) -> tuple[Path, int]:
    path = parser.path("a key that starts with worker.")
    token = parser.current
    # ASC and DESC are not reserved: they are ordinary names that follow a path.
    direction = _DIRECTIONS.get(token.text.upper()) if token.kind is TokenKind.IDENTIFIER else None
    if direction is None:
        return path, 1
    parser.advance()
    return path, direction


def _clause_key(value: Any, direction: int) -> tuple[int, int]:
    # The service orders by integers only; a boolean is an int to Python.
    if not isinstance(value, int) or isinstance(value, bool):
        return _LACKS
    # Negated for DESC, so that one ascending sort serves clauses of both directions.
    return 0, direction * value
