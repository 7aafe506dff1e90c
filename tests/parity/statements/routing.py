"""Workflows: their configuration, and the way of tasks through it."""

from __future__ import annotations

import json
from typing import Any

from tests.parity.statement import Page, World

WORKFLOW = Page("taskrouter/api/workflow")
CONFIGURATION = Page("taskrouter/workflow-configuration")
KNOWN = Page("taskrouter/workflow-configuration/known-agent-routing")
WALK = Page("taskrouter/lifecycle-task-workflows-and-assignment")
PAGES = (WORKFLOW, CONFIGURATION, KNOWN, WALK)


def _configuration(w: World, **routing: Any) -> str:
    return json.dumps({"task_routing": routing or {"default_filter": {"queue": w.queue}}})


def _saved(w: World, configuration: str) -> int:
    return w.status("POST", "/Workflows", FriendlyName="x", Configuration=configuration)


def _filter(expression: str, *targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"expression": expression, "targets": list(targets), **more}


def _queue_of(w: World, task: str) -> str:
    return str(w.get(task)["task_queue_sid"])


WORKFLOW.says(
    "FriendlyName and Configuration are required.",
    lambda w: (
        w.status("POST", "/Workflows", FriendlyName="x") == 400
        and w.status("POST", "/Workflows", Configuration=_configuration(w)) == 400
    ),
)
WORKFLOW.says(
    "TaskReservationTimeout is 120 seconds unless it is given.",
    lambda w: w.get(f"/Workflows/{w.workflow}")["task_reservation_timeout"] == 120,
)
WORKFLOW.says(
    "TaskReservationTimeout is at most a day.",
    lambda w: (
        w.status("POST", f"/Workflows/{w.workflow}", TaskReservationTimeout=86400) == 200
        and w.status("POST", f"/Workflows/{w.workflow}", TaskReservationTimeout=86401) == 400
    ),
)
WORKFLOW.says(
    "Configuration comes back as JSON text.",
    lambda w: (
        json.loads(w.get(f"/Workflows/{w.workflow}")["configuration"])["task_routing"]["default_filter"]
        == {"queue": w.queue}
    ),
)
WORKFLOW.says(
    "A callback address must be a URL.",
    lambda w: (
        w.refused(f"/Workflows/{w.workflow}", AssignmentCallbackUrl="example.com")
        == (400, "'example.com' is not a valid AssignmentCallbackUrl")
    ),
)
WORKFLOW.says(
    "The list can be filtered by FriendlyName.",
    lambda w: (
        len(w.get("/Workflows", FriendlyName="Default Fifo Workflow")["workflows"]) == 1
        and w.get("/Workflows", FriendlyName="x")["workflows"] == []
    ),
)
WORKFLOW.says(
    "ReEvaluateTasks sends waiting tasks through the new configuration.",
    lambda w: (
        (second := w.new_queue())
        and (task := w.task())
        and w.post(
            f"/Workflows/{w.workflow}",
            Configuration=_configuration(w, default_filter={"queue": second}),
            ReEvaluateTasks="true",
        )
        and _queue_of(w, task) == second
    ),
)
WORKFLOW.says(
    "Without ReEvaluateTasks waiting tasks stay where they are.",
    lambda w: (
        (second := w.new_queue())
        and (task := w.task())
        and w.post(f"/Workflows/{w.workflow}", Configuration=_configuration(w, default_filter={"queue": second}))
        and _queue_of(w, task) == w.queue
    ),
)
WORKFLOW.says("A workflow without tasks can be deleted.", lambda w: w.delete(f"/Workflows/{w.workflow}") == 204)

