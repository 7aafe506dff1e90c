"""The conditions under which a pending task may be offered to a worker; each is defined here once.

The invariant: a task is pending only if no worker of its workspace meets every one of :func:`of` (task). The router
does not evaluate all of them each time, because an index answers some beforehand: the members of ``queue.idle`` meet
QUEUE and the three of readiness, so that only :func:`suits` is left. ``explain`` evaluates every condition for every
worker and keeps the results, and so can never contradict the router.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.kernel import Kernel
from ..core.plan import Target
from ..core.state import QueueState, TaskState, WorkerState
from ..core.workspace import WorkspaceState
from ..expressions import TargetScope
from .idle import readiness


class Condition(NamedTuple):
    """A condition that must hold between a task and a worker before the task is offered to the worker."""

    name: str
    holds: Callable[[Kernel, WorkspaceState, TaskState, WorkerState], bool]


def _in_queue(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    return task.queue is not None and worker.record.sid in task.queue.members


def _meets_target(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    # Transferred tasks have no step, and so no condition of this kind.
    expression = task.step.expression if task.step is not None else None
    return expression is None or expression.matches(TargetScope(task, worker.scope))


def _is_known(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    reference = known_reference(task)
    return reference is None or (task.queue is not None and known_worker(ws, task.queue, reference) is worker)


def _may_hold(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    """Whether a worker who may already hold a reservation on the task may be offered another one."""
    # Reservations that have ended do not count: a worker who rejected a task may be offered it again at once.
    held = [r for r in task.open.values() if r.worker is worker]
    if not held or not kernel.rules.one_reservation_per_worker_and_task:
        return True
    transfer = task.transfer
    # Only the transferor may get its own task back, and only through the transfer that it started.
    if transfer is None or held != [transfer.initiator]:
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

# Conditions on the worker alone, in the order of readiness().
_READINESS = (ACTIVITY, CHANNEL, CAPACITY)


def of(task: TaskState) -> tuple[Condition, ...]:
    """Return every condition that a worker has to meet to be offered the task as it is now.

    Args:
        task: Only read; its step, transfer and open reservations decide.
    """
    if task.direct:
        # A transfer ends both: the routing target and its licence to ignore capacity.
        return (ROUTING_TARGET,) if task.record.ignore_capacity else (ROUTING_TARGET, *_READINESS)
    named = (KNOWN_WORKER,) if known_reference(task) is not None else ()
    return (QUEUE, *named, *own(task), *_READINESS)


def own(task: TaskState) -> tuple[Condition, ...]:
    """Return the conditions that no index answers.

    Args:
        task: As of :func:`of`; not direct.
    """
    if task.step is None or task.step.expression is None:
        return (HELD,) if task.open else ()
    # HELD is left out for a task without reservations, which is nearly every one: it would always hold.
    return (TARGET, HELD) if task.open else (TARGET,)


def met(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    """Whether a worker may be offered the task now, by all conditions.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of both.
        task: A pending task.
        worker: Any worker of the workspace.
    """
    return all(condition.holds(kernel, ws, task, worker) for condition in of(task))


def suits(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> bool:
    """Whether an idle member of the task's queue may be offered the task.

    Args:
        kernel: The engine's shared state.
        ws: The workspace of both.
        task: A pending task.
        worker: Must be in the queue's idle index, which answers the other conditions.
    """
    # A loop, not all(): routing asks this for every idle worker and every group, and a generator costs more.
    for condition in own(task):
        if not condition.holds(kernel, ws, task, worker):
            return False
    return True


def known_reference(task: TaskState) -> tuple[str, str] | None:
    """Return the reference to a known worker in the present step of a task.

    Args:
        task: Only read.

    Returns:
        The kind (``sid`` or ``name``) and value of the reference; ``("", "")`` if the task's attributes have no such
            value; None if the step has no known-worker key.
    """
    return reference_of(task.step, task) if task.step is not None else None


def reference_of(target: Target, task: TaskState) -> tuple[str, str] | None:
    """Return the same as :func:`known_reference`, for any step.

    Args:
        target: A step of the task's workflow.
        task: Its attributes are read.
    """
    known = target.known
    if known is None:
        return None
    value: Any = known.key.value(task)
    # Attributes may hold anything; only a non-empty text can refer to a worker.
    return (known.kind, value) if isinstance(value, str) and value else ("", "")


def known_worker(ws: WorkspaceState, queue: QueueState, reference: tuple[str, str]) -> WorkerState | None:
    """Return the member of a queue to which a known-worker reference leads, or None.

    Args:
        ws: The workspace of the queue.
        queue: The queue of the step.
        reference: Kind and value, as :func:`known_reference` returns them.
    """
    kind, value = reference
    if kind == "sid":
        worker = ws.workers.get(value)
    else:
        worker = ws.workers.get(ws.worker_names.get(value.casefold(), ""))
        # Names are registered without regard to case, but a reference must match exactly.
        if worker is not None and worker.record.friendly_name != value:
            worker = None
    return worker if worker is not None and worker.record.sid in queue.members else None
