"""Explaining where a task is."""

from __future__ import annotations

import json

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine.routing.verdicts import Explanation


@pytest.fixture
def driver() -> EngineDriver:
    """A driver with a workflow in which a Spanish task waits for a skilled worker."""
    driver = EngineDriver()
    queue = driver.queue("Spanish", 'languages HAS "es" AND level >= 2')
    steps = [
        {"queue": queue, "timeout": 30, "expression": "worker.level > task.level", "priority": 4},
        {"queue": queue, "skip_if": "workers.available == 0", "order_by": "worker.level DESC"},
        {"queue": queue, "known_worker_sid": "task.agent"},
    ]
    driver.workflow(
        {"filter_friendly_name": "es", "expression": 'lang == "es"', "targets": steps},
        {"expression": 'lang == "fr"', "targets": [{"queue": queue}]},
        default={"queue": queue},
    )
    return driver


def explained(driver: EngineDriver, task: str) -> Explanation:
    """Explain a task, and check that asking changes nothing."""
    before = driver.engine.state()
    found = driver.engine.explain(driver.ws, task)
    assert driver.engine.state() == before
    json.dumps(found.to_dict())
    return found


def spanish(driver: EngineDriver, **fields: object) -> str:
    """Make a task for the first filter."""
    flow = driver.engine.workflows(driver.ws)[1].sid
    return driver.task({"lang": "es", "level": 1, "agent": "WK1", **fields}, workflow_sid=flow)


def test_each_worker_has_a_verdict_with_the_failing_part_and_its_value(driver: EngineDriver) -> None:
    """Who is not in the queue, not good enough, away, switched off or full is told so, with the actual values."""
    driver.worker("Ann", languages=["en"], level=1)
    driver.worker("Bob", "Offline", languages=["es"], level=2)
    cyd = driver.worker("Cyd", languages=["es"], level=3)
    spanish(driver)
    task = spanish(driver)
    driver.do("UpdateWorkerChannel", worker_sid=driver.worker("Dee"), channel="default", available=False)
    found = explained(driver, task)
    ann, bob, third, dee = found.workers
    failed = {check.name: check.detail for check in ann.checks if not check.passed}
    assert 'languages HAS "es"   [languages is ["en"]]' in failed["queue"]
    assert "level >= 2   [level is 1]" in failed["queue"]
    assert "worker.level > task.level   [worker.level is 1, task.level is 1]" in failed["target"]
    assert [c.detail for c in bob.checks if not c.passed] == ["activity Offline is not an available one"]
    assert [c.detail for c in third.checks if not c.passed] == ["1 of 1 places of channel default are taken"]
    assert {"queue", "channel"} <= {c.name for c in dee.checks if not c.passed}
    assert third.sid == cyd and not any(worker.suitable for worker in found.workers)
    assert found.summary == "it waits in queue 'Spanish'; no worker can take it now"
    assert (found.route, found.ahead, found.assignment_status) == ("workflow", 0, "pending")


def test_filters_and_targets_say_where_the_task_is(driver: EngineDriver) -> None:
    """Each filter has its verdict, the current step is marked, and its settings are there."""
    task = spanish(driver)
    found = explained(driver, task)
    first, second, default = found.filters
    assert (first.label, first.current) == ("es", True) and first.matched and first.matched.result
    assert second.matched and not second.matched.result and (second.label, second.current) == ("filter 2", False)
    assert default.matched is None and default.label == "default_filter"
    one, two, three = first.targets
    assert (one.current, one.timeout, one.priority, one.expression) == (True, 30, 4, "worker.level > task.level")
    assert two.skip_if and two.skip_if.result and two.order_by == "worker.level DESC"
    assert three.known_worker == "WK1"
    for name, level in (("Ann", 2), ("Bob", 1)):
        driver.worker(name, "Offline", languages=["es"], level=level)
    driver.worker("Cyd", "Offline", languages=["es"], level=2)
    one, two, three = explained(driver, task).filters[0].targets
    assert [(target.suited, target.members) for target in (one, two, three)] == [(2, 2), (2, 2), (0, 2)]
    driver.advance(30)
    assert explained(driver, task).filters[0].targets[2].current


def test_it_reads_well_as_text(driver: EngineDriver) -> None:
    """The text names everything in lines, the failing parts with their values."""
    driver.worker("Ann", languages=["en"], level=1)
    text = str(explained(driver, spanish(driver)))
    for line in (
        "  filter 'es': expression is true: lang == \"es\"   <- here",
        "    target 1: queue 'Spanish', suits 0 of 0 members, expression worker.level > task.level, priority 4,"
        " timeout 30 s   <- here",
        '  filter \'filter 2\': expression is false: lang == "fr"   [lang is "es"]',
        "  filter 'default_filter': applies if no other filter matches",
        "  Spanish: 0 members, 0 available, 0 free, 1 waiting   <- here",
    ):
        assert line in text.splitlines(), line
    assert "whose TargetWorkers matches nobody" in text.splitlines()[0]
    assert "  Ann (Available): TargetWorkers of 'Spanish' is false: languages HAS \"es\"" in text


def test_attributes_are_not_in_the_repr(driver: EngineDriver) -> None:
    """Text and data show values because they are asked to; a repr in a log does not."""
    driver.worker("Ann", languages=["secret-language"], level=1)
    found = explained(driver, spanish(driver))
    assert "secret-language" in str(found)
    assert "secret-language" not in repr(found)


