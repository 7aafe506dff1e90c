"""The Worker client."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from datetime import datetime
from inspect import unwrap
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _checks
from ._bridge import routes
from ._bridge.mirror import Mirror
from ._bridge.request import Request
from ._bridge.returning import Return
from ._bridge.schema import Record
from ._bridge.waiting import Waiting
from ._bridge.watching import Around, Watch
from ._bridge.work import Work
from ._callables import check_callback, is_same_function
from ._display.tables import Description, Listing
from ._lifecycle import Lifecycle, monotonic_expiry
from ._listening import WorkerEmitter
from ._version import __version__
from .activity import Activity, check_activity
from .channel import Channel
from .directory import Directory, Named
from .errors import InvalidMessageError, NotReadyError, TaskRouterError
from .events import Listener
from .health import Health
from .observer import HistoryEntry, Observer
from .options import LogLevel, Options, set_log_level
from .reservation import Reservation
from .serving import HandleHandler, Handler, OnError, Server
from .single import Single
from .tokens import check_first_token, check_successor
from .worker_client import ReservationHandle, WorkerClient
from .worker_info import WorkerFields

if TYPE_CHECKING:
    # These bring requests and websocket-client, two thirds of the time an import would take. They are loaded when the
    # first client is made, so that a program which only makes tokens, or prints its help, does not wait for them.
    from ._bridge.calls import Calls
    from ._bridge.connection import Connection
    from ._display.live import LivePanel

__all__ = ["Worker"]

T = TypeVar("T")
H = TypeVar("H", bound=Handler)
X = TypeVar("X", bound=Handler | HandleHandler)
A = TypeVar("A", bound=Around)


class Worker(WorkerFields, Lifecycle, WorkerEmitter["Worker", Reservation, ReservationHandle]):
    """One worker of a TaskRouter workspace, connected to the event bridge.

    ::

        worker = Worker(token_provider=fetch_token, connect_activity="Available")

        @worker.serve
        def ship(reservation):
            send(reservation.task.attributes["order"])
            return "shipped"

        worker.run_forever(drain_activity="Offline")

    **Serving.** ``serve`` accepts each reservation, runs the handler on a thread of its own, and completes the task
    with the handler's return value; after a restart it resumes open reservations. It is built on events and calls.

    **Threads.** Callbacks run one at a time, in the order of the events, on this worker's dispatch thread. Receiving,
    heartbeats and reconnecting run on other threads, so a callback may block; see ``lag``. Every method may be called
    on any thread. Calls return a :class:`concurrent.futures.Future` at once, and waiting for it is allowed anywhere,
    also in a callback. Only methods that need a further callback to finish (``connect``, ``drain``, ``wait_for``,
    ``stream``) raise DispatchThreadError there. Callbacks of a call's Future run on a shared pool thread.

    **Calls.** Arguments are checked at the call (TypeError, ValueError). NotReadyError is raised before the worker was
    first ready, ClosedError after ``disconnect``, ForkedProcessError in a forked child. The Future fails with a
    RequestError if the service refuses the request or does not answer, and with ClosedError if the worker is
    disconnected meanwhile.

    **Events** (callback's argument): ``ready`` and ``connected`` (worker; nothing) after each connection,
    ``reconnecting`` (seconds), ``disconnected`` (a :class:`~twilio_taskrouter_worker.DisconnectReason`), ``error``
    (a TaskRouterError), ``reservation_created`` (reservation), ``reservation_failed`` (the payload, a dict),
    ``activity_updated``, ``attributes_updated`` (worker), ``token_will_expire`` (seconds left), ``token_expired``,
    ``token_updated`` (nothing). The camelCase names of the JS SDK work too. Listeners stay across reconnects.

    Nothing is connected yet: see ``connect``.

    Args:
        token: The access token, a JWT. None gets the first one from the token_provider when connecting.
        connect_activity: Activity (name, sid or Activity) to set when first connected, before ``ready``, and not again
            after a reconnection. If it does not exist or is refused, ``connect`` raises InitializationError, which
            lists the existing names. None keeps the current activity.
        connect_activity_sid: The same option as in the JS SDK, a sid. If the activity cannot be set, ``error`` fires
            and the worker becomes ready anyway. Empty keeps the current activity.
        close_existing_sessions: Close the worker's other sessions when first connected, and not again after a
            reconnection.
        set_worker_offline_if_disconnected: Whether the service moves the worker to an offline activity when its last
            session ends; None leaves that to the service.
        enable_version_check: Send the known version with each change, so that a change based on an outdated version
            fails with VersionConflictError.
        log_level: For scripts: ``trace``, ``debug``, ``info``, ``warn``, ``error`` or ``silent`` sets the level of the
            logger ``twilio_taskrouter_worker``, which all clients of the process share, unless the application has
            set one. None leaves logging to the application.
        region: Twilio region, part of the host name; None and ``us1`` add nothing.
        edge: Withdrawn by Twilio; still composed into the host name, with a DeprecationWarning.
        eb_server: Address for HTTP (``http://`` or ``https://``) in place of Twilio's, e.g. of a local TaskRouter.
        ws_server: Address for the websocket (``ws://`` or ``wss://``) in place of Twilio's; of the two, one is enough,
            and ``region`` and ``edge`` do not matter then.
        return_to_activity: Activity (name, sid or Activity) to set when a reservation has timed out and the service
            has therefore moved the worker to an unavailable activity. None keeps that activity.
        token_provider: Function without arguments that returns a new token; called on a pool thread before the token
            expires, and again after a failure.
        request_timeout: Seconds for each call as a whole, retries included; more than 0, less than 86400.
        report_unawaited: Whether a failed call whose Future was never checked also fires ``error``; it is logged as a
            WARNING in any case.
        single: Path of a lock file, or a :class:`~twilio_taskrouter_worker.Single`, by which only one process of this
            machine connects; the others wait, and one takes over when it ends. None lets every process connect.
        observer: Receives events, calls, retries and connection changes as they happen; see
            :class:`~twilio_taskrouter_worker.Observer`. None observes nothing.

    Raises:
        TypeError: An argument has the wrong type, or there is neither a token nor a token_provider.
        ValueError: An argument has the wrong value.
    """

    __slots__ = (
        "_calls",
        "_clients",
        "_connection",
        "_ending",
        "_gave_up",
        "_leaving",
        "_listeners",
        "_lock",
        "_options",
        "_pid",
        "_renewing",
        "_server",
        "_state",
        "_token",
        "_waits",
        "_watch",
        "_work",
        "_ws_server",
    )

    def __init__(
        self,
        token: str | None = None,
        *,
        connect_activity: str | Activity | None = None,
        connect_activity_sid: str = "",
        close_existing_sessions: bool = False,
        set_worker_offline_if_disconnected: bool | None = None,
        enable_version_check: bool = False,
        log_level: LogLevel | None = None,
        region: str | None = None,
        edge: str | None = None,
        eb_server: str | None = None,
        ws_server: str | None = None,
        return_to_activity: str | Activity | None = None,
        token_provider: Callable[[], str] | None = None,
        request_timeout: float = 15.0,
        report_unawaited: bool = False,
        single: str | os.PathLike[str] | Single | None = None,
        observer: Observer | None = None,
    ) -> None:
        check_first_token(token, token_provider)
        # Empty until the provider has given the first one.
        self._token = token or ""
        self._options = Options(
            connect_activity=connect_activity,
            connect_activity_sid=connect_activity_sid,
            close_existing_sessions=close_existing_sessions,
            set_worker_offline_if_disconnected=set_worker_offline_if_disconnected,
            enable_version_check=enable_version_check,
            log_level=log_level,
            region=region,
            edge=edge,
            eb_server=eb_server,
            ws_server=ws_server,
            return_to_activity=return_to_activity,
            token_provider=token_provider,
            request_timeout=request_timeout,
            report_unawaited=report_unawaited,
            single=single,
            observer=observer,
        )
        http_url, self._ws_server = self._options.urls(self._token)
        set_log_level(self._options.log_level)
        # Compared at each use: after a fork, the child has the object, but neither its threads nor its sockets.
        self._pid = os.getpid()
        self._waits = Waiting()
        self._watch = Watch(observer)
        self._work = Work()
        # Descriptions of abandoned work, for the error of ``run_forever``.
        self._gave_up = []
        self._calls = self._new_calls(http_url)
        self._state = Mirror(
            self,
            self._call,
            self._waits,
            self._release,
            self._watch.foreign_accept,
            self.client,
            self._timings.linger,
        )
        self._server = Server(
            self._state, self._work, self._watch, self._callback_failed, self._report_error, self._timings
        )
        # Guards the three below: starting and stopping exclude each other.
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        # The connection that ended last, whose threads may still run.
        self._ending: Connection | None = None
        # The connection that ends after the callback that runs now, which has disconnected it.
        self._leaving: Connection | None = None
        self._renewing = False
        # None or one; see ``client``.
        self._clients: list[WorkerClient] = []
        if return_to_activity is not None:
            back = Return(self._state, self._work, return_to_activity, self._timings.activity_lead)
            # Attached, not registered: ``off()`` and ``listeners()`` leave the library's own listeners alone.
            self._attach("activity_updated", Listener(back))
            self._attach("ready", Listener(back.check))

    def _new_calls(self, http_url: str) -> Calls:
        from ._bridge.tls import loading

        # Another thread reads the CAs while these modules are imported, which takes as long.
        with loading(http_url, self._ws_server):
            from ._bridge.calls import Calls
        return Calls(
            http_url,
            lambda: self._token,
            __version__,
            self._options.request_timeout,
            send_versions=self._options.enable_version_check,
            unawaited=self._report_error if self._options.report_unawaited else None,
            refused=self._token_refused,
            watch=self._watch,
        )

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the service has identified this worker; ``ready`` comes later."""
        connection = self._connection
        # A forked child has this object, but not the connection's threads and socket.
        return connection is not None and connection.connected and not self._forked

    @property
    def ready(self) -> bool:
        """Whether the worker is connected and its state is up to date; False from a connection loss to its reload."""
        connection = self._connection
        return connection is not None and connection.is_ready and not self._forked

    @property
    def lag(self) -> float:
        """Seconds since the event being handled arrived, i.e. how far callbacks are behind; 0.0 when idle.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        self._check_process()
        connection = self._connection
        return 0.0 if connection is None else connection.dispatcher.lag

    @property
    def backlog(self) -> int:
        """Number of events that wait for earlier callbacks to end.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        self._check_process()
        connection = self._connection
        return 0 if connection is None else connection.dispatcher.backlog

    def health(self) -> Health:
        """Return the state of connection, queue and token, for a probe or a log line.

        Cheap and non-blocking; may be called on any thread, also before the first connection.

        Returns:
            The state at this moment.
        """
        return self._health()

    @property
    def history(self) -> list[HistoryEntry]:
        """The latest 200 events and calls that changed something, oldest first; also after disconnecting.

        The list prints, and shows in a notebook, as a table.
        """
        columns = ("time", "what", "reservation_sid", "task_sid", "outcome")
        return Listing(self._watch.history(), "History", columns)

    @property
    def activities(self) -> Named[Activity]:
        """All activities of the workspace: a live mapping by sid or name."""
        return self._state.activities

    @property
    def channels(self) -> Named[Channel]:
        """The worker's channels: a live mapping by sid or name (the task channel's unique name)."""
        return self._state.channels

    @property
    def reservations(self) -> Directory[Reservation]:
        """Open reservations (pending, accepted, wrapping): a live mapping by sid."""
        return self._state.reservations

    @property
    def activity(self) -> Activity:
        """The current activity.

        Raises:
            NotReadyError: The worker has not been ready yet, as for all attributes set by TaskRouter.
        """
        return self._state.activities[self.activity_sid]

    @property
    def connect_activity_sid(self) -> str:
        """The option ``connect_activity_sid``; empty if it was not given. Available before connecting."""
        return self._options.connect_activity_sid

    @property
    def _record(self) -> Record:  # type: ignore[override]
        """The record from which the attributes of WorkerFields are read."""
        record = self._state.public_record
        if record is None:
            raise NotReadyError("The worker's attributes are not known yet: it has not been connected; call connect()")
        return record

    # Equality is identity: the sid that a client gets when it connects must not change its hash.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __repr__(self) -> str:
        if self._state.record is None:
            return f"<{type(self).__name__} not connected>"
        if self._forked and self._connection is not None:
            return f"<{type(self).__name__} {self.sid} of process {self._pid}>"
        state = "ready" if self.ready else "connected" if self.connected else "disconnected"
        return f"<{type(self).__name__} {self._shown()} {state}>"

    def show(self, *, attributes: bool = False) -> Description:
        """Describe the worker and its open reservations as they are now, as ``Resource.show`` does.

        Args:
            attributes: Whether to include the worker's attributes.

        Returns:
            The description.

        Raises:
            NotReadyError: The worker has not been ready yet.
            ForkedProcessError: The worker was connected in the parent process.
        """
        return Description((*super().show(attributes=attributes).tables, self.reservations._table("open reservations")))

    def live(self) -> LivePanel:
        """Show the worker, its open reservations and its latest history in a notebook, updated in place.

        Does not block. A daemon thread updates the output of this cell, at most four times a second, until ``stop()``
        is called or the worker is disconnected for good. It may be called before connecting.

        Returns:
            The panel, for ``stop()``.

        Raises:
            ImportError: IPython is missing; the extra ``jupyter`` brings it.
            StateError: This is not a notebook.
        """
        from ._display.live import LivePanel
        from ._display.worker import Panel

        panel = Panel(self)
        return LivePanel(panel.view, panel.ended, f"taskrouter-live-{self._state.worker_sid}")

    def to_dict(self) -> dict[str, Any]:
        """Return a snapshot of all attributes as plain data: safe for JSON and pickle, dates as ISO 8601 text in UTC.

        Raises:
            NotReadyError: The worker has not been ready yet.
        """
        return super().to_dict()

    # -- serving -----------------------------------------------------------------------------------------------------

    @overload
    def serve(
        self,
        handler: None = None,
        *,
        concurrency: int = 1,
        existing: bool = True,
        on_error: OnError = "reject",
        executor: None = None,
    ) -> Callable[[H], H]: ...
    @overload
    def serve(
        self,
        handler: H,
        *,
        concurrency: int = 1,
        existing: bool = True,
        on_error: OnError = "reject",
        executor: None = None,
    ) -> H: ...
    @overload
    def serve(
        self,
        handler: None = None,
        *,
        concurrency: int = 1,
        existing: bool = True,
        on_error: OnError = "reject",
        executor: Executor,
    ) -> Callable[[X], X]: ...
    @overload
    def serve(
        self,
        handler: X,
        *,
        concurrency: int = 1,
        existing: bool = True,
        on_error: OnError = "reject",
        executor: Executor,
    ) -> X: ...
    def serve(
        self,
        handler: Handler | HandleHandler | None = None,
        *,
        concurrency: int = 1,
        existing: bool = True,
        on_error: OnError = "reject",
        executor: Executor | None = None,
    ) -> Any:
        """Accept each reservation, run ``handler`` for it, and act on its return value; also usable as a decorator.

        ::

            @worker.serve
            def ship(reservation):
                send(reservation.task.attributes["order"])
                return "shipped"

        Does not block. The handler receives the accepted reservation on a thread of its own, and may block. Its return
        value decides: None completes the reservation, a string completes the task with that reason, and
        :class:`~twilio_taskrouter_worker.Complete`, :class:`~twilio_taskrouter_worker.WrapUp`,
        :class:`~twilio_taskrouter_worker.Transfer` and :class:`~twilio_taskrouter_worker.Reject` act as documented
        there. If the reservation or its task has ended meanwhile (see ``reservation.status`` and its events), the value
        is ignored. Calls with transient failures are retried until they succeed.

        After a restart, open reservations are resumed: a pending one is accepted; for an accepted one the handler runs
        again, so it should be idempotent; a wrapping one is completed. While the worker stops (see ``stopping``), no
        further handler starts.

        Args:
            handler: The function. Registering it again replaces the earlier registration.
            concurrency: Maximum number of reservations handled at once. Further ones stay pending meanwhile, so the
                capacity of the worker's channels should not exceed it.
            existing: Whether to resume the reservations that are open at the first ``ready``.
            on_error: Action when the handler raises: ``reject`` returns the task to its queue, like
                :class:`~twilio_taskrouter_worker.Reject`, with a growing pause if the same task fails repeatedly;
                ``leave`` leaves the reservation accepted. Either way the exception is logged and fires ``error``. An
                executor that does not run the handler, because it is broken or was shut down, counts as a failure.
            executor: Runs the handler, any :class:`concurrent.futures.Executor`. In other processes
                (ProcessPoolExecutor, Dask) it receives a ReservationHandle, and must be a function of a module where
                the executor uses pickle. None uses threads of this worker.

        Returns:
            The handler, or the decorator.

        Raises:
            TypeError: An argument has the wrong type, the handler is a coroutine function, or it cannot be sent to the
                processes of the executor.
            ValueError: An argument has the wrong value, or another handler serves already.
        """

        def add(function: Any) -> Any:
            listener = self._server.listener(function, concurrency, existing, on_error, executor)
            self._register("reservation_created", listener)
            return function

        return add if handler is None else add(handler)

    def around(self, context: A) -> A:
        """Run each callback and handler inside a context manager, for database connections, tracing or log fields.

        ::

            @worker.around
            @contextmanager
            def timed(event, args):
                started = time.monotonic()
                try:
                    yield
                finally:
                    print(event, time.monotonic() - started)

        It is entered and left on the thread of the callback; with ``serve(executor=...)`` on the thread that waits for
        the handler; not at all for callbacks that run in other processes. Several nest, the first one outermost;
        registering a function again replaces it. An exception of the callback passes through it; one of the context
        manager itself counts as the callback's. A context manager cannot suppress an exception, since a failed handler
        must not complete its task.

        Args:
            context: Called with the name of the event and the callback's arguments (a tuple); returns a context
                manager.

        Returns:
            The function, so that it can be used as a decorator.

        Raises:
            TypeError: It is not callable, or it is a coroutine function.
        """
        check_callback("The argument of around()", context)
        with self._lock:
            # ``contextmanager`` makes a new wrapper at each definition, so the wrapped functions are compared.
            others = [each for each in self._watch.around if not is_same_function(unwrap(context), unwrap(each))]
            self._watch.around = (*others, context)
        return context

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
        """Create a task for this worker.

        Does not block; callbacks of the Future run on a shared pool thread. The task's reservation follows as
        ``reservation_created``, or as ``reservation_failed`` if none could be made.

        Args:
            to: Destination; stored in the task's attributes as ``outbound_to``.
            from_: Origin; stored in the task's attributes as ``from``.
            workflow_sid: Sid of the workflow.
            task_queue_sid: Sid of the task queue.
            attributes: Further attributes, JSON-serializable; ``to`` and ``from_`` take precedence. None adds none.
            task_channel_unique_name: Unique name of the task channel. Without a name and a sid it is ``default``.
            task_channel_sid: Sid of the task channel.
            virtual_start_time: Start of the task's age: a datetime with a time zone, not in the future. None is now.

        Returns:
            A Future that resolves to the task's sid.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: An argument has the wrong value.
            NotReadyError: The worker has not been ready yet.
            ClosedError: The worker was disconnected.
        """
        content = {} if attributes is None else _checks.json_object("attributes", attributes)
        # As in the JS SDK, the two arguments win over the attributes.
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
        """Replace all attributes.

        Does not block; callbacks of the Future run on a shared pool thread. ``attributes_updated`` fires on the
        dispatch thread when the service announces the change.

        Args:
            attributes: The new attributes, JSON-serializable.

        Returns:
            A Future that resolves to this worker with the new attributes.

        Raises:
            TypeError, ValueError: The attributes are not JSON-serializable.
            NotReadyError: The worker has not been ready yet.
            ClosedError: The worker was disconnected.
        """
        return self._state.call_worker(routes.SET_ATTRIBUTES, {"attributes": attributes}, self._state.worker_answered)

    def set_activity(
        self, activity: str | Activity, *, reject_pending_reservations: bool | None = None
    ) -> Future[Activity]:
        """Change the activity, as ``Activity.set_as_current`` does.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            activity: Its name or sid, or an Activity.
            reject_pending_reservations: Reject all pending reservations in the same step; None does not.

        Returns:
            A Future that resolves to the Activity.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The activity does not exist; the message lists the existing names.
            NotReadyError: The worker has not been ready yet.
            ClosedError: The worker was disconnected.
        """
        check_activity("activity", activity)
        if self._state.record is None:
            raise NotReadyError("The activities are not known yet: the worker has not been connected; call connect()")
        found = self._state.find_activity("activity", activity)
        return found.set_as_current(reject_pending_reservations=reject_pending_reservations)

    def client(self) -> WorkerClient:
        """Return a client for calls of this worker that need no connection. It can be pickled for other processes.

        In this process it uses the worker's current token; elsewhere see
        :class:`~twilio_taskrouter_worker.WorkerClient`. It stays usable after this worker is disconnected, and in a
        forked child.

        Returns:
            The client, the same one each time.

        Raises:
            NotReadyError: The worker has not been ready yet.
        """
        state, options = self._state, self._options
        if state.record is None:
            raise NotReadyError("The worker is not ready yet; call connect(), or wait for ready")
        if not self._clients:
            client = WorkerClient(
                self._token,
                worker_sid=state.worker_sid,
                workspace_sid=state.workspace_sid,
                token_provider=options.token_provider,
                eb_server=options.urls()[0],
                request_timeout=options.request_timeout,
                activities=state.activity_sids(),
            )
            client._tokens.follow(lambda: self._token)
            # Several threads may get here at once. All take the first client, since calls of two clients have no order.
            # No lock, since a fork could leave it held in the child.
            self._clients.append(client)
        return self._clients[0]

    def fetch_latest_version(self) -> Future[Worker]:
        """Read the worker again.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this worker.

        Raises:
            NotReadyError: The worker has not been ready yet.
            ClosedError: The worker was disconnected.
        """
        return self._state.call(routes.GET_WORKER, {}, self._state.worker_answered)

    def update_token(self, token: str) -> None:
        """Use another token from now on: for calls at once, for the websocket at its next connection.

        Does not block. If the worker waits for a token or for its next attempt to connect, it connects at once; if it
        had been disconnected, for whatever reason, it connects again; if it was never started, the token is only
        stored. ``token_updated`` fires on the dispatch thread if there is a connection. When this raises, the token in
        use is kept.

        Args:
            token: The new token.

        Raises:
            TypeError: It is not a string.
            ValueError: It does not have the form of a token.
            TokenError: It belongs to another workspace or worker.
            TokenExpiredError: It has certainly expired.
        """
        self._check_process()
        self._token = self._successor(token)
        connection = self._connection
        # The token is stored before: if this connection has just ended, the one started below uses it.
        leaving = connection is not None and connection is self._leaving
        if connection is not None and not leaving and connection.change_token(token, monotonic_expiry(token)):
            return
        # Closed: it was connected before. A worker that was never started only stores the token.
        if connection is not None or self._calls.closed:
            restarted, _ = self._start()
            restarted.announce("token_updated")

    def _successor(self, token: object) -> str:
        """Return the token if it may replace the one in use."""
        return check_successor(token, self._token, self._state.workspace_sid, self._state.worker_sid)

    def _renew_token(self) -> None:
        """Call the token provider; runs on a pool thread."""
        provider = self._options.token_provider
        assert provider is not None
        with self._lock:
            # One call of the provider at a time: its last token counts, and two could arrive in the wrong order.
            if self._renewing:
                return
            self._renewing = True
        token: str | None = None
        failure: BaseException | None = None
        try:
            token = self._successor(provider())
        except BaseException as error:
            # SystemExit too: nothing else on this thread would report it, and the provider must be called again.
            failure = error
        finally:
            self._renewing = False
        # Read only now: while the provider ran, the connection may have been replaced.
        connection = self._connection
        if token is not None:
            self._token = token
            if connection is not None:
                connection.change_token(token, monotonic_expiry(token))
        elif connection is not None and failure is not None:
            connection.renewal_failed(failure, self._token)

    def _report_error(self, error: TaskRouterError) -> None:
        """Fire ``error`` for a failed call that no caller waits for; any thread."""
        connection = self._connection
        if connection is not None:
            connection.dispatcher.put(lambda: connection.dispatcher.report(error))

    def _call(self, request: Request[T]) -> Future[T]:
        self._check_process()
        if self._state.record is None:
            raise NotReadyError("The worker is not ready yet; call connect(), or wait for ready")
        return self._calls.call(request)


def _sid(payload: Any) -> str:
    sid = payload.get("sid") if isinstance(payload, dict) else None
    if not isinstance(sid, str):
        raise InvalidMessageError("Task: the payload lacks sid")
    return sid
