"""Starts, stops and resets of one router on several threads at a time, and calls beside them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from tests.integration.local.bridge_client import BridgeClient
from tests.integration.local.console.console_client import Browser
from tests.tools.children import in_child
from tests.tools.seams import service_of
from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads
from twilio_taskrouter_worker.errors import StateError
from twilio_taskrouter_worker.local import LocalTaskRouter, collector
from twilio_taskrouter_worker.local.engine import commands
from twilio_taskrouter_worker.local.server import hosting
from twilio_taskrouter_worker.local.server.http.connections import HttpServer
from twilio_taskrouter_worker.local.server.service import Service

TIMEOUT = 20


class Other:
    """A call on a thread of its own; its exception is kept."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.error: Exception | None = None
        self._call = call
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._call()
        except Exception as error:
            self.error = error

    def ended(self) -> bool:
        self.thread.join(TIMEOUT)
        return not self.thread.is_alive()


class Observed:
    """A lock that reports each thread that is about to wait for it."""

    def __init__(self, lock: Any, waiting: Callable[[], None]) -> None:
        self._lock, self._waiting = lock, waiting

    def __enter__(self) -> None:
        self._waiting()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def beside_a_reset(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> Other:
    """Reset the router; while that waits for the old service to end, another thread makes a call.

    The call goes on when it waits for the reset, or when the reset has ended.
    """
    there, ended = threading.Event(), threading.Event()
    other = Other(call)
    host = router._host
    stop = host.stop

    def stop_later() -> None:
        stop()
        if threading.current_thread() is other.thread:
            there.set()
            ended.wait(TIMEOUT)
        elif other.thread.ident is None:
            other.thread.start()
            assert there.wait(TIMEOUT)

    monkeypatch.setattr(host, "stop", stop_later)
    lock = Observed(router._resetting, lambda: there.set() if threading.current_thread() is other.thread else None)
    monkeypatch.setattr(router, "_resetting", lock)
    router.reset()
    ended.set()
    assert other.ended()
    return other


def test_two_resets_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow one another: the second does not delete the file of the service that the first has started."""
    path = tmp_path / "state.db"
    with no_leftover_threads(), no_leftover_sockets(), LocalTaskRouter(db=path) as router:
        router.add_worker("Alice")
        other = beside_a_reset(router, monkeypatch, router.reset)
        assert other.error is None
        assert router.workers() == []
        assert requests.get(f"{router.url}/health", timeout=TIMEOUT).ok
        router.add_worker("Bob")
    with LocalTaskRouter(db=path) as router:
        assert [each.friendly_name for each in router.workers()] == ["Bob"]


def test_a_stop_waits_for_a_reset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it returns, the reset does not delete or open the file any more: another router may be using it."""
    path = tmp_path / "state.db"
    with no_leftover_threads(), no_leftover_sockets():
        router = LocalTaskRouter(db=path).start()

        def stop_and_start_another() -> None:
            router.stop()
            with LocalTaskRouter(db=path) as another:
                another.add_worker("Alice")

        other = beside_a_reset(router, monkeypatch, stop_and_start_another)
        assert other.error is None
        with pytest.raises(StateError):
            router.add_worker("Bob")
    with LocalTaskRouter(db=path) as router:
        assert [each.friendly_name for each in router.workers()] == ["Alice"]


def test_a_reset_on_its_own_thread_beside_another(router: LocalTaskRouter) -> None:
    """It is refused at once, as it would wait for the one that waits for this thread."""

    def inside() -> None:
        with pytest.raises(StateError, match="own thread"):
            router.reset()

    with router._resetting:
        other = Other(lambda: router._host.call(inside))
        other.thread.start()
        assert other.ended()
    assert other.error is None


class Between(LocalTaskRouter):
    """As it first looks whether it was stopped, something else comes first."""

    first: Callable[[], object] | None = None
    stopped = False

    @property
    def _stopped(self) -> bool:
        first, self.first = self.first, None
        if first is not None:
            first()
        return self.stopped

    @_stopped.setter
    def _stopped(self, stopped: bool) -> None:
        self.stopped = stopped


def test_two_starts_at_a_time() -> None:
    """One starts it and the other is refused, although neither had been started as both looked."""
    router = Between()
    router.first = router.start
    with no_leftover_threads(), no_leftover_sockets():
        with pytest.raises(StateError, match="make a new one"):
            router.start()
        assert requests.get(f"{router.url}/health", timeout=TIMEOUT).ok
        router.stop()


def test_a_stop_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that comes before the thread is there is not lost: no service runs afterwards, and the start says so."""
    router = LocalTaskRouter()
    listen = hosting._listen

    def listen_late(host: str, port: int) -> socket.socket:
        found = listen(host, port)
        router.stop()
        return found

    monkeypatch.setattr(hosting, "_listen", listen_late)
    with no_leftover_threads(), no_leftover_sockets(), pytest.raises(StateError, match="before it had"):
        router.start()


def test_a_thread_with_the_number_of_the_one_that_has_ended() -> None:
    """The system gives numbers of threads again: such a thread is not taken for the service's own."""
    with LocalTaskRouter() as router:
        host = router._host
        assert host._thread is not None
        router.stop()
        host._thread._ident = threading.get_ident()  # type: ignore[attr-defined]
        router.stop()
        with pytest.raises(StateError, match="not running"):
            host.call(lambda: None)


# -- clients of a service that stops ---------------------------------------------------------------------------------


def test_a_client_that_connects_as_it_stops() -> None:
    """A connection that was accepted in the very turn of the stop is closed, and not left to the garbage collector."""
    router = LocalTaskRouter().start()
    blocked, go_on = threading.Event(), threading.Event()

    def block() -> None:
        blocked.set()
        go_on.wait(TIMEOUT)

    with no_leftover_threads(), no_leftover_sockets(), closing(socket.socket()) as client:
        assert router._host._loop is not None
        router._host._loop.call_soon_threadsafe(block)
        assert blocked.wait(TIMEOUT)
        client.settimeout(TIMEOUT)
        client.connect(("127.0.0.1", int(router.url.rpartition(":")[2])))
        other = Other(router.stop)
        other.thread.start()
        eventually(lambda: not router._host._open)
        # The loop finds the client and the end in the same turn.
        go_on.set()
        assert other.ended()
        with suppress(ConnectionError):
            assert client.recv(1) == b""
        assert other.error is None
        assert not server_sides(client)


def test_a_client_that_does_not_read_as_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection, which has bytes left to send, is closed with the others."""
    servers: list[HttpServer] = []

    class Kept(HttpServer):
        def __init__(self, handler: Any, loop: asyncio.AbstractEventLoop) -> None:
            super().__init__(handler, loop)
            servers.append(self)

    def unsent() -> int:
        return sum(each.transport.get_write_buffer_size() for each in servers[0].connections if each.transport)

    monkeypatch.setattr(hosting, "HttpServer", Kept)
    monkeypatch.setattr(hosting, "_SHUTDOWN_SECONDS", 0.05)
    router = LocalTaskRouter().start()
    with no_leftover_threads(), closing(socket.socket()) as client:
        client.settimeout(TIMEOUT)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(router.url.rpartition(":")[2])))
        left = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50_000

        def more_unsent() -> int:
            nonlocal left
            # Without blocking: the service reads no further request once the system takes no more of its answers.
            with suppress(BlockingIOError):
                left = left[client.send(left[:4096], socket.MSG_DONTWAIT) :]
            return router._host.call(unsent)

        eventually(more_unsent, TIMEOUT)
        assert server_sides(client)
        router.stop()
        assert not server_sides(client)


def server_sides(client: socket.socket) -> list[socket.socket]:
    """Return the open sockets of this process that are the other end of a client's connection."""
    ends = client.getsockname()
    # By type(): isinstance() asks lazy objects of other packages for their class, such as Django's settings.
    found = (each for each in gc.get_objects() if issubclass(type(each), socket.socket))
    return [each for each in found if peer_of(each) == ends]


def peer_of(connection: socket.socket) -> object:
    """Return the address of the other end; None if it is not connected."""
    with suppress(OSError):
        return connection.getpeername()
    return None


def test_a_session_that_opens_as_the_service_stops(router: LocalTaskRouter) -> None:
    """It is told that the service ends, as those before it were: it does not keep the stop waiting."""
    alice, service = router.add_worker("Alice"), service_of(router)
    run(router, service.sessions.close_all())
    with BridgeClient(router, alice).open() as client:
        assert client.event()[0] == "init"
        assert client.socket is not None
        assert is_goodbye(client.socket)


def test_a_console_that_opens_as_the_service_stops(router: LocalTaskRouter) -> None:
    """Its page is told so, too."""
    with Browser(router) as browser:
        with browser.live() as first:
            first.until(lambda: first.state["whole"])
            live = service_of(router).changed.__self__  # type: ignore[union-attr]
            closing_all = asyncio.run_coroutine_threadsafe(live.close(), service_of(router).loop)
            while first.socket.recv_frame().opcode != websocket.ABNF.OPCODE_CLOSE:
                pass
            first.socket.send_close(1001)
            closing_all.result(TIMEOUT)
        with browser.live() as second:
            assert is_goodbye(second.socket)


def is_goodbye(socket: websocket.WebSocket) -> bool:
    """Return whether the next frame closes the websocket because the service ends."""
    opcode, data = socket.recv_data(control_frame=True)
    return (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, struct.pack("!H", 1001))


def run(router: LocalTaskRouter, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the service's loop, to its end."""
    asyncio.run_coroutine_threadsafe(work, service_of(router).loop).result(TIMEOUT)


# -- calls beside a reset --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda router: router._execute(commands.CreateWorkspace(friendly_name="Support")),
        lambda router: router.load({"workspaces": [{"friendly_name": "Support"}]}),
    ],
    ids=["command", "file"],
)
def test_a_call_beside_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[LocalTaskRouter], object]
) -> None:
    """A call that has begun before a reset takes effect in the new service and its file, not in the ended one."""
    path = tmp_path / "state.db"
    with LocalTaskRouter(db=path, seed=5) as router:
        moments = router.history().last
        running = router._running

        def replaced_meanwhile() -> Service:
            found = running()
            monkeypatch.undo()
            router.reset()
            return found

        monkeypatch.setattr(router, "_running", replaced_meanwhile)
        use(router)
        assert router.history().last > moments


