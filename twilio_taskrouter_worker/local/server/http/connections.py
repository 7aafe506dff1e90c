"""HTTP connections: limits on what a peer may send, and in what time.

Theory: every connection that is not a websocket session can be evicted at any time, so that no peer can exhaust the
process's files or memory. Peers that have not shown valid credentials are evicted first.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from ...._json import dumps
from ...._log import LOCAL as log
from ...engine import Rejected
from . import headers, refusals

BODY_BYTES = 4 * 1024 * 1024
"""A workflow's configuration may have 1 MB, which a form can triple."""
TUNNEL_BODY_BYTES = 1024 * 1024
HEADER_LINE_BYTES = 16 * 1024
"""A websocket's token travels in the request line."""
# With the longest line, it bounds the size of all headers together: 1.6 MB.
ALL_HEADERS = 100
MOST_CONNECTIONS = 8192
"""How many may be open at a time, if the process may open that many files; some 20 KB each."""
WAITING_BYTES = 64 * 1024 * 1024
"""How many bytes of unanswered requests all connections together may hold; beyond, the oldest ones are evicted."""
FILES_FOR_OTHERS = 0.25
"""The share of the process's open files that is left to the rest of the program."""
IDLE_SECONDS = 75.0
"""How long a connection may stay open between requests."""
FIRST_REQUEST_SECONDS = 30.0
"""How long a new connection may take until the headers of its first request are complete."""
BODY_SECONDS = 30.0
"""How long the body of a request may take."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers a request."""

JSON = "application/json; charset=utf-8"


class Request(web.BaseRequest):
    """A request, with the parts of it that were read, for those who record it."""

    whole_body = b""
    """Empty before it was read."""
    tunnelled: Any = None
    """The request of the bridge inside of it."""


