"""HTTP connections: limits on what a peer may send, and in what time."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from ..._bridge.jsontext import dumps
from ..engine import Rejected
from . import refusals

log = logging.getLogger("twilio_taskrouter_worker.local")

BODY_BYTES: Final = 4 * 1024 * 1024
"""A workflow's configuration may have 1 MB, which a form can triple."""
TUNNEL_BODY_BYTES: Final = 1024 * 1024
HEADER_LINE_BYTES: Final = 16 * 1024
"""A websocket's token travels in the request line."""
ALL_HEADERS: Final = 100
IDLE_SECONDS: Final = 75.0
"""How long a connection may stay open between requests."""
FIRST_REQUEST_SECONDS: Final = 30.0
"""How long a new connection may take until the headers of its first request are complete."""
BODY_SECONDS: Final = 30.0
"""How long the body of a request may take."""

JSON: Final = "application/json; charset=utf-8"


class Connection(web.RequestHandler):
    """One HTTP connection; what is not HTTP is answered in JSON as well."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request, or made the handler fail."""
        if isinstance(exc, ConnectionError):
            # The client went away in the middle of its request: nobody reads this answer, and nothing is wrong here.
            log.debug("A client closed its connection before its answer was written")
            refusal = refusals.trouble()
        elif status >= 500:
            log.error("A connection failed: %s", type(exc).__name__, exc_info=exc)
            refusal = refusals.trouble()
        else:
            refusal = Rejected(status, 20001, "The request is not well-formed HTTP")
        response = web.Response(
            status=refusal.status, body=dumps(refusals.body(refusal)), headers={"Content-Type": JSON}
        )
        response.force_close()
        return response


class HttpServer(web.Server):
    """Makes a :class:`Connection` for each peer and closes those that never say anything whole."""

    def __init__(self, handler: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._options = {
            "access_log": None,
            "keepalive_timeout": IDLE_SECONDS,
            "max_line_size": HEADER_LINE_BYTES,
            "max_field_size": HEADER_LINE_BYTES,
            "lingering_time": 2.0,
        }
        self._loop_here = loop
        super().__init__(handler, request_factory=self._request)
        # aiohttp's idle timer is for connections between requests; those before their first one are looked after here.
        self._silent: dict[web.RequestHandler, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return Connection(self, loop=self._loop_here, **self._options)  # type: ignore[arg-type]

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count the seconds of a connection that has not asked for anything."""
        super().connection_made(handler, transport)
        self._silent[handler] = self._loop_here.time() + FIRST_REQUEST_SECONDS
        if self._sweeper is None:
            self._sweeper = self._loop_here.call_later(FIRST_REQUEST_SECONDS / 5, self._sweep)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        self._silent.pop(handler, None)
        super().connection_lost(handler, exc)

    def stop(self) -> None:
        """Stop looking for silent connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

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
        self._silent.pop(protocol, None)
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop_here, client_max_size=BODY_BYTES
        )


async def read_body(request: web.BaseRequest, limit: int = BODY_BYTES) -> bytes:
    """Return the whole body of a request.

    Raises:
        Rejected: it is longer than ``limit`` bytes (413), took too long (408), or was cut off or garbled (400).
    """
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > limit:
        raise refusals.too_large(limit)
    try:
        # A body that came with its headers needs no timer.
        body = await (request.read() if request.content.is_eof() else asyncio.wait_for(request.read(), BODY_SECONDS))
    except web.HTTPRequestEntityTooLarge:
        raise refusals.too_large(limit) from None
    except asyncio.TimeoutError:
        raise refusals.too_slow() from None
    except (web.RequestPayloadError, ValueError):
        raise refusals.invalid("The request body is garbled") from None
    if len(body) > limit:
        raise refusals.too_large(limit)
    return body