def test_the_address_beside_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the router, which keeps it, and not that of the new host, which has none yet."""
    with LocalTaskRouter() as router:
        before, running, listen = router.url, router._running, hosting._listen
        begun, go_on = threading.Event(), threading.Event()

        def listen_late(host: str, port: int) -> socket.socket:
            begun.set()
            go_on.wait(TIMEOUT)
            return listen(host, port)

        other = Other(router.reset)

        def replaced_meanwhile() -> Service:
            found = running()
            monkeypatch.setattr(router, "_running", running)
            other.thread.start()
            assert begun.wait(TIMEOUT)
            return found

        monkeypatch.setattr(hosting, "_listen", listen_late)
        monkeypatch.setattr(router, "_running", replaced_meanwhile)
        found = router.url
        go_on.set()
        assert other.ended()
        assert (found, other.error, router.url) == (before, None, before)


@pytest.mark.parametrize("at", [None, 1], ids=["now", "then"])
def test_a_fork_beside_a_reset(monkeypatch: pytest.MonkeyPatch, at: int | None) -> None:
    """It is refused: the entries of the new journal have nothing to do with those before the reset."""
    with LocalTaskRouter() as router:
        ask, asked = router._ask_service, itertools.count(1)

        def replaced_meanwhile(question: Callable[[Service], Any]) -> Any:
            if next(asked) == (1 if at is None else 2):
                router.reset()
            return ask(question)

        monkeypatch.setattr(router, "_ask_service", replaced_meanwhile)
        with pytest.raises(StateError, match="was reset"):
            router.fork(at)


def test_a_moment_beside_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read from the new journal, although the old one was still there as the reader looked."""
    with LocalTaskRouter() as router:
        history, ask, asked = router.history(), router._ask_service, itertools.count(1)

        def replaced_meanwhile(question: Callable[[Service], Any]) -> Any:
            # The last question of it.
            if next(asked) == 2:
                router.reset()
            return ask(question)

        monkeypatch.setattr(router, "_ask_service", replaced_meanwhile)
        with pytest.raises(StateError, match="was reset"):
            history[0]


