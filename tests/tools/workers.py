"""Workers of a local TaskRouter, for tests of the client."""

from __future__ import annotations

from typing import Any

from tests.tools.wait import eventually
from twilio_taskrouter_worker import TaskRouterError, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

SOON = 60.0
"""Seconds that anything here may take on a loaded machine."""


def add_alice(router: LocalTaskRouter, capacity: int) -> str:
    """Add an available worker who takes this many tasks of the default channel at a time; return her sid."""
    # Here, since it takes long to import, and most tests do not need it.
    from twilio.rest import Client

    sid = router.add_worker("Alice", activity="Available")
    client = Client(router.account_sid, router.auth_token)
    client.taskrouter.base_url = router.url
    worker = client.taskrouter.v1.workspaces(router.workspace_sid).workers(sid)
    worker.worker_channels("default").update(capacity=capacity)
    return sid


def new_worker(router: LocalTaskRouter, sid: str) -> Worker:
    """Make a worker that is not connected yet."""
    return Worker(router.token(sid), **router.connection)


def errors_of(worker: Worker) -> list[TaskRouterError]:
    """Collect the worker's errors."""
    found: list[TaskRouterError] = []
    worker.on("error", found.append)
    return found


def becomes(router: LocalTaskRouter, task: str, status: str) -> Any:
    """Wait until a task has this status, and return it."""
    eventually(
        lambda: router.task(task).assignment_status == status, SOON, lambda: f"it is {router.task(task)}, not {status}"
    )
    return router.task(task)


def leave_open(router: LocalTaskRouter, alice: str) -> dict[str, str]:
    """One pending, one accepted and one wrapping reservation, and a worker that is gone; status by task sid."""
    with new_worker(router, alice) as worker:
        tasks = [router.create_task() for _ in range(3)]
        eventually(lambda: len(worker.reservations) == 3)
        by_task = {each.task.sid: each for each in worker.reservations.values()}
        for sid in tasks[1:]:
            by_task[sid].accept().result(SOON)
        by_task[tasks[2]].wrap().result(SOON)
    return dict(zip(tasks, ("pending", "accepted", "wrapping"), strict=True))
