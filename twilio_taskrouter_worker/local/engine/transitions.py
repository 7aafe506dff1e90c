"""The states of tasks, reservations and workers, and what a change of each brings with it, whatever its cause.

The invariants:

* a change is in the tables of ``states``;
* a reservation occupies a place of its worker's channel exactly while it is open, and stands in ``task.open`` and
  ``worker.open`` exactly then;
* the status of a task that is not final is ``derived_status``: what its open reservations and its transfer amount to;
* a timer exists exactly while what it waits for can happen.

``set_reservation`` and ``set_task_status`` keep them and emit nothing, so that a caller can make several changes and
emit them afterwards, with snapshots of the moment when all are made. The order of the events is the caller's
(``emit_task_and_reservations`` for the usual one).
"""

from __future__ import annotations

from . import states
from .core.kernel import Kernel
from .core.schedule import TimerKind
from .core.state import QueueState, ReservationState, TaskState, TransferState, WorkerState
from .core.workspace import WorkspaceState
from .index import idle, membership, waiting
from .model import (
    ACCEPTED,
    ASSIGNED,
    CANCELED,
    COMPLETED,
    PENDING,
    RESCINDED,
    RESERVATION_OPEN,
    RESERVED,
    TASK_FINAL,
    TRANSFER_FAILED,
    WRAPPING,
    Activity,
    Worker,
)
from .rules import TRANSFER_TASK_ENDED

EVENT_OF_STATUS = {
    "accepted": "reservation.accepted",
    "rejected": "reservation.rejected",
    "timeout": "reservation.timeout",
    "canceled": "reservation.canceled",
    "rescinded": "reservation.rescinded",
    "wrapping": "reservation.wrapup",
    "completed": "reservation.completed",
}
"""Event type by the status a reservation has come to."""


def set_reservation(
    kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, status: str, **changes: object
) -> None:
    """Bring a reservation to a status, with all that follows for timers and capacity; nothing is emitted."""
    record = reservation.record
    before = record.reservation_status
    assert status in states.RESERVATION[before], f"a reservation cannot go from {before} to {status}"
    if record.on_hold:
        changes["on_hold"] = False
    reservation.record = record.replaced(
        reservation_status=status, version=record.version + 1, date_updated=kernel.now, **changes
    )
    if before == PENDING:
        kernel.schedule.cancel(reservation.timer)
        kernel.schedule.cancel(reservation.voice_timer)
        reservation.timer = reservation.voice_timer = None
    task, worker = reservation.task, reservation.worker
    # The count of accepted reservations follows acceptance, that of places taken follows being open.
    assigned = (status == ACCEPTED) - (before == ACCEPTED)
    if status in RESERVATION_OPEN:
        idle.occupy(kernel, worker, record.task_channel_sid, assigned=assigned)
        return
    del task.open[record.sid]
    del worker.open[record.sid]
    if status == COMPLETED:
        task.completed_any = True
        if kernel.rules.worker_version_grows_on_completion:
            worker.record = worker.record.replaced(version=worker.record.version + 1)
    idle.occupy(kernel, worker, record.task_channel_sid, occupied=-1, assigned=assigned)
    if record.task_channel_sid in worker.channels:
        idle.refresh(kernel, ws, worker, record.task_channel_sid)
    kernel.wake(ws, worker)


def derived_status(task: TaskState) -> str:
    """Return the status that a task's reservations and transfer amount to."""
    statuses = {r.record.reservation_status for r in task.open.values()}
    if PENDING in statuses:
        return RESERVED
    if task.transfer is not None and task.transfer.record.transfer_type == "QUEUE":
        return PENDING
    if ACCEPTED in statuses:
        return ASSIGNED
    if WRAPPING in statuses:
        return WRAPPING
    return COMPLETED if task.completed_any else PENDING


