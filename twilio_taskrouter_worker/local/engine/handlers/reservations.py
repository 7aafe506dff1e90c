"""Accepting, rejecting, wrapping up and completing reservations."""

from __future__ import annotations

from .. import errors
from ..commands import UpdateReservation
from ..core.checks import choice
from ..core.kernel import Kernel
from ..core.state import ReservationState, WorkspaceState
from ..model import ACCEPTED, COMPLETED, PENDING, REJECTED, RESCINDED, TRANSFER_COMPLETE, WRAPPING, Reservation
from ..movement import move
from ..transitions import (
    derived_status,
    emit_ended,
    emit_task_and_reservations,
    end_transfer,
    set_reservation,
    set_task_status,
    stop_waiting,
)
from . import unaccepted
from .workers import check_version


def update(kernel: Kernel, command: UpdateReservation) -> Reservation:
    """Do an UpdateReservation."""
    ws = kernel.workspace(command.workspace_sid)
    reservation = ws.reservation(command.sid, command.task_sid, command.worker_sid)
    check_version(reservation.record, command.if_match)
    wanted = choice(command.reservation_status, (ACCEPTED, REJECTED, WRAPPING, COMPLETED), "ReservationStatus")
    activity_sid = command.worker_activity_sid
    if activity_sid is not None:
        activity_sid = ws.activity_named(activity_sid).sid
    check_state(kernel, reservation, wanted)
    if wanted == ACCEPTED:
        accept(kernel, ws, reservation)
    elif wanted == REJECTED:
        unaccepted.reject(kernel, ws, reservation, activity_sid)
    elif wanted == WRAPPING:
        wrap(kernel, ws, reservation)
    else:
        complete(kernel, ws, reservation)
    return reservation.record


def check_state(kernel: Kernel, reservation: ReservationState, wanted: str) -> None:
    """Refuse a status that the present one does not lead to."""
    record = reservation.record
    status = record.reservation_status
    if wanted in (ACCEPTED, REJECTED):
        if status == RESCINDED and wanted == ACCEPTED:
            raise errors.reservation_gone(record.sid, kernel.rules.gone_code)
        if status != PENDING or record.on_hold:
            raise errors.wrong_reservation_state(record.sid, PENDING, wanted)
    elif wanted == WRAPPING and status != ACCEPTED:
        raise errors.wrong_reservation_state(record.sid, ACCEPTED, wanted)
    elif wanted == COMPLETED and status not in (ACCEPTED, WRAPPING):
        raise errors.wrong_reservation_state(record.sid, f"{ACCEPTED}, {WRAPPING}", wanted)


def accept(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState) -> None:
    """A worker takes a task; other offers of it are rescinded, a transfer is complete."""
    task = reservation.task
    rescinded = [other for other in task.pending() if other is not reservation]
    set_reservation(kernel, ws, reservation, ACCEPTED)
    for other in rescinded:
        set_reservation(kernel, ws, other, RESCINDED)
    stop_waiting(kernel, task)
    task.accepted = True
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
