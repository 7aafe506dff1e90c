"""Expressions: compiled once, tested often, explained on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import attrs

from .compiler import Compiler, Part
from .errors import ExpressionSyntaxError, ExpressionWarning
from .moments import Changes
from .parser import Parser
from .paths import Inputs, UnknownPathError, inputs_of
from .scopes import ExpressionContext, Scope
from .semantics import DEFAULT_SEMANTICS, Semantics
from .verdict import EMPTY, Verdict

_CACHE_SIZE = 512  # expressions; a caller that holds more keeps its own
_LONGEST_CACHED = 4096  # characters; bounds the memory of the cache together with its size


@attrs.frozen(eq=False)
class Expression:
    """A compiled expression. Immutable; may be shared between threads."""

    text: str
    """The expression as given."""
    context: ExpressionContext
    """Which kind of scope ``matches`` and ``explain`` take."""
    matches: Callable[[Any], bool] = attrs.field(repr=False)
    """``matches(scope) -> bool``: whether the expression is true for a scope of its context.

    Never raises, whatever the documents hold: values of the wrong type only make comparisons false. It is the
    compiled closure itself, so that testing thousands of workers costs no further call.
    """
    inputs: Inputs = attrs.field(repr=False)
    """The inputs that it reads; the properties below are shortcuts."""
    _root: Part | None = attrs.field(repr=False)
    warnings: tuple[ExpressionWarning, ...] = attrs.field(default=(), repr=False)
    """The parts of the text that are not in the grammar and were ignored."""
    _changes: tuple[Changes, ...] = attrs.field(default=(), repr=False)

    def next_change(self, now: float) -> float | None:
        """Return the next time at which the expression may change by itself (unix seconds), or None if it never does.

        Args:
            now: Unix seconds; the result is later.
        """
        # The earliest change of any comparison: the outcome may stay the same, but not change before.
        times = [time for change in self._changes if (time := change.after(now)) is not None]
        return min(times, default=None)

    @property
    def names(self) -> frozenset[str]:
        """Every input it reads, such as ``worker.skill``, ``task.type`` or ``workers.available``."""
        return self.inputs.names

    @property
    def worker_attributes(self) -> frozenset[str]:
        """Top-level names of the worker attributes it reads."""
        return self.inputs.worker_attributes

    @property
    def task_attributes(self) -> frozenset[str]:
        """Top-level names of the task attributes it reads."""
        return self.inputs.task_attributes

    @property
    def uses_worker_fields(self) -> bool:
        """Whether it reads ``sid``, ``friendly_name``, ``activity_sid`` or ``activity_name`` of the worker."""
        return self.inputs.uses_worker_fields

    @property
    def uses_activity(self) -> bool:
        """Whether it reads ``activity_sid`` or ``activity_name`` of the worker."""
        return self.inputs.uses_activity

    @property
    def uses_channels(self) -> bool:
        """Whether it reads a value of a worker channel."""
        return self.inputs.uses_channels

    @property
    def required(self) -> Mapping[str, str | int]:
        """The task attributes that must have a certain value for a filter's expression to be true, with that value.

        An integer may be met by other values that equal it, a string only by itself. There may be other conditions.
        """
        return {} if self._root is None else self._root.required

    @property
    def constant(self) -> bool | None:
        """The answer for every scope when it reads nothing (``1==1``, or an empty one), else None."""
        return None if self.inputs.names else self.matches(None)

    def explain(self, scope: Scope) -> Verdict:
        """Return why the expression is true or false for a scope.

        Slower than ``matches``: every part is evaluated. Never raises, whatever the documents hold.

        Args:
            scope: A scope of the expression's context.
        """
        if self._root is None:
            return Verdict("", False, EMPTY)
        return self._verdict(self._root, scope)

    def _verdict(self, part: Part, scope: Scope) -> Verdict:
        start, end = part.span
        values = tuple((self.text[begin:stop], read(scope)) for (begin, stop), read in part.reads)
        # Every part is evaluated, so that a report shows all reasons and not only the first.
        parts = tuple(self._verdict(child, scope) for child in part.parts)
        return Verdict(self.text[start:end], part.test(scope), part.operator, parts, values, part.span)


def compile_expression(
    text: str,
    context: ExpressionContext,
    semantics: Semantics = DEFAULT_SEMANTICS,
    *,
    longest: int | None = None,
) -> Expression:
    """Parse and compile an expression; the most recent short ones are kept, so asking again is cheap.

    Args:
        text: The expression. Empty or white space only: in the WORKER context an expression that matches nobody
            (a queue with empty TargetWorkers), elsewhere a syntax error.
        context: Where the expression stands; decides what its paths mean.
        semantics: The choices where the service's documentation is silent.
        longest: How many characters it may have; None: as many as memory holds.

    Raises:
        ExpressionSyntaxError: The text does not parse, or names a path that has no meaning in the context: TARGET has
            ``task.`` and ``worker.``; SKIP_IF has ``workers.available``, ``workers.unavailable`` and
            ``workers.<Activity sid>``.
        TypeError: The text is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"an expression is a str, not {type(text).__name__}")
    # Before parsing, whose time grows with the text.
    if longest is not None and len(text) > longest:
        raise ExpressionSyntaxError(text, longest, text[longest:], f"at most {longest} characters")
    # Long texts are rare and would crowd the cache's memory.
    compiler = _compile if len(text) > _LONGEST_CACHED else _compile_cached
    return compiler(text, context, semantics)


def _compile(text: str, context: ExpressionContext, semantics: Semantics) -> Expression:
    if context is ExpressionContext.WORKER and not text.strip():
        return Expression(text, context, lambda scope: False, inputs_of(()), None)
    parser = Parser(text, semantics)
    compiler = Compiler(context, semantics)
    try:
        # Paths are checked here and not by the parser, which does not know the context.
        root = compiler.compile(parser.whole())
    except UnknownPathError as unknown:
        raise unknown.in_text(text) from None
    # In the order of the text, so that strict mode reports the first one.
    warnings = sorted([*parser.warnings, *compiler.warnings(text)], key=lambda warning: warning.position.offset)
    if warnings and semantics.strict_expressions:
        raise warnings[0].as_error(text)
    inputs = inputs_of(compiler.readers.values())
    return Expression(text, context, root.test, inputs, root, tuple(warnings), tuple(compiler.changes))


# Safe with threads: at worst two that ask for the same text at the same time both compile it.
_compile_cached = lru_cache(maxsize=_CACHE_SIZE)(_compile)
