"""Workspaces, activities, channels, queues and workers: what they are made with and how they change."""

from __future__ import annotations

import json

from tests.parity.statement import Page, World

WORKSPACE = Page("taskrouter/api/workspace")
ACTIVITY = Page("taskrouter/api/activity")
WORKER = Page("taskrouter/api/worker")
WORKER_CHANNEL = Page("taskrouter/api/worker-channel")
TASK_CHANNEL = Page("taskrouter/api/task-channel")
QUEUE = Page("taskrouter/api/task-queue")
LIMITS = Page("taskrouter/limits")
PAGES = (WORKSPACE, ACTIVITY, WORKER, WORKER_CHANNEL, TASK_CHANNEL, QUEUE, LIMITS)


def _inside(w: World, template: str | None, path: str, key: str) -> list[str]:
    """The names in a list of a workspace that is made with a template."""
    form = {} if template is None else {"Template": template}
    sid = w.post("//", FriendlyName="Other", **form)["sid"]
    return [each["friendly_name"] for each in w.get(f"//{sid}{path}")[key]]


WORKSPACE.says("FriendlyName is required.", lambda w: w.status("POST", "//") == 400)
WORKSPACE.says(
    "FriendlyName has at most 64 characters.",
    lambda w: (
        w.status("POST", "//", FriendlyName="x" * 64) == 201 and w.status("POST", "//", FriendlyName="x" * 65) == 400
    ),
)
WORKSPACE.says(
    "A new workspace has multi-tasking switched on.",
    lambda w: w.post("//", FriendlyName="Other")["multi_task_enabled"] is True,
)
WORKSPACE.says(
    "Multi-tasking cannot be switched off again.", lambda w: w.refused("", MultiTaskEnabled="false")[0] == 400
)
WORKSPACE.says(
    "PrioritizeQueueOrder is FIFO unless it is given.",
    lambda w: w.post("//", FriendlyName="Other")["prioritize_queue_order"] == "FIFO",
)
WORKSPACE.says(
    "PrioritizeQueueOrder is FIFO or LIFO.",
    lambda w: (
        w.post("", PrioritizeQueueOrder="LIFO")["prioritize_queue_order"] == "LIFO"
        and w.refused("", PrioritizeQueueOrder="RANDOM")[0] == 400
    ),
)
WORKSPACE.says(
    "A workspace without a template has no task queue.", lambda w: _inside(w, None, "/TaskQueues", "task_queues") == []
)
WORKSPACE.says(
    "Template=NONE is the same as no template.",
    lambda w: _inside(w, "NONE", "/TaskQueues", "task_queues") == [],
)
WORKSPACE.says(
    "Template=FIFO makes a queue and a workflow.",
    lambda w: (
        len(_inside(w, "FIFO", "/TaskQueues", "task_queues")) == 1
        and len(_inside(w, "FIFO", "/Workflows", "workflows")) == 1
    ),
)
WORKSPACE.says("Template=EMPTY makes no activities.", lambda w: _inside(w, "EMPTY", "/Activities", "activities") == [])
WORKSPACE.says(
    "Another template is refused.", lambda w: w.status("POST", "//", FriendlyName="x", Template="LIFO") == 400
)
WORKSPACE.says(
    "DefaultActivitySid is the activity of new workers.",
    lambda w: (
        w.post("", DefaultActivitySid=w.activities["Unavailable"])
        and w.post("/Workers", FriendlyName="Zoe")["activity_name"] == "Unavailable"
    ),
)
WORKSPACE.says(
    "TimeoutActivitySid is where a worker goes whose reservation timed out.",
    lambda w: (
        w.post("", TimeoutActivitySid=w.activities["Unavailable"])
        and (offered := w.offered())
        and (w.advance(120) or w.get(offered[0])["activity_name"] == "Unavailable")
    ),
)
WORKSPACE.says(
    "The list can be filtered by FriendlyName.",
    lambda w: w.post("//", FriendlyName="Other") and len(w.get("//", FriendlyName="Other")["workspaces"]) == 1,
)
WORKSPACE.says(
    "A deleted workspace is gone with all that is in it.",
    lambda w: w.delete("") == 204 and w.status("GET", "/Workers") == 404,
)

