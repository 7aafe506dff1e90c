"""For tests of programs that use this package: a service with workers, waits, faults, and handlers without a service.

With pytest the fixtures ``taskrouter``, ``taskrouter_worker`` and ``taskrouter_clock`` are there once the package is
installed. Anywhere else, the same is a context manager::

    with TestBench() as bench:
        worker = bench.worker("Alice")
        program(worker)
        task = bench.router.create_task({"order": 4711})
        eventually(lambda: bench.router.task(task).assignment_status == "completed")

When the bench is left, it raises an error of a callback, and a failure of a call that nobody looked at: neither
reaches the test by itself. A handler can be tried without any service::

    reservation = make_reservation({"order": 4711})
    handler(reservation)
    assert [call.name for call in calls_of(reservation)] == ["accept", "complete_task"]
"""

from __future__ import annotations

import gc
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import attrs

from ._bridge import routes
from ._bridge.mirror import Mirror
from ._bridge.request import Request
from ._bridge.threads import run_left
from ._bridge.waiting import Waiting
from ._listening import WorkerEmitter
from ._log import CALLBACKS, CALLS
from .errors import rejected
from .reservation import Reservation, ReservationUpdate
from .task import Task

if TYPE_CHECKING:
    from .local import LocalTaskRouter
    from .worker import Worker

__all__ = [
    "FAULT_PROFILES",
    "Call",
    "TestBench",
    "calls_of",
    "eventually",
    "fault_profile",
    "make_reservation",
    "make_task",
]

T = TypeVar("T")

POLL_SECONDS = 0.005
"""Time between two looks at a condition that nothing announces."""


def eventually(condition: Callable[[], T], timeout: float = 10.0, *, message: str = "") -> T:
    """Wait until a condition is true; blocks the calling thread.

    Args:
        condition: called again and again, until its result counts as true.
        timeout: seconds after which to give up.
        message: begins the error's text; empty for a general one.

    Returns:
        The result of the condition.

    Raises:
        AssertionError: it did not become true in time; the text has its last result.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"{message or 'The condition did not become true'} within {timeout:g} s: {value!r}")
        pause.wait(POLL_SECONDS)
    return value


# -- a service with workers ------------------------------------------------------------------------------------------


class _Problems(logging.Handler):
    """Collects errors of callbacks, and failures of calls that nobody looked at, while it is installed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.name == CALLBACKS.name and error is not None:
            self.errors.append(error)
        elif record.name == CALLS.name and getattr(record, "event", None) == "unawaited":
            self.errors.append(error or AssertionError(record.getMessage()))


class TestBench:
    """A local TaskRouter of its own, and Workers that are connected to it. Used in a ``with`` block.

    Args:
        router: a LocalTaskRouter that is not started yet; None for a new one with its defaults.
        check: whether to raise, at the end, an error of a callback or a failure that nobody looked at.
    """

    __test__ = False  # pytest would take the name for a class of tests

    def __init__(self, router: LocalTaskRouter | None = None, *, check: bool = True) -> None:
        if router is None:
            from .local import LocalTaskRouter

            router = LocalTaskRouter()
        self.router = router
        """The service."""
        self._check = check
        self._problems = _Problems()
        self._workers = ExitStack()

    def __enter__(self) -> TestBench:
        self.router.start()
        for logger in (CALLBACKS, CALLS):
            logger.addHandler(self._problems)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            try:
                self._workers.close()
            finally:
                self.router.stop()
            _collect_failures()
        finally:
            for logger in (CALLBACKS, CALLS):
                logger.removeHandler(self._problems)
        if error is None and self._check:
            self.raise_problems()

    def worker(
        self,
        name: str = "Alice",
        *,
        activity: str = "Available",
        attributes: Mapping[str, Any] | None = None,
        connect: bool = True,
        **options: Any,
    ) -> Worker:
        """Create a worker in the service and a Worker for it, and connect it; it is disconnected with the bench.

        Args:
            name: name of the worker; a worker of this name that is there already is used.
            activity: the activity of a new worker.
            attributes: those of a new worker; None: none.
            connect: whether to block until it is ready. False to register listeners first.
            options: further options of the Worker.
        """
        from .worker import Worker

        if name not in (each.friendly_name for each in self.router.workers()):
            self.router.add_worker(name, activity=activity, attributes=attributes)
        worker = Worker(self.router.token(name), **{**self.router.connection, **options})
        if connect:
            worker.connect()
        self._workers.callback(worker.disconnect)
        return worker

    @property
    def problems(self) -> list[BaseException]:
        """Errors of callbacks, and failures that nobody looked at, so far."""
        return list(self._problems.errors)

    def raise_problems(self) -> None:
        """Raise the first of the problems, if there are any, and forget them all.

        Raises:
            BaseException: the error that a callback raised, with its own traceback.
        """
        __tracebackhide__ = True
        _collect_failures()
        problems, self._problems.errors = self._problems.errors, []
        if problems:
            raise problems[0]

    def report(self) -> str:
        """Describe the service for a test that failed: its latest events, and why open tasks are where they are."""
        lines = ["Events:"]
        for event in self.router.events()[-50:]:
            names = [event.data[key] for key in ("task_sid", "worker_name", "reservation_sid") if key in event.data]
            lines.append(f"  {event.at:%H:%M:%S.%f}  {event.type:28} {' '.join(names)}")
        open_tasks = [task for task in self.router.tasks() if not task.final]
        for task in open_tasks[:5]:
            lines += ["", str(self.router.explain(task.sid))]
        return "\n".join(lines)


def _collect_failures() -> None:
    """Log the failures that nobody looked at, now: a Future reports its own when it is collected."""
    gc.collect()
    run_left()


