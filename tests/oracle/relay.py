"""A TCP relay that stands between a client and a server and breaks the connection in chosen ways.

    with RecordingBridge() as bridge, Relay("127.0.0.1", bridge.port) as relay:
        worker = Worker(token, eb_server=relay.url("http"), ws_server=relay.url("ws"))
        relay.half_open()                                   # nothing arrives any more, and nobody is told
        relay.wait_for(lambda: relay.seen == 2)

"Up" is from client to server, "down" from server to client. It runs in one daemon thread with an event loop of its own.
Every method may be called from any thread and is in effect when it returns, for open connections as for new ones.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from tests.tools.certificates import make_certificates

THREAD_NAME = "tool-relay"

_CHUNK = 16 * 1024
_QUEUED_CHUNKS = 16
"""How much the relay reads ahead of what it has passed on: beyond it, the sender feels the slowness."""
_SLICE = 0.02
"""Seconds between two pieces of a throttled stream."""

T = TypeVar("T")


class Link:
    """One connection through the relay: the client's side, and the server's once it is connected."""

    def __init__(self) -> None:
        self.bytes_up = 0
        """Bytes passed on to the server."""
        self.bytes_down = 0
        """Bytes passed on to the client."""
        self.hung = False
        """Whether it was accepted to hang: nothing is read from it."""
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self._transports: list[asyncio.WriteTransport] = []

    def _end(self, *, reset: bool) -> None:
        """Close both sides: by RST, or by FIN after what is already written. Loop thread only."""
        if self._socket is not None and reset:
            _linger_zero(self._socket)
        if self._socket is not None and self._task is None:
            # While a task makes its handshake on it, the task closes it.
            self._socket.close()
            self._socket = None
        for transport in self._transports:
            if reset and not transport.is_closing():
                _linger_zero(transport.get_extra_info("socket"))
                transport.abort()
            else:
                transport.close()
        if self._task is not None:
            self._task.cancel()


class Relay:
    """A relay from a free port of 127.0.0.1 to ``(target_host, target_port)``.

    With ``tls`` the client's side speaks TLS with a certificate of ``ca_file``; the server's side stays plain. ``seed``
    is for what is random: the jitter of ``latency`` and the sizes of ``split``.
    """

    def __init__(self, target_host: str, target_port: int, *, seed: int = 0, tls: bool = False) -> None:
        self._target = (target_host, target_port)
        self._random = random.Random(seed)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._context: ssl.SSLContext | None = None
        self._ca_file: Path | None = None
        if tls:
            self._directory = tempfile.TemporaryDirectory(prefix="relay-")
            certificates = make_certificates(Path(self._directory.name))
            self._context, self._ca_file = certificates.server_context(), certificates.ca_file
        # Guards the counters and the list of links; notified at each change.
        self._changed = threading.Condition()
        # Only open ones, so that a run with very many connections needs no more memory than one with few.
        self._links: list[Link] = []
        self._seen = self._swallowed = 0
        self._ended_up = self._ended_down = 0
        # Loop thread only: closed in good order, they may still wait for their peer. The loop has them until then.
        self._closing: WeakSet[asyncio.WriteTransport] = WeakSet()
        # Loop thread only: the faults, and a future that ends waits when one of them changes.
        self._latency, self._jitter = 0.0, 0.0
        self._rate: float | None = None
        self._split: int | None = None
        self._swallow = False
        self._hang = False
        self._cut: tuple[int, Link | None] | None = None
        self._loop = asyncio.new_event_loop()
        self._pulse: asyncio.Future[None] = self._loop.create_future()
        # Bound but never listening, it keeps the port ours while the relay refuses connections.
        self._holder = _bound_socket(0)
        self.port: int = self._holder.getsockname()[1]
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    # -- life ----------------------------------------------------------------------------------------------------

    def url(self, scheme: str, path: str = "/v1/wschannels") -> str:
        """Return a URL that leads through the relay."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    @property
    def ca_file(self) -> str:
        """The path of the CA certificate to trust; only with ``tls`` and until the relay is left."""
        if self._ca_file is None:
            raise RuntimeError("this relay has no certificate: make it with tls=True")
        return str(self._ca_file)

    def __enter__(self) -> Relay:
        self._thread.start()
        self._on_loop(self._listen)
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Reset what is open and return when no thread, socket or file is left."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        if self._thread.is_alive():
            raise RuntimeError("the relay's thread did not stop")
        self._holder.close()
        if self._directory is not None:
            self._directory.cleanup()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # What breaks under TLS while it is being closed concerns nobody: asyncio would log it, as nobody waits for it.
        self._loop.set_exception_handler(_unless_broken)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _stop(self) -> None:
        self._stop_listening()
        self._end_all(reset=True)
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in list(self._closing):
            transport.abort()
        # Transports close their sockets in the loop's next rounds; a TLS handshake that broke off takes some more.
        for _ in range(10):
            await asyncio.sleep(0)

    # -- faults --------------------------------------------------------------------------------------------------

    def latency(self, seconds: float, jitter: float = 0.0) -> None:
        """Delay each piece of data, each way, by ``seconds`` and up to ``jitter`` more; order is kept."""
        self._set(_latency=seconds, _jitter=jitter)

    def throttle(self, bytes_per_second: float | None) -> None:
        """Pass on no more than this, for each connection and direction; None lifts the limit."""
        if bytes_per_second is not None and bytes_per_second <= 0:
            raise ValueError(f"bytes_per_second is {bytes_per_second}; use half_open() to let nothing pass")
        self._set(_rate=bytes_per_second)

    def split(self, most: int | None) -> None:
        """Pass data on in pieces of random size, from one byte to ``most``; None stops that."""
        self._set(_split=most)

    def half_open(self) -> None:
        """Swallow all bytes both ways, and the end of a stream too, but keep every socket open, until ``resume``."""
        self._set(_swallow=True)

    def resume(self) -> None:
        """Pass bytes on again. What was swallowed is lost; a stream that ended meanwhile ends now."""
        self._set(_swallow=False)

    def cut_mid_frame(self, after_bytes: int, link: Link | None = None) -> None:
        """Let ``after_bytes`` more bytes pass from server to client, then reset the connection they passed on.

        It counts over all connections, or over ``link`` alone, and happens once. Zero resets all (or ``link``) at once.
        """

        def cut() -> None:
            if after_bytes > 0:
                self._cut = (after_bytes, link)
                return
            for each in [link] if link is not None else self.links:
                self._end(each, reset=True)

        self._on_loop(cut)

    def abort_all(self) -> None:
        """Reset (RST) both sides of every open connection."""
        self._on_loop(lambda: self._end_all(reset=True))

    def close_all(self) -> None:
        """Close (FIN) both sides of every open connection."""
        self._on_loop(lambda: self._end_all(reset=False))

    def refuse(self) -> None:
        """Stop listening: new connections get ECONNREFUSED. Open ones are left alone."""
        self._on_loop(self._stop_listening)

    def accept_and_hang(self) -> None:
        """Accept new connections, but read nothing from them and send nothing, not even a TLS handshake."""
        self._on_loop(lambda: self._listen(hang=True))

    def accept(self) -> None:
        """Relay new connections again, on the same port. Those that hang keep hanging until closed."""
        self._on_loop(self._listen)

    # -- counters ------------------------------------------------------------------------------------------------

    @property
    def links(self) -> list[Link]:
        """The open connections, those that hang included, in the order of their arrival; a copy of the list."""
        with self._changed:
            return list(self._links)

    @property
    def seen(self) -> int:
        """How many connections were accepted so far."""
        return self._seen

    @property
    def open_connections(self) -> int:
        """How many connections are open, those that hang included."""
        return len(self.links)

    @property
    def bytes_up(self) -> int:
        """Bytes passed on to the server so far."""
        with self._changed:
            return self._ended_up + sum(link.bytes_up for link in self._links)

    @property
    def bytes_down(self) -> int:
        """Bytes passed on to the client so far."""
        with self._changed:
            return self._ended_down + sum(link.bytes_down for link in self._links)

    @property
    def swallowed(self) -> int:
        """Bytes that ``half_open`` has swallowed, both ways together."""
        return self._swallowed

    def wait_for(self, predicate: Callable[[], T], timeout: float = 20.0, message: str = "the condition") -> T:
        """Wait until the predicate is true and return its value; it is tried at each change of a counter.

        It runs under the relay's lock, so it should only look. Raises AssertionError after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := predicate()):
                left = deadline - time.monotonic()
                if left <= 0:
                    counters = f"seen {self.seen}, open {self.open_connections}, up {self.bytes_up}"
                    counters += f", down {self.bytes_down}, swallowed {self.swallowed}"
                    raise AssertionError(f"{message} did not happen within {timeout} s (relay: {counters})")
                self._changed.wait(left)
            return value

    # -- the loop's side -----------------------------------------------------------------------------------------

    def _on_loop(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def _set(self, **settings: object) -> None:
        def change() -> None:
            for name, value in settings.items():
                setattr(self, name, value)
            self._pulse.set_result(None)
            self._pulse = self._loop.create_future()

        self._on_loop(change)

    def _count_accepted(self, link: Link) -> None:
        with self._changed:
            self._seen += 1
            self._links.append(link)
            self._changed.notify_all()

    def _count_ended(self, link: Link) -> None:
        with self._changed:
            self._links.remove(link)
            self._ended_up += link.bytes_up
            self._ended_down += link.bytes_down
            self._changed.notify_all()

    def _count_swallowed(self, size: int) -> None:
        with self._changed:
            self._swallowed += size
            self._changed.notify_all()

    def _count_passed(self, link: Link, size: int, *, upward: bool) -> None:
        with self._changed:
            if upward:
                link.bytes_up += size
            else:
                link.bytes_down += size
            self._changed.notify_all()

    def _end(self, link: Link, *, reset: bool) -> None:
        link._end(reset=reset)
        if link.hung:
            # No task carries it, which would count its end.
            self._count_ended(link)

    def _end_all(self, *, reset: bool) -> None:
        for link in self.links:
            self._end(link, reset=reset)

    def _listen(self, hang: bool = False) -> None:
        self._hang = hang
        if self._listener is None:
            self._listener = _bound_socket(self.port)
            self._listener.listen(256)
            self._listener.setblocking(False)
            self._accepting = self._loop.create_task(self._accept_from(self._listener))

    def _stop_listening(self) -> None:
        if self._accepting is not None and self._listener is not None:
            self._accepting.cancel()
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _accept_from(self, listener: socket.socket) -> None:
        while True:
            self._take((await self._loop.sock_accept(listener))[0])

    def _take(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link()
        link._socket, link.hung = accepted, self._hang
        self._count_accepted(link)
        if not self._hang:
            link._task = self._loop.create_task(self._serve(link))
            # One that is cancelled before its first step never runs.
            link._task.add_done_callback(lambda _: self._ended(link, reset=True))

    async def _serve(self, link: Link) -> None:
        """Carry one connection until both sides are done with it; anything but a good end is passed on as a reset."""
        finished = False
        try:
            with suppress(OSError):
                server = await asyncio.open_connection(*self._target)
                link._transports.append(server[1].transport)
                client = await self._client_streams(link)
                await self._carry(link, client, server)
                finished = True
        finally:
            self._ended(link, reset=not finished)

    def _ended(self, link: Link, *, reset: bool) -> None:
        if link._task is None:
            return
        link._task = None
        link._end(reset=reset)
        self._closing.update(link._transports)
        self._count_ended(link)

    async def _client_streams(self, link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert link._socket is not None
        reader = asyncio.StreamReader(loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        plain = link._socket
        try:
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, plain, ssl=self._context)
        except BaseException:
            # Not closed here: the transport of a handshake that broke off still has it, and closes it at the end of
            # the stream. Closed under it, its number could be that of another socket before it knows.
            with suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            link._socket = None
        link._transports.append(transport)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _carry(
        self,
        link: Link,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        up: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_CHUNKS)
        down: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_CHUNKS)
        for _, writer in (client, server):
            # So that drain() means "with the kernel". Not zero: then TLS takes an empty buffer for a full one.
            writer.transport.set_write_buffer_limits(high=1, low=0)
        tasks = [
            self._loop.create_task(work)
            for work in (
                self._read(client[0], up),
                self._read(server[0], down),
                self._deliver(link, up, server[1], upward=True),
                self._deliver(link, down, client[1], upward=False),
            )
        ]
        try:
            # A reset on one side ends the gathering, and with it the other side.
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            data = await reader.read(_CHUNK)
            await queue.put((time.monotonic() + self._random.uniform(0, self._jitter), data))
            if not data:
                return

    async def _deliver(
        self, link: Link, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, *, upward: bool
    ) -> None:
        while True:
            arrived, data = await queue.get()
            while (left := arrived + self._latency - time.monotonic()) > 0:
                await self._pause(left)
            while not data and self._swallow:
                await self._pause(None)
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                else:
                    writer.close()
                return
            await self._pass_on(link, data, writer, upward=upward)

    async def _pass_on(self, link: Link, data: bytes, writer: asyncio.StreamWriter, *, upward: bool) -> None:
        """Write data as the faults of this moment have it; they are looked at again before each piece."""
        while data:
            if self._swallow:
                self._count_swallowed(len(data))
                return
            size, rate = len(data), self._rate
            if rate is not None:
                size = min(size, max(1, int(rate * _SLICE)))
            if self._split is not None:
                size = min(size, self._random.randint(1, max(1, self._split)))
            last = False
            if not upward and self._cut is not None and self._cut[1] in (None, link):
                size = min(size, self._cut[0])
                last = size == self._cut[0]
                self._cut = None if last else (self._cut[0] - size, self._cut[1])
            piece, data = data[:size], data[size:]
            writer.write(piece)
            await writer.drain()
            self._count_passed(link, size, upward=upward)
            if last:
                raise ConnectionAbortedError("cut as scripted")
            if rate is not None:
                await self._pause(size / rate)
            elif self._split is not None:
                await asyncio.sleep(0)

    async def _pause(self, seconds: float | None) -> None:
        """Wait this long (None: for ever) or until a fault is switched, whichever comes first."""
        await asyncio.wait([self._pulse], timeout=seconds)


def _unless_broken(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _linger_zero(plain: socket.socket | None) -> None:
    """Make the close of this socket a reset; None: the transport has closed it (TLS, before Python 3.11)."""
    if plain is None:
        return
    with suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
