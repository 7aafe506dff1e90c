"""Filters and orders of lists, by resource; REST and the bridge use the same ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from ...._json import loads
from ...engine import Engine, model
from ...engine.expressions import (
    TASK,
    WORKER,
    WORKER_LIST,
    ExpressionSyntaxError,
    TaskScope,
    WorkerScope,
    compile_expression,
)
from ...engine.rules import MAX_EXPRESSION
from . import refusals
from .forms import Given, boolean, convert, expression, integer, text, words
from .parameters import ACTIVITY_SID, TASK_QUEUE_SID, WORKER_SID, WORKFLOW_SID

FILTER_SECONDS = 2.0
"""How long the filters of one list may take."""

T = TypeVar("T")
Test = Callable[[Any], bool]


@attrs.frozen
class Scope:
    """The workspace in which a list is read."""

    engine: Engine
    workspace_sid: str


@attrs.frozen
class Filter:
    """One filter: its parameter, the converter of its value, and the test made from the value."""

    name: str
    convert: Callable[[Any], Any]
    test: Callable[[Scope, Any], Test]


Orders = Mapping[str, Callable[[Any], Any]]
"""The names that ``Ordering`` may have, and the value each sorts by."""


def select(
    records: Sequence[T], scope: Scope, given: Given, filters: Iterable[Filter], orders: Orders | None = None
) -> list[T]:
    """Return the records that pass every given filter, in the given order.

    Args:
        records: All records.
        scope: The workspace.
        given: The request's parameters.
        filters: The filters of the list.
        orders: The orders of the list; None: it has none.

    Raises:
        Rejected: A value is invalid, or the filters are too slow (400).
    """
    tests = [
        chosen.test(scope, convert(chosen.name, given[chosen.name], chosen.convert))
        for chosen in filters
        if chosen.name in given and given[chosen.name] != ""
    ]
    found = _passing(records, tests) if tests else list(records)
    if orders is not None and given.get("Ordering"):
        # The least significant clause first: Python's sort is stable, also in reverse.
        for key, descending in reversed(_clauses(convert("Ordering", given["Ordering"], text), orders)):
            found.sort(key=key, reverse=descending)
    return found


def _passing(records: Sequence[T], tests: Sequence[Test]) -> list[T]:
    """Return the records that pass all tests. Blocks the loop meanwhile, so slow expressions are limited by time."""
    deadline = time.monotonic() + FILTER_SECONDS
    found = []
    for record in records:
        if all(test(record) for test in tests):
            found.append(record)
        # Between records only: the length of an expression bounds the time of one evaluation.
        if time.monotonic() > deadline:
            raise refusals.invalid(
                f"The filters take more than {FILTER_SECONDS:g} s on this list of {len(records)}; make them simpler"
            )
    return found


def _clauses(ordering: str, orders: Orders) -> list[tuple[Callable[[Any], Any], bool]]:
    clauses = []
    names: set[str] = set()
    for clause in ordering.split(","):
        name, _, direction = clause.strip().partition(":")
        if name not in orders or direction.lower() not in ("", "asc", "desc"):
            raise refusals.invalid(
                f"The value of Ordering is invalid: '{clause.strip()[:60]}' is not one of"
                f" {', '.join(orders)}, followed by :asc or :desc"
            )
        clauses.append((orders[name], direction.lower() == "desc"))
        names.add(name)
    # "The only ordering pairing not allowed", says Twilio's API description.
    if {"DateCreated", "VirtualStartTime"} <= names:
        raise refusals.invalid(
            "The value of Ordering is invalid: DateCreated and VirtualStartTime cannot be given together"
        )
    return clauses


def field(parameter: str, attribute: str, converter: Callable[[Any], Any] = text) -> Filter:
    """Return a filter for records with a given value of one attribute.

    Args:
        parameter: The parameter.
        attribute: The attribute.
        converter: Converts the parameter's value.
    """

    def equals(scope: Scope, value: Any) -> Test:
        return lambda record: bool(getattr(record, attribute) == value)

    return Filter(parameter, converter, equals)


def one_of(parameter: str, attribute: str, *allowed: str) -> Filter:
    """Return a filter for records with one of several given words in one attribute.

    Args:
        parameter: The parameter.
        attribute: The attribute.
        allowed: The words it may have.
    """

    def among(scope: Scope, values: tuple[str, ...]) -> Test:
        return lambda record: getattr(record, attribute) in values

    return Filter(parameter, words(*allowed), among)


# -- tests that need more than one attribute -------------------------------------------------------------------------


def _workers_matching(scope: Scope, expression: str) -> Test:
    try:
        matches = compile_expression(expression, WORKER_LIST, scope.engine.semantics, longest=MAX_EXPRESSION).matches
    except ExpressionSyntaxError as error:
        raise refusals.invalid(str(error)) from None
    return lambda worker: matches(scope.engine.worker_scope(worker.workspace_sid, worker.sid))


def _workers_of_queue(scope: Scope, queue_sid: str) -> Test:
    # The engine raises for an unknown queue, but an unknown sid in a filter matches nothing.
    known = any(queue.sid == queue_sid for queue in scope.engine.queues(scope.workspace_sid))
    members = scope.engine.queue_members(scope.workspace_sid, queue_sid) if known else []
    sids = {worker.sid for worker in members}
    return lambda worker: worker.sid in sids


def _workers_of_named_queue(scope: Scope, name: str) -> Test:
    sids = {
        worker.sid
        for queue in scope.engine.queues(scope.workspace_sid)
        # All queues of the name, since nothing here relies on names being unique.
        if queue.friendly_name == name
        for worker in scope.engine.queue_members(scope.workspace_sid, queue.sid)
    }
    return lambda worker: worker.sid in sids


def _queues_of_worker(scope: Scope, worker_sid: str) -> Test:
    known = any(worker.sid == worker_sid for worker in scope.engine.workers(scope.workspace_sid))
    queues = scope.engine.queues_of_worker(scope.workspace_sid, worker_sid) if known else []
    sids = {queue.sid for queue in queues}
    return lambda queue: queue.sid in sids


def _queues_for_attributes(scope: Scope, attributes: str) -> Test:
    try:
        document = loads(attributes)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise refusals.invalid("The value of EvaluateWorkerAttributes is invalid: it must be a JSON object")
    worker = WorkerScope(document)
    semantics = scope.engine.semantics
    # A queue's own expression was compiled when it was saved; compile_expression() remembers it.
    return lambda queue: compile_expression(queue.target_workers or "", WORKER, semantics).matches(worker)


def _tasks_matching(scope: Scope, expression: str) -> Test:
    try:
        matches = compile_expression(expression, TASK, scope.engine.semantics, longest=MAX_EXPRESSION).matches
    except ExpressionSyntaxError as error:
        raise refusals.invalid(str(error)) from None
    engine = scope.engine
    return lambda task: matches(TaskScope(engine.task_attributes(task.workspace_sid, task.sid), lambda: engine.now))


def _tasks_with_addons(scope: Scope, wanted: bool) -> Test:
    return lambda task: (task.addons not in ("", "{}")) == wanted


# -- the tables ------------------------------------------------------------------------------------------------------

WORKSPACES = (field("FriendlyName", "friendly_name"),)
ACTIVITIES = (field("FriendlyName", "friendly_name"), field("Available", "available", boolean))
WORKERS = (
    field("FriendlyName", "friendly_name"),
    field("ActivityName", "activity_name"),
    field("ActivitySid", "activity_sid", ACTIVITY_SID),
    field("Available", "available", boolean),
    Filter("TaskQueueName", text, _workers_of_named_queue),
    Filter("TaskQueueSid", TASK_QUEUE_SID, _workers_of_queue),
    Filter("TargetWorkersExpression", expression, _workers_matching),
)
TASK_QUEUES = (
    field("FriendlyName", "friendly_name"),
    Filter("EvaluateWorkerAttributes", expression, _queues_for_attributes),
    Filter("WorkerSid", WORKER_SID, _queues_of_worker),
)
WORKFLOWS = (field("FriendlyName", "friendly_name"),)
TASKS = (
    field("Priority", "priority", integer),
    one_of("AssignmentStatus", "assignment_status", *model.TASK_STATUSES),
    field("WorkflowSid", "workflow_sid", WORKFLOW_SID),
    field("WorkflowName", "workflow_friendly_name"),
    field("TaskQueueSid", "task_queue_sid", TASK_QUEUE_SID),
    field("TaskQueueName", "task_queue_friendly_name"),
    # Not checked as a sid: it may be one of a worker, a queue or a workflow.
    field("RoutingTarget", "routing_target"),
    Filter("EvaluateTaskAttributes", expression, _tasks_matching),
    Filter("HasAddons", boolean, _tasks_with_addons),
)
RESERVATIONS_OF_WORKER = (one_of("ReservationStatus", "reservation_status", *model.RESERVATION_STATUSES),)
RESERVATIONS_OF_TASK = (*RESERVATIONS_OF_WORKER, field("WorkerSid", "worker_sid", WORKER_SID))

WORKER_ORDERS: Orders = {"DateStatusChanged": lambda worker: worker.date_status_changed}
TASK_QUEUE_ORDERS: Orders = {"DateUpdated": lambda queue: queue.date_updated}
TASK_ORDERS: Orders = {
    "DateCreated": lambda task: task.date_created,
    "Priority": lambda task: task.priority,
    "VirtualStartTime": lambda task: task.virtual_start_time,
}
