"""A task's walk through the filters and targets of its workflow."""

from __future__ import annotations

from typing import Any

from .. import transitions
from ..core.kernel import Kernel
from ..core.plan import Filter, Plan, Target
from ..core.schedule import TimerKind
from ..core.state import QueueState, Route, TaskState
from ..core.workspace import WorkspaceState
from ..expressions import TaskScope
from ..index import waiting
from ..model import PENDING
from ..rules import REASON_WORKFLOW_SKIP, REASON_WORKFLOW_TIMEOUT, TARGET_SKIPPED, TARGET_TIMEOUT
from ..transitions import cancel_task


def start(kernel: Kernel, ws: WorkspaceState, task: TaskState, re_evaluated: str | None = None) -> None:
    """Send a task through its workflow from the top; ``re_evaluated`` is why, where it was on its way already."""
    task.re_evaluated = re_evaluated
    assert task.workflow is not None
    _leave_step(kernel, task)
    task.plan = task.workflow.plan
    task.walked = 0.0
    data = {"re_evaluated_reason": task.re_evaluated}
    kernel.emit("workflow.entered", ws, task=task.record, workflow=task.workflow.record, data=data)
    _next_filter(kernel, ws, task, 0, default_counts=True, skipped=False)


def takes(plan: Plan, scope: TaskScope) -> bool:
    """Whether a configuration has a place for a task."""
    matching = (filter.expression is not None and filter.expression.matches(scope) for filter in plan.filters)
    return plan.default is not None or any(matching)


def _plan(task: TaskState) -> Plan:
    assert task.plan is not None
    return task.plan


def _current(task: TaskState) -> Filter:
    plan = _plan(task)
    current = plan.default if task.filter_index is None else plan.filters[task.filter_index]
    assert current is not None
    return current


def _next_filter(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, first: int, *, default_counts: bool, skipped: bool
) -> None:
    """Enter the next filter that matches, or the default filter if it counts, or leave the workflow."""
    plan = _plan(task)
    for index in range(first, len(plan.filters)):
        expression = plan.filters[index].expression
        if expression is not None and expression.matches(task.scope):
            task.filter_index = index
            _enter(kernel, ws, task, plan.filters[index], 0)
            return
    if default_counts and plan.default is not None:
        task.filter_index = None
        _enter(kernel, ws, task, plan.default, 0)
        return
    _leave(kernel, ws, task, skipped)


def _enter(kernel: Kernel, ws: WorkspaceState, task: TaskState, filter: Filter, index: int) -> None:
    """Enter a target: queue, priority, step timer; the offer follows when the present change is complete."""
    target = filter.targets[index]
    _leave_step(kernel, task)
    task.step = target
    task.step_expired = False
    task.entering = True
    queue = ws.queues[target.queue_sid]
    before, priority_before = task.queue, task.record.priority
    enter_queue(kernel, task, queue, target.priority)
    data: dict[str, Any] = {"re_evaluated_reason": task.re_evaluated, **task.known_worker()}
    if task.fresh:
        kernel.emit("task-queue.entered", ws, task=task.record, queue=queue.record, data=data)
        created(kernel, ws, task)
        _matched(kernel, ws, task, filter, target)
    else:
        _matched(kernel, ws, task, filter, target)
        if before is None:
            kernel.emit("task-queue.entered", ws, task=task.record, queue=queue.record, data=data)
        elif before is not queue:
            data["previous_queue_sid"] = before.record.sid
            data["previous_queue_name"] = before.record.friendly_name
            data["previous_priority"] = priority_before
            data["target_changed_reason"] = task.re_evaluated
            kernel.emit("task-queue.moved", ws, task=task.record, queue=queue.record, data=data)
    if target.timeout is not None:
        due = kernel.now + target.timeout
        if kernel.rules.step_timeouts_by_age:
            due = task.record.date_created + task.walked + filter.time_until(index)
        task.step_timer = kernel.schedule.at(due, TimerKind.STEP_TIMEOUT, ws, task)
    _watch(kernel, ws, task)
    kernel.place(ws, task)


