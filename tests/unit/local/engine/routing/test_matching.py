"""Which task is offered to whom, and in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Rules


@pytest.fixture
def driver() -> EngineDriver:
    """A driver of an empty workspace."""
    return EngineDriver()


def sample(driver: EngineDriver) -> str:
    """Return the queue that is there from the start."""
    return driver.engine.queues(driver.ws)[0].sid


def holder(driver: EngineDriver, task: str) -> str:
    """Return the names of the workers with an open reservation on a task."""
    found = driver.engine.reservations(driver.ws, task_sid=task)
    return " ".join(r.worker_name for r in found if r.open)


# -- order of tasks ----------------------------------------------------------------------------------------------


def test_priority_first_then_virtual_start_time(driver: EngineDriver) -> None:
    """A free worker gets the most urgent task, and among equals the one that counts as the oldest."""
    driver.now += 100
    plain = driver.task()
    urgent = driver.task(priority=2)
    older = driver.task(priority=2, virtual_start_time=driver.now - 50)
    ann = driver.worker("Ann")
    for expected in (older, urgent, plain):
        assert driver.reservation(driver.pending(ann)[0]).task_sid == expected
        driver.to(driver.pending(ann)[0], "accepted")
        driver.do("UpdateTask", sid=expected, assignment_status="completed")


def test_priorities_compare_across_queues(driver: EngineDriver) -> None:
    """A worker of two queues is given the more urgent task of either."""
    other = driver.queue("Other")
    first = driver.task()
    second = driver.task(routing_target=other, priority=1)
    driver.worker("Ann")
    assert (driver.status(first), driver.status(second)) == ("pending", "reserved")


def test_lifo_serves_the_newest_and_ignores_priority(driver: EngineDriver) -> None:
    """In a LIFO queue the latest virtual start time wins; of equal ones the task made last."""
    lifo = driver.queue("Lifo", task_order="LIFO")
    driver.now += 100
    urgent = driver.task(routing_target=lifo, priority=9, virtual_start_time=driver.now - 10)
    newest = driver.task(routing_target=lifo)
    last = driver.task(routing_target=lifo)
    driver.worker("Ann", capacity=2)
    assert [driver.status(t) for t in (urgent, newest, last)] == ["pending", "reserved", "reserved"]


@pytest.mark.parametrize(("order", "expected"), [("FIFO", ["reserved", "pending"]), ("LIFO", ["pending", "reserved"])])
def test_the_workspace_says_which_kind_of_queue_comes_first(
    driver: EngineDriver, order: str, expected: list[str]
) -> None:
    """Tasks of FIFO queues come before those of LIFO queues, or the other way round."""
    driver.do("UpdateWorkspace", prioritize_queue_order=order)
    lifo = driver.queue("Lifo", task_order="LIFO")
    tasks = [driver.task(routing_target=sample(driver)), driver.task(routing_target=lifo, priority=5)]
    driver.worker("Ann")
    assert [driver.status(task) for task in tasks] == expected


@pytest.mark.parametrize(("order", "expected"), [("FIFO", ["reserved", "pending"]), ("LIFO", ["pending", "reserved"])])
def test_tasks_routed_again_together_keep_the_order_of_the_workspace(
    driver: EngineDriver, order: str, expected: list[str]
) -> None:
    """A worker who is idle while several tasks become pending at once gets the one of the preferred kind of queue."""
    driver.do("UpdateWorkspace", prioritize_queue_order=order)
    nobody, lifo = driver.queue("Nobody", "1==2"), driver.queue("Lifo", task_order="LIFO")
    flow = driver.workflow({"expression": "1==1", "targets": [{"queue": nobody}]})
    tasks = [driver.task({"kind": kind}, workflow_sid=flow) for kind in ("fifo", "lifo")]
    driver.worker("Ann")
    kinds = {"fifo": sample(driver), "lifo": lifo}
    filters = [{"expression": f"kind == '{kind}'", "targets": [{"queue": sid}]} for kind, sid in kinds.items()]
    configuration = json.dumps({"task_routing": {"filters": filters}})
    driver.do("UpdateWorkflow", sid=flow, configuration=configuration, re_evaluate_tasks=True)
    assert [driver.status(task) for task in tasks] == expected


def test_a_task_for_one_worker_is_not_ordered_by_the_queue_it_is_booked_under(driver: EngineDriver) -> None:
    """It waits for the worker and not in the queue, so its priority counts even if that queue is a LIFO one."""
    lifo = driver.queue("Lifo", task_order="LIFO")
    ann = driver.worker("Ann", activity="Offline")
    fields: dict[str, Any] = {"routing_target": ann, "task_queue_sid": lifo, "ignore_capacity": False}
    urgent = driver.task(priority=5, **fields)
    newest = driver.task(**fields)
    driver.set_activity(ann, "Available")
    assert (driver.status(urgent), driver.status(newest)) == ("reserved", "pending")


def test_a_returned_task_does_not_overtake_a_more_urgent_one(driver: EngineDriver) -> None:
    """When a rejecting worker is free again, what waited with a higher priority is offered before what came back."""
    ann = driver.worker("Ann")
    low = driver.task()
    high = driver.task(priority=1)
    driver.to(driver.pending(ann)[0], "rejected")
    assert (driver.status(low), driver.status(high)) == ("pending", "reserved")


def test_changed_priority_and_start_time_change_the_order(driver: EngineDriver) -> None:
    """A waiting task takes the place that its new values give it."""
    driver.now += 10
    first, second = driver.task(), driver.task()
    driver.do("UpdateTask", sid=second, priority=1)
    driver.do("UpdateTask", sid=first, virtual_start_time=driver.now - 5)
    ann = driver.worker("Ann")
    assert driver.reservation(driver.pending(ann)[0]).task_sid == second


# -- choice of worker --------------------------------------------------------------------------------------------


def test_the_longest_idle_worker_comes_first(driver: EngineDriver) -> None:
    """Who was given a task last waits longest for the next, also when time stands still."""
    names = ["Ann", "Bob", "Cyd"]
    for name in names:
        driver.worker(name, capacity=2)
    first = [holder(driver, driver.task()) for _ in names]
    assert sorted(first) == names
    assert [holder(driver, driver.task()) for _ in names] == first


def test_a_rejecting_worker_goes_to_the_end_of_the_line(driver: EngineDriver) -> None:
    """The task is offered to the other one; a lone worker gets it again."""
    driver.worker("Ann")
    driver.worker("Bob")
    task = driver.task()
    first = holder(driver, task)
    driver.to(driver.engine.reservations(driver.ws, task_sid=task)[0].sid, "rejected")
    assert holder(driver, task) != first


def test_optimized_channels_look_at_their_own_time(driver: EngineDriver) -> None:
    """With channel optimized routing a task of another channel does not count as having been given one."""
    ann, bob = driver.worker("Ann"), driver.worker("Bob")
    for sid, channel in ((bob, "sms"), (ann, "voice")):
        driver.now += 1
        driver.task(routing_target=sid, task_channel=channel)
        driver.do("UpdateWorkerChannel", worker_sid=sid, channel="sms", capacity=5)
    driver.now += 1
    driver.do("UpdateTaskChannel", task_channel="sms", channel_optimized_routing=True)
    assert holder(driver, driver.task(task_channel="sms")) == "Ann"
    driver.do("UpdateTaskChannel", task_channel="sms", channel_optimized_routing=False)
    driver.now += 1
    assert holder(driver, driver.task(task_channel="sms")) == "Bob"


def test_only_free_and_available_workers_are_asked(driver: EngineDriver) -> None:
    """Activity, channel switch and capacity each keep a worker from being offered anything."""
    driver.worker("Off", "Offline")
    driver.do("UpdateWorkerChannel", worker_sid=driver.worker("Switch"), channel="default", available=False)
    driver.worker("None", capacity=0)
    busy = driver.worker("Busy")
    driver.task()
    waiting = driver.task()
    assert len(driver.pending(busy)) == 1 and driver.status(waiting) == "pending"
    voice = driver.task(task_channel="voice")
    assert driver.status(voice) == "reserved"


def test_wrapping_still_occupies_a_place(driver: EngineDriver) -> None:
    """A reservation that is wrapped up frees its place only when it completes."""
    ann = driver.worker("Ann")
    _, reservation = driver.accepted(ann)
    driver.to(reservation, "wrapping")
    task = driver.task()
    assert driver.status(task) == "pending"
    driver.to(reservation, "completed")
    assert driver.types(ann) == ["task.completed", "reservation.completed", "reservation.created"]
    assert driver.status(task) == "reserved"


def test_capacity_in_percent(driver: EngineDriver) -> None:
    """The free part of a channel is rounded down and stays between 0 and 100."""
    ann = driver.worker("Ann", capacity=3)
    seen = []
    for _ in range(3):
        seen.append(driver.engine.channel(driver.ws, ann, "default").available_capacity_percentage)
        driver.task()
    channel = driver.engine.channel(driver.ws, ann, "default")
    assert [*seen, channel.available_capacity_percentage] == [100, 66, 33, 0]
    assert channel.last_reserved_time == driver.now
    driver.do("UpdateWorkerChannel", worker_sid=ann, channel="default", capacity=0)
    assert driver.engine.channel(driver.ws, ann, "default").available_capacity_percentage == 0


def test_target_expressions_see_task_worker_and_channel(driver: EngineDriver) -> None:
    """Of a queue's members only those are asked who suit this task."""
    expression = "worker.level >= task.level AND worker.channel.default.assigned_tasks == 0"
    flow = driver.workflow({"expression": "1==1", "targets": [{"queue": sample(driver), "expression": expression}]})
    ann, bob = driver.worker("Ann", level=1, capacity=2), driver.worker("Bob", level=5, capacity=2)
    task = driver.task({"level": 3}, workflow_sid=flow)
    assert holder(driver, task) == "Bob"
    driver.to(driver.pending(bob)[0], "accepted")
    other = driver.task({"level": 3}, workflow_sid=flow)
    assert driver.status(other) == "pending"
    third = driver.task({"level": 1}, workflow_sid=flow)
    assert holder(driver, third) == "Ann"
    driver.do("UpdateWorker", sid=ann, attributes='{"level": 9}')
    assert holder(driver, other) == "Ann"


