"""Statistics of workspaces, queues, workflows and workers, as REST shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine import model
from ..events.facts import Fact
from ..http import filters, refusals
from ..http.forms import convert, integer, text
from ..http.parameters import TASK_QUEUE_SID
from ..http.windows import Window, window
from . import figures as statistics
from .call import Answer, Call, Operation
from .figures import Figures
from .paging import page

_W = "Workspaces/{WorkspaceSid}"
_MOST_QUEUES = 50
MOST_THRESHOLDS = 30
"""How many limits ``SplitByWaitTime`` may have: each is compared with every task."""


# -- the requested figures -------------------------------------------------------------------------------------------


def _channel(call: Call) -> str | None:
    """Return the sid of the task channel that TaskChannel names by sid or unique name; None without one."""
    given = call.query.get("TaskChannel")
    if not given:
        return None
    for channel in call.engine.task_channels(call.workspace_sid):
        if convert("TaskChannel", given, text) in (channel.sid, channel.unique_name):
            return channel.sid
    raise refusals.invalid("The value of TaskChannel is invalid: there is no such task channel")


def _thresholds(call: Call) -> tuple[int, ...] | None:
    given = call.query.get("SplitByWaitTime")
    if not given:
        return None
    parts = convert("SplitByWaitTime", given, text).split(",")
    limits = tuple(sorted({convert("SplitByWaitTime", part, integer) for part in parts}))
    if len(limits) > MOST_THRESHOLDS:
        raise refusals.invalid(
            f"The value of SplitByWaitTime is invalid: it has {len(limits)} limits, and may have {MOST_THRESHOLDS}"
        )
    if limits[0] < 0:
        raise refusals.invalid("The value of SplitByWaitTime is invalid: seconds are 0 or more")
    return limits


def _tasks(call: Call, wanted: Callable[[model.Task], bool] = lambda task: True) -> list[model.Task]:
    channel = _channel(call)
    return [
        task
        for task in call.engine.tasks(call.workspace_sid)
        if wanted(task) and channel in (None, task.task_channel_sid)
    ]


def _facts(call: Call, span: Window, wanted: Callable[[Fact], bool] = lambda fact: True) -> list[Fact]:
    channel = _channel(call)
    return [
        fact
        for fact in call.service.facts.within(call.workspace_sid, span)
        if wanted(fact) and channel in (None, fact.channel_sid)
    ]


def _whose(call: Call, **sids: str) -> Figures:
    account = call.engine.account_sid
    return {"account_sid": account, "workspace_sid": call.workspace_sid, **sids, "url": call.url}


# -- the figures of each kind ----------------------------------------------------------------------------------------


def _workspace_now(call: Call) -> Figures:
    workers = call.engine.workers(call.workspace_sid)
    return {
        "activity_statistics": statistics.activities_now(call.engine, call.workspace_sid, workers),
        **statistics.tasks_now(_tasks(call), call.now),
        "total_workers": len(workers),
    }


def _workspace_past(call: Call) -> Figures:
    span = window(call.query, call.now)
    facts = _facts(call, span)
    return {
        **statistics.span_of(span),
        **statistics.tasks_past(facts, "task.created", _thresholds(call)),
        **statistics.timed_out_in_workflow(facts),
    }


def _queue_now(call: Call, queue_sid: str) -> Figures:
    """Return the current figures of a queue; zeros for a queue of another workspace."""
    # The bulk request may name queues of other workspaces; one bad sid must not cost the figures of the others.
    known = any(queue.sid == queue_sid for queue in call.engine.queues(call.workspace_sid))
    members = call.engine.queue_members(call.workspace_sid, queue_sid) if known else []
    tasks = _tasks(call, lambda task: task.task_queue_sid == queue_sid)
    return {
        "task_queue_sid": queue_sid,
        "activity_statistics": statistics.activities_now(call.engine, call.workspace_sid, members),
        **statistics.tasks_now(tasks, call.now),
        **statistics.longest_in_queue(tasks, call.now),
        "total_eligible_workers": len(members),
        # By activity alone: capacity does not count here, as in the live service.
        "total_available_workers": sum(worker.available for worker in members),
    }


def _queue_past(call: Call, queue_sid: str) -> Figures:
    span = window(call.query, call.now)

    def concerns(fact: Fact) -> bool:
        # A move counts for the queue that was left; for the one that was reached it is an entry.
        if fact.type == "task-queue.moved":
            return fact.previous_queue_sid == queue_sid
        return fact.queue_sid == queue_sid

    facts = _facts(call, span, concerns)
    came = _facts(call, span, lambda fact: fact.type == "task-queue.moved" and fact.queue_sid == queue_sid)
    figures = statistics.tasks_past(facts, "task-queue.entered", _thresholds(call))
    figures["tasks_entered"] += len(came)
    return {**statistics.span_of(span), **figures, **statistics.wait_in_queue(facts)}


def _workflow_now(call: Call, workflow_sid: str) -> Figures:
    return statistics.tasks_now(_tasks(call, lambda task: task.workflow_sid == workflow_sid), call.now)


def _workflow_past(call: Call, workflow_sid: str) -> Figures:
    span = window(call.query, call.now)
    facts = _facts(call, span, lambda fact: fact.workflow_sid == workflow_sid)
    return {
        **statistics.span_of(span),
        **statistics.tasks_past(facts, "workflow.entered", _thresholds(call)),
        **statistics.timed_out_in_workflow(facts),
    }


# The only filters that Twilio has for statistics of workers.
_OF_WORKERS = tuple(each for each in filters.WORKERS if each.name in ("FriendlyName", "TaskQueueSid", "TaskQueueName"))


def _workers(call: Call) -> list[model.Worker]:
    return filters.select(call.engine.workers(call.workspace_sid), call.scope(), call.query, _OF_WORKERS)


def _workers_now(call: Call, workers: list[model.Worker]) -> Figures:
    _channel(call)  # makes no difference to who is in which activity, but must exist
    return {
        "activity_statistics": statistics.activities_now(call.engine, call.workspace_sid, workers),
        "total_workers": len(workers),
    }


def _workers_past(call: Call, workers: list[model.Worker]) -> Figures:
    span = window(call.query, call.now)
    sids = {worker.sid for worker in workers}
    facts = _facts(call, span, lambda fact: fact.worker_sid in sids)
    # Not through _facts(): a change of activity has no task channel, so a filter by channel would drop them all.
    stays = [
        fact
        for fact in call.service.facts.within(call.workspace_sid, span)
        if fact.worker_sid in sids and fact.activity_sid is not None
    ]
    durations = statistics.activity_durations(call.engine, call.workspace_sid, workers, stays, span)
    return {**statistics.span_of(span), **statistics.reservations(facts), "activity_durations": durations}


# -- operations ------------------------------------------------------------------------------------------------------

Part = Callable[[Call], Figures]


def _operations(name: str, path: str, now: Part, past: Part, whose: Callable[[Call], Figures]) -> list[Operation]:
    """The three views of one thing: now, in a span, and both."""
    return [
        Operation(
            f"Fetch{name}Statistics",
            "GET",
            f"{path}/Statistics",
            lambda call: Answer(200, {**whose(call), "realtime": now(call), "cumulative": _decimal(past(call))}),
        ),
        Operation(
            f"Fetch{name}RealTimeStatistics",
            "GET",
            f"{path}/RealTimeStatistics",
            lambda call: Answer(200, {**whose(call), **now(call)}),
        ),
        Operation(
            f"Fetch{name}CumulativeStatistics",
            "GET",
            f"{path}/CumulativeStatistics",
            lambda call: Answer(200, {**whose(call), **past(call)}),
        ),
    ]


def _decimal(past: Figures) -> Figures:
    """Combined statistics show this average as a decimal number."""
    return {**past, "avg_task_acceptance_time": float(past["avg_task_acceptance_time"])}


def _of_workspace(call: Call) -> Figures:
    call.engine.workspace(call.workspace_sid)
    return _whose(call)


def _of_queue(call: Call) -> Figures:
    return _whose(call, task_queue_sid=call.engine.queue(call.workspace_sid, call.path["TaskQueueSid"]).sid)


def _of_workflow(call: Call) -> Figures:
    return _whose(call, workflow_sid=call.engine.workflow(call.workspace_sid, call.path["WorkflowSid"]).sid)


def _of_one_worker(call: Call) -> Answer:
    worker = call.engine.worker(call.workspace_sid, call.path["WorkerSid"])
    return Answer(200, {**_whose(call, worker_sid=worker.sid), "cumulative": _workers_past(call, [worker])})


def _list_of_queues(call: Call) -> Answer:
    # Refused also where there is no queue to look at.
    window(call.query, call.now)
    _channel(call)
    _thresholds(call)
    queues = filters.select(call.engine.queues(call.workspace_sid), call.scope(), call.query, filters.TASK_QUEUES[:1])

    def shape(queue: Any, base: str, now: float) -> Figures:
        both = {"realtime": _queue_now(call, queue.sid), "cumulative": _decimal(_queue_past(call, queue.sid))}
        return {
            "account_sid": queue.account_sid,
            "workspace_sid": queue.workspace_sid,
            "task_queue_sid": queue.sid,
            **both,
        }

    return Answer(200, page(call, "task_queues_statistics", queues, shape))


def _bulk(call: Call) -> Answer:
    call.engine.workspace(call.workspace_sid)
    given = call.document
    # Some clients can post objects only: the array may be the one value of one.
    if isinstance(given, dict) and len(given) == 1:
        [given] = given.values()
    if not isinstance(given, list) or not given or not all(isinstance(sid, str) for sid in given):
        raise refusals.invalid("The request body must be a JSON array of TaskQueue sids")
    if len(given) > _MOST_QUEUES:
        raise refusals.invalid(f"There are more than {_MOST_QUEUES} TaskQueue sids")
    data = [_queue_now(call, convert("QueueSids", sid, TASK_QUEUE_SID)) for sid in given]
    return Answer(200, {**_whose(call), "task_queue_data": data, "task_queue_response_count": len(data)})


_WORKERS = f"{_W}/Workers"

OPERATIONS = (
    *_operations("Workspace", _W, _workspace_now, _workspace_past, _of_workspace),
    *_operations(
        "TaskQueue",
        f"{_W}/TaskQueues/{{TaskQueueSid}}",
        lambda call: _queue_now(call, call.path["TaskQueueSid"]),
        lambda call: _queue_past(call, call.path["TaskQueueSid"]),
        _of_queue,
    ),
    *_operations(
        "Workflow",
        f"{_W}/Workflows/{{WorkflowSid}}",
        lambda call: _workflow_now(call, call.path["WorkflowSid"]),
        lambda call: _workflow_past(call, call.path["WorkflowSid"]),
        _of_workflow,
    ),
    Operation("ListTaskQueuesStatistics", "GET", f"{_W}/TaskQueues/Statistics", _list_of_queues),
    Operation(
        "CreateTaskQueueBulkRealTimeStatistics", "POST", f"{_W}/TaskQueues/RealTimeStatistics", _bulk, takes_json=True
    ),
    Operation(
        "FetchWorkerStatistics",
        "GET",
        f"{_WORKERS}/Statistics",
        lambda call: Answer(
            200,
            {
                **_of_workspace(call),
                "realtime": _workers_now(call, _workers(call)),
                "cumulative": _workers_past(call, _workers(call)),
            },
        ),
    ),
    Operation(
        "FetchWorkersRealTimeStatistics",
        "GET",
        f"{_WORKERS}/RealTimeStatistics",
        lambda call: Answer(200, {**_of_workspace(call), **_workers_now(call, _workers(call))}),
    ),
    Operation(
        "FetchWorkersCumulativeStatistics",
        "GET",
        f"{_WORKERS}/CumulativeStatistics",
        lambda call: Answer(200, {**_of_workspace(call), **_workers_past(call, _workers(call))}),
    ),
    Operation("FetchWorkerInstanceStatistics", "GET", f"{_WORKERS}/{{WorkerSid}}/Statistics", _of_one_worker),
)