ACTIVITY.says("FriendlyName is required.", lambda w: w.status("POST", "/Activities") == 400)
ACTIVITY.says(
    "A new activity is unavailable unless Available is true.",
    lambda w: w.post("/Activities", FriendlyName="Lunch")["available"] is False,
)
ACTIVITY.says(
    "Available cannot be changed later; the parameter is passed over.",
    lambda w: w.post(f"/Activities/{w.activities['Offline']}", Available="true")["available"] is False,
)
ACTIVITY.says(
    "The name of an activity can be changed.",
    lambda w: w.post(f"/Activities/{w.activities['Offline']}", FriendlyName="Away")["friendly_name"] == "Away",
)
ACTIVITY.says(
    "The list can be filtered by Available.",
    lambda w: [each["friendly_name"] for each in w.get("/Activities", Available="true")["activities"]] == ["Available"],
)
ACTIVITY.says(
    "The list can be filtered by FriendlyName.",
    lambda w: len(w.get("/Activities", FriendlyName="Offline")["activities"]) == 1,
)
ACTIVITY.says(
    "An activity that nobody uses can be deleted.",
    lambda w: w.delete(f"/Activities/{w.post('/Activities', FriendlyName='Lunch')['sid']}") == 204,
)
ACTIVITY.unknown(
    "Two activities of one name",
    "refused, whatever the case of the letters.",
    lambda w: w.refused("/Activities", FriendlyName="offline")[0] == 400,
)

WORKER.says("FriendlyName is required.", lambda w: w.status("POST", "/Workers") == 400)
WORKER.says(
    "Attributes are {} unless they are given.",
    lambda w: w.post("/Workers", FriendlyName="Zoe")["attributes"] == "{}",
)
WORKER.says(
    "Attributes must be a JSON object.",
    lambda w: w.refused("/Workers", FriendlyName="Zoe", Attributes="[1]")[0] == 400,
)
WORKER.says(
    "Attributes are replaced as a whole.",
    lambda w: w.post(w.worker(a=1), Attributes='{"b":2}')["attributes"] == '{"b":2}',
)
WORKER.says(
    "A worker starts in the workspace's default activity.",
    lambda w: w.post("/Workers", FriendlyName="Zoe")["activity_name"] == "Offline",
)
WORKER.says(
    "A name that is taken is refused.",
    lambda w: w.worker() and w.refused("/Workers", FriendlyName="Alice")[0] == 400,
)
WORKER.says(
    "available tells whether the activity is an available one.",
    lambda w: w.get(w.worker())["available"] is True and w.get(w.worker("Bob", "Offline"))["available"] is False,
)
WORKER.says(
    "An update with the version of the ETag works, with another one it is a 412.",
    lambda w: (
        (path := w.worker())
        and (tag := w.ask("GET", path).headers["ETag"])
        and w.ask("POST", path, {"FriendlyName": "Bob"}, **{"If-Match": tag}).status_code == 200
        and w.ask("POST", path, {"FriendlyName": "Cyd"}, **{"If-Match": tag}).status_code == 412
    ),
)
WORKER.says(
    "RejectPendingReservations rejects what is pending when the worker becomes unavailable.",
    lambda w: (
        (offered := w.offered())
        and w.post(offered[0], ActivitySid=w.activities["Offline"], RejectPendingReservations="true")
        and w.get(offered[2])["reservation_status"] == "rejected"
    ),
)
WORKER.says(
    "RejectPendingReservations with an available activity is refused.",
    lambda w: w.refused(w.worker(), ActivitySid=w.activities["Available"], RejectPendingReservations="true")[0] == 400,
)
for _parameter, _value in (
    ("FriendlyName", "Alice"),
    ("ActivityName", "Available"),
    ("Available", "true"),
    ("TaskQueueName", "Sample Queue"),
    ("TargetWorkersExpression", "level == 7"),
):
    WORKER.says(
        f"The list can be filtered by {_parameter}.",
        lambda w, name=_parameter, value=_value: (  # type: ignore[misc]
            w.worker(level=7)
            and w.router.add_worker("Bob", activity="Offline")
            and "Alice" in [each["friendly_name"] for each in w.get("/Workers", **{name: value})["workers"]]
            and (name == "TaskQueueName" or len(w.get("/Workers", **{name: value})["workers"]) == 1)
        ),
    )
