"""Events, callbacks and statistics: what is told about what has happened."""

from __future__ import annotations

from typing import Any

from tests.parity.statement import Page, World

EVENT = Page("taskrouter/api/event")
REFERENCE = Page("taskrouter/api/event/reference")
CALLBACK = Page("taskrouter/handle-assignment-callbacks")
QUEUE_STATISTICS = Page("taskrouter/api/taskqueue-statistics")
WORKSPACE_STATISTICS = Page("taskrouter/api/workspace-statistics")
WORKER_STATISTICS = Page("taskrouter/api/worker/statistics")
PAGES = (EVENT, REFERENCE, CALLBACK, QUEUE_STATISTICS, WORKSPACE_STATISTICS, WORKER_STATISTICS)


def _posted(w: World, answer: Any = None, status: int = 200, fallback: bool = False) -> tuple[Any, str]:
    """Set the assignment callback, make an offer, and return the first form that is posted and the task."""
    from tests.tools.receiver import Receiver
    from tests.tools.wait import eventually

    with Receiver() as receiver:
        receiver.answer("/assign", answer, status)
        receiver.answer("/fallback", {"instruction": "accept"})
        urls = {"AssignmentCallbackUrl": f"{receiver.url}/assign"}
        if fallback:
            urls["FallbackAssignmentCallbackUrl"] = f"{receiver.url}/fallback"
        w.post(f"/Workflows/{w.workflow}", **urls)
        _, task, offer = w.offered()
        form = receiver.wait_for("/assign")[0].form
        if answer is not None or status != 200:
            eventually(lambda: w.get(offer)["reservation_status"] != "pending", 20)
    return form, task


EVENT.says(
    "The newest event comes first.",
    lambda w: (
        w.post("/Activities", FriendlyName="x") and w.get("/Events")["events"][0]["event_type"] == "activity.created"
    ),
)
EVENT.says(
    "An event can be read by its sid.",
    lambda w: (event := w.log()[-1]) and w.get(f"/Events/{event['sid']}")["event_type"] == event["event_type"],
)
EVENT.says(
    "The list shows the last quarter of an hour unless told otherwise.",
    lambda w: w.task() and (w.advance(901) or w.get("/Events")["events"] == []),
)
for _parameter, _read in (
    ("EventType", lambda w: "task.created"),
    ("TaskSid", lambda w: w.get("/Tasks")["tasks"][0]["sid"]),
    ("WorkflowSid", lambda w: w.workflow),
    ("TaskQueueSid", lambda w: w.queue),
    ("WorkerSid", lambda w: w.get("/Workers")["workers"][0]["sid"]),
    (
        "ReservationSid",
        lambda w: w.get(f"/Tasks/{w.get('/Tasks')['tasks'][0]['sid']}/Reservations")["reservations"][0]["sid"],
    ),
    ("TaskChannel", lambda w: "default"),
):
    EVENT.says(
        f"The list can be filtered by {_parameter}.",
        lambda w, name=_parameter, read=_read: (  # type: ignore[misc]
            w.offered() and 0 < len(w.get("/Events", **{name: read(w)})["events"]) < len(w.log())
        ),
    )
EVENT.says(
    "event_data holds texts only.",
    lambda w: (
        w.offered() and all(isinstance(value, str) for event in w.log() for value in event["event_data"].values())
    ),
)
EVENT.differs(
    "Events are kept for 30 days.",
    "the latest 5,000 are kept, however old they are.",
    lambda w: w.task() and (w.advance(29 * 86400) or "task.created" in w.types()),
)

