"""Websockets of the event bridge: the handshake, and the lifetime of one session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import WSMsgType, web

from ...._log import LOCAL as log
from ..auth.tokens import Grant
from ..events.sessions import Session
from ..http import forms, refusals
from ..http.connections import Connection
from ..service import Service

_CLOSE_SECONDS = 1.0
"""How long a client may take to answer a close."""
LARGEST_MESSAGE = 64 * 1024
"""Clients send nothing; a longer message ends the session (1009)."""
MOST_FRAMES = 1000
"""How many frames a client may send in a minute, pings included, before it is dropped. None is expected."""
_MINUTE = 60.0
_OVER = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


async def serve(
    service: Service, request: web.BaseRequest, accepted: Callable[[web.BaseRequest, str], None] | None = None
) -> web.StreamResponse:
    """Accept a websocket, and return after it has closed.

    Args:
        service: The service.
        request: The handshake.
        accepted: Called with it and its worker once it is accepted; None: nobody records it.

    Returns:
        The websocket, which has ended.

    Raises:
        Rejected: It is not a handshake (400), its token is invalid for one (401, 403), or the worker has too many
            sessions (429).
        StoreError: A commit failed.
    """
    query = forms.parse_form(request.raw_path.partition("?")[2].encode())
    close_others = forms.boolean(_one(query.get("closeExistingSessions", "false")))
    # Before prepare(): a refusal can only be an HTTP answer as long as the upgrade has not been sent.
    grant, worker_sid = _admit(service, query.get("token"), close_others=close_others)
    # Without compression, because sessions write ready-made frames to the transport. No autoping: pings are counted.
    socket = web.WebSocketResponse(timeout=_CLOSE_SECONDS, compress=False, max_msg_size=LARGEST_MESSAGE, autoping=False)
    try:
        await socket.prepare(request)
    except web.HTTPException:
        raise refusals.invalid("This address takes a websocket handshake, or a POST with an envelope") from None
    transport = request.transport
    # The client disconnected during the handshake: there is no session to open.
    if transport is None:
        return socket
    if accepted is not None:
        accepted(request, worker_sid)
    if isinstance(request.protocol, Connection):
        # Sessions have limits of their own (heartbeats, buffers, number per worker); eviction would break them at
        # random.
        request.protocol.exempt()
    offline = query.get("setWorkerOfflineIfDisconnected")
    session = Session(
        grant.workspace_sid,
        worker_sid,
        transport,
        partial(_close_politely, socket, transport),
        expires_at=grant.expires_at,
        set_offline=None if offline is None else forms.boolean(_one(offline)),
    )
    await _run(service, session, socket, close_others=close_others)
    return socket


async def _close_politely(
    socket: web.WebSocketResponse, transport: asyncio.WriteTransport, code: int, reason: str
) -> None:
    try:
        # Bounded twice: the timeout of the socket covers the answer only, not a client that does not read the close
        # frame.
        await asyncio.wait_for(socket.close(code=code, message=reason.encode()), _CLOSE_SECONDS)
    except (asyncio.TimeoutError, ConnectionError, RuntimeError):
        transport.abort()


async def _run(service: Service, session: Session, socket: web.WebSocketResponse, *, close_others: bool) -> None:
    """Register a session, and return after its websocket has closed."""
    try:
        service.open_session(session, close_others=close_others)
        if not await _listen(socket, service.loop):
            # Aborted without a close handshake: that would read all remaining frames before the loop can go on.
            log.warning("Dropped a session of worker %s: its client sends too many frames", session.worker_sid)
            session.transport.abort()
    except ConnectionError:
        pass
    except Exception:
        # The connection is a websocket by now: an HTTP answer is impossible.
        log.exception("A session of worker %s failed", session.worker_sid)
        session.transport.abort()
    finally:
        # Also if open_session() failed: removing an unknown session only marks it as closed.
        service.sessions.remove(session)


def _admit(service: Service, token: Any, *, close_others: bool) -> tuple[Grant, str]:
    """Return the grant of a token, and the worker whose session it opens.

    Raises:
        Rejected: The token is invalid, or its worker has too many sessions.
        StoreError: A commit failed, so no session can be opened any more.
    """
    grant = service.signing_key.verify(token if isinstance(token, str) else None)
    # Before the handshake is answered: after it, a session that cannot be opened would only be cut off.
    service.committer.check()
    service.check_grant(grant)
    if grant.worker_sid is None:
        raise refusals.forbidden("A token without a worker cannot open a websocket", service.rules)
    limit = service.rules.sessions_per_worker
    # A session that closes the others makes its own place.
    if limit is not None and not close_others and len(service.sessions.of(grant.worker_sid)) >= limit:
        raise refusals.too_many_sessions(limit)
    return grant, grant.worker_sid


async def _listen(socket: web.WebSocketResponse, loop: asyncio.AbstractEventLoop) -> bool:
    """Read until the end, answer pings and drop all other frames; return False if there are too many."""
    count, since = 0, loop.time()
    # Read although clients send nothing: otherwise neither pings nor the close frame would be seen.
    while (message := await socket.receive()).type not in _OVER:
        count += 1
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
        if count > MOST_FRAMES:
            if loop.time() - since < _MINUTE:
                return False
            count, since = 0, loop.time()
    return True


def _one(value: Any) -> str:
    return str(value[-1]) if isinstance(value, list) else str(value)
