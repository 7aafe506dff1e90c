"""Workers: their data, their activity, and the consequences of changes."""

from __future__ import annotations

from typing import Any

from .. import errors
from ..commands import UNSET, CreateWorker, DeleteWorker, UpdateWorker
from ..core import checks
from ..core.kernel import Kernel
from ..core.state import ReservationState, WorkerState
from ..core.workspace import WorkspaceState
from ..events import WorkerEvent
from ..expressions import WorkerScope
from ..index import idle, membership, waiting
from ..model import PENDING, Activity, Worker
from ..transitions import emit_moved, move
from . import channels, reservations


def create(kernel: Kernel, command: CreateWorker) -> Worker:
    """Create a worker, find its queues, and ask for waiting tasks to be offered to it.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Without an activity the worker starts in the workspace's default activity.

    Raises:
        Rejected: 404, there is no such workspace; 400, a parameter is invalid, the name is taken, or there is no
            default activity.
    """
    ws = kernel.workspace(command.workspace_sid)
    checks.room(ws.workers, kernel.rules.max_workers, "workers")
    name = _free_name(ws, command.friendly_name)
    if not command.activity_sid and ws.record.default_activity_sid is None:
        raise errors.activity_missing(ws.record.sid)
    activity = ws.activity_named(command.activity_sid or ws.record.default_activity_sid or "")
    attributes = checks.attributes(command.attributes)
    record = Worker(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WK"),
        date_created=kernel.now,
        date_updated=kernel.now,
        workspace_sid=ws.record.sid,
        friendly_name=name,
        activity_sid=activity.sid,
        activity_name=activity.friendly_name,
        available=activity.available,
        attributes=checks.compact(attributes),
        date_status_changed=kernel.now,
        version=0,
    )
    # From here on nothing is refused: every check is above.
    worker = WorkerState(record, attributes)
    ws.workers[record.sid] = worker
    ws.worker_names[name.casefold()] = record.sid
    # This order: scopes refer to the fields, channels to the scopes, membership and idle keys to all.
    set_fields(worker)
    set_scopes(kernel, worker)
    for task_channel in ws.task_channels.values():
        channels.add_to_worker(kernel, worker, task_channel)
    membership.match_new_worker(ws, worker)
    idle.refresh(kernel, ws, worker)
    kernel.wake(ws, worker)
    kernel.emit(WorkerEvent, "worker.created", ws, worker=record)
    return record


def _free_name(ws: WorkspaceState, name: str, own: str | None = None) -> str:
    return checks.free_name(name, ws.worker_names, errors.duplicate_worker(), own, name.casefold())


def set_fields(worker: WorkerState) -> None:
    """Update the worker fields that expressions can read.

    Args:
        worker: Its fields are changed in place, so that existing scopes see them.
    """
    record = worker.record
    worker.fields["sid"] = record.sid
    worker.fields["friendly_name"] = record.friendly_name
    worker.fields["activity_sid"] = record.activity_sid
    worker.fields["activity_name"] = record.activity_name


def set_scopes(kernel: Kernel, worker: WorkerState) -> None:
    """Create the scopes against which expressions are tested; needed again when the attributes are replaced.

    Args:
        kernel: Its rules decide whether queue expressions see the worker's own fields.
        worker: Changed in place.
    """
    worker.scope = WorkerScope(worker.attributes, worker.fields, worker.channel_documents)
    worker.queue_scope = worker.scope
    if not kernel.rules.workers_see_own_fields:
        # A scope without fields, in which their names are just missing attributes.
        worker.queue_scope = WorkerScope(worker.attributes, {}, worker.channel_documents)


