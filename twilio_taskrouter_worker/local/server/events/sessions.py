"""Open websocket sessions: which frames each one gets, in which order, and when it ends.

Invariant: a session gets its events in the order in which they happened, although the batches they belong to may be
released in another order. Each frame waits in the session's queue until its batch, and those of all frames before it,
are released.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol

from ...._log import LOCAL as log
from ...._log import LOCAL_SESSIONS as sessions_log
from ..rules import ServiceRules
from . import frames
from .frames import Kind

HEARTBEAT_SECONDS = 15.0
"""Clients take 30 s of silence for a dead connection."""

SEND_BUFFER_BYTES = 4 * 1024 * 1024
"""How many unsent bytes one session may hold for longer than :data:`SLOW_SECONDS`."""
SLOW_SECONDS = 1.0
"""How long a session may exceed that before it is dropped: no client can read while one turn of the loop writes."""
BURST_BYTES = 32 * 1024 * 1024
"""How many unsent bytes a session may hold at any moment."""
_JOINED = 16
"""Maximum number of frames written at once."""


class Close(enum.Enum):
    """Why the service ends a session: the close code and the reason text its client sees."""

    REPLACED = (4001, "Session replaced: a newer session of this worker asked to close the others")
    TOKEN_EXPIRED = (4002, "Token expired")
    WORKER_DELETED = (4003, "Worker deleted")
    SHUTDOWN = (1001, "The local TaskRouter is shutting down")
    FAILED = (1011, "The local TaskRouter cannot write its file")

    @property
    def code(self) -> int:
        """The websocket close code."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """The text in the close frame; at most 123 bytes."""
        return self.value[1]


class Batch:
    """The frames and webhooks of one change, released once the answer to the request that caused it is on its way."""

    __slots__ = ("_calls", "_sessions", "released")

    def __init__(self) -> None:
        self.released: bool = False
        self._sessions: dict[Session, None] = {}
        self._calls: list[Callable[[], None]] = []

    def add(self, session: Session, frame: bytes) -> None:
        """Queue a frame behind all frames that the session has not sent yet.

        Args:
            session: The session.
            frame: The frame's bytes.
        """
        self._sessions[session] = None
        session.queue.append((self, frame))

    def then(self, call: Callable[[], None]) -> None:
        """Register a callback for the release.

        Args:
            call: Called on the loop's thread, after the frames were written.
        """
        self._calls.append(call)

    def release(self) -> None:
        """Send the frames; a second call does nothing.

        A frame behind an unreleased one of the same session waits for that one.
        """
        if self.released:
            return
        # Before the frames: pump() takes this batch's own frames only if it counts as released.
        self.released = True
        for session in self._sessions:
            session.pump()
        self._sessions.clear()
        # After the frames: an assignment callback may cause new events, which must follow these.
        for call in self._calls:
            call()
        self._calls.clear()


class Transport(Protocol):
    """The part of an asyncio transport that sessions use."""

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...

    def is_closing(self) -> bool: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int: ...


class Session:
    """One websocket of one worker.

    Frames are written directly to the transport, without a task or lock per session. A client that does not read costs
    up to :data:`BURST_BYTES` of memory, for long only :data:`SEND_BUFFER_BYTES`, and does not delay other sessions.
    """

    __slots__ = (
        "close_politely",
        "expires_at",
        "expiry",
        "joined",
        "open",
        "queue",
        "seen",
        "sender",
        "set_offline",
        "slow",
        "stalled",
        "transport",
        "worker_sid",
        "workspace_sid",
    )

    def __init__(
        self,
        workspace_sid: str,
        worker_sid: str,
        transport: Transport,
        close_politely: Callable[[int, str], Coroutine[Any, Any, None]],
        *,
        expires_at: float,
        set_offline: bool | None,
    ) -> None:
        self.workspace_sid: str = workspace_sid
        self.worker_sid: str = worker_sid
        self.transport: Transport = transport
        self.close_politely: Callable[[int, str], Coroutine[Any, Any, None]] = close_politely
        self.expires_at: float = expires_at
        """When the token of its handshake expires, in unix seconds."""
        self.expiry: asyncio.TimerHandle | None = None
        self.set_offline: bool | None = set_offline
        """The flag ``setWorkerOfflineIfDisconnected``; None: it was not sent."""
        self.queue: deque[tuple[Batch, bytes]] = deque()
        self.open: bool = True
        self.stalled: bool = False
        """A fault has suspended sending and reading."""
        self.slow: bool = False
        """It holds more than :data:`SEND_BUFFER_BYTES`; checked again after :data:`SLOW_SECONDS`."""
        self.joined: list[bytes] | None = None
        """Frames that :meth:`pump` is about to write at once; None: each is written as it comes."""
        self.sender: Sender = Session._send_directly
        self.seen: Seen | None = None

    def pump(self) -> None:
        """Write the frames at the head of the queue whose batches are released."""
        queue = self.queue
        while queue and queue[0][0].released:
            # One system call, and for the client one wake-up, for a change's frames. Few, so that a client that does
            # not read is noticed in between.
            joined = self.joined = []
            try:
                while queue and queue[0][0].released and len(joined) < _JOINED:
                    self.write(Kind.EVENT, queue.popleft()[1])
            finally:
                self.joined = None
            # Empty if a fault holds the frames back; closing if the client was dropped for not reading.
            if joined and not self.transport.is_closing():
                self.transport.write(b"".join(joined))

    def write(self, kind: Kind, frame: bytes) -> None:
        """Send one frame through the active faults.

        Args:
            kind: The kind of frame.
            frame: The frame's bytes.
        """
        self.sender(self, kind, frame)

    def _send_directly(self, kind: Kind, frame: bytes) -> None:
        self.transmit(frame)

    def transmit(self, frame: bytes) -> None:
        """Write one frame now, or drop the session if its client has stopped reading.

        Args:
            frame: The frame's bytes.
        """
        # A fault may have held the frame while the session ended.
        if not self.open or self.transport.is_closing():
            return
        # asyncio buffers without a limit of its own.
        waiting = self.transport.get_write_buffer_size()
        if waiting > SEND_BUFFER_BYTES:
            # Without the second of patience: one turn of the loop can write any amount, and memory must stay bounded.
            if waiting > BURST_BYTES:
                self.drop()
                return
            if not self.slow:
                self.slow = True
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self._check_slow)
        if self.joined is None:
            self.transport.write(frame)
        else:
            self.joined.append(frame)
        if self.seen is not None:
            self.seen(self, frame)

    def drop(self) -> None:
        """Abort the connection of a client that does not read."""
        log.warning("Dropped a session of worker %s: it does not read its events", self.worker_sid)
        # Not a close frame: it would wait behind all that the client does not read.
        self.transport.abort()

    def _check_slow(self) -> None:
        self.slow = False
        if not self.transport.is_closing() and self.transport.get_write_buffer_size() > SEND_BUFFER_BYTES:
            self.drop()


Seen = Callable[[Session, bytes], None]
"""Called with each frame that was written."""
Sender = Callable[[Session, Kind, bytes], None]
"""Sends a frame of a session: through the active faults, then by its ``transmit``, unless a fault drops the frame."""


class Sessions:
    """All open sessions. Belongs to its loop's thread.

    Args:
        loop: The loop everything here runs on.
        real_now: Returns real time in unix seconds, for tokens.
        closed: Called with each session after it has ended.
        rules: The close code of replaced sessions, and the grace of expired tokens.
        sender: Sends the frames of all sessions; None: write them directly.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        real_now: Callable[[], float],
        closed: Callable[[Session], None],
        rules: ServiceRules,
        sender: Sender | None = None,
    ) -> None:
        self._loop = loop
        self._real_now = real_now
        self._closed = closed
        self._rules = rules
        self._by_worker: dict[str, dict[Session, None]] = {}
        self._newest_token: dict[str, float] = {}
        """When the latest token seen of each worker with sessions expires, in unix seconds."""
        self._closing: set[asyncio.Task[None]] = set()
        self._heartbeat: asyncio.TimerHandle | None = None
        self._ended = False
        """All were ended: one whose handshake was under way then ends as soon as it is open."""
        self._sender = sender
        self.seen: Seen | None = None
        """Records the frames of sessions that open from now on; None: nobody does."""

    def __len__(self) -> int:
        return sum(map(len, self._by_worker.values()))

    def of(self, worker_sid: str) -> Collection[Session]:
        """Return a worker's sessions, oldest first.

        Args:
            worker_sid: The worker.
        """
        return self._by_worker.get(worker_sid, ())

    def select(self, worker_sid: str | None) -> list[Session]:
        """Return the sessions of one worker, or all sessions.

        Args:
            worker_sid: The worker; None: all workers.
        """
        if worker_sid is not None:
            return list(self.of(worker_sid))
        return [session for sessions in self._by_worker.values() for session in sessions]

    def add(self, session: Session, init: bytes, *, close_others: bool) -> None:
        """Register a session: it gets all events from now on, after its ``init`` frame.

        Args:
            session: The new session.
            init: The ``init`` frame.
            close_others: Close the worker's other sessions.
        """
        sessions_log.info("Connected: worker %s", session.worker_sid)
        others = list(self.of(session.worker_sid)) if close_others else []
        self._by_worker.setdefault(session.worker_sid, {})[session] = None
        if self._sender is not None:
            session.sender = self._sender
        session.seen = self.seen
        session.write(Kind.INIT, init)
        # After the new one's init: a worker whose sessions are replaced is never without a session.
        for other in others:
            self.close(other, Close.REPLACED)
        if self._ended:
            self.close(session, Close.SHUTDOWN)
            return
        self._watch_expiry(session)
        if self._heartbeat is None:
            self._heartbeat = self._loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def remove(self, session: Session) -> None:
        """Remove a session whose connection has closed; a second call does nothing.

        Args:
            session: The session.
        """
        # Closed even if it is unknown by now: frames on their way through a fault must not be written.
        mine = self._by_worker.get(session.worker_sid, {})
        session.open = False
        if session not in mine:
            return
        sessions_log.info("Disconnected: worker %s", session.worker_sid)
        # Its batches may still be released, and would pump a closed session.
        session.queue.clear()
        if session.expiry is not None:
            session.expiry.cancel()
        del mine[session]
        if not mine:
            del self._by_worker[session.worker_sid]
            # Tokens of workers without sessions are not noted, so the dict is bounded by the open sessions.
            self._newest_token.pop(session.worker_sid, None)
        # Last: this applies a command, whose events must not reach the removed session.
        self._closed(session)

    def close(self, session: Session, why: Close) -> None:
        """End a session: from now on it gets a close frame only. Does not wait for the client.

        Args:
            session: The session.
            why: The reason, with its close code.
        """
        self.remove(session)
        if session.stalled:
            return  # nothing can be sent; the fault closes the connection when it ends
        code = self._rules.replaced_session_close_code if why is Close.REPLACED else why.code
        # Not awaited: a client may take a second to answer the close frame.
        task = self._loop.create_task(session.close_politely(code, why.reason))
        # asyncio keeps only a weak reference to a task.
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def close_worker(self, worker_sid: str, why: Close) -> None:
        """End all sessions of a worker.

        Args:
            worker_sid: The worker.
            why: The reason, with its close code.
        """
        # A copy: closing removes from it.
        for session in list(self.of(worker_sid)):
            self.close(session, why)

    def close_workspace(self, workspace_sid: str, why: Close) -> None:
        """End all sessions of a workspace's workers.

        Args:
            workspace_sid: The workspace.
            why: The reason, with its close code.
        """
        for session in self.select(None):
            if session.workspace_sid == workspace_sid:
                self.close(session, why)

    def token_seen(self, worker_sid: str, expires_at: float) -> None:
        """Note a token that came with a request; a later expiry keeps the worker's sessions open for longer.

        Args:
            worker_sid: The token's worker.
            expires_at: When it expires, in unix seconds.
        """
        if worker_sid in self._by_worker:
            # The latest of all tokens seen, since a client may still use an older one beside the new one.
            self._newest_token[worker_sid] = max(expires_at, self._newest_token.get(worker_sid, 0.0))

    async def close_all(self) -> None:
        """End every session, and wait until their close handshakes have completed or timed out.

        Sessions that open from now on end at once; they are not waited for.
        """
        self._ended = True
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        for session in self.select(None):
            self.close(session, Close.SHUTDOWN)
        if self._closing:
            # Bounded by the time limit of each close handshake.
            await asyncio.wait(list(self._closing))

    def _beat(self) -> None:
        # One timer for all sessions: 500 sessions cost 500 small writes every 15 s, and nothing in between.
        for sessions in self._by_worker.values():
            for session in sessions:
                session.write(Kind.HEARTBEAT, frames.HEARTBEAT)
        # No sessions, no timer: an idle service does not wake up.
        again = bool(self._by_worker)
        self._heartbeat = self._loop.call_later(HEARTBEAT_SECONDS, self._beat) if again else None

    def _watch_expiry(self, session: Session) -> None:
        grace = self._rules.expired_session_grace
        if not session.open or grace is None:
            return
        ends = max(session.expires_at, self._newest_token.get(session.worker_sid, 0.0)) + grace
        # Computed again each time the timer ends: a newer token may have come with a request meanwhile.
        left = ends - self._real_now()
        if left <= 0:
            self.close(session, Close.TOKEN_EXPIRED)
        else:
            session.expiry = self._loop.call_later(left, self._watch_expiry, session)
