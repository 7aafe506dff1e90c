"""Whom a pending task may be offered to: each condition stands here once.

The invariant: a task is pending only if no worker of its workspace meets every one of :func:`of` (task). The router
does not ask all of them each time, because an index answers some beforehand: the members of ``queue.idle`` meet QUEUE
and the three of readiness, so that only :func:`suits` is left to ask. ``explain`` asks every condition of every worker
and keeps the answers, and so can never contradict the router.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.kernel import Kernel
from ..core.plan import Target
from ..core.state import QueueState, TaskState, WorkerState
from ..core.workspace import WorkspaceState
from ..expressions import TargetScope
from ..model import TRANSFER_INITIATED
from .idle import readiness


class Condition(NamedTuple):
    """Something that must hold between a task and a worker for the one to be offered to the other."""

    name: str
    holds: Callable[[Kernel, WorkspaceState, TaskState, WorkerState], bool]


def _in_queue(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    return task.queue is not None and worker.record.sid in task.queue.members


def _meets_target(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    expression = task.step.expression if task.step is not None else None
    return expression is None or expression.matches(TargetScope(task.scope, worker.scope))


def _is_known(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    reference = known_reference(task)
    return reference is None or (task.queue is not None and known_worker(ws, task.queue, reference) is worker)


def _may_hold(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    """Whether a worker who may hold a reservation on the task already may be offered another one."""
    held = [r for r in task.open.values() if r.worker is worker]
    if not held or not kernel.rules.one_reservation_per_worker_and_task:
        return True
    transfer = task.transfer
    if transfer is None or transfer.record.transfer_status != TRANSFER_INITIATED or held != [transfer.initiator]:
        return False
    if transfer.record.transfer_mode == "COLD":
        return kernel.rules.cold_transfer_may_return
    return kernel.rules.warm_transfer_may_return


def _is_target(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    return task.record.routing_target == worker.record.sid


def _readiness(position: int) -> Callable[[Kernel, WorkspaceState, TaskState, WorkerState], bool]:
    return lambda kernel, ws, task, worker: readiness(ws, worker, task.record.task_channel_sid)[position]


QUEUE = Condition("queue", _in_queue)
TARGET = Condition("target", _meets_target)
KNOWN_WORKER = Condition("known_worker", _is_known)
HELD = Condition("held", _may_hold)
ROUTING_TARGET = Condition("routing_target", _is_target)
ACTIVITY = Condition("activity", _readiness(0))
CHANNEL = Condition("channel", _readiness(1))
CAPACITY = Condition("capacity", _readiness(2))

_READINESS = (ACTIVITY, CHANNEL, CAPACITY)


def of(task: TaskState) -> tuple[Condition, ...]:
    """Return every condition that a worker has to meet to be offered the task as it is now."""
    if task.direct:
        # A transfer ends both: the routing target and its licence to ignore capacity.
        return (ROUTING_TARGET,) if task.record.ignore_capacity else (ROUTING_TARGET, *_READINESS)
    named = (KNOWN_WORKER,) if known_reference(task) is not None else ()
    return (QUEUE, *named, *_own(task), *_READINESS)


def _own(task: TaskState) -> tuple[Condition, ...]:
    """Return the conditions that no index answers."""
    if task.step is None or task.step.expression is None:
        return (HELD,) if task.open else ()
    return (TARGET, HELD) if task.open else (TARGET,)


def met(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    """Whether a worker may be offered the task now."""
    return all(condition.holds(kernel, ws, task, worker) for condition in of(task))


def suits(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    """Whether an idle member of the task's queue may be offered the task."""
    for condition in _own(task):
        if not condition.holds(kernel, ws, task, worker):
            return False
    return True


def known_reference(task: TaskState) -> tuple[str, str] | None:
    """Return what the present step's known-worker key leads to.

    Returns:
        The kind (``sid`` or ``name``) and value of the reference; ``("", "")`` when it names nobody; None when the
        step has no such key.
    """
    return reference_of(task.step, task) if task.step is not None else None


def reference_of(target: Target, task: TaskState) -> tuple[str, str] | None:
    """Do the same as :func:`known_reference` for any step of the task's workflow."""
    for kind, key in (("sid", target.known_sid), ("name", target.known_name)):
        if key is not None:
            value: Any = key.value(task.scope)
            return (kind, value) if isinstance(value, str) and value else ("", "")
    return None


def known_worker(ws: WorkspaceState, queue: QueueState, reference: tuple[str, str]) -> WorkerState | None:
    """Return the member of a queue that a known-worker reference names, or None."""
    kind, value = reference
    if kind == "sid":
        worker = ws.workers.get(value)
    else:
        worker = ws.workers.get(ws.worker_names.get(value.casefold(), ""))
        if worker is not None and worker.record.friendly_name != value:
            worker = None
    return worker if worker is not None and worker.record.sid in queue.members else None
