"""One connected life of a Worker: wires the session to a socket, the dispatch thread and the loader.

Threads, each with one duty:

- *receive* owns the socket: connects, reads, and waits between tries;
- *dispatch* uses what came and runs callbacks;
- the process-wide timers tell the session the time; the process-wide pool makes calls.

``_lock`` guards the session and the order in which its actions reach the dispatch queue. It is held for short,
non-blocking steps only, never while user code runs; the state's lock may be taken inside nothing and nothing inside it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

import attrs

from ..errors import (
    ClosedError,
    GatewayConnectionError,
    InitializationError,
    InvalidMessageError,
    NotFoundError,
    RequestError,
    RequestRejectedError,
    TaskRouterError,
)
from . import reporting
from .dispatch import Dispatcher
from .failures import (
    activity_failure,
    activity_sid,
    connect_timeout,
    load_failure,
    no_activity,
    renewal_failure,
    with_age,
)
from .loading import Loader
from .messages import Init, Message, parse
from .mirror import Mirror, Notice
from .request import Caller
from .resync import Snapshot, missing, take_over
from .session import (
    CONNECTED,
    Action,
    Connect,
    Deliver,
    Finish,
    HangUp,
    Load,
    Notify,
    RenewToken,
    Session,
    SessionOptions,
    State,
)
from .settings import Settings
from .signaling import Closed, Socket, websocket_settings
from .threads import POOL, TIMERS, Timer
from .waiting import Waiting
from .work import Work

if TYPE_CHECKING:
    from ..activity import Activity

__all__ = ["Connection", "ConnectionOptions"]

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for one try to connect as a whole: the name, TCP, a proxy, TLS, and the upgrade."""

GOODBYE_SECONDS = 0.5
"""How long the peer may take to answer our close frame before the socket is simply closed."""


@attrs.frozen(kw_only=True)
class ConnectionOptions:
    """What stays the same for all connections of a Worker."""

    ws_server: str
    session: SessionOptions
    work: Work
    connect_activity: str | Activity | None = None
    connect_activity_sid: str = ""
    renew_token: Callable[[], object] | None = None


