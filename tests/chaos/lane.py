"""One worker behind a relay of its own: what it hears goes to the ledger, and its connection is broken in many ways."""

from __future__ import annotations

import random
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tests.chaos.ledger import ENDINGS, Ledger
from tests.oracle.relay import Relay
from twilio_taskrouter_worker import TaskRouterError, Worker
from twilio_taskrouter_worker.events import DisconnectReason
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine import commands
from twilio_taskrouter_worker.local.server.events.sessions import Close
from twilio_taskrouter_worker.reservation import Reservation

REQUEST_TIMEOUT = 3.0
LATE = 0.5
"""Seconds of lag from which on a ``ready`` may belong to an earlier session: clients reconnect after 0.8 s or more."""

TOKEN_SECONDS = 20


class Tally:
    """How the calls of all workers ended. Safe on any thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._lock = threading.Lock()
        self._ledger = ledger
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        """``error`` events by class."""
        self.unfinished = 0
        self.seconds: deque[float] = deque(maxlen=10_000)
        """How long the latest calls took that succeeded."""

    def call(self, make: Callable[[], Future[Any]]) -> None:
        """Make a call and count how it ends."""
        try:
            future = make()
        except TaskRouterError as error:
            with self._lock:
                self.outcomes[type(error).__name__] += 1
            return
        with self._lock:
            self.unfinished += 1
        started = time.monotonic()
        future.add_done_callback(lambda done: self._done(done, started))

    def _done(self, future: Future[Any], started: float) -> None:
        error = future.exception()
        with self._lock:
            self.unfinished -= 1
            if error is None:
                self.seconds.append(time.monotonic() - started)
            self.outcomes["good" if error is None else type(error).__name__] += 1
        if error is not None and not isinstance(error, TaskRouterError):
            self._ledger.wrong(f"a call failed with {type(error).__name__}, which is not of the library's tree")

    def error(self, error: TaskRouterError) -> None:
        """Count an ``error`` event; one that tells of a defect is written down."""
        with self._lock:
            self.errors[type(error).__name__] += 1
        if type(error) is TaskRouterError or not isinstance(error, TaskRouterError):
            self._ledger.wrong(f"an error event: {error!r}, from {error.__cause__!r}")


def close_sessions(router: LocalTaskRouter, sid: str) -> None:
    """Let the service close a worker's websockets, as it does when a token has expired."""
    router._ask_service(lambda service: service.sessions.close_worker(sid, Close.TOKEN_EXPIRED))


