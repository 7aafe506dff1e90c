"""The thread of a local TaskRouter: its event loop, its socket, its start and its end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from ..._hosts import is_loopback
from ...errors import ForkedProcessError, StateError
from .app import App, Control
from .console.access import PATH as CONSOLE_PATH
from .console.facade import Facade
from .http.connections import HttpServer
from .http.guard import Guard
from .service import Service

T = TypeVar("T")

THREAD_NAME = "taskrouter-local-{port}"
_BACKLOG = 1024
"""How many connections may wait to be accepted."""
_ACCEPTED_AT_ONCE = 16
"""How many are accepted in one turn of the loop: a few turns pass before one is counted and the oldest is evicted."""
_TURNS_TO_ACCEPT = 3
"""How many turns of the loop asyncio takes to make a connection that it has accepted: its task, its protocol."""
_BEGIN_SECONDS = 1.0
"""How long a thread whose start was interrupted may take to begin."""
_SHUTDOWN_SECONDS = 2.0
"""How long requests in progress may still take when the service stops."""


class Host:
    """Runs one service on a named daemon thread of its own.

    ``start`` and ``stop`` belong to one owner; ``call`` may be used from any thread.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        control: Answers requests outside of Twilio's API.
        allowed_hosts: Further names for which requests are accepted.
        router: The router, for its console; None: it has no console.
    """

    def __init__(
        self,
        host: str,
        port: int,
        control: Control,
        allowed_hosts: Iterable[str] = (),
        router: Facade | None = None,
    ) -> None:
        self._address = (host, port)
        self._control = control
        self._router = router
        self._guard = Guard(host, allowed_hosts, linked=None if router is None else CONSOLE_PATH)
        self._thread: threading.Thread | None = None
        self._begun = threading.Event()
        """Set by the thread itself, when it begins."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        # Guards _thread, _open and _ended: while it is held and _open is true, a callback that is posted is sure to
        # run.
        self._lock = threading.Lock()
        self._open = False
        self._ended = False
        self.url: str = ""
        """Its address for clients on this machine; empty before the start."""

    def start(self, make_service: Callable[[asyncio.AbstractEventLoop], Service]) -> None:
        """Listen, and start the thread.

        Blocks until requests are answered.

        Args:
            make_service: Builds the service on the loop's thread; its exceptions are raised here.

        Raises:
            OSError: The address cannot be listened on, or no thread can be started; the message has the reason.
            StateError: It was stopped before.
        """
        _warn_unless_loopback(self._address[0])
        # In the caller's thread: an address in use is the most frequent failure, and needs no thread to be reported.
        listening = _listen(*self._address)
        started: Future[None] = Future()
        try:
            address, port = listening.getsockname()[:2]
            self.url = _url(address, port)
            # In one step: a stop() on another thread either comes before it, or finds a thread to wait for.
            with self._lock:
                if self._ended:
                    raise StateError("The local TaskRouter was stopped before it had started")
                # A daemon, so that a program that does not stop it can still exit.
                self._thread = threading.Thread(
                    target=self._run,
                    args=(listening, make_service, started),
                    name=THREAD_NAME.format(port=port),
                    daemon=True,
                )
                _start(self._thread)
            started.result()
        except BaseException:
            # It did not start, or the caller was interrupted: socket and thread must go. Thread.start itself may raise
            # the interrupt.
            self.stop()
            listening.close()
            raise

    @property
    def stopping(self) -> bool:
        """Whether it is to end, or has ended; slow work at the start checks this."""
        return self._ended

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the loop's thread, and return its result or raise its exception.

        Blocks until it has run; on the loop's thread it is called directly.

        Args:
            function: The function.

        Raises:
            StateError: The service has been stopped, or belongs to a parent process.
        """
        if threading.current_thread() is self._thread:
            return function()
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                # BaseException too: a SystemExit of the function belongs to its caller; raised here, it would end the
                # loop.
                future.set_exception(error)

        self._check_process()
        with self._lock:
            if not self._open or self._loop is None:
                raise StateError("The local TaskRouter is not running")
            self._loop.call_soon_threadsafe(run)
        return future.result()

    def stop(self) -> None:
        """Close every connection and end the thread; a second call does nothing.

        Blocks until the thread has ended.

        Raises:
            StateError: Called on the service's own thread, which cannot wait for itself, or in a child process.
        """
        self.check_caller()
        with self._lock:
            # Seen by start(), and by _run if the service is still being built.
            self._ended = True
            thread = self._thread
            if self._open and self._loop is not None:
                self._open = False
                # The loop runs everything that was posted before this, so no call() waits for ever.
                self._loop.call_soon_threadsafe(self._loop.stop)
        # A thread that never began cannot be joined: an interrupt hit start() before the system had made it.
        if thread is not None and self._begun.wait(_BEGIN_SECONDS):
            thread.join()

    def check_caller(self) -> None:
        """Check that the calling thread may stop it.

        Raises:
            StateError: It is the service's own thread, which cannot wait for itself, or in a child process.
        """
        self._check_process()
        # Not by its number, which the system gives to another thread once this one has ended.
        if threading.current_thread() is self._thread:
            raise StateError("The local TaskRouter cannot be stopped from its own thread")

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                "This LocalTaskRouter belongs to the parent process, where its thread and socket are;"
                " start one in this process"
            )

    def _make_app(self, service: Service) -> App:
        return App(service, self._guard, self._control, self._router)

    # -- on the thread -----------------------------------------------------------------------------------------------

    def _run(
        self,
        listening: socket.socket,
        make_service: Callable[[asyncio.AbstractEventLoop], Service],
        started: Future[None],
    ) -> None:
        self._begun.set()
        loop = asyncio.new_event_loop()
        try:
            try:
                opening = _open(loop, listening, make_service, self._make_app)
                app, http, server = loop.run_until_complete(opening)
            except BaseException as error:
                started.set_exception(error)
                return
            with self._lock:
                self._loop = loop
                # stop() may have been called while the service was built.
                serving = self._open = not self._ended
            started.set_result(None)
            # Not _open, which a stop() may have changed by now: it is about to stop a loop that has to run.
            if serving:
                loop.run_forever()
            loop.run_until_complete(_close(app, http, server))
        finally:
            listening.close()
            with suppress(Exception):
                loop.run_until_complete(_finish(loop))
            loop.close()


async def _open(
    loop: asyncio.AbstractEventLoop,
    listening: socket.socket,
    make_service: Callable[[asyncio.AbstractEventLoop], Service],
    make_app: Callable[[Service], App],
) -> tuple[App, HttpServer, asyncio.Server]:
    service = make_service(loop)
    app = make_app(service)
    http = HttpServer(app, loop)
    server = await loop.create_server(service.faults.with_resets(http), sock=listening, backlog=_ACCEPTED_AT_ONCE)
    listening.listen(_BACKLOG)  # asyncio takes one number for both
    return app, http, server


async def _close(app: App, http: HttpServer, server: asyncio.Server) -> None:
    """Close the parts in the order of a request's path: socket, faults, webhooks, sessions, requests, engine."""
    service = app.service
    # From here on there are no new connections.
    server.close()
    # Those accepted in this turn are made in the next ones, and could not be closed before.
    for _ in range(_TURNS_TO_ACCEPT):
        await asyncio.sleep(0)
    # Held frames and requests are released while their sessions are still open.
    service.faults.end_all()
    http.stop()
    await service.webhooks.close()
    # After the webhooks, whose answers may still cause events.
    await service.sessions.close_all()
    await app.close()
    # Closes the idle connections at once; those with a request get the seconds below.
    http.pre_shutdown()
    await http.shutdown(_SHUTDOWN_SECONDS)
    await http.disconnect()
    # Last: the requests above still commit their commands.
    service.stop()


