"""Tasks: creating, changing, ending and deleting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import errors
from ..commands import UNSET, CreateTask, DeleteTask, UpdateTask
from ..core import checks
from ..core.kernel import Kernel
from ..core.schedule import TimerKind
from ..core.sids import canonical, well_formed
from ..core.state import QueueState, Route, TaskState, WorkflowState
from ..core.workspace import WorkspaceState
from ..errors import invalid
from ..events import QueueStepEvent
from ..expressions import TaskScope
from ..index import idle, waiting
from ..model import ACCEPTED, CANCELED, COMPLETED, PENDING, WRAPPING, Task, TaskChannel
from ..routing import walk
from ..rules import EARLIEST_START, MAX_PRIORITY, MAX_TASK_TIMEOUT, REASON_SLA, REASON_TTL, TASK_UPDATED
from ..states import TASK_REQUESTS
from ..transitions import (
    cancel_task,
    delete_task,
    emit_task_and_reservations,
    end_open,
    set_reservation,
    set_task_status,
)
from . import reservations

# Built in, so that every workspace has it.
_DEFAULT_CHANNEL = "default"
_REFUSALS = {
    CANCELED: errors.cannot_cancel,
    WRAPPING: errors.cannot_wrap_up,
    COMPLETED: errors.cannot_complete,
}


def create(kernel: Kernel, command: CreateTask) -> Task:
    """Create a task and start its routing.

    Args:
        kernel: The engine's shared state; changed in place.
        command: The routing target decides between workflow, queue and a single worker.

    Returns:
        The task before it is offered, that is pending.

    Raises:
        Rejected: 404, there is no such workspace; 400, a parameter is invalid, or the workflow has no filter for the
            task and the rules refuse that.
    """
    ws = kernel.workspace(command.workspace_sid)
    attributes = checks.attributes(command.attributes)
    checks.integer(command.priority, 0, MAX_PRIORITY, "Priority")
    checks.integer(command.timeout, 1, MAX_TASK_TIMEOUT, "Timeout")
    channel = _channel(ws, command.task_channel or _DEFAULT_CHANNEL)
    start = _start_time(kernel, command.virtual_start_time)
    route, target = _target(ws, command.routing_target)
    # After the target, which may itself be a workflow or make one unnecessary.
    flow = _workflow(kernel, ws, command, route, target)
    queue = _queue(ws, command.task_queue_sid)
    # An explicit false is accepted everywhere.
    if command.ignore_capacity and route is not Route.WORKER:
        raise invalid("IgnoreCapacity is only valid together with a worker as RoutingTarget")
    if route is Route.WORKFLOW and flow is not None:
        _check_match(kernel, flow, attributes)
    # From here on nothing is refused: every check is above.
    kernel.task_count += 1
    record = Task(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WT"),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=ws.record.sid,
        assignment_status=PENDING,
        attributes=checks.compact(attributes),
        priority=command.priority,
        timeout=command.timeout,
        workflow_sid=flow.record.sid if flow is not None else None,
        workflow_friendly_name=flow.record.friendly_name if flow is not None else None,
        task_channel_sid=channel.sid,
        task_channel_unique_name=channel.unique_name,
        routing_target=target,
        ignore_capacity=route is Route.WORKER and command.ignore_capacity is not False,
        virtual_start_time=start,
    )
    task = TaskState(record, attributes, kernel.task_count, kernel.clock)
    task.route = route
    task.workflow = flow
    ws.tasks[record.sid] = task
    # Before the task can be offered, the channel's idle workers must be indexed.
    idle.route(kernel, ws, channel.sid)
    if flow is not None:
        flow.tasks[record.sid] = task
    # Before _begin, which cancels the task at once, with its timers, if no filter matches.
    task.ttl_timer = kernel.schedule.at(kernel.now + command.timeout, TimerKind.TASK_TIMEOUT, ws, task)
    _begin(kernel, ws, task, queue)
    return task.record


def _begin(kernel: Kernel, ws: WorkspaceState, task: TaskState, queue: QueueState | None) -> None:
    """Route a new task to where it is first offered."""
    if task.route is Route.WORKFLOW:
        walk.start(kernel, ws, task)
        return
    if task.route is Route.QUEUE:
        queue = ws.queues[task.record.routing_target or ""]
    # Only a worker who may be busy can miss the time limit.
    elif not task.record.ignore_capacity:
        due = kernel.now + kernel.rules.reservation_failed_sla
        task.sla_timer = kernel.schedule.at(due, TimerKind.RESERVATION_SLA, ws, task)
    if queue is not None:
        walk.enter_queue(kernel, task, queue, None)
        kernel.emit(QueueStepEvent, "task-queue.entered", ws, task=task.record, queue=queue.record)
    # The queue is entered first, as with a workflow, so that task.created shows it.
    walk.created(kernel, ws, task)
    kernel.place(ws, task)


def _channel(ws: WorkspaceState, reference: str) -> TaskChannel:
    found = ws.find_task_channel(reference)
    if found is None:
        raise invalid(f"TaskChannel '{reference}' does not exist in this workspace")
    return found


def _check_match(kernel: Kernel, flow: WorkflowState, attributes: Mapping[str, Any]) -> None:
    """Refuse a task that its workflow has no filter for, if the rules say so."""
    # A scope of its own, since the task does not exist yet.
    if kernel.rules.refuse_unmatched_tasks and not walk.takes(flow.plan, TaskScope(attributes, kernel.clock)):
        raise invalid(f"No filter of workflow {flow.record.sid} matches the task, and it has no default_filter")


def _start_time(kernel: Kernel, value: float | None) -> float:
    if value is None:
        return kernel.now
    if value > kernel.now:
        raise errors.start_in_future()
    if value < EARLIEST_START:
        raise invalid("VirtualStartTime must not be before the year 1900")
    return value


def _target(ws: WorkspaceState, given: str | None) -> tuple[Route, str | None]:
    """Return how a task with this routing target is routed, and the target's sid as it is kept."""
    if not given:
        return Route.WORKFLOW, None
    # By look-up and not by prefix: the sid of a worker that does not exist is refused like any other text.
    sid = canonical(given)
    if sid in ws.workers:
        return Route.WORKER, sid
    if sid in ws.queues:
        return Route.QUEUE, sid
    if sid in ws.workflows:
        return Route.WORKFLOW, sid
    raise invalid(f"RoutingTarget '{given}' does not name a worker, task queue or workflow of this workspace")


