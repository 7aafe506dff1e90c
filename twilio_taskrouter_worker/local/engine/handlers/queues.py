"""Task queues."""

from __future__ import annotations

from typing import Any

from .. import errors
from ..commands import UNSET, CreateTaskQueue, DeleteTaskQueue, UpdateTaskQueue
from ..core import checks
from ..core.kernel import Kernel
from ..core.sids import canonical, well_formed
from ..core.state import QueueState
from ..core.workspace import WorkspaceState
from ..events import ConfigurationEvent
from ..expressions import WORKER, Expression
from ..index import membership, waiting
from ..model import FIFO, LIFO, Activity, TaskQueue
from ..rules import MAX_EXPRESSION, MAX_RESERVED_WORKERS


def compile_target_workers(kernel: Kernel, text: str | None) -> Expression:
    """Compile the expression of a queue.

    Args:
        kernel: Receives the warnings of the expression.
        text: None and blank text match no worker.

    Raises:
        Rejected: 400, the expression does not parse or is too long.
    """
    # An empty expression is valid and matches nobody, as in the service.
    expression = checks.expression(text or "", WORKER, kernel.semantics, "TargetWorkers", MAX_EXPRESSION)
    for warning in expression.warnings:
        kernel.warn(f"TargetWorkers: {warning}")
    return expression


def create(kernel: Kernel, command: CreateTaskQueue) -> TaskQueue:
    """Create a queue and find its members.

    Args:
        kernel: The engine's shared state; changed in place.
        command: A given sid, from the configuration of another account, must not be in use in any workspace.

    Raises:
        Rejected: 404, there is no such workspace; 400, a parameter is invalid, the name is taken, or the limit of
            queues is reached.
    """
    ws = kernel.workspace(command.workspace_sid)
    checks.room(ws.queues, kernel.rules.max_queues, "task queues")
    name = _free_name(ws, command.friendly_name)
    expression = compile_target_workers(kernel, command.target_workers)
    checks.integer(command.max_reserved_workers, 1, MAX_RESERVED_WORKERS, "MaxReservedWorkers")
    checks.choice(command.task_order, (FIFO, LIFO), "TaskOrder")
    reservation = _activity(ws, "reservation", command.reservation_activity_sid)
    assignment = _activity(ws, "assignment", command.assignment_activity_sid)
    # Workers who do one task at a time are moved by their queues, so those must name the activities.
    _need_activities(ws, reservation, assignment)
    record = TaskQueue(
        account_sid=kernel.account_sid,
        sid=_sid(kernel, command.sid),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=ws.record.sid,
        friendly_name=name,
        target_workers=command.target_workers,
        max_reserved_workers=command.max_reserved_workers,
        task_order=command.task_order,
        reservation_activity_sid=reservation.sid if reservation else None,
        reservation_activity_name=reservation.friendly_name if reservation else None,
        assignment_activity_sid=assignment.sid if assignment else None,
        assignment_activity_name=assignment.friendly_name if assignment else None,
        version=0,
    )
    # New members are not woken: no task can wait in a queue that did not exist.
    queue = QueueState(record, expression)
    ws.queues[record.sid] = queue
    ws.queue_names[name] = record.sid
    # After the queue is registered, since membership is kept on both sides.
    for worker in ws.workers.values():
        membership.match(queue, worker)
    kernel.emit(ConfigurationEvent, "task-queue.created", ws, record=record)
    return record


def _sid(kernel: Kernel, given: str | None) -> str:
    if given is None:
        return kernel.sids.make("WQ")
    sid = canonical(given)
    if not well_formed(sid, "WQ"):
        raise errors.invalid(f"Sid '{given}' is not a sid of a task queue: WQ and 32 hexadecimal digits")
    # Unique in the whole account, as sids that the engine makes are.
    if any(sid in ws.queues for ws in kernel.workspaces.values()):
        raise errors.invalid(f"TaskQueue {sid} exists already")
    return sid


def _free_name(ws: WorkspaceState, name: str, own: str | None = None) -> str:
    return checks.free_name(
        name, ws.queue_names, errors.duplicate_queue(name, ws.record.sid, ws.record.account_sid), own
    )


def _activity(ws: WorkspaceState, kind: str, sid: str | None) -> Activity | None:
    return ws.activity_named(sid, f"{kind.capitalize()}ActivitySid") if sid else None


def _need_activities(ws: WorkspaceState, reservation: Activity | None, assignment: Activity | None) -> None:
    # Only there a queue moves its workers between activities.
    if not ws.record.multi_task_enabled and (reservation is None or assignment is None):
        raise errors.activities_required()