async def _finish(loop: asyncio.AbstractEventLoop) -> None:
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # Closed and aborted transports notify their protocols in the next turn.
    await asyncio.sleep(0)
    await loop.shutdown_asyncgens()


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(
            errno.EAGAIN,
            "Cannot start the thread of the local TaskRouter: the system gives this process no more threads (ulimit -u,"
            " or the pids limit of a container)",
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        # create_server() takes IPv4 unless told otherwise; a host such as ::1 needs the other family.
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise OSError(error.errno, f"The host {host!r} has no address: {error.strerror}") from error
    except OSError as error:
        # The system's own texts ("Permission denied") name neither the address nor a remedy.
        reasons = {
            errno.EADDRINUSE: "something else listens there already; choose another port, or port=0 for a free one",
            errno.EACCES: "this user may not listen there; choose a port from 1024 on, or port=0 for a free one",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }
        reason = reasons.get(error.errno or 0, error.strerror)
        raise OSError(error.errno, f"Cannot listen on {host}:{port}: {reason}") from error


def _url(address: str, port: int) -> str:
    # The wildcard addresses are for listening; not every system can connect to them.
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def _warn_unless_loopback(host: str) -> None:
    if not is_loopback(host):
        warnings.warn(
            f"The local TaskRouter listens on {host}: every machine that can reach this one can use it, without TLS."
            " It is made for development; prefer 127.0.0.1.",
            RuntimeWarning,
            stacklevel=4,
        )
