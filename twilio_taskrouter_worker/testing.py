"""Support for tests of programs that use this package: a service with workers, waits, faults, handlers on their own.

With pytest the fixtures ``taskrouter``, ``taskrouter_worker`` and ``taskrouter_clock`` are available once the package
is installed. Anywhere else, use the context manager::

    with TestBench() as bench:
        worker = bench.worker("Alice")
        program(worker)
        task = bench.router.create_task({"order": 4711})
        eventually(lambda: bench.router.task(task).assignment_status == "completed")

At the end of the block, an error of a callback or a failed call whose Future was never checked is raised: neither
reaches the test by itself. A handler can be tested without any service::

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
from ._bridge.futures import report_failures
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
"""Seconds between two evaluations of a condition."""


def eventually(condition: Callable[[], T], timeout: float = 10.0, *, message: str = "") -> T:
    """Block the calling thread until a condition is true.

    Args:
        condition: Called repeatedly on the calling thread, until its result is true.
        timeout: Seconds to wait.
        message: Beginning of the error's text; empty for a general one.

    Returns:
        The result of the condition.

    Raises:
        AssertionError: It did not become true in time; the text has its last result.
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
    """Collects errors of callbacks, and failures of calls that were never checked, while it is installed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        # The log is the only place where both arrive, whichever thread they come from.
        error = record.exc_info[1] if record.exc_info else None
        if record.name == CALLBACKS.name and error is not None:
            self.errors.append(error)
        elif record.name == CALLS.name and getattr(record, "event", None) == "unawaited":
            self.errors.append(error or AssertionError(record.getMessage()))


class TestBench:
    """A local TaskRouter of its own, and Workers connected to it. Used in a ``with`` block.

    Entering it starts the service and blocks until it answers; leaving it disconnects the workers and stops it.

    Args:
        router: A LocalTaskRouter that is not started yet; None for a new one with its defaults.
        check: Whether to raise, at the end, an error of a callback or a failure that was never checked.
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

    def __repr__(self) -> str:
        return f"<TestBench of {self.router}>"

    def __enter__(self) -> TestBench:
        self.router.start()
        # What exists by now need not be searched when failures are collected: in a large suite that takes long.
        gc.freeze()
        # Failures of earlier tests are not this one's, also those whose Futures are still held somewhere.
        report_failures()
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
            gc.unfreeze()
            for logger in (CALLBACKS, CALLS):
                logger.removeHandler(self._problems)
        # The test's own failure is the one to show.
        if error is None and self._check:
            self._raise_first()

    def worker(
        self,
        name: str = "Alice",
        *,
        activity: str = "Available",
        attributes: Mapping[str, Any] | None = None,
        connect: bool = True,
        **options: Any,
    ) -> Worker:
        """Create a worker in the service and a Worker for it, and connect it; leaving the block disconnects it.

        Blocks until the worker is ready if ``connect`` is True. Callbacks run on the Worker's dispatch thread.

        Args:
            name: Name of the worker; an existing worker of this name is used.
            activity: Activity of a new worker.
            attributes: Attributes of a new worker; None for none.
            connect: Whether to connect. False allows registering listeners first.
            **options: Further options of the Worker.

        Returns:
            The Worker.

        Raises:
            TaskRouterError: The worker could not be connected.
        """
        from .worker import Worker

        if name not in (each.friendly_name for each in self.router.workers()):
            self.router.add_worker(name, activity=activity, attributes=attributes)
        worker = Worker(self.router.token(name), **{**self.router.connection, **options})
        if connect:
            worker.connect()
        # After connecting: a ``connect()`` that raises leaves nothing to disconnect.
        self._workers.callback(worker.disconnect)
        return worker

    @property
    def problems(self) -> list[BaseException]:
        """Errors of callbacks, and failures that were never checked, so far."""
        return list(self._problems.errors)

    def raise_problems(self) -> None:
        """Raise the first of the problems, if there are any, and clear them all.

        Raises:
            BaseException: The exception of a callback, with its own traceback.
        """
        __tracebackhide__ = True
        _collect_failures()
        self._raise_first()

    def _raise_first(self) -> None:
        __tracebackhide__ = True
        problems, self._problems.errors = self._problems.errors, []
        if problems:
            raise problems[0]

    def report(self) -> str:
        """Describe the service for a failed test: who had which task when, its latest events, and its open tasks.

        Returns:
            Lines of text.

        Raises:
            StateError: The service is not running.
        """
        lines = [str(self.router.timeline()), "", "Events:"]
        for event in self.router.events()[-60:]:
            names = [event.data[key] for key in ("task_sid", "worker_name", "reservation_sid") if key in event.data]
            if names:
                lines.append(f"  {event.time}  {event.type:28} {' '.join(names)}")
        open_tasks = [task for task in self.router.tasks() if not task.final]
        for task in open_tasks[:5]:
            lines += ["", str(self.router.explain(task.sid))]
        return "\n".join(lines)


def _collect_failures() -> None:
    """Log the failures that were never checked now: a Future reports its own only when it is collected."""
    gc.collect()
    run_left()


# -- faults by name --------------------------------------------------------------------------------------------------


def _laptop_sleep(router: LocalTaskRouter, stack: ExitStack) -> None:
    # A sleeping machine first receives nothing; its connections are found broken when it wakes up.
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
    # As Twilio refuses an expired token.
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
"""Faults that programs meet in the field, by name: connections that are silent for a second and then break; a second
without any network; a token refused as expired in the middle of an ``accept()``; three requests answered with 429; open
connections that are silent for good; sessions ended by a newer one."""


@contextmanager
def fault_profile(router: LocalTaskRouter, name: str) -> Iterator[None]:
    """Apply a profile of faults to the clients of a router, until the end of the ``with`` block at the latest.

    Args:
        router: A running LocalTaskRouter.
        name: A key of ``FAULT_PROFILES``.

    Raises:
        ValueError: There is no such profile.
    """
    if name not in FAULT_PROFILES:
        raise ValueError(f"There is no fault profile {name!r}; there are {', '.join(FAULT_PROFILES)}")
    with ExitStack() as stack:
        FAULT_PROFILES[name](router, stack)
        yield


def _later(stack: ExitStack, seconds: float, action: Callable[[], object]) -> None:
    """Run an action after some seconds, unless the profile ends before."""
    timer = threading.Timer(seconds, action)
    timer.name, timer.daemon = "taskrouter-fault", True
    timer.start()
    # Callbacks run in reverse order: cancelled first, then joined.
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
        if request.heard is not None:
            request.heard()
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


class _Nobody(WorkerEmitter):
    """The worker of a made reservation: its events never fire."""

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
    # The mirror uses only the events of a Worker.
    mirror = Mirror(cast("Worker", _Nobody()), _Script(payload), Waiting(), lambda messages: None)
    mirror.account_sid, mirror.workspace_sid, mirror.worker_sid = f"AC{nothing}", f"WS{nothing}", f"WK{nothing}"
    reservation = Reservation(mirror, ReservationUpdate.read(payload))
    mirror.add(reservation)
    return reservation


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
