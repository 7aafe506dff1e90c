"""Finding out why a task is where it is, by asking every filter, queue and worker."""

from __future__ import annotations

from ..core.kernel import Kernel
from ..core.plan import Filter, Target
from ..core.state import QueueState, TaskState, WorkerState, WorkspaceState
from ..expressions import Expression, Scope, TargetScope
from ..index import waiting
from ..index.idle import free
from ..model import ASSIGNED, CANCELED, COMPLETED, PENDING, RESERVED
from . import matching
from .verdicts import (
    Check,
    Explanation,
    ExpressionResult,
    FilterVerdict,
    Offer,
    QueueVerdict,
    TargetVerdict,
    WorkerVerdict,
    failing_parts,
)


def explain(kernel: Kernel, ws: WorkspaceState, task: TaskState) -> Explanation:
    """Return why a task is, or is not, with a worker; nothing is changed by asking."""
    workers = tuple(_worker(kernel, ws, task, worker) for worker in ws.workers.values())
    return Explanation(
        task_sid=task.record.sid,
        assignment_status=task.record.assignment_status,
        summary=_summary(ws, task, workers),
        route=task.route.value,
        age=task.record.age(kernel.now),
        ahead=_ahead(task),
        filters=_filters(ws, task),
        queues=tuple(_queue(ws, task, queue) for queue in ws.queues.values()),
        workers=workers,
        offers=tuple(
            Offer(
                sid=r.record.sid,
                worker_sid=r.record.worker_sid,
                worker_name=r.record.worker_name,
                status=r.record.reservation_status,
                created=r.record.date_created,
            )
            for r in task.reservations.values()
        ),
    )


def _summary(ws: WorkspaceState, task: TaskState, workers: tuple[WorkerVerdict, ...]) -> str:
    record = task.record
    status = record.assignment_status
    holders = list(task.open.values())
    names = ", ".join(f"{r.record.worker_name} ({r.record.reservation_status})" for r in holders)
    if status == CANCELED:
        return f"it was canceled: {record.reason or 'no reason given'}"
    if status == COMPLETED:
        return f"it was completed: {record.reason or 'no reason given'}"
    if status in (RESERVED, ASSIGNED) or (holders and status != PENDING):
        return f"it is with {names}"
    where = f"queue '{task.queue.record.friendly_name}'" if task.queue is not None else "no queue"
    if task.direct:
        return f"it waits for its routing target {record.routing_target}, who cannot take it now"
    if task.queue is not None and not task.queue.members:
        return f"it waits in {where}, whose TargetWorkers matches nobody"
    if not any(worker.suitable for worker in workers):
        return f"it waits in {where}; no worker can take it now"
    return f"it waits in {where}"


def _ahead(task: TaskState) -> int:
    if task.entry is None or task.queue is None:
        return 0
    mine = task.entry[:2]
    channel = task.record.task_channel_sid
    return sum(
        1
        for other in task.queue.tasks.values()
        if other.entry is not None and other.record.task_channel_sid == channel and other.entry[:2] < mine
    )


def _test(kind: str, expression: Expression, scope: Scope) -> ExpressionResult:
    verdict = expression.explain(scope)
    return ExpressionResult(kind=kind, text=expression.text, result=verdict.result, verdict=verdict)


def _filters(ws: WorkspaceState, task: TaskState) -> tuple[FilterVerdict, ...]:
    if task.plan is None:
        return ()
    plan = task.plan
    found = [_filter(ws, task, filter, number, number - 1) for number, filter in enumerate(plan.filters, 1)]
    if plan.default is not None:
        found.append(_filter(ws, task, plan.default, None, None))
    return tuple(found)


def _filter(
    ws: WorkspaceState, task: TaskState, filter: Filter, number: int | None, index: int | None
) -> FilterVerdict:
    current = task.step is not None and task.filter_index == index
    return FilterVerdict(
        label=filter.label or f"filter {number}",
        matched=None if filter.expression is None else _test("expression", filter.expression, task.scope),
        current=current,
        targets=tuple(_target(ws, task, target) for target in filter.targets),
    )