def test_a_task_that_is_with_somebody(driver: EngineDriver) -> None:
    """Reserved, assigned, wrapping, completed and canceled tasks say so, and list their offers."""
    cyd = driver.worker("Cyd", languages=["es"], level=3)
    task = spanish(driver)
    assert explained(driver, task).summary == "it is with Cyd (pending)"
    first = driver.pending(cyd)[0]
    driver.to(first, "rejected")
    second = driver.pending(cyd)[0]
    driver.to(second, "accepted")
    held = explained(driver, task)
    assert held.summary == "it is with Cyd (accepted)"
    assert [offer.status for offer in held.offers] == ["rejected", "accepted"]
    assert "Offers so far" in str(held)
    assert any(check.name == "held" for check in held.workers[0].checks)
    driver.to(second, "wrapping")
    assert explained(driver, task).summary == "it is with Cyd (wrapping)"
    driver.do("UpdateTask", sid=task, assignment_status="completed", reason="sold")
    assert explained(driver, task).summary == "it was completed: sold"
    other = driver.task(workflow_sid=driver.engine.workflows(driver.ws)[0].sid)
    driver.do("UpdateTask", sid=other, assignment_status="canceled")
    assert explained(driver, other).summary == "it was canceled: no reason given"


def test_a_task_in_line(driver: EngineDriver) -> None:
    """How many come before it, of its queue and channel, is counted."""
    driver.worker("Cyd", languages=["es"], level=3)
    tasks = [spanish(driver) for _ in range(4)]
    assert [explained(driver, task).ahead for task in tasks[1:]] == [0, 1, 2]


def test_a_task_for_one_worker(driver: EngineDriver) -> None:
    """The routing target is the only one who counts."""
    ann, _ = driver.worker("Ann", "Offline"), driver.worker("Bob")
    task = driver.task(
        routing_target=ann, ignore_capacity=False, workflow_sid=driver.engine.workflows(driver.ws)[0].sid
    )
    found = explained(driver, task)
    assert "waits for its routing target" in found.summary and found.filters == ()
    assert [check.passed for check in found.workers[0].checks] == [True, False, True, True]
    assert found.workers[1].checks[0].detail == "is not the routing target"


def test_a_known_worker_and_a_worker_who_does_one_task_at_a_time() -> None:
    """The known worker is told apart from the others; in a single-tasking workspace one task is enough."""
    driver = EngineDriver(multi_task=False)
    queue = driver.engine.queues(driver.ws)[0].sid
    flow = driver.workflow(
        {"expression": "1==1", "targets": [{"queue": queue, "known_worker_friendly_name": "task.agent"}]}
    )
    driver.worker("Ann", "Idle", capacity=5)
    driver.worker("Bob", "Idle")
    agent = {"agent": "Ann"}
    driver.task(agent, workflow_sid=flow)
    found = explained(driver, driver.task(agent, workflow_sid=flow))
    ann, bob = found.workers
    assert "is not the known worker 'Ann'" in str(bob)
    assert "one task at a time" in str(ann)


def test_a_transfer_ends_the_routing_target_and_its_licence() -> None:
    """A task that was for one worker and ignored capacity, transferred to a queue, waits for room like any other."""
    driver = EngineDriver()
    alice, bob = driver.worker("Alice"), driver.worker("Bob")
    driver.accepted(bob, routing_target=bob)
    task, held = driver.accepted(alice, routing_target=alice, ignore_capacity=True)
    driver.transfer(held, driver.engine.queues(driver.ws)[0].sid)
    assert driver.status(task) == "pending"
    found = explained(driver, task)
    assert found.summary == "it waits in queue 'Sample Queue'; no worker can take it now"
    assert [str(verdict) for verdict in found.workers] == [
        "Alice (Available): holds a reservation on this task; 1 of 1 places of channel default are taken",
        "Bob (Available): 1 of 1 places of channel default are taken",
    ]


def test_a_task_for_one_worker_is_not_in_line_with_those_of_its_queue(driver: EngineDriver) -> None:
    """It waits for the worker, so it is neither ahead of the tasks that wait in the queue nor behind them."""
    ann = driver.worker("Ann", "Offline")
    queue = driver.queue("Lifo", task_order="LIFO")
    own = driver.task(routing_target=ann, task_queue_sid=queue, ignore_capacity=False)
    others = [driver.task(routing_target=queue) for _ in range(2)]
    assert [explained(driver, task).ahead for task in (own, *others)] == [0, 1, 0]


def test_ignored_characters_in_the_expression_of_a_queue(driver: EngineDriver) -> None:
    """They are a warning when the queue is made, and of each task in it."""
    queue = driver.do("CreateTaskQueue", friendly_name="Odd", target_workers="level = = 1").sid
    found = explained(driver, driver.task(routing_target=queue))
    assert [warning.partition(":")[0] for warning in found.warnings] == ["TargetWorkers of 'Odd'"]


def test_a_target_that_no_member_of_its_queue_suits(driver: EngineDriver) -> None:
    """The members of the queue are counted, and of them those whom the expression allows."""
    driver.worker("Ann", languages=["es"], level=2)
    task = spanish(driver, level=5)
    target = explained(driver, task).filters[0].targets[0]
    assert (target.members, target.suited) == (1, 0)


def test_a_task_for_one_worker_has_no_workflow(driver: EngineDriver) -> None:
    """Neither a step nor filters are shown."""
    task = driver.task(routing_target=driver.worker("Ann", "Offline"))
    found = explained(driver, task)
    assert found.filters == () and driver.engine.step(driver.ws, task) is None
    assert str(found).splitlines()[1] == "Queues"