def test_a_waiting_task_is_offered_when_a_reservation_changes_the_figures_it_asks_for(driver: EngineDriver) -> None:
    """The figures of a channel change with each step of a reservation, also where no place becomes free."""
    ann = driver.worker("Ann", capacity=3)
    channel = "worker.channel.default"

    def waiting(expression: str) -> str:
        target = {"queue": sample(driver), "expression": f"{channel}.{expression}"}
        return driver.task(workflow_sid=driver.workflow({"expression": "1==1", "targets": [target]}))

    busy = waiting("available_capacity_percentage < 100")
    assert driver.status(busy) == "pending"
    first = driver.task(routing_target=sample(driver))
    assert holder(driver, busy) == "Ann"
    driver.do("UpdateTask", sid=busy, assignment_status="canceled")
    reservation = driver.pending(ann)[0]
    driver.to(reservation, "accepted")
    unburdened = waiting("assigned_tasks == 0")
    assert driver.status(unburdened) == "pending"
    driver.to(reservation, "wrapping")
    assert (driver.status(first), holder(driver, unburdened)) == ("wrapping", "Ann")


def test_a_changed_figure_does_not_put_a_worker_before_those_who_wait_longer(driver: EngineDriver) -> None:
    """Of two tasks that become pending together, the second goes to the other worker, not to the one just reserved."""
    target = {"queue": sample(driver), "expression": "worker.channel.default.assigned_tasks == 7"}
    watching = driver.task(workflow_sid=driver.workflow({"expression": "1==1", "targets": [target]}))
    nobody = driver.queue("Nobody", "1==2")
    flow = driver.workflow({"expression": "1==1", "targets": [{"queue": nobody}]})
    tasks = [driver.task(workflow_sid=flow) for _ in range(2)]
    driver.worker("Ann", capacity=3)
    driver.worker("Bob", capacity=3)
    filters = [{"expression": "1==1", "targets": [{"queue": sample(driver)}]}]
    configuration = json.dumps({"task_routing": {"filters": filters}})
    driver.do("UpdateWorkflow", sid=flow, configuration=configuration, re_evaluate_tasks=True)
    assert driver.status(watching) == "pending"
    assert sorted(holder(driver, task) for task in tasks) == ["Ann", "Bob"]


