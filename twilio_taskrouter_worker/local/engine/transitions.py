"""Changes of state of tasks, reservations and workers, with the consequences that each has whatever its cause.

The invariants:

* a change is in the tables of ``states``;
* a reservation occupies a place of its worker's channel exactly while it is open, and is in ``task.open`` and
  ``worker.open`` exactly then;
* the status of a task that is not final is ``derived_status`` of its open reservations and its transfer;
* a timer exists exactly while the event it waits for can happen.

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
from .events import WorkerEvent
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
"""Event type by the new status of a reservation."""


def set_reservation(
    kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, status: str, **changes: object
) -> None:
    """Change the status of a reservation, and with it timers and capacity; nothing is emitted.

    The caller sets the status of the task afterwards, which depends on all its reservations.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the reservation.
        reservation: Changed in place.
        status: Must follow the present one in ``states.RESERVATION``.
        changes: Other fields of the record that change with it.

    Raises:
        AssertionError: The tables do not allow the change: a request was not checked, which is a defect of the engine.
    """
    record = reservation.record
    before = record.reservation_status
    assert status in states.RESERVATION[before], f"a reservation cannot go from {before} to {status}"
    # Only a pending offer can be on hold; every change ends that.
    if record.on_hold:
        changes["on_hold"] = False
    reservation.record = record.replaced(
        reservation_status=status, version=record.version + 1, date_updated=kernel.now, **changes
    )
    # Both timers wait for an answer to the offer, which has now come.
    if before == PENDING:
        kernel.schedule.cancel(reservation.timer)
        kernel.schedule.cancel(reservation.voice_timer)
        reservation.timer = reservation.voice_timer = None
    task, worker = reservation.task, reservation.worker
    # The count of accepted reservations follows acceptance, that of places taken follows being open.
    assigned = (status == ACCEPTED) - (before == ACCEPTED)
    if status in RESERVATION_OPEN:
        idle.occupy(kernel, ws, worker, record.task_channel_sid, assigned=assigned)
        return
    # Out of ``open`` first: the worker's readiness, computed below, depends on it.
    del task.open[record.sid]
    del worker.open[record.sid]
    if status == COMPLETED:
        task.completed_any = True
        if kernel.rules.worker_version_grows_on_completion:
            worker.record = worker.record.replaced(version=worker.record.version + 1)
    idle.occupy(kernel, ws, worker, record.task_channel_sid, occupied=-1, assigned=assigned)
    # The task channel may have been deleted meanwhile; then there is no index to update.
    if record.task_channel_sid in worker.channels:
        idle.refresh(kernel, ws, worker, record.task_channel_sid)
    # A place has become free.
    kernel.wake(ws, worker)


def derived_status(task: TaskState) -> str:
    """Return the status that follows from a task's open reservations and its transfer.

    Args:
        task: Must not be final; only read.

    Returns:
        A status of ``states.TASK``; pending if nobody has or had the task.
    """
    statuses = {r.record.reservation_status for r in task.open.values()}
    # An open offer hides the transferor's own reservation: during a transfer the task is reserved.
    if PENDING in statuses:
        return RESERVED
    # Transferred to a queue in which nobody is offered it: pending, although the transferor still holds it.
    if task.transfer is not None and task.transfer.record.transfer_type == "QUEUE":
        return PENDING
    if ACCEPTED in statuses:
        return ASSIGNED
    if WRAPPING in statuses:
        return WRAPPING
    # Without an open reservation: one that was completed makes it completed, or it was never accepted.
    return COMPLETED if task.completed_any else PENDING


def set_task_status(kernel: Kernel, ws: WorkspaceState, task: TaskState, status: str, **changes: object) -> bool:
    """Change the status of a task, and with it its timers; nothing is emitted.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the task.
        task: Changed in place.
        status: The present one, or one that follows it in ``states.TASK``.
        changes: Other fields of the record that change with it.

    Returns:
        Whether anything changed; without a change the version stays.

    Raises:
        AssertionError: The tables do not allow the change, which is a defect of the engine.
    """
    record = task.record
    if status == record.assignment_status and not changes:
        return False
    before = record.assignment_status
    assert status == before or status in states.TASK[before], f"a task cannot go from {before} to {status}"
    task.record = record.replaced(
        assignment_status=status, version=record.version + 1, date_updated=kernel.now, **changes
    )
    # Only the first time: a task that returns from a transfer keeps the limit it had.
    if status == ASSIGNED and task.assigned_timer is None:
        due = kernel.now + kernel.rules.assigned_limit
        task.assigned_timer = kernel.schedule.at(due, TimerKind.ASSIGNED_LIMIT, ws, task)
    # The limit concerns the status assigned only; wrapping up may take any time.
    elif status == WRAPPING:
        kernel.schedule.cancel(task.assigned_timer)
        task.assigned_timer = None
    elif status in TASK_FINAL:
        _finish(kernel, ws, task)
    return True


def stop_waiting(kernel: Kernel, task: TaskState) -> None:
    """Cancel the timers, the index entry and the routing request of a task that no longer waits for acceptance.

    Args:
        kernel: The engine's shared state.
        task: Changed in place; nothing happens for those it does not have.
    """
    waiting.remove(task)
    kernel.unplaced.pop(task, None)
    for timer in (task.ttl_timer, task.step_timer, task.change_timer, task.sla_timer):
        if timer is not None:
            kernel.schedule.cancel(timer)
    task.ttl_timer = task.step_timer = task.change_timer = task.sla_timer = None


def _finish(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Remove an ended task from its queue and workflow, and schedule its purge."""
    stop_waiting(kernel, task)
    kernel.schedule.cancel(task.assigned_timer)
    task.assigned_timer = None
    sid = task.record.sid
    if task.queue is not None:
        task.queue.tasks.pop(sid, None)
    if task.workflow is not None:
        task.workflow.tasks.pop(sid, None)
    # Until then it can still be read, as in the service.
    task.purge_timer = kernel.schedule.at(kernel.now + kernel.rules.purge_finished_after, TimerKind.PURGE, ws, task)


