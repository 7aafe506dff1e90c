"""Tasks: what they are made with, and their states."""

from __future__ import annotations

from tests.parity.statement import Page, World

TASK = Page("taskrouter/api/task")
LIFECYCLE = Page("taskrouter/lifecycle-task-state")
PAGES = (TASK, LIFECYCLE)


def _status(w: World, path: str) -> str:
    return str(w.get(path)["assignment_status"])


# -- the resource ----------------------------------------------------------------------------------------------------

TASK.says("Attributes are {} unless they are given.", lambda w: w.get(w.task())["attributes"] == "{}")
TASK.says(
    "Attributes must be a JSON object.",
    lambda w: w.status("POST", "/Tasks", WorkflowSid=w.workflow, Attributes="x") == 400,
)
TASK.says("Priority is 0 unless it is given.", lambda w: w.get(w.task())["priority"] == 0)
TASK.says(
    "Priority is 0 to 2147483647.",
    lambda w: (
        w.get(w.task(Priority=2147483647))["priority"] == 2147483647
        and w.status("POST", "/Tasks", WorkflowSid=w.workflow, Priority=2147483648) == 400
        and w.status("POST", "/Tasks", WorkflowSid=w.workflow, Priority=-1) == 400
    ),
)
TASK.says("Timeout is a day unless it is given.", lambda w: w.get(w.task())["timeout"] == 86400)
TASK.says(
    "Timeout is at most two weeks.",
    lambda w: (
        w.get(w.task(Timeout=1209600))["timeout"] == 1209600
        and w.status("POST", "/Tasks", WorkflowSid=w.workflow, Timeout=1209601) == 400
    ),
)
TASK.says(
    "The task channel is default unless it is given.",
    lambda w: w.get(w.task())["task_channel_unique_name"] == "default",
)
TASK.says(
    "TaskChannel is a unique name or a sid.",
    lambda w: (
        w.get(w.task(TaskChannel="voice"))["task_channel_unique_name"] == "voice"
        and w.get(w.task(TaskChannel=w.get("/TaskChannels/sms")["sid"]))["task_channel_unique_name"] == "sms"
    ),
)
TASK.says(
    "A task channel that does not exist is refused.",
    lambda w: w.status("POST", "/Tasks", WorkflowSid=w.workflow, TaskChannel="fax") == 400,
)
TASK.says(
    "WorkflowSid may be left out where there is one workflow.",
    lambda w: w.post("/Tasks")["workflow_sid"] == w.workflow,
)
TASK.says(
    "WorkflowSid is required where there are several.",
    lambda w: w.new_workflow(default={"queue": w.queue}) and w.status("POST", "/Tasks") == 400,
)
TASK.says(
    "VirtualStartTime is the creation time unless it is given.",
    lambda w: (task := w.get(w.task()))["virtual_start_time"] == task["date_created"],
)
TASK.says(
    "VirtualStartTime may lie in the past.",
    lambda w: w.get(w.task(VirtualStartTime="2020-01-02T03:04:05Z"))["virtual_start_time"] == "2020-01-02T03:04:05Z",
)
TASK.says(
    "VirtualStartTime may not lie in the future.",
    lambda w: w.status("POST", "/Tasks", WorkflowSid=w.workflow, VirtualStartTime="2999-01-01T00:00:00Z") == 400,
)
TASK.says(
    "VirtualStartTime may not lie before 1900.",
    lambda w: w.status("POST", "/Tasks", WorkflowSid=w.workflow, VirtualStartTime="1899-12-31T23:59:59Z") == 400,
)
TASK.says(
    "RoutingTarget sends the task to one worker, who need not be available.",
    lambda w: (worker := w.worker(activity="Offline")) and len(w.offers(w.task(RoutingTarget=worker[-34:]))) == 1,
)
TASK.says(
    "IgnoreCapacity=false with a worker as target waits for that worker.",
    lambda w: (
        (worker := w.worker(activity="Offline"))
        and w.offers(w.task(RoutingTarget=worker[-34:], IgnoreCapacity="false")) == []
    ),
)
TASK.says(
    "A routing target that does not exist is refused.",
    lambda w: w.status("POST", "/Tasks", WorkflowSid=w.workflow, RoutingTarget="WK" + "0" * 32) == 400,
)
TASK.says(
    "An update of attributes replaces them as a whole.",
    lambda w: w.post(w.task({"a": 1}), Attributes='{"b":2}')["attributes"] == '{"b":2}',
)
TASK.says(
    "An update with another version than that of the ETag is a 412.",
    lambda w: w.ask("POST", w.task(), {"Priority": 1}, **{"If-Match": '"7"'}).status_code == 412,
)
TASK.says("A task can be deleted.", lambda w: (task := w.task()) and w.delete(task) == 204 and w.delete(task) == 404)
TASK.says(
    "AssignmentStatus can be set to canceled, wrapping and completed only.",
    lambda w: all(w.refused(w.task(), AssignmentStatus=word)[0] == 400 for word in ("reserved", "assigned", "x")),
)
TASK.unknown(
    "``AssignmentStatus=pending`` in an update",
    "refused with 400 like every other status that cannot be asked for.",
    lambda w: w.refused(w.task(), AssignmentStatus="pending")[0] == 400,
)
for _parameter, _value in (
    ("Priority", "5"),
    ("AssignmentStatus", "pending"),
    ("WorkflowName", "Default Fifo Workflow"),
    ("TaskQueueName", "Sample Queue"),
    ("EvaluateTaskAttributes", "kind == 'x'"),
):
    TASK.says(
        f"The list can be filtered by {_parameter}.",
        lambda w, name=_parameter, value=_value: (  # type: ignore[misc]
            w.task({"kind": "x"}, Priority=5) and len(w.get("/Tasks", **{name: value})["tasks"]) == 1
        ),
    )
