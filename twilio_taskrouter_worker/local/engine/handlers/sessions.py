"""Websocket sessions as far as they matter to routing: the last one to close may take its worker offline."""

from __future__ import annotations

from ..commands import SessionClosed, SessionOpened
from ..core.kernel import Kernel
from ..core.schedule import TimerKind
from ..core.sids import canonical
from ..core.state import WorkerState
from ..core.workspace import WorkspaceState
from ..model import Activity, Worker
from ..transitions import move


def opened(kernel: Kernel, command: SessionOpened) -> Worker:
    """Count a session of a worker, who is not moved offline for an earlier one any more."""
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.worker_sid)
    worker.sessions += 1
    kernel.schedule.cancel(worker.offline_timer)
    worker.offline_timer = None
    return worker.record


def closed(kernel: Kernel, command: SessionClosed) -> Worker | None:
    """Count a session less; after the last one the worker goes offline. A worker that is gone is ignored."""
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.workers.get(canonical(command.worker_sid))
    if worker is None:
        return None
    worker.sessions = max(0, worker.sessions - 1)
    wanted = command.set_offline
    if wanted is None:
        wanted = ws.record.friendly_name in kernel.rules.offline_default_workspaces
    if wanted and not worker.sessions:
        delay = kernel.rules.session_offline_delay
        if delay > 0:
            kernel.schedule.cancel(worker.offline_timer)
            worker.offline_timer = kernel.schedule.at(kernel.now + delay, TimerKind.WORKER_OFFLINE, ws, worker)
        else:
            go_offline(kernel, ws, worker)
    return worker.record


def offline_activity(ws: WorkspaceState) -> Activity | None:
    """Return where workers go who are no longer connected, or None when there is no unavailable activity."""
    default = ws.activities.get(ws.record.default_activity_sid or "")
    if default is not None and not default.available:
        return default
    return next((activity for activity in ws.activities.values() if not activity.available), None)


def go_offline(kernel: Kernel, ws: WorkspaceState, worker: WorkerState) -> None:
    """Move a worker without sessions offline; its reservations stay as they are."""
    worker.offline_timer = None
    activity = offline_activity(ws)
    if activity is not None:
        move(kernel, ws, worker, activity)
