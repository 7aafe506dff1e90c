"""The committer: makes commands durable, in groups, before their answers and events are sent.

Invariant: no answer is written and no event sent before its command is committed. After a failed commit nothing is
committed, answered or sent any more, because the engine's state can no longer match the file.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from ..._log import LOCAL as log
from ...errors import StateError, StoreError
from ..clock import ClockState
from ..engine import JournalEntry, commands
from ..journal import Journal, MemoryJournal
from ..store import Store
from .flushing import Flusher, run


class _Group:
    """Those who wait for one commit."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []
        """Called after it, in order; dropped if it fails."""
        self.futures: list[asyncio.Future[None]] = []
        """Resolved whether it succeeds or fails."""


class Committer:
    """Commits the recorded commands in groups. Belongs to its loop's thread.

    The commit begins in the turn of the loop after the first change. If several requests wait for it, it waits for the
    disk on a thread of its own. The loop goes on meanwhile, and changes up to the end of that commit are the next
    group: the slower the disk is, the more requests share one write to it.

    Args:
        loop: The loop.
        store: The file; None keeps everything in memory, where a command is final at once.
        memory: The journal of a service without a file; None: there is none to read.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, store: Store | None, memory: MemoryJournal | None = None
    ) -> None:
        self._loop = loop
        self._store = store
        self._memory = memory
        self._flusher: Flusher | None = None
        self._next = _Group()
        """Those who wait for what is not written yet."""
        self._current = _Group()
        """Those who wait for the commit in progress."""
        self._flushing: Future[None] | None = None
        """The end of the commit in progress; None: there is none."""
        self._handle: asyncio.Handle | None = None
        self.failure: StoreError | None = None
        """The error of a failed commit; from then on nothing is accepted."""
        self.failed: Callable[[], None] | None = None
        """Called in the turn of the loop after a commit has failed."""
        self.committing: Callable[[Store], None] | None = None
        """Called before each commit; it may add to it."""

    def note(self, entry: JournalEntry, events: int, actor_sid: str | None, address: str | None) -> None:
        """Add a journal entry to the next commit.

        Args:
            entry: The command and its time.
            events: How many events the engine had emitted after it.
            actor_sid: The worker whose request caused it, if any.
            address: The client's address, if any.
        """
        if self._store is not None and self.failure is None:
            self._store.append(entry, events, actor_sid, address)
            self._commit_soon()
        elif self._memory is not None:
            self._memory.append(entry, events, actor_sid, address)

    def journal(self) -> Journal:
        """Return the journal with everything up to now, to read on this thread before the next command.

        Raises:
            StoreError: The commit failed.
            StateError: There is no journal.
        """
        if self._store is not None:
            # Entries that wait for the next commit are not in the file yet, from which the journal reads.
            self.commit()
            return self._store.journal()
        if self._memory is None:
            raise StateError("This service keeps no journal")
        return self._memory

    def note_clock(self, state: ClockState) -> None:
        """Add the state of the clock to the next commit.

        Args:
            state: The state.
        """
        if self._store is not None and self.failure is None:
            self._store.set_clock(state)
            self._commit_soon()

    def when_kept(self, callback: Callable[[], None]) -> None:
        """Call back, in a later turn of the loop, once everything up to now is committed; never if that fails.

        Args:
            callback: Called on the loop's thread.
        """
        group = self._group()
        if group is not None:
            group.callbacks.append(callback)
        elif self.failure is None:
            self._loop.call_soon(callback)

    async def kept(self) -> None:
        """Wait until everything up to now is committed.

        Raises:
            StoreError: The commit failed.
        """
        group = self._group()
        # None: reads, with nothing to commit, are answered without a turn of the loop in between.
        if group is not None:
            done: asyncio.Future[None] = self._loop.create_future()
            group.futures.append(done)
            await done
        self.check()

    def _group(self) -> _Group | None:
        """Return those who wait until everything up to now is committed; None: it is, or a commit has failed."""
        if self._store is None or self.failure is not None:
            return None
        if self._store.pending:
            return self._next
        # A read, too, may have seen changes that are not on the disk yet.
        return None if self._flushing is None else self._current

    def check(self) -> None:
        """Check that no commit has failed.

        Raises:
            StoreError: One has.
        """
        if self.failure is not None:
            raise self.failure

    def commit(self) -> None:
        """Commit everything up to now, at once. Blocks the loop for the duration of a disk flush.

        Raises:
            StoreError: The commit failed.
        """
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._flushing is not None:
            self._flushed(self._flushing)
        if self._store is not None and self._write():
            # Here, because nothing is gained by another thread while this one waits for it.
            self._flushing = Future()
            run(self._store.flush, self._flushing)
            self._flushed(self._flushing)
        self.check()

    def close(self) -> None:
        """Commit everything pending, and close the file.

        Raises:
            OSError: A file beside the database cannot be deleted or put back.
        """
        # A failure is in the log.
        with suppress(StoreError):
            self.commit()
        self.abandon()

    def abandon(self) -> None:
        """Close the file without a further commit.

        Raises:
            OSError: A file beside the database cannot be deleted or put back.
        """
        if self._flushing is not None:
            self._flushed(self._flushing)
        if self._flusher is not None:
            self._flusher.stop()
            self._flusher = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def _commit_soon(self) -> None:
        # One commit for all commands of this turn, and for all during the commit in progress.
        if self._handle is None and self._flushing is None:
            self._handle = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._handle = None
        # Nobody else gains by a hand-over to the thread and back, which takes about a tenth of a millisecond.
        flusher = self._ready_flusher() if len(self._next.futures) > 1 else None
        if flusher is None or self._store is None:
            # A failure is in the log, and raised by kept().
            with suppress(StoreError):
                self.commit()
        elif self._write():
            self._flushing = flusher.submit(self._store.flush)
            # Called on the thread, which ends before the loop is closed.
            self._flushing.add_done_callback(lambda end: self._loop.call_soon_threadsafe(self._flushed, end))

    def _ready_flusher(self) -> Flusher | None:
        """Return the thread for the disk; None: the system gives this process no more threads now."""
        if self._flusher is None:
            with suppress(RuntimeError):
                self._flusher = Flusher()
        return self._flusher

    def _write(self) -> bool:
        """Write what is pending; return whether it is to be flushed."""
        if self._store is None or self.failure is not None or not self._store.pending:
            return False
        self._current, self._next = self._next, _Group()
        try:
            if self.committing is not None:
                self.committing(self._store)
            self._store.write()
        except StoreError as error:
            self._fail(error)
            self._release()
            return False
        return True

    def _flushed(self, end: Future[None]) -> None:
        """End the commit in progress; waits for it, if called before it has ended."""
        # commit() may have waited for it already.
        if end is not self._flushing or self._store is None:
            return
        error = end.exception()
        self._flushing = None
        if error is None:
            self._store.settle()
            if self._store.pending:
                self._commit_soon()
        elif isinstance(error, StoreError):
            self._fail(error)
        elif isinstance(error, Exception):
            self._fail(StoreError(f"The commit failed: {error!r}"))
        else:
            raise error
        self._release()

    def _fail(self, error: StoreError) -> None:
        # The engine cannot undo the commands since the last commit, so nothing may be answered from its state.
        self.failure = error
        self._current.callbacks.clear()
        self._current.futures += self._next.futures
        self._next = _Group()
        log.error("The local TaskRouter stopped answering: %s", error)
        if self.failed is not None:
            self._loop.call_soon(self.failed)

    def _release(self) -> None:
        # Taken out before the calls: a callback may wait for the next commit, or commit at once.
        group, self._current = self._current, _Group()
        # Events of timers and of the Python facade go first. Answers follow in the next turn, when their tasks wake up.
        for callback in group.callbacks:
            callback()
        for future in group.futures:
            # Cancelled, if the service is being stopped. A result also after a failure: kept() raises it, and an
            # exception that nobody fetches would be reported by asyncio.
            if not future.done():
                future.set_result(None)


class OpenSessions:
    """Counts the sessions that the journal opens and closes, to close those left open after a restart."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str, bool | None]] = Counter()

    def note(self, command: commands.Command) -> None:
        """Count a command of the journal.

        Args:
            command: Any command.
        """
        if isinstance(command, (commands.SessionOpened, commands.SessionClosed)):
            key = (command.workspace_sid, command.worker_sid, command.set_offline)
            self._open[key] += 1 if isinstance(command, commands.SessionOpened) else -1
            # Without zeros, written() stays as small as the number of open sessions.
            if not self._open[key]:
                del self._open[key]

    def written(self) -> list[list[Any]]:
        """Return the counts as plain data."""
        return [[*key, count] for key, count in self._open.items()]

    def restore(self, written: Iterable[Iterable[Any]]) -> None:
        """Restore counts from :meth:`written`.

        Args:
            written: The counts.
        """
        self._open = Counter({(workspace, worker, offline): count for workspace, worker, offline, count in written})

    def closing(self) -> list[commands.SessionClosed]:
        """Return a command for each open session. Once they are applied and noted, none is left."""
        return [
            commands.SessionClosed(workspace_sid=workspace_sid, worker_sid=worker_sid, set_offline=set_offline)
            for (workspace_sid, worker_sid, set_offline), count in self._open.items()
            for _ in range(count)
        ]
