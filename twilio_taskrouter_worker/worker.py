"""The Worker client."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _checks
from ._bridge import forking, routes
from ._bridge.mirror import Mirror
from ._bridge.request import Request
from ._bridge.schema import Record
from ._bridge.threads import POOL, TIMERS
from ._bridge.waiting import Waiting, WhenReady
from ._listening import WorkerEmitter
from ._signals import StopSignals
from ._version import __version__
from .activity import Activity
from .channel import Channel
from .directory import Directory, Named
from .errors import ConnectTimeoutError, InvalidMessageError, NotReadyError, TaskRouterError
from .options import LogLevel, Options, set_log_level
from .reservation import Reservation
from .tokens import check_successor, check_token, expiry
from .worker_client import WorkerClient
from .worker_info import WorkerFields

if TYPE_CHECKING:
    # These bring requests and websocket-client, two thirds of the time an import would take. They are loaded when the
    # first client is made, so that a program which only makes tokens, or prints its help, does not wait for them.
    from ._bridge.connection import Connection

__all__ = ["Worker"]

T = TypeVar("T")
W = TypeVar("W", bound="Worker")

DISCONNECT_TIMEOUT = 10.0
CLOSING_GRACE = 1.0
"""Seconds that a callback gets to return after a failed connect(), on top of its timeout, or after a signal."""
SIGNAL_CHECK = 0.2
"""Seconds between two looks at whether a signal came."""


class Worker(WorkerFields, WorkerEmitter):
    """One worker of a TaskRouter workspace, connected to the event bridge.

    ::

        worker = Worker(token)

        @worker.on("reservation_created")
        def reserved(reservation):
            reservation.accept().result()
            ...
            reservation.task.complete("done")

        worker.run_forever()

    **Threads.** Callbacks run one at a time, in the order of the events, on this worker's dispatch thread. Receiving,
    heartbeats and reconnecting go on beside them, so a callback may take its time; see ``lag``. Every method may be
    called on any thread. Calls return a :class:`concurrent.futures.Future` at once and may be waited for anywhere,
    also in a callback; only what could end by another callback alone (``connect``, ``wait_for``, ``stream``) raises
    DispatchThreadError there.

    **Calls.** Arguments are checked at the call (TypeError, ValueError). NotReadyError is raised before the worker was
    first ready, ClosedError after ``disconnect``, ForkedProcessError in a forked child. The Future fails with a
    RequestError where the service refuses or does not answer, and with ClosedError where the worker is disconnected
    meanwhile.

    **Events** (callback's argument): ``ready`` and ``connected`` (worker; nothing) after each connection,
    ``reconnecting`` (seconds), ``disconnected`` (a :class:`~twilio_taskrouter_worker.DisconnectReason`), ``error``
    (a TaskRouterError), ``reservation_created`` (reservation), ``reservation_failed`` (the payload, a dict),
    ``activity_updated``, ``attributes_updated`` (worker), ``token_will_expire`` (seconds left), ``token_expired``,
    ``token_updated`` (nothing). The camelCase names of the JS SDK work too. Listeners stay across reconnects.

    :param token: the access token, a JWT.
    :param connect_activity_sid: activity to take when first connected, before ``ready``, and not again after a
        reconnection; empty: stay in the one there is. Where it cannot be taken, ``error`` says so.
    :param close_existing_sessions: close the worker's other sessions when first connected, and not again after a
        reconnection.
    :param set_worker_offline_if_disconnected: whether the service should move the worker to an offline activity when
        its last session ends; None leaves that to the service.
    :param enable_version_check: send the version of what is changed, so that a change which does not know the latest
        version fails with VersionConflictError.
    :param log_level: for scripts: ``trace``, ``debug``, ``info``, ``warn``, ``error`` or ``silent`` sets the level of
        the logger ``twilio_taskrouter_worker``, which all clients of the process share, unless the application has
        set one. None leaves logging to the application.
    :param region: Twilio region, part of the host name; None or ``us1``: none.
    :param edge: withdrawn by Twilio; still composed into the host name, with a DeprecationWarning.
    :param eb_server: address for HTTP (``http://`` or ``https://``) in place of Twilio's, e.g. of a local TaskRouter.
    :param ws_server: address for the websocket (``ws://`` or ``wss://``) in place of Twilio's; of the two, one is
        enough, and ``region`` and ``edge`` do not matter then.
    :param token_provider: function without arguments that returns a new token; called on a pool thread before the
        token ends, and again after a failure.
    :param request_timeout: seconds for each call as a whole, retries included; more than 0, less than 86400.

    Wrong types raise TypeError, wrong values ValueError. Nothing is connected yet: see ``connect``.
    """

    __slots__ = (
        "_calls",
        "_client",
        "_connection",
        "_ending",
        "_listeners",
        "_lock",
        "_options",
        "_pid",
        "_renewing",
        "_state",
        "_token",
        "_waits",
        "_ws_server",
    )

    def __init__(
        self,
        token: str,
        *,
        connect_activity_sid: str = "",
        close_existing_sessions: bool = False,
        set_worker_offline_if_disconnected: bool | None = None,
        enable_version_check: bool = False,
        log_level: LogLevel | None = None,
        region: str | None = None,
        edge: str | None = None,
        eb_server: str | None = None,
        ws_server: str | None = None,
        token_provider: Callable[[], str] | None = None,
        request_timeout: float = 15.0,
    ) -> None:
        self._token = check_token(token)
        self._options = Options(
            connect_activity_sid=connect_activity_sid,
            close_existing_sessions=close_existing_sessions,
            set_worker_offline_if_disconnected=set_worker_offline_if_disconnected,
            enable_version_check=enable_version_check,
            log_level=log_level,
            region=region,
            edge=edge,
            eb_server=eb_server,
            ws_server=ws_server,
            token_provider=token_provider,
            request_timeout=request_timeout,
        )
        from ._bridge.calls import Calls

        http_url, self._ws_server = self._options.urls()
        set_log_level(self._options.log_level)
        self._pid = os.getpid()
        self._waits = Waiting()
        self._calls = Calls(
            http_url,
            lambda: self._token,
            __version__,
            self._options.request_timeout,
            send_versions=self._options.enable_version_check,
        )
        self._state = Mirror(self, self._call, self._waits)
        # Guards the three below: starting and stopping exclude each other.
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        # The connection that ended last, whose threads may still run.
        self._ending: Connection | None = None
        self._renewing = False
        self._client: WorkerClient | None = None

    # -- connecting ------------------------------------------------------------------------------------------------

    def connect(self, timeout: float = 30.0) -> Worker:
        """Connect, block until the worker is ready, and return it.

        Failures that may pass (no server, network) are retried until ``timeout`` seconds are over. Raises TokenError
        or TokenExpiredError at once when the token is refused, InitializationError when the worker does not exist,
        ConnectTimeoutError otherwise, with the last cause; then nothing is left running. Returns at once if it is
        ready already; where it is reconnecting, it waits until it is ready again. Raises DispatchThreadError inside a
        callback.
        """
        self._waits.refuse_on_dispatch_thread("connect()")
        limit = _checks.timeout("timeout", timeout)
        if limit is None:
            raise TypeError("timeout must be a number of seconds; to wait without limit, use start().result()")
        if not limit > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
        connection, ready = self._start()
        try:
            wait([ready], limit)
            if not ready.done():
                failure = connection.timed_out(timeout)
                self._close(connection, f"connect() was not ready within {timeout:g} s", CLOSING_GRACE)
                raise failure from failure.__cause__
            ready.result()
        except ConnectTimeoutError:
            raise
        except BaseException:
            self._close(connection, "connect() failed", CLOSING_GRACE)
            raise
        return self

    def start(self) -> Future[Worker]:
        """Connect in the background; the Future resolves to this worker when it is ready.

        It fails with the errors of ``connect`` except for the timeout: what may pass is retried without limit, and
        reported as ``error`` meanwhile. A second call while connected gives a Future for the same connection, done if
        it is ready. Waiting for it inside a callback before it is done raises DispatchThreadError: it gets done on
        that very thread.
        """
        future: WhenReady[Worker] = WhenReady(self._waits)
        _, ready = self._start()
        ready.add_done_callback(lambda done: future.follow(done, self))
        return future

    def run_forever(self) -> None:
        """For scripts: connect, run until disconnected, and return.

        SIGINT and SIGTERM disconnect gracefully, after the callback that runs (but wait at most 10 seconds for it; a
        second signal does not wait); that needs the main thread, on others no signal is handled. What may pass is
        retried without limit. Raises whatever ended the connection for good, e.g. TokenError; and DispatchThreadError
        inside a callback.
        """
        self._waits.refuse_on_dispatch_thread("run_forever()")
        with StopSignals() as signals:
            connection, _ = self._start()
            try:
                # Bounded waits: a signal handler can set a flag safely, but not wake a lock it may have interrupted.
                while not signals.received and not connection.ended.wait(SIGNAL_CHECK):
                    pass
                if signals.received:
                    connection.dispatcher.put_first(self.disconnect)
                    deadline = time.monotonic() + DISCONNECT_TIMEOUT
                    while signals.received == 1 and time.monotonic() < deadline:
                        if connection.ended.wait(SIGNAL_CHECK):
                            break
            finally:
                self.disconnect(CLOSING_GRACE if signals.received else None)
        if connection.failure is not None:
            raise connection.failure

    def disconnect(self, timeout: float | None = None) -> None:
        """Close the connection and end this worker's threads; idempotent.

        Blocks until they have ended, at most ``timeout`` seconds (None: 10), and so until the running callback is
        over. Inside a callback it returns at once, and they end after that callback. Calls under way fail with
        ClosedError. ``disconnected`` fires last. ``connect`` may be called again afterwards.
        """
        timeout = _checks.timeout("timeout", timeout)
        self._check_process()
        connection = self._connection or self._ending
        if connection is not None:
            self._close(connection, "the worker was disconnected", DISCONNECT_TIMEOUT if timeout is None else timeout)

    def __enter__(self: W) -> W:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disconnect()

    def _start(self) -> tuple[Connection, Future[None]]:
        """The connection, begun if there is none, and the Future that tells when it is ready."""
        self._check_process()
        connection = self._connection
        if connection is not None and connection.given_up:
            # Its last callbacks are still to come; this may be one of them.
            self._close(connection, "the connection had ended", 0.0)
        with self._lock:
            if self._connection is None:
                self._pid = os.getpid()
                self._calls.reopen()
                self._connection = self._new_connection()
                forking.guard(self._state)
                self._ending = None
                self._connection.start(self._token, _monotonic_expiry(self._token))
            return self._connection, self._connection.when_ready()

    def _new_connection(self) -> Connection:
        from ._bridge.connection import Connection, ConnectionOptions
        from ._bridge.session import SessionOptions

        options = self._options
        return Connection(
            ConnectionOptions(
                ws_server=self._ws_server,
                connect_activity_sid=options.connect_activity_sid,
                renew_token=None if options.token_provider is None else self._renew_token,
                session=SessionOptions(
                    client_version=__version__,
                    close_existing_sessions=options.close_existing_sessions,
                    set_worker_offline_if_disconnected=options.set_worker_offline_if_disconnected,
                    renews_token=options.token_provider is not None,
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

    def _close(self, connection: Connection, why: str, timeout: float) -> None:
        give_up: Callable[[], None] | None = None
        with self._lock:
            if self._connection is connection:
                self._connection, self._ending = None, connection
                forking.release(self._state)
                # Not after the lock: the next connection opens them again, and may begin at once.
                give_up = self._calls.close(why)
        if give_up is not None:
            connection.stop()
            give_up()
        if self._waits.on_dispatch_thread():
            return
        deadline = time.monotonic() + timeout
        if not connection.join(deadline):
            return
        with self._lock:
            if self._ending is connection:
                self._ending = None
        POOL.drain(max(0.0, deadline - time.monotonic()))
        TIMERS.drain(max(0.0, deadline - time.monotonic()))

    def _check_process(self) -> None:
        if self._connection is not None and self._forked:
            raise forking.forked_error(self._pid)

    @property
    def _forked(self) -> bool:
        return self._pid != os.getpid()

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the service has said who this worker is; ``ready`` comes later."""
        connection = self._connection
        return connection is not None and connection.connected and not self._forked

    @property
    def ready(self) -> bool:
        """Whether it is connected and its state is up to date; after a loss of connection False until read again."""
        connection = self._connection
        return connection is not None and connection.is_ready and not self._forked

    @property
    def lag(self) -> float:
        """Seconds since the event that is being handled arrived: how far callbacks are behind; 0.0 if none is."""
        self._check_process()
        connection = self._connection
        return 0.0 if connection is None else connection.dispatcher.lag

    @property
    def backlog(self) -> int:
        """Number of events that wait for earlier callbacks to end."""
        self._check_process()
        connection = self._connection
        return 0 if connection is None else connection.dispatcher.backlog

    @property
    def activities(self) -> Named[Activity]:
        """All activities of the workspace: a live mapping by sid, also ``by_name``."""
        return self._state.activities

    @property
    def channels(self) -> Named[Channel]:
        """The worker's channels: a live mapping by sid, also ``by_name`` (the task channel's unique name)."""
        return self._state.channels

    @property
    def reservations(self) -> Directory[Reservation]:
        """Open reservations (pending, accepted, wrapping): a live mapping by sid."""
        return self._state.reservations

    @property
    def activity(self) -> Activity:
        """The current activity. Raises NotReadyError before the first ``ready``, as all that TaskRouter sets."""
        return self._state.activities[self.activity_sid]

    @property
    def connect_activity_sid(self) -> str:
        """The option of that name; empty if none was given. Known before connecting."""
        return self._options.connect_activity_sid

    @property
    def _record(self) -> Record:  # type: ignore[override]
        """What the attributes of WorkerFields are read from."""
        record = self._state.public_record
        if record is None:
            raise NotReadyError("Nothing is known of the worker yet: it has not been connected; call connect()")
        return record

    # A client is itself, and nothing else: the sid it gets when it connects does not change what it equals.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if self._state.record is None:
            return f"<{type(self).__name__} not connected>"
        if self._forked and self._connection is not None:
            return f"<{type(self).__name__} {self.sid} of process {self._pid}>"
        state = "ready" if self.ready else "connected" if self.connected else "disconnected"
        return f"<{type(self).__name__} {self.sid} {self.activity_name!r} {state}>"

    def to_dict(self) -> dict[str, Any]:
        """A snapshot of all attributes as plain data: safe for JSON and pickle, dates as ISO 8601 text in UTC.

        Raises NotReadyError before the first ``ready``.
        """
        return super().to_dict()

    # -- calls -----------------------------------------------------------------------------------------------------

    def create_task(
        self,
        to: str,
        from_: str,
        workflow_sid: str,
        task_queue_sid: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        task_channel_unique_name: str | None = None,
        task_channel_sid: str | None = None,
        virtual_start_time: datetime | None = None,
    ) -> Future[str]:
        """Create a task for this very worker; the Future resolves to the task's sid.

        ``to`` and ``from_`` go into its attributes as ``outbound_to`` and ``from``, over those in ``attributes``. The
        channel is ``default`` where neither name nor sid is given. ``virtual_start_time`` is a datetime with a time
        zone, not in the future; None is now. The task's reservation follows as ``reservation_created``, or
        ``reservation_failed`` if none could be made.
        """
        content = {} if attributes is None else _checks.json_object("attributes", attributes)
        content.update({"outbound_to": _checks.string("to", to), "from": _checks.string("from_", from_)})
        values = {
            "workflow_sid": workflow_sid,
            "task_queue_sid": task_queue_sid,
            "worker_sid": self.sid,
            "virtual_start_time": virtual_start_time,
            "task_channel_unique_name": task_channel_unique_name,
            "task_channel_sid": task_channel_sid,
            "attributes": content,
        }
        return self._state.call(routes.CREATE_TASK, values, _sid)

    def set_attributes(self, attributes: Mapping[str, Any]) -> Future[Worker]:
        """Replace all attributes; the Future resolves to this worker with the new ones.

        ``attributes_updated`` fires when the service announces the change. Raises TypeError or ValueError for what
        JSON cannot carry.
        """
        return self._state.call_worker(routes.SET_ATTRIBUTES, {"attributes": attributes}, self._state.worker_answered)

    def set_activity(self, activity: str, *, reject_pending_reservations: bool | None = None) -> Future[Activity]:
        """Change the activity, by name or sid; the Future resolves to the Activity.

        As ``activities.by_name(...).set_as_current(...)``. Raises ValueError for one that is not there, with the names
        that are, and NotReadyError before the first ``ready``.
        """
        _checks.string("activity", activity)
        if self._state.record is None:
            raise NotReadyError("The activities are not known yet: the worker has not been connected; call connect()")
        found = self.activities.get(activity)
        if found is None:
            try:
                found = self.activities.by_name(activity)
            except KeyError as error:
                raise ValueError(f"There is no activity {error.args[0]}") from None
        return found.set_as_current(reject_pending_reservations=reject_pending_reservations)

    def client(self) -> WorkerClient:
        """Give calls of this worker that need no connection, for other processes: it can be pickled.

        In this process it uses the token that this worker uses, as it is renewed; elsewhere see
        :class:`~twilio_taskrouter_worker.WorkerClient`. It goes on working when this worker is disconnected, and in a
        forked child.

        Returns:
            The client, the same one each time.

        Raises:
            NotReadyError: The worker has not been ready yet.
        """
        state, options = self._state, self._options
        if state.record is None:
            raise NotReadyError("The worker is not ready yet; call connect(), or wait for ready")
        if self._client is None:
            self._client = WorkerClient(
                self._token,
                worker_sid=state.worker_sid,
                workspace_sid=state.workspace_sid,
                token_provider=options.token_provider,
                eb_server=options.urls()[0],
                request_timeout=options.request_timeout,
                activities=state.activity_sids(),
            )
            self._client._tokens.follow(lambda: self._token)
        return self._client

    def fetch_latest_version(self) -> Future[Worker]:
        """Read the worker again; the Future resolves to this worker."""
        return self._state.call(routes.GET_WORKER, {}, self._state.worker_answered)

    def update_token(self, token: str) -> None:
        """Use another token from now on: for calls at once, for the websocket when it next connects.

        Returns at once. Where the worker waits for a token, or to reconnect, it connects at once; where it had been
        disconnected, for whatever reason, it starts anew; where it was never started, the token is only kept.
        ``token_updated`` fires if there is a connection. Raises TypeError for what is not a string, ValueError for what
        is not in the form of a token, TokenError for the token of another worker, and TokenExpiredError for one that
        expired without doubt; then the token in use is kept.
        """
        self._check_process()
        self._token = self._successor(token)
        connection = self._connection
        if connection is not None and connection.change_token(token, _monotonic_expiry(token)):
            return
        if connection is not None or self._calls.closed:
            restarted, _ = self._start()
            restarted.announce("token_updated")

    def _successor(self, token: object) -> str:
        """The token, if it may take the place of the one in use."""
        return check_successor(token, self._token, self._state.workspace_sid, self._state.worker_sid)

    def _renew_token(self) -> None:
        """Ask the token provider, on a pool thread."""
        provider = self._options.token_provider
        assert provider is not None
        with self._lock:
            if self._renewing:
                return
            self._renewing = True
        token: str | None = None
        failure: BaseException | None = None
        try:
            token = self._successor(provider())
        except BaseException as error:
            # SystemExit too: nobody else on this thread would hear of it, and the provider is to be asked again.
            failure = error
        finally:
            self._renewing = False
        # Whichever connection there is by now: the provider may have taken its time.
        connection = self._connection
        if token is not None:
            self._token = token
            if connection is not None:
                connection.change_token(token, _monotonic_expiry(token))
        elif connection is not None and failure is not None:
            connection.renewal_failed(failure)

    def _call(self, request: Request[T]) -> Future[T]:
        self._check_process()
        if self._state.record is None:
            raise NotReadyError("The worker is not ready yet; call connect(), or wait for ready")
        return self._calls.call(request)

    # -- inside ------------------------------------------------------------------------------------------------

    def _waiting(self) -> Waiting:
        return self._waits

    def _announce_existing(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.announce_existing()


def _monotonic_expiry(token: str) -> float | None:
    at = expiry(token)
    return None if at is None else time.monotonic() + at - time.time()


def _sid(payload: Any) -> str:
    sid = payload.get("sid") if isinstance(payload, dict) else None
    if not isinstance(sid, str):
        raise InvalidMessageError("Task: the payload lacks sid")
    return sid
