"""Which task is offered to whom, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def desk() -> Desk:
    """A desk with nobody at it."""
    return Desk()


def sample(desk: Desk) -> str:
    """Return the queue that is there from the start."""
    return desk.engine.queues(desk.ws)[0].sid


def holder(desk: Desk, task: str) -> str:
    """Return the names of the workers with an open reservation on a task."""
    found = desk.engine.reservations(desk.ws, task_sid=task)
    return " ".join(r.worker_name for r in found if r.open)


# -- order of tasks ----------------------------------------------------------------------------------------------


def test_priority_first_then_virtual_start_time(desk: Desk) -> None:
    """A free worker gets the most urgent task, and among equals the one that counts as the oldest."""
    desk.now += 100
    plain = desk.task()
    urgent = desk.task(priority=2)
    older = desk.task(priority=2, virtual_start_time=desk.now - 50)
    ann = desk.worker("Ann")
    for expected in (older, urgent, plain):
        assert desk.reservation(desk.pending(ann)[0]).task_sid == expected
        desk.to(desk.pending(ann)[0], "accepted")
        desk.do("UpdateTask", sid=expected, assignment_status="completed")


def test_priorities_compare_across_queues(desk: Desk) -> None:
    """A worker of two queues is given the more urgent task of either."""
    other = desk.queue("Other")
    first = desk.task()
    second = desk.task(routing_target=other, priority=1)
    desk.worker("Ann")
    assert (desk.status(first), desk.status(second)) == ("pending", "reserved")


def test_lifo_serves_the_newest_and_ignores_priority(desk: Desk) -> None:
    """In a LIFO queue the latest virtual start time wins; of equal ones the task made last."""
    lifo = desk.queue("Lifo", task_order="LIFO")
    desk.now += 100
    urgent = desk.task(routing_target=lifo, priority=9, virtual_start_time=desk.now - 10)
    newest = desk.task(routing_target=lifo)
    last = desk.task(routing_target=lifo)
    desk.worker("Ann", capacity=2)
    assert [desk.status(t) for t in (urgent, newest, last)] == ["pending", "reserved", "reserved"]


@pytest.mark.parametrize(("order", "expected"), [("FIFO", ["reserved", "pending"]), ("LIFO", ["pending", "reserved"])])
def test_the_workspace_says_which_kind_of_queue_comes_first(desk: Desk, order: str, expected: list[str]) -> None:
    """Tasks of FIFO queues come before those of LIFO queues, or the other way round."""
    desk.do("UpdateWorkspace", prioritize_queue_order=order)
    lifo = desk.queue("Lifo", task_order="LIFO")
    tasks = [desk.task(routing_target=sample(desk)), desk.task(routing_target=lifo, priority=5)]
    desk.worker("Ann")
    assert [desk.status(task) for task in tasks] == expected


def test_a_returned_task_does_not_overtake_a_more_urgent_one(desk: Desk) -> None:
    """When a rejecting worker is free again, what waited with a higher priority is offered before what came back."""
    ann = desk.worker("Ann")
    low = desk.task()
    high = desk.task(priority=1)
    desk.to(desk.pending(ann)[0], "rejected")
    assert (desk.status(low), desk.status(high)) == ("pending", "reserved")


def test_changed_priority_and_start_time_change_the_order(desk: Desk) -> None:
    """A waiting task takes the place that its new values give it."""
    desk.now += 10
    first, second = desk.task(), desk.task()
    desk.do("UpdateTask", sid=second, priority=1)
    desk.do("UpdateTask", sid=first, virtual_start_time=desk.now - 5)
    ann = desk.worker("Ann")
    assert desk.reservation(desk.pending(ann)[0]).task_sid == second


# -- choice of worker --------------------------------------------------------------------------------------------


def test_the_longest_idle_worker_comes_first(desk: Desk) -> None:
    """Who was given a task last waits longest for the next, also when time stands still."""
    names = ["Ann", "Bob", "Cyd"]
    for name in names:
        desk.worker(name, capacity=2)
    first = [holder(desk, desk.task()) for _ in names]
    assert sorted(first) == names
    assert [holder(desk, desk.task()) for _ in names] == first


def test_a_rejecting_worker_goes_to_the_end_of_the_line(desk: Desk) -> None:
    """The task is offered to the other one; a lone worker gets it again."""
    desk.worker("Ann")
    desk.worker("Bob")
    task = desk.task()
    first = holder(desk, task)
    desk.to(desk.engine.reservations(desk.ws, task_sid=task)[0].sid, "rejected")
    assert holder(desk, task) != first


def test_optimized_channels_look_at_their_own_time(desk: Desk) -> None:
    """With channel optimized routing a task of another channel does not count as having been given one."""
    ann, bob = desk.worker("Ann"), desk.worker("Bob")
    for sid, channel in ((bob, "sms"), (ann, "voice")):
        desk.now += 1
        desk.task(routing_target=sid, task_channel=channel)
        desk.do("UpdateWorkerChannel", worker_sid=sid, channel="sms", capacity=5)
    desk.now += 1
    desk.do("UpdateTaskChannel", task_channel="sms", channel_optimized_routing=True)
    assert holder(desk, desk.task(task_channel="sms")) == "Ann"
    desk.do("UpdateTaskChannel", task_channel="sms", channel_optimized_routing=False)
    desk.now += 1
    assert holder(desk, desk.task(task_channel="sms")) == "Bob"


def test_only_free_and_available_workers_are_asked(desk: Desk) -> None:
    """Activity, channel switch and capacity each keep a worker from being offered anything."""
    desk.worker("Off", "Offline")
    desk.do("UpdateWorkerChannel", worker_sid=desk.worker("Switch"), channel="default", available=False)
    desk.worker("None", capacity=0)
    busy = desk.worker("Busy")
    desk.task()
    waiting = desk.task()
    assert len(desk.pending(busy)) == 1 and desk.status(waiting) == "pending"
    voice = desk.task(task_channel="voice")
    assert desk.status(voice) == "reserved"


def test_wrapping_still_occupies_a_place(desk: Desk) -> None:
    """A reservation that is wrapped up frees its place only when it completes."""
    ann = desk.worker("Ann")
    _, reservation = desk.accepted(ann)
    desk.to(reservation, "wrapping")
    task = desk.task()
    assert desk.status(task) == "pending"
    desk.to(reservation, "completed")
    assert desk.types(ann) == ["task.completed", "reservation.completed", "reservation.created"]
    assert desk.status(task) == "reserved"


def test_capacity_in_percent(desk: Desk) -> None:
    """The free part of a channel is rounded down and stays between 0 and 100."""
    ann = desk.worker("Ann", capacity=3)
    seen = []
    for _ in range(3):
        seen.append(desk.engine.channel(desk.ws, ann, "default").available_capacity_percentage)
        desk.task()
    channel = desk.engine.channel(desk.ws, ann, "default")
    assert [*seen, channel.available_capacity_percentage] == [100, 66, 33, 0]
    assert channel.last_reserved_time == desk.now
    desk.do("UpdateWorkerChannel", worker_sid=ann, channel="default", capacity=0)
    assert desk.engine.channel(desk.ws, ann, "default").available_capacity_percentage == 0


def test_target_expressions_see_task_worker_and_channel(desk: Desk) -> None:
    """Of a queue's members only those are asked who suit this task."""
    expression = "worker.level >= task.level AND worker.channel.default.assigned_tasks == 0"
    flow = desk.workflow({"expression": "1==1", "targets": [{"queue": sample(desk), "expression": expression}]})
    ann, bob = desk.worker("Ann", level=1, capacity=2), desk.worker("Bob", level=5, capacity=2)
    task = desk.task({"level": 3}, workflow_sid=flow)
    assert holder(desk, task) == "Bob"
    desk.to(desk.pending(bob)[0], "accepted")
    other = desk.task({"level": 3}, workflow_sid=flow)
    assert desk.status(other) == "pending"
    third = desk.task({"level": 1}, workflow_sid=flow)
    assert holder(desk, third) == "Ann"
    desk.do("UpdateWorker", sid=ann, attributes='{"level": 9}')
    assert holder(desk, other) == "Ann"


