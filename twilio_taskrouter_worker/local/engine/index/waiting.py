"""Waiting tasks in groups, so that the best one for a worker is found without testing each.

The invariant: a task is in exactly one group if it is pending, was placed, and some worker could ever be found for it;
otherwise in none. All tasks of a group give the same verdict for any worker at any time, so a decision tests one task
per group, the one at its top, and its cost does not depend on the number of waiting tasks.

How each function maintains it:

* ``_group`` chooses the group by everything that a verdict depends on besides the worker: queue and channel (where the
  group lives), the step with the values that its expression reads from the task, the known worker, and for a transfer
  the task itself, because then it matters who holds it.
* ``remove`` comes before any change of these, or of what ``order_key`` reads, and ``add`` after it; callers that change
  a waiting task do both.
* ``task.entry`` is the key under which a task waits. It stays in the group's heap when the task leaves, until it
  surfaces; ``Group.tasks`` has the others, so that an empty group leaves its home at once.
* ``best_for`` compares the tops by queue order, priority, age and number, and evaluates ``conditions.suits`` only where
  the top would win.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..core.kernel import Kernel
from ..core.plan import Target
from ..core.state import Group, GroupKey, Groups, OrderKey, QueueState, TaskState, WorkerState
from ..core.workspace import WorkspaceState
from ..model import FIFO, LIFO
from . import conditions


def _order(task: TaskState) -> str:
    # A task for one worker alone waits in no queue, even if it is booked under one.
    return FIFO if task.queue is None or task.direct else task.queue.record.task_order


def rank_key(ws: WorkspaceState, task: TaskState) -> tuple[bool, OrderKey]:
    """Return the rank of a task among all tasks of its workspace; the smallest is served first.

    Args:
        ws: Its ``prioritize_queue_order`` decides between LIFO and FIFO queues.
        task: Only read.
    """
    return (_order(task) != ws.record.prioritize_queue_order, order_key(task))


def order_key(task: TaskState) -> OrderKey:
    """Return the rank of a task among those with the same task order; the smallest is served first.

    Args:
        task: Only read.
    """
    record = task.record
    # LIFO ignores the priority; the number breaks ties in both directions.
    if _order(task) == LIFO:
        return (0.0, -record.virtual_start_time, -task.number)
    return (-record.priority, record.virtual_start_time, task.number)


def _signature(target: Target, task: TaskState) -> GroupKey:
    """Return the task's values on which the verdict of a target's expression depends, besides the worker."""
    expression = target.expression
    if expression is None:
        return None
    names = sorted(expression.task_attributes)
    # As text, because attribute values may be lists and objects, which cannot be hashed.
    # A missing attribute and a null one are the same text here, and the same NULL to an expression.
    return json.dumps([task.attributes.get(name) for name in names], sort_keys=True) if names else ""


def _group(ws: WorkspaceState, task: TaskState) -> Group | None:
    """Return the group that a task belongs to, or None if no worker could ever be found for it here."""
    channel = task.record.task_channel_sid
    if task.direct:
        worker = ws.workers.get(task.record.routing_target or "")
        if worker is None:
            return None
        group = worker.direct.get(channel)
        if group is None:
            # The group lives on the worker, not among the queue's: its home only shows whether it is in use.
            group = worker.direct[channel] = Group({}, "direct")
        return group
    queue = task.queue
    assert queue is not None
    target = task.step
    known = conditions.known_reference(task)
    # The step asks for a known worker, but the task names none: it waits for the step's timeout only.
    if known == ("", ""):
        return None
    owner = None
    if known is not None:
        owner = (queue.known, (channel, *known))
        home = queue.known.get(owner[1], {})
    else:
        home = queue.pending.setdefault(channel, {})
    key: GroupKey
    if task.open:
        # A transfer to the queue: the workers that it suits depend on who holds the task already.
        key = ("transfer", task.record.sid)
    elif target is None or target.expression is None:
        key = None
    else:
        # Targets are compared by identity: the same text in two configurations makes two groups, which costs one more
        # test.
        key = (target, _signature(target, task))
        # From now on a change of these figures by a reservation leads to routing (see idle.occupy).
        ws.figures_read = ws.figures_read or target.expression.uses_channels
    # A new group registers itself in its home when the first entry is added.
    return home.get(key) or Group(home, key, owner)


def add(ws: WorkspaceState, task: TaskState) -> None:
    """Add a task to its group; nothing happens if it is waiting, or if no worker could ever be found for it.

    Args:
        ws: The workspace of the task.
        task: Must be pending, with the step and queue in which it waits.
    """
    if task.entry is not None:
        return
    group = _group(ws, task)
    if group is None:
        return
    key = order_key(task)
    task.entry = key
    task.group = group
    group.add(key, task)


def remove(task: TaskState) -> None:
    """Remove a task from its group; nothing happens if it is not waiting.

    Args:
        task: Changed in place.
    """
    if task.entry is None:
        return
    assert task.group is not None
    task.group.drop(task.entry)
    task.entry = task.group = None


def remove_all(group: Group) -> None:
    """Remove every task from a group.

    Args:
        group: Changed in place.
    """
    # A copy, since each removal changes the group.
    for task in list(group.tasks.values()):
        remove(task)


def _homes(worker: WorkerState, channel: str, preferred: str) -> Iterator[tuple[bool, Groups]]:
    """Iterate over the groups of tasks of a channel that a worker may be offered, each with its queue's rank."""
    direct = worker.direct.get(channel)
    # A task for this worker alone waits in no queue and counts as one of a FIFO queue.
    if direct is not None and direct.tasks:
        yield preferred != FIFO, {None: direct}
    for queue in worker.queues.values():
        groups = queue.pending.get(channel)
        if groups:
            yield queue.record.task_order != preferred, groups
        if queue.known:
            rank = queue.record.task_order != preferred
            # A task may refer to this worker by sid or by name.
            for reference in (("sid", worker.record.sid), ("name", worker.record.friendly_name)):
                known = queue.known.get((channel, *reference))
                if known:
                    yield rank, known


def best_for(kernel: Kernel, ws: WorkspaceState, worker: WorkerState) -> TaskState | None:
    """Return the waiting task that a worker should be given next, or None.

    Args:
        kernel: The engine's shared state.
        ws: Its ``prioritize_queue_order`` decides between LIFO and FIFO queues.
        worker: Only the channels on which it is free now are considered.
    """
    preferred = ws.record.prioritize_queue_order
    best: tuple[bool, OrderKey] | None = None
    found: TaskState | None = None
    for channel, idle_key in worker.idle_keys.items():
        # No key: the worker cannot take a task of this channel now.
        if idle_key is None:
            continue
        for rank, groups in _homes(worker, channel, preferred):
            # Cheap comparison first: the expression of a group is evaluated only if its top would win.
            for group in groups.values():
                key = group.top()
                # False sorts before True, so tasks of the preferred kind of queue come first, whatever their
                # priority.
                if best is None or (rank, key) < best:
                    task = group.tasks[key]
                    if conditions.suits(kernel, ws, task, worker):
                        best = (rank, key)
                        found = task
    return found


def reorder(ws: WorkspaceState, queue: QueueState) -> None:
    """Sort the tasks waiting in a queue after a change of the queue's task order.

    Args:
        ws: The workspace of the queue.
        queue: Has its new task order already.
    """
    waiting = [task for task in queue.tasks.values() if task.entry is not None]
    # Two passes: a group must never hold entries of both orders.
    for task in waiting:
        remove(task)
    for task in waiting:
        add(ws, task)