# -- faults by name --------------------------------------------------------------------------------------------------


def _laptop_sleep(router: LocalTaskRouter, stack: ExitStack) -> None:
    silent = stack.enter_context(router.faults.half_open())

    def wake_up() -> None:
        silent.undo()
        router.faults.drop()

    _later(stack, 1.0, wake_up)


def _train_tunnel(router: LocalTaskRouter, stack: ExitStack) -> None:
    refused = stack.enter_context(router.faults.refuse_connects(tcp=True))
    router.faults.drop()
    _later(stack, 1.0, refused.undo)


def _token_expires_mid_accept(router: LocalTaskRouter, stack: ExitStack) -> None:
    body = {"code": 20104, "message": "Access Token expired", "status": 401}
    stack.enter_context(router.faults.http_status(401, route="POST Reservations/*", times=1, body=body))


def _rate_limited(router: LocalTaskRouter, stack: ExitStack) -> None:
    stack.enter_context(router.faults.rate_limit(1, times=3))


def _zombie_socket(router: LocalTaskRouter, stack: ExitStack) -> None:
    stack.enter_context(router.faults.half_open())


def _evicted(router: LocalTaskRouter, stack: ExitStack) -> None:
    router.faults.evict()


FAULT_PROFILES: Mapping[str, Callable[[LocalTaskRouter, ExitStack], None]] = {
    "laptop_sleep": _laptop_sleep,
    "train_tunnel": _train_tunnel,
    "token_expires_mid_accept": _token_expires_mid_accept,
    "rate_limited": _rate_limited,
    "zombie_socket": _zombie_socket,
    "evicted": _evicted,
}
"""What happens to a program in the field, by name: connections that are silent for a second and then break; a second
without any network; a token refused as expired in the middle of an ``accept()``; three requests answered with 429; open
connections that are silent for good; sessions ended by a newer one."""


@contextmanager
def fault_profile(router: LocalTaskRouter, name: str) -> Iterator[None]:
    """Do to the clients of a router what happens to programs in the field, from now on and at most until the end.

    Args:
        router: a running LocalTaskRouter.
        name: one of ``FAULT_PROFILES``.

    Raises:
        ValueError: there is no such profile.
    """
    if name not in FAULT_PROFILES:
        raise ValueError(f"There is no fault profile {name!r}; there are {', '.join(FAULT_PROFILES)}")
    with ExitStack() as stack:
        FAULT_PROFILES[name](router, stack)
        yield


def _later(stack: ExitStack, seconds: float, action: Callable[[], object]) -> None:
    """Act after a time, or never where the profile has ended before."""
    timer = threading.Timer(seconds, action)
    timer.name, timer.daemon = "taskrouter-fault", True
    timer.start()
    stack.callback(timer.join)
    stack.callback(timer.cancel)


# -- a handler without a service -------------------------------------------------------------------------------------


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
    """Stands in for the service: answers calls about one reservation at once, and keeps a record of them."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request[T], /) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self.calls.append(Call(routes.name_of(request.route), dict(request.params)))
            try:
                answer = self._answer(request.route, request.params)
            except Exception as error:
                future.set_exception(error)
        if not future.done():
            future.set_result(request.then(answer))
        if request.heard is not None:
            request.heard()
        return future

    def _answer(self, route: routes.Route, params: Mapping[str, Any]) -> Any:
        reservation, task = self.payload, self.payload["task"]
        if "ReservationStatus" in params:
            self._step(reservation, "reservation_status", params["ReservationStatus"], _RESERVATION_STEPS)
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


class _Nobody(WorkerEmitter):
    """The worker of a made reservation: it has events that never happen."""

    def __init__(self) -> None:
        self._listeners = {}


def make_reservation(
    attributes: Mapping[str, Any] | None = None,
    *,
    status: Literal["pending", "accepted", "wrapping"] = "pending",
    task_channel: str = "default",
    priority: int = 0,
    sid: str = "WR" + "0" * 32,
    task_sid: str = "WT" + "0" * 32,
) -> Reservation:
    """Make a reservation that belongs to no service, to try a handler with.

    Its calls, and those of its task, succeed or are refused at once as TaskRouter would by their status alone; nothing
    fires events. ``calls_of`` has a record of them.

    Args:
        attributes: those of its task; None: none.
        status: its status.
        task_channel: unique name of its task's channel.
        priority: its task's priority.
        sid: its sid.
        task_sid: its task's sid.
    """
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
    payload = {
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
    # Of a Worker the mirror uses the events alone.
    mirror = Mirror(cast("Worker", _Nobody()), _Script(payload), Waiting(), lambda messages: None)
    mirror.account_sid, mirror.workspace_sid, mirror.worker_sid = f"AC{nothing}", f"WS{nothing}", f"WK{nothing}"
    reservation = Reservation(mirror, ReservationUpdate.read(payload))
    mirror.add(reservation)
    return reservation


def make_task(attributes: Mapping[str, Any] | None = None, **options: Any) -> Task:
    """Make the task of an accepted reservation that belongs to no service; see ``make_reservation``.

    Args:
        attributes: its attributes; None: none.
        options: further options of ``make_reservation``.
    """
    return make_reservation(attributes, **{"status": "accepted", **options}).task


def calls_of(made: Reservation | Task) -> list[Call]:
    """Return the calls made so far on a reservation of ``make_reservation`` and on its task, in order.

    Args:
        made: the reservation, or its task.

    Raises:
        TypeError: it belongs to a service.
    """
    script = getattr(made._state, "_caller", None)
    if not isinstance(script, _Script):
        raise TypeError("calls_of() is for what make_reservation() and make_task() made")
    return list(script.calls)