_LIFE = (
    "workflow.entered", "task-queue.entered", "task.created", "workflow.target-matched", "reservation.created",
    "reservation.accepted", "task.completed", "reservation.completed", "task.updated",
)  # fmt: skip
REFERENCE.says(
    "A task's life is a row of events, from workflow.entered to its completion.",
    lambda w: (
        (before := len(w.log()) + 1) is not None
        and (task := w.accepted()[1])
        and w.post(task, AssignmentStatus="completed")
        and tuple(w.types()[before:]) == _LIFE
    ),
)
for _kind, _act in (
    ("worker.created", lambda w: w.worker()),
    ("worker.activity.update", lambda w: w.post(w.worker(), ActivitySid=w.activities["Offline"])),
    ("worker.attributes.update", lambda w: w.post(w.worker(), Attributes='{"a":1}')),
    ("worker.capacity.update", lambda w: w.worker(capacity=2)),
    ("worker.channel.availability.update", lambda w: w.post(f"{w.worker()}/Channels/default", Available="false")),
    ("worker.deleted", lambda w: w.delete(w.worker())),
    ("activity.created", lambda w: w.post("/Activities", FriendlyName="x")),
    ("activity.updated", lambda w: w.post(f"/Activities/{w.activities['Offline']}", FriendlyName="x")),
    ("activity.deleted", lambda w: w.delete(f"/Activities/{w.post('/Activities', FriendlyName='x')['sid']}")),
    ("task-channel.created", lambda w: w.post("/TaskChannels", FriendlyName="x", UniqueName="x")),
    ("task-queue.created", lambda w: w.new_queue()),
    ("task-queue.expression.updated", lambda w: w.post(f"/TaskQueues/{w.queue}", TargetWorkers="1==0")),
    ("task-queue.deleted", lambda w: w.delete(f"/TaskQueues/{w.new_queue()}")),
    ("workflow.created", lambda w: w.new_workflow(default={"queue": w.queue})),
    ("workflow.updated", lambda w: w.post(f"/Workflows/{w.workflow}", FriendlyName="x")),
    ("workflow.deleted", lambda w: w.delete(f"/Workflows/{w.workflow}")),
    ("workspace.updated", lambda w: w.post("", FriendlyName="x")),
    ("task.updated", lambda w: w.post(w.task(), Priority=3)),
    ("task.canceled", lambda w: w.post(w.task(), AssignmentStatus="canceled")),
    ("task.wrapup", lambda w: w.post(w.accepted()[1], AssignmentStatus="wrapping")),
    ("task.deleted", lambda w: w.delete(w.task())),
    ("reservation.rejected", lambda w: w.post(w.offered()[2], ReservationStatus="rejected")),
    ("reservation.timeout", lambda w: w.offered() and w.advance(120)),
    ("reservation.canceled", lambda w: w.post(w.offered()[1], AssignmentStatus="canceled")),
    ("reservation.wrapup", lambda w: w.post(w.accepted()[2], ReservationStatus="wrapping")),
    ("task.system-deleted", lambda w: w.accepted() and w.advance(86400)),
):
    REFERENCE.says(
        f"``{_kind}`` happens.",
        lambda w, kind=_kind, act=_act: (act(w), kind in w.types())[1],  # type: ignore[misc]
    )
REFERENCE.says(
    "Events of tasks name the task, its queue and its workflow.",
    lambda w: (
        w.task()
        and {"task_sid", "task_attributes", "task_age", "task_priority", "task_queue_sid", "workflow_sid"}
        <= w.event("task.created").keys()
    ),
)
REFERENCE.says(
    "Events of reservations name the worker as well.",
    lambda w: (
        w.offered()
        and {"worker_sid", "worker_name", "worker_attributes", "worker_activity_sid", "reservation_sid"}
        <= w.event("reservation.created").keys()
    ),
)
REFERENCE.says(
    "A change of activity tells the one before, and for how long.",
    lambda w: (
        (worker := w.worker())
        and (w.advance(26) or w.post(worker, ActivitySid=w.activities["Offline"]))
        and (facts := w.event("worker.activity.update"))
        and (facts["worker_time_in_previous_activity"], facts["worker_previous_activity_name"]) == ("26", "Available")
    ),
)
REFERENCE.says(
    "A cancellation tells its reason.",
    lambda w: (
        w.post(w.task(), AssignmentStatus="canceled", Reason="gone")
        and w.event("task.canceled")["task_canceled_reason"] == "gone"
    ),
)
REFERENCE.says(
    "A completion tells its reason.",
    lambda w: (
        w.post(w.accepted()[1], AssignmentStatus="completed", Reason="done")
        and w.event("task.completed")["task_completed_reason"] == "done"
    ),
)
REFERENCE.unknown(
    "The values of target_changed_reason and task_re_evaluated_reason",
    "reservation_rejected and reservation_timeout are known; the others are named after them.",
    lambda w: (
        w.post(w.offered()[2], ReservationStatus="rejected")
        and w.event("reservation.created")["task_re_evaluated_reason"] == "reservation_rejected"
    ),
)

_PARAMETERS = {
    "Timestamp", "AccountSid", "WorkspaceSid", "WorkflowSid", "TaskQueueSid", "WorkerSid", "WorkerAttributes",
    "TaskSid", "TaskAttributes", "TaskAge", "TaskPriority", "ReservationSid",
}  # fmt: skip
CALLBACK.says("The callback has the documented parameters.", lambda w: _posted(w)[0].keys() == _PARAMETERS)
for _instruction, _task_status in (("accept", "assigned"), ("reject", "reserved")):
    CALLBACK.says(
        f"The answer can be the instruction {_instruction}.",
        lambda w, name=_instruction, status=_task_status: (  # type: ignore[misc]
            w.get(_posted(w, {"instruction": name})[1])["assignment_status"] == status
        ),
    )
