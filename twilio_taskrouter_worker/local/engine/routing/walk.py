"""A task's walk through the filters and targets of its workflow.

The invariant: a task that waits in its workflow has a step, is registered in the step's queue, and has a timer for the
step's timeout, if there is one. A step is left when its timeout passes or its skip_if is true. The next target of the
same filter follows; after the last one the next filter that matches. The default filter counts on entry and after a
skip, not after a timeout. A task for which nothing is left is canceled.
"""

from __future__ import annotations

from typing import Any

from .. import transitions
from ..core.kernel import Kernel
from ..core.plan import Filter, Plan, Target
from ..core.schedule import TimerKind
from ..core.state import QueueState, Route, TaskState
from ..core.workspace import WorkspaceState
from ..events import QueueStepEvent
from ..expressions import TaskScope
from ..index import waiting
from ..model import PENDING
from ..rules import REASON_WORKFLOW_SKIP, REASON_WORKFLOW_TIMEOUT, TARGET_SKIPPED, TARGET_TIMEOUT
from ..transitions import cancel_task


def start(kernel: Kernel, ws: WorkspaceState, task: TaskState, re_evaluated: str | None = None) -> None:
    """Route a task through its workflow, from the first filter.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: New, or pending.
        re_evaluated: Why it is routed again, one of the reasons in ``rules``; None for a new task.

    Raises:
        AssertionError: The task has no workflow.
    """
    task.re_evaluated = re_evaluated
    assert task.workflow is not None
    task.plan = task.workflow.plan
    # No step of this walk has been passed yet.
    task.walked = 0.0
    data = {"re_evaluated_reason": task.re_evaluated}
    kernel.emit_workflow_step("workflow.entered", ws, task, task.workflow, data)
    _next_filter(kernel, ws, task, 0, default_counts=True, skipped=False)


def takes(plan: Plan, scope: TaskScope) -> bool:
    """Return whether a configuration has a filter for a task.

    Args:
        plan: The configuration.
        scope: The task; its attributes decide.
    """
    return plan.default is not None or plan.matching(scope) is not None


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
    """Enter the next filter that matches, or the default filter if it counts; otherwise leave the workflow."""
    plan = _plan(task)
    # Only later filters: on one walk a task never returns to a filter that it has left, so every walk ends.
    index = plan.matching(task, first)
    if index is not None:
        task.filter_index = index
        _enter(kernel, ws, task, plan.filters[index], 0)
        return
    if default_counts and plan.default is not None:
        task.filter_index = None
        _enter(kernel, ws, task, plan.default, 0)
        return
    _leave(kernel, ws, task, skipped)


def _enter(kernel: Kernel, ws: WorkspaceState, task: TaskState, filter: Filter, index: int) -> None:
    """Enter a target: set queue, priority and step timer, and ask for an offer."""
    target = filter.targets[index]
    _leave_step(kernel, task)
    task.step = target
    task.step_expired = False
    task.entering = True
    # It exists: a queue that an open task may still enter cannot be deleted.
    queue = ws.queues[target.queue_sid]
    # Kept for the events: both change below.
    before, priority_before = task.queue, task.record.priority
    enter_queue(kernel, task, queue, target.priority)
    data: dict[str, Any] = {"re_evaluated_reason": task.re_evaluated, **task.known_worker()}
    # In this order, so that task.created shows the queue; the match refers to a task that exists.
    if task.fresh:
        kernel.emit(QueueStepEvent, "task-queue.entered", ws, task=task.record, queue=queue.record, data=data)
        created(kernel, ws, task)
        _matched(kernel, ws, task, filter, target)
    else:
        _matched(kernel, ws, task, filter, target)
        if before is None:
            kernel.emit(QueueStepEvent, "task-queue.entered", ws, task=task.record, queue=queue.record, data=data)
        # A step in the same queue moves nothing.
        elif before is not queue:
            data["previous_queue_sid"] = before.record.sid
            data["previous_queue_name"] = before.record.friendly_name
            data["previous_priority"] = priority_before
            data["target_changed_reason"] = task.re_evaluated
            kernel.emit(QueueStepEvent, "task-queue.moved", ws, task=task.record, queue=queue.record, data=data)
    if target.timeout is not None:
        due = kernel.now + target.timeout
        if kernel.rules.step_timeouts_by_age:
            # By age: time spent in earlier filters and steps counts towards this one, however it was spent.
            due = task.record.date_created + task.walked + filter.time_until(index)
        # May be due already. The task is still offered once in this step, because routing comes before timers.
        task.step_timer = kernel.schedule.at(due, TimerKind.STEP_TIMEOUT, ws, task)
    _watch(kernel, ws, task)
    # Only a request: the offer follows when the present change is complete.
    kernel.place(ws, task)


