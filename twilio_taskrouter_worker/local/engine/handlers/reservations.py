"""Reservations: accepted, wrapped up and completed, or ended unaccepted, and where their tasks go then."""

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
    """Accept, reject, wrap up or complete a reservation."""
    ws = kernel.workspace(command.workspace_sid)
    reservation = ws.reservation(command.sid, command.task_sid, command.worker_sid)
    checks.version(reservation.record, command.if_match)
    wanted = checks.choice(command.reservation_status, (ACCEPTED, REJECTED, WRAPPING, COMPLETED), "ReservationStatus")
    activity_sid = command.worker_activity_sid
    if activity_sid is not None:
        activity_sid = ws.activity_named(activity_sid).sid
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
    """Refuse a status that the present one does not lead to."""
    record = reservation.record
    status = record.reservation_status
    allowed = states.leading_to(states.RESERVATION, wanted)
    # While a call is being set up the offer can neither be accepted nor rejected.
    if status in allowed and not record.on_hold:
        return
    if status == RESCINDED and wanted == ACCEPTED:
        raise errors.reservation_gone(record.sid, kernel.rules.gone_code)
    raise errors.wrong_reservation_state(record.sid, ", ".join(allowed), wanted)


def accept(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """A worker takes a task; other offers of it are rescinded, a transfer is complete."""
    task = reservation.task
    rescinded = [other for other in task.pending() if other is not reservation]
    set_reservation(kernel, ws, reservation, ACCEPTED)
    for other in rescinded:
        set_reservation(kernel, ws, other, RESCINDED)
    stop_waiting(kernel, task)
    task.accepted = True
    task.re_evaluated = None
    transfer = task.transfer
    if transfer is not None:
        end_transfer(kernel, transfer, TRANSFER_COMPLETE)
    set_task_status(kernel, ws, task, derived_status(task))
    kernel.emit_reservation("reservation.accepted", ws, reservation)
    emit_ended(kernel, ws, rescinded)
    if transfer is not None:
        transferor = (transfer.initiator.record.worker_sid,)
        kernel.emit("task.transfer-completed", ws, transferor, task=task.record, transfer=transfer.record)
        if kernel.rules.task_updated_on_transfer:
            kernel.emit("task.updated", ws, transferor, task=task.record)
    queue = task.queue.record if task.queue is not None else None
    if not ws.record.multi_task_enabled and queue is not None and queue.assignment_activity_sid is not None:
        move(kernel, ws, reservation.worker, ws.activities[queue.assignment_activity_sid])


def wrap(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """A worker has ended the conversation and has something left to do."""
    set_reservation(kernel, ws, reservation, WRAPPING)
    _follow(kernel, ws, reservation, reservation.task.workers())


def complete(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """A worker is done; so is the task, if nobody else has it."""
    recipients = reservation.task.workers()
    set_reservation(kernel, ws, reservation, COMPLETED)
    _follow(kernel, ws, reservation, recipients)
    after_work(kernel, ws, [reservation])


def _follow(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, recipients: tuple[str, ...]) -> None:
    """Let the task follow one reservation's wrap-up or completion, and emit both."""
    task = reservation.task
    changed = set_task_status(kernel, ws, task, derived_status(task))
    status = task.record.assignment_status
    if changed and status in (WRAPPING, COMPLETED):
        event = "task.wrapup" if status == WRAPPING else "task.completed"
        emit_task_and_reservations(kernel, ws, event, task, recipients, [reservation])
    else:
        emit_ended(kernel, ws, [reservation])


def after_work(kernel: Kernel, ws: WorkspaceState, completed: list[ReservationState]) -> None:
    """Move workers whose instruction named an activity for after the work."""
    for reservation in completed:
        activity = ws.activities.get(reservation.record.post_work_activity_sid or "")
        if activity is not None and reservation.record.worker_sid in ws.workers:
            move(kernel, ws, reservation.worker, activity)


# -- ended unaccepted -------------------------------------------------------------------------------------------


def reject(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, activity_sid: str | None) -> None:
    """A worker does not want a reservation, and perhaps goes to another activity."""
    end(kernel, ws, reservation, REJECTED)
    if activity_sid is not None:
        move(kernel, ws, reservation.worker, ws.activities[activity_sid])
    elif not ws.record.multi_task_enabled:
        move_back(kernel, ws, reservation)


def reject_all(kernel: Kernel, ws: WorkspaceState, reservations: list[ReservationState]) -> None:
    """Reject what is pending with a worker who has gone to an unavailable activity."""
    for reservation in reservations:
        # One of them may have ended with another: two offers of the same task, say.
        if reservation.record.reservation_status == PENDING:
            end(kernel, ws, reservation, REJECTED)


def timed_out(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """Nobody answered: the worker is taken to be away."""
    reservation.timer = None
    end(kernel, ws, reservation, TIMEOUT)
    activity = ws.activities.get(ws.record.timeout_activity_sid or "")
    if activity is not None:
        move(kernel, ws, reservation.worker, activity)


def cancel(kernel: Kernel, command: CancelReservation) -> Reservation:
    """Cancel a pending reservation and let its task go on."""
    ws = kernel.workspace(command.workspace_sid)
    reservation = ws.reservation(command.sid)
    if reservation.record.reservation_status == PENDING and not reservation.record.on_hold:
        end(kernel, ws, reservation, CANCELED)
    return reservation.record


def media_failed(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, reason_code: int) -> None:
    """The voice connection of a reservation could not be made."""
    end(kernel, ws, reservation, CANCELED, canceled_reason_code=reason_code)


def end(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, status: str, **changes: object) -> None:
    """End a pending reservation unaccepted, emit what that means, and send its task on."""
    task = reservation.task
    set_reservation(kernel, ws, reservation, status, **changes)
    event = EVENT_OF_STATUS[status]
    if task.pending():
        kernel.emit_reservation(event, ws, reservation)
        return
    transfer = task.transfer
    if transfer is not None:
        if transfer.record.transfer_type == "QUEUE" and _may_try_again(kernel, transfer):
            _attempt_failed(kernel, ws, reservation, transfer, status)
        else:
            _transfer_failed(kernel, ws, reservation, transfer, status)
    elif task.route is Route.WORKER:
        _target_lost(kernel, ws, reservation)
    else:
        set_task_status(kernel, ws, task, PENDING)
        kernel.emit_reservation(event, ws, reservation)
        task.re_evaluated = _RE_EVALUATED[status]
        walk.come_back(kernel, ws, task)


def _target_lost(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """The only worker a task was for has not taken it."""
    task = reservation.task
    worker_sid = reservation.record.worker_sid
    reason = REASON_TARGET_LOST.format(worker_sid=task.record.routing_target)
    set_task_status(kernel, ws, task, CANCELED, reason=reason)
    emit_task_and_reservations(kernel, ws, "task.canceled", task, (worker_sid,), [reservation])


def _may_try_again(kernel: Kernel, transfer: TransferState) -> bool:
    """Count a failed attempt of a transfer to a queue; return whether another one may follow."""
    transfer.attempts += 1
    most = kernel.rules.queue_transfer_attempts
    return most is None or transfer.attempts < most


def _transfer_failed(
    kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, transfer: TransferState, status: str
) -> None:
    """The worker a task was to be handed to has not taken it: it stays with, or returns to, the one who had it."""
    task = reservation.task
    transferor = (transfer.initiator.record.worker_sid,)
    fallback = fall_back(kernel, ws, transfer, TRANSFER_FAILED, _TRANSFER_REASONS[status])
    emit_ended(kernel, ws, [reservation])
    kernel.emit("task.transfer-failed", ws, transferor, task=task.record, transfer=transfer.record)
    kernel.emit("task.updated", ws, transferor, task=task.record)
    emit_fallback(kernel, ws, reservation, fallback)


def emit_fallback(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, status: str) -> None:
    """Emit that the end of a transfer was the end of the task, because its transferor had completed already."""
    if status in TASK_FINAL:
        recipients = (reservation.record.worker_sid,)
        kernel.emit(f"task.{status}", ws, recipients, task=reservation.task.record)


def _attempt_failed(
    kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, transfer: TransferState, status: str
) -> None:
    """Nobody in the queue has taken a transferred task so far: it goes on looking."""
    task = reservation.task
    transferor = (transfer.initiator.record.worker_sid,)
    reason = ATTEMPT_FAILED.format(outcome=_ATTEMPT_WORDS[status])
    transfer.record = transfer.record.replaced(transfer_failed_reason=reason, date_updated=kernel.now)
    set_task_status(kernel, ws, task, PENDING)
    emit_ended(kernel, ws, [reservation])
    kernel.emit("task.transfer-attempt-failed", ws, transferor, task=task.record, transfer=transfer.record)
    kernel.emit("task.updated", ws, transferor, task=task.record)
    kernel.place(ws, task)
