"""Reservations: accepted, wrapped up and completed, or ended unaccepted, and the consequences for their tasks.

The order of steps is the same in every function: all records change first, then the events are emitted, then the task
is routed on and the worker is moved. So each event shows the complete change, but not yet its consequences.
"""

from __future__ import annotations

from .. import errors, states
from ..commands import CancelReservation, UpdateReservation
from ..core import checks
from ..core.kernel import Kernel
from ..core.state import ReservationState, Route, TransferState
from ..core.workspace import WorkspaceState
from ..model import (
    ACCEPTED,
    CANCELED,
    COMPLETED,
    PENDING,
    REJECTED,
    RESCINDED,
    TASK_FINAL,
    TIMEOUT,
    TRANSFER_COMPLETE,
    TRANSFER_FAILED,
    WRAPPING,
    Reservation,
)
from ..routing import walk
from ..rules import (
    ATTEMPT_FAILED,
    REASON_TARGET_LOST,
    RESERVATION_CANCELED,
    RESERVATION_REJECTED,
    RESERVATION_TIMEOUT,
    TRANSFER_MEDIA_FAILED,
    TRANSFER_REJECTED,
    TRANSFER_TIMED_OUT,
)
from ..transitions import (
    EVENT_OF_STATUS,
    derived_status,
    emit_ended,
    emit_task_and_reservations,
    end_transfer,
    fall_back,
    move,
    move_back,
    set_reservation,
    set_task_status,
    stop_waiting,
)

_TRANSFER_REASONS = {REJECTED: TRANSFER_REJECTED, TIMEOUT: TRANSFER_TIMED_OUT, CANCELED: TRANSFER_MEDIA_FAILED}
_RE_EVALUATED = {REJECTED: RESERVATION_REJECTED, TIMEOUT: RESERVATION_TIMEOUT, CANCELED: RESERVATION_CANCELED}
_ATTEMPT_WORDS = {REJECTED: "reject", TIMEOUT: "timeout", CANCELED: "cancel"}


def update(kernel: Kernel, command: UpdateReservation) -> Reservation:
    """Accept, reject, wrap up or complete a reservation.

    Args:
        kernel: The engine's shared state; changed in place.
        command: ``worker_activity_sid`` only has an effect with ``rejected``.

    Raises:
        Rejected: 404, there is no such workspace or reservation; 412, its version is another one; 400, the status does
            not follow the present one or a parameter is invalid; 410, the reservation was rescinded.
    """
    ws = kernel.workspace(command.workspace_sid)
    reservation = ws.reservation(command.sid, command.task_sid, command.worker_sid)
    checks.version(reservation.record, command.if_match)
    # Only these can be asked for; the other statuses are set by the engine.
    wanted = checks.choice(command.reservation_status, (ACCEPTED, REJECTED, WRAPPING, COMPLETED), "ReservationStatus")
    activity_sid = command.worker_activity_sid
    # Checked before anything changes, although only a rejection uses it.
    if activity_sid is not None:
        activity_sid = ws.activity_named(activity_sid, "WorkerActivitySid").sid
    check_state(kernel, reservation, wanted)
    if wanted == ACCEPTED:
        accept(kernel, ws, reservation)
    elif wanted == REJECTED:
        reject(kernel, ws, reservation, activity_sid)
    elif wanted == WRAPPING:
        wrap(kernel, ws, reservation)
    else:
        complete(kernel, ws, reservation)
    return reservation.record


def check_state(kernel: Kernel, reservation: ReservationState, wanted: str) -> None:
    """Check that a reservation may change to a status.

    Args:
        kernel: Its rules have the code of a 410.
        reservation: Only read.
        wanted: The status that is asked for.

    Raises:
        Rejected: 400, the status does not follow the present one; 410, the reservation was rescinded and cannot be
            accepted.
    """
    record = reservation.record
    status = record.reservation_status
    # While a call is being set up the offer can neither be accepted nor rejected.
    if wanted in states.RESERVATION[status] and not record.on_hold:
        return
    if status == RESCINDED and wanted == ACCEPTED:
        raise errors.reservation_gone(record.sid, kernel.rules.gone_code)
    allowed = ", ".join(states.leading_to(states.RESERVATION, wanted))
    raise errors.wrong_reservation_state(record.sid, allowed, wanted)


