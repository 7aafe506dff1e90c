"""Matching of waiting tasks and free workers.

The invariant when ``settle`` returns: for no pending task is there a worker who meets all of its conditions
(``conditions.of``). Every change either leaves it true or records what it affects: a worker who may have become able to
take a task is in ``kernel.woken``, a task that has become pending in ``kernel.unplaced``, and a worker whose channel
figures changed where target expressions read them in ``kernel.recounted``. Nothing else needs to be considered.

Woken workers come first, and each is given the best task that waits for it, unplaced ones included: a task that came
back must not overtake one that waited with a higher priority. What is then left of the unplaced tasks is offered in
order, each to the longest idle. A reservation may wake other workers (by a change of activity), so this is repeated
until all are empty. It ends, because each round either removes an entry for good or makes a reservation, and the
number of reservations of a task is limited.
"""

from __future__ import annotations

from ..core.kernel import Kernel
from ..core.schedule import TimerKind
from ..core.state import QueueState, ReservationState, TaskState, WorkerState
from ..core.workspace import WorkspaceState
from ..expressions import WorkersScope
from ..index import conditions, idle, waiting
from ..model import PENDING, RESERVED, Reservation
from ..rules import DEFAULT_RESERVATION_TIMEOUT, REASON_LIMIT
from ..transitions import cancel_task, move
from . import walk


def settle(kernel: Kernel) -> None:
    """Make all offers that have become possible by a change.

    Args:
        kernel: Its ``woken``, ``unplaced`` and ``recounted`` are empty afterwards.
    """
    while kernel.woken or kernel.unplaced or kernel.recounted:
        # Workers who were woken by this offer come first again.
        if kernel.woken:
            # Unplaced tasks join the waiting ones, so that the worker gets the best of both.
            for task, ws in kernel.unplaced.items():
                waiting.add(ws, task)
            worker = next(iter(kernel.woken))
            _feed(kernel, kernel.woken.pop(worker), worker)
            continue
        unplaced = list(kernel.unplaced.items())
        if len(unplaced) > 1:
            unplaced.sort(key=lambda item: waiting.rank_key(item[1], item[0]))
        for task, ws in unplaced:
            # An earlier round of this loop may have placed or ended it.
            if kernel.unplaced.pop(task, None) is not None:
                _place(kernel, ws, task)
            if kernel.woken:
                break
        else:
            # Last, because workers who were just given a task must not come before those who wait for one: a task may
            # still ask for a worker who has some work, or none that is accepted.
            kernel.woken.update(kernel.recounted)
            kernel.recounted.clear()
    idle.update_lists(kernel)


def _feed(kernel: Kernel, ws: WorkspaceState, worker: WorkerState) -> None:
    """Give a worker tasks while it has capacity and a task suits it."""
    # Offers may have consequences that change the worker, so each round starts from the present state.
    while worker.record.sid in ws.workers:
        task = waiting.best_for(kernel, ws, worker)
        if task is None:
            return
        waited = kernel.unplaced.pop(task, None) is None
        # Every other worker is as before: had one of them met the conditions of a queue, which depend on the worker
        # alone, the task would not have waited.
        alone = waited and not kernel.woken and not kernel.recounted and not conditions.own(task)
        # The best task was offered to nobody and is still open: the next round would find it again.
        workers = [worker] if alone else candidates(kernel, ws, task)
        if not _offer(kernel, ws, task, workers) and not task.record.final:
            return


