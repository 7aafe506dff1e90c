"""The lifecycle of a Worker: connecting, running, draining, disconnecting."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from . import _checks
from ._bridge import forking, reporting
from ._bridge.states import IDENTIFIED, State
from ._bridge.stopping import SIGNAL_CHECK, Stop
from ._bridge.threads import drain_all
from ._bridge.timings import Timings
from ._bridge.waiting import Waiting, WhenReady
from ._bridge.watching import Watch
from ._bridge.work import Job, Work
from ._signals import StopSignals
from ._version import __version__
from .activity import Activity, check_activity
from .errors import AlreadyConnectedError, ConnectTimeoutError, GaveUpError, TaskRouterError
from .events import Emitter, Listener
from .health import Health, HealthServer
from .single import ProcessLock
from .tokens import expiry

if TYPE_CHECKING:
    # These bring requests and websocket-client, two thirds of the time an import would take. They are loaded when the
    # first client is made, so that a program which only makes tokens, or prints its help, does not wait for them.
    from ._bridge.calls import Calls
    from ._bridge.connection import Connection
    from ._bridge.messages import Message
    from ._bridge.mirror import Mirror
    from .options import Options
    from .reservation import Reservation
    from .serving import Server

__all__ = ["Lifecycle"]

Self = TypeVar("Self", bound="Lifecycle")

DISCONNECT_TIMEOUT = 10.0
"""Seconds that work under way gets to finish at a ``disconnect()`` without a timeout."""
CLOSING_GRACE = 1.0
"""Seconds that a callback gets to return after a failed connect(), on top of its timeout, or after a signal."""


class Lifecycle(Emitter):
    """Base of Worker that connects and disconnects it; the slots for the attributes declared here are in Worker."""

    if not TYPE_CHECKING:
        # A type checker would miss the attributes below in it.
        __slots__ = ()

    _calls: Calls
    _connection: Connection | None
    _ending: Connection | None
    _gave_up: list[str]
    _leaving: Connection | None
    _lock: threading.Lock
    _options: Options
    _pid: int
    _server: Server
    _state: Mirror
    _token: str
    _waits: Waiting
    _watch: Watch
    _work: Work
    _ws_server: str
    _renew_token: Callable[[], None]
    _timings: ClassVar[Timings] = Timings()
    """Time limits of connections. Tests replace this record."""

    # -- connecting ------------------------------------------------------------------------------------------------

    def connect(self: Self, timeout: float = 30.0) -> Self:
        """Connect, block until the worker is ready, and return it.

        Blocks the calling thread; callbacks run on the dispatch thread meanwhile. Returns at once if the worker is
        ready; while it is reconnecting, waits until it is ready again. Transient failures (no server, network) are
        retried until the timeout. When this raises, no thread and no socket is left.

        Args:
            timeout: Seconds to wait, more than 0.

        Returns:
            This worker.

        Raises:
            TokenError: The token is refused; raised at once, as TokenExpiredError if it has expired. With a
                ``token_provider``: it had no usable token for five minutes, and the worker was never ready.
            InitializationError: The worker does not exist, or ``connect_activity`` cannot be set; raised at once.
            ConnectTimeoutError: The worker was not ready in time; the message has the last failure.
            AlreadyConnectedError: Another process is connected, and ``single`` does not wait.
            DispatchThreadError: Called inside a callback.
            TypeError: The timeout is not a number.
            ValueError: The timeout is not more than 0.
        """
        self._waits.refuse_on_dispatch_thread("connect()")
        limit = _checks.timeout("timeout", timeout)
        if limit is None:
            raise TypeError("timeout must be a number of seconds; to wait without limit, use start().result()")
        if not limit > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
        connection, ready = self._start()
        try:
            # Not ready.result(limit): its TimeoutError could not be distinguished from an error of the connection.
            wait([ready], limit)
            if not ready.done():
                failure = connection.timed_out(timeout)
                self._close(connection, f"connect() was not ready within {timeout:g} s", CLOSING_GRACE)
                raise failure from failure.__cause__
            ready.result()
        # Raised above, with the connection closed.
        except ConnectTimeoutError:
            raise
        except BaseException:
            self._close(connection, "connect() failed", CLOSING_GRACE)
            raise
        return self

    def start(self: Self) -> Future[Self]:
        """Connect in the background.

        Does not block. Transient failures are retried without limit, and reported as ``error`` meanwhile; those of a
        ``token_provider`` before the first ``ready`` are limited as with ``connect``. A second call
        while connected returns a Future for the same connection, done if it is ready. Callbacks of the Future run on
        the dispatch thread, which settles it.

        Returns:
            A Future that resolves to this worker when it is ready, and fails with the errors of ``connect`` except for
            the timeout. Waiting for it inside a callback before it is done raises DispatchThreadError.

        Raises:
            AlreadyConnectedError: Another process is connected, and ``single`` does not wait.
            TaskRouterError: The system has no thread left.
            ForkedProcessError: The worker was connected in the parent process.
        """
        future: WhenReady[Self] = WhenReady(self._waits)
        _, ready = self._start()
        ready.add_done_callback(lambda done: future.follow(done, self))
        return future

    def run_forever(
        self,
        *,
        grace: float = 10.0,
        drain_activity: str | Activity | None = None,
        health_port: int | None = None,
        health_host: str = "127.0.0.1",
    ) -> None:
        """Connect, and block until the worker is disconnected; the main loop of a program.

        SIGINT and SIGTERM stop it gracefully: ``stopping`` is set, new reservations are no longer announced, and
        running callbacks and handlers, on any thread, may finish together with their calls; then it disconnects. A
        second signal ends the waiting. Signals are handled on the main thread only. Callbacks run on the dispatch
        thread. Transient failures are retried without limit.

        Args:
            grace: Seconds that callbacks and handlers get to finish after a signal.
            drain_activity: Activity (name, sid or Activity) to set first after a signal, so that no reservation is
                offered to a program that is stopping; offered reservations that were not started are rejected. None
                keeps the current activity.
            health_port: Port on which ``/live`` and ``/ready`` are answered meanwhile; see
                :class:`~twilio_taskrouter_worker.HealthServer`. None starts no server.
            health_host: Interface of that port; ``0.0.0.0`` is all of them, as Kubernetes' probes need.

        Raises:
            GaveUpError: Callbacks or handlers had not finished at the end of the grace period. Uncaught, it ends the
                program with exit code 1.
            TokenExpiredError: The connection was lost and cannot be restored: the service refuses the token, there
                is no ``token_provider``, and ``update_token()`` was not called within 5 seconds.
            TaskRouterError: Another error ended the connection for good, e.g. TokenError: see ``connect``.
            TypeError: An argument has the wrong type.
            ValueError: The grace is negative, or ``drain_activity`` does not exist; the latter is raised when the
                worker is first ready.
            OSError: The port is in use, or the host is not an address of this machine.
            DispatchThreadError: Called inside a callback.
        """
        self._waits.refuse_on_dispatch_thread("run_forever()")
        if _checks.timeout("grace", grace) is None or grace < 0:
            raise ValueError(f"grace must be a number of seconds, 0 or more, not {grace}")
        _checks.optional(check_activity)("drain_activity", drain_activity)
        self._gave_up = []
        # Signals first: one that comes while it starts must stop it in good order too.
        with StopSignals() as signals, self._serve_health(health_port, health_host):
            connection, ready = self._start()
            # Only here: in start() the application can still call update_token() at any time.
            connection.end_without_token()
            try:
                self._run(connection, ready, signals, drain_activity)
                if signals.received:
                    self._stop(connection, grace, activity=drain_activity, hurry=lambda: signals.received > 1)
            finally:
                # After a signal the work has been waited for.
                self.disconnect(CLOSING_GRACE if signals.received else None)
        if connection.failure is not None:
            raise connection.failure
        if self._gave_up:
            raise GaveUpError(f"The worker was disconnected while work was under way: {'; '.join(self._gave_up)}")

    def _run(
        self, connection: Connection, ready: Future[None], signals: StopSignals, activity: str | Activity | None
    ) -> None:
        """Block until a signal arrives or the connection ends."""
        # Bounded waits: a signal handler can set a flag safely, but not wake a lock it may have interrupted.
        while not signals.received and not connection.ended.wait(SIGNAL_CHECK):
            if activity is not None and ready.done() and ready.exception() is None:
                # Once, as soon as the names are known: at the end it would be too late to correct it.
                self._state.find_activity("drain_activity", activity)
                activity = None

    def drain(self, timeout: float | None = None, *, activity: str | Activity | None = None) -> bool:
        """Accept no new reservations, wait for the work under way, and disconnect.

        Blocks until then. Callbacks and the handlers of ``serve`` may finish on their threads, together with their
        calls; ``stopping`` is set. Reservations that come meanwhile are not announced.

        Args:
            timeout: Seconds after which it disconnects even if work is still under way; None waits without limit.
            activity: Activity (name, sid or Activity) to set first, usually an unavailable one; offered reservations
                that were not started are then rejected. None keeps the current activity.

        Returns:
            Whether all work finished; False if some was abandoned, which is logged as a WARNING.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The activity does not exist; nothing has changed then.
            DispatchThreadError: Called inside a callback.
            ForkedProcessError: The worker was connected in the parent process.
        """
        self._waits.refuse_on_dispatch_thread("drain()")
        limit = _checks.timeout("timeout", timeout)
        _checks.optional(check_activity)("activity", activity)
        self._check_process()
        if activity is not None and self._state.record is not None:
            activity = self._state.find_activity("activity", activity)
        connection = self._connection
        if connection is None:
            self.disconnect(limit)
            return True
        return self._stop(connection, limit, activity=activity)

    def disconnect(self, timeout: float | None = None) -> None:
        """Close the connection and end this worker's threads; idempotent.

        Running callbacks and handlers, on any thread, may finish first, together with their calls; ``stopping`` is
        set. New reservations are not announced meanwhile. Blocks until all have finished; those still running after
        the timeout are abandoned, which is logged as a WARNING, and calls under way fail with ClosedError.
        ``disconnected`` fires last. ``connect`` may be called again afterwards. Inside a callback on the dispatch
        thread it returns at once, and takes effect after that callback.

        Args:
            timeout: Seconds to wait; None means 10.

        Raises:
            TypeError: The timeout is not a number.
            ValueError: The timeout is NaN.
            ForkedProcessError: The worker was connected in the parent process.
        """
        limit = _checks.timeout("timeout", timeout)
        if limit is None:
            limit = DISCONNECT_TIMEOUT
        self._check_process()
        connection = self._connection
        if connection is None:
            # Disconnected already, e.g. by a callback; its threads may still run.
            if self._ending is not None:
                self._close(self._ending, "the worker was disconnected", limit)
        elif not self._waits.on_dispatch_thread():
            self._stop(connection, limit, closing=0.0)
        # On the dispatch thread, which must not wait here: the jobs may need further events to finish.
        elif self._work.jobs():
            # A daemon, like all threads here: the work it waits for may never end.
            name = f"taskrouter-worker-{self._state.worker_sid}-stop"
            threading.Thread(target=self._stop, args=(connection, limit), name=name, daemon=True).start()
        else:
            with self._lock:
                # In one step: the event is the next connection's once another thread has begun that.
                if self._connection is not connection:
                    return
                # This callback may still make calls, as one may that another thread's stop waits for.
                self._leaving = connection
                self._work.stopping.set()
            connection.dispatcher.declining = True
            connection.dispatcher.put_first(lambda: self._close(connection, "the worker was disconnected", limit))

    def __enter__(self: Self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disconnect()

    @property
    def stopping(self) -> threading.Event:
        """Set when the worker is asked to stop: by a signal, ``drain`` or ``disconnect``.

        A long-running handler may check it, or wait for it, and finish early. The next ``connect`` uses a new event
        that is not set.
        """
        return self._work.stopping

    # -- watching --------------------------------------------------------------------------------------------------

    def _health(self) -> Health:
        connection, state = self._connection, self._state
        forked = self._forked and connection is not None
        ended = connection or self._ending
        # Read once, so that no probe sees a worker that is ready and not connected.
        now = None if connection is None or forked else connection.state
        # The connection's is by the service's clock, and known of opaque tokens too.
        token_end = monotonic_expiry(self._token) if connection is None else connection.token_end
        return Health(
            worker_sid=state.worker_sid or None,
            running=now not in (None, State.CLOSED),
            connected=now in IDENTIFIED,
            ready=now is State.READY,
            stopping=self._work.stopping.is_set(),
            last_frame=connection.last_frame if connection is not None and now in IDENTIFIED else None,
            lag=0.0 if connection is None else connection.dispatcher.lag,
            backlog=0 if connection is None else connection.dispatcher.backlog,
            calls_in_flight=self._calls.in_flight,
            open_reservations=0 if forked else len(state.reservations),
            token_expires_in=None if token_end is None else token_end - time.monotonic(),
            connections=self._watch.connections,
            token_failures=0 if ended is None else ended.token_failures,
            foreign_accepts=self._watch.foreign_accepts,
            failure=None if ended is None or ended.failure is None else str(ended.failure),
        )

    def _serve_health(self, port: int | None, host: str) -> AbstractContextManager[object]:
        return nullcontext() if port is None else HealthServer(self._health, port, host)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _start(self) -> tuple[Connection, Future[None]]:
        """Return the connection, started if there is none, and the Future that is done when it is ready."""
        self._check_process()
        connection = self._connection
        if connection is not None and (connection.given_up or connection is self._leaving):
            # Its last callbacks may not have run yet; this may be one of them.
            self._close(connection, "the connection had ended", 0.0)
        with self._lock:
            connection = self._connection or self._begin()
            return connection, connection.when_ready()

    def _begin(self) -> Connection:
        """Start a connection, completely or not at all; called with the lock held."""
        lock = self._process_lock()
        self._pid = os.getpid()
        self._calls.reopen()
        # New events instead of cleared ones: a handler of the last connection may still be waiting for the old one.
        if self._work.stopping.is_set():
            self._work.stopping, self._work.closed = threading.Event(), threading.Event()
        before, connection = self._ending, self._new_connection(lock)
        # Before the start: the token provider may return within it, and its token goes to the current connection.
        self._connection, self._ending = connection, None
        forking.guard(self._state)
        try:
            connection.start(self._token, monotonic_expiry(self._token))
        except BaseException:
            self._connection, self._ending = None, before
            forking.release(self._state)
            if lock is not None:
                lock.release()
            raise
        return connection

    def _process_lock(self) -> ProcessLock | None:
        """Return the lock of ``single``, tried once; if it is held elsewhere, the connection waits for it."""
        single = self._options.single
        if single is None:
            return None
        lock = ProcessLock(single.path)
        if not lock.acquire() and not single.wait:
            raise AlreadyConnectedError(
                f"This worker is connected by {lock.holder()}, which holds the lock file {lock.path} of single="
            )
        return lock

    def _new_connection(self, lock: ProcessLock | None) -> Connection:
        from ._bridge.connection import Connection, ConnectionOptions
        from ._bridge.session import SessionOptions

        options = self._options
        activity = options.connect_activity
        return Connection(
            ConnectionOptions(
                ws_server=self._ws_server,
                timings=self._timings,
                renew_token=None if options.token_provider is None else self._renew_token,
                work=self._work,
                watch=self._watch,
                decided=self._server.decided,
                lock=lock,
                session=SessionOptions(
                    client_version=__version__,
                    close_existing_sessions=options.close_existing_sessions,
                    set_worker_offline_if_disconnected=options.set_worker_offline_if_disconnected,
                    renews_token=options.token_provider is not None,
                    connect_activity=activity if isinstance(activity, str) else activity.sid if activity else "",
                    connect_activity_sid=options.connect_activity_sid,
                ),
            ),
            self._state,
            self._calls.call,
            self._waits,
            self._finished,
            self._ending,
        )

    def _finished(self, connection: Connection, error: TaskRouterError) -> None:
        """The connection gave up, on its dispatch thread."""
        self._close(connection, error.message, 0.0)

    def _stop(
        self,
        connection: Connection,
        timeout: float | None,
        *,
        activity: str | Activity | None = None,
        hurry: Callable[[], bool] = lambda: False,
        closing: float = CLOSING_GRACE,
    ) -> bool:
        """Wait for the work under way, and close; return False if some was abandoned."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        # Before the activity changes: no pending reservation may be accepted now, as it may be rejected below.
        waiting = self._stop_taking(connection)
        gave_up: list[str] = []
        if waiting is not None:
            stop = Stop(self._state, connection, self._work, deadline, hurry)
            with self._work.waited_for_here():
                if activity is not None and self._state.record is not None:
                    stop.take_activity(self._state.find_activity("drain_activity", activity), waiting)
                gave_up = stop.wait(timeout)
        self._gave_up += gave_up
        # For the threads, which have nothing left to do but end.
        left = DISCONNECT_TIMEOUT if timeout is None else deadline - time.monotonic()
        self._close(connection, "the worker was disconnected", closing if gave_up else max(left, closing))
        return not gave_up

    def _stop_taking(self, connection: Connection) -> list[Reservation] | None:
        """Set ``stopping``; return the reservations that are not begun, None if the connection was closed meanwhile."""
        with self._lock:
            # In one step: event and queue are the next connection's as soon as another thread has begun that.
            if self._connection is not connection:
                return None
            self._work.stopping.set()
            return self._server.stop_taking()

    def _close(self, connection: Connection, why: str, timeout: float) -> None:
        """End the connection at once; then wait for its threads."""
        give_up: Callable[[], None] | None = None
        with self._lock:
            if self._connection is connection:
                self._connection, self._ending, self._leaving = None, connection, None
                forking.release(self._state)
                # Not after the lock is released: the next connection reopens the calls, and may start at once.
                give_up = self._calls.close(why)
                self._work.stopping.set()
                self._work.closed.set()
        if give_up is not None:
            # Outside the lock, in this order: first nothing new is received, then the calls under way fail, then the
            # waits of a stop see both.
            connection.stop()
            give_up()
            self._work.wake()
        # A callback that disconnects cannot wait for its own thread; the thread ends after that callback.
        if self._waits.on_dispatch_thread():
            return
        deadline = time.monotonic() + timeout
        if not connection.join(deadline):
            return
        with self._lock:
            if self._ending is connection:
                self._ending = None
        drain_all(deadline)

    def _check_process(self) -> None:
        if self._connection is not None and self._forked:
            raise forking.forked_error(self._pid)

    @property
    def _forked(self) -> bool:
        return self._pid != os.getpid()

    def _waiting(self) -> Waiting:
        return self._waits

    def _release(self, take: Callable[[], list[Message]]) -> None:
        """Have messages that were held back applied before those that wait."""
        connection = self._connection
        if connection is not None:
            connection.dispatcher.put_held(take)

    def _token_refused(self, token: str) -> None:
        """Ask the token provider for another token, since a call was refused with this one."""
        connection = self._connection
        if connection is not None:
            connection.call_refused(token)

    def _callback_failed(self, job: Job, listener: Listener, error: BaseException) -> None:
        """Report an exception of a user's function that ran on another thread."""
        connection = self._connection
        if connection is not None:
            connection.dispatcher.callback_failed(self, listener, job, error)
        else:
            reporting.callback_failed(self._state.worker_sid, self, job.event, job.args, listener, error)

    def _announce_existing(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.announce_existing()


def monotonic_expiry(token: str) -> float | None:
    """Return the expiry time of a token on the monotonic clock.

    Args:
        token: The token.

    Returns:
        Seconds of the monotonic clock; None if the token has no readable expiry time.
    """
    at = expiry(token)
    return None if at is None else time.monotonic() + at - time.time()