def accept(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Accept a reservation: other offers of the task are rescinded, and a transfer is complete.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be pending.

    Raises:
        AssertionError: The reservation is not pending.
    """
    task = reservation.task
    # Listed before any status changes, in the order in which the offers were made.
    rescinded = [other for other in task.pending() if other is not reservation]
    set_reservation(kernel, ws, reservation, ACCEPTED)
    for other in rescinded:
        set_reservation(kernel, ws, other, RESCINDED)
    # The timeout of a task ends with the first acceptance; from then on only the limit on assigned tasks counts.
    stop_waiting(kernel, task)
    task.accepted = True
    # Its routing has ended; a later one starts with a reason of its own.
    task.re_evaluated = None
    transfer = task.transfer
    if transfer is not None:
        # Before derived_status, which an open transfer would influence.
        end_transfer(kernel, transfer, TRANSFER_COMPLETE)
    set_task_status(kernel, ws, task, derived_status(task))
    kernel.emit_reservation("reservation.accepted", ws, reservation)
    # The acceptance comes first, then its consequences for the other workers.
    emit_ended(kernel, ws, rescinded)
    if transfer is not None:
        kernel.emit_transfer("task.transfer-completed", ws, transfer)
        if kernel.rules.task_updated_on_transfer:
            kernel.emit_transferred(ws, transfer, reservation)
    queue = task.queue.record if task.queue is not None else None
    if not ws.record.multi_task_enabled and queue is not None and queue.assignment_activity_sid is not None:
        # Last: the activity is a consequence of the acceptance, and emits an event of its own.
        move(kernel, ws, reservation.worker, ws.activities[queue.assignment_activity_sid])


def wrap(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Change an accepted reservation to wrapping.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be accepted.

    Raises:
        AssertionError: The reservation is not accepted.
    """
    set_reservation(kernel, ws, reservation, WRAPPING)
    _follow(kernel, ws, reservation, reservation.task.workers())


def complete(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Complete a reservation, and the task if no other worker has it.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be accepted or wrapping.

    Raises:
        AssertionError: The reservation is neither accepted nor wrapping.
    """
    # Before the change, after which the worker is no longer among the holders.
    recipients = reservation.task.workers()
    set_reservation(kernel, ws, reservation, COMPLETED)
    _follow(kernel, ws, reservation, recipients)
    after_work(kernel, ws, [reservation])


def _follow(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, recipients: tuple[str, ...]) -> None:
    """Update the status of a task after the wrap-up or completion of one reservation, and emit both."""
    task = reservation.task
    # The task may stay as it is: another worker has it, or it is being transferred.
    changed = set_task_status(kernel, ws, task, derived_status(task))
    status = task.record.assignment_status
    if changed and status in (WRAPPING, COMPLETED):
        event = "task.wrapup" if status == WRAPPING else "task.completed"
        emit_task_and_reservations(kernel, ws, event, task, recipients, [reservation])
    else:
        emit_ended(kernel, ws, [reservation])


def after_work(kernel: Kernel, ws: WorkspaceState, completed: list[ReservationState]) -> None:
    """Move the workers whose instruction named an activity for the time after the work.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservations.
        completed: Reservations that were just completed.
    """
    for reservation in completed:
        activity = ws.activities.get(reservation.record.post_work_activity_sid or "")
        # Both the activity and the worker may have been deleted since the instruction.
        if activity is not None and reservation.record.worker_sid in ws.workers:
            move(kernel, ws, reservation.worker, activity)


# -- ended unaccepted -------------------------------------------------------------------------------------------


def reject(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, activity_sid: str | None) -> None:
    """Reject a reservation.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be pending.
        activity_sid: Activity to move the worker to; None: it stays, or moves back if it does one task at a time.

    Raises:
        AssertionError: The reservation is not pending.
    """
    end(kernel, ws, reservation, REJECTED)
    if activity_sid is not None:
        move(kernel, ws, reservation.worker, ws.activities[activity_sid])
    elif not ws.record.multi_task_enabled:
        move_back(kernel, ws, reservation)


def reject_all(kernel: Kernel, ws: WorkspaceState, reservations: list[ReservationState]) -> None:
    """Reject the pending reservations of a worker that has become unavailable.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the worker.
        reservations: Those that were pending before the worker changed.
    """
    for reservation in reservations:
        # The rejection of one may have ended another, such as a second offer of the same task.
        if reservation.record.reservation_status == PENDING:
            end(kernel, ws, reservation, REJECTED)


def timed_out(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """End a reservation that was not answered in time, and move its worker to the timeout activity.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Its timer has just run.
    """
    # It is this timer that runs, so there is nothing to cancel.
    reservation.timer = None
    end(kernel, ws, reservation, TIMEOUT)
    # The worker did not react, so it is assumed to be away.
    activity = ws.activities.get(ws.record.timeout_activity_sid or "")
    if activity is not None:
        move(kernel, ws, reservation.worker, activity)


def cancel(kernel: Kernel, command: CancelReservation) -> Reservation:
    """Cancel a pending reservation and route its task on.

    Args:
        kernel: The engine's shared state; changed in place.
        command: A reservation that is no longer pending, or on hold, stays as it is.

    Raises:
        Rejected: 404, there is no such workspace or reservation.
    """
    ws = kernel.workspace(command.workspace_sid)
    reservation = ws.reservation(command.sid)
    if reservation.record.reservation_status == PENDING and not reservation.record.on_hold:
        end(kernel, ws, reservation, CANCELED)
    return reservation.record


def media_failed(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, reason_code: int) -> None:
    """Cancel a reservation whose voice connection failed.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be pending.
        reason_code: Shown as the reservation's ``canceled_reason_code``.

    Raises:
        AssertionError: The reservation is not pending.
    """
    end(kernel, ws, reservation, CANCELED, canceled_reason_code=reason_code)


def end(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, status: str, **changes: object) -> None:
    """End a pending reservation unaccepted, emit the events, and route its task on.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be pending.
        status: Rejected, timeout or canceled.
        changes: Other fields of the record that change with it.

    Raises:
        AssertionError: The reservation is not pending.
    """
    task = reservation.task
    set_reservation(kernel, ws, reservation, status, **changes)
    event = EVENT_OF_STATUS[status]
    # Offered to several workers at once: the task stays reserved until the last offer has ended.
    if task.pending():
        kernel.emit_reservation(event, ws, reservation)
        return
    transfer = task.transfer
    if transfer is not None:
        if transfer.record.transfer_type == "QUEUE" and _may_try_again(kernel, transfer):
            _attempt_failed(kernel, ws, reservation, transfer, status)
        else:
            _transfer_failed(kernel, ws, reservation, transfer, status)
    # After the transfer: while one is open, the routing target is suspended.
    elif task.route is Route.WORKER:
        _target_lost(kernel, ws, reservation)
    else:
        # The event shows the task pending, as payloads of the service do, even if it is offered again in the same
        # moment.
        set_task_status(kernel, ws, task, PENDING)
        kernel.emit_reservation(event, ws, reservation)
        # After the events of this offer, before those of the next routing, which show the reason.
        task.re_evaluated = _RE_EVALUATED[status]
        walk.come_back(kernel, ws, task)


def _target_lost(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Cancel a task whose routing target did not accept it."""
    task = reservation.task
    worker_sid = reservation.record.worker_sid
    reason = REASON_TARGET_LOST.format(worker_sid=task.record.routing_target)
    # Not by cancel_task: the reservation has ended already, with a status of its own.
    set_task_status(kernel, ws, task, CANCELED, reason=reason)
    emit_task_and_reservations(kernel, ws, "task.canceled", task, (worker_sid,), [reservation])


def _may_try_again(kernel: Kernel, transfer: TransferState) -> bool:
    """Count a failed attempt of a transfer to a queue; return whether another one may follow."""
    # An attempt is one round of offers, however many workers were asked at once.
    transfer.attempts += 1
    most = kernel.rules.queue_transfer_attempts
    return most is None or transfer.attempts < most


def _transfer_failed(
    kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, transfer: TransferState, status: str
) -> None:
    """End a transfer that its target did not accept: the task stays with, or returns to, the transferor."""
    fallback = fall_back(kernel, ws, transfer, TRANSFER_FAILED, _TRANSFER_REASONS[status])
    emit_ended(kernel, ws, [reservation])
    kernel.emit_transfer("task.transfer-failed", ws, transfer)
    kernel.emit_transferred(ws, transfer)
    emit_fallback(kernel, ws, reservation, fallback)


def emit_fallback(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, status: str) -> None:
    """Emit the end of a task that ended with its transfer, because the transferor had completed already.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        reservation: Its worker is the recipient.
        status: The status that the task fell back to; nothing is emitted unless it is final.
    """
    if status in TASK_FINAL:
        recipients = (reservation.record.worker_sid,)
        kernel.emit_task(f"task.{status}", ws, reservation.task, recipients)


def _attempt_failed(
    kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, transfer: TransferState, status: str
) -> None:
    """Route a transferred task on in its queue after an attempt that no worker accepted."""
    task = reservation.task
    reason = ATTEMPT_FAILED.format(outcome=_ATTEMPT_WORDS[status])
    transfer.record = transfer.record.replaced(transfer_failed_reason=reason, date_updated=kernel.now)
    set_task_status(kernel, ws, task, PENDING)
    emit_ended(kernel, ws, [reservation])
    kernel.emit_transfer("task.transfer-attempt-failed", ws, transfer)
    kernel.emit_transferred(ws, transfer)
    # Back into the same queue: a transfer has no next step.
    kernel.place(ws, task)
