"""order_by (interface first; the parts follow)."""
from __future__ import annotations
from typing import Any
import attrs
from .scopes import TaskScope, WorkerScope
from .semantics import DEFAULT_SEMANTICS, Semantics

@attrs.frozen(eq=False)
class Ordering:
    """A compiled ``order_by``; ``sorted(workers, key=lambda w: ordering.key(w.scope))``."""
    text: str
    names: frozenset[str]
    uses_channels: bool

    def key(self, scope: WorkerScope) -> tuple[tuple[int, int], ...]:
        """Sort key; smaller comes first; equal keys are a tie."""
        raise NotImplementedError

@attrs.frozen(eq=False)
class Key:
    """A compiled ``known_worker_sid`` / ``known_worker_friendly_name``: a path into the task's attributes."""
    text: str

    def value(self, scope: TaskScope) -> Any:
        """The value at the path; None when missing."""
        raise NotImplementedError

def compile_order_by(text: str, semantics: Semantics = DEFAULT_SEMANTICS) -> Ordering:
    """Raises ExpressionSyntaxError."""
    raise NotImplementedError

def compile_key(text: str, semantics: Semantics = DEFAULT_SEMANTICS) -> Key:
    """Raises ExpressionSyntaxError."""
    raise NotImplementedError