class Connection:
    """From ``start`` to ``stop``, over any number of websockets."""

    def __init__(
        self,
        options: ConnectionOptions,
        state: Mirror,
        caller: Caller,
        waiting: Waiting,
        on_finished: Callable[[Connection, TaskRouterError], None],
        before: Connection | None = None,
    ) -> None:
        self._options = options
        self._state = state
        self._caller = caller
        self._waiting = waiting
        self._on_finished = on_finished
        self._lock = threading.Lock()
        self._session = Session(options.session, random.random)
        self._socket: Socket | None = None
        self._loader: Loader | None = None
        self._settings: Settings | None = None
        self._to_connect: Connect | None = None
        self._wake = threading.Condition(self._lock)
        self._over = False
        self._stopped = False
        self._timer: Timer | None = None
        self._token_expires_at: float | None = None
        self._name = "taskrouter-worker"
        self.ready: Future[None] = Future()
        """Done when the worker is ready for the first time, or will never be. Not to be cancelled."""
        self.ready.set_running_or_notify_cancel()
        self.ended = threading.Event()
        """Set when the last callback is over."""
        self.failure: TaskRouterError | None = None
        """What ended it for good, if it was not ``stop``."""
        after: threading.Thread | None = None if before is None else before.dispatcher.thread
        self.dispatcher: Dispatcher = Dispatcher(state, f"{self._name}-dispatch", after, options.work)
        # A daemon: it may be connecting or reading when the interpreter exits.
        self._receiver = threading.Thread(target=self._receive, name=f"{self._name}-recv", daemon=True)
        waiting.open(self.dispatcher.thread)
        state.release = self._release

    # -- from outside ----------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._session.state in (State.LOADING, State.READY)

    @property
    def is_ready(self) -> bool:
        return self._session.state is State.READY

    def when_ready(self) -> Future[None]:
        """Done while the worker is ready, and otherwise when it is ready next, or can never be again."""
        with self._lock:
            if self.ready.done() and not self.is_ready and not self.given_up:
                self.ready = Future()
            return self.ready

    @property
    def given_up(self) -> bool:
        """Whether it will never be ready again; its last callbacks may still be to come."""
        return self._session.state is State.CLOSED

    @property
    def starving(self) -> bool:
        """Whether it cannot reconnect for want of a token, and knows nobody to ask for one."""
        return self._session.state is State.PAUSED and not self._options.session.renews_token

    def start(self, token: str, expires_at: float | None) -> None:
        """Start the threads and connect; returns at once. ``expires_at`` is on the monotonic clock."""
        self._token_expires_at = expires_at
        self.dispatcher.thread.start()
        self._receiver.start()
        self._tell(lambda now: self._session.start(token, expires_at, now))

    def change_token(self, token: str, expires_at: float | None) -> bool:
        """Use another token; False where it is too late, since this connection has ended."""
        self._token_expires_at = expires_at
        self._tell(lambda now: self._session.token_changed(token, expires_at, now))
        return not self.given_up

    def renewal_failed(self, error: BaseException) -> None:
        """The token provider raised; it is asked again later."""
        failure = renewal_failure(error)
        self.dispatcher.put(lambda: self.dispatcher.report(failure))
        self._tell(self._session.renewal_failed)

    def announce(self, event: str) -> None:
        """Fire an event of the worker that has no argument."""
        self._notify(Notify(event))

    def announce_existing(self) -> None:
        """Give the open reservations to the listeners that wait for them; before the first ``ready`` they wait on."""
        if self._session.ever_ready:
            self.dispatcher.put(self.dispatcher.fire_existing)

    def timed_out(self, timeout: float) -> TaskRouterError:
        """The error for a connect() that waited this long."""
        with self._lock:
            return connect_timeout(self._session, timeout, self._options.ws_server)

    def stop(self) -> None:
        """Disconnect; returns at once. The threads end on their own, after all callbacks that are due."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = self._over = True
            socket = self._socket
            greeted = self._session.state in CONNECTED
            actions = self._session.stop(time.monotonic())
            for action in actions:
                if not isinstance(action, HangUp):
                    self._do(action)
            self._wake.notify_all()
            if self._timer is not None:
                self._timer.cancel()
            if self._loader is not None:
                self._loader.give_up()
            if socket is not None and greeted:
                self._timer = TIMERS.at(time.monotonic() + GOODBYE_SECONDS, socket.hang_up)
            elif socket is not None:
                socket.hang_up()
        if socket is not None and greeted:
            socket.say_goodbye()
        self.dispatcher.put(self._last_step)
        self.dispatcher.stop()

    def _last_step(self) -> None:
        """On the dispatch thread, after the callbacks of ``disconnected``."""
        self.dispatcher.withdraw_declined()
        closed = ClosedError("The worker was disconnected")
        self._settle_ready(closed)
        self._waiting.close(closed, self.dispatcher.thread)
        self.ended.set()
        _rest()

    def join(self, deadline: float) -> bool:
        """Wait for the threads, other than the current one; False if one still runs at the deadline."""
        for thread in (self._receiver, self.dispatcher.thread):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    return False
        return True

    # -- the session -----------------------------------------------------------------------------------------------

    def _tell(self, event: Callable[[float], list[Action]]) -> None:
        """Tell the session what happened, and do what it says."""
        with self._lock:
            if self._over:
                # What was under way at the end, e.g. a token's renewal, must not set anything going again.
                return
            for action in event(time.monotonic()):
                self._do(action)
            self._schedule()

    def _do(self, action: Action) -> None:
        """Called with the lock held: nothing here may block."""
        if isinstance(action, Deliver):
            self.dispatcher.put_frames(action.frames)
        elif isinstance(action, Notify):
            self._notify(action)
        elif isinstance(action, Connect):
            reporting.step(self._state.worker_sid, "connecting", "connecting to %s", self._options.ws_server)
            self._to_connect = action
            self._wake.notify_all()
        elif isinstance(action, HangUp):
            if self._socket is not None:
                self._socket.hang_up()
        elif isinstance(action, Load):
            POOL.submit(lambda: self._load(action))
        elif isinstance(action, RenewToken):
            if self._options.renew_token is not None:
                renew = self._options.renew_token
                POOL.submit(lambda: _call(renew))
        elif isinstance(action, Finish):
            error = action.error
            self._over = True
            self._wake.notify_all()
            self.dispatcher.put(lambda: self._finish(error))

    def _notify(self, action: Notify) -> None:
        if action.event == "error":
            error = action.args[0]
            self.dispatcher.put(lambda: self.dispatcher.report(error))
        else:
            self._log(action)
            notice = Notice(self._state.worker, action.event, action.args)
            self.dispatcher.put(lambda: self.dispatcher.fire([notice]))

    def _log(self, action: Notify) -> None:
        sid, event = self._state.worker_sid, action.event
        if event == "reconnecting":
            reporting.step(sid, event, "reconnecting in %.1f s (attempt %d)", *action.args, self._session.attempts + 1)
        elif event == "disconnected":
            reporting.step(sid, event, "disconnected: %s", *action.args)
        elif event.startswith("token_"):
            reporting.token_step(
                sid,
                event,
                *(action.args or (0.0,)),
                renews=self._options.renew_token is not None,
                heard=bool(self._state.worker._listening(event)),
            )

    def _finish(self, error: TaskRouterError) -> None:
        """On the dispatch thread, after the callbacks of ``error``."""
        self.failure = error
        self._settle_ready(error)
        self._on_finished(self, error)

    def _settle_ready(self, error: TaskRouterError | None) -> None:
        """On the dispatch thread only, so that it is settled once."""
        if self.ready.done():
            return
        if error is None:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(error)

    def _schedule(self) -> None:
        """Ask for a tick at the session's deadline. A tick that comes early is put off again: frames move the
        deadline all the time, and moving a timer with each would cost more than they do."""
        deadline = self._session.deadline
        if deadline is None or self._over:
            return
        if self._timer is not None and self._timer.action is not None and self._timer.at <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = TIMERS.at(deadline, self._tick)

    def _tick(self) -> None:
        self._tell(self._session.tick)

    # -- the receive thread ----------------------------------------------------------------------------------------

    def _receive(self) -> None:
        while (connect := self._next_connect()) is not None:
            socket = self._open(connect)
            if socket is None:
                continue
            try:
                self._read(socket)
            finally:
                socket.close()
        if self._timer is not None:
            self._timer.cancel()
        _rest()

    def _next_connect(self) -> Connect | None:
        with self._lock:
            while self._to_connect is None and not self._over:
                self._wake.wait()
            connect, self._to_connect = self._to_connect, None
            return None if self._over else connect

    def _open(self, connect: Connect) -> Socket | None:
        try:
            if self._settings is None:
                self._settings = websocket_settings(self._options.ws_server)
            socket = Socket(self._options.ws_server, connect.query, self._settings)
            with self._lock:
                if self._over:
                    return None
                self._socket = socket
            socket.open(HANDSHAKE_TIMEOUT)
        except TaskRouterError as error:
            failure = self._with_age(error)
        except Exception as error:
            failure = GatewayConnectionError(f"Could not connect to {self._options.ws_server}: {type(error).__name__}")
            failure.__cause__ = error
        else:
            self._tell(self._session.opened)
            return socket
        self._socket = None
        self._tell(lambda now: self._session.connect_failed(failure, now))
        return None

    def _read(self, socket: Socket) -> None:
        session, lock = self._session, self._lock
        while True:
            try:
                frames = socket.read()
            except Closed as end:
                closed = end
                break
            except Exception as error:
                # Whatever it is: a reading thread that dies would leave a worker that gets no events.
                closed = Closed(None, f"The websocket could not be read: {type(error).__name__}")
                break
            now = time.monotonic()
            with lock:
                for action in session.frames(frames, now):
                    self._do(action)
                if session.state is not State.READY:
                    self._schedule()
        with lock:
            self._socket = None
        self._tell(lambda now: session.closed(closed.code, closed.reason, now))

    def _with_age(self, error: TaskRouterError) -> TaskRouterError:
        return with_age(error, self._token_expires_at, time.monotonic())

    # -- loading (pool threads), and taking over (dispatch thread) -------------------------------------------------

    def _load(self, load: Load) -> None:
        init = load.init
        # Not again after a mere reconnection: the agent may have chosen another activity since.
        first = not self._session.ever_ready
        loader = Loader(
            self._caller,
            init.workspace_sid,
            init.worker_sid,
            lambda snapshot: self.dispatcher.put(lambda: self._loaded(load, loader, snapshot)),
            lambda error: self._load_failed(load, error),
        )
        with self._lock:
            if self._over:
                return
            self._loader = loader
        if first and (self._options.connect_activity is not None or self._options.connect_activity_sid):
            loader.load(lambda snapshot: self._set_connect_activity(load, loader, snapshot))
        else:
            loader.load()

    def _set_connect_activity(self, load: Load, loader: Loader, snapshot: Snapshot) -> None:
        wanted = self._options.connect_activity
        try:
            sid = self._options.connect_activity_sid if wanted is None else activity_sid(wanted, snapshot.activities)
        except InitializationError as error:
            self._load_failed(load, error, final=True)
            return

        def tried(error: RequestError | None) -> None:
            if error is not None and wanted is not None:
                refused = isinstance(error, RequestRejectedError) and error.status not in (401, 403, 429)
                self._load_failed(load, no_activity(error, snapshot.activities) if refused else error, final=refused)
                return
            if error is not None:
                failure = activity_failure(error)
                self.dispatcher.put(lambda: self.dispatcher.report(failure))
            self.dispatcher.put(lambda: self._loaded(load, loader, snapshot))

        loader.set_activity(sid, snapshot, tried)

    def _load_failed(self, load: Load, error: TaskRouterError, final: bool = False) -> None:
        if isinstance(error, ClosedError):
            # The worker is being disconnected: nobody waits for the lists.
            return
        final = final or isinstance(error, NotFoundError)
        failure = self._with_age(load_failure(load.init.worker_sid, error))
        self._tell(lambda now: self._session.load_failed(load.generation, failure, final, now))

    def _loaded(self, load: Load, loader: Loader, snapshot: Snapshot) -> None:
        """On the dispatch thread: everything before in the queue is done, so the state is as of the connection."""
        with self._lock:
            if load.generation != self._session.generation:
                return
            frames = self._session.buffered()
        state = self._state
        if not state.worker_sid:
            self._introduce(load.init)
        lost = missing(state, snapshot)
        if lost:
            POOL.submit(lambda: loader.look_up(lost, snapshot))
            return
        try:
            notices = take_over(state, snapshot, _readable(frames), time.monotonic())
        except InvalidMessageError as error:
            self._load_failed(load, error)
            return
        if not self._session.ever_ready:
            self.dispatcher.hold_existing()
        self._tell(lambda now: self._session.loaded(load.generation, now))
        # Lost again meanwhile: what was learned counts, but it is not ready.
        ready = self.is_ready
        if ready:
            self._settle_ready(None)
            reporting.ready(state)
        self.dispatcher.fire(notices)
        if ready:
            self.dispatcher.fire([Notice(state.worker, "ready", (state.worker,))])
            self.dispatcher.fire_existing()

    def _introduce(self, init: Init) -> None:
        """Take the sids over, also into the names of the threads, for whoever reads a stack dump."""
        state = self._state
        state.worker_sid, state.account_sid = init.worker_sid, init.account_sid
        state.workspace_sid = init.workspace_sid
        name = f"{self._name}-{init.worker_sid}"
        self._receiver.name, self.dispatcher.thread.name = f"{name}-recv", f"{name}-dispatch"

    def _release(self, messages: list[Message]) -> None:
        for message in messages:
            self.dispatcher.put(message)


def _readable(frames: tuple[str | bytes, ...]) -> list[Message]:
    """Those frames that are messages; the others are reported when their turn comes."""
    messages = []
    for frame in frames:
        try:
            message = parse(frame)
        except InvalidMessageError:
            continue
        if message is not None:
            messages.append(message)
    return messages


def _rest() -> None:
    """One of our threads ends: if it was the last to need the shared ones, they may end, too."""
    POOL.drain(0.0)
    TIMERS.drain(0.0)


def _call(function: Callable[[], object]) -> None:
    function()
