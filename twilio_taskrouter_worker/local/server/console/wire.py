"""The inspector: the latest requests, frames and webhooks of one service, as they went over the wire.

Recording must cost next to nothing, because it goes on while no console is open: it keeps references to data that the
service holds anyway, up to a number and a size. The texts for pages are made on request, without secrets.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
from aiohttp import web

from ....options import BRIDGE_PATH
from ...engine import Rejected
from ..bridge.tunnel import Envelope, open_envelope
from ..events import frames
from ..events.posting import Posted
from ..events.sessions import Session
from .access import PATH

KEPT = 5_000
KEPT_BYTES = 32 * 1024 * 1024
"""How much all entries may take; the oldest ones are evicted first."""
BODY_BYTES = 64 * 1024
"""How much of one body is kept."""

_REST = "/v1/"
_CONTROL = "/control/"

_NAME_CHARACTERS = 20
_PATH_CHARACTERS = 2000
"""How much of the path inside of a tunnelled request is kept; the one outside is limited with the request line."""

Headers = Iterable[tuple[str, str]]


_Frame = tuple[float, str, bytes]
"""A frame as it is kept: real unix seconds, the worker, the frame. There may be thousands in a second."""


@attrs.define
class Exchange:
    """One entry: a request with its answer, a frame, or a webhook."""

    at: float
    """Real unix seconds at its beginning."""
    kind: str
    """``rest``, ``bridge``, ``handshake``, ``frame``, ``webhook`` or ``control``."""
    method: str
    path: str = attrs.field(repr=False)
    """Path with query; the URL of a webhook."""
    console: bool = False
    """The console itself made the request."""
    status: int | None = None
    milliseconds: float | None = None
    worker_sid: str | None = None
    address: str | None = None
    problem: str | None = None
    """Why a webhook was not delivered."""
    sent_headers: Headers = attrs.field(default=(), repr=False)
    """Headers of the request."""
    sent: bytes = attrs.field(default=b"", repr=False)
    received_headers: Headers = attrs.field(default=(), repr=False)
    """Headers of the answer."""
    received: bytes = attrs.field(default=b"", repr=False)
    truncated: bool = False
    number: int = 0
    """Grows by one with each entry; set when it is read."""

    @property
    def envelope(self) -> Envelope | None:
        """The tunnelled request; None: this is none, or its body was cut off."""
        # Read again from the bounded body: the parsed one may hold half a megabyte of a token.
        try:
            return open_envelope(self.sent) if self.kind == "bridge" else None
        except Rejected:
            return None

    @property
    def size(self) -> int:
        """The length of the kept parts of the bodies."""
        return len(self.sent) + len(self.received)

    @property
    def kept(self) -> int:
        """The length of all kept parts: a request may have a megabyte of headers."""
        headers = sum(len(value) for _, value in self.sent_headers)
        return len(self.path) + headers + self.size


class Wire:
    """The entries, oldest first. Belongs to the service's loop.

    Args:
        clock: Returns real unix seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: deque[Exchange | _Frame] = deque()
        self._bytes = 0
        self.last: int = 0
        """The number of the latest entry; 0: there was none."""
        self.added: Callable[[], None] | None = None
        """Called after each entry; None: no console shows them."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, kind: str, method: str, path: str, **fields: Any) -> None:
        """Add an entry.

        Args:
            kind: Its kind.
            method: The method.
            path: The path.
            fields: Further fields of :class:`Exchange`.
        """
        for name in ("sent", "received"):
            body = fields.get(name) or b""
            if len(body) > BODY_BYTES:
                # A slice is a copy, so the whole body is not kept alive by it.
                fields[name], fields["truncated"] = body[:BODY_BYTES], True
        entry = Exchange(fields.pop("at", None) or self._clock(), kind, method, path, **fields)
        self._append(entry, entry.kept)

    def find(self, number: int) -> Exchange | None:
        """Return an entry, or None if it is unknown or was evicted.

        Args:
            number: Its number.
        """
        # Numbers grow by one per entry, so the place follows from the number of the oldest one.
        index = number - (self.last - len(self._entries)) - 1
        return _read(self._entries[index], number) if 0 <= index < len(self._entries) else None

    def backwards(self, before: int) -> Iterator[Exchange]:
        """Iterate over the entries below a number, latest first.

        Args:
            before: The number.
        """
        numbered = zip(range(self.last, 0, -1), reversed(self._entries), strict=False)
        return (_read(entry, number) for number, entry in numbered if number < before)

    def clear(self) -> None:
        """Forget all entries; their numbers are not used again."""
        self._entries.clear()
        self._bytes = 0

    def _append(self, entry: Exchange | _Frame, size: int) -> None:
        self.last += 1
        self._entries.append(entry)
        self._bytes += size
        # It ends: an entry alone is smaller than the limit, and the sum is that of the entries.
        while len(self._entries) > KEPT or self._bytes > KEPT_BYTES:
            evicted = self._entries.popleft()
            self._bytes -= len(evicted[2]) if isinstance(evicted, tuple) else evicted.kept
        if self.added is not None:
            self.added()

    # -- where it is called --------------------------------------------------------------------------------------------

    def request(self, request: web.BaseRequest, response: web.StreamResponse, seconds: float) -> None:
        """Note a request that was answered.

        Args:
            request: The request.
            response: Its answer.
            seconds: The time it took.
        """
        path = request.raw_path
        console = path.startswith(f"{PATH}/")
        if console:
            # Shown as what it is, a call of REST or of the control address, which a program can make as well.
            path = path[len(PATH) :].removeprefix("/rest")
        # Absent if the request was refused before its envelope was read.
        envelope: Envelope | None = getattr(request, "tunnelled", None)
        kind = _kind(path, request.method, envelope)
        if kind is None or (kind == "handshake" and response.status == 101):
            return  # an accepted handshake was noted when it was accepted
        # Websockets have none.
        body = getattr(response, "body", None)
        self.add(
            kind,
            request.method if envelope is None else envelope.method[:_NAME_CHARACTERS],
            path if envelope is None else envelope.url[:_PATH_CHARACTERS],
            at=self._clock() - seconds,
            console=console,
            status=response.status,
            milliseconds=seconds * 1000,
            address=request.remote,
            sent_headers=request.headers.items(),
            sent=getattr(request, "whole_body", b""),
            received_headers=response.headers.items(),
            received=body if isinstance(body, bytes) else b"",
        )

    def handshake(self, request: web.BaseRequest, worker_sid: str) -> None:
        """Note a websocket that was accepted.

        Args:
            request: Its handshake.
            worker_sid: Its worker.
        """
        self.add(
            "handshake",
            "GET",
            request.raw_path,
            status=101,
            worker_sid=worker_sid,
            address=request.remote,
            sent_headers=request.headers.items(),
        )

    def frame(self, session: Session, frame: bytes) -> None:
        """Note a frame that was sent to a client; heartbeats are left out.

        Args:
            session: Its websocket.
            frame: The frame.
        """
        # By identity: the one constant is sent to all.
        if frame is not frames.HEARTBEAT:
            self._append((self._clock(), session.worker_sid, frame), len(frame))

    def webhook(self, posted: Posted) -> None:
        """Note a webhook, answered or not.

        Args:
            posted: The webhook.
        """
        reply = posted.reply
        self.add(
            "webhook",
            "POST",
            posted.url,
            at=self._clock() - posted.seconds,
            status=None if reply is None else reply.status,
            milliseconds=posted.seconds * 1000,
            problem=posted.problem,
            sent_headers=posted.headers.items(),
            sent=posted.form,
            received_headers=() if reply is None else (("Content-Type", reply.content_type),),
            received=b"" if reply is None else reply.body,
        )


def _read(entry: Exchange | _Frame, number: int) -> Exchange:
    if isinstance(entry, tuple):
        at, worker_sid, frame = entry
        payload = frames.payload(frame)
        cut = payload[:BODY_BYTES]
        entry = Exchange(at, "frame", "", "", worker_sid=worker_sid, received=cut, truncated=len(cut) < len(payload))
    entry.number = number
    return entry


def _kind(path: str, method: str, envelope: Envelope | None) -> str | None:
    if path.startswith(BRIDGE_PATH):
        return "bridge" if envelope is not None or method != "GET" else "handshake"
    if path.startswith(_REST):
        return "rest"
    return "control" if path.startswith(_CONTROL) else None