def _watch(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Set a timer for when the expression of the present step may change by itself, if it reads the time."""
    expression = task.step.expression if task.step is not None else None
    due = expression.next_change(kernel.now) if expression is not None else None
    task.change_timer = None if due is None else kernel.schedule.at(due, TimerKind.TARGET_CHANGE, ws, task)


def target_changed(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Offer a waiting task anew, because its step's expression may have another value from now on."""
    _watch(kernel, ws, task)
    if task.record.assignment_status == PENDING:
        kernel.place(ws, task)


def _matched(kernel: Kernel, ws: WorkspaceState, task: TaskState, filter: Filter, target: Target) -> None:
    assert task.workflow is not None
    kernel.emit(
        "workflow.target-matched",
        ws,
        task=task.record,
        workflow=task.workflow.record,
        data={
            "filter": filter.label,
            "filter_expression": filter.expression.text if filter.expression is not None else None,
            "target": target.index,
            "target_name": target.label,
            "target_expression": target.expression.text if target.expression is not None else None,
            "re_evaluated_reason": task.re_evaluated,
            **task.known_worker(),
        },
    )


def created(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Note that a task exists now; done once, when it has got the queue it starts in."""
    task.fresh = False
    kernel.emit("task.created", ws, task=task.record)


def enter_queue(kernel: Kernel, task: TaskState, queue: QueueState, priority: int | None) -> None:
    """Put a task into a queue, and give it a priority if there is one to give."""
    changes = transitions.book(kernel, task, queue)
    record = task.record
    task.record = record.replaced(
        priority=record.priority if priority is None else priority,
        version=record.version + (not task.fresh),
        date_updated=kernel.now,
        **changes,
    )


def _leave_step(kernel: Kernel, task: TaskState) -> None:
    for timer in (task.step_timer, task.change_timer):
        kernel.schedule.cancel(timer)
    task.step_timer = task.change_timer = None
    waiting.remove(task)


def skip(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Leave a step whose skip_if is true: to the next target, a later filter, or the default filter."""
    assert task.step is not None
    task.re_evaluated = TARGET_SKIPPED
    filter = _current(task)
    following = task.step.index + 1
    if following < len(filter.targets):
        _enter(kernel, ws, task, filter, following)
    elif task.filter_index is None:
        _leave(kernel, ws, task, skipped=True)
    else:
        task.walked += filter.time_until(task.step.index)
        _next_filter(kernel, ws, task, task.filter_index + 1, default_counts=True, skipped=True)


def step_timeout(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """The time of a step is over: go on, or remember it while a reservation is pending."""
    task.step_timer = None
    task.step_expired = True
    if task.record.assignment_status == PENDING:
        expire_step(kernel, ws, task)


def expire_step(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Leave a step whose time is over: to the next target or a later filter; the default filter does not count."""
    assert task.step is not None and task.queue is not None
    kernel.emit("task-queue.timeout", ws, task=task.record, queue=task.queue.record)
    task.re_evaluated = TARGET_TIMEOUT
    filter = _current(task)
    following = task.step.index + 1
    if following < len(filter.targets):
        _enter(kernel, ws, task, filter, following)
    elif task.filter_index is None:
        _leave(kernel, ws, task, skipped=False)
    else:
        task.walked += filter.time_until(task.step.index)
        _next_filter(kernel, ws, task, task.filter_index + 1, default_counts=False, skipped=False)


def _leave(kernel: Kernel, ws: WorkspaceState, task: TaskState, skipped: bool) -> None:
    """Take a task for which the workflow has nothing more out of it: the task is canceled."""
    if task.fresh:
        created(kernel, ws, task)
    if skipped:
        cancel_task(kernel, ws, task, REASON_WORKFLOW_SKIP, leaving="workflow.skipped")
    else:
        cancel_task(kernel, ws, task, REASON_WORKFLOW_TIMEOUT, leaving="workflow.timeout")


def come_back(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """A task is pending again: offer it in its step once more, or in the next if the step's time ended meanwhile."""
    if task.route is Route.WORKFLOW and task.step is not None and task.step_expired and task.transfer is None:
        expire_step(kernel, ws, task)
    else:
        kernel.place(ws, task)