def _watch(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Set a timer for the next time at which the step's expression may change by itself, if it reads the time."""
    expression = task.step.expression if task.step is not None else None
    due = expression.next_change(kernel.now) if expression is not None else None
    task.change_timer = None if due is None else kernel.schedule.at(due, TimerKind.TARGET_CHANGE, ws, task)


def target_changed(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Offer a waiting task again, because the value of its step's expression may have changed with time.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Its timer has just run; the next one is set here.
    """
    _watch(kernel, ws, task)
    if task.record.assignment_status == PENDING:
        kernel.place(ws, task)


def _matched(kernel: Kernel, ws: WorkspaceState, task: TaskState, filter: Filter, target: Target) -> None:
    assert task.workflow is not None
    data = {
        "filter": filter.label,
        "filter_expression": filter.expression.text if filter.expression is not None else None,
        "target": target.index,
        "target_name": target.label,
        "target_expression": target.expression.text if target.expression is not None else None,
        "re_evaluated_reason": task.re_evaluated,
        **task.known_worker(),
    }
    kernel.emit_workflow_step("workflow.target-matched", ws, task, task.workflow, data)


def created(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Emit the creation of a task; called once, when it is in its first queue.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: From now on its changes increase the version.
    """
    task.fresh = False
    kernel.emit_task("task.created", ws, task)


def enter_queue(kernel: Kernel, task: TaskState, queue: QueueState, priority: int | None) -> None:
    """Register a task in a queue, with the priority of the step.

    Args:
        kernel: The engine's shared state; changed in place.
        task: Changed in place.
        queue: The queue of the step.
        priority: New priority; None: it keeps its own.
    """
    # Registered and recorded together: the record must show the queue that has the task.
    changes = transitions.book(kernel, task, queue)
    record = task.record
    task.record = record.replaced(
        priority=record.priority if priority is None else priority,
        version=record.version + (not task.fresh),
        date_updated=kernel.now,
        **changes,
    )


def _leave_step(kernel: Kernel, task: TaskState) -> None:
    # The timers of the old step must not run in the new one.
    kernel.schedule.cancel(task.step_timer)
    kernel.schedule.cancel(task.change_timer)
    task.step_timer = task.change_timer = None
    waiting.remove(task)


def skip(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Leave a step whose skip_if is true: for the next target, a later filter, or the default filter.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Must be in a step, and not waiting.

    Raises:
        AssertionError: The task is in no step.
    """
    assert task.step is not None
    task.re_evaluated = TARGET_SKIPPED
    filter = _current(task)
    following = task.step.index + 1
    if following < len(filter.targets):
        _enter(kernel, ws, task, filter, following)
    # The default filter is the last one.
    elif task.filter_index is None:
        _leave(kernel, ws, task, skipped=True)
    else:
        # Counts as if the step had run to its end, because later steps time out by age.
        task.walked += filter.time_until(task.step.index)
        _next_filter(kernel, ws, task, task.filter_index + 1, default_counts=True, skipped=True)


def step_timeout(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """End a step whose timeout has passed; while a reservation is pending, only record that.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Its timer has just run.

    Raises:
        AssertionError: The task is pending, but in no step that has a timeout.
    """
    task.step_timer = None
    # Remembered for come_back: an offer that is pending is not withdrawn.
    task.step_expired = True
    if task.record.assignment_status == PENDING:
        expire_step(kernel, ws, task)


def expire_step(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Leave a step whose timeout has passed: for the next target or a later filter, but not for the default filter.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Must be pending in a step that has a timeout.

    Raises:
        AssertionError: The task is in no such step.
    """
    assert task.step is not None and task.queue is not None
    kernel.emit(QueueStepEvent, "task-queue.timeout", ws, task=task.record, queue=task.queue.record)
    task.re_evaluated = TARGET_TIMEOUT
    filter = _current(task)
    following = task.step.index + 1
    if following < len(filter.targets):
        _enter(kernel, ws, task, filter, following)
    else:
        # Not the default filter, whose only target has no timeout.
        assert task.filter_index is not None
        task.walked += filter.time_until(task.step.index)
        _next_filter(kernel, ws, task, task.filter_index + 1, default_counts=False, skipped=False)


def _leave(kernel: Kernel, ws: WorkspaceState, task: TaskState, skipped: bool) -> None:
    """Cancel a task for which the workflow has no further step."""
    # A new task exists before it is canceled, for the event log.
    if task.fresh:
        created(kernel, ws, task)
    if skipped:
        cancel_task(kernel, ws, task, REASON_WORKFLOW_SKIP, leaving="workflow.skipped")
    else:
        # Also for a task that no filter matched: no other reason of the service is known.
        cancel_task(kernel, ws, task, REASON_WORKFLOW_TIMEOUT, leaving="workflow.timeout")


def come_back(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Route a task that is pending again: in the same step, or in the next one if the step's timeout has passed.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Its last pending reservation has ended.
    """
    # A transferred task has no step; its queue decides alone.
    if task.route is Route.WORKFLOW and task.step is not None and task.step_expired and task.transfer is None:
        expire_step(kernel, ws, task)
    else:
        kernel.place(ws, task)