def _place(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Offer a pending task to idle workers; otherwise skip its step or add it to the waiting tasks."""
    # skip_if is evaluated once per step, when it is entered and nobody could take the task.
    entering = task.entering
    task.entering = False
    if _offer(kernel, ws, task, candidates(kernel, ws, task)) or task.record.final:
        return
    if entering and _skips(task):
        waiting.remove(task)
        walk.skip(kernel, ws, task)
        return
    waiting.add(ws, task)


def _skips(task: TaskState) -> bool:
    step = task.step
    if step is None or step.skip_if is None or task.queue is None:
        return False
    return step.skip_if.matches(workers_scope(task.queue))


def workers_scope(queue: QueueState) -> WorkersScope:
    """Return the counts that a skip_if expression can read.

    Args:
        queue: The queue of the step.
    """
    # By activity alone, as documented: a worker without a free place counts as available.
    available = sum(1 for worker in queue.members.values() if worker.record.available)
    return WorkersScope(available, len(queue.members) - available, dict(queue.activity_counts))


def candidates(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> list[WorkerState]:
    """Return the workers to reserve for a pending task, in order; empty if there is none now.

    Args:
        kernel: The engine's shared state; only read.
        ws: The workspace of the task.
        task: Its queue limits how many workers are reserved at once.
    """
    reference = None if task.direct else conditions.known_reference(task)
    if not task.direct and reference is None:
        return _queue_candidates(kernel, ws, task)
    # At most one worker is possible, so no index is needed.
    if reference is None:
        only = ws.workers.get(task.record.routing_target or "")
    else:
        only = conditions.known_worker(ws, _queue(task), reference)
    return [only] if only is not None and conditions.met(kernel, ws, task, only) else []


def _queue(task: TaskState) -> QueueState:
    assert task.queue is not None
    return task.queue


def _queue_candidates(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> list[WorkerState]:
    queue = _queue(task)
    # The queue decides, also for a transfer to it.
    limit = queue.record.max_reserved_workers
    ordering = task.step.order_by if task.step is not None else None
    suited: list[WorkerState] = []
    for _, _, sid in idle.idle_members(kernel, queue, task.record.task_channel_sid):
        worker = ws.workers[sid]
        if conditions.suits(kernel, ws, task, worker):
            suited.append(worker)
            # With an order_by every idle member must be considered before the best are known.
            if ordering is None and len(suited) == limit:
                break
    if ordering is not None:
        # The sort is stable, so that ties keep the order of the longest idle.
        suited.sort(key=lambda worker: ordering.key(worker.scope))
    return suited[:limit]


def _offer(kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: list[WorkerState]) -> bool:
    """Reserve workers for a task; return False if there are none, or if it was offered too often and is canceled."""
    if not workers:
        return False
    # Checked only when there is somebody to offer it to: a task that just waits does not use up its limit.
    if task.record.counter >= kernel.rules.max_assignments:
        cancel_task(kernel, ws, task, REASON_LIMIT)
        return False
    reserve(kernel, ws, task, workers)
    return True


def reserve(kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: list[WorkerState]) -> None:
    """Make a pending reservation for each of these workers at the same time, and emit the events.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Must be pending.
        workers: In the order of the reservations; at least one.
    """
    made = make(kernel, ws, task, workers)
    emit_created(kernel, ws, made)
    transfer = task.transfer
    if transfer is not None and kernel.rules.task_updated_on_transfer:
        kernel.emit_transferred(ws, transfer)


def make(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: list[WorkerState], **changes: object
) -> list[ReservationState]:
    """Make reservations and change the task to reserved; nothing is emitted.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the task.
        task: Pending, or assigned with a transfer that has just started.
        workers: In the order of the reservations.
        changes: Other fields of the task's record that change with it, all as one version.
    """
    # Before the record changes: the task's entry was made from the present one.
    waiting.remove(task)
    # The routing target was found in time.
    kernel.schedule.cancel(task.sla_timer)
    task.sla_timer = None
    task.entering = False
    made = [_make(kernel, ws, task, worker) for worker in workers]
    # One version, however many workers are reserved: the events of the reservations show it, and clients expect the
    # next change to be exactly one higher. The limit of assignments counts it once as well.
    record = task.record
    task.record = record.replaced(
        assignment_status=RESERVED,
        counter=record.counter + 1,
        version=record.version + 1,
        date_updated=kernel.now,
        **changes,
    )
    return made


def emit_created(kernel: Kernel, ws: WorkspaceState, made: list[ReservationState]) -> None:
    """Emit the events of new reservations.

    A worker who does one task at a time is moved to the queue's reservation activity first.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservations.
        made: In the order of their events.
    """
    # All moves come before the first reservation event, so that every snapshot shows them.
    for reservation in made:
        queue = reservation.task.queue
        activity = queue.record.reservation_activity_sid if queue is not None else None
        if activity is not None and not ws.record.multi_task_enabled:
            # It exists: an activity that a queue names cannot be deleted.
            move(kernel, ws, reservation.worker, ws.activities[activity])
    for reservation in made:
        kernel.emit_reservation("reservation.created", ws, reservation)


def _make(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> ReservationState:
    now = kernel.now
    timeout = DEFAULT_RESERVATION_TIMEOUT
    if task.workflow is not None:
        timeout = task.workflow.record.task_reservation_timeout
    transfer = task.transfer
    record = Reservation(
        account_sid=kernel.account_sid,
        sid=kernel.sids.make("WR"),
        date_created=now,
        date_updated=now,
        workspace_sid=ws.record.sid,
        task_sid=task.record.sid,
        task_channel_sid=task.record.task_channel_sid,
        worker_sid=worker.record.sid,
        worker_name=worker.record.friendly_name,
        reservation_status=PENDING,
        reservation_timeout=timeout,
        # Before emit_created, which may move the worker.
        worker_previous_activity_sid=worker.record.activity_sid,
        # While a transfer is open, every new reservation is an offer of it.
        transfer_sid=transfer.record.sid if transfer is not None else None,
    )
    state = ReservationState(record, task, worker)
    state.timer = kernel.schedule.at(now + timeout, TimerKind.RESERVATION_TIMEOUT, ws, state)
    ws.reservations[record.sid] = state
    for holder in (task, worker):
        holder.reservations[record.sid] = state
        holder.open[record.sid] = state
    # A reservation counts as a change of its worker too.
    worker.record = worker.record.replaced(version=worker.record.version + 1)
    idle.occupy(kernel, ws, worker, record.task_channel_sid, occupied=1)
    # All channels: without optimized routing, the idle time of each has changed.
    idle.refresh(kernel, ws, worker)
    return state