def test_waiting_tasks_with_different_needs_find_their_workers(driver: EngineDriver) -> None:
    """A free worker is given the best of the tasks it suits, past more urgent ones it does not."""
    flow = driver.workflow(
        {"expression": "1==1", "targets": [{"queue": sample(driver), "expression": "worker.langs HAS task.lang"}]}
    )
    spanish = driver.task({"lang": "es"}, workflow_sid=flow, priority=5)
    german = driver.task({"lang": "de"}, workflow_sid=flow)
    driver.worker("Ann", langs=["de"])
    assert (driver.status(spanish), driver.status(german)) == ("pending", "reserved")
    driver.worker("Bob", langs=["de", "es"])
    assert holder(driver, spanish) == "Bob"


def test_order_by_decides_and_idle_time_breaks_ties(driver: EngineDriver) -> None:
    """Workers are taken in the order asked for; those who are equal in it by idle time."""
    target = {"queue": sample(driver), "order_by": "worker.level DESC, worker.age"}
    flow = driver.workflow({"expression": "1==1", "targets": [target]})
    levels: dict[str, dict[str, Any]] = {"Ann": {"level": 1}, "Bob": {"level": 3}, "Cyd": {"level": 3}, "Dee": {}}
    for name, attributes in levels.items():
        driver.worker(name, **attributes)
    got = [holder(driver, driver.task(workflow_sid=flow)) for _ in range(4)]
    assert set(got[:2]) == {"Bob", "Cyd"} and got[2:] == ["Ann", "Dee"]