CONFIGURATION.says("Configuration must be JSON.", lambda w: _saved(w, "{") == 400)
CONFIGURATION.says("Configuration needs task_routing.", lambda w: _saved(w, "{}") == 400)
CONFIGURATION.says(
    "A queue that does not exist is refused.",
    lambda w: _saved(w, _configuration(w, default_filter={"queue": "WQ" + "0" * 32})) == 400,
)
CONFIGURATION.says(
    "An expression that does not parse is refused.",
    lambda w: _saved(w, _configuration(w, filters=[_filter("a ==", {"queue": w.queue})])) == 400,
)
CONFIGURATION.says(
    "The first filter that matches takes the task.",
    lambda w: (
        (second := w.new_queue())
        and (flow := w.new_workflow(_filter("a == 1", {"queue": second}), _filter("1==1", {"queue": w.queue})))
        and _queue_of(w, w.task({"a": 1}, WorkflowSid=flow)) == second
    ),
)
CONFIGURATION.says(
    "What no filter matches goes to the default filter.",
    lambda w: (
        (second := w.new_queue())
        and (flow := w.new_workflow(_filter("a == 1", {"queue": w.queue}), default={"queue": second}))
        and _queue_of(w, w.task(WorkflowSid=flow)) == second
    ),
)
CONFIGURATION.says(
    "A target's priority is given to the task.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "priority": 9})))
        and w.get(w.task(WorkflowSid=flow, Priority=1))["priority"] == 9
    ),
)
CONFIGURATION.says(
    "A target without priority leaves the task's own.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue})))
        and w.get(w.task(WorkflowSid=flow, Priority=4))["priority"] == 4
    ),
)
CONFIGURATION.says(
    "Priority and timeout may be written as texts.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "priority": "9", "timeout": "10"})))
        and w.get(w.task(WorkflowSid=flow))["priority"] == 9
    ),
)
CONFIGURATION.says(
    "After a target's timeout the task goes to the next target.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "timeout": 10}, {"queue": second})))
        and (task := w.task(WorkflowSid=flow))
        and (w.advance(9) or _queue_of(w, task) == w.queue)
        and (w.advance(1) or _queue_of(w, task) == second)
    ),
)
CONFIGURATION.says(
    "A target's expression narrows down the workers of its queue.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "expression": "worker.level > task.level"})))
        and w.worker("Alice", level=1)
        and w.worker("Bob", level=5)
        and w.get(w.offers(w.task({"level": 3}, WorkflowSid=flow))[0])["worker_name"] == "Bob"
    ),
)
CONFIGURATION.says(
    "order_by puts the workers in the order of an attribute.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "order_by": "worker.level DESC"})))
        and w.worker("Alice", level=1)
        and w.worker("Bob", level=5)
        and w.get(w.offers(w.task(WorkflowSid=flow))[0])["worker_name"] == "Bob"
    ),
)
CONFIGURATION.says(
    "skip_if leaves a target at once when nobody is available.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (
            flow := w.new_workflow(
                _filter("1==1", {"queue": w.queue, "skip_if": "workers.available == 0"}, {"queue": second})
            )
        )
        and _queue_of(w, w.task(WorkflowSid=flow)) == second
    ),
)
CONFIGURATION.says(
    "skip_if is not asked where a worker was reserved.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "skip_if": "1==1"}, {"queue": second})))
        and w.worker()
        and _queue_of(w, w.task(WorkflowSid=flow)) == w.queue
    ),
)
CONFIGURATION.says(
    "A filter may have a name.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue}, filter_friendly_name="All")))
        and w.task(WorkflowSid=flow)
        and w.event("workflow.target-matched")["workflow_filter_name"] == "All"
    ),
)
CONFIGURATION.unknown(
    "A task that no filter matches where there is no default filter",
    "it is created, and canceled at once.",
    lambda w: (
        (flow := w.new_workflow(_filter("a == 1", {"queue": w.queue})))
        and w.get(w.task(WorkflowSid=flow))["assignment_status"] == "canceled"
    ),
    "refuse_unmatched_tasks",
)

KNOWN.says(
    "known_worker_sid offers the task to that worker only.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "known_worker_sid": "task.agent"})))
        and w.worker("Alice")
        and (bob := w.worker("Bob"))
        and w.get(w.offers(w.task({"agent": bob[-34:]}, WorkflowSid=flow))[0])["worker_sid"] == bob[-34:]
    ),
)
KNOWN.says(
    "known_worker_friendly_name names the worker by name.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "known_worker_friendly_name": "task.agent"})))
        and w.worker("Alice")
        and w.worker("Bob")
        and w.get(w.offers(w.task({"agent": "Bob"}, WorkflowSid=flow))[0])["worker_name"] == "Bob"
    ),
)
KNOWN.says(
    "A target has one of the two keys, not both.",
    lambda w: (
        _saved(
            w,
            _configuration(
                w,
                filters=[
                    _filter(
                        "1==1",
                        {"queue": w.queue, "known_worker_sid": "task.a", "known_worker_friendly_name": "task.b"},
                    )
                ],
            ),
        )
        == 400
    ),
)
KNOWN.says(
    "A known worker who is not in the queue is not offered the task.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (flow := w.new_workflow(_filter("1==1", {"queue": second, "known_worker_friendly_name": "task.agent"})))
        and w.worker("Bob")
        and w.offers(w.task({"agent": "Bob"}, WorkflowSid=flow)) == []
    ),
)
KNOWN.says(
    "Events of the match name the known worker.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "known_worker_sid": "task.agent"})))
        and (bob := w.worker("Bob"))
        and w.task({"agent": bob[-34:]}, WorkflowSid=flow)
        and w.event("workflow.target-matched")["known_worker_sid"] == bob[-34:]
    ),
)

WALK.says(
    "A task whose last target timed out is canceled.",
    lambda w: (
        (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "timeout": 10})))
        and (task := w.task(WorkflowSid=flow))
        and (w.advance(10) or w.get(task)["assignment_status"] == "canceled")
        and w.get(task)["reason"] == "Task canceled on Workflow timeout"
    ),
)
WALK.says(
    "After the last target of a filter the next filter that matches is tried.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (
            flow := w.new_workflow(
                _filter("1==1", {"queue": w.queue, "timeout": 10}), _filter("1==1", {"queue": second})
            )
        )
        and (task := w.task(WorkflowSid=flow))
        and (w.advance(10) or _queue_of(w, task) == second)
    ),
)
WALK.says(
    "The default filter is no refuge after a timeout.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "timeout": 10}), default={"queue": second}))
        and (task := w.task(WorkflowSid=flow))
        and (w.advance(10) or w.get(task)["assignment_status"] == "canceled")
    ),
)
WALK.says(
    "A skipped filter counts as not matched: the default filter follows.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (flow := w.new_workflow(_filter("1==1", {"queue": w.queue, "skip_if": "1==1"}), default={"queue": second}))
        and _queue_of(w, w.task(WorkflowSid=flow)) == second
    ),
)
WALK.says(
    "New attributes send a waiting task through the workflow again.",
    lambda w: (
        (second := w.new_queue("Second", "1==0"))
        and (flow := w.new_workflow(_filter("a == 1", {"queue": second}), default={"queue": w.queue}))
        and (task := w.task(WorkflowSid=flow))
        and w.post(task, Attributes='{"a":1}')
        and _queue_of(w, task) == second
    ),
)
