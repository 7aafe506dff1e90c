"""Open websocket sessions: who hears what, in which order, and when a session ends."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, Protocol

from ...._log import LOCAL as log
from ...._log import LOCAL_SESSIONS as sessions_log
from ..rules import ServiceRules
from . import frames
from .frames import Kind

HEARTBEAT_SECONDS: Final = 15.0
"""Clients take 30 s of silence for a dead connection."""

SEND_BUFFER_BYTES: Final = 4 * 1024 * 1024
"""What may wait in the memory of the service for one client that does not read."""
SLOW_SECONDS: Final = 1.0
"""How long more than that may wait; then the session is dropped. No client can read while a turn of the loop writes."""
BURST_BYTES: Final = 32 * 1024 * 1024
"""What may wait at any moment."""


class Close(enum.Enum):
    """Why the service ends a session: the close code and the reason text its client sees."""

    REPLACED = (4001, "Session replaced: a newer session of this worker asked to close the others")
    TOKEN_EXPIRED = (4002, "Token expired")
    WORKER_DELETED = (4003, "Worker deleted")
    SHUTDOWN = (1001, "The local TaskRouter is shutting down")

    @property
    def code(self) -> int:
        """The websocket close code."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """The text in the close frame; at most 123 bytes."""
        return self.value[1]


class Batch:
    """The frames and webhooks of one change; they leave once the answer to the request behind it is on its way."""

    __slots__ = ("_calls", "_sessions", "released")

    def __init__(self) -> None:
        self.released = False
        self._sessions: dict[Session, None] = {}
        self._calls: list[Callable[[], None]] = []

    def add(self, session: Session, frame: bytes) -> None:
        """Queue a frame behind whatever the session still has to hear."""
        self._sessions[session] = None
        session.queue.append((self, frame))

    def then(self, call: Callable[[], None]) -> None:
        """Call this when the frames leave."""
        self._calls.append(call)

    def release(self) -> None:
        """Let the frames go; those behind older ones that are still held follow them."""
        if self.released:
            return
        self.released = True
        for session in self._sessions:
            session.pump()
        self._sessions.clear()
        for call in self._calls:
            call()
        self._calls.clear()


class Wire(Protocol):
    """The part of an asyncio transport that sessions use."""

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int: ...


class Session:
    """One websocket of one worker.

    Frames are written straight to the transport: no task and no lock per session, so that a session that does not
    read costs memory up to :data:`BURST_BYTES`, for long only :data:`SEND_BUFFER_BYTES`, and nobody else's time.
    """

    __slots__ = (
        "close_politely",
        "expires_at",
        "expiry",
        "open",
        "queue",
        "set_offline",
        "slow",
        "stalled",
        "way",
        "wire",
        "worker_sid",
        "workspace_sid",
    )

    def __init__(
        self,
        workspace_sid: str,
        worker_sid: str,
        wire: Wire,
        close_politely: Callable[[int, str], Coroutine[Any, Any, None]],
        *,
        expires_at: float,
        set_offline: bool | None,
    ) -> None:
        self.workspace_sid = workspace_sid
        self.worker_sid = worker_sid
        self.wire = wire
        self.close_politely = close_politely
        self.expires_at = expires_at
        """Unix seconds: when the token it was opened with ends."""
        self.expiry: asyncio.TimerHandle | None = None
        self.set_offline = set_offline
        """The flag ``setWorkerOfflineIfDisconnected``; None: it was not sent."""
        self.queue: deque[tuple[Batch, bytes]] = deque()
        self.open = True
        self.stalled = False
        """A fault keeps the service from sending and reading."""
        self.slow = False
        """More waits than may wait for long; it is checked again in a while."""
        self.way: Way = Session._straight

    def pump(self) -> None:
        """Write the frames whose turn has come."""
        queue = self.queue
        while queue and queue[0][0].released:
            self.write(Kind.EVENT, queue.popleft()[1])

    def write(self, kind: Kind, frame: bytes) -> None:
        """Let one frame go out, by way of the faults that are active."""
        self.way(self, kind, frame)

    def _straight(self, kind: Kind, frame: bytes) -> None:
        self.transmit(frame)

    def transmit(self, frame: bytes) -> None:
        """Write one frame now, or drop the session of a client that has stopped reading."""
        if not self.open or self.wire.is_closing():
            return
        waiting = self.wire.get_write_buffer_size()
        if waiting > SEND_BUFFER_BYTES:
            if waiting > BURST_BYTES:
                self.drop()
                return
            if not self.slow:
                self.slow = True
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self._check_slow)
        self.wire.write(frame)

    def drop(self) -> None:
        """End the connection of a client that does not read."""
        log.warning("A session of worker %s does not read its events: dropped", self.worker_sid)
        self.wire.abort()

    def _check_slow(self) -> None:
        self.slow = False
        if not self.wire.is_closing() and self.wire.get_write_buffer_size() > SEND_BUFFER_BYTES:
            self.drop()


Way = Callable[[Session, Kind, bytes], None]
"""How a frame goes out: it ends in the session's ``transmit``, or is lost."""


