"""Faults that meet frames on their way to a client."""

from __future__ import annotations

import asyncio
from collections import deque

from ...._log import LOCAL as log
from ..events.frames import Kind
from ..events.sessions import SEND_BUFFER_BYTES, Session
from .active import Disturbance, Disturbances


class Delay(Disturbance):
    """Every frame goes out so many seconds later; their order stays."""

    def __init__(self, seconds: float, worker_sid: str | None = None) -> None:
        super().__init__(worker_sid)
        self._seconds = seconds
        # One queue in order of time for all sessions: timers of the same moment would run in any order.
        self._held: deque[tuple[float, Session, Kind, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Hold a frame back."""
        assert self.board is not None
        self.hits += 1
        self._held.append((self.board.loop.time() + self._seconds, session, kind, data))
        self._arm()

    def end(self) -> None:
        """Let all go at once."""
        if self._timer is not None:
            self._timer.cancel()
        while self._held:
            self.pass_on(*self._held.popleft()[1:])

    def _arm(self) -> None:
        assert self.board is not None
        if self._timer is None and self._held:
            self._timer = self.board.loop.call_at(self._held[0][0], self._release)

    def _release(self) -> None:
        assert self.board is not None
        self._timer = None
        now = self.board.loop.time()
        while self._held and self._held[0][0] <= now:
            self.pass_on(*self._held.popleft()[1:])
        self._arm()


class Duplicate(Disturbance):
    """Every event goes out twice."""

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Let a frame pass, and an event once more."""
        self.pass_on(session, kind, data)
        if kind is Kind.EVENT:
            self.hits += 1
            self.pass_on(session, kind, data)


class Reorder(Disturbance):
    """Events that follow each other within so many seconds go out in reverse order."""

    def __init__(self, window: float, worker_sid: str | None = None) -> None:
        super().__init__(worker_sid)
        self._window = window
        self._held: dict[Session, tuple[list[bytes], asyncio.TimerHandle]] = {}

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Hold an event back until the window closes."""
        if kind is not Kind.EVENT:
            self.pass_on(session, kind, data)
            return
        assert self.board is not None
        self.hits += 1
        if session not in self._held:
            timer = self.board.loop.call_later(self._window, self._release, session)
            self._held[session] = ([], timer)
        self._held[session][0].append(data)

    def end(self) -> None:
        """Let all go at once, those of the open windows in reverse."""
        for session in list(self._held):
            self._release(session)

    def _release(self, session: Session) -> None:
        held, timer = self._held.pop(session)
        timer.cancel()
        for data in reversed(held):
            self.pass_on(session, Kind.EVENT, data)


class StallHeartbeats(Disturbance):
    """No heartbeat goes out; everything else does."""

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Swallow a heartbeat."""
        if kind is Kind.HEARTBEAT:
            self.hits += 1
        else:
            self.pass_on(session, kind, data)


class HalfOpen(Disturbance):
    """The sockets that are open when it begins stay open, but nothing is sent or read on them any more.

    What would be sent waits. If it ends before the client has given the socket up, everything arrives, as after a
    network that was gone for a while; else the socket is found to be closed.
    """

    def __init__(self, worker_sid: str | None = None) -> None:
        super().__init__(worker_sid)
        self._held: dict[Session, list[tuple[Kind, bytes]]] = {}
        self._size: dict[Session, int] = {}

    def begin(self, board: Disturbances) -> None:
        """Take the sessions that are open now."""
        super().begin(board)
        for session in board.sessions.select(self.worker_sid):
            if not session.stalled:
                session.stalled = True
                session.wire.pause_reading()
                self._held[session] = []
                self._size[session] = 0
        self.hits = len(self._held)

    def frame(self, session: Session, kind: Kind, data: bytes) -> None:
        """Keep a frame."""
        held = self._held.get(session)
        if held is None:
            self.pass_on(session, kind, data)
            return
        self._size[session] += len(data)
        if self._size[session] > SEND_BUFFER_BYTES:
            log.warning("Too much waits for a half-open session of worker %s: dropped", session.worker_sid)
            session.wire.abort()
            return
        held.append((kind, data))

    def end(self) -> None:
        """Send and read again."""
        for session, held in self._held.items():
            session.stalled = False
            if not session.open:
                # The service ended it meanwhile, which its client could not be told.
                session.wire.abort()
                continue
            session.wire.resume_reading()
            for kind, data in held:
                self.pass_on(session, kind, data)