class Connection(web.RequestHandler):
    """One HTTP connection; input that is not HTTP is answered in JSON as well."""

    __slots__ = ("_server", "known", "received")

    def __init__(self, server: HttpServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._server: HttpServer | None = server
        self.known: bool = False
        """A request on it has succeeded, which takes valid credentials."""
        self.received: int = 0
        """Bytes since the latest request was answered."""

    def data_received(self, data: bytes) -> None:
        """Count incoming bytes, and pass them on.

        Args:
            data: The bytes.
        """
        if self._server is not None:
            self._server.received(self, len(data))
        super().data_received(data)

    def exempt(self) -> None:
        """Exempt it from eviction: it is a websocket session now."""
        if self._server is not None:
            self._server.forget(self)
            self._server = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed input, or a request whose handler failed.

        Args:
            request: The request as far as it was read.
            status: The status of the answer.
            exc: The error, if any.
            message: Aiohttp's text, which is not sent.
        """
        if isinstance(exc, ConnectionError):
            # The client disconnected during its request: this answer is never sent, and nothing is wrong here.
            log.debug("A client closed its connection before its answer was written")
            refusal = refusals.internal_error()
        elif status >= 500:
            log.error("A connection failed: %s", type(exc).__name__, exc_info=exc)
            refusal = refusals.internal_error()
        else:
            refusal = Rejected(status, 20001, "The request is not well-formed HTTP")
        response = web.Response(
            status=refusal.status,
            body=dumps(refusals.body(refusal)),
            headers={"Content-Type": JSON, **headers.request_id()},
        )
        # After input that is not HTTP, nobody knows where the next request would begin.
        response.force_close()
        return response


class HttpServer(web.Server):
    """Makes a :class:`Connection` for each peer, and evicts silent ones and those beyond the limits.

    A websocket session is never evicted. Of the other connections one is evicted when there are too many, or when their
    unanswered requests are too large: first those without a successful request (unproven), then the others (proven),
    and among these the one whose latest request is the oldest.
    """

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self._options = {
            "access_log": None,
            # A small compressed body may become gigabytes; read_body() refuses it instead.
            "auto_decompress": False,
            "keepalive_timeout": IDLE_SECONDS,
            "max_line_size": HEADER_LINE_BYTES,
            "max_field_size": HEADER_LINE_BYTES,
            "max_headers": ALL_HEADERS,
            # Seconds in which aiohttp reads the rest of a refused body, so that the client reads its answer before a
            # reset.
            "lingering_time": 2.0,
        }
        self._loop_here = loop
        super().__init__(self._counted(handler), request_factory=self._request)
        # aiohttp's idle timer covers connections between requests; this covers those before their first request.
        self._silent: dict[Connection, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._open: dict[web.RequestHandler, asyncio.Transport] = {}
        self._waiting = 0
        # Connections without a session, in the order of their arrival or latest request.
        self._unproven: OrderedDict[Connection, None] = OrderedDict()
        self._proven: OrderedDict[Connection, None] = OrderedDict()
        self._warned = False

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return Connection(self, loop=self._loop_here, **self._options)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, and start its time limit for the first request.

        Args:
            handler: The connection.
            transport: Its transport.
        """
        super().connection_made(handler, transport)
        assert isinstance(handler, Connection)
        # Sessions count too: they are open files, although they cannot be evicted for new ones.
        self._open[handler] = transport
        self._unproven[handler] = None
        self._silent[handler] = self._loop_here.time() + FIRST_REQUEST_SECONDS
        if self._sweeper is None:
            self._sweeper = self._loop_here.call_later(FIRST_REQUEST_SECONDS / 5, self._sweep)
        if len(self._open) > most_connections():
            self._make_room(f"{len(self._open)} connections")

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a closed connection.

        Args:
            handler: The connection.
            exc: The error that closed it, if any.
        """
        assert isinstance(handler, Connection)
        del self._open[handler]
        self.forget(handler)
        super().connection_lost(handler, exc)

    def received(self, connection: Connection, size: int) -> None:
        """Count the bytes of a connection, and evict connections while all hold too many.

        Args:
            connection: The connection.
            size: The number of bytes.
        """
        # Websocket sessions and evicted connections are in neither line.
        if connection in self._line(connection):
            connection.received += size
            self._waiting += size
        # The connection itself may be the one that is evicted, or the only one left.
        while self._waiting > WAITING_BYTES and (self._unproven or self._proven):
            self._make_room(f"{self._waiting} bytes of requests that are not whole")

    def _counted(self, handler: Handler) -> Handler:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            response = None
            try:
                response = await handler(request)
                return response
            finally:
                connection = request.protocol
                assert isinstance(connection, Connection)
                # OPTIONS needs no credentials.
                good = response is not None and response.status < 300 and request.method != "OPTIONS"
                self._answered(connection, good)

        return answer

    def _answered(self, connection: Connection, good: bool) -> None:
        if connection not in self._line(connection):
            return
        # All of them, also those of a next request that was sent early (pipelining).
        self._waiting -= connection.received
        connection.received = 0
        # A peer that has once authenticated stays authenticated, whatever is refused later.
        if good and not connection.known:
            del self._unproven[connection]
            connection.known = True
            self._proven[connection] = None

    def _line(self, connection: Connection) -> OrderedDict[Connection, None]:
        return self._proven if connection.known else self._unproven

    def forget(self, connection: Connection) -> None:
        """Exempt a connection from counting and eviction; a second call does nothing.

        Args:
            connection: The connection.
        """
        self._silent.pop(connection, None)
        line = self._line(connection)
        if connection in line:
            del line[connection]
            self._waiting -= connection.received

    def stop(self) -> None:
        """Stop the timer for silent connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def disconnect(self) -> None:
        """Abort the connections that are left, and return when all have ended, in a few turns of the loop."""
        # One with unsent bytes for a peer that does not read would otherwise stay open, and the loop be closed before
        # the others have ended.
        while self._open:
            for transport in self._open.values():
                transport.abort()
            await asyncio.sleep(0)

    def _make_room(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning("There are %s: from now on the oldest connections without a request are closed", why)
        connection = next(iter(self._unproven or self._proven))
        self.forget(connection)
        # Aborted: unsent bytes for a peer that does not read would keep the socket open.
        transport = connection.transport
        connection.force_close()
        if transport is not None:
            transport.abort()

    def _sweep(self) -> None:
        now = self._loop_here.time()
        for handler in [handler for handler, deadline in self._silent.items() if deadline <= now]:
            del self._silent[handler]
            handler.force_close()
        again = bool(self._silent)
        self._sweeper = self._loop_here.call_later(FIRST_REQUEST_SECONDS / 5, self._sweep) if again else None

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: Any,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        assert isinstance(protocol, Connection)
        # The headers of the first request are complete; from here aiohttp's idle timer and BODY_SECONDS apply.
        self._silent.pop(protocol, None)
        line = self._line(protocol)
        if protocol in line:
            line.move_to_end(protocol)
        return Request(message, payload, protocol, writer, task, self._loop_here, client_max_size=BODY_BYTES)


def most_connections() -> int:
    """Return how many connections may be open now; fewer if the process may not open many files."""
    # Asked each time, because the program may change its limit at any moment; it is one system call.
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, int(files * (1 - FILES_FOR_OTHERS))))


async def read_body(request: web.BaseRequest, limit: int = BODY_BYTES) -> bytes:
    """Return the whole body of a request.

    Args:
        request: The request.
        limit: The largest length in bytes.

    Raises:
        Rejected: It is longer than ``limit`` bytes (413), took too long (408), is compressed (415), or was cut off or
            garbled (400).
        ConnectionError: The connection has closed.
    """
    if not request.body_exists:
        return b""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise refusals.encoded(encoding)
    # Refused by its header before a byte of it is read; a chunked body has no length and is cut off below.
    if (request.content_length or 0) > limit:
        raise refusals.too_large(limit)
    try:
        # A body that came with its headers needs no timer.
        body = await (request.read() if request.content.is_eof() else asyncio.wait_for(request.read(), BODY_SECONDS))
    except web.HTTPRequestEntityTooLarge:
        raise refusals.too_large(limit) from None
    except asyncio.TimeoutError:
        raise refusals.too_slow() from None
    except RuntimeError:
        # aiohttp's error for a connection that this side has closed meanwhile.
        raise ConnectionResetError("The connection was closed before the body was there") from None
    except (web.RequestPayloadError, ValueError):
        raise refusals.invalid("The request body is garbled") from None
    # aiohttp's own limit is BODY_BYTES, which may be larger than this one.
    if len(body) > limit:
        raise refusals.too_large(limit)
    # For the console, which shows the traffic.
    if isinstance(request, Request):
        request.whole_body = body
    return body
