"""The Worker client."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _checks
from ._bridge import routes
from ._bridge.mirror import Mirror
from ._bridge.request import Request
from ._bridge.returning import Return
from ._bridge.schema import Record
from ._bridge.waiting import Waiting
from ._bridge.watching import Watch
from ._bridge.work import Work
from ._lifecycle import Lifecycle, monotonic_expiry
from ._version import __version__
from .activity import Activity
from .channel import Channel
from .directory import Directory, Named
from .errors import InvalidMessageError, NotReadyError, TaskRouterError
from .events import Listener
from .health import Health
from .observer import HistoryEntry, Observer
from .options import LogLevel, Options, set_log_level
from .reservation import Reservation
from .serving import Handler, OnError, Server
from .single import Single
from .tokens import check_successor, check_token
from .worker_client import WorkerClient
from .worker_info import WorkerFields

if TYPE_CHECKING:
    # These bring requests and websocket-client, two thirds of the time an import would take. They are loaded when the
    # first client is made, so that a program which only makes tokens, or prints its help, does not wait for them.
    from ._bridge.connection import Connection

__all__ = ["Worker"]

T = TypeVar("T")
H = TypeVar("H", bound=Handler)


class Worker(WorkerFields, Lifecycle):
    """One worker of a TaskRouter workspace, connected to the event bridge.

    ::

        worker = Worker(token_provider=fetch_token, connect_activity="Available")

        @worker.serve
        def ship(reservation):
            send(reservation.task.attributes["order"])
            return "shipped"

        worker.run_forever(drain_activity="Offline")

    **Serving.** ``serve`` accepts each reservation, runs the handler on a thread of its own, and completes the task
    with its value; after a restart it takes up what is open. It is made of events and calls.

    **Threads.** Callbacks run one at a time, in the order of the events, on this worker's dispatch thread. Receiving,
    heartbeats and reconnecting go on beside them, so a callback may take its time; see ``lag``. Every method may be
    called on any thread. Calls return a :class:`concurrent.futures.Future` at once and may be waited for anywhere,
    also in a callback; only what could end by another callback alone (``connect``, ``drain``, ``wait_for``, ``stream``)
    raises DispatchThreadError there.

    **Calls.** Arguments are checked at the call (TypeError, ValueError). NotReadyError is raised before the worker was
    first ready, ClosedError after ``disconnect``, ForkedProcessError in a forked child. The Future fails with a
    RequestError where the service refuses or does not answer, and with ClosedError where the worker is disconnected
    meanwhile.

    **Events** (callback's argument): ``ready`` and ``connected`` (worker; nothing) after each connection,
    ``reconnecting`` (seconds), ``disconnected`` (a :class:`~twilio_taskrouter_worker.DisconnectReason`), ``error``
    (a TaskRouterError), ``reservation_created`` (reservation), ``reservation_failed`` (the payload, a dict),
    ``activity_updated``, ``attributes_updated`` (worker), ``token_will_expire`` (seconds left), ``token_expired``,
    ``token_updated`` (nothing). The camelCase names of the JS SDK work too. Listeners stay across reconnects.

    Nothing is connected yet: see ``connect``.

    Args:
        token: The access token, a JWT; None: the token_provider is asked for the first one when connecting.
        connect_activity: Activity (name, sid or Activity) to take when first connected, before ``ready``, and not again
            after a reconnection. Where it does not exist or is refused, ``connect`` raises InitializationError, with
            the names there are. None: stay in the present one.
        connect_activity_sid: The form of the JS SDK: a sid; where it cannot be taken, ``error`` says so, and the worker
            becomes ready all the same. Empty: none.
        close_existing_sessions: Close the worker's other sessions when first connected, and not again after a
            reconnection.
        set_worker_offline_if_disconnected: Whether the service moves the worker to an offline activity when its last
            session ends; None leaves that to the service.
        enable_version_check: Send the version of what is changed, so that a change which does not know the latest
            version fails with VersionConflictError.
        log_level: For scripts: ``trace``, ``debug``, ``info``, ``warn``, ``error`` or ``silent`` sets the level of the
            logger ``twilio_taskrouter_worker``, which all clients of the process share, unless the application has
            set one. None leaves logging to the application.
        region: Twilio region, part of the host name; None or ``us1``: none.
        edge: Withdrawn by Twilio; still composed into the host name, with a DeprecationWarning.
        eb_server: Address for HTTP (``http://`` or ``https://``) in place of Twilio's, e.g. of a local TaskRouter.
        ws_server: Address for the websocket (``ws://`` or ``wss://``) in place of Twilio's; of the two, one is enough,
            and ``region`` and ``edge`` do not matter then.
        return_to_activity: Activity (name, sid or Activity) to take when a reservation has timed out and the service
            has therefore moved the worker to an unavailable activity. None: stay there.
        token_provider: Function without arguments that returns a new token; called on a pool thread before the token
            expires, and again after a failure.
        request_timeout: Seconds for each call as a whole, retries included; more than 0, less than 86400.
        report_unawaited: Whether a call that failed and whose Future nobody looked at also fires ``error``; it is a
            WARNING in the log in any case.
        single: Path of a lock file, or a :class:`~twilio_taskrouter_worker.Single`, that lets one process of this
            machine connect; the others wait, and one takes over when it ends. None: every process connects.
        observer: Gets events, calls, retries and connections as they happen; see
            :class:`~twilio_taskrouter_worker.Observer`. None: nobody does.

    Raises:
        TypeError: An argument has the wrong type, or there is neither a token nor a token_provider.
        ValueError: An argument has the wrong value.
    """

    __slots__ = (
        "_calls",
        "_client",
        "_connection",
        "_ending",
        "_gave_up",
        "_listeners",
        "_lock",
        "_options",
        "_pid",
        "_renewing",
        "_server",
        "_state",
        "_stopping",
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
        self._token = "" if token is None and token_provider is not None else check_token(token)
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
        from ._bridge.calls import Calls

        http_url, self._ws_server = self._options.urls()
        set_log_level(self._options.log_level)
        self._pid = os.getpid()
        self._waits = Waiting()
        self._watch = Watch(observer)
        self._work = Work()
        self._stopping = threading.Event()
        self._server = Server(self, self._work)
        self._gave_up = []
        self._calls = Calls(
            http_url,
            lambda: self._token,
            __version__,
            self._options.request_timeout,
            send_versions=self._options.enable_version_check,
            unawaited=self._report_unawaited if self._options.report_unawaited else None,
            refused=self._token_refused,
            watch=self._watch,
        )
        self._state = Mirror(self, self._call, self._waits, self._release, self._timings.linger)
        # Guards the three below: starting and stopping exclude each other.
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        # The connection that ended last, whose threads may still run.
        self._ending: Connection | None = None
        self._renewing = False
        self._client: WorkerClient | None = None
        if return_to_activity is not None:
            back = Return(self._state, return_to_activity)
            self._attach("activity_updated", Listener(back))
            self._attach("ready", Listener(back.check))

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

    def health(self) -> Health:
        """Take stock, for a probe or a log line; cheap, on any thread, also before the first connection.

        Returns:
            The state at this moment.
        """
        return self._health()

    @property
    def history(self) -> list[HistoryEntry]:
        """The latest 200 events and calls that changed something, oldest first; also after disconnecting."""
        return self._watch.history()

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

    # -- serving -----------------------------------------------------------------------------------------------------

    @overload
    def serve(
        self, handler: None = None, *, concurrency: int = 1, existing: bool = True, on_error: OnError = "reject"
    ) -> Callable[[H], H]: ...
    @overload
    def serve(self, handler: H, *, concurrency: int = 1, existing: bool = True, on_error: OnError = "reject") -> H: ...
    def serve(
        self,
        handler: Handler | None = None,
        *,
        concurrency: int = 1,
        existing: bool = True,
        on_error: OnError = "reject",
    ) -> Any:
        """Accept each reservation, run ``handler`` for it, and do with the task what its value says; also a decorator.

        ::

            @worker.serve
            def ship(reservation):
                send(reservation.task.attributes["order"])
                return "shipped"

        The handler gets the accepted reservation, on a thread of its own, and may block. Its value decides: None
        completes the reservation, a string completes the task with that reason, and
        :class:`~twilio_taskrouter_worker.Complete`, :class:`~twilio_taskrouter_worker.WrapUp`,
        :class:`~twilio_taskrouter_worker.Transfer` and :class:`~twilio_taskrouter_worker.Reject` do what they say.
        Where the reservation or its task has ended meanwhile (``reservation.status`` and its events tell the handler),
        nothing is done. Calls that fail in a way that may pass are made again until they succeed.

        After a restart it takes up what is open: a pending reservation is accepted; for an accepted one the handler
        runs again, so it should be idempotent; one that is wrapping is completed. While the worker stops (see
        ``stopping``), nothing new is begun.

        Args:
            handler: The function. Registered again, it takes the place of the earlier one.
            concurrency: How many reservations are handled at once, at most. Further ones stay pending meanwhile, so
                the capacity of the worker's channels should not be more.
            existing: Whether to take up what is open at the first ``ready``.
            on_error: What to do when the handler raises: ``reject`` gives the task back to its queue, as
                :class:`~twilio_taskrouter_worker.Reject` does, after a pause where that happens to a task repeatedly;
                ``leave`` leaves the reservation accepted. Either way the exception is logged and fires ``error``.

        Returns:
            The handler, or the decorator.

        Raises:
            TypeError: An argument has the wrong type, or the handler is a coroutine function.
            ValueError: An argument has the wrong value, or another handler serves already.
        """

        def add(function: Handler) -> Handler:
            self._register("reservation_created", self._server.listener(function, concurrency, existing, on_error))
            return function

        return add if handler is None else add(handler)

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

    def set_activity(
        self, activity: str | Activity, *, reject_pending_reservations: bool | None = None
    ) -> Future[Activity]:
        """Change the activity; as ``Activity.set_as_current``.

        Args:
            activity: Its name or sid, or an Activity.
            reject_pending_reservations: Reject all pending reservations in the same step; None: do not.

        Returns:
            A Future that resolves to the Activity.

        Raises:
            ValueError: There is no such activity; the message has the names there are.
            NotReadyError: The worker was never ready.
        """
        _checks.activity("activity", activity)
        if self._state.record is None:
            raise NotReadyError("The activities are not known yet: the worker has not been connected; call connect()")
        found = self._state.find_activity("activity", activity)
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
        if connection is not None and connection.change_token(token, monotonic_expiry(token)):
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
                connection.change_token(token, monotonic_expiry(token))
        elif connection is not None and failure is not None:
            connection.renewal_failed(failure, self._token)

    def _report_unawaited(self, error: TaskRouterError) -> None:
        """Fire ``error`` for a failed call that nobody looked at; on a shared thread."""
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