def test_waiting_tasks_with_different_needs_find_their_workers(desk: Desk) -> None:
    """A free worker is given the best of the tasks it suits, past more urgent ones it does not."""
    flow = desk.workflow(
        {"expression": "1==1", "targets": [{"queue": sample(desk), "expression": "worker.langs HAS task.lang"}]}
    )
    spanish = desk.task({"lang": "es"}, workflow_sid=flow, priority=5)
    german = desk.task({"lang": "de"}, workflow_sid=flow)
    desk.worker("Ann", langs=["de"])
    assert (desk.status(spanish), desk.status(german)) == ("pending", "reserved")
    desk.worker("Bob", langs=["de", "es"])
    assert holder(desk, spanish) == "Bob"


def test_order_by_decides_and_idle_time_breaks_ties(desk: Desk) -> None:
    """Workers are taken in the order asked for; those who are equal in it by idle time."""
    target = {"queue": sample(desk), "order_by": "worker.level DESC, worker.age"}
    flow = desk.workflow({"expression": "1==1", "targets": [target]})
    levels: dict[str, dict[str, Any]] = {"Ann": {"level": 1}, "Bob": {"level": 3}, "Cyd": {"level": 3}, "Dee": {}}
    for name, attributes in levels.items():
        desk.worker(name, **attributes)
    got = [holder(desk, desk.task(workflow_sid=flow)) for _ in range(4)]
    assert set(got[:2]) == {"Bob", "Cyd"} and got[2:] == ["Ann", "Dee"]


