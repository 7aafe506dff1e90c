"""The legs of a conference as bookkeeping: hold, mute, kick."""

from __future__ import annotations

from typing import Any

import attrs

from ..commands import (
    UNSET,
    HoldWorkerParticipant,
    KickWorkerParticipant,
    UpdateCustomerParticipant,
    UpdateWorkerParticipant,
)
from ..core.kernel import Kernel
from ..core.sids import canonical
from ..core.state import ReservationState, TaskState, WorkspaceState
from ..errors import invalid
from ..model import ACCEPTED, CustomerParticipant, Reservation, Task
from .instructions import participant


def _task(ws: WorkspaceState, sid: str) -> TaskState:
    task = ws.tasks.get(canonical(sid))
    if task is None:
        raise invalid(f"TaskSid '{sid}' does not name a task of this workspace")
    return task


def _leg(task: TaskState, worker_sid: str) -> ReservationState:
    """Return the accepted reservation by which a worker is in the task's conference."""
    for reservation in task.open.values():
        record = reservation.record
        if record.worker_sid == canonical(worker_sid) and record.reservation_status == ACCEPTED:
            return reservation
    raise invalid(f"Worker {worker_sid} has no accepted reservation on task {task.record.sid}")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not UNSET}


def update_customer(kernel: Kernel, command: UpdateCustomerParticipant) -> Task:
    """Do an UpdateCustomerParticipant."""
    ws = kernel.workspace(command.workspace_sid)
    ws.worker(command.worker_sid)
    task = _task(ws, command.task_sid)
    _leg(task, command.worker_sid)
    leg = task.customer or CustomerParticipant(task_sid=task.record.sid)
    changes = _given(hold=command.hold, hold_url=command.hold_url, hold_method=command.hold_method)
    task.customer = attrs.evolve(leg, **changes)
    return task.record


def update_worker(kernel: Kernel, command: UpdateWorkerParticipant) -> Reservation:
    """Do an UpdateWorkerParticipant."""
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.worker_sid)
    reservation = worker.reservations.get(canonical(command.reservation_sid))
    if reservation is None or reservation.record.reservation_status != ACCEPTED:
        raise invalid(f"Reservation {command.reservation_sid} is not an accepted one of worker {worker.record.sid}")
    changes = _given(
        end_conference_on_exit=command.end_conference_on_exit,
        mute=command.mute,
        beep_on_exit=command.beep_on_exit,
    )
    reservation.task.participants[reservation.record.sid] = attrs.evolve(participant(reservation), **changes)
    return reservation.record


def hold_worker(kernel: Kernel, command: HoldWorkerParticipant) -> Task:
    """Do a HoldWorkerParticipant."""
    ws = kernel.workspace(command.workspace_sid)
    ws.worker(command.worker_sid)
    task = _task(ws, command.task_sid)
    reservation = _leg(task, command.target_worker_sid)
    changes = _given(hold=command.hold, hold_url=command.hold_url, hold_method=command.hold_method)
    task.participants[reservation.record.sid] = attrs.evolve(participant(reservation), **changes)
    return task.record


def kick_worker(kernel: Kernel, command: KickWorkerParticipant) -> Task:
    """Do a KickWorkerParticipant; the reservation stays as it is."""
    ws = kernel.workspace(command.workspace_sid)
    ws.worker(command.worker_sid)
    task = _task(ws, command.task_sid)
    reservation = _leg(task, command.target_worker_sid)
    task.participants[reservation.record.sid] = attrs.evolve(participant(reservation), kicked=True)
    return task.record
