"""The receive thread of a connection: opens the requested websockets, one after the other, and reads them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ..errors import GatewayConnectionError, TaskRouterError
from ..single import ProcessLock
from . import reporting
from .actions import Action, Connect
from .connections import distrust_idle
from .session import Session
from .settings import Settings
from .signaling import Closed, Socket, websocket_settings
from .states import State
from .threads import TIMERS, Timer, drain_all
from .timings import Timings

__all__ = ["Receiver"]


class Receiver:
    """Owns the socket of a connection, and the thread that connects, reads, and waits between attempts.

    ``connect``, ``end``, ``send_close`` and ``has_unread`` are called with the connection's lock held; none blocks.

    Args:
        url: Address of the websocket.
        timings: Time limits.
        process_lock: Lock by which only one process of the machine connects; None for no lock.
        session: The session, which receives the events of the socket.
        lock: The connection's lock, which guards the session.
        tell: Passes an event to the session, with the lock held, and runs the actions it returns.
        deliver: Runs an action, with the lock held.
        with_age: Adds the token's age to the error of a refused token.
        worker_sid: Returns the worker's sid, for the log.
        name: Name of the thread.
    """

    def __init__(
        self,
        url: str,
        timings: Timings,
        process_lock: ProcessLock | None,
        session: Session,
        lock: threading.Lock,
        tell: Callable[[Callable[[float], list[Action]]], None],
        deliver: Callable[[Action], None],
        with_age: Callable[[TaskRouterError], TaskRouterError],
        worker_sid: Callable[[], str],
        name: str,
    ) -> None:
        self._url = url
        self._timings = timings
        self._process_lock = process_lock
        self._session = session
        self._lock = lock
        self._tell = tell
        self._deliver = deliver
        self._with_age = with_age
        self._worker_sid = worker_sid
        # Notified when there is something to connect, and at the end.
        self._wake = threading.Condition(lock)
        self._to_connect: Connect | None = None
        # Changed with the lock held, under which other threads look for a websocket to end.
        self._socket: Socket | None = None
        self._settings: Settings | None = None
        # Aborts the socket if the peer does not answer the close frame.
        self._close_timer: Timer | None = None
        self.waits_for_lock = False
        """Whether another process of the machine is connected, and this one waits for its end."""
        # A daemon: it may be connecting or reading when the interpreter exits.
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def connect(self, action: Connect) -> None:
        """Open this websocket next; called with the lock held, does not block.

        Args:
            action: The request of the session.
        """
        self._to_connect = action
        self._wake.notify_all()

    def end(self, *, abort: bool) -> None:
        """Cancel the request to connect; called with the lock held, does not block.

        Args:
            abort: Whether to abort the current websocket too.
        """
        self._to_connect = None
        self._wake.notify_all()
        if abort and self._socket is not None:
            self._socket.abort()

    def send_close(self) -> Callable[[], None] | None:
        """Close the websocket politely; a peer that does not answer is not waited for.

        Returns:
            A function that sends the close frame, to be called without the lock; None without a websocket.
        """
        self.end(abort=False)
        if self._socket is None:
            return None
        self._close_timer = TIMERS.at(time.monotonic() + self._timings.close_timeout, self._socket.abort)
        return self._socket.send_close

    def has_unread(self) -> bool:
        """Whether the kernel holds bytes that the thread has not read yet."""
        return self._socket is not None and self._socket.has_unread()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        lock = self._process_lock
        try:
            if lock is None or self._wait_for(lock):
                self._receive_all()
        finally:
            if lock is not None:
                # Only when the last socket is closed: until then another process must not connect.
                lock.release()

    def _wait_for(self, lock: ProcessLock) -> bool:
        """Block until this process has the lock; return False if the worker is disconnected before."""
        self.waits_for_lock = not lock.acquire()
        if self.waits_for_lock:
            reporting.step(self._worker_sid(), "connecting", "waiting for %s, which holds %s", lock.holder(), lock.path)
        while self.waits_for_lock:
            with self._lock:
                if self._session.state is not State.CLOSED:
                    self._wake.wait(self._timings.lock_check)
                if self._session.state is State.CLOSED:
                    return False
            # A folder that was removed, for example; such an error may be transient.
            with suppress(OSError):
                self.waits_for_lock = not lock.acquire()
        return True

    def _receive_all(self) -> None:
        while (connect := self._next_connect()) is not None:
            socket = self._open(connect)
            if socket is None:
                continue
            try:
                self._read(socket)
            finally:
                socket.close()
        if self._close_timer is not None:
            # The peer has answered, so the timer that would abort the socket is not needed; a late one would hit
            # nothing.
            self._close_timer.cancel()
        # A deadline of now: they end by themselves, and ``join`` must not wait for them.
        drain_all(time.monotonic())

    def _next_connect(self) -> Connect | None:
        with self._lock:
            while self._to_connect is None and self._session.state is not State.CLOSED:
                self._wake.wait()
            connect, self._to_connect = self._to_connect, None
            return None if self._session.state is State.CLOSED else connect

    def _open(self, connect: Connect) -> Socket | None:
        try:
            # Read once: a change of the environment counts for the next connect() only.
            if self._settings is None:
                self._settings = websocket_settings(self._url)
            socket = Socket(self._url, connect.query, self._settings)
            with self._lock:
                if self._session.state is State.CLOSED:
                    return None
                # Published with the lock held: from here on ``end`` can abort the handshake.
                self._socket = socket
            socket.open(self._timings.handshake)
        except TaskRouterError as error:
            failure = self._with_age(error)
        except Exception as error:
            failure = GatewayConnectionError(f"Could not connect to {self._url}: {type(error).__name__}")
            failure.__cause__ = error
        else:
            # Outside the try block: an error in here is not a failure to connect.
            self._tell(self._session.opened)
            return socket
        self._not_opened(failure)
        return None

    def _not_opened(self, failure: TaskRouterError) -> None:
        with self._lock:
            self._socket = None
        self._tell(lambda now: self._session.connect_failed(failure, now))

    def _read(self, socket: Socket) -> None:
        while True:
            try:
                frames = socket.read()
            except Closed as end:
                closed = end
                break
            except Exception as error:
                # Any error: if this thread ended, the worker would silently receive no more events.
                closed = Closed(None, f"The websocket could not be read: {type(error).__name__}")
                break
            self._received(frames)
        self._lost(closed)

    def _received(self, frames: list[bytes]) -> None:
        now, session = time.monotonic(), self._session
        with self._lock:
            if session.state is State.READY:
                # The common case, without the rest of _tell: nothing is put off, and a tick that comes too early
                # is put off again.
                for action in session.frames(frames, now):
                    self._deliver(action)
                return
        self._tell(partial(session.frames, frames))

    def _lost(self, closed: Closed) -> None:
        if closed.code is None:
            # Without a close frame: the network may have changed, and idle HTTP connections may be dead too.
            distrust_idle()
        with self._lock:
            self._socket = None
        self._tell(lambda now: self._session.closed(closed.code, closed.reason, now))