def test_a_fork_beside_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its statistics are those of its moment, without what a client does to the original at the same time."""
    with LocalTaskRouter(clock="virtual") as router:
        router.create_task()
        ask, asked = router._ask_service, itertools.count()

        def after_a_command(question: Callable[[Service], Any]) -> Any:
            found = ask(question)
            if not next(asked):
                ask(lambda service: service.execute(commands.CreateTask(workspace_sid=router.workspace_sid)))
            return found

        monkeypatch.setattr(router, "_ask_service", after_a_command)
        with router.fork() as fork:
            created = [fact for fact in service_of(fork).facts.all() if fact[0] == "task.created"]
            assert len(created) == len(fork.tasks()) == 1


# -- in a forked child -----------------------------------------------------------------------------------------------


def test_the_clock_in_a_child(router: LocalTaskRouter) -> None:
    """A child of a process whose service was just looking at the clock can look at it, and is refused to move it."""

    def use() -> str:
        router.clock.now()
        router.clock.advance(5)
        return "moved"

    with router.clock._lock:
        assert in_child(use).startswith("ForkedProcessError(")


def test_a_router_in_a_child_while_the_parent_looks_back(router: LocalTaskRouter) -> None:
    """A child of a process that was just making a view can make views of its own router; its collector works."""

    def look_back() -> str:
        working = [gc.isenabled()]
        with LocalTaskRouter() as own:
            own.at(0)
        return f"{working[0]} {gc.isenabled()}"

    with collector.paused(), collector._lock:
        assert in_child(look_back) == "True True"
