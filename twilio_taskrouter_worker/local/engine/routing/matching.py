"""Bringing waiting tasks and free workers together.

The invariant when ``settle`` returns: for no pending task is there a worker who meets all of its conditions
(``conditions.of``). Every change either leaves it true or says whom it concerns: a worker who may have become able to
take something is in ``kernel.woken``, a task that has become pending in ``kernel.unplaced``. Nobody else needs to be
asked.

Woken workers come first, and each is given the best task that waits for it, unplaced ones included: a task that came
back must not overtake one that waited with a higher priority. What is then left of the unplaced tasks is offered in
order, each to the longest idle. A reservation may wake others (an activity that changes with it), so this goes round
until both are empty. It ends, because each round either takes somebody out for good or makes a reservation, and the
number of reservations of a task is limited.
"""

from __future__ import annotations

from ..core.kernel import Kernel
from ..core.schedule import TimerKind
from ..core.state import QueueState, ReservationState, TaskState, WorkerState
from ..core.workspace import WorkspaceState
from ..expressions import WorkersScope
from ..index import conditions, idle, waiting
from ..model import PENDING, RESERVED, TRANSFER_INITIATED, Reservation
from ..rules import DEFAULT_RESERVATION_TIMEOUT, REASON_LIMIT
from ..transitions import cancel_task, move
from . import walk


def settle(kernel: Kernel) -> None:
    """Offer what can be offered after a change, until nothing more can.

    Workers who became free come first, each with the best task for it, because a task that came back must not overtake
    one that waited with a higher priority. Then the tasks that became pending look among all idle workers.
    """
    while kernel.woken or kernel.unplaced:
        if kernel.woken:
            for task, ws in kernel.unplaced.items():
                waiting.add(ws, task)
            worker = next(iter(kernel.woken))
            _feed(kernel, kernel.woken.pop(worker), worker)
            continue
        for task in sorted(kernel.unplaced, key=waiting.order_key):
            home = kernel.unplaced.pop(task, None)
            if home is not None:
                _place(kernel, home, task)
            if kernel.woken:
                break


def _feed(kernel: Kernel, ws: WorkspaceState, worker: WorkerState) -> None:
    """Give a worker tasks as long as it has room and something suits it."""
    while worker.record.sid in ws.workers:
        task = waiting.best_for(kernel, ws, worker)
        if task is None:
            return
        kernel.unplaced.pop(task, None)
        if not _offer(kernel, ws, task, candidates(kernel, ws, task)) and not task.record.final:
            return


def _place(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> None:
    """Offer a pending task to idle workers, or let it wait, or let it skip its step."""
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
    """Return the numbers that a skip_if can ask for."""
    available = sum(1 for worker in queue.members.values() if worker.record.available)
    return WorkersScope(available, len(queue.members) - available, dict(queue.activity_counts))


def candidates(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> list[WorkerState]:
    """Return the workers to reserve for a pending task, in order; empty when there is none now."""
    reference = None if task.direct else conditions.known_reference(task)
    if not task.direct and reference is None:
        return _queue_candidates(kernel, ws, task)
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
    limit = queue.record.max_reserved_workers
    ordering = task.step.order_by if task.step is not None else None
    suited: list[WorkerState] = []
    for _, _, sid in idle.idle_members(queue, task.record.task_channel_sid):
        worker = ws.workers[sid]
        if conditions.suits(kernel, ws, task, worker):
            suited.append(worker)
            if ordering is None and len(suited) == limit:
                break
    if ordering is not None:
        # The sort is stable, so that ties keep the order of the longest idle.
        suited.sort(key=lambda worker: ordering.key(worker.scope))
    return suited[:limit]


def _offer(kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: list[WorkerState]) -> bool:
    """Reserve these workers for a task; False when there are none, or the task was offered too often and is gone."""
    if not workers:
        return False
    if task.record.counter >= kernel.rules.max_assignments:
        cancel_task(kernel, ws, task, REASON_LIMIT)
        return False
    reserve(kernel, ws, task, workers)
    return True


def reserve(kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: list[WorkerState]) -> None:
    """Make a pending reservation for each of these workers, at the same moment."""
    made = make(kernel, ws, task, workers)
    emit_created(kernel, ws, made)
    transfer = task.transfer
    if transfer is not None and kernel.rules.task_updated_on_transfer:
        kernel.emit("task.updated", ws, (transfer.initiator.record.worker_sid,), task=task.record)


def make(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: list[WorkerState], **changes: object
) -> list[ReservationState]:
    """Make the reservations of one moment, together with other changes of the task; nothing is emitted."""
    waiting.remove(task)
    kernel.schedule.cancel(task.sla_timer)
    task.sla_timer = None
    task.entering = False
    made = [_make(kernel, ws, task, worker) for worker in workers]
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
    """Emit that reservations were made; a worker who does one task at a time changes its activity before."""
    for reservation in made:
        queue = reservation.task.queue
        activity = queue.record.reservation_activity_sid if queue is not None else None
        if activity is not None and not ws.record.multi_task_enabled:
            move(kernel, ws, reservation.worker, ws.activities[activity])
    for reservation in made:
        kernel.emit_reservation("reservation.created", ws, reservation)


def _make(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> ReservationState:
    now = kernel.now
    timeout = DEFAULT_RESERVATION_TIMEOUT
    if task.workflow is not None:
        timeout = task.workflow.record.task_reservation_timeout
    transfer = task.transfer
    by_transfer = transfer is not None and transfer.record.transfer_status == TRANSFER_INITIATED
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
        worker_previous_activity_sid=worker.record.activity_sid,
        canceled_reason_code=None,
        transfer_sid=transfer.record.sid if transfer is not None and by_transfer else None,
        on_hold=False,
        instruction=None,
        post_work_activity_sid=None,
        version=0,
    )
    state = ReservationState(record, task, worker)
    state.timer = kernel.schedule.at(now + timeout, TimerKind.RESERVATION_TIMEOUT, ws, state)
    ws.reservations[record.sid] = state
    for holder in (task, worker):
        holder.reservations[record.sid] = state
        holder.open[record.sid] = state
    worker.record = worker.record.replaced(version=worker.record.version + 1)
    idle.occupy(kernel, worker, record.task_channel_sid, occupied=1)
    idle.refresh(kernel, ws, worker)
    return state
