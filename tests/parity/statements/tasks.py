"""Tasks and reservations: their lives, and what may be asked of them."""

from __future__ import annotations

from tests.parity.statement import Page, World

TASK = Page("taskrouter/api/task")
LIFECYCLE = Page("taskrouter/lifecycle-task-state")
RESERVATION = Page("taskrouter/api/reservations")
MULTITASKING = Page("taskrouter/multitasking")
LIFO = Page("taskrouter/queue-ordering-last-first-out")
PAGES = (TASK, LIFECYCLE, RESERVATION, MULTITASKING, LIFO)


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

# -- reservations ----------------------------------------------------------------------------------------------------

RESERVATION.says("A new reservation is pending.", lambda w: w.get(w.offered()[2])["reservation_status"] == "pending")
RESERVATION.says(
    "A reservation is read from its task and from its worker.",
    lambda w: (
        (offered := w.offered()) and w.get(f"{offered[0]}/Reservations")["reservations"][0]["sid"] == offered[2][-34:]
    ),
)
for _word in ("accepted", "rejected"):
    RESERVATION.says(
        f"A pending reservation can be {_word}.",
        lambda w, word=_word: (  # type: ignore[misc]
            w.post(w.offered()[2], ReservationStatus=word)["reservation_status"] == word
        ),
    )
for _word in ("wrapping", "completed"):
    RESERVATION.says(
        f"A pending reservation cannot be {_word}.",
        lambda w, word=_word: w.refused(w.offered()[2], ReservationStatus=word)[0] == 400,  # type: ignore[misc]
    )
    RESERVATION.says(
        f"An accepted reservation can be {_word}.",
        lambda w, word=_word: (  # type: ignore[misc]
            w.post(w.accepted()[2], ReservationStatus=word)["reservation_status"] == word
        ),
    )
RESERVATION.says(
    "An accepted reservation cannot be accepted again.",
    lambda w: w.refused(w.accepted()[2], ReservationStatus="accepted")[0] == 400,
)
RESERVATION.says(
    "WorkerActivitySid with a rejection moves the worker.",
    lambda w: (
        (offered := w.offered())
        and w.post(offered[2], ReservationStatus="rejected", WorkerActivitySid=w.activities["Offline"])
        and w.get(offered[0])["activity_name"] == "Offline"
    ),
)
RESERVATION.says(
    "A reservation times out after the workflow's 120 seconds, and the worker goes to the timeout activity.",
    lambda w: (
        (offered := w.offered())
        and (w.advance(119) or w.get(offered[2])["reservation_status"] == "pending")
        and (w.advance(1) or w.get(offered[2])["reservation_status"] == "timeout")
        and w.get(offered[0])["activity_name"] == "Offline"
    ),
)
RESERVATION.says(
    "The first worker who accepts gets the task; the others' reservations are rescinded.",
    lambda w: (
        w.post(f"/TaskQueues/{w.queue}", MaxReservedWorkers=2)
        and w.worker("Alice")
        and w.worker("Bob")
        and (task := w.task())
        and w.post(w.offers(task)[0], ReservationStatus="accepted")
        and len(w.offers(task, "rescinded")) == 1
    ),
)
RESERVATION.says(
    "Accepting a rescinded reservation is a 410.",
    lambda w: (
        w.post(f"/TaskQueues/{w.queue}", MaxReservedWorkers=2)
        and w.worker("Alice")
        and w.worker("Bob")
        and (task := w.task())
        and w.post(w.offers(task)[0], ReservationStatus="accepted")
        and w.refused(w.offers(task, "rescinded")[0], ReservationStatus="accepted")[0] == 410
    ),
)
RESERVATION.says(
    "Completing the only reservation completes the task.",
    lambda w: (
        (accepted := w.accepted())
        and w.post(accepted[2], ReservationStatus="completed")
        and _status(w, accepted[1]) == "completed"
    ),
)
RESERVATION.says(
    "Wrapping up the only reservation wraps up the task.",
    lambda w: (
        (accepted := w.accepted())
        and w.post(accepted[2], ReservationStatus="wrapping")
        and _status(w, accepted[1]) == "wrapping"
    ),
)
RESERVATION.says(
    "The list can be filtered by ReservationStatus.",
    lambda w: (
        (offered := w.offered()) and (w.offers(offered[1], "accepted"), len(w.offers(offered[1], "pending"))) == ([], 1)
    ),
)
RESERVATION.says(
    "The instruction call needs CallFrom and CallUrl.",
    lambda w: (
        (offer := w.offered()[2])
        and w.refused(offer, Instruction="call", CallFrom="+1")[0] == 400
        and w.refused(offer, Instruction="call", CallUrl="http://x/")[0] == 400
    ),
)
RESERVATION.says(
    "The instruction call accepts with CallAccept only.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="call", CallFrom="+1", CallUrl="http://x/")
        and (w.advance(1) or w.get(offer)["reservation_status"] == "pending")
        and w.post(offer, Instruction="call", CallFrom="+1", CallUrl="http://x/", CallAccept="true")
        and (w.advance(1) or w.get(offer)["reservation_status"] == "accepted")
    ),
)
RESERVATION.says(
    "The instruction redirect needs the call's sid and a URL.",
    lambda w: w.refused(w.offered()[2], Instruction="redirect", RedirectUrl="http://x/")[0] == 400,
)
RESERVATION.says(
    "Without DequeueTo the instruction dequeue calls the worker's contact_uri.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="dequeue")
        and (w.advance(1) or w.get(offer)["reservation_status"] == "accepted")
    ),
)
RESERVATION.says(
    "The instruction conference accepts when both are connected.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="conference")["reservation_status"] == "pending"
        and (w.advance(1) or w.get(offer)["reservation_status"] == "accepted")
    ),
)
RESERVATION.differs(
    "The instruction conference calls the worker and the customer.",
    "there is no telephony: the call counts as made at once, or as the test says.",
    lambda w: (
        (offer := w.offered()[2])
        and w.post(offer, Instruction="conference")
        and (w.advance(0) or w.get(offer)["reservation_status"] == "accepted")
    ),
    "voice_answer_delay",
)
RESERVATION.differs(
    "The instructions call and conference need somebody to call: To, or the worker's contact_uri.",
    "only dequeue asks for it; the others are accepted without anybody to call, since nobody is called.",
    lambda w: w.worker("Bob") and (task := w.task()) and w.post(w.offers(task)[0], Instruction="conference"),
)
RESERVATION.says(
    "An unknown instruction is refused.", lambda w: w.refused(w.offered()[2], Instruction="hangup")[0] == 400
)

