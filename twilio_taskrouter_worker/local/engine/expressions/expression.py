"""Expressions, compiled once and tested often (interface first; the parts follow)."""
from __future__ import annotations
from collections.abc import Callable
from typing import Any
import attrs
from .scopes import ExpressionContext, Scope
from .semantics import DEFAULT_SEMANTICS, Semantics
from .verdict import Verdict

@attrs.frozen(eq=False)
class Expression:
    """A compiled expression."""
    text: str
    context: ExpressionContext
    matches: Callable[[Any], bool] = attrs.field(repr=False)
    """``matches(scope) -> bool``; never raises on any data."""
    names: frozenset[str]
    """Every input it reads: ``worker.skill``, ``task.type``, ``worker.channel.voice.assigned_tasks``, ``workers.available``."""
    worker_attributes: frozenset[str]
    """Top-level worker attribute names it reads."""
    task_attributes: frozenset[str]
    """Top-level task attribute names it reads."""
    uses_worker_fields: bool
    uses_activity: bool
    uses_channels: bool

    @property
    def constant(self) -> bool | None:
        """The answer when it reads nothing (``1==1``, or empty), else None."""
        raise NotImplementedError

    def explain(self, scope: Scope) -> Verdict:
        raise NotImplementedError

def compile_expression(text: str, context: ExpressionContext, semantics: Semantics = DEFAULT_SEMANTICS) -> Expression:
    """Parse and compile; raises ExpressionSyntaxError. Empty text: WORKER matches nobody, elsewhere a syntax error."""
    raise NotImplementedError
