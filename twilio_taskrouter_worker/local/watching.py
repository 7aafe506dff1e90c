"""Watching a workspace: a live panel, and the timeline of its tasks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .._display.tables import Description
from ..errors import StateError
from . import pictures
from .operations import WorkspaceOperations
from .server.service import Service

if TYPE_CHECKING:
    from .._display.live import LivePanel
    from .._display.timeline import Timeline

__all__ = ["WatchedWorkspace"]

EXPLAINED = 3
"""Open tasks that are explained where a wait has failed."""


class WatchedWorkspace(WorkspaceOperations):
    """What a program or a notebook shows of one workspace."""

    def timeline(self, seconds: float | None = None) -> Timeline:
        """Draw who had which task when: a lane for each worker, and one for the tasks that wait.

        Blocks for some milliseconds. A notebook shows it as a drawing; ``print()`` shows it as text, and
        ``save("shift.svg")`` writes a file. It is made from the event log, which keeps some thousands of events.

        Args:
            seconds: Only the latest seconds of the router's clock; None draws the whole log.

        Returns:
            The timeline as of now. It does not change.

        Raises:
            ValueError: ``seconds`` is not more than 0.
            StateError: The router is not running.
        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds must be more than 0, or None for the whole log, not {seconds!r}")
        workspace = self.workspace_sid

        def draw(service: Service) -> Timeline:
            now, engine = service.clock.now(), service.engine
            # The log is walked backwards, and drawn from the oldest event on.
            events = [entry.event for entry in service.log.backwards(workspace, 0.0)]
            start = None if seconds is None else now - seconds
            return pictures.timeline(
                reversed(events), engine.workers(workspace), engine.activities(workspace), start, now
            )

        return self._ask_service(draw)

    def live(self) -> LivePanel:
        """Show workers, open tasks and the latest events in a notebook, updated in place.

        Does not block. A daemon thread updates the output of this cell, at most four times a second, until ``stop()``
        is called or the router stops.

        Returns:
            The panel, for ``stop()``.

        Raises:
            ImportError: IPython is missing; the extra ``jupyter`` brings it.
            StateError: This is not a notebook, or the router is not running.
        """
        # Here, because it needs IPython, which only notebooks have.
        from .._display.live import LivePanel

        workspace = self.workspace_sid
        return LivePanel(lambda: self._panel(workspace), self._is_stopped, "taskrouter-live-router")

    def _open_tasks(self) -> str:
        """Return which tasks are open, and why, without values of attributes."""
        # For the message of a failed wait, which ends in logs of tests: hence without values.
        open_tasks = [task.sid for task in self.tasks() if not task.final]
        if not open_tasks:
            return "No task is open."
        # A task may end meanwhile, but it is not deleted for minutes.
        texts = [str(self.explain(sid).show()) for sid in open_tasks[:EXPLAINED]]
        left = f"\n\nand {len(open_tasks) - EXPLAINED} more" if len(open_tasks) > EXPLAINED else ""
        return "Open tasks:\n\n" + "\n\n".join(texts) + left

    def _panel(self, workspace: str) -> Description:
        def look(service: Service) -> Description:
            engine = service.engine
            workers = [
                (
                    each,
                    engine.open_sessions(workspace, each.sid),
                    sum(held.open for held in engine.reservations(workspace, worker_sid=each.sid)),
                )
                for each in engine.workers(workspace)
            ]
            tasks = [task for task in engine.tasks(workspace) if not task.final]
            entries = islice(service.log.backwards(workspace, 0.0), pictures.LATEST)
            return pictures.panel(repr(self), service.clock.now(), workers, tasks, [each.event for each in entries])

        return self._ask_service(look)

    def _is_stopped(self) -> bool:
        try:
            # Any read would do: it raises once the service has ended.
            return not self.workspace_sid
        except StateError:
            return True