TASK.says(
    "The list can be filtered by several statuses at once.",
    lambda w: (
        w.post(w.task(), AssignmentStatus="canceled")
        and w.task()
        and len(w.get("/Tasks", AssignmentStatus="pending,canceled")["tasks"]) == 2
        and len(w.get("/Tasks", AssignmentStatus="canceled")["tasks"]) == 1
    ),
)
TASK.says(
    "The list is in the order of creation.",
    lambda w: (
        (tasks := [w.task() for _ in range(3)])
        and [f"/Tasks/{each['sid']}" for each in w.get("/Tasks")["tasks"]] == tasks
    ),
)
TASK.says(
    "Ordering by Priority can go down.",
    lambda w: (
        [w.task(Priority=n) for n in (1, 3, 2)]
        and [each["priority"] for each in w.get("/Tasks", Ordering="Priority:desc")["tasks"]] == [3, 2, 1]
    ),
)
TASK.says(
    "DateCreated and VirtualStartTime cannot be combined in Ordering.",
    lambda w: w.status("GET", "/Tasks", Ordering="DateCreated:asc,VirtualStartTime:asc") == 400,
)
TASK.says("A filter that is malformed is refused.", lambda w: w.status("GET", "/Tasks", WorkflowSid="WWx") == 400)
TASK.differs(
    "Attributes and a final status need two requests.",
    "with both in one request the status counts and the attributes are left; what the service does is not documented.",
    lambda w: (
        (task := w.task({"a": 1}))
        and w.post(task, AssignmentStatus="canceled", Attributes='{"b":2}')["attributes"] == '{"a":1}'
    ),
)
TASK.unknown(
    "Attributes of a completed task before it is purged",
    "they cannot be changed any more: 400.",
    lambda w: (
        w.post((done := w.accepted())[1], AssignmentStatus="completed")
        and w.refused(done[1], Attributes='{"b":2}')[0] == 400
    ),
)

# -- states ----------------------------------------------------------------------------------------------------------

LIFECYCLE.says("A task without a free worker is pending.", lambda w: _status(w, w.task()) == "pending")
LIFECYCLE.says("A task that is offered to a worker is reserved.", lambda w: _status(w, w.offered()[1]) == "reserved")
LIFECYCLE.says("An accepted task is assigned.", lambda w: _status(w, w.accepted()[1]) == "assigned")
LIFECYCLE.says(
    "A rejected task is pending again, and offered anew.",
    lambda w: (
        (offered := w.offered())
        and w.post(offered[0], ActivitySid=w.activities["Offline"])
        and w.post(offered[2], ReservationStatus="rejected")
        and _status(w, offered[1]) == "pending"
        and w.post(offered[0], ActivitySid=w.activities["Available"])
        and _status(w, offered[1]) == "reserved"
    ),
)
LIFECYCLE.says(
    "An assigned task can be wrapping.",
    lambda w: w.post(w.accepted()[1], AssignmentStatus="wrapping")["assignment_status"] == "wrapping",
)
LIFECYCLE.says(
    "An assigned task can be completed without wrapping.",
    lambda w: w.post(w.accepted()[1], AssignmentStatus="completed")["assignment_status"] == "completed",
)
LIFECYCLE.says(
    "A wrapping task can be completed.",
    lambda w: (
        (task := w.accepted()[1])
        and w.post(task, AssignmentStatus="wrapping")
        and w.post(task, AssignmentStatus="completed", Reason="done")["reason"] == "done"
    ),
)
LIFECYCLE.says(
    "A pending task can be canceled, with a reason.",
    lambda w: w.post(w.task(), AssignmentStatus="canceled", Reason="gone")["reason"] == "gone",
)
LIFECYCLE.says(
    "A reserved task can be canceled; its reservation is canceled with it.",
    lambda w: (
        (offered := w.offered())
        and w.post(offered[1], AssignmentStatus="canceled")
        and w.get(offered[2])["reservation_status"] == "canceled"
    ),
)
LIFECYCLE.says(
    "An assigned task cannot be canceled.",
    lambda w: w.refused(w.accepted()[1], AssignmentStatus="canceled")[0] == 400,
)
LIFECYCLE.says(
    "A pending task cannot be completed.", lambda w: w.refused(w.task(), AssignmentStatus="completed")[0] == 400
)
LIFECYCLE.says(
    "A pending task cannot be wrapping.", lambda w: w.refused(w.task(), AssignmentStatus="wrapping")[0] == 400
)
LIFECYCLE.says(
    "A task that nobody accepts within its Timeout is canceled.",
    lambda w: (
        (task := w.task(Timeout=60))
        and (w.advance(60) or w.get(task)["assignment_status"] == "canceled")
        and w.get(task)["reason"] == "Task TTL Exceeded"
    ),
)
LIFECYCLE.says(
    "The Timeout does not end an accepted task.",
    lambda w: (task := w.accepted(Timeout=60)[1]) and (w.advance(61) or _status(w, task) == "assigned"),
)
LIFECYCLE.says(
    "A finished task is removed after five minutes.",
    lambda w: (
        (task := w.accepted()[1])
        and w.post(task, AssignmentStatus="completed")
        and (w.advance(299) or w.status("GET", task) == 200)
        and (w.advance(2) or w.status("GET", task) == 404)
    ),
)
LIFECYCLE.says(
    "age counts the seconds since the creation.", lambda w: (t := w.task()) and (w.advance(42) or w.get(t)["age"] == 42)
)