def update(kernel: Kernel, command: UpdateTaskQueue) -> TaskQueue:
    """Change a queue; a new expression changes its members, and a new order sorts its waiting tasks.

    Args:
        kernel: The engine's shared state; changed in place.
        command: An absent parameter keeps its value.

    Raises:
        Rejected: 404, there is no such workspace or queue; 400, a parameter is invalid or the name is taken.
    """
    ws = kernel.workspace(command.workspace_sid)
    queue = ws.queue(command.sid)
    record = queue.record
    changes = _changes(ws, queue, command)
    expression = queue.expression
    if command.target_workers is not UNSET and command.target_workers != record.target_workers:
        # Compiled before anything changes: an expression that does not parse changes nothing.
        expression = compile_target_workers(kernel, command.target_workers)
        changes["target_workers"] = command.target_workers
    # Values that are equal to the present ones cause neither an event nor a version.
    changes = record.differing(changes)
    if not changes:
        return record
    # A larger max_reserved_workers holds from the next offer on; reserved tasks are not offered to more workers.
    queue.record = record.replaced(version=record.version + 1, date_updated=kernel.now, **changes)
    if "friendly_name" in changes:
        ws.renamed(ws.queue_names, record.friendly_name, queue.record, "task_queue")
    if "target_workers" in changes:
        queue.expression = expression
        for worker in ws.workers.values():
            # Only new members can take a task that nobody could take before.
            if membership.match(queue, worker):
                kernel.wake(ws, worker)
        # A new expression emits two events; the log has the special one first.
        kernel.emit(ConfigurationEvent, "task-queue.expression.updated", ws, record=queue.record)
    # After queue.record was replaced, because order_key reads the new order there.
    if "task_order" in changes:
        waiting.reorder(ws, queue)
    kernel.emit(ConfigurationEvent, "task-queue.updated", ws, record=queue.record)
    return queue.record


def _changes(ws: WorkspaceState, queue: QueueState, command: UpdateTaskQueue) -> dict[str, Any]:
    """Check the plain parameters of an update and return the fields that they set."""
    changes: dict[str, Any] = {}
    if command.friendly_name is not UNSET:
        changes["friendly_name"] = _free_name(ws, command.friendly_name, queue.record.sid)
    if command.max_reserved_workers is not UNSET:
        high = MAX_RESERVED_WORKERS
        value = checks.integer(command.max_reserved_workers, 1, high, "MaxReservedWorkers")
        changes["max_reserved_workers"] = value
    if command.task_order is not UNSET:
        changes["task_order"] = checks.choice(command.task_order, (FIFO, LIFO), "TaskOrder")
    for kind in ("reservation", "assignment"):
        sid = getattr(command, f"{kind}_activity_sid")
        if sid is not UNSET:
            activity = _activity(ws, kind, sid)
            # None clears the activity, which a queue of a single-tasking workspace must have.
            if activity is None and not ws.record.multi_task_enabled:
                raise errors.activities_required()
            changes[f"{kind}_activity_sid"] = activity.sid if activity else None
            changes[f"{kind}_activity_name"] = activity.friendly_name if activity else None
    return changes


def delete(kernel: Kernel, command: DeleteTaskQueue) -> None:
    """Delete a queue that no workflow names and no task is in or may still enter.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the queue.

    Raises:
        Rejected: 404, there is no such workspace or queue; 400, the queue is in use.
    """
    ws = kernel.workspace(command.workspace_sid)
    queue = ws.queue(command.sid)
    sid = queue.record.sid
    for workflow in ws.workflows.values():
        if sid in workflow.plan.queue_sids():
            raise errors.invalid(f"TaskQueue {sid} is referenced by workflow {workflow.record.sid}")
    if queue.tasks or _may_be_entered(ws, sid):
        raise errors.invalid(f"TaskQueue {sid} still has tasks")
    # The idle indices go with the queue; only the workers refer to it from outside.
    for worker in ws.workers.values():
        worker.queues.pop(sid, None)
    del ws.queues[sid]
    del ws.queue_names[queue.record.friendly_name]
    kernel.emit(ConfigurationEvent, "task-queue.deleted", ws, record=queue.record)


def _may_be_entered(ws: WorkspaceState, queue_sid: str) -> bool:
    """Whether an open task may still enter a queue: by the plan it entered with, or on its return from a transfer."""
    for workflow in ws.workflows.values():
        for task in workflow.tasks.values():
            # Tasks with the current plan are covered by the check of the workflows.
            if task.plan is not None and task.plan is not workflow.plan and queue_sid in task.plan.queue_sids():
                return True
    return any(
        task.transfer is not None
        and task.transfer.queue_before is not None
        and task.transfer.queue_before.record.sid == queue_sid
        for task in ws.tasks.values()
    )