class Lane:
    """A worker, its relay, and the faults between it and the service."""

    _close_sessions = staticmethod(close_sessions)

    def __init__(
        self, router: LocalTaskRouter, ledger: Ledger, tally: Tally, number: int, seed: str, *, tls: bool = False
    ) -> None:
        self.number = number
        self.random = random.Random(f"{seed}-lane-{number}")
        self.broken: Counter[str] = Counter()
        """Faults by name."""
        self.disconnections = 0
        self.renewals = 0
        self.reasons: Counter[str] = Counter()
        self._router = router
        self._ledger = ledger
        self._tally = tally
        self._live = False
        self._seen = False
        self._swallowing = False
        self.relay = Relay("127.0.0.1", int(router.url.rpartition(":")[2]), seed=number, tls=tls)
        self.tls = tls
        self.sid = router.add_worker(f"Worker {number}", activity="Available")
        self.worker = self._make_worker()

    def _make_worker(self) -> Worker:
        renews = self.number % 8 == 3
        secure = "s" if self.tls else ""
        worker = Worker(
            self._token() if renews else self._router.token(self.sid),
            eb_server=self.relay.url(f"http{secure}"),
            ws_server=self.relay.url(f"ws{secure}"),
            request_timeout=REQUEST_TIMEOUT,
            set_worker_offline_if_disconnected=self.number % 5 == 2,
            token_provider=self._token if renews else None,
            log_level="silent",
        )
        worker.on("ready", self._ready)
        worker.on("reservation_created", self._created)
        worker.on("disconnected", self._disconnected)
        worker.on("error", self._tally.error)
        worker.on("token_updated", self._renewed)
        return worker

    def _renewed(self) -> None:
        self.renewals += 1

    def _token(self) -> str:
        return self._router.token(self.sid, ttl=TOKEN_SECONDS)

    # -- what the worker hears (on its dispatch thread) ------------------------------------------------------------

    def _ready(self, worker: Worker) -> None:
        if not self._seen:
            self._seen = True
            for reservation in worker.reservations.values():
                self._announce(reservation)
        self._ledger.ready(self.sid, certain=worker.ready and worker.lag < LATE)
        self._live = True

    def _disconnected(self, reason: DisconnectReason) -> None:
        self._live = False
        self.disconnections += 1
        self.reasons[reason.message.split(":")[0]] += 1

    def _created(self, reservation: Reservation) -> None:
        self._announce(reservation)
        style = self.number % 3
        if style and reservation.status == "pending" and self.random.random() < 0.5:
            self._tally.call(reservation.accept)
            if style == 2:
                # Waiting inside a callback is allowed, and makes everything behind it late.
                try:
                    self.worker.fetch_latest_version().result()
                except TaskRouterError:
                    pass

    def _announce(self, reservation: Reservation) -> None:
        self._ledger.announce(self.sid, reservation.sid, reservation.status, live=self._live)
        known = weakref.ref(reservation)
        for event in (*ENDINGS, "accepted", "wrapup"):
            reservation.on(event, lambda given, event=event: self._told(event, given, known()))  # type: ignore[call-overload]
        sid = reservation.sid
        for event in ("completed", "canceled"):
            reservation.task.on(  # type: ignore[call-overload]
                event, lambda _, event=event: self._ledger.tell(self.sid, sid, f"task {event}", live=self._live)
            )

    def _told(self, event: str, reservation: Reservation, known: Reservation | None) -> None:
        self._ledger.tell(self.sid, reservation.sid, event, live=self._live)
        if reservation is not known:
            self._ledger.wrong(f"{reservation.sid}: {event} came with another object than its creation")
        if event in ENDINGS:
            if reservation.status != event:
                self._ledger.wrong(f"{reservation.sid}: at {event} its status is {reservation.status}")
            if reservation.sid in self.worker.reservations:
                self._ledger.wrong(f"{reservation.sid}: still listed after {event}")

    # -- faults ----------------------------------------------------------------------------------------------------

    def disturb(self) -> float:
        """Break something, chosen at random; gives the seconds until ``mend``."""
        if self.random.random() < 0.4:
            self._worsen()
        (fault,) = self.random.choices(list(_FAULTS), list(_FAULTS.values()))
        self.broken[fault.strip("_").replace("_", " ")] += 1
        breaks: Callable[[], float] = getattr(self, fault)
        return breaks()

    def _worsen(self) -> None:
        """Make the line slow or choppy, on top of the fault that follows."""
        kind = self.random.choice(("latency", "throttle", "split"))
        self.broken[kind] += 1
        if kind == "latency":
            self.relay.latency(self.random.uniform(0.01, 0.12), jitter=self.random.uniform(0.0, 0.1))
        elif kind == "throttle":
            self.relay.throttle(self.random.choice((3_000, 10_000, 40_000)))
        else:
            self.relay.split(self.random.choice((3, 60, 500)))

    def mend(self) -> None:
        """End all faults. Connections that hang are reset, and so are those that have lost bytes: TCP has no holes."""
        relay = self.relay
        if self._swallowing or any(link.hung for link in relay.links):
            relay.abort_all()
        self._swallowing = False
        relay.resume()
        relay.latency(0.0)
        relay.throttle(None)
        relay.split(None)
        relay.accept()

    def go_silent(self) -> None:
        """From now on nothing passes, either way, and nobody is told."""
        self.broken["half-open"] += 1
        self._swallowing = True
        self.relay.half_open()

    def touch(self) -> None:
        """Let the service send this worker something."""
        self._router._execute(
            commands.UpdateWorker(
                workspace_sid=self._router.workspace_sid,
                sid=self.sid,
                attributes=f'{{"touched": {self.random.random()}}}',
            )
        )

    def _cut(self) -> float:
        self.relay.cut_mid_frame(self.random.randint(1, 700))
        self.touch()
        self.touch()
        return self.random.uniform(0.0, 0.5)

    def _reset(self) -> float:
        self.relay.abort_all()
        return self.random.uniform(0.0, 0.8)

    def _close(self) -> float:
        self.relay.close_all()
        return self.random.uniform(0.0, 0.8)

    def _refuse(self) -> float:
        self.relay.refuse()
        self.relay.abort_all()
        return self.random.uniform(0.5, 2.0)

    def _accept_and_hang(self) -> float:
        self.relay.accept_and_hang()
        self.relay.abort_all()
        return self.random.uniform(0.5, 2.0)

    def _stall_then_reset(self) -> float:
        self._swallowing = True
        self.relay.half_open()
        self.touch()
        return self.random.uniform(0.3, 1.5)

    def _closed_by_service(self) -> float:
        self._close_sessions(self._router, self.sid)
        return self.random.uniform(0.0, 0.5)

    def _leave_and_return(self) -> float:
        if self.worker.ready:
            self.worker.disconnect()
            self.worker.start()
        return 0.0


_FAULTS = {
    "_cut": 6,
    "_reset": 5,
    "_close": 4,
    "_refuse": 2,
    "_accept_and_hang": 2,
    "_stall_then_reset": 2,
    "_closed_by_service": 2,
    "_leave_and_return": 1,
}
"""Methods that break something and give the seconds until ``mend``, and how often each is chosen."""
