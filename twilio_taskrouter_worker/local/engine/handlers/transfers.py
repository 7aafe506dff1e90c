"""Handing a task over to another worker or a queue.

The invariant: a task has at most one open transfer, ``task.transfer``, and it has one exactly while its record says
``initiated``. Until it ends, the transferor keeps the reservation that it was started from (accepted if WARM, wrapping
if COLD), which decides the status that the task falls back to.

* A transfer to a worker reserves that worker at once; it ends with that one reservation.
* A transfer to a queue makes the task pending in that queue, outside of its workflow: no step, no filter, no routing
  target applies any more. After an attempt that nobody accepts it stays open, and the task is offered again.
* Accepted, it is complete, and the transferor's reservation stays for the transferor to end.
* Failed or canceled, ``transitions.fall_back`` returns the task to its queue and to the status that follows from the
  transferor's reservation; if that has been completed meanwhile, the task ends.

Steps are in this order in ``create``: everything is checked, then the transfer exists, then the transferor's
reservation changes, then reservations are made, and only then is anything emitted, since all events of the start show
the task as it is afterwards.
"""

from __future__ import annotations

from typing import Any

from .. import errors
from ..commands import CancelTransfer, CreateTransfer
from ..core import checks
from ..core.kernel import Kernel
from ..core.sids import canonical
from ..core.state import QueueState, ReservationState, TaskState, TransferState, WorkerState
from ..core.workspace import WorkspaceState
from ..errors import invalid
from ..index import idle, waiting
from ..model import ACCEPTED, ASSIGNED, CANCELED, PENDING, TRANSFER_CANCELED, TRANSFER_INITIATED, WRAPPING, Transfer
from ..routing import matching
from ..rules import MAX_PRIORITY
from ..transitions import book, emit_ended, fall_back, set_reservation, set_task_status
from .reservations import emit_fallback