def update(kernel: Kernel, command: UpdateWorker) -> Worker:
    """Change a worker, and reject its pending reservations if the command asks for that.

    Args:
        kernel: The engine's shared state; changed in place.
        command: An absent parameter keeps its value.

    Raises:
        Rejected: 404, there is no such workspace or worker; 412, its version is another one; 400, a parameter is
            invalid, or the rules refuse the change of activity.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.sid)
    checks.version(worker.record, command.if_match)
    activity = None if command.activity_sid is UNSET else ws.activity_named(command.activity_sid)
    # Chosen before the move, which may free the worker for further offers.
    rejected = _to_reject(kernel, worker, activity, command)
    changes, attributes = _data_changes(kernel, ws, worker, command)
    moving = activity is not None and activity.sid != worker.record.activity_sid
    # The flag may come with the activity that the worker is in already.
    if not (changes or moving):
        reservations.reject_all(kernel, ws, rejected)
        return worker.record
    # One request increases the version once, however many values it changes.
    # A move alone has a date of its own, date_status_changed.
    if changes:
        changes["date_updated"] = kernel.now
    before = worker.record
    worker.record = before.replaced(version=before.version + 1, **changes)
    if changes:
        _apply_data(kernel, ws, worker, before, attributes)
    if activity is not None and moving:
        # After the data, and before any event: both events show the complete change.
        move(kernel, ws, worker, activity, part_of_update=True)
    if changes:
        kernel.emit(WorkerEvent, "worker.attributes.update", ws, recipients=(before.sid,), worker=worker.record)
    if moving:
        emit_moved(kernel, ws, worker, before)
    reservations.reject_all(kernel, ws, rejected)
    return worker.record


def _to_reject(
    kernel: Kernel, worker: WorkerState, activity: Activity | None, command: UpdateWorker
) -> list[ReservationState]:
    """Return the pending reservations that a change of activity rejects; refuse the flag if it does not apply."""
    # A reservation on hold is being connected and cannot be rejected.
    pending = [r for r in worker.open.values() if r.record.reservation_status == PENDING and not r.record.on_hold]
    if command.reject_pending_reservations:
        if activity is None or activity.available:
            raise errors.invalid("RejectPendingReservations is only valid together with an unavailable ActivitySid")
        return pending
    if (
        kernel.rules.refuse_unavailable_with_pending
        and activity is not None
        and not activity.available
        and worker.record.available
        and pending
    ):
        raise errors.invalid(f"Worker {worker.record.sid} has pending reservations and cannot become unavailable")
    return []


def _data_changes(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, command: UpdateWorker
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Check name and attributes of an update; return the fields that change and the parsed attributes."""
    changes: dict[str, Any] = {}
    attributes: dict[str, Any] | None = None
    if command.friendly_name is not UNSET:
        name = _free_name(ws, command.friendly_name, worker.record.sid)
        if name != worker.record.friendly_name:
            changes["friendly_name"] = name
    if command.attributes is not UNSET:
        attributes = checks.attributes(command.attributes)
        text = checks.compact(attributes)
        # Compared in the stored form: other white space is not a change, another order of keys is.
        if text != worker.record.attributes or kernel.rules.identical_attributes_change_version:
            changes["attributes"] = text
    return changes, attributes


def _apply_data(
    kernel: Kernel, ws: WorkspaceState, worker: WorkerState, before: Worker, attributes: dict[str, Any] | None
) -> None:
    record = worker.record
    renamed = record.friendly_name != before.friendly_name
    if renamed:
        del ws.worker_names[before.friendly_name.casefold()]
        ws.worker_names[record.friendly_name.casefold()] = record.sid
        worker.fields["friendly_name"] = record.friendly_name
        for reservation in worker.reservations.values():
            # A copied name does not count as a change of the reservation: its version stays.
            reservation.record = reservation.record.replaced(worker_name=record.friendly_name)
    if attributes is not None:
        worker.attributes = attributes
        # Scopes refer to the attributes they were made with.
        set_scopes(kernel, worker)
    membership.rematch(kernel, ws, worker, attributes=attributes is not None, fields=renamed, activity=False)
    # Target expressions of waiting tasks read the attributes, whether or not a queue does.
    kernel.wake(ws, worker)


def delete(kernel: Kernel, command: DeleteWorker) -> None:
    """Delete a worker without open reservations.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the worker.

    Raises:
        Rejected: 404, there is no such workspace or worker; 412, its version is another one; 400, the worker has open
            reservations.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.sid)
    record = worker.record
    checks.version(record, command.if_match)
    if worker.open:
        raise errors.invalid(f"Worker {record.sid} has open reservations and cannot be deleted")
    kernel.schedule.cancel(worker.offline_timer)
    # A copy: expel removes the queue from the worker.
    for queue in list(worker.queues.values()):
        membership.expel(queue, worker)
    # Only after it has left the queues, whose indices are searched with these keys.
    for channel in worker.idle_keys:
        worker.idle_keys[channel] = None
    # Tasks for this worker alone stay pending, but nobody can be found for them any more.
    for group in worker.direct.values():
        waiting.remove_all(group)
    # Only its past reservations may still refer to the worker: they show its name until they are purged.
    kernel.woken.pop(worker, None)
    del ws.workers[record.sid]
    del ws.worker_names[record.friendly_name.casefold()]
    kernel.emit(WorkerEvent, "worker.deleted", ws, worker=record)