def _workflow(
    kernel: Kernel, ws: WorkspaceState, command: CreateTask, route: Route, target: str | None
) -> WorkflowState | None:
    """Return the workflow of a new task; only a task routed to a queue or a worker may have none."""
    given = command.workflow_sid
    found = ws.workflows.get(canonical(given)) if given else None
    if given and found is None:
        # The service has a text of its own for this combination.
        if target is not None and not well_formed(given, "WW"):
            raise errors.bad_workflow_for_target(given, ws.record.sid, kernel.account_sid)
        raise invalid(f"WorkflowSid '{given}' does not name a workflow of this workspace")
    # A workflow as routing target takes precedence over WorkflowSid.
    if route is Route.WORKFLOW and target is not None:
        return ws.workflows[target]
    if found is not None:
        return found
    if len(ws.workflows) == 1:
        return next(iter(ws.workflows.values()))
    if route is Route.WORKFLOW:
        raise errors.workflow_required()
    return None


def _queue(ws: WorkspaceState, given: str | None) -> QueueState | None:
    # An empty sid counts as absent.
    if not given:
        return None
    # Has an effect only with a worker as routing target: a workflow, or a queue as target, decides itself.
    queue = ws.queues.get(canonical(given))
    if queue is None:
        raise invalid(f"TaskQueueSid '{given}' does not name a task queue of this workspace")
    return queue


def update(kernel: Kernel, command: UpdateTask) -> Task:
    """Change the status or the data of a task.

    Args:
        kernel: The engine's shared state; changed in place.
        command: If it has both a status and data, only the status counts.

    Raises:
        Rejected: 404, there is no such workspace or task; 412, its version is another one; 400, a parameter is invalid,
            or the status is not allowed from the present one.
    """
    ws = kernel.workspace(command.workspace_sid)
    task = ws.task(command.sid)
    checks.version(task.record, command.if_match)
    wanted = command.assignment_status
    if wanted is not UNSET:
        # Pending, reserved and assigned follow from reservations and cannot be asked for.
        checks.choice(wanted, TASK_REQUESTS, "AssignmentStatus")
        _change_status(kernel, ws, task, wanted, command.reason)
        return task.record
    changes, parsed = _data_changes(kernel, ws, task, command)
    if changes:
        _change_data(kernel, ws, task, changes, parsed)
    return task.record