def _target(ws: WorkspaceState, task: TaskState, target: Target) -> TargetVerdict:
    queue = ws.queues.get(target.queue_sid)
    reference = waiting.known_reference(target, task)
    skip_if = None
    if target.skip_if is not None and queue is not None:
        skip_if = _test("skip_if", target.skip_if, matching.workers_scope(queue))
    return TargetVerdict(
        index=target.index,
        queue_sid=target.queue_sid,
        queue_name=queue.record.friendly_name if queue is not None else target.queue_sid,
        current=task.step is target,
        members=len(queue.members) if queue is not None else 0,
        suited=sum(1 for worker in queue.members.values() if _suits(ws, task, target, worker)) if queue else 0,
        expression=target.expression.text if target.expression is not None else None,
        timeout=target.timeout,
        priority=target.priority,
        order_by=target.order_by.text if target.order_by is not None else None,
        known_worker=reference[1] if reference is not None else None,
        skip_if=skip_if,
    )


def _suits(ws: WorkspaceState, task: TaskState, target: Target, worker: WorkerState) -> bool:
    """Whether a member of a target's queue satisfies the target's own conditions."""
    if target.expression is not None and not target.expression.matches(TargetScope(task.scope, worker.scope)):
        return False
    reference = waiting.known_reference(target, task)
    return reference is None or matching.known_worker(ws, ws.queues[target.queue_sid], reference) is worker


def _queue(ws: WorkspaceState, task: TaskState, queue: QueueState) -> QueueVerdict:
    counts = matching.workers_scope(queue)
    channel = task.record.task_channel_sid
    ready = 0
    if channel in ws.task_channels:
        ready = sum(1 for worker in queue.members.values() if free(ws, worker, channel))
    return QueueVerdict(
        sid=queue.record.sid,
        friendly_name=queue.record.friendly_name,
        target_workers=queue.record.target_workers,
        current=queue is task.queue,
        members=len(queue.members),
        available=counts.available,
        free=ready,
        waiting=sum(1 for other in queue.tasks.values() if other.record.assignment_status == PENDING),
    )


def _worker(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> WorkerVerdict:
    record = worker.record
    checks: list[Check] = []
    if task.direct:
        mine = task.record.routing_target == record.sid
        detail = "is the routing target" if mine else "is not the routing target"
        checks.append(Check(name="routing_target", passed=mine, detail=detail))
    else:
        checks.extend(_suitability(kernel, ws, task, worker))
    if not task.record.ignore_capacity:
        checks.extend(_readiness(ws, task, worker))
    return WorkerVerdict(
        sid=record.sid,
        friendly_name=record.friendly_name,
        activity_name=record.activity_name,
        checks=tuple(checks),
    )


def _suitability(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> list[Check]:
    """Check a worker against queue, step, and what it holds already."""
    checks: list[Check] = []
    queue = task.queue
    if queue is not None:
        test = _test("TargetWorkers", queue.expression, worker.queue_scope)
        checks.append(_expression_check("queue", f"TargetWorkers of '{queue.record.friendly_name}'", test))
    step = task.step
    if step is not None and step.expression is not None:
        test = _test("expression", step.expression, TargetScope(task.scope, worker.scope))
        checks.append(_expression_check("target", "expression of the target", test))
    reference = waiting.known_reference(step, task)
    if reference is not None and queue is not None:
        mine = matching.known_worker(ws, queue, reference) is worker
        detail = f"{'is' if mine else 'is not'} the known worker '{reference[1]}'"
        checks.append(Check(name="known_worker", passed=mine, detail=detail))
    if task.open and not waiting.may_return(kernel, task, worker):
        checks.append(Check(name="held", passed=False, detail="holds a reservation on this task"))
    return checks


def _expression_check(name: str, what: str, test: ExpressionResult) -> Check:
    detail = f"{what} is true"
    if not test.result and test.verdict is not None:
        detail = f"{what} is false: {failing_parts(test.verdict)}"
    return Check(name=name, passed=test.result, detail=detail)


def _readiness(ws: WorkspaceState, task: TaskState, worker: WorkerState) -> list[Check]:
    """Check a worker's activity, switch and capacity."""
    record = worker.record
    words = "is available" if record.available else "is not an available one"
    checks = [Check(name="activity", passed=record.available, detail=f"activity {record.activity_name} {words}")]
    channel = worker.channels.get(task.record.task_channel_sid)
    if channel is None:
        return checks
    name = channel.task_channel_unique_name
    on = "on" if channel.available else "off"
    checks.append(Check(name="channel", passed=channel.available, detail=f"channel {name} is switched {on}"))
    room = channel.occupied < channel.configured_capacity
    taken = f"{channel.occupied} of {channel.configured_capacity} places of channel {name} are taken"
    if not ws.record.multi_task_enabled and worker.open:
        room, taken = False, "has a reservation, and workers here do one task at a time"
    checks.append(Check(name="capacity", passed=room, detail=taken))
    return checks
