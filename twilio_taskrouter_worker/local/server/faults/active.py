"""The active faults: each may delay, change or drop outgoing frames and incoming requests.

Invariant: a frame passes the active faults in the order in which they began and is then written. Each fault calls
:meth:`ActiveFault.pass_on` for the frames it lets through, at once or later, and the frame continues with the next
fault.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import attrs

from ....errors import TokenError
from ....tokens import decode_unverified
from ..auth.tokens import LONGEST_TOKEN
from ..events.frames import Kind
from ..events.sessions import Session, Sessions

HANDSHAKE = "handshake"
TUNNEL = "tunnel"
REST = "REST"

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no seconds: closing sends RST."""


class AnsweredByFault(Exception):
    """A fault answers a request in place of the service."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


@attrs.frozen(slots=False)
class Arrival:
    """A request that has come in."""

    kind: str
    method: str
    path: str
    """Below ``/v1/``; that of the tunnelled request."""
    token: str | None = attrs.field(default=None, repr=False)
    """As it was sent: it may be anything."""

    @cached_property
    def worker_sid(self) -> str | None:
        """The worker that the token names; it was not verified."""
        # Before the token is verified: decoding must be bounded for any text.
        if not self.token or len(self.token) > LONGEST_TOKEN:
            return None
        try:
            claims = decode_unverified(self.token)
        except TokenError:
            return None
        return _worker(claims)


class ActiveFault:
    """Base of all faults. Belongs to the service's loop.

    Args:
        worker_sid: The worker whose frames and requests it affects; None: all workers.
    """

    def __init__(self, worker_sid: str | None = None) -> None:
        self.worker_sid = worker_sid
        self.hits: int = 0
        """The number of frames, requests or connections it has affected."""
        self.active = False
        self.faults: ActiveFaults | None = None
        """The faults it belongs to, from its start on; still set while it ends, so that held frames are passed on."""

    def concerns(self, worker_sid: str | None) -> bool:
        """Return whether it affects a worker.

        Args:
            worker_sid: The worker's sid; None: a request without a worker.
        """
        return self.worker_sid is None or self.worker_sid == worker_sid

    def begin(self, faults: ActiveFaults) -> None:
        """Prepare for the first frame or request; called just before it becomes active.

        Args:
            faults: The active faults.
        """
        self.faults = faults

    def end(self) -> None:
        """Release everything it holds back. It still counts as active, so :meth:`pass_on` finds the faults after it."""

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Handle one outgoing frame; the base class passes it on.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        self.pass_on(session, kind, data)

    def pass_on(self, session: Session, kind: Kind, data: bytes) -> None:
        """Pass a frame on to the next fault, or to the socket.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        assert self.faults is not None
        self.faults.frame(session, kind, data, after=self)

    async def request(self, arrival: Arrival) -> None:
        """Handle one request before it is executed; may wait.

        Args:
            arrival: The request.

        Raises:
            AnsweredByFault: The fault answers the request.
        """

    def refuses_connections(self) -> bool:
        """Return whether a new TCP connection is to be reset."""
        return False


class ActiveFaults:
    """All active faults of one service. Belongs to the service's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sessions: Sessions) -> None:
        self.loop = loop
        self.sessions = sessions
        self._active: list[ActiveFault] = []

    # -- which ---------------------------------------------------------------------------------------------------

    def begin(self, fault: ActiveFault) -> None:
        """Activate a fault.

        Args:
            fault: A fault that was not active before.
        """
        # Before it is in the list: frames that this causes do not pass through a fault that is half prepared.
        fault.begin(self)
        fault.active = True
        self._active.append(fault)

    def end(self, fault: ActiveFault) -> None:
        """End a fault; does nothing if it is not active.

        Args:
            fault: The fault.
        """
        if fault in self._active:
            # While it is still in the list: its held frames continue with the fault after it.
            fault.end()
            fault.active = False
            self._active.remove(fault)

    def end_all(self) -> None:
        """End every fault, the latest first."""
        # The latest is the last on the way to the socket: what it held back is out before the frames of those before it
        # come.
        for fault in reversed(list(self._active)):
            self.end(fault)

    # -- where they meet frames, requests and connections --------------------------------------------------------

    def frame(self, session: Session, kind: Kind, data: bytes, after: ActiveFault | None = None) -> None:
        """Pass a frame to the next fault that affects its worker, or write it.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
            after: The fault that passed it on; None: start with the first one.
        """
        # By its place now: the faults after it may be others than when it got the frame.
        start = 0 if after is None else self._active.index(after) + 1
        for fault in self._active[start:]:
            if fault.concerns(session.worker_sid):
                # Only the first: it calls pass_on() for the next, now or later.
                fault.frame(session, kind, data)
                return
        session.transmit(data)

    async def request(self, arrival: Arrival) -> None:
        """Pass a request through all active faults; waits while one of them delays it.

        Args:
            arrival: The request.

        Raises:
            AnsweredByFault: One of them answers it.
        """
        # A copy: faults may begin or end while the request waits.
        for fault in list(self._active):
            if fault.active:  # it may have ended while an earlier one delayed the request
                await fault.request(arrival)

    def with_resets(self, make_protocol: Callable[[], asyncio.BaseProtocol]) -> Callable[[], asyncio.BaseProtocol]:
        """Wrap the protocol factory of new connections: while a fault refuses connections, they are reset at once.

        Args:
            make_protocol: Makes the protocol of an accepted connection.

        Returns:
            The factory for the listening socket.
        """

        def answer() -> asyncio.BaseProtocol:
            refused = any(fault.refuses_connections() for fault in self._active)
            return _Refusal() if refused else make_protocol()

        return answer


def reset(transport: Any) -> None:
    """End a TCP connection with RST, as a restarted host does.

    Args:
        transport: The asyncio transport of the connection.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        # Without it, close() sends FIN: an orderly end, which clients handle in another way than a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class _Refusal(asyncio.Protocol):
    """The protocol of a refused connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        reset(transport)


def _worker(claims: Any) -> str | None:
    for key in ("grants", "task_router", "worker_sid"):
        claims = claims.get(key) if isinstance(claims, dict) else None
    return claims if isinstance(claims, str) else None
