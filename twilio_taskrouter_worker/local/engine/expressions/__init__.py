"""TaskRouter's expression language: compiled once, tested often, explained when asked.

    expression = compile_expression('languages HAS "es" AND skill >= 3', WORKER)
    expression.matches(WorkerScope(attributes, fields))      # bool, never raises
    print(expression.explain(WorkerScope(attributes, fields)))

``compile_expression`` raises ``ExpressionSyntaxError`` with the position of the error. In the WORKER context an
empty text is an expression that matches nobody (a queue with empty TargetWorkers); elsewhere it is a syntax error.
``compile_order_by`` does the same for ``order_by``, and ``compile_key`` for the known-worker keys of a target.
Pure: no I/O, no threads, no clock. Everything returned is immutable and may be shared between threads.
"""

from __future__ import annotations

from .errors import ExpressionSyntaxError, ExpressionWarning, Position
from .expression import Expression, compile_expression
from .ordering import Key, Ordering, compile_key, compile_order_by
from .paths import Inputs
from .scopes import ExpressionContext, Scope, TargetScope, TaskScope, WorkerScope, WorkersScope
from .semantics import DEFAULT_SEMANTICS, Semantics
from .verdict import Verdict

WORKER = ExpressionContext.WORKER
WORKER_LIST = ExpressionContext.WORKER_LIST
TASK = ExpressionContext.TASK
TARGET = ExpressionContext.TARGET
SKIP_IF = ExpressionContext.SKIP_IF

__all__ = [
    "DEFAULT_SEMANTICS",
    "SKIP_IF",
    "TARGET",
    "TASK",
    "WORKER",
    "WORKER_LIST",
    "Expression",
    "ExpressionContext",
    "ExpressionSyntaxError",
    "ExpressionWarning",
    "Inputs",
    "Key",
    "Ordering",
    "Position",
    "Scope",
    "Semantics",
    "TargetScope",
    "TaskScope",
    "Verdict",
    "WorkerScope",
    "WorkersScope",
    "compile_expression",
    "compile_key",
    "compile_order_by",
]
