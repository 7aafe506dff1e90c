"""The whole state as plain data, so that the states of two engines can be compared."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs

from .kernel import Kernel
from .schedule import Timer
from .state import TaskState, WorkerState
from .workspace import WorkspaceState


def plain(kernel: Kernel) -> dict[str, Any]:
    """Return the state that later behaviour depends on, except for the present time.

    Args:
        kernel: Only read; the result refers to its records.
    """
    # The time is left out, because the journal does not record each call that moved it: only those that ran timers.
    return {
        # Indices are left out: they follow from the rest.
        "workspaces": [_workspace(ws) for ws in kernel.workspaces.values()],
        "timers": [_timer(timer) for timer in kernel.schedule],
        "sids": kernel.sids.made,
        "events": kernel.event_count,
        "tasks": kernel.task_count,
        "reserved": kernel.reserve_count,
    }


def digest(kernel: Kernel) -> str:
    """Return the digest of a state: equal for two engines if, and only if, :func:`plain` returns equal data.

    Args:
        kernel: Only read.
    """
    # Keys stay in their order: the order of creation is part of the state.
    text = json.dumps(plain(kernel), sort_keys=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _workspace(ws: WorkspaceState) -> dict[str, Any]:
    return {
        "workspace": vars(ws.record),
        "activities": [vars(activity) for activity in ws.activities.values()],
        "task_channels": [vars(channel) for channel in ws.task_channels.values()],
        "workers": [_worker(worker) for worker in ws.workers.values()],
        "queues": [
            {
                "queue": vars(queue.record),
                # Sorted, because the order of members depends on the way they joined and decides nothing.
                "members": sorted(queue.members),
                "activities": sorted(queue.activity_counts.items()),
                "tasks": sorted(queue.tasks),
            }
            for queue in ws.queues.values()
        ],
        "workflows": [vars(workflow.record) for workflow in ws.workflows.values()],
        "tasks": [_task(task) for task in ws.tasks.values()],
        "reservations": [vars(reservation.record) for reservation in ws.reservations.values()],
        "transfers": [(vars(transfer.record), transfer.attempts) for transfer in ws.transfers.values()],
        "armed": list(ws.armed),
    }


def _worker(worker: WorkerState) -> dict[str, Any]:
    return {
        "worker": vars(worker.record),
        "channels": [vars(channel) for channel in worker.channels.values()],
        "idle": sorted((channel, key) for channel, key in worker.idle_keys.items() if key is not None),
        "open": list(worker.open),
        "sessions": worker.sessions,
    }


def _task(task: TaskState) -> dict[str, Any]:
    return {
        "task": vars(task.record),
        "route": task.route.value,
        "filter": task.filter_index,
        "target": task.step.index if task.step is not None else None,
        "expired": task.step_expired,
        "walked": task.walked,
        "re_evaluated": task.re_evaluated,
        "waiting": task.entry is not None,
        "open": list(task.open),
        "transfer": task.transfer.record.sid if task.transfer is not None else None,
        "customer": attrs.asdict(task.customer) if task.customer is not None else None,
        "participants": [attrs.asdict(leg) for leg in task.participants.values()],
    }


def _timer(timer: Timer) -> tuple[float, str, str]:
    return timer.due, timer.kind.value, timer.owner.record.sid
