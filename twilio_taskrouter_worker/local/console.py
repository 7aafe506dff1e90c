"""The router as its console sees it."""

from __future__ import annotations

import itertools
import threading
from typing import Any, Protocol

from .._version import __version__
from ..errors import StateError
from .control import fault_row
from .journal import Journal
from .moments import oldest_workspace
from .server.console.facade import Past
from .service_access import ServiceAccess

__all__ = ["ConsoleFacade"]

MOST_FORKS = 10


class Fork(Protocol):
    """A running router that was made by another one."""

    @property
    def url(self) -> str: ...

    @property
    def console_url(self) -> str: ...

    def stop(self) -> None: ...


class ConsoleFacade:
    """Gives the console of one router what is not in its service, and owns the forks that the console makes.

    Args:
        router: The router.
    """

    def __init__(self, router: ServiceAccess[Fork]) -> None:
        self._router = router
        self.read_only = False
        """The console refuses every change of the router; earlier moments, forks and rehearsals are no changes."""
        self._numbers = itertools.count(1)
        # Guards the forks: they are made and ended on several threads.
        self._lock = threading.Lock()
        self._forks: dict[int, tuple[Fork, dict[str, Any]]] = {}
        self._closed = False

    # -- on the service's thread -----------------------------------------------------------------------------------

    def workspace_sid(self) -> str | None:
        """Return the workspace that is shown first; None: there is none."""
        try:
            # Read directly, on the thread that owns it: an operation of the router would commit, and fail for good once
            # a commit has failed.
            engine = self._router._running().engine
        except StateError:
            return None
        # The router keeps the sid of its workspace after that was deleted; the console shows another one.
        sid = self._router._workspace_sid
        return sid if sid in {workspace.sid for workspace in engine.workspaces()} else oldest_workspace(engine)

    def faults(self) -> list[dict[str, Any]]:
        """Return the active faults, as rows."""
        return [fault_row(fault) for fault in self._router.faults.active]

    def forks(self) -> list[dict[str, Any]]:
        """Return the forks that were made by the console and are running, as rows."""
        with self._lock:
            return [row for _, row in self._forks.values()]

    def info(self) -> dict[str, Any]:
        """Return the facts about the router.

        Raises:
            StateError: The router has been stopped.
        """
        return {**self._facts(), "workspace_sid": self.workspace_sid()}

    def history(self) -> dict[str, Any] | None:
        """Return the range of moments; None: there is none yet.

        Raises:
            StateError: The router has been stopped.
        """
        return self._router._read_journal(_range)

    # -- on other threads --------------------------------------------------------------------------------------------

    def at(self, moment: int) -> Past:
        """Return an earlier moment.

        Args:
            moment: The number of an entry of the journal.

        Raises:
            ValueError, TypeError: There is no such moment.
            StateError: The router has been stopped.
        """
        view = self._router.at(moment)
        try:
            workspace_sid = view.workspace_sid
        except StateError:
            workspace_sid = None
        named = [{"sid": each.sid, "friendly_name": each.friendly_name} for each in view.engine.workspaces()]
        info = {**self._facts(), "workspace_sid": workspace_sid, "read_only": True, "workspaces": named}
        time = view.time.timestamp()
        return Past(engine=view.engine, number=view.number, time=time, workspace_sid=workspace_sid, info=info)

    def moments(self, around: int, limit: int) -> list[dict[str, Any]]:
        """Return the moments around one, oldest first.

        Args:
            around: The number of an entry of the journal.
            limit: How many at most.

        Raises:
            StateError: The router has been stopped.
        """
        history = self._router.history()
        # Entry n is the one at n - first - 1: the first one that can be reached has none before it.
        start = max(0, min(around - history.first - 1 - limit // 2, len(history) - limit))
        return [
            {"moment": each.number, "at": each.time.timestamp(), "text": each.what, "who": each.actor}
            for each in history[start : start + limit]
        ]

    def fork(self, moment: int | None) -> dict[str, Any]:
        """Start a router that begins at a moment, and return its row.

        Args:
            moment: The number of an entry of the journal; None: now.

        Raises:
            ValueError, TypeError: There is no such moment.
            StateError: There are too many forks, or the router has been stopped.
        """
        # Checked before, since a fork is expensive; two at the same time may pass, which is harmless.
        with self._lock:
            if len(self._forks) >= MOST_FORKS:
                raise StateError(f"There are {MOST_FORKS} forks already; end one first")
        # Without the lock: it takes tenths of a second, and rows are asked for on the service's thread.
        fork = self._router.fork(moment)
        number = next(self._numbers)
        row = {"id": number, "url": fork.url, "moment": moment, "console_url": fork.console_url}
        with self._lock:
            closed = self._closed
            if not closed:
                self._forks[number] = (fork, row)
        if closed:
            fork.stop()
            raise StateError("This LocalTaskRouter has been stopped")
        return row

    def end_fork(self, number: int) -> bool:
        """Stop a fork; return False if there is no such one.

        Args:
            number: Its id.
        """
        with self._lock:
            found = self._forks.pop(number, None)
        # Outside of the lock, because a stop blocks.
        if found is not None:
            found[0].stop()
        return found is not None

    def close(self) -> None:
        """Stop all forks that the console made. Blocks until they have ended."""
        with self._lock:
            # A fork that is being made on another thread sees it, and stops itself.
            self._closed = True
            forks = list(self._forks.values())
            self._forks.clear()
        for fork, _ in forks:
            fork.stop()

    def _facts(self) -> dict[str, Any]:
        router = self._router
        return {
            "url": router.url,
            "account_sid": router.account_sid,
            "version": __version__,
            "read_only": self.read_only,
            "fork_of": router._fork_of,
        }


def _range(journal: Journal) -> dict[str, Any] | None:
    start, end = journal.time_at(journal.first + 1), journal.time_at(journal.count)
    if start is None or end is None:
        return None
    return {"first": journal.first, "last": journal.count, "from": start, "to": end}