def end_open(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> list[ReservationState]:
    """End every open reservation of a task that is ending: pending ones are canceled, the others completed.

    Nothing is emitted.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the task.
        task: Its open transfer fails with it.

    Returns:
        The reservations that were ended, for ``emit_ended``.
    """
    # A copy, since each change takes the reservation out of ``open``.
    ended = list(task.open.values())
    for reservation in ended:
        # Work that a worker has accepted counts as done.
        unanswered = reservation.record.reservation_status == PENDING
        set_reservation(kernel, ws, reservation, CANCELED if unanswered else COMPLETED)
    # Its reservations have just ended, so nothing is left to fall back to.
    if task.transfer is not None:
        end_transfer(kernel, task.transfer, TRANSFER_FAILED, TRANSFER_TASK_ENDED)
    return ended


def end_transfer(kernel: Kernel, transfer: TransferState, status: str, reason: str | None = None) -> None:
    """Close a transfer; nothing is emitted.

    Args:
        kernel: The engine's shared state.
        transfer: Must be open.
        status: The final status, one of ``model.TRANSFER_*``.
        reason: Why it failed; None for a transfer that did not fail.
    """
    transfer.record = transfer.record.replaced(
        transfer_status=status, transfer_failed_reason=reason, date_updated=kernel.now
    )
    # The record stays in ws.transfers: the reservation that the transfer made shows it to its end.
    transfer.initiator.task.transfer = None


def fall_back(
    kernel: Kernel, ws: WorkspaceState, transfer: TransferState, status: str, reason: str | None = None
) -> str:
    """Close a transfer that failed or was canceled, and return its task to its queue and status.

    Nothing is emitted.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the task.
        transfer: Must be open, and its own reservations ended.
        status: Failed or canceled.
        reason: Why it failed; None if it was canceled.

    Returns:
        The new status of the task.
    """
    task = transfer.initiator.task
    end_transfer(kernel, transfer, status, reason)
    changes: dict[str, object] = {}
    if transfer.queue_before is not None and transfer.queue_before is not task.queue:
        changes = book(kernel, task, transfer.queue_before)
    # Only after end_transfer: while the transfer is open it decides the status.
    fallback = derived_status(task)
    # The transferor of a COLD transfer completed before it failed: nobody is left to end the task.
    if fallback == COMPLETED:
        fallback = kernel.rules.failed_cold_transfer_status
    set_task_status(kernel, ws, task, fallback, **changes)
    return fallback


def book(kernel: Kernel, task: TaskState, queue: QueueState) -> dict[str, object]:
    """Register a task under a queue.

    Args:
        kernel: The engine's shared state.
        task: Leaves the queue it was registered under.
        queue: The new queue.

    Returns:
        The fields of the task's record that change; the caller applies them along with its own changes.
    """
    # Not in a group of the old queue any more: the caller has removed it from the waiting tasks.
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
    """Emit the event of each reservation's present status.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the reservations.
        ended: In the order of their events.
    """
    for reservation in ended:
        status = reservation.record.reservation_status
        kernel.emit_reservation(EVENT_OF_STATUS[status], ws, reservation)
        # A worker who does one task at a time was moved to the reservation activity when it was offered.
        if not ws.record.multi_task_enabled and status in (CANCELED, RESCINDED):
            move_back(kernel, ws, reservation)


def move_back(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Return a worker who does one task at a time to the activity it had before a reservation.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the worker.
        reservation: Has the sid of that activity; nothing happens if the activity was deleted.
    """
    # May be missing: an activity that no worker is in can be deleted.
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
    """Emit the event of a task and those of its reservations, in the order that the rules ask for.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the task.
        type: Type of the task's event.
        task: Its present record becomes the snapshot.
        recipients: Sids of the workers who had the task before the change, since afterwards nobody may have it.
        reservations: Those that changed along with the task.
    """
    if not kernel.rules.task_events_first:
        emit_ended(kernel, ws, reservations)
    kernel.emit_task(type, ws, task, recipients)
    if kernel.rules.task_events_first:
        emit_ended(kernel, ws, reservations)


def cancel_task(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, reason: str | None, leaving: str | None = None
) -> None:
    """Cancel a task and its open reservations.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the task.
        task: Must not be final.
        reason: Shown as the task's reason; None for none.
        leaving: Type of the workflow event to emit first, if the workflow has no further step for the task.

    Raises:
        AssertionError: The task is final.
    """
    # Before its reservations end: those workers are notified.
    recipients = task.workers()
    ended = end_open(kernel, ws, task)
    set_task_status(kernel, ws, task, CANCELED, reason=reason)
    if leaving is not None and task.workflow is not None:
        kernel.emit_workflow_step(leaving, ws, task, task.workflow)
    emit_task_and_reservations(kernel, ws, "task.canceled", task, recipients, ended)


def remove_task(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Remove an ended task with its reservations and transfers.

    Args:
        kernel: The engine's shared state.
        ws: Changed in place.
        task: Must be final.

    Raises:
        KeyError: The workspace does not have it.
    """
    # Without effect when this is the timer that runs; needed when a deletion comes before it.
    kernel.schedule.cancel(task.purge_timer)
    for sid, reservation in task.reservations.items():
        del ws.reservations[sid]
        reservation.worker.reservations.pop(sid, None)
    for sid in task.transfers:
        del ws.transfers[sid]
    del ws.tasks[task.record.sid]
    # Break the reference cycles, so that the objects are freed at once and not by the garbage collector.
    task.reservations.clear()
    task.transfers.clear()
    task.purge_timer = None


def delete_task(kernel: Kernel, ws: WorkspaceState, task: TaskState, event: str) -> None:
    """Remove a task in any status, ending its reservations.

    Args:
        kernel: The engine's shared state.
        ws: Changed in place.
        task: May be final already.
        event: Type of the event to emit.
    """
    ended = end_open(kernel, ws, task)
    # Through a final status, so that timers and indices are released in the same way as for any end.
    if not task.record.final:
        set_task_status(kernel, ws, task, COMPLETED if task.completed_any else CANCELED)
    # Of a deletion the workers see the ends of their reservations only; the task's own event is for the log.
    emit_ended(kernel, ws, ended)
    kernel.emit_task(event, ws, task)
    remove_task(kernel, ws, task)


def move(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, activity: Activity, *, part_of_update: bool = False
) -> None:
    """Put a worker into an activity; nothing happens if it is there already.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the worker.
        worker: Changed in place.
        activity: The new activity.
        part_of_update: The caller increases the version and emits the event, as one of several changes.
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
    # In place and before the memberships are matched: the scopes that expressions read refer to this dict.
    worker.fields["activity_sid"] = activity.sid
    worker.fields["activity_name"] = activity.friendly_name
    # The counts first, under the old memberships; rematch may then change those.
    membership.activity_changed(worker, before.activity_sid)
    membership.rematch(kernel, ws, worker, attributes=False, fields=False, activity=True)
    idle.refresh(kernel, ws, worker)
    # Whether or not it was available before: a new activity may bring it into other queues.
    if activity.available:
        kernel.wake(ws, worker)
    if not part_of_update:
        emit_moved(kernel, ws, worker, before)


def emit_moved(kernel: Kernel, ws: WorkspaceState, worker: WorkerState, before: Worker) -> None:
    """Emit a worker's change of activity; the worker is the recipient.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of the worker.
        worker: Its present record becomes the snapshot.
        before: Its record before the change.
    """
    data = {
        "previous_activity_sid": before.activity_sid,
        "previous_activity_name": before.activity_name,
        "time_in_previous_activity": kernel.now - before.date_status_changed,
    }
    kernel.emit(WorkerEvent, "worker.activity.update", ws, recipients=(before.sid,), worker=worker.record, data=data)
