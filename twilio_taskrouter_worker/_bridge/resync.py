"""Taking over the lists that are read after each ``init``. Pure.

**Invariant.** Afterwards the mirror equals the lists, and every difference to the announced state has been turned into
the events that were missed, each once. At the first connection the lists are the starting point, and announce nothing.
After a reconnection the events come in this order: those of the worker and its channels, then of reservations that
ended, that changed, and that are new, in the order of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..activity import Activity
from ..channel import Channel
from ..directory import Directory
from ..errors import InvalidMessageError
from ..reservation import Reservation, ReservationUpdate
from ..task import Task
from ..worker_info import WorkerFields
from . import reporting
from .messages import Message
from .mirror import Mirror, Notice
from .reload import ENDINGS, Snapshot
from .schema import Record, Schema

__all__ = ["missing", "take_over"]

ResourceT = TypeVar("ResourceT", Activity, Channel)


def missing(state: Mirror, snapshot: Snapshot) -> list[str]:
    """Find open reservations that the list lacks and whose ending is unknown.

    Args:
        state: The worker's state.
        snapshot: The lists, and the results of look-ups so far.

    Returns:
        Their sids.
    """
    listed = {
        payload["sid"]
        for payload in snapshot.reservations
        if isinstance(payload, dict) and isinstance(payload.get("sid"), str)
    }
    return [sid for sid in state.reservations if sid not in listed and sid not in snapshot.ended]


def take_over(state: Mirror, snapshot: Snapshot, buffered: Iterable[Message], now: float) -> list[Notice]:
    """Apply the lists; on the dispatch thread only.

    An invalid record is skipped and reported as an ``error``.

    Args:
        state: The worker's state.
        snapshot: The lists.
        buffered: Messages that came since ``init``. At the first connection, a reservation whose creation is among them
            is left to that event, so that it is either there at ``ready`` or announced, and never both.
        now: The current time in monotonic seconds.

    Returns:
        The events to fire.

    Raises:
        InvalidMessageError: The worker is invalid, or its activity is not listed; nothing has changed.
    """
    first = state.record is None
    take = _TakeOver(state, now, quiet=first)
    # Everything that can raise comes before the first change.
    worker = state.read_worker(snapshot.worker)
    activities = take.usable(Activity._schema, snapshot.activities)
    if worker[WorkerFields._schema.index["activity_sid"]] not in activities:
        raise InvalidMessageError("Worker: its activity_sid is not in the workspace's list of activities")
    # Activities first: the worker's record refers to one, and readers on other threads look it up.
    take.directory(state.activities, activities, lambda record: Activity(state, record))
    take.worker(worker)
    take.channels(take.usable(Channel._schema, snapshot.channels))
    take.reservations(snapshot, _created(buffered) if first else frozenset())
    return take.notices


def _created(messages: Iterable[Message]) -> frozenset[str]:
    return frozenset(
        message.payload["sid"]
        for message in messages
        if message.event_type == "reservation.created"
        and isinstance(message.payload, dict)
        and isinstance(message.payload.get("sid"), str)
    )


class _TakeOver:
    """One take-over in progress."""

    def __init__(self, state: Mirror, now: float, quiet: bool) -> None:
        self._state = state
        self._now = now
        self._quiet = quiet
        self.notices: list[Notice] = []

    def _notify(self, emitter: Any, event: str) -> None:
        if not self._quiet:
            self.notices.append(Notice(emitter, event, (emitter,)))

    def _report(self, error: InvalidMessageError) -> None:
        self.notices.append(Notice(self._state.worker, "error", (error,)))

    def usable(self, schema: Schema, payloads: list[Any]) -> dict[str, Record]:
        """Return the valid records of a list, by sid; report the others."""
        records = {}
        for payload in payloads:
            try:
                record = schema.read(payload)
            except InvalidMessageError as error:
                self._report(error)
            else:
                records[record[schema.index["sid"]]] = record
        return records

    def directory(
        self, directory: Directory[ResourceT], records: dict[str, Record], make: Callable[[Record], ResourceT]
    ) -> None:
        """Replace the entries by those of the list, in its order, keeping the objects that stay."""
        known = directory._entries
        fresh = {}
        for sid, record in records.items():
            resource = known.get(sid)
            if resource is None:
                resource = make(record)
            else:
                with self._state.lock:
                    resource._record = record
            fresh[sid] = resource
        # One assignment: readers on other threads see the old entries or the new ones, never something between.
        directory._entries = fresh

    def worker(self, record: Record) -> None:
        state, before = self._state, self._state.track.record
        index = WorkerFields._schema.index
        with state.lock:
            ahead = state.answered
            # The service's list is the truth, also where our own count of versions ran ahead; but a call made since it
            # was requested may have had its answer before.
            if ahead is None or ahead[index["version"]] <= record[index["version"]]:
                state.record = state.public_record = record
        state.track.listed(record)
        # First connection: there is nothing to compare with.
        if before is None:
            return
        if before[index["activity_sid"]] != record[index["activity_sid"]]:
            reporting.activity_changed(state.worker_sid, record[index["activity_name"]], record[index["available"]])
            self._notify(state.worker, "activity_updated")
        if any(before[index[name]] != record[index[name]] for name in ("attributes", "friendly_name")):
            self._notify(state.worker, "attributes_updated")

    def channels(self, records: dict[str, Record]) -> None:
        # Before ``directory`` replaces the records.
        before = {sid: channel._record for sid, channel in self._state.channels.items()}
        self.directory(self._state.channels, records, lambda record: Channel(self._state, record))
        index = Channel._schema.index
        for sid, old in before.items():
            new = records.get(sid)
            if new is None:
                continue
            # The other fields change with every task, which has events of its own.
            if old[index["capacity"]] != new[index["capacity"]]:
                self._notify(self._state.channels[sid], "capacity_updated")
            if old[index["available"]] != new[index["available"]]:
                self._notify(self._state.channels[sid], "availability_updated")

    # -- reservations ----------------------------------------------------------------------------------------------

    def reservations(self, snapshot: Snapshot, left_to_events: frozenset[str]) -> None:
        updates = {}
        ended = self._about_themselves(snapshot.ended)
        found = [payload for payload in ended.values() if payload is not None]
        # The list wins over a look-up of the same reservation: it is applied last.
        for payload in [*found, *snapshot.reservations]:
            try:
                known = self._known(payload)
                update = ReservationUpdate.read(payload, None if known is None else known._record)
                if known is not None:
                    known._own_update(update)
            except InvalidMessageError as error:
                self._report(error)
            else:
                updates[update.record[_RESERVATION["sid"]]] = update
        # items() is a snapshot, since reservations that ended are removed in the loop. Endings come first: they free
        # the capacity that new offers use.
        for sid, reservation in self._state.reservations.items():
            if sid in ended:
                self._vanished(reservation, updates.pop(sid, None))
        fresh = []
        for sid, update in updates.items():
            known = self._state.reservations.get(sid)
            over = update.record[_RESERVATION["status"]] in ENDINGS
            if known is not None:
                (self._vanished if over else self._changed)(known, update)
            elif not over and sid not in self._state.ended and sid not in left_to_events:
                # New ones last: an ending or a change of another reservation may be why they were offered.
                fresh.append(update)
        for update in fresh:
            self._new(update)

    def _about_themselves(self, ended: dict[str, Any]) -> dict[str, Any]:
        """Return the look-ups without answers about another reservation, which change nothing."""
        good = {}
        for sid, payload in ended.items():
            answered = payload.get("sid") if isinstance(payload, dict) else None
            if isinstance(answered, str) and answered != sid:
                self._report(InvalidMessageError("Reservation: a look-up was answered with another reservation"))
            else:
                good[sid] = payload
        return good

    def _known(self, payload: Any) -> Reservation | None:
        sid = payload.get("sid") if isinstance(payload, dict) else None
        return self._state.reservations.get(sid) if isinstance(sid, str) else None

    def _new(self, update: ReservationUpdate) -> None:
        reservation = Reservation(self._state, update)
        self._state.add(reservation)
        self._settle(reservation, update)
        if not self._quiet:
            reporting.offered(self._state.worker_sid, reservation)
            self.notices.append(Notice(self._state.worker, "reservation_created", (reservation,)))
        # It may have been accepted already, by a backend or by another session.
        for event in _missed("pending", reservation.status):
            self._notify(reservation, event)

    def _changed(self, reservation: Reservation, update: ReservationUpdate) -> None:
        """Announce the changes of the list, not those an answer has brought since: their events are still to come."""
        with self._state.lock:
            reservation._renew(update)
        if not reservation._track.is_new(update.record, self._state.trust):
            return
        # Compared with the announced status, not the current one, which an answer may have changed already.
        events = _missed(_announced_status(reservation), update.record[_RESERVATION["status"]])
        self._task_changed(reservation.task, update.task, with_reservation=bool(events))
        for event in events:
            self._notify(reservation, event)
        self._settle(reservation, update)

    def _vanished(self, reservation: Reservation, update: ReservationUpdate | None) -> None:
        """End a reservation that ended unobserved. If the service does not know it any more, it ended with its task."""
        if update is not None:
            with self._state.lock:
                reservation._renew(update, ending=update.record[_RESERVATION["status"]] in ENDINGS)
        ending = reservation.status
        if ending not in ENDINGS:
            if update is not None:
                # It is open after all: the list was read before it came (back).
                self._changed(reservation, update)
                return
            # The service no longer knows it, so this is a guess: a pending one can only have been withdrawn, an
            # accepted one has ended.
            ending = "canceled" if ending == "pending" else "completed"
            self._set_status(reservation, ending)
        self._task_changed(reservation.task, None if update is None else update.task, with_reservation=True)
        # Before _settle, which overwrites the announced status.
        events = _missed(_announced_status(reservation), ending)
        if update is not None:
            self._settle(reservation, update)
        self._state.end(reservation, ending, self._now)
        reporting.ended(self._state.worker_sid, reservation, ending)
        for event in events:
            self._notify(reservation, event)

    def _set_status(self, reservation: Reservation, status: str) -> None:
        with self._state.lock:
            record = list(reservation._record)
            record[_RESERVATION["status"]] = status
            reservation._record = tuple(record)

    def _settle(self, reservation: Reservation, update: ReservationUpdate) -> None:
        """Note that nothing up to the versions of the list will be announced again."""
        reservation._track.listed(update.record)
        if update.task is not None:
            reservation.task._track.listed(update.task)

    def _task_changed(self, task: Task, record: Record | None, *, with_reservation: bool) -> None:
        before = task._track.record
        if record is None or before is None or not task._track.is_new(record, self._state.trust):
            return
        old, new = before[_TASK["status"]], record[_TASK["status"]]
        if new != old and new in _TASK_EVENTS:
            self._notify(task, _TASK_EVENTS[new])
        elif any(before[_TASK[name]] != record[_TASK[name]] for name in _TASK_DATA) or (
            # A status that follows from an event of the reservation is no event of its own.
            new != old and not with_reservation
        ):
            self._notify(task, "updated")


_RESERVATION = Reservation._schema.index
_TASK = Task._schema.index
_TASK_EVENTS = {"wrapping": "wrapup", "completed": "completed", "canceled": "canceled"}
_TASK_DATA = ("attributes", "priority", "task_channel_sid", "virtual_start_time")


def _announced_status(reservation: Reservation) -> str:
    record = reservation._track.record
    return reservation.status if record is None else str(record[_RESERVATION["status"]])


def _missed(before: str, after: str) -> list[str]:
    """Return the events of a reservation between two statuses; intermediate ones only where they are certain."""
    events = []
    if before == "pending" and after in ("accepted", "wrapping", "completed"):
        events.append("accepted")
    if after == "wrapping" and before != "wrapping":
        events.append("wrapup")
    elif after in ENDINGS:
        events.append(after)
    return events
