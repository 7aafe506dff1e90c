"""The totals of a workspace, as its statistics in REST show them.

Counting the events of 15 minutes takes up to a tenth of a second, so it is done on another thread, from a copy of the
list of facts, and at most every few seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ...engine import Rejected
from ..events.facts import Fact, Values
from ..http.windows import DEFAULT_MINUTES, Window
from ..rest import figures
from ..service import Service

EVERY_SECONDS = 5.0
SERVICE_LEVEL_SECONDS = 20
"""Tasks that were accepted within it count for the service level."""
_SPLIT = (10, SERVICE_LEVEL_SECONDS, 30, 60, 120)


class Totals:
    """The totals of the workspaces that are shown. Belongs to the service's loop.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._found: dict[str, dict[str, Any]] = {}
        self._due: dict[str, float] = {}
        """When those of a workspace are counted again, by the loop's time."""
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, workspace_sid: str) -> dict[str, Any] | None:
        """Return the latest totals of a workspace, and count them again if it is time to; None: not counted yet.

        Args:
            workspace_sid: The workspace.

        Raises:
            Rejected: There is no such workspace.
        """
        engine = self._service.engine
        engine.workspace(workspace_sid)
        now = self._service.loop.time()
        if now >= self._due.get(workspace_sid, 0.0):
            # Before the task has ended: two counts of one workspace never run at a time, unless one takes five seconds.
            self._due[workspace_sid] = now + EVERY_SECONDS
            task = self._service.loop.create_task(self._count(workspace_sid))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._found.get(workspace_sid)

    async def _count(self, workspace_sid: str) -> None:
        engine, clock = self._service.engine, self._service.clock
        now = clock.now()
        span = Window(now - DEFAULT_MINUTES * 60, now)
        # Copies: the records are immutable, but the lists go on changing.
        facts = self._service.facts.all()
        try:
            tasks, workers = engine.tasks(workspace_sid), engine.workers(workspace_sid)
            activities = figures.activities_now(engine, workspace_sid, workers)
        except Rejected:
            return
        realtime = {"activity_statistics": activities, "total_workers": len(workers)}
        cumulative = await asyncio.to_thread(_cumulative, facts, workspace_sid, span)
        # Records never change, so another thread may read them while the engine goes on.
        realtime |= await asyncio.to_thread(figures.tasks_now, tasks, now)
        self._found[workspace_sid] = {
            "realtime": realtime,
            "cumulative": cumulative,
            "minutes": DEFAULT_MINUTES,
            "service_level": {"threshold": SERVICE_LEVEL_SECONDS, "value": _service_level(cumulative)},
        }


def _cumulative(facts: list[Values], workspace_sid: str, span: Window) -> dict[str, Any]:
    found = map(Fact._make, facts)
    mine = [fact for fact in found if span.start <= fact.at <= span.end and fact.workspace_sid == workspace_sid]
    return {
        **figures.span_of(span),
        **figures.tasks_past(mine, "task.created", _SPLIT),
        **figures.timed_out_in_workflow(mine),
    }


def _service_level(cumulative: dict[str, Any]) -> float | None:
    """Return the share of accepted tasks that waited no longer than the threshold; None: none was accepted."""
    split = cumulative["split_by_wait_time"][str(SERVICE_LEVEL_SECONDS)]
    below, above = split["below"]["reservations_accepted"], split["above"]["reservations_accepted"]
    return below / (below + above) if below + above else None
