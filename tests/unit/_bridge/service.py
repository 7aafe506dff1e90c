"""A worker's side of TaskRouter as plain data: what its lists say, and the events of every change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tests.tools import payloads
from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker._bridge.messages import Message
from twilio_taskrouter_worker._bridge.mirror import Mirror, Notice
from twilio_taskrouter_worker._bridge.reload import Snapshot
from twilio_taskrouter_worker._bridge.request import Request
from twilio_taskrouter_worker._bridge.resync import missing, take_over
from twilio_taskrouter_worker._bridge.updates import apply

ACTIVITIES = ("Available", "Break", "Offline")
ENDINGS = ("completed", "rejected", "timeout", "canceled", "rescinded")


class Service:
    """The truth. Each change gives the message that the service would send."""

    def __init__(self) -> None:
        self.worker = payloads.load("rest.worker")
        self.activities = [
            {**payloads.load("rest.activity"), "sid": f"WA{name}", "friendly_name": name, "available": name[0] == "A"}
            for name in ACTIVITIES
        ]
        self.worker.update(activity_sid="WAAvailable", activity_name="Available")
        self.channels = [
            {**payloads.load("rest.channel"), "sid": f"WC{name}", "task_channel_unique_name": name}
            for name in ("voice", "chat")
        ]
        self.open: dict[str, dict[str, Any]] = {}
        self.over: dict[str, dict[str, Any]] = {}
        self.made = 0

    def snapshot(self) -> Snapshot:
        """What the lists say now, as data of its own."""
        return Snapshot(*copy([self.worker, self.activities, self.channels, list(self.open.values())]))

    # -- the worker --------------------------------------------------------------------------------------------------

    def set_activity(self, name: str) -> Message:
        self.worker["version"] += 1
        self.worker.update(activity_sid=f"WA{name}", activity_name=name, available=name == "Available")
        return message("worker.activity.update", self.worker)

    def set_attributes(self, **attributes: Any) -> Message:
        self.worker["version"] += 1
        self.worker["attributes"] = json.dumps(attributes)
        return message("worker.attributes.update", self.worker)

    def set_capacity(self, name: str, capacity: int) -> Message:
        channel = next(each for each in self.channels if each["task_channel_unique_name"] == name)
        channel["configured_capacity"] = capacity
        self.worker["version"] += 1
        return message("worker.capacity.update", channel)

    def set_availability(self, name: str, available: bool) -> Message:
        channel = next(each for each in self.channels if each["task_channel_unique_name"] == name)
        channel["available"] = int(available)
        self.worker["version"] += 1
        return message("worker.channel.availability.update", channel)

    # -- reservations ------------------------------------------------------------------------------------------------

    def create(self, task_sid: str | None = None) -> Message:
        self.made += 1
        self.worker["version"] += 1
        reservation = payloads.event("reservation.created")
        reservation.update(sid=f"WR{self.made}", version=0, reservation_status="pending")
        reservation["task"].update(sid=task_sid or f"WT{self.made}", version=1, assignment_status="reserved")
        self.open[reservation["sid"]] = reservation
        return message("reservation.created", reservation)

    def change(self, sid: str, status: str, task_status: str | None = None) -> Message:
        """Bring a reservation into this status, and its task along."""
        reservation = self.open[sid]
        reservation["version"] += 1
        reservation["reservation_status"] = status
        task = reservation["task"]
        task["version"] += 1
        task["assignment_status"] = (
            task_status
            or {
                "accepted": "assigned",
                "wrapping": "wrapping",
                "completed": "completed",
                "rejected": "pending",
                "timeout": "pending",
                "canceled": "canceled",
                "rescinded": "assigned",
            }[status]
        )
        if status in ENDINGS:
            self.over[sid] = self.open.pop(sid)
        return message(f"reservation.{'wrapup' if status == 'wrapping' else status}", reservation)

    def update_task(self, sid: str, **changes: Any) -> Message:
        """Change a reservation's task; its event has the whole task."""
        task = self.reservation(sid)["task"]
        task["version"] += 1
        task.update(changes)
        return self.task_event(sid, "task.updated")

    def task_event(self, sid: str, event_type: str) -> Message:
        """An event about a reservation's task as it is now."""
        return message(event_type, {**payloads.event("task.updated"), **self.reservation(sid)["task"]})

    def reservation(self, sid: str) -> dict[str, Any]:
        return self.open[sid] if sid in self.open else self.over[sid]

    def bare(self, sid: str) -> dict[str, Any]:
        """The reservation as an answer of a call gives it."""
        answer = {
            key: value for key, value in self.reservation(sid).items() if key not in ("task", "reservation_timeout")
        }
        return copy({**answer, "task_sid": self.reservation(sid)["task"]["sid"]})  # type: ignore[no-any-return]

    def transfer(self, sid: str, number: int, status: str = "initiated", **changes: Any) -> dict[str, Any]:
        """A transfer started from this reservation, as events and answers give it."""
        return {
            **payloads.load("rest.transfer"),
            "sid": f"TT{number}",
            "task_sid": self.reservation(sid)["task"]["sid"],
            "initiating_reservation_sid": sid,
            "date_created": 1767261660 + 10 * number,
            "transfer_status": status,
            **changes,
        }