# -- several tasks at a time -----------------------------------------------------------------------------------------

MULTITASKING.says(
    "A worker has as many reservations as the channel has capacity.",
    lambda w: (
        w.worker(capacity=3)
        and (tasks := [w.task() for _ in range(4)])
        and [len(w.offers(task)) for task in tasks] == [1, 1, 1, 0]
    ),
)
MULTITASKING.says(
    "Channels count apart.",
    lambda w: w.worker() and w.task() and len(w.offers(w.task(TaskChannel="sms"))) == 1,
)
MULTITASKING.says(
    "A wrapping reservation still takes capacity.",
    lambda w: w.post(w.accepted()[2], ReservationStatus="wrapping") and w.offers(w.task()) == [],
)
MULTITASKING.says(
    "A completed one does not.",
    lambda w: w.post(w.accepted()[2], ReservationStatus="completed") and len(w.offers(w.task())) == 1,
)
MULTITASKING.says(
    "Accepting a task does not change the worker's activity.",
    lambda w: w.get(w.accepted()[0])["activity_name"] == "Available",
)
MULTITASKING.says(
    "The worker who has been idle longest is offered the task.",
    lambda w: (
        (first := w.worker("Alice"))
        and (w.advance(5) or w.worker("Bob"))
        and w.get(w.offers(w.task())[0])["worker_sid"] == first[-34:]
    ),
)
LIFO.says(
    "Higher priority comes first.",
    lambda w: w.task(Priority=1) and (high := w.task(Priority=2)) and w.worker() and len(w.offers(high)) == 1,
)
LIFO.says(
    "Of equal priority the oldest comes first.",
    lambda w: (old := w.task()) and (w.advance(1) or w.task()) and w.worker() and len(w.offers(old)) == 1,
)
LIFO.says(
    "An earlier virtual start time comes first.",
    lambda w: (
        w.task()
        and (back := w.task(VirtualStartTime="2020-01-01T00:00:00Z"))
        and w.worker()
        and len(w.offers(back)) == 1
    ),
)
LIFO.says(
    "In a queue with TaskOrder=LIFO the newest comes first.",
    lambda w: (
        w.post(f"/TaskQueues/{w.queue}", TaskOrder="LIFO")
        and w.task()
        and (w.advance(1) or (new := w.task()))
        and w.worker()
        and len(w.offers(new)) == 1
    ),
)
