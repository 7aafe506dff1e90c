"""When something that was done counts, at once in memory or once its file has it, and what else the file needs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..._log import LOCAL as log
from ...errors import StoreError
from ..clock import ClockState
from ..engine import JournalEntry, commands
from ..store import Store


class Committer:
    """Collects what requests have done and commits it in groups. Belongs to its loop's thread.

    The commit comes in the turn of the loop after the first change, so that all requests that were read meanwhile share
    one write to the disk. It runs on the loop itself: a hundred microseconds on a usual disk, in which there is nothing
    to do but wait, cost less than handing the work to another thread and back.

    Args:
        store: the file; None keeps everything in memory.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, store: Store | None) -> None:
        self._loop = loop
        self._store = store
        self._waiting: list[Callable[[], None]] = []
        """To be called after the next commit, in order."""
        self._futures: list[asyncio.Future[None]] = []
        """Resolved by the next commit, whether it succeeds or fails."""
        self._handle: asyncio.Handle | None = None
        self.failure: StoreError | None = None
        """Why the file could not be written; from then on nothing counts any more."""
        self.committed: Callable[[Store], None] | None = None
        """Called after each commit; it may add to the next one."""

    def note(self, entry: JournalEntry, events: int, actor_sid: str | None, address: str | None) -> None:
        """Take a journal entry in; for the arguments see :meth:`~..store.Store.append`."""
        if self._store is not None and self.failure is None:
            self._store.append(entry, events, actor_sid, address)
            self._commit_soon()

    def note_clock(self, state: ClockState) -> None:
        """Take in what the clock shows."""
        if self._store is not None and self.failure is None:
            self._store.set_clock(state)
            self._commit_soon()

    def when_kept(self, callback: Callable[[], None]) -> None:
        """Call back, in a later turn of the loop, once everything up to now counts; never if it cannot be kept."""
        if self._store is None or (self.failure is None and not self._store.pending):
            self._loop.call_soon(callback)
        elif self.failure is None:
            self._waiting.append(callback)

    async def kept(self) -> None:
        """Return once everything up to now counts.

        Raises:
            StoreError: it cannot be kept.
        """
        if self.failure is None and self._store is not None and self._store.pending:
            done: asyncio.Future[None] = self._loop.create_future()
            self._futures.append(done)
            await done
        self.check()

    def check(self) -> None:
        """Raise StoreError if the file could not be written."""
        if self.failure is not None:
            raise self.failure

    def commit(self) -> None:
        """Make everything up to now count, at once.

        Raises:
            StoreError: it cannot be kept.
        """
        if self._handle is not None:
            self._handle.cancel()
        self._commit()
        self.check()

    def close(self) -> None:
        """Keep what is still to be kept, and let the file go."""
        if self._store is None:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._commit()
        self.abandon()

    def abandon(self) -> None:
        """Let the file go without what is not kept yet."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _commit_soon(self) -> None:
        if self._handle is None:
            self._handle = self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        self._handle = None
        if self._store is None or self.failure is not None or not self._store.pending:
            return
        try:
            self._store.commit()
        except StoreError as error:
            # What the engine did since the last commit cannot be taken back, so nothing may be answered from it.
            self.failure = error
            self._waiting.clear()
            log.error("The local TaskRouter stopped answering: %s", error)
        else:
            if self.committed is not None:
                self.committed(self._store)
                if self._store.pending:
                    self._commit_soon()
        waiting, self._waiting = self._waiting, []
        futures, self._futures = self._futures, []
        for callback in waiting:
            callback()
        for future in futures:
            if not future.done():
                future.set_result(None)


class OpenSessions:
    """Counts the sessions that the journal opens and closes, so that those left open can be closed after a restart."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str, bool | None]] = Counter()

    def note(self, command: commands.Command) -> None:
        """Count a command of the journal."""
        if isinstance(command, (commands.SessionOpened, commands.SessionClosed)):
            key = (command.workspace_sid, command.worker_sid, command.set_offline)
            self._open[key] += 1 if isinstance(command, commands.SessionOpened) else -1
            if not self._open[key]:
                del self._open[key]

    def written(self) -> list[list[Any]]:
        """Return the counts as plain data."""
        return [[*key, count] for key, count in self._open.items()]

    def restore(self, written: Iterable[Iterable[Any]]) -> None:
        """Take over what :meth:`written` returned."""
        self._open = Counter({(workspace, worker, offline): count for workspace, worker, offline, count in written})

    def closing(self) -> list[commands.SessionClosed]:
        """Return a command for each session that is open. Applied and noted, they leave none."""
        return [
            commands.SessionClosed(workspace_sid=workspace_sid, worker_sid=worker_sid, set_offline=set_offline)
            for (workspace_sid, worker_sid, set_offline), count in self._open.items()
            for _ in range(count)
        ]
