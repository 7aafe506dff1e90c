"""Faults that are active: each may hold up, change or swallow frames on their way out and requests on their way in.

A frame passes one fault after the other, in the order in which they began, and then goes out; each fault calls
:meth:`Disturbance.pass_on` for what it lets through, now or later.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import attrs

from ....errors import TokenError
from ....tokens import decode_unverified
from ..auth.tokens import LONGEST_TOKEN
from ..events.frames import Kind
from ..events.sessions import Session, Sessions

HANDSHAKE: Final = "handshake"
TUNNEL: Final = "tunnel"
REST: Final = "REST"

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no seconds: closing sends RST."""


class Disturbed(Exception):
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
        if not self.token or len(self.token) > LONGEST_TOKEN:
            return None
        try:
            claims = decode_unverified(self.token)
        except TokenError:
            return None
        return _worker(claims)


class Disturbance:
    """One fault. Belongs to the service's loop.

    Args:
        worker_sid: the worker whose frames and requests it is for; None: everybody's.
    """

    def __init__(self, worker_sid: str | None = None) -> None:
        self.worker_sid = worker_sid
        self.hits = 0
        """How many frames, requests or connections it has met."""
        self.active = False
        self.board: Disturbances | None = None
        """Where it is, or was, active."""

    def concerns(self, worker_sid: str | None) -> bool:
        """Whether it is for this worker."""
        return self.worker_sid is None or self.worker_sid == worker_sid

    def begin(self, board: Disturbances) -> None:
        """Become active."""
        self.board = board

    def end(self) -> None:
        """Let go of whatever is held back; it is active for the last time."""

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Do what is to be done to one frame."""
        self.pass_on(session, kind, data)

    def pass_on(self, session: Session, kind: Kind, data: bytes) -> None:
        """Let a frame go on its way."""
        assert self.board is not None
        self.board.frame(session, kind, data, after=self)

    async def request(self, arrival: Arrival) -> None:
        """Do what is to be done to one request before it is looked at.

        Raises:
            Disturbed: it is answered by this.
        """

    def refuses_connections(self) -> bool:
        """Whether a new TCP connection is to be reset."""
        return False


class Disturbances:
    """The faults that are active at present. Belongs to the service's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sessions: Sessions) -> None:
        self.loop = loop
        self.sessions = sessions
        self._active: list[Disturbance] = []

    # -- which ---------------------------------------------------------------------------------------------------

    def begin(self, disturbance: Disturbance) -> None:
        """Let a fault become active."""
        disturbance.begin(self)
        disturbance.active = True
        self._active.append(disturbance)

    def end(self, disturbance: Disturbance) -> None:
        """End a fault; one that is not active stays so."""
        if disturbance in self._active:
            disturbance.end()
            disturbance.active = False
            self._active.remove(disturbance)

    def end_all(self) -> None:
        """End every fault, the latest first."""
        for disturbance in reversed(list(self._active)):
            self.end(disturbance)

    # -- where they meet frames, requests and connections --------------------------------------------------------

    def frame(self, session: Session, kind: Kind, data: bytes, after: Disturbance | None = None) -> None:
        """Bring a frame to the next fault that is for its worker, or out."""
        start = 0 if after is None else self._active.index(after) + 1
        for disturbance in self._active[start:]:
            if disturbance.concerns(session.worker_sid):
                disturbance.frame(session, kind, data)
                return
        session.transmit(data)

    async def request(self, arrival: Arrival) -> None:
        """Let a request meet the faults.

        Raises:
            Disturbed: one of them answers it.
        """
        for disturbance in list(self._active):
            if disturbance.active:  # another one may have waited meanwhile
                await disturbance.request(arrival)

    def door(self, make_protocol: Callable[[], asyncio.BaseProtocol]) -> Callable[[], asyncio.BaseProtocol]:
        """Return what makes the protocol of each new connection: as given, or one that resets it at once."""

        def answer() -> asyncio.BaseProtocol:
            refused = any(disturbance.refuses_connections() for disturbance in self._active)
            return _Refusal() if refused else make_protocol()

        return answer


def reset(transport: Any) -> None:
    """End a TCP connection with RST, as a host does that has just been restarted."""
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class _Refusal(asyncio.Protocol):
    """What answers a connection that is refused."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        reset(transport)


def _worker(claims: Any) -> str | None:
    for key in ("grants", "task_router", "worker_sid"):
        claims = claims.get(key) if isinstance(claims, dict) else None
    return claims if isinstance(claims, str) else None