CALLBACK.says(
    "An answer that is not 200 leads to the fallback URL.",
    lambda w: w.get(_posted(w, None, 500, fallback=True)[1])["assignment_status"] == "assigned",
)
CALLBACK.says(
    "Without a usable answer the reservation is canceled.",
    lambda w: w.offers(_posted(w, None, 500)[1], "canceled") != [],
)


def _figures(w: World, path: str) -> Any:
    return w.get(f"{path}/RealTimeStatistics")


def _past(w: World, path: str) -> Any:
    return w.get(f"{path}/CumulativeStatistics")


QUEUE_STATISTICS.says(
    "The longest waiting task is a pending one.",
    lambda w: (
        (task := w.task())
        and (w.advance(30) or (figures := _figures(w, f"/TaskQueues/{w.queue}")))
        and (figures["longest_task_waiting_age"], figures["longest_task_waiting_sid"]) == (30, task[-34:])
    ),
)
QUEUE_STATISTICS.says(
    "Reserved tasks do not wait.",
    lambda w: w.offered() and _figures(w, f"/TaskQueues/{w.queue}")["longest_task_waiting_sid"] is None,
)
QUEUE_STATISTICS.says(
    "Tasks are counted by status and by priority.",
    lambda w: (
        w.task(Priority=7)
        and (figures := _figures(w, f"/TaskQueues/{w.queue}"))
        and (figures["tasks_by_status"]["pending"], figures["tasks_by_priority"]) == (1, {"7": 1})
    ),
)
QUEUE_STATISTICS.says(
    "Eligible workers are those of the queue, available ones those in an available activity.",
    lambda w: (
        w.worker("Alice")
        and w.worker("Bob", "Offline")
        and (figures := _figures(w, f"/TaskQueues/{w.queue}"))
        and (figures["total_eligible_workers"], figures["total_available_workers"]) == (2, 1)
    ),
)
QUEUE_STATISTICS.says(
    "Past figures count what entered and what was accepted.",
    lambda w: (
        w.accepted()
        and (past := _past(w, f"/TaskQueues/{w.queue}"))
        and (past["tasks_entered"], past["reservations_accepted"]) == (1, 1)
    ),
)
QUEUE_STATISTICS.says(
    "SplitByWaitTime counts what waited longer and shorter.",
    lambda w: (
        w.accepted()
        and w.get(f"/TaskQueues/{w.queue}/CumulativeStatistics", SplitByWaitTime="5,10")["split_by_wait_time"].keys()
        == {"5", "10"}
    ),
)
QUEUE_STATISTICS.says(
    "Minutes looks back from now.",
    lambda w: (
        w.accepted()
        and (w.advance(120) or True)
        and w.get(f"/TaskQueues/{w.queue}/CumulativeStatistics", Minutes=1)["reservations_accepted"] == 0
    ),
)
WORKSPACE_STATISTICS.says(
    "Workers are counted by activity.",
    lambda w: (
        w.worker()
        and {each["friendly_name"]: each["workers"] for each in _figures(w, "")["activity_statistics"]}
        == {"Offline": 0, "Available": 1, "Unavailable": 0}
    ),
)
WORKSPACE_STATISTICS.says(
    "Past figures count created and completed tasks.",
    lambda w: (
        w.post(w.accepted()[1], AssignmentStatus="completed")
        and (past := _past(w, ""))
        and (past["tasks_created"], past["tasks_completed"]) == (1, 1)
    ),
)
WORKSPACE_STATISTICS.says(
    "Tasks that fell out of their workflow are counted.",
    lambda w: (
        (flow := w.new_workflow({"expression": "1==1", "targets": [{"queue": w.queue, "timeout": 5}]}))
        and w.task(WorkflowSid=flow)
        and (w.advance(5) or _past(w, "")["tasks_timed_out_in_workflow"] == 1)
    ),
)
WORKER_STATISTICS.says(
    "Past figures of workers count their reservations.",
    lambda w: (
        w.post(w.offered()[2], ReservationStatus="rejected") and _past(w, "/Workers")["reservations_rejected"] == 1
    ),
)
WORKER_STATISTICS.says(
    "Past figures of workers tell how long they were in each activity.",
    lambda w: (
        w.worker()
        and (w.advance(60) or True)
        and {each["friendly_name"]: each["total"] for each in _past(w, "/Workers")["activity_durations"]}["Available"]
        == 60
    ),
)
