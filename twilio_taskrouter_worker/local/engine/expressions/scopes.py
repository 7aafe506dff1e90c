"""The scopes against which expressions are tested: one class per context.

Documents are of the types that ``json.loads`` returns (dict, list, str, int, float, bool, None); other mappings, and
tuples for arrays, are accepted as well. A scope only refers to the mappings it is given, so one scope per worker can be
kept while its documents change in place. No repr shows a document, because attributes belong to the customer.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

# Immutable, because it is the default of every scope.
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class ExpressionContext(enum.Enum):
    """The context of an expression, which decides the meaning of its paths."""

    WORKER = "worker"
    """A queue's TargetWorkers: worker attributes and worker fields."""
    WORKER_LIST = "worker_list"
    """The TargetWorkersExpression of a list of workers: the same, and ``worker.channel.`` values."""
    TASK = "task"
    """A workflow filter and the EvaluateTaskAttributes filter: task attributes, and ``taskrouter.`` values."""
    TARGET = "target"
    """A workflow target's expression: every path starts with ``task.``, ``worker.`` or ``taskrouter.``."""
    SKIP_IF = "skip_if"
    """A workflow target's skip_if: ``workers.available``, ``workers.unavailable`` and ``workers.<Activity sid>``."""


@attrs.frozen(repr=False)
class WorkerScope:
    """One worker, as expressions and ``order_by`` see it."""

    attributes: Mapping[str, Any]
    """The worker's attributes, parsed."""
    fields: Mapping[str, Any] = _NOTHING
    """``sid``, ``friendly_name``, ``activity_sid`` and ``activity_name``; other keys are not visible to expressions."""
    channels: Mapping[str, Mapping[str, Any]] = _NOTHING
    """Task channel unique name to the worker channel's ``configured_capacity``, ``assigned_tasks`` and
    ``available_capacity_percentage``; read by target expressions and ``order_by`` only."""


# Not frozen, and compared by identity, because the engine's state of a task is one.
@attrs.define(eq=False, repr=False)
class TaskScope:
    """One task, as expressions see it."""

    attributes: Mapping[str, Any]
    """The task's attributes, parsed."""
    now: Callable[[], float] | None = None
    """Returns the time (unix seconds) that ``taskrouter.`` values are of; None: they are missing."""


@attrs.frozen(repr=False)
class TargetScope:
    """A task together with one worker it might be offered to."""

    task: TaskScope
    worker: WorkerScope


@attrs.frozen
class WorkersScope:
    """How many workers of the step's queue are in which activity; capacity plays no part."""

    available: int
    """Workers in an available activity."""
    unavailable: int
    """Workers in an unavailable activity."""
    by_activity: Mapping[str, int] = _NOTHING
    """Activity sid to number of workers; an activity that is missing here counts 0."""


Scope = WorkerScope | TaskScope | TargetScope | WorkersScope
"""Any of the four."""
