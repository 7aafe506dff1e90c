"""Event messages: their effect on the state, and the public events that follow. Pure.

**Invariant.** An event that was announced before, or is older than the announced state, changes nothing and fires
nothing. The answer of a call may have brought the same change already; the event still fires, once. So each handler
has the same order of steps: validate the whole payload, ask the track, change the state under its lock, notify.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._log import EVENTS
from ..channel import Channel
from ..errors import InvalidMessageError
from ..reservation import Reservation, ReservationUpdate
from ..task import Task
from ..transfer import INITIATED, Transfer
from ..worker_info import WorkerFields
from . import reporting
from .messages import INIT, Message
from .mirror import Mirror, Notice
from .reload import ENDINGS
from .schema import Record

__all__ = ["apply"]


def apply(state: Mirror, message: Message, now: float, arrived: float | None = None) -> list[Notice]:
    """Apply one message; on the dispatch thread only.

    Args:
        state: The worker's state.
        message: The message.
        now: The current time in monotonic seconds.
        arrived: When the message arrived, which is earlier where callbacks are slow; None for now.

    Returns:
        The events to fire.

    Raises:
        InvalidMessageError: Its payload is invalid; nothing has changed.
    """
    # By its arrival: a repetition that waited behind a slow callback would otherwise be taken for something new.
    state.forget_ended(now if arrived is None else arrived)
    handler = _HANDLERS.get(message.event_type)
    if handler is None:
        # Unknown types are not errors: the service may introduce new events.
        if message.event_type != INIT:
            EVENTS.debug("Ignored an event of unknown type")
        return []
    return handler(state, message, now)


# -- the worker and its channels -----------------------------------------------------------------------------------

_WORKER = WorkerFields._schema.index
_WORKER_EVENTS = {"worker.activity.update": "activity_updated", "worker.attributes.update": "attributes_updated"}
_CHANNEL_EVENTS = {
    "worker.capacity.update": "capacity_updated",
    "worker.channel.availability.update": "availability_updated",
}


def _worker_updated(state: Mirror, message: Message, now: float) -> list[Notice]:
    activity = message.event_type == "worker.activity.update"
    record = (state.read_known_activity if activity else state.read_worker)(message.payload)
    # Of another event the activity is a side matter: one that is not in the list does not make it invalid.
    record = state.with_known_activity(record)
    if not state.track.admits(message.event_type, record, state.worker_trust):
        return []
    with state.lock:
        state.renew_worker(record, in_order=True)
    if activity:
        reporting.activity_changed(state.worker_sid, record[_WORKER["activity_name"]], record[_WORKER["available"]])
    return [Notice(state.worker, _WORKER_EVENTS[message.event_type], (state.worker,))]


def _channel_updated(state: Mirror, message: Message, now: float) -> list[Notice]:
    record = Channel._schema.read(message.payload)
    channel = state.channels._entries.get(record[Channel._schema.index["sid"]])
    if channel is None:
        raise InvalidMessageError(f"{message.event_type}: the payload names a channel the worker does not have")
    # A channel has no version; an identical record is a repetition.
    if record == channel._record:
        return []
    with state.lock:
        channel._record = record
        state.count_version()
    return [Notice(channel, _CHANNEL_EVENTS[message.event_type], (channel,))]


# -- reservations --------------------------------------------------------------------------------------------------

_RESERVATION_SID = Reservation._schema.index["sid"]
_RESERVATION_EVENTS = {
    "reservation.accepted": "accepted",
    "reservation.wrapup": "wrapup",
    "reservation.completed": "completed",
    "reservation.rejected": "rejected",
    "reservation.timeout": "timeout",
    "reservation.canceled": "canceled",
    "reservation.rescinded": "rescinded",
}


def _reservation_created(state: Mirror, message: Message, now: float) -> list[Notice]:
    update = ReservationUpdate.read(message.payload)
    sid = update.record[_RESERVATION_SID]
    # A repeated creation of a reservation that has ended would announce it a second time.
    if sid in state.ended:
        return []
    reservation = state.reservations._entries.get(sid)
    known = reservation is not None
    if reservation is None:
        reservation = Reservation(state, update)
        state.add(reservation)
        with state.lock:
            state.count_version()
    else:
        reservation._own_update(update)
    if not reservation._track.admits(message.event_type, update.record, state.trust):
        return []
    if known:
        _renew(state, reservation, update)
    reporting.offered(state.worker_sid, reservation)
    return [Notice(state.worker, "reservation_created", (reservation,))]


def _reservation_updated(state: Mirror, message: Message, now: float) -> list[Notice]:
    reservation = state.reservations._entries.get(_sid(message.payload))
    update = ReservationUpdate.read(
        message.payload, known_task=None if reservation is None else reservation._task._record
    )
    event = _RESERVATION_EVENTS[message.event_type]
    if reservation is None:
        sid = update.record[_RESERVATION_SID]
        # An ending, or an event of a reservation that ended recently, may follow a list that contained it already.
        if event not in ENDINGS and sid not in state.ended:
            raise InvalidMessageError(f"{message.event_type}: the payload names a reservation the worker does not have")
        EVENTS.debug("Ignored %s of an unknown reservation", message.event_type)
        return []
    reservation._own_update(update)
    ending = event in ENDINGS
    if not reservation._track.admits(message.event_type, update.record, state.trust, ending=ending):
        return []
    if ending:
        # Before the callbacks run: in them the reservation is no longer among the open ones.
        state.end(reservation, event, now)
    foreign = _renew(state, reservation, update, event)
    if ending:
        reporting.ended(state.worker_sid, reservation, event)
    elif foreign:
        state.foreign_accept(reservation)
    return [Notice(reservation, event, (reservation,))]


def _renew(state: Mirror, reservation: Reservation, update: ReservationUpdate, event: str = "created") -> bool:
    """Return True if this event is the first sign that another process or a backend has accepted the reservation."""
    with state.lock:
        # In one step with the new status: of this and a refused ``accept()`` one is first, and the other sees it.
        foreign = event == "accepted" and reservation._accepted_elsewhere()
        reservation._renew(update, ending=event in ENDINGS)
    if update.task is not None:
        reservation.task._track.came_along(update.task, state.trust)
    return foreign


def _reservation_failed(state: Mirror, message: Message, now: float) -> list[Notice]:
    # Raw, as in the JS SDK: a task that never was with this worker, and may lack what other tasks have.
    return [Notice(state.worker, "reservation_failed", (message.payload,))]


# -- tasks and their transfers -------------------------------------------------------------------------------------

_TASK_EVENTS = {
    "task.updated": "updated",
    "task.canceled": "canceled",
    "task.completed": "completed",
    "task.wrapup": "wrapup",
}
_TASK_ENDINGS = frozenset({"task.canceled", "task.completed"})
# On the task, and on the outgoing transfer.
_TRANSFER_EVENTS = {
    "task.transfer-initiated": ("transfer_initiated", None),
    "task.transfer-attempt-failed": ("transfer_attempt_failed", "attempt_failed"),
    "task.transfer-failed": ("transfer_failed", "failed"),
    "task.transfer-completed": ("transfer_completed", "completed"),
    "task.transfer-canceled": ("transfer_canceled", "canceled"),
}


def _task_updated(state: Mirror, message: Message, now: float) -> list[Notice]:
    # One task can belong to several reservations of this worker, e.g. after a transfer to itself.
    tasks = state.tasks(_sid(message.payload))
    record = Task._schema.read(message.payload, tasks[0]._record if tasks else None)
    ending = message.event_type in _TASK_ENDINGS
    notices = []
    for task in tasks:
        if not task._track.admits(message.event_type, record, state.trust, ending=ending):
            continue
        with state.lock:
            task._renew(record, ending=ending)
        notices.append(Notice(task, _TASK_EVENTS[message.event_type], (task,)))
    return notices


def _transfer_updated(state: Mirror, message: Message, now: float) -> list[Notice]:
    record = Transfer._schema.read(message.payload)
    index = Transfer._schema.index
    task_sid = message.payload.get("task_sid")
    if not isinstance(task_sid, str):
        raise InvalidMessageError(f"{message.event_type}: the payload lacks task_sid")
    reservation = state.reservations._entries.get(record[index["reservation_sid"]])
    if reservation is None or reservation.task.sid != task_sid:
        EVENTS.debug("Ignored %s of an unknown task", message.event_type)
        return []
    task: Task = reservation.task
    if task._hold(message):
        return []
    with state.lock:
        known = task._known_outgoing(record[index["sid"]])
        if known is None and _began_before_the_current(task, record):
            return []
        version = task._record[Task._schema.index["version"]]
        if known is not None and not known._track.admits(message.event_type, record, version):
            return []
        transfer = task._outgoing(record)
        # A new transfer has a track of its own only now; noting this first event makes its repetition known.
        if known is None:
            transfer._track.admits(message.event_type, record, version)
    on_task, on_transfer = _TRANSFER_EVENTS[message.event_type]
    notices = [Notice(task, on_task, (transfer,))]
    if on_transfer is not None:
        notices.append(Notice(transfer, on_transfer, (transfer,)))
    return notices


def _began_before_the_current(task: Task, record: Record) -> bool:
    """Whether it is the start of a transfer that had ended before the current one began."""
    current = task.transfers.outgoing
    started = record[Transfer._schema.index["status"]] == INITIATED
    return started and current is not None and current._created_after(record)


def _sid(payload: Any) -> str:
    """Return the sid in a payload that is not validated yet; empty if there is none."""
    sid = payload.get("sid") if isinstance(payload, dict) else None
    return sid if isinstance(sid, str) else ""


Handler = Callable[[Mirror, Message, float], list[Notice]]

_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_WORKER_EVENTS, _worker_updated),
    **dict.fromkeys(_CHANNEL_EVENTS, _channel_updated),
    "reservation.created": _reservation_created,
    "reservation.failed": _reservation_failed,
    **dict.fromkeys(_RESERVATION_EVENTS, _reservation_updated),
    **dict.fromkeys(_TASK_EVENTS, _task_updated),
    **dict.fromkeys(_TRANSFER_EVENTS, _transfer_updated),
}