WORKER.says(
    "A malformed ActivitySid in a filter is refused.", lambda w: w.status("GET", "/Workers", ActivitySid="WAx") == 400
)
WORKER.says("A worker without reservations can be deleted.", lambda w: w.delete(w.worker()) == 204)
WORKER.unknown(
    "Deleting a worker with an open reservation",
    "refused with 400.",
    lambda w: w.delete(w.offered()[0]) == 400,
)

WORKER_CHANNEL.says(
    "A worker has a channel for each task channel.",
    lambda w: len(w.get(f"{w.worker()}/Channels")["channels"]) == 5,
)
WORKER_CHANNEL.says(
    "A new channel has capacity 1 and is available.",
    lambda w: (
        {(each["configured_capacity"], each["available"]) for each in w.get(f"{w.worker()}/Channels")["channels"]}
        == {(1, True)}
    ),
)
WORKER_CHANNEL.says(
    "A channel is addressed by its unique name as well as by sid.",
    lambda w: w.get(f"{w.worker()}/Channels/voice")["task_channel_unique_name"] == "voice",
)
WORKER_CHANNEL.says(
    "Capacity 0 keeps the worker from new tasks of the channel.",
    lambda w: w.offers(w.task()) == [] if w.worker(capacity=0) else False,
)
WORKER_CHANNEL.says(
    "A channel that is not available takes no tasks.",
    lambda w: w.post(f"{w.worker()}/Channels/default", Available="false") and w.offers(w.task()) == [],
)
WORKER_CHANNEL.says(
    "assigned_tasks counts accepted tasks, and the free capacity is a percentage.",
    lambda w: (
        (worker := w.worker(capacity=4))
        and w.post(w.offers(w.task())[0], ReservationStatus="accepted")
        and (channel := w.get(f"{worker}/Channels/default"))
        and (channel["assigned_tasks"], channel["available_capacity_percentage"]) == (1, 75)
    ),
)
WORKER_CHANNEL.says(
    "A negative capacity is refused.", lambda w: w.refused(f"{w.worker()}/Channels/default", Capacity=-1)[0] == 400
)

TASK_CHANNEL.says(
    "A workspace has the channels default, voice, sms, chat and video.",
    lambda w: (
        [each["unique_name"] for each in w.get("/TaskChannels")["channels"]]
        == ["default", "voice", "sms", "chat", "video"]
    ),
)
TASK_CHANNEL.says(
    "FriendlyName and UniqueName are required.",
    lambda w: (
        w.status("POST", "/TaskChannels", FriendlyName="x") == 400
        and w.status("POST", "/TaskChannels", UniqueName="x") == 400
    ),
)
TASK_CHANNEL.says(
    "A unique name that is taken is refused.",
    lambda w: w.refused("/TaskChannels", FriendlyName="x", UniqueName="voice")[0] == 400,
)
TASK_CHANNEL.says(
    "A new channel is given to every worker.",
    lambda w: (
        (worker := w.worker())
        and w.post("/TaskChannels", FriendlyName="Mail", UniqueName="mail")
        and w.get(f"{worker}/Channels/mail")["configured_capacity"] == 1
    ),
)
TASK_CHANNEL.says(
    "ChannelOptimizedRouting is off unless it is given.",
    lambda w: w.post("/TaskChannels", FriendlyName="Mail", UniqueName="mail")["channel_optimized_routing"] is False,
)

