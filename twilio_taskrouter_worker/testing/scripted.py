"""Reservations and tasks without a service, for tests of handlers: a script answers their calls and records them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Literal, NoReturn, TypeVar

import attrs

from .._bridge import routes
from .._bridge.mirror import Mirror
from .._bridge.request import Request
from .._bridge.waiting import Waiting
from ..errors import StateError, rejected
from ..events import Emitter
from ..reservation import Reservation, ReservationUpdate
from ..task import Task

__all__ = ["Call", "calls_of", "make_reservation", "make_task"]

T = TypeVar("T")


@attrs.frozen
class Call:
    """A call that a handler made on a reservation or its task."""

    name: str
    """For example ``accept``, ``complete_task`` or ``set_task_attributes``."""
    params: Mapping[str, Any]
    """Its parameters, under their names on the wire."""


# By the status that is asked for: the statuses that may precede it.
_RESERVATION_STEPS = {
    "accepted": ("pending",),
    "rejected": ("pending",),
    "wrapping": ("accepted",),
    "completed": ("accepted", "wrapping"),
}
_TASK_STEPS = {"wrapping": ("assigned",), "completed": ("assigned", "wrapping")}


class _Script:
    """Replaces the service: answers calls about one reservation at once, and records them."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request[T], /) -> Future[T]:
        future: Future[T] = Future()
        answer: Any = None
        with self._lock:
            self.calls.append(Call(routes.name_of(request.route), dict(request.params)))
            try:
                answer = self._answer(request.route, request.params)
            except Exception as error:
                future.set_exception(error)
        if not future.done():
            # Outside the lock: ``then`` takes that of the mirror.
            future.set_result(request.then(answer))
        # After the result, as a real call does: events held back for a transfer are released then.
        if request.after_callbacks is not None:
            request.after_callbacks()
        return future

    def _answer(self, route: routes.Route, params: Mapping[str, Any]) -> Any:
        reservation, task = self.payload, self.payload["task"]
        if "ReservationStatus" in params:
            self._step(reservation, "reservation_status", params["ReservationStatus"], _RESERVATION_STEPS)
            # Of the others, the task's status is the same word.
            after = {"accepted": "assigned", "rejected": "pending"}
            task["assignment_status"] = after.get(params["ReservationStatus"], params["ReservationStatus"])
        elif "AssignmentStatus" in params:
            self._step(task, "assignment_status", params["AssignmentStatus"], _TASK_STEPS)
            task["reason"] = params.get("Reason")
            reservation["reservation_status"] = params["AssignmentStatus"]
        elif "Attributes" in params and route is routes.SET_TASK_ATTRIBUTES:
            task["attributes"] = json.dumps(params["Attributes"])
        elif route is routes.CREATE_TRANSFER:
            return self._transfer(params)
        for record in (reservation, task):
            record["version"] += 1
        # A copy, as a service's answer is: the record must not change with the next call.
        return json.loads(json.dumps(task if "{task}" in route.path else reservation))

    @staticmethod
    def _step(record: dict[str, Any], key: str, wanted: str, steps: Mapping[str, tuple[str, ...]]) -> None:
        if record[key] not in steps[wanted]:
            message = f"{record['sid']} is {record[key]}, and only {' or '.join(steps[wanted])} can become {wanted}"
            raise rejected(400, message, code=20001, more_info=None, retry_after=None)
        record[key] = wanted

    def _transfer(self, params: Mapping[str, Any]) -> dict[str, Any]:
        reservation, task, to = self.payload, self.payload["task"], params["To"]
        return {
            "account_sid": reservation["account_sid"],
            "date_created": reservation["date_created"],
            "date_updated": reservation["date_updated"],
            "initiating_queue_sid": task["queue_sid"],
            "initiating_reservation_sid": reservation["sid"],
            "initiating_worker_sid": reservation["worker_sid"],
            "initiating_workflow_sid": task["workflow_sid"],
            "sid": "TT" + "0" * 32,
            "task_sid": task["sid"],
            "transfer_failed_reason": None,
            "transfer_mode": params.get("Mode", "WARM"),
            "transfer_status": "initiated",
            "transfer_to": to,
            "transfer_type": "QUEUE" if to.startswith("WQ") else "WORKER",
            "workspace_sid": reservation["workspace_sid"],
        }


