"""Websocket sessions as far as routing depends on them: the last one to close may move its worker offline."""

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
    """Count an opened session of a worker, and cancel a move offline that is due for an earlier one.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Names the worker.

    Raises:
        Rejected: 404, there is no such workspace or worker.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.worker_sid)
    worker.sessions += 1
    # Nobody is moved offline while connected, whatever the session that closed had asked for.
    kernel.schedule.cancel(worker.offline_timer)
    worker.offline_timer = None
    return worker.record


def closed(kernel: Kernel, command: SessionClosed) -> Worker | None:
    """Count a closed session of a worker; after the last one, the worker may be moved offline.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Its ``set_offline`` decides; None: the rules decide by the name of the workspace.

    Returns:
        The worker's record, or None for a worker that was deleted meanwhile.

    Raises:
        Rejected: 404, there is no such workspace.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.workers.get(canonical(command.worker_sid))
    # No refusal: the deletion of a worker closes its sessions, which arrive here afterwards.
    if worker is None:
        return None
    # Never below zero, even if a close is reported twice.
    worker.sessions = max(0, worker.sessions - 1)
    wanted = command.set_offline
    if wanted is None:
        wanted = ws.record.friendly_name in kernel.rules.offline_default_workspaces
    # The flag of the last session to close decides, not those of sessions closed before.
    if wanted and not worker.sessions:
        delay = kernel.rules.session_offline_delay
        # A page that reloads closes its session and opens another; the delay bridges that.
        if delay > 0:
            kernel.schedule.cancel(worker.offline_timer)
            worker.offline_timer = kernel.schedule.at(kernel.now + delay, TimerKind.WORKER_OFFLINE, ws, worker)
        else:
            go_offline(kernel, ws, worker)
    return worker.record


def offline_activity(ws: WorkspaceState) -> Activity | None:
    """Return the activity of workers that are no longer connected, or None if every activity is available.

    Args:
        ws: The default activity is preferred; otherwise the oldest unavailable one is taken.
    """
    default = ws.activities.get(ws.record.default_activity_sid or "")
    if default is not None and not default.available:
        return default
    # The default activity of a workspace can be an available one, and then nobody would be offline in it.
    return next((activity for activity in ws.activities.values() if not activity.available), None)


def go_offline(kernel: Kernel, ws: WorkspaceState, worker: WorkerState) -> None:
    """Move a worker without sessions offline; its reservations stay as they are.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the worker.
        worker: Stays where it is if there is no unavailable activity.
    """
    worker.offline_timer = None
    activity = offline_activity(ws)
    if activity is not None:
        move(kernel, ws, worker, activity)
