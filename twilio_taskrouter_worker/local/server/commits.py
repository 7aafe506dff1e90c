"""The committer: makes commands durable, in groups, before their answers and events are sent.

Invariant: no answer is written and no event sent before its command is committed. After a failed commit nothing is
committed, answered or sent any more, because the engine's state can no longer match the file.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..._log import LOCAL as log
from ...errors import StateError, StoreError
from ..clock import ClockState
from ..engine import JournalEntry, commands
from ..journal import Journal, MemoryJournal
from ..store import Store


class Committer:
    """Commits the recorded commands in groups. Belongs to its loop's thread.

    The commit comes in the turn of the loop after the first change, so that all requests read meanwhile share one write
    to the disk. It runs on the loop itself: blocking for a hundred microseconds on a usual disk costs less than a
    hand-over to another thread and back.

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
        self._waiting: list[Callable[[], None]] = []
        """Called after the next commit, in order; dropped if it fails."""
        self._futures: list[asyncio.Future[None]] = []
        """Resolved by the next commit, whether it succeeds or fails."""
        self._handle: asyncio.Handle | None = None
        self.failure: StoreError | None = None
        """The error of a failed commit; from then on nothing is accepted."""
        self.committed: Callable[[Store], None] | None = None
        """Called after each commit; it may add to the next one."""

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
            raise StateError("This service keeps no journal.")
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
        if self._store is None or (self.failure is None and not self._store.pending):
            self._loop.call_soon(callback)
        elif self.failure is None:
            self._waiting.append(callback)

    async def kept(self) -> None:
        """Wait until everything up to now is committed.

        Raises:
            StoreError: The commit failed.
        """
        # Reads leave nothing to commit: they are answered without a turn of the loop in between.
        if self.failure is None and self._store is not None and self._store.pending:
            done: asyncio.Future[None] = self._loop.create_future()
            self._futures.append(done)
            await done
        self.check()

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
        self._commit()
        self.check()

    def close(self) -> None:
        """Commit everything pending, and close the file."""
        if self._store is None:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._commit()
        self.abandon()

    def abandon(self) -> None:
        """Close the file without committing."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _commit_soon(self) -> None:
        # One commit for all commands of this turn.
        if self._handle is None:
            self._handle = self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        self._handle = None
        if self._store is None or self.failure is not None or not self._store.pending:
            return
        try:
            self._store.commit()
        except StoreError as error:
            # The engine cannot undo the commands since the last commit, so nothing may be answered from its state.
            self.failure = error
            self._waiting.clear()
            log.error("The local TaskRouter stopped answering: %s", error)
        else:
            if self.committed is not None:
                # It may add a snapshot, which is written by the next commit.
                self.committed(self._store)
                if self._store.pending:
                    self._commit_soon()
        # Taken out before the calls: a callback may wait for the next commit.
        waiting, self._waiting = self._waiting, []
        futures, self._futures = self._futures, []
        # Events of timers and of the Python facade go first. Answers follow in the next turn, when their tasks wake up.
        for callback in waiting:
            callback()
        for future in futures:
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