QUEUE.says("FriendlyName is required.", lambda w: w.status("POST", "/TaskQueues") == 400)
QUEUE.says(
    "Without TargetWorkers a queue is for every worker.",
    lambda w: w.post("/TaskQueues", FriendlyName="x")["target_workers"] == "1==1",
)
QUEUE.says(
    "MaxReservedWorkers is 1 unless it is given.",
    lambda w: w.post("/TaskQueues", FriendlyName="x")["max_reserved_workers"] == 1,
)
QUEUE.says(
    "MaxReservedWorkers is 1 to 50.",
    lambda w: (
        w.status("POST", "/TaskQueues", FriendlyName="x", MaxReservedWorkers=50) == 201
        and w.status("POST", "/TaskQueues", FriendlyName="y", MaxReservedWorkers=51) == 400
        and w.status("POST", "/TaskQueues", FriendlyName="y", MaxReservedWorkers=0) == 400
    ),
)
QUEUE.says(
    "TaskOrder is FIFO or LIFO, FIFO unless it is given.",
    lambda w: (
        w.post("/TaskQueues", FriendlyName="x")["task_order"] == "FIFO"
        and w.status("POST", "/TaskQueues", FriendlyName="y", TaskOrder="x") == 400
    ),
)
QUEUE.says("A queue that a workflow names cannot be deleted.", lambda w: w.delete(f"/TaskQueues/{w.queue}") == 400)
QUEUE.says("Another queue can.", lambda w: w.delete(f"/TaskQueues/{w.new_queue()}") == 204)
QUEUE.says(
    "EvaluateWorkerAttributes finds the queues that such a worker would be in.",
    lambda w: (
        w.new_queue("Spanish", 'lang == "es"')
        and len(w.get("/TaskQueues", EvaluateWorkerAttributes=json.dumps({"lang": "es"}))["task_queues"]) == 2
        and len(w.get("/TaskQueues", EvaluateWorkerAttributes="{}")["task_queues"]) == 1
    ),
)
QUEUE.says(
    "WorkerSid finds the queues of a worker.",
    lambda w: (
        w.new_queue("Nobody", "1==0") and len(w.get("/TaskQueues", WorkerSid=w.worker()[-34:])["task_queues"]) == 1
    ),
)
QUEUE.says(
    "In a workspace without multi-tasking a queue needs both activities.",
    lambda w: (
        (sid := w.post("//", FriendlyName="Old", MultiTaskEnabled="false")["sid"])
        and w.status("POST", f"//{sid}/TaskQueues", FriendlyName="x") == 400
    ),
)

LIMITS.says(
    "Attributes of workers and tasks have at most 4096 characters.",
    lambda w: (
        w.status("POST", "/Workers", FriendlyName="x", Attributes='{"a":"' + "x" * 4089 + '"}') == 400
        and w.status("POST", "/Workers", FriendlyName="x", Attributes='{"a":"' + "x" * 4088 + '"}') == 201
    ),
)
LIMITS.says(
    "A workspace has at most 15 task channels.",
    lambda w: (
        all(w.post("/TaskChannels", FriendlyName="x", UniqueName=f"c{n}") for n in range(10))
        and w.refused("/TaskChannels", FriendlyName="x", UniqueName="more")[0] == 400
    ),
)
LIMITS.says(
    "The capacity of a channel is at most 50.",
    lambda w: (
        (channel := f"{w.worker()}/Channels/default")
        and w.status("POST", channel, Capacity=50) == 200
        and w.status("POST", channel, Capacity=51) == 400
    ),
)
LIMITS.says(
    "A page of a list has at most 1000 entries.",
    lambda w: w.status("GET", "/Tasks", PageSize=1000) == 200 and w.status("GET", "/Tasks", PageSize=1001) == 400,
)
