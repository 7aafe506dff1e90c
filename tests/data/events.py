"""Every event as data: the 22 types of the wire, what each of them does, and the events that the objects fire.

The sections are those of the description of the event bridge's protocol; ``COUNTS`` says how many rows they have
there.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTS = {"5.3": 22, "7.1": 27}
"""Event types of the wire; events of the objects, of which a row can name several."""


@dataclass(frozen=True)
class Event:
    """One event type of the wire (5.3)."""

    type: str
    payload: str
    """What its payload is: a resource of 6, or ``anything``."""
    fires: tuple[tuple[str, str, str], ...]
    """(class, event, argument) in order. Argument: the class of the object given, or ``payload``."""
    keys: tuple[str, ...]
    """What finds the object. Without one of them, or with another type of value, the message is reported."""
    unknown: str
    """What happens where the object is not there: ``error`` (reported), ``ignored``, ``new`` or ``-``."""
    bumps: bool = False
    """Whether the worker's version counts up by one (5.2)."""
    ends: bool = False
    """Whether the reservation is over (5.4)."""
    status: str | None = None
    """The status that comes with it."""


_ACTIVITY = ("activity_sid",)
_SID = ("sid",)
_TRANSFER = ("sid", "task_sid", "initiating_reservation_sid")


def _reservation(event: str, status: str | None = None, *, ends: bool = True) -> Event:
    fires = (("Reservation", event, "Reservation"),)
    unknown = "ignored" if ends else "error"
    return Event(f"reservation.{event}", "Reservation", fires, _SID, unknown, ends=ends, status=status or event)


def _task(event: str, status: str) -> Event:
    return Event(f"task.{event}", "Task", (("Task", event, "Task"),), _SID, "ignored", status=status)


def _transfer(name: str, event: str | None, status: str) -> Event:
    fires = [("Task", f"transfer_{event or name}", "OutgoingTransfer")]
    if event is not None:
        fires.append(("OutgoingTransfer", event, "OutgoingTransfer"))
    return Event(f"task.transfer-{name}", "Transfer", tuple(fires), _TRANSFER, "ignored", status=status)


EVENTS = (
    Event("worker.activity.update", "Worker", (("Worker", "activity_updated", "Worker"),), _ACTIVITY, "error"),
    Event("worker.attributes.update", "Worker", (("Worker", "attributes_updated", "Worker"),), _SID, "error"),
    Event("worker.capacity.update", "Channel", (("Channel", "capacity_updated", "Channel"),), _SID, "error", True),
    Event(
        "worker.channel.availability.update",
        "Channel",
        (("Channel", "availability_updated", "Channel"),),
        _SID,
        "error",
        True,
    ),
    Event(
        "reservation.created",
        "Reservation",
        (("Worker", "reservation_created", "Reservation"),),
        _SID,
        "new",
        True,
        status="pending",
    ),
    Event("reservation.failed", "anything", (("Worker", "reservation_failed", "payload"),), (), "-"),
    _reservation("accepted", ends=False),
    _reservation("wrapup", "wrapping", ends=False),
    _reservation("completed"),
    _reservation("rejected"),
    _reservation("timeout"),
    _reservation("canceled"),
    _reservation("rescinded"),
    _task("updated", "assigned"),
    _task("canceled", "canceled"),
    _task("completed", "completed"),
    _task("wrapup", "wrapping"),
    _transfer("initiated", None, "initiated"),
    _transfer("attempt-failed", "attempt_failed", "initiated"),
    _transfer("failed", "failed", "failed"),
    _transfer("completed", "completed", "complete"),
    _transfer("canceled", "canceled", "canceled"),
)


@dataclass(frozen=True)
class Public:
    """One event of an object (7.1)."""

    owner: str
    js_name: str
    name: str
    ours: bool = False
    """Whether the JS SDK of today has it not; the older documents name the transfer events on the task."""


def _public(owner: str, names: str, *, ours: bool = False) -> tuple[Public, ...]:
    rows = []
    for js_name in names.split():
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in js_name)
        rows.append(Public(owner, js_name, name, ours))
    return tuple(rows)


PUBLIC = (
    *_public("Worker", "activityUpdated attributesUpdated disconnected error ready reservationCreated"),
    *_public("Worker", "reservationFailed tokenExpired tokenUpdated"),
    *_public("Worker", "connected reconnecting tokenWillExpire", ours=True),
    *_public("Channel", "capacityUpdated availabilityUpdated"),
    *_public("Reservation", "accepted canceled completed rejected rescinded timeout wrapup"),
    *_public("Task", "updated canceled completed wrapup transferInitiated"),
    *_public("Task", "transferAttemptFailed transferCanceled transferCompleted transferFailed", ours=True),
    *_public("OutgoingTransfer", "attemptFailed canceled completed failed"),
)