@pytest.mark.parametrize(("key", "value"), [("known_worker_sid", None), ("known_worker_friendly_name", "Bob")])
def test_a_known_worker_is_the_only_one_asked(desk: Desk, key: str, value: str | None) -> None:
    """The task waits for that worker however idle the others are."""
    flow = desk.workflow({"expression": "1==1", "targets": [{"queue": sample(desk), key: "task.agent", "timeout": 60}]})
    bob = desk.worker("Bob", "Offline")
    desk.worker("Ann")
    task = desk.task({"agent": value or bob}, workflow_sid=flow)
    assert desk.status(task) == "pending"
    desk.set_activity(bob, "Available")
    assert holder(desk, task) == "Bob"
    direct = desk.task({"agent": value or bob}, workflow_sid=flow)
    assert desk.status(direct) == "pending"


@pytest.mark.parametrize("agent", [None, 5, "", "Nobody", "bob"])
def test_a_known_worker_who_is_nobody_leaves_the_task_waiting(desk: Desk, agent: object) -> None:
    """A key that is missing, no text, or names nobody: the task waits until the step's time is over."""
    target = {"queue": sample(desk), "known_worker_friendly_name": "task.agent", "timeout": 60}
    flow = desk.workflow({"expression": "1==1", "targets": [target]})
    desk.worker("Bob")
    task = desk.task({"agent": agent}, workflow_sid=flow)
    assert desk.status(task) == "pending"
    desk.advance(60)
    assert desk.status(task) == "canceled"


def test_a_known_worker_must_be_in_the_queue(desk: Desk) -> None:
    """Somebody the queue's expression does not match is not asked, until it does."""
    queue = desk.queue("Skilled", "level > 1")
    flow = desk.workflow({"expression": "1==1", "targets": [{"queue": queue, "known_worker_sid": "task.agent"}]})
    bob = desk.worker("Bob", level=1)
    task = desk.task({"agent": bob}, workflow_sid=flow)
    assert desk.status(task) == "pending"
    desk.do("UpdateWorker", sid=bob, attributes='{"level": 2}')
    assert desk.status(task) == "reserved"