class Sessions:
    """All open sessions.

    Args:
        loop: the loop everything here runs on.
        real_now: real time in unix seconds, for tokens.
        closed: told of each session once it is over.
        rules: say how replaced sessions are closed, and those of expired tokens.
        way: how the frames of all sessions go out; None: straight.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        real_now: Callable[[], float],
        closed: Callable[[Session], None],
        rules: ServiceRules,
        way: Way | None = None,
    ) -> None:
        self._loop = loop
        self._real_now = real_now
        self._closed = closed
        self._rules = rules
        self._by_worker: dict[str, dict[Session, None]] = {}
        self._newest_token: dict[str, float] = {}
        """When the newest token seen of a worker with sessions ends."""
        self._closing: set[asyncio.Task[None]] = set()
        self._heartbeat: asyncio.TimerHandle | None = None
        self._way = way

    def __len__(self) -> int:
        return sum(map(len, self._by_worker.values()))

    def of(self, worker_sid: str) -> Collection[Session]:
        """Return a worker's sessions, oldest first."""
        return self._by_worker.get(worker_sid, ())

    def select(self, worker_sid: str | None) -> list[Session]:
        """Return the sessions of one worker, or of all."""
        if worker_sid is not None:
            return list(self.of(worker_sid))
        return [session for sessions in self._by_worker.values() for session in sessions]

    def add(self, session: Session, init: bytes, *, close_others: bool) -> None:
        """Take a session in: from now on it hears what happens, beginning with its ``init``."""
        sessions_log.info("Connected: worker %s", session.worker_sid)
        others = list(self.of(session.worker_sid)) if close_others else []
        self._by_worker.setdefault(session.worker_sid, {})[session] = None
        if self._way is not None:
            session.way = self._way
        session.write(Kind.INIT, init)
        for other in others:
            self.close(other, Close.REPLACED)
        self._watch_expiry(session)
        if self._heartbeat is None:
            self._heartbeat = self._loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def remove(self, session: Session) -> None:
        """Forget a session whose connection is over; a second time does nothing."""
        mine = self._by_worker.get(session.worker_sid, {})
        session.open = False
        if session not in mine:
            return
        sessions_log.info("Disconnected: worker %s", session.worker_sid)
        session.queue.clear()
        if session.expiry is not None:
            session.expiry.cancel()
        del mine[session]
        if not mine:
            del self._by_worker[session.worker_sid]
            self._newest_token.pop(session.worker_sid, None)
        self._closed(session)

    def close(self, session: Session, why: Close) -> None:
        """End a session: it hears nothing more, and its client is told why."""
        self.remove(session)
        if session.stalled:
            return  # nothing can be told; the fault closes the connection when it ends
        code = self._rules.replaced_session_close_code if why is Close.REPLACED else why.code
        task = self._loop.create_task(session.close_politely(code, why.reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def close_worker(self, worker_sid: str, why: Close) -> None:
        """End all sessions of a worker."""
        for session in list(self.of(worker_sid)):
            self.close(session, why)

    def close_workspace(self, workspace_sid: str, why: Close) -> None:
        """End all sessions of a workspace's workers."""
        for session in self.select(None):
            if session.workspace_sid == workspace_sid:
                self.close(session, why)

    def token_seen(self, worker_sid: str, expires_at: float) -> None:
        """Note a token that came with a request; a newer one keeps the worker's sessions open for longer."""
        if worker_sid in self._by_worker:
            self._newest_token[worker_sid] = max(expires_at, self._newest_token.get(worker_sid, 0.0))

    async def close_all(self) -> None:
        """End every session and wait until their clients were told."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        for session in self.select(None):
            self.close(session, Close.SHUTDOWN)
        if self._closing:
            await asyncio.wait(list(self._closing))

    def _beat(self) -> None:
        # One timer for everybody: five hundred sessions are five hundred small writes every 15 s and nothing between.
        for sessions in self._by_worker.values():
            for session in sessions:
                session.write(Kind.HEARTBEAT, frames.HEARTBEAT)
        again = bool(self._by_worker)
        self._heartbeat = self._loop.call_later(HEARTBEAT_SECONDS, self._beat) if again else None

    def _watch_expiry(self, session: Session) -> None:
        grace = self._rules.expired_session_grace
        if not session.open or grace is None:
            return
        ends = max(session.expires_at, self._newest_token.get(session.worker_sid, 0.0)) + grace
        left = ends - self._real_now()
        if left <= 0:
            self.close(session, Close.TOKEN_EXPIRED)
        else:
            session.expiry = self._loop.call_later(left, self._watch_expiry, session)
