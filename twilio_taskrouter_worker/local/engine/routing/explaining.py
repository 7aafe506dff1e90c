"""The explanation of a task's state: the verdict of every filter, queue and worker.

The conditions on workers are those of ``index.conditions``, which routing uses as well, so the two cannot disagree.
Unlike routing, an explanation evaluates all of them, whether or not one has failed already.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from ..core.kernel import Kernel
from ..core.plan import Filter, Target
from ..core.state import QueueState, TaskState, WorkerState
from ..core.workspace import WorkspaceState
from ..expressions import Expression, Scope, TargetScope
from ..index import conditions
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


def explain(kernel: Kernel, ws: WorkspaceState, task: TaskState, most_workers: int | None = None) -> Explanation:
    """Return why a task is, or is not, with a worker.

    Args:
        kernel: Only read.
        ws: The workspace of the task.
        task: In any status, also final.
        most_workers: How many workers are explained: those with the fewest failing conditions; None: all.
    """
    shown = list(ws.workers.values())
    # Counted for everybody, explained for the nearest only: evaluating conditions is cheap, describing them is not.
    failing = [_failing(kernel, ws, task, worker) for worker in shown]
    if most_workers is not None and len(shown) > most_workers:
        # Stable, as sorted() is: of workers with as many failing conditions, the oldest are shown.
        nearest = heapq.nsmallest(most_workers, range(len(shown)), key=failing.__getitem__)
        shown = [shown[index] for index in nearest]
    # Computed once: the summary needs them as well.
    workers = verdicts(kernel, ws, task, shown)
    return Explanation(
        task_sid=task.record.sid,
        assignment_status=task.record.assignment_status,
        summary=_summary(task, workers),
        route=task.route.value,
        age=task.record.age(kernel.now),
        ahead=_ahead(task),
        filters=_filters(ws, task),
        queues=tuple(_queue(ws, task, queue) for queue in ws.queues.values()),
        workers=workers,
        workers_total=len(failing),
        suitable_total=failing.count(0),
        warnings=tuple(_warnings(task)),
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


def _warnings(task: TaskState) -> Iterator[str]:
    if task.plan is not None:
        yield from task.plan.warnings()
    # The task does not depend on the other queues.
    if task.queue is not None:
        for warning in task.queue.expression.warnings:
            yield f"TargetWorkers of '{task.queue.record.friendly_name}': {warning}"


def verdicts(
    kernel: Kernel, ws: WorkspaceState, task: TaskState, workers: Iterable[WorkerState] | None = None
) -> tuple[WorkerVerdict, ...]:
    """Return, for each worker, whether it could take the task now and which conditions fail.

    Args:
        kernel: Only read.
        ws: The workspace of the task.
        task: The task as it is now.
        workers: The workers; None: all of the workspace.
    """
    chosen = ws.workers.values() if workers is None else workers
    return tuple(_worker(kernel, ws, task, worker) for worker in chosen)


def _failing(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> int:
    """Return how many conditions fail; a fraction of the cost of explaining them."""
    return sum(not condition.holds(kernel, ws, task, worker) for condition in conditions.of(task))


def _summary(task: TaskState, workers: tuple[WorkerVerdict, ...]) -> str:
    record = task.record
    status = record.assignment_status
    holders = list(task.open.values())
    names = ", ".join(f"{r.record.worker_name} ({r.record.reservation_status})" for r in holders)
    if status == CANCELED:
        return f"it was canceled: {record.reason or 'no reason given'}"
    if status == COMPLETED:
        return f"it was completed: {record.reason or 'no reason given'}"
    # A transferred task may be pending while its transferor still holds it: then it waits.
    if status in (RESERVED, ASSIGNED) or (holders and status != PENDING):
        return f"it is with {names}"
    where = f"queue '{task.queue.record.friendly_name}'" if task.queue is not None else "no queue"
    # From the most special reason to the most general one.
    if task.direct:
        return f"it waits for its routing target {record.routing_target}, who cannot take it now"
    if task.queue is not None and not task.queue.members:
        return f"it waits in {where}, whose TargetWorkers matches nobody"
    if not any(worker.suitable for worker in workers):
        return f"it waits in {where}; no worker can take it now"
    return f"it waits in {where}"


def _ahead(task: TaskState) -> int:
    # A task for one worker alone waits for that worker and not in the queue that it is booked under.
    if task.entry is None or task.queue is None or task.direct:
        return 0
    channel = task.record.task_channel_sid
    # Only within the queue: which queue a worker prefers depends on the worker.
    return sum(
        1
        for other in task.queue.tasks.values()
        if other.entry is not None
        and not other.direct
        and other.record.task_channel_sid == channel
        and other.entry < task.entry
    )


def _test(kind: str, expression: Expression, scope: Scope) -> ExpressionResult:
    # The whole tree is evaluated, not the fast path, because the report shows each part.
    verdict = expression.explain(scope)
    return ExpressionResult(kind=kind, text=expression.text, result=verdict.result, verdict=verdict)


def _filters(ws: WorkspaceState, task: TaskState) -> tuple[FilterVerdict, ...]:
    if task.plan is None:
        return ()
    plan = task.plan
    # Evaluated against the plan the task entered with, not the workflow's present one.
    found = [_filter(ws, task, filter, number, number - 1) for number, filter in enumerate(plan.filters, 1)]
    if plan.default is not None:
        found.append(_filter(ws, task, plan.default, None, None))
    return tuple(found)


def _filter(
    ws: WorkspaceState, task: TaskState, filter: Filter, number: int | None, index: int | None
) -> FilterVerdict:
    # None is the index of the default filter, and also the value without a step.
    current = task.step is not None and task.filter_index == index
    return FilterVerdict(
        label=filter.label or f"filter {number}",
        matched=None if filter.expression is None else _test("expression", filter.expression, task),
        current=current,
        targets=tuple(_target(ws, task, target) for target in filter.targets),
    )


def _target(ws: WorkspaceState, task: TaskState, target: Target) -> TargetVerdict:
    queue = ws.queues.get(target.queue_sid)
    reference = conditions.reference_of(target, task)
    skip_if = None
    # Evaluated against the present counts; routing did so when the step was entered.
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
    if target.expression is not None and not target.expression.matches(TargetScope(task, worker.scope)):
        return False
    # Readiness is left out: the count shows whom the step may ever reach.
    reference = conditions.reference_of(target, task)
    return reference is None or conditions.known_worker(ws, ws.queues[target.queue_sid], reference) is worker


def _queue(ws: WorkspaceState, task: TaskState, queue: QueueState) -> QueueVerdict:
    counts = matching.workers_scope(queue)
    channel = task.record.task_channel_sid
    ready = 0
    # The channel of an ended task may have been deleted.
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
        # By status, not by index: a task that waits for no possible worker is in no group.
        waiting=sum(1 for other in queue.tasks.values() if other.record.assignment_status == PENDING),
    )


def _worker(kernel: Kernel, ws: WorkspaceState, task: TaskState, worker: WorkerState) -> WorkerVerdict:
    """Evaluate every condition that routing evaluates, and keep the results."""
    record = worker.record
    checks: list[Check] = []
    for condition in conditions.of(task):
        passed = condition.holds(kernel, ws, task, worker)
        decides = _decides(condition.name, task, worker)
        if decides is None:
            detail = _DETAILS[condition.name](ws, task, worker, passed)
        else:
            detail = _expression_detail(task, decides)
        expression = None if passed else decides
        checks.append(Check(name=condition.name, passed=passed, detail=detail, expression=expression))
    return WorkerVerdict(
        sid=record.sid,
        friendly_name=record.friendly_name,
        activity_name=record.activity_name,
        checks=tuple(checks),
    )


def _decides(name: str, task: TaskState, worker: WorkerState) -> ExpressionResult | None:
    """Return the expression behind a condition, with its verdict; None if no expression decides it."""
    if name == conditions.QUEUE.name and task.queue is not None:
        # The queue's scope, which by rule may hide the worker's own fields.
        return _test("TargetWorkers", task.queue.expression, worker.queue_scope)
    if name == conditions.TARGET.name and task.step is not None and task.step.expression is not None:
        return _test("expression", task.step.expression, TargetScope(task, worker.scope))
    return None


def _queue_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    return "the task is in no queue"


def _target_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    return "the target has no expression"


def _expression_detail(task: TaskState, decides: ExpressionResult) -> str:
    what = "expression of the target"
    if decides.kind == "TargetWorkers" and task.queue is not None:
        what = f"TargetWorkers of '{task.queue.record.friendly_name}'"
    if decides.result or decides.verdict is None:
        return f"{what} is true"
    # Only the failing parts are shown: a long expression is mostly true.
    return f"{what} is false: {failing_parts(decides.verdict)}"


def _known_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    _, name = conditions.known_reference(task) or ("", "")
    return f"{'is' if passed else 'is not'} the known worker '{name}'"


def _held_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    return "may be offered the task it already holds or held" if passed else "holds a reservation on this task"


def _routing_target_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    return "is the routing target" if passed else "is not the routing target"


def _activity_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    return f"activity {worker.record.activity_name} {'is available' if passed else 'is not an available one'}"


def _channel_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    return f"channel {task.record.task_channel_unique_name} is switched {'on' if passed else 'off'}"


def _capacity_detail(ws: WorkspaceState, task: TaskState, worker: WorkerState, passed: bool) -> str:
    channel = worker.channels.get(task.record.task_channel_sid)
    if channel is None:
        return f"channel {task.record.task_channel_unique_name} no longer exists"
    # Before the counts, which may show free places on this channel.
    if not ws.record.multi_task_enabled and worker.open:
        return "has a reservation, and workers here do one task at a time"
    name = channel.task_channel_unique_name
    return f"{channel.occupied} of {channel.configured_capacity} places of channel {name} are taken"


_DETAILS: dict[str, Callable[[WorkspaceState, TaskState, WorkerState, bool], str]] = {
    conditions.QUEUE.name: _queue_detail,
    conditions.TARGET.name: _target_detail,
    conditions.KNOWN_WORKER.name: _known_detail,
    conditions.HELD.name: _held_detail,
    conditions.ROUTING_TARGET.name: _routing_target_detail,
    conditions.ACTIVITY.name: _activity_detail,
    conditions.CHANNEL.name: _channel_detail,
    conditions.CAPACITY.name: _capacity_detail,
}
"""The function that describes the result of each condition."""
