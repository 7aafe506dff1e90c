"""Reservations that end without having been accepted, and where their tasks go then."""

from __future__ import annotations

from ..core.kernel import Kernel
from ..core.state import ReservationState, TransferState, WorkspaceState
from ..model import CANCELED, PENDING, REJECTED, TASK_FINAL, TIMEOUT, TRANSFER_FAILED
from ..movement import move
from ..routing import walk
from ..rules import ATTEMPT_FAILED, REASON_TARGET_LOST, TRANSFER_MEDIA_FAILED, TRANSFER_REJECTED, TRANSFER_TIMED_OUT
from ..transitions import (
    EVENT_OF_STATUS,
    emit_ended,
    emit_task_and_reservations,
    fall_back,
    move_back,
    set_reservation,
    set_task_status,
)

_TRANSFER_REASONS = {REJECTED: TRANSFER_REJECTED, TIMEOUT: TRANSFER_TIMED_OUT, CANCELED: TRANSFER_MEDIA_FAILED}
_ATTEMPT_WORDS = {REJECTED: "reject", TIMEOUT: "timeout", CANCELED: "cancel"}


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
    elif task.route == "worker":
        _target_lost(kernel, ws, reservation)
    else:
        set_task_status(kernel, ws, task, PENDING)
        kernel.emit_reservation(event, ws, reservation)
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