@pytest.mark.parametrize(("key", "value"), [("known_worker_sid", None), ("known_worker_friendly_name", "Bob")])
def test_a_known_worker_is_the_only_one_asked(driver: EngineDriver, key: str, value: str | None) -> None:
    """The task waits for that worker however idle the others are."""
    flow = driver.workflow(
        {"expression": "1==1", "targets": [{"queue": sample(driver), key: "task.agent", "timeout": 60}]}
    )
    bob = driver.worker("Bob", "Offline")
    driver.worker("Ann")
    task = driver.task({"agent": value or bob}, workflow_sid=flow)
    assert driver.status(task) == "pending"
    driver.set_activity(bob, "Available")
    assert holder(driver, task) == "Bob"
    direct = driver.task({"agent": value or bob}, workflow_sid=flow)
    assert driver.status(direct) == "pending"


@pytest.mark.parametrize("agent", [None, 5, "", "Nobody", "bob"])
def test_a_known_worker_who_is_nobody_leaves_the_task_waiting(driver: EngineDriver, agent: object) -> None:
    """A key that is missing, no text, or names nobody: the task waits until the step's time is over."""
    target = {"queue": sample(driver), "known_worker_friendly_name": "task.agent", "timeout": 60}
    flow = driver.workflow({"expression": "1==1", "targets": [target]})
    driver.worker("Bob")
    task = driver.task({"agent": agent}, workflow_sid=flow)
    assert driver.status(task) == "pending"
    driver.advance(60)
    assert driver.status(task) == "canceled"


def test_a_known_worker_must_be_in_the_queue(driver: EngineDriver) -> None:
    """Somebody the queue's expression does not match is not asked, until it does."""
    queue = driver.queue("Skilled", "level > 1")
    flow = driver.workflow({"expression": "1==1", "targets": [{"queue": queue, "known_worker_sid": "task.agent"}]})
    bob = driver.worker("Bob", level=1)
    task = driver.task({"agent": bob}, workflow_sid=flow)
    assert driver.status(task) == "pending"
    driver.do("UpdateWorker", sid=bob, attributes='{"level": 2}')
    assert driver.status(task) == "reserved"