def set_task_status(kernel: Kernel, ws: WorkspaceState, task: TaskState, status: str, **changes: object) -> bool:
    """Bring a task to a status, with all that follows for timers; nothing is emitted. Return whether it changed."""
    record = task.record
    if status == record.assignment_status and not changes:
        return False
    before = record.assignment_status
    assert status == before or status in states.TASK[before], f"a task cannot go from {before} to {status}"
    task.record = record.replaced(
        assignment_status=status, version=record.version + 1, date_updated=kernel.now, **changes
    )
    if status == ASSIGNED and task.assigned_timer is None:
        due = kernel.now + kernel.rules.assigned_limit
        task.assigned_timer = kernel.schedule.at(due, TimerKind.ASSIGNED_LIMIT, ws, task)
    elif status == WRAPPING:
        kernel.schedule.cancel(task.assigned_timer)
        task.assigned_timer = None
    elif status in TASK_FINAL:
        _finish(kernel, ws, task)
    return True


def stop_waiting(kernel: Kernel, task: TaskState) -> None:
    """Stop everything that only matters while nobody has accepted the task."""
    waiting.remove(task)
    kernel.unplaced.pop(task, None)
    for timer in (task.ttl_timer, task.step_timer, task.change_timer, task.sla_timer):
        if timer is not None:
            kernel.schedule.cancel(timer)
    task.ttl_timer = task.step_timer = task.change_timer = task.sla_timer = None


