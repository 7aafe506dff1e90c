"""A client at the recording bridge, and an ear at everything that it fires."""

from __future__ import annotations

import copy
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, cast

from tests.data import attributes
from tests.oracle.bridge import RecordingBridge
from tests.tools import payloads
from tests.tools.answers import Call
from tests.tools.seams import events_of
from twilio_taskrouter_worker import Reservation, Supervisor, TaskRouterError, Worker, Workspace

TOKEN = "the.first.token"
MARKER = "marker of the tests"


class ConnectedClient:
    """A Supervisor (so, a Worker with all methods) at a bridge of its own, with one task.

    The task's reservation is accepted, it has an outgoing transfer, and everything is listened to.
    """

    def __init__(self, bridge: RecordingBridge, **options: Any) -> None:
        self.bridge = bridge
        self.worker = Supervisor(TOKEN, eb_server=bridge.eb_server, **options)
        self.heard: list[tuple[str, str, tuple[Any, ...]]] = []
        """What fired, in order: class, event, arguments."""
        self._markers = itertools.count()
        self._listen(self.worker)
        with bridge.state.lock:
            self.other = bridge.state.add_worker("Ravi")
            self.reservation_sid = self.add("accepted", outgoing={})
        self.worker.connect(30)
        for channel in self.worker.channels.values():
            self._listen(channel)
        self.listen_to(self.reservation)
        # connect() returns before the listeners of "ready" are called.
        self.sync()
        self.heard.clear()

    # -- what is there -------------------------------------------------------------------------------------------

    def add(self, status: str = "pending", **details: Any) -> str:
        """Add a reservation and give its sid; versions have two digits, but for a pending reservation's, which is 0."""
        state = self.bridge.state
        with state.lock:
            task = {"version": 23, **details.pop("task", {})}
            sid: str = state.add_reservation(
                status, task=task, **{"version": 0 if status == "pending" else 17, **details}
            )["sid"]
            self._own_transfer(sid)
            return sid

    def _own_transfer(self, sid: str) -> None:
        """Give the reservation's outgoing transfer a sid of its own, and let the bridge know it."""
        state = self.bridge.state
        record = state.reservations[sid]
        transfer = record.get("active_outgoing_task_transfer")
        if transfer is not None:
            if transfer["sid"] in state.transfers:
                transfer["sid"] = state.new_sid("TT")
            transfer["initiating_reservation_sid"] = sid
            state.transfers[transfer["sid"]] = {**payloads.load("rest.transfer"), **transfer}

    def new_reservation(self, status: str = "accepted", **details: Any) -> Reservation:
        """Announce another reservation, as the service does, and give the client's object for it."""
        with self.bridge.state.lock:
            self.reservation_sid = self.add(status, **details)
            self.bridge.state.worker["version"] += 1
        self.bridge.send("reservation.created", self.nested())
        self.sync()
        self.listen_to(self.reservation)
        self.heard.clear()
        return self.reservation

    @property
    def reservation(self) -> Reservation:
        """The client's object of the latest reservation."""
        return self.worker.reservations[self.reservation_sid]

    @property
    def record(self) -> dict[str, Any]:
        """The bridge's record of the latest reservation."""
        return self.bridge.state.reservations[self.reservation_sid]

    def nested(self) -> dict[str, Any]:
        """The latest reservation as events carry it."""
        return self.bridge.state.nested(self.reservation_sid)

    def idle_activity(self) -> str:
        """Sid of an activity that is not the current one, and not available."""
        current = self.worker.activity_sid
        activities = self.worker.activities.values()
        sid: str = next(each.sid for each in activities if each.sid != current and not each.available)
        return sid

    def sids(self) -> dict[str, str]:
        """The sids that the tables leave open."""
        transfer = self.record.get("active_outgoing_task_transfer") or {}
        return {
            "ws": self.worker.workspace_sid,
            "wk": self.worker.sid,
            "activity": self.idle_activity(),
            "reservation": self.reservation_sid,
            "task": self.record["task_sid"],
            "transfer": transfer.get("sid", "none"),
            "other": self.other["sid"],
            "queue": next(iter(self.bridge.state.task_queues)),
        }

    def target(self, owner: str) -> Any:
        """The object of a class that a call is made on."""
        if owner == "Workspace":
            return Workspace(TOKEN, self.worker.workspace_sid, eb_server=self.bridge.eb_server)
        if owner == "Activity":
            return self.worker.activities[self.idle_activity()]
        if owner == "Channel":
            return next(iter(self.worker.channels.values()))
        if owner in ("Worker", "Supervisor"):
            return self.worker
        found: dict[str, Callable[[], Any]] = {
            "Reservation": lambda: self.reservation,
            "Task": lambda: self.reservation.task,
            "OutgoingTransfer": lambda: self.reservation.task.transfers.outgoing,
            "Transfer": lambda: self.reservation.task.transfers.outgoing,
            "IncomingTransfer": lambda: self.reservation.transfer,
        }
        return found[owner]()

    def wire(self, owner: str) -> dict[str, Any]:
        """The payload that shows such an object as it is now, as an event carries it."""
        state = self.bridge.state
        records: dict[str, Callable[[], Any]] = {
            "Worker": lambda: state.worker,
            "Channel": lambda: state.channels[self.target("Channel").sid],
            "Reservation": self.nested,
            "Task": lambda: state.tasks[self.record["task_sid"]],
            "Transfer": lambda: {
                **payloads.load("rest.transfer"),
                **self.record["active_outgoing_task_transfer"],
                "task_sid": self.record["task_sid"],
            },
        }
        return copy.deepcopy(records[owner]())

    def changed(self, owner: str) -> dict[str, Any]:
        """The same with everything changed that can change, and a later version."""
        payload = attributes.changed_payload(owner, self.wire(owner))
        if owner == "Worker":
            # One that is in the list; others are refused.
            payload["activity_sid"] = self.idle_activity()
        return payload

    # -- what it fires -------------------------------------------------------------------------------------------

    def _listen(self, target: Any) -> None:
        owner = "Worker" if isinstance(target, Worker) else type(target).__name__
        subscribe = cast(Callable[..., object], target.on)

        def hear(event: str) -> None:
            subscribe(event, lambda *args: self._hear(owner, event, args))

        for event in sorted(events_of(type(target))):
            hear(event)

    def listen_to(self, reservation: Reservation) -> None:
        """Listen to a reservation, its task, and the task's outgoing transfer."""
        self._listen(reservation)
        self._listen(reservation.task)
        if reservation.task.transfers.outgoing is not None:
            self._listen(reservation.task.transfers.outgoing)

    def _hear(self, owner: str, event: str, args: tuple[Any, ...]) -> None:
        if event != "reservation_failed" or not (isinstance(args[0], dict) and MARKER in args[0]):
            self.heard.append((owner, event, args))

    def sync(self) -> None:
        """Wait until everything that the bridge has sent was handled, callbacks included."""
        number, handled = next(self._markers), threading.Event()

        def seen(payload: Any) -> None:
            if isinstance(payload, dict) and payload.get(MARKER) == number:
                handled.set()

        self.worker.on("reservation_failed", seen)
        try:
            self.bridge.send("reservation.failed", {MARKER: number})
            assert handled.wait(30), "the marker was not handled"
        finally:
            self.worker.off("reservation_failed", seen)

    def send(self, event_type: str, payload: Any) -> list[tuple[str, str, tuple[Any, ...]]]:
        """Send one event and give what it fired."""
        self.heard.clear()
        self.bridge.send(event_type, payload)
        self.sync()
        return list(self.heard)

    def errors(self) -> list[TaskRouterError]:
        """The errors reported so far."""
        return [args[0] for owner, event, args in self.heard if (owner, event) == ("Worker", "error")]

    def snapshot(self) -> str:
        """Everything the client shows, as text."""
        worker = self.worker
        return json.dumps([
            worker.to_dict(), worker.activity.sid,
            *(each.to_dict() for each in (*worker.activities.values(), *worker.channels.values())),
            *(each.to_dict() for each in worker.reservations.values()),
        ])  # fmt: skip

    # -- what it sends -------------------------------------------------------------------------------------------

    @contextmanager
    def calls(self) -> Iterator[list[Call]]:
        """Give the calls that are made inside the block, once it is over."""
        found: list[Call] = []
        before = len(self.bridge.calls)
        yield found
        found.extend(self.bridge.calls[before:])


@contextmanager
def connected_client(**options: Any) -> Iterator[ConnectedClient]:
    """A client with a bridge of its own, taken away afterwards; heartbeats keep it connected for many tests."""
    with RecordingBridge(heartbeat=5.0) as bridge:
        client = ConnectedClient(bridge, **options)
        try:
            yield client
        finally:
            client.worker.disconnect()


def same_json(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON: unlike ``==``, True is not 1 and 1 is not 1.0."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def done(future: Future[Any]) -> Any:
    """The Future's result, in good time."""
    return future.result(30)