def test_several_at_once_and_each_with_an_own_reservation(driver: EngineDriver) -> None:
    """As many as the queue says are reserved at one moment, which counts once; one who rejects does not end it."""
    driver.do("UpdateTaskQueue", sid=sample(driver), max_reserved_workers=3)
    workers = [driver.worker(name) for name in ("Ann", "Bob", "Cyd", "Dee")]
    task = driver.task()
    made = driver.engine.reservations(driver.ws, task_sid=task)
    assert len(made) == 3 and driver.get(task).counter == 1
    assert sum(len(driver.pending(worker)) for worker in workers) == 3
    driver.to(made[0].sid, "rejected")
    assert driver.types() == ["reservation.rejected"]
    assert driver.status(task) == "reserved"
    driver.to(made[1].sid, "accepted")
    assert driver.types() == ["reservation.accepted", "reservation.rescinded"]
    statuses = [r.reservation_status for r in driver.engine.reservations(driver.ws, task_sid=task)]
    assert statuses == ["rejected", "accepted", "rescinded"]


# -- routing targets ---------------------------------------------------------------------------------------------


def test_a_task_for_a_worker_ignores_activity_and_capacity(driver: EngineDriver) -> None:
    """By default the named worker is reserved whatever it is doing, beyond its capacity even."""
    ann = driver.worker("Ann", "Offline", capacity=0)
    task = driver.task(routing_target=ann, task_queue_sid=sample(driver))
    record = driver.get(task)
    assert (record.routing_target, record.ignore_capacity, record.task_queue_sid) == (ann, True, sample(driver))
    assert driver.status(task) == "reserved"
    assert driver.engine.channel(driver.ws, ann, "default").available_capacity_percentage == 0


def test_a_task_for_a_worker_needs_neither_workflow_nor_queue(driver: EngineDriver) -> None:
    """Where there is no workflow such a task has none, and the default reservation timeout."""
    bare = EngineDriver(template="NONE")
    ann = bare.worker("Ann")
    task = bare.task(routing_target=ann)
    record = bare.get(task)
    assert (record.workflow_sid, record.task_queue_sid, record.assignment_status) == (None, None, "reserved")
    assert bare.reservation(bare.pending(ann)[0]).reservation_timeout == 120


def test_a_worker_who_is_not_free_in_time(driver: EngineDriver) -> None:
    """Without ignoring capacity the worker has ten seconds; then the task is canceled and the worker told."""
    ann = driver.worker("Ann", "Offline")
    task = driver.task(routing_target=ann, ignore_capacity=False)
    assert driver.status(task) == "pending"
    driver.advance(10)
    assert driver.types(ann) == ["reservation.failed"]
    failed = driver.task_event("reservation.failed")
    assert failed.task == driver.get(task)
    assert (driver.status(task), driver.get(task).reason) == (
        "canceled",
        "RoutingTarget SLA for Reservation creation was not met",
    )


def test_a_worker_who_becomes_free_in_time(driver: EngineDriver) -> None:
    """As soon as the named worker is available the reservation is made, before what waits in its queues."""
    ann = driver.worker("Ann", "Offline")
    other = driver.task(virtual_start_time=driver.now - 1)
    task = driver.task(routing_target=ann, ignore_capacity=False, priority=1)
    driver.advance(9)
    driver.set_activity(ann, "Available")
    assert (driver.status(task), driver.status(other)) == ("reserved", "pending")
    driver.advance(5)
    assert driver.status(task) == "reserved"


def test_a_named_worker_who_goes_away_for_good(driver: EngineDriver) -> None:
    """A task for a worker that is deleted meanwhile ends like one for a worker who is not free."""
    ann = driver.worker("Ann", "Offline")
    task = driver.task(routing_target=ann, ignore_capacity=False)
    driver.do("DeleteWorker", sid=ann)
    driver.do("UpdateTask", sid=task, priority=3)
    driver.advance(10)
    assert driver.status(task) == "canceled"