def test_several_at_once_and_each_with_an_own_reservation(desk: Desk) -> None:
    """As many as the queue says are reserved at one moment, which counts once; one who rejects does not end it."""
    desk.do("UpdateTaskQueue", sid=sample(desk), max_reserved_workers=3)
    workers = [desk.worker(name) for name in ("Ann", "Bob", "Cyd", "Dee")]
    task = desk.task()
    made = desk.engine.reservations(desk.ws, task_sid=task)
    assert len(made) == 3 and desk.get(task).counter == 1
    assert sum(len(desk.pending(worker)) for worker in workers) == 3
    desk.to(made[0].sid, "rejected")
    assert desk.types() == ["reservation.rejected"]
    assert desk.status(task) == "reserved"
    desk.to(made[1].sid, "accepted")
    assert desk.types() == ["reservation.accepted", "reservation.rescinded"]
    statuses = [r.reservation_status for r in desk.engine.reservations(desk.ws, task_sid=task)]
    assert statuses == ["rejected", "accepted", "rescinded"]


# -- routing targets ---------------------------------------------------------------------------------------------


def test_a_task_for_a_worker_ignores_activity_and_capacity(desk: Desk) -> None:
    """By default the named worker is reserved whatever it is doing, beyond its capacity even."""
    ann = desk.worker("Ann", "Offline", capacity=0)
    task = desk.task(routing_target=ann, task_queue_sid=sample(desk))
    record = desk.get(task)
    assert (record.routing_target, record.ignore_capacity, record.task_queue_sid) == (ann, True, sample(desk))
    assert desk.status(task) == "reserved"
    assert desk.engine.channel(desk.ws, ann, "default").available_capacity_percentage == 0


def test_a_task_for_a_worker_needs_neither_workflow_nor_queue(desk: Desk) -> None:
    """Where there is no workflow such a task has none, and the default reservation timeout."""
    bare = Desk(template="NONE")
    ann = bare.worker("Ann")
    task = bare.task(routing_target=ann)
    record = bare.get(task)
    assert (record.workflow_sid, record.task_queue_sid, record.assignment_status) == (None, None, "reserved")
    assert bare.reservation(bare.pending(ann)[0]).reservation_timeout == 120


def test_a_worker_who_is_not_free_in_time(desk: Desk) -> None:
    """Without ignoring capacity the worker has ten seconds; then the task is canceled and the worker told."""
    ann = desk.worker("Ann", "Offline")
    task = desk.task(routing_target=ann, ignore_capacity=False)
    assert desk.status(task) == "pending"
    desk.advance(10)
    assert desk.types(ann) == ["reservation.failed"]
    failed = desk.event("reservation.failed")
    assert failed.reservation is None and failed.task == desk.get(task)
    assert (desk.status(task), desk.get(task).reason) == (
        "canceled",
        "RoutingTarget SLA for Reservation creation was not met",
    )


def test_a_worker_who_becomes_free_in_time(desk: Desk) -> None:
    """As soon as the named worker is available the reservation is made, before what waits in its queues."""
    ann = desk.worker("Ann", "Offline")
    other = desk.task(virtual_start_time=desk.now - 1)
    task = desk.task(routing_target=ann, ignore_capacity=False, priority=1)
    desk.advance(9)
    desk.set_activity(ann, "Available")
    assert (desk.status(task), desk.status(other)) == ("reserved", "pending")
    desk.advance(5)
    assert desk.status(task) == "reserved"


def test_a_named_worker_who_goes_away_for_good(desk: Desk) -> None:
    """A task for a worker that is deleted meanwhile ends like one for a worker who is not free."""
    ann = desk.worker("Ann", "Offline")
    task = desk.task(routing_target=ann, ignore_capacity=False)
    desk.do("DeleteWorker", sid=ann)
    desk.do("UpdateTask", sid=task, priority=3)
    desk.advance(10)
    assert desk.status(task) == "canceled"