def create(kernel: Kernel, command: CreateTransfer) -> Transfer:
    """Transfer the task of an accepted reservation to a worker or a queue.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Attributes and priority replace those of the task, if given.

    Raises:
        Rejected: 404, there is no such workspace or worker; 400, a parameter is invalid, the task is not assigned or is
            being transferred, or the recipient cannot take it.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.worker_sid)
    initiator = _initiator(worker, command)
    task = initiator.task
    # An empty mode counts as absent.
    mode = checks.choice((command.mode or "WARM").upper(), ("WARM", "COLD"), "Mode")
    to = _recipient(kernel, ws, initiator, command.to)
    changes, parsed = _task_changes(command)
    now = kernel.now
    record = Transfer(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("TT"),
        date_created=now,
        date_updated=now,
        workspace_sid=ws.record.sid,
        task_sid=task.record.sid,
        transfer_type="WORKER" if isinstance(to, WorkerState) else "QUEUE",
        transfer_mode=mode,
        transfer_to=to.record.sid,
        transfer_status=TRANSFER_INITIATED,
        initiating_reservation_sid=initiator.record.sid,
        initiating_worker_sid=worker.record.sid,
        initiating_queue_sid=task.record.task_queue_sid,
        initiating_workflow_sid=task.record.workflow_sid,
        transfer_failed_reason=None,
    )
    # The queue before the transfer, which changes it: the task returns there if the transfer fails.
    transfer = TransferState(record, initiator, task.queue)
    ws.transfers[record.sid] = transfer
    task.transfers[record.sid] = transfer
    # Before any reservation is made: it lifts the routing target, and new reservations refer to it.
    task.transfer = transfer
    if parsed is not None:
        task.attributes = parsed
    # The transferor of a COLD transfer is done with the conversation at once.
    if mode == "COLD":
        set_reservation(kernel, ws, initiator, WRAPPING)
    _start(kernel, ws, transfer, to, changes)
    return record


def _initiator(worker: WorkerState, command: CreateTransfer) -> ReservationState:
    """Return the reservation that a transfer starts from, or refuse it."""
    # Looked up among the worker's own, so that nobody transfers what another worker has.
    reservation = worker.reservations.get(canonical(command.reservation_sid))
    if reservation is None:
        raise invalid(f"ReservationSid '{command.reservation_sid}' is not a reservation of worker {worker.record.sid}")
    task = reservation.task
    if task.record.sid != canonical(command.task_sid):
        raise invalid(f"TaskSid '{command.task_sid}' is not the task of reservation {reservation.record.sid}")
    if task.transfer is not None:
        raise invalid(f"Task {task.record.sid} is already being transferred by {task.transfer.record.sid}")
    # Both: another worker on the same task may hold it while this one is wrapping.
    if task.record.assignment_status != ASSIGNED or reservation.record.reservation_status != ACCEPTED:
        raise invalid(f"Task {task.record.sid} cannot be transferred because it is not currently assigned")
    return reservation


def _recipient(kernel: Kernel, ws: WorkspaceState, initiator: ReservationState, to: str) -> WorkerState | QueueState:
    """Return the worker or queue to transfer a task to, or refuse it."""
    sid = canonical(to)
    # A queue needs no further checks: without a free worker the task waits in it.
    queue = ws.queues.get(sid)
    if queue is not None:
        return queue
    worker = ws.workers.get(sid)
    if worker is None:
        raise invalid(f"To '{to}' does not name a worker or task queue of this workspace")
    # A queue may lead back to the transferor, by rule; naming oneself is a mistake.
    if worker is initiator.worker:
        raise invalid(f"A task cannot be transferred to the worker {sid} who has it")
    if not worker.record.available:
        raise invalid(f"Worker {sid} is not available for a transfer")
    task = initiator.task
    # A worker cannot answer two offers of one task.
    if any(other.worker is worker for other in task.open.values()):
        raise invalid(f"Worker {sid} already has a reservation on task {task.record.sid}")
    if kernel.rules.transfer_checks_capacity and not idle.free(ws, worker, task.record.task_channel_sid):
        raise invalid(f"Worker {sid} has no capacity for a transfer")
    return worker


def _task_changes(command: CreateTransfer) -> tuple[dict[str, Any], dict[str, Any] | None]:
    changes: dict[str, Any] = {}
    parsed = None
    if command.attributes is not None:
        parsed = checks.attributes(command.attributes)
        changes["attributes"] = checks.compact(parsed)
    if command.priority is not None:
        changes["priority"] = checks.integer(command.priority, 0, MAX_PRIORITY, "Priority")
    return changes, parsed


def _start(
    kernel: Kernel, ws: WorkspaceState, transfer: TransferState, to: WorkerState | QueueState, changes: dict[str, Any]
) -> None:
    """Make the reservations that a transfer can have at once, then emit its events."""
    initiator = transfer.initiator
    task = initiator.task
    if isinstance(to, WorkerState):
        made = matching.make(kernel, ws, task, [to], **changes)
    else:
        made = _into_queue(kernel, ws, task, to, changes)
    # From here on only events: initiated, the transferor's own, and last the new offers.
    kernel.emit_transfer("task.transfer-initiated", ws, transfer)
    if initiator.record.reservation_status == WRAPPING:
        kernel.emit_reservation("reservation.wrapup", ws, initiator)
    if kernel.rules.task_updated_on_transfer:
        kernel.emit_transferred(ws, transfer)
    matching.emit_created(kernel, ws, made)


def _into_queue(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, queue: QueueState, changes: dict[str, Any]
) -> list[ReservationState]:
    """Register the task in the queue it is transferred to; its workflow no longer applies."""
    # Before candidates are looked for: neither target expression nor known worker applies any more.
    task.step = None
    changes.update(book(kernel, task, queue))
    # At once and not by settle, so that the events of the start show whether anybody was found.
    workers = matching.candidates(kernel, ws, task)
    if workers:
        return matching.make(kernel, ws, task, workers, **changes)
    set_task_status(kernel, ws, task, PENDING, **changes)
    kernel.place(ws, task)
    # Offered when a worker becomes free, as any waiting task.
    return []


def cancel(kernel: Kernel, command: CancelTransfer) -> Transfer:
    """Cancel a transfer and the pending reservations that it made.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Must come from the transferor.

    Raises:
        Rejected: 404, there is no such workspace or transfer of that worker; 400, the task is another one, or the
            transfer has ended.
    """
    ws = kernel.workspace(command.workspace_sid)
    transfer = ws.transfer(command.sid)
    record = transfer.record
    # Under another worker's URL the transfer does not exist: 404.
    if record.initiating_worker_sid != canonical(command.worker_sid):
        raise errors.not_found(ws.path(f"Workers/{command.worker_sid}/Transfers", command.sid))
    if record.task_sid != canonical(command.task_sid):
        raise invalid(f"TaskSid '{command.task_sid}' is not the task of transfer {record.sid}")
    checks.choice(command.transfer_status, (TRANSFER_CANCELED,), "TransferStatus")
    if record.transfer_status != TRANSFER_INITIATED:
        raise errors.cannot_cancel_transfer(record.sid, record.transfer_status)
    _take_back(kernel, ws, transfer)
    return transfer.record


def _take_back(kernel: Kernel, ws: WorkspaceState, transfer: TransferState) -> None:
    initiator = transfer.initiator
    task = initiator.task
    # Neither waiting nor to be placed: the task is with its transferor again.
    waiting.remove(task)
    kernel.unplaced.pop(task, None)
    canceled = task.pending()
    for reservation in canceled:
        set_reservation(kernel, ws, reservation, CANCELED)
    # The pending reservations have ended, so the status follows from the transferor's alone.
    fallback = fall_back(kernel, ws, transfer, TRANSFER_CANCELED)
    kernel.emit_transfer("task.transfer-canceled", ws, transfer)
    kernel.emit_transferred(ws, transfer)
    emit_ended(kernel, ws, canceled)
    emit_fallback(kernel, ws, initiator, fallback)