class _Nobody(Emitter):
    """The worker of a made reservation: its events never fire."""

    def __init__(self) -> None:
        self._listeners = {}


def _ignore(*_: object) -> None:
    """Nobody else accepts a made reservation, and no message of it is held back."""


def _no_client() -> NoReturn:
    raise StateError("A reservation made for a test has no handle(): there is no service that its calls could reach")


def make_reservation(
    attributes: Mapping[str, Any] | None = None,
    *,
    status: Literal["pending", "accepted", "wrapping"] = "pending",
    task_channel: str = "default",
    priority: int = 0,
    sid: str = "WR" + "0" * 32,
    task_sid: str = "WT" + "0" * 32,
) -> Reservation:
    """Make a reservation without a service, to test a handler with.

    Its calls, and those of its task, succeed or are refused at once, according to their status, as TaskRouter would.
    Nothing blocks, and no event fires; callbacks of their Futures run on the calling thread. ``calls_of`` returns them.

    Args:
        attributes: Attributes of its task; None for none.
        status: Its status.
        task_channel: Unique name of its task's channel.
        priority: Its task's priority.
        sid: Its sid.
        task_sid: Its task's sid.

    Returns:
        The reservation.

    Raises:
        TypeError: The attributes are not JSON-serializable.
    """
    payload = _payload(attributes, status, task_channel, priority, sid, task_sid)
    # The mirror uses only the events of a Worker.
    mirror = Mirror(_Nobody(), _Script(payload), Waiting(), _ignore, _ignore, _no_client)
    mirror.account_sid, mirror.workspace_sid = payload["account_sid"], payload["workspace_sid"]
    mirror.worker_sid = payload["worker_sid"]
    reservation = Reservation(mirror, ReservationUpdate.read(payload))
    mirror.add(reservation)
    return reservation


def _payload(
    attributes: Mapping[str, Any] | None, status: str, task_channel: str, priority: int, sid: str, task_sid: str
) -> dict[str, Any]:
    """Return a reservation with its task as the bridge would send it."""
    now = int(time.time())
    nothing = "0" * 32
    task = {
        "sid": task_sid,
        "date_created": now,
        "date_updated": now,
        "virtual_start_time": now,
        "workflow_sid": f"WW{nothing}",
        "workflow_name": "Workflow",
        "queue_sid": f"WQ{nothing}",
        "queue_name": "Queue",
        "task_channel_sid": f"TC{nothing}",
        "task_channel_unique_name": task_channel,
        "attributes": json.dumps(dict(attributes or {})),
        "assignment_status": {"pending": "reserved", "accepted": "assigned"}.get(status, status),
        "priority": priority,
        "reason": None,
        "timeout": 86400,
        "age": 0,
        "addons": "{}",
        "routing_target": None,
        "version": 0,
    }
    return {
        "account_sid": f"AC{nothing}",
        "workspace_sid": f"WS{nothing}",
        "sid": sid,
        "worker_sid": f"WK{nothing}",
        "worker_name": "Worker",
        "date_created": now,
        "date_updated": now,
        "reservation_status": status,
        "reservation_timeout": 120,
        "version": 0,
        "task": task,
    }


def make_task(attributes: Mapping[str, Any] | None = None, **options: Any) -> Task:
    """Make the task of an accepted reservation without a service; see ``make_reservation``.

    Args:
        attributes: Its attributes; None for none.
        **options: Further options of ``make_reservation``.

    Returns:
        The task.

    Raises:
        TypeError: The attributes are not JSON-serializable.
    """
    return make_reservation(attributes, **{"status": "accepted", **options}).task


def calls_of(made: Reservation | Task) -> list[Call]:
    """Return the calls made so far on a reservation of ``make_reservation`` and on its task, in order.

    Args:
        made: The reservation, or its task.

    Returns:
        The calls.

    Raises:
        TypeError: It belongs to a service.
    """
    script = getattr(made._state, "_caller", None)
    if not isinstance(script, _Script):
        raise TypeError("calls_of() is for what make_reservation() and make_task() made")
    return list(script.calls)