def _finish(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """A task is over: it waits for nothing any more and will be removed after a while."""
    stop_waiting(kernel, task)
    kernel.schedule.cancel(task.assigned_timer)
    task.assigned_timer = None
    sid = task.record.sid
    if task.queue is not None:
        task.queue.tasks.pop(sid, None)
    if task.workflow is not None:
        task.workflow.tasks.pop(sid, None)
    task.purge_timer = kernel.schedule.at(kernel.now + kernel.rules.purge_finished_after, TimerKind.PURGE, ws, task)


def end_open(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> list[ReservationState]:
    """End every open reservation of a task that is ending: pending ones canceled, the others completed.

    Nothing is emitted; returns the reservations that were ended.
    """
    ended = list(task.open.values())
    for reservation in ended:
        unanswered = reservation.record.reservation_status == PENDING
        set_reservation(kernel, ws, reservation, CANCELED if unanswered else COMPLETED)
    if task.transfer is not None:
        end_transfer(kernel, task.transfer, TRANSFER_FAILED, TRANSFER_TASK_ENDED)
    return ended


def end_transfer(kernel: Kernel, transfer: TransferState, status: str, reason: str | None = None) -> None:
    """Close a transfer; nothing is emitted."""
    transfer.record = transfer.record.replaced(
        transfer_status=status, transfer_failed_reason=reason, date_updated=kernel.now
    )
    transfer.initiator.task.transfer = None


def fall_back(
    kernel: Kernel, ws: WorkspaceState, transfer: TransferState, status: str, reason: str | None = None
) -> str:
    """Close a transfer that did not come about and let its task be what it is without it.

    The task returns to the queue it came from. Nothing is emitted; returns the task's status.
    """
    task = transfer.initiator.task
    end_transfer(kernel, transfer, status, reason)
    changes: dict[str, object] = {}
    if transfer.queue_before is not None and transfer.queue_before is not task.queue:
        changes = book(kernel, task, transfer.queue_before)
    fallback = derived_status(task)
    if fallback == COMPLETED:
        fallback = kernel.rules.failed_cold_transfer_status
    set_task_status(kernel, ws, task, fallback, **changes)
    return fallback


def book(kernel: Kernel, task: TaskState, queue: QueueState) -> dict[str, object]:
    """Book a task under a queue; return the changes of its record that say so."""
    if task.queue is not None:
        task.queue.tasks.pop(task.record.sid, None)
    task.queue = queue
    queue.tasks[task.record.sid] = task
    return {
        "task_queue_sid": queue.record.sid,
        "task_queue_friendly_name": queue.record.friendly_name,
        "task_queue_entered_date": kernel.now,
    }


def emit_ended(kernel: Kernel, ws: WorkspaceState, ended: list[ReservationState]) -> None:
    """Emit the event of each of these reservations' present status."""
    for reservation in ended:
        status = reservation.record.reservation_status
        kernel.emit_reservation(EVENT_OF_STATUS[status], ws, reservation)
        if not ws.record.multi_task_enabled and status in (CANCELED, RESCINDED):
            move_back(kernel, ws, reservation)


def move_back(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Put a worker who does one task at a time back into the activity it had before a reservation."""
    previous = ws.activities.get(reservation.record.worker_previous_activity_sid)
    if previous is not None:
        move(kernel, ws, reservation.worker, previous)


def emit_task_and_reservations(
    kernel: Kernel,
    ws: WorkspaceState,
    type: str,
    task: TaskState,
    recipients: tuple[str, ...],
    reservations: list[ReservationState],
) -> None:
    """Emit a task's event and those of its reservations, in the order that the rules ask for."""
    if not kernel.rules.task_events_first:
        emit_ended(kernel, ws, reservations)
    kernel.emit(type, ws, recipients, task=task.record)
    if kernel.rules.task_events_first:
        emit_ended(kernel, ws, reservations)


def cancel_task(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, reason: str | None, leaving: str | None = None
) -> None:
    """Cancel a task, and whatever reservations of it are open.

    Args:
        leaving: type of the workflow event to emit before, if the task is falling out of its workflow.
    """
    recipients = task.workers()
    ended = end_open(kernel, ws, task)
    set_task_status(kernel, ws, task, CANCELED, reason=reason)
    if leaving is not None and task.workflow is not None:
        kernel.emit(leaving, ws, task=task.record, workflow=task.workflow.record)
    emit_task_and_reservations(kernel, ws, "task.canceled", task, recipients, ended)


def remove_task(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Forget a task that is over, with its reservations and transfers."""
    kernel.schedule.cancel(task.purge_timer)
    for sid, reservation in task.reservations.items():
        del ws.reservations[sid]
        reservation.worker.reservations.pop(sid, None)
    for sid in task.transfers:
        del ws.transfers[sid]
    del ws.tasks[task.record.sid]
    # What refers to each other in a circle would be left to the garbage collector.
    task.reservations.clear()
    task.transfers.clear()
    task.purge_timer = None


def delete_task(kernel: Kernel, ws: WorkspaceState, task: TaskState, event: str) -> None:
    """Remove a task in whatever state it is, ending its reservations."""
    ended = end_open(kernel, ws, task)
    if not task.record.final:
        set_task_status(kernel, ws, task, COMPLETED if task.completed_any else CANCELED)
    emit_ended(kernel, ws, ended)
    kernel.emit(event, ws, task=task.record)
    remove_task(kernel, ws, task)


def move(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, activity: Activity, *, part_of_update: bool = False
) -> None:
    """Put a worker into an activity, with all that follows; nothing happens if it is there already.

    Args:
        part_of_update: the caller counts the version and emits the event, as one of several changes.
    """
    before = worker.record
    if before.activity_sid == activity.sid:
        return
    worker.record = before.replaced(
        activity_sid=activity.sid,
        activity_name=activity.friendly_name,
        available=activity.available,
        date_status_changed=kernel.now,
        version=before.version + (not part_of_update),
    )
    worker.fields["activity_sid"] = activity.sid
    worker.fields["activity_name"] = activity.friendly_name
    membership.activity_changed(worker, before.activity_sid)
    membership.rematch(kernel, ws, worker, attributes=False, fields=False, activity=True)
    idle.refresh(kernel, ws, worker)
    if activity.available:
        kernel.wake(ws, worker)
    if not part_of_update:
        emit_moved(kernel, ws, worker, before)


def emit_moved(kernel: Kernel, ws: WorkspaceState, worker: WorkerState, before: Worker) -> None:
    """Emit a worker's change of activity; the worker hears it."""
    data = {
        "previous_activity_sid": before.activity_sid,
        "previous_activity_name": before.activity_name,
        "time_in_previous_activity": kernel.now - before.date_status_changed,
    }
    kernel.emit("worker.activity.update", ws, (before.sid,), worker=worker.record, data=data)