@pytest.mark.parametrize("how", ["rejected", "timeout", "media"])
def test_a_lost_target_cancels_the_task(desk: Desk, how: str) -> None:
    """Nobody else can take a task for one worker: rejection, timeout and failed media end it."""
    ann = desk.worker("Ann")
    task = desk.task(routing_target=ann)
    reservation = desk.pending(ann)[0]
    if how == "rejected":
        desk.to(reservation, "rejected")
        event = "reservation.rejected"
    elif how == "timeout":
        desk.advance(120)
        event = "reservation.timeout"
    else:
        desk.do("ResolveInstruction", canceled_reason_code=13223)
        desk.do("InstructReservation", sid=reservation, instruction="conference")
        event = "reservation.canceled"
    assert desk.types(ann)[:2] == ["task.canceled", event]
    record = desk.get(task)
    assert record.reason == f"RoutingTarget not available for Reservation acceptance: {ann}"
    told = desk.event(event).task
    assert told and told.assignment_status == "canceled"


def test_a_task_for_a_queue_uses_no_filters(desk: Desk) -> None:
    """It waits in that queue, whose expression and workers' availability count."""
    queue = desk.queue("Skilled", "level > 1")
    task = desk.task(routing_target=queue)
    assert desk.types() == ["task-queue.entered", "task.created"]
    desk.worker("Ann", level=1)
    assert desk.status(task) == "pending"
    desk.worker("Bob", level=2)
    assert holder(desk, task) == "Bob"
    assert desk.get(task).routing_target == queue


def test_a_task_for_a_workflow_walks_through_it(desk: Desk) -> None:
    """The named workflow counts, whichever is given beside it."""
    queue = desk.queue("Other")
    flow = desk.workflow(default={"queue": queue})
    task = desk.task(routing_target=flow, workflow_sid=desk.engine.workflows(desk.ws)[0].sid)
    record = desk.get(task)
    assert (record.workflow_sid, record.task_queue_sid, record.routing_target) == (flow, queue, flow)


# -- limits and old ways -----------------------------------------------------------------------------------------


def test_a_task_is_not_offered_for_ever() -> None:
    """After the allowed number of moves from pending to reserved the task is canceled."""
    desk = Desk(rules=Rules(max_assignments=2))
    ann = desk.worker("Ann")
    task = desk.task()
    desk.to(desk.pending(ann)[0], "rejected")
    desk.to(desk.pending(ann)[0], "rejected")
    assert desk.types(ann) == ["reservation.rejected"]
    record = desk.get(task)
    assert (record.assignment_status, record.counter) == ("canceled", 2)
    assert record.reason == "Task TTL Exceeded or Max assignment count exceeded"


def test_single_tasking_moves_workers_through_activities() -> None:
    """A worker is Reserved, then Busy, and stays so; rejection, rescinding and cancellation bring it back."""
    desk = Desk(multi_task=False)
    ann = desk.worker("Ann", "Idle", capacity=3)
    task = desk.task()
    assert desk.types(ann) == ["worker.activity.update", "reservation.created"]
    record = desk.reservation(desk.pending(ann)[0])
    assert record.worker_previous_activity_sid == desk.activity("Idle")
    assert desk.worker_record(ann).activity_name == "Reserved"
    second = desk.task()
    desk.do("UpdateTask", sid=task, assignment_status="canceled")
    assert desk.status(second) == "reserved"
    assert desk.types(ann)[:3] == ["task.canceled", "reservation.canceled", "worker.activity.update"]
    desk.to(desk.pending(ann)[0], "rejected")
    assert desk.status(second) == "reserved" and desk.worker_record(ann).activity_name == "Reserved"
    reservation = desk.pending(ann)[0]
    desk.to(reservation, "accepted")
    assert desk.types(ann) == ["reservation.accepted", "worker.activity.update"]
    assert desk.worker_record(ann).activity_name == "Busy"
    desk.to(reservation, "completed")
    assert desk.worker_record(ann).activity_name == "Busy"


def test_single_tasking_gives_one_task_at_a_time() -> None:
    """A second task waits, whatever the capacity and whatever the activity."""
    desk = Desk(multi_task=False)
    ann = desk.worker("Ann", "Idle", capacity=3)
    desk.accepted(ann)
    second = desk.task()
    desk.set_activity(ann, "Idle")
    assert desk.status(second) == "pending"
    bob = desk.worker("Bob", "Idle")
    desk.task()
    assert len(desk.pending(bob)) == 1