def _change_status(kernel: Kernel, ws: WorkspaceState, task: TaskState, wanted: str, reason: Any) -> None:
    record = task.record
    where = (record.sid, ws.record.sid, kernel.account_sid)
    if record.assignment_status not in TASK_REQUESTS[wanted]:
        raise _REFUSALS[wanted](*where)
    if wanted == CANCELED:
        cancel_task(kernel, ws, task, record.reason if reason is UNSET else reason)
        return
    changes = {} if reason is UNSET else {"reason": reason}
    # Before the change: after it, nobody may have the task.
    recipients = task.workers()
    if wanted == WRAPPING:
        changed = [r for r in task.open.values() if r.record.reservation_status == ACCEPTED]
        # Reservations first, since the status of a task follows from theirs.
        for reservation in changed:
            set_reservation(kernel, ws, reservation, WRAPPING)
        set_task_status(kernel, ws, task, WRAPPING, **changes)
        emit_task_and_reservations(kernel, ws, "task.wrapup", task, recipients, changed)
        return
    # Completion ends everything that is open, also offers that are pending.
    ended = end_open(kernel, ws, task)
    set_task_status(kernel, ws, task, COMPLETED, **changes)
    emit_task_and_reservations(kernel, ws, "task.completed", task, recipients, ended)
    # For the event log only, which has this event as well; it has no recipients.
    kernel.emit_task("task.updated", ws, task)
    # Last, as with the completion of a single reservation.
    reservations.after_work(kernel, ws, ended)


def _data_changes(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, command: UpdateTask
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Check the data of an update; return the fields that change, and the parsed attributes if they are among them."""
    record = task.record
    given: dict[str, Any] = {}
    if command.priority is not UNSET:
        given["priority"] = checks.integer(command.priority, 0, MAX_PRIORITY, "Priority")
    if command.virtual_start_time is not UNSET:
        given["virtual_start_time"] = _start_time(kernel, command.virtual_start_time)
    if command.task_channel is not UNSET:
        channel = _channel(ws, command.task_channel)
        given["task_channel_sid"] = channel.sid
        given["task_channel_unique_name"] = channel.unique_name
    parsed = None
    if command.attributes is not UNSET:
        parsed = checks.attributes(command.attributes)
        given["attributes"] = checks.compact(parsed)
    # After the checks of the values: an invalid value is reported as such, whatever the status.
    if given and record.final:
        raise invalid(f"Task {record.sid} is {record.assignment_status} and cannot be changed")
    changes = record.differing(given)
    # By rule, the same text may count as a change; differing() has left it out.
    if parsed is not None and kernel.rules.identical_attributes_change_version:
        changes["attributes"] = given["attributes"]
    return changes, parsed if "attributes" in changes else None


def _change_data(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, changes: dict[str, Any], parsed: dict[str, Any] | None
) -> None:
    pending = task.record.assignment_status == PENDING
    if pending:
        # Its group depends on attributes, priority and channel, so it leaves before they change.
        waiting.remove(task)
    record = task.record
    # Reservations keep the channel on which they were made, and with it the place that they occupy.
    task.record = record.replaced(version=record.version + 1, date_updated=kernel.now, **changes)
    if parsed is not None:
        task.attributes = parsed
    # The task may be the first one on its new channel.
    idle.route(kernel, ws, task.record.task_channel_sid)
    # Before any routing, whose events follow from this change.
    kernel.emit_task("task.updated", ws, task, task.workers())
    if not pending:
        return
    # New attributes may match another filter; new priority or channel only another place in the same step.
    if parsed is not None and task.route is Route.WORKFLOW and task.transfer is None:
        walk.start(kernel, ws, task, TASK_UPDATED)
    else:
        kernel.place(ws, task)


def delete(kernel: Kernel, command: DeleteTask) -> None:
    """Delete a task in whatever state it is, ending its reservations.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the task.

    Raises:
        Rejected: 404, there is no such workspace or task; 412, its version is another one.
    """
    ws = kernel.workspace(command.workspace_sid)
    task = ws.task(command.sid)
    checks.version(task.record, command.if_match)
    delete_task(kernel, ws, task, "task.deleted")


def time_out(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Cancel a task that was not accepted within its timeout.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Its timer has just run.
    """
    task.ttl_timer = None
    cancel_task(kernel, ws, task, REASON_TTL)


def miss_target(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Cancel a task whose routing target did not become free in time, and notify that worker.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Its timer has just run.
    """
    task.sla_timer = None
    cancel_task(kernel, ws, task, REASON_SLA)
    # No reservation was ever made; the event carries the task.
    kernel.emit_task("reservation.failed", ws, task, (task.record.routing_target or "",))


def stay_too_long(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Delete a task that was assigned for longer than the rules allow.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Its timer has just run.
    """
    # The event is in the log only; the workers who have the task see their reservations completed.
    task.assigned_timer = None
    delete_task(kernel, ws, task, "task.system-deleted")