class Client:
    """The state of a worker that never connected, fed by hand; what it announces is written down."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.worker = Worker("token")
        self.calls: list[Request[Any]] = []
        self.futures: list[Future[Any]] = []
        self.released: list[Callable[[], list[Message]]] = []
        worker = self.worker
        self.state = Mirror(
            worker, self._call, worker._waits, self._release, worker._watch.foreign_accept, worker.client
        )
        self.worker._state = self.state
        self.state.worker_sid = service.worker["sid"]
        self.log: list[str] = []
        self.now = 0.0
        # As a user's program holds what it was given.
        self._held: dict[str, Reservation] = {}

    def _release(self, take: Callable[[], list[Message]]) -> None:
        self.released.append(take)

    def _call(self, request: Request[Any], /) -> Future[Any]:
        self.calls.append(request)
        future: Future[Any] = Future()
        self.futures.append(future)
        return future

    def take_over(self, snapshot: Snapshot | None = None, buffered: list[Message] | None = None) -> list[str]:
        """Connect, or connect again: look up what the list lacks, and take all over."""
        snapshot = self.service.snapshot() if snapshot is None else snapshot
        for sid in missing(self.state, snapshot):
            snapshot.ended[sid] = copy(self.service.over.get(sid))
        return self.note(take_over(self.state, snapshot, buffered or [], self.now))

    def hear(self, *messages: Message) -> list[str]:
        """Use these messages, in this order; gives what is announced."""
        before = len(self.log)
        for each in messages:
            self.note(apply(self.state, copy_message(each), self.now))
        return self.log[before:]

    @property
    def ended(self) -> dict[str, Reservation]:
        """Reservations that ended lately, by sid."""
        return {sid: reservation for sid, reservation in self._held.items() if sid in self.state.ended}

    def note(self, notices: list[Notice]) -> list[str]:
        for notice in notices:
            for each in (notice.emitter, *notice.args):
                if isinstance(each, Reservation):
                    self._held[each.sid] = each
        told = [describe(notice) for notice in notices]
        self.log += told
        return told

    def count(self) -> Counter[str]:
        return Counter(self.log)


def describe(notice: Notice) -> str:
    """E.g. ``WR1 accepted``; for the worker's own events the name, and the sid of the reservation it is about."""
    if isinstance(notice.emitter, Worker):
        about = getattr(notice.args[0], "sid", "") if notice.event == "reservation_created" else ""
        return f"{notice.event} {about}".strip()
    return f"{notice.emitter.sid} {notice.event}"  # type: ignore[attr-defined]


def copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def message(event_type: str, payload: Any) -> Message:
    return Message(event_type, copy(payload))


def copy_message(each: Message) -> Message:
    return message(each.event_type, each.payload)