@pytest.mark.parametrize("how", ["rejected", "timeout", "media"])
def test_a_lost_target_cancels_the_task(driver: EngineDriver, how: str) -> None:
    """Nobody else can take a task for one worker: rejection, timeout and failed media end it."""
    ann = driver.worker("Ann")
    task = driver.task(routing_target=ann)
    reservation = driver.pending(ann)[0]
    if how == "rejected":
        driver.to(reservation, "rejected")
        event = "reservation.rejected"
    elif how == "timeout":
        driver.advance(120)
        event = "reservation.timeout"
    else:
        driver.do("ResolveInstruction", canceled_reason_code=13223)
        driver.do("InstructReservation", sid=reservation, instruction="conference")
        event = "reservation.canceled"
    assert driver.types(ann)[:2] == ["task.canceled", event]
    record = driver.get(task)
    assert record.reason == f"RoutingTarget not available for Reservation acceptance: {ann}"
    told = driver.reservation_event(event).task
    assert told.assignment_status == "canceled"


def test_a_task_for_a_queue_uses_no_filters(driver: EngineDriver) -> None:
    """It waits in that queue, whose expression and workers' availability count."""
    queue = driver.queue("Skilled", "level > 1")
    task = driver.task(routing_target=queue)
    assert driver.types() == ["task-queue.entered", "task.created"]
    driver.worker("Ann", level=1)
    assert driver.status(task) == "pending"
    driver.worker("Bob", level=2)
    assert holder(driver, task) == "Bob"
    assert driver.get(task).routing_target == queue


def test_a_task_for_a_workflow_walks_through_it(driver: EngineDriver) -> None:
    """The named workflow counts, whichever is given beside it."""
    queue = driver.queue("Other")
    flow = driver.workflow(default={"queue": queue})
    task = driver.task(routing_target=flow, workflow_sid=driver.engine.workflows(driver.ws)[0].sid)
    record = driver.get(task)
    assert (record.workflow_sid, record.task_queue_sid, record.routing_target) == (flow, queue, flow)


# -- limits and old ways -----------------------------------------------------------------------------------------


def test_a_task_is_not_offered_for_ever() -> None:
    """After the allowed number of moves from pending to reserved the task is canceled."""
    driver = EngineDriver(rules=Rules(max_assignments=2))
    ann = driver.worker("Ann")
    task = driver.task()
    driver.to(driver.pending(ann)[0], "rejected")
    driver.to(driver.pending(ann)[0], "rejected")
    assert driver.types(ann) == ["reservation.rejected"]
    record = driver.get(task)
    assert (record.assignment_status, record.counter) == ("canceled", 2)
    assert record.reason == "Task TTL Exceeded or Max assignment count exceeded"


def test_single_tasking_moves_workers_through_activities() -> None:
    """A worker is Reserved, then Busy, and stays so; rejection, rescinding and cancellation bring it back."""
    driver = EngineDriver(multi_task=False)
    ann = driver.worker("Ann", "Idle", capacity=3)
    task = driver.task()
    assert driver.types(ann) == ["worker.activity.update", "reservation.created"]
    record = driver.reservation(driver.pending(ann)[0])
    assert record.worker_previous_activity_sid == driver.activity("Idle")
    assert driver.worker_record(ann).activity_name == "Reserved"
    second = driver.task()
    driver.do("UpdateTask", sid=task, assignment_status="canceled")
    assert driver.status(second) == "reserved"
    assert driver.types(ann)[:3] == ["task.canceled", "reservation.canceled", "worker.activity.update"]
    driver.to(driver.pending(ann)[0], "rejected")
    assert driver.status(second) == "reserved" and driver.worker_record(ann).activity_name == "Reserved"
    reservation = driver.pending(ann)[0]
    driver.to(reservation, "accepted")
    assert driver.types(ann) == ["reservation.accepted", "worker.activity.update"]
    assert driver.worker_record(ann).activity_name == "Busy"
    driver.to(reservation, "completed")
    assert driver.worker_record(ann).activity_name == "Busy"


def test_single_tasking_gives_one_task_at_a_time() -> None:
    """A second task waits, whatever the capacity and whatever the activity."""
    driver = EngineDriver(multi_task=False)
    ann = driver.worker("Ann", "Idle", capacity=3)
    driver.accepted(ann)
    second = driver.task()
    driver.set_activity(ann, "Idle")
    assert driver.status(second) == "pending"
    bob = driver.worker("Bob", "Idle")
    driver.task()
    assert len(driver.pending(bob)) == 1
