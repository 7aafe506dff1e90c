"""Faults that affect outgoing frames."""

from __future__ import annotations

import asyncio
from collections import deque

from ...._log import LOCAL as log
from ..events.frames import Kind
from ..events.sessions import SEND_BUFFER_BYTES, Session
from .active import ActiveFault, ActiveFaults


class Delay(ActiveFault):
    """Sends every frame *seconds* later, in the same order."""

    def __init__(self, seconds: float, worker_sid: str | None = None) -> None:
        super().__init__(worker_sid)
        self._seconds = seconds
        # One queue in order of time for all sessions: asyncio runs timers of the same moment in any order.
        self._held: deque[tuple[float, Session, Kind, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Hold a frame back for the delay.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        assert self.faults is not None
        self.hits += 1
        self._held.append((self.faults.loop.time() + self._seconds, session, kind, data))
        self._arm()

    def end(self) -> None:
        """Send all held frames at once."""
        if self._timer is not None:
            self._timer.cancel()
        while self._held:
            self.pass_on(*self._held.popleft()[1:])

    def _arm(self) -> None:
        assert self.faults is not None
        if self._timer is None and self._held:
            self._timer = self.faults.loop.call_at(self._held[0][0], self._release)

    def _release(self) -> None:
        assert self.faults is not None
        self._timer = None
        now = self.faults.loop.time()
        while self._held and self._held[0][0] <= now:
            self.pass_on(*self._held.popleft()[1:])
        self._arm()


class Duplicate(ActiveFault):
    """Sends every event twice."""

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Pass a frame on, and an event once more.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        self.pass_on(session, kind, data)
        if kind is Kind.EVENT:
            self.hits += 1
            self.pass_on(session, kind, data)


class Reorder(ActiveFault):
    """Sends the events of each window of *window* seconds in reverse order."""

    def __init__(self, window: float, worker_sid: str | None = None) -> None:
        super().__init__(worker_sid)
        self._window = window
        self._held: dict[Session, tuple[list[bytes], asyncio.TimerHandle]] = {}

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Hold an event back until its window ends; pass other frames on.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        # init stays the first frame, without which the client would not accept events.
        if kind is not Kind.EVENT:
            self.pass_on(session, kind, data)
            return
        assert self.faults is not None
        self.hits += 1
        if session not in self._held:
            timer = self.faults.loop.call_later(self._window, self._release, session)
            self._held[session] = ([], timer)
        self._held[session][0].append(data)

    def end(self) -> None:
        """Send all held events at once, in reverse order within each open window."""
        for session in list(self._held):
            self._release(session)

    def _release(self, session: Session) -> None:
        held, timer = self._held.pop(session)
        # Called by the timer itself, or by end().
        timer.cancel()
        for data in reversed(held):
            self.pass_on(session, Kind.EVENT, data)


class StallHeartbeats(ActiveFault):
    """Drops heartbeats; all other frames pass."""

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Drop a heartbeat; pass other frames on.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        if kind is Kind.HEARTBEAT:
            self.hits += 1
        else:
            self.pass_on(session, kind, data)


class HalfOpen(ActiveFault):
    """Stops sending and reading on the sockets that are open when it begins, without closing them.

    Outgoing frames are held. If the fault ends before the client has given up the socket, all of them are sent, as
    after a temporary network outage; otherwise the socket turns out to be closed.
    """

    def __init__(self, worker_sid: str | None = None) -> None:
        super().__init__(worker_sid)
        self._held: dict[Session, list[tuple[Kind, bytes]]] = {}
        self._size: dict[Session, int] = {}

    def begin(self, faults: ActiveFaults) -> None:
        """Stall the sessions that are open now.

        Args:
            faults: The active faults.
        """
        super().begin(faults)
        for session in faults.sessions.select(self.worker_sid):
            # A session stalled by an earlier fault belongs to that one, which will also resume it.
            if not session.stalled:
                session.stalled = True
                # TCP then fills its buffers, as with a peer that the network no longer reaches.
                session.transport.pause_reading()
                self._held[session] = []
                self._size[session] = 0
        self.hits = len(self._held)

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Hold a frame of a stalled session; drop the session once it holds more than its buffer allows.

        Args:
            session: The session it is for.
            kind: The kind of frame.
            data: The frame's bytes.
        """
        held = self._held.get(session)
        if held is None:
            self.pass_on(session, kind, data)
            return
        self._size[session] += len(data)
        # The service's own limit sees only the transport's buffer, which these frames do not reach.
        if self._size[session] > SEND_BUFFER_BYTES:
            log.warning("Dropped a half-open session of worker %s: too many held frames", session.worker_sid)
            session.transport.abort()
            return
        held.append((kind, data))

    def end(self) -> None:
        """Resume sending and reading, and send the held frames."""
        for session, held in self._held.items():
            # Before the frames are passed on: a session may be closed while they are written.
            session.stalled = False
            if not session.open:
                # The service closed it meanwhile, but could not send a close frame.
                session.transport.abort()
                continue
            session.transport.resume_reading()
            for kind, data in held:
                self.pass_on(session, kind, data)
