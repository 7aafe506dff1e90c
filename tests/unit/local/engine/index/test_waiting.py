"""Lines of waiting tasks that many tasks leave from the middle."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.seams import kernel_of
from tests.unit.local.engine.driver import EngineDriver
from tests.unit.local.engine.invariants import check_state
from twilio_taskrouter_worker.local.engine.index import conditions


def test_tasks_that_leave_from_the_middle_do_not_pile_up() -> None:
    """A long line of which most are canceled stays sound and small, and serves the rest in order."""
    driver = EngineDriver()
    tasks = [driver.task() for _ in range(300)]
    for sid in tasks[10:290]:
        driver.do("UpdateTask", sid=sid, assignment_status="canceled")
    (home,) = kernel_of(driver.engine).workspace(driver.ws).queues.values()
    (groups,) = home.pending.values()
    (group,) = groups.values()
    assert len(group.tasks) == 20 and len(group.heap) < 130
    driver.worker("Ann", capacity=20)
    check_state(driver.engine)
    served = [r.task_sid for r in driver.engine.reservations(driver.ws)]
    assert served == tasks[:10] + tasks[290:]
    assert groups == {}


def test_tasks_of_one_step_are_grouped_by_the_inputs_of_its_expression() -> None:
    """Two languages make two groups, however many tasks there are and whatever else they hold."""
    driver = EngineDriver()
    queue = driver.engine.queues(driver.ws)[0].sid
    target = {"queue": queue, "expression": "worker.langs HAS task.lang"}
    flow = driver.workflow({"expression": "1==1", "targets": [target]}, {"expression": "1==1", "targets": [target]})
    for number in range(10):
        driver.task({"lang": "de" if number % 2 else "es", "n": number}, workflow_sid=flow)
    home = kernel_of(driver.engine).workspace(driver.ws).queues[queue]
    (groups,) = home.pending.values()
    assert sorted(len(group.tasks) for group in groups.values()) == [5, 5]


def test_references_to_known_workers_do_not_pile_up() -> None:
    """Whatever names customers put into their tasks, nothing is kept of them when the tasks are over."""
    driver = EngineDriver()
    queue = driver.engine.queues(driver.ws)[0].sid
    target = {"queue": queue, "known_worker_friendly_name": "task.agent"}
    flow = driver.workflow({"expression": "1==1", "targets": [target]})
    tasks = [driver.task({"agent": f"Agent {number % 5}"}, workflow_sid=flow) for number in range(10)]
    home = kernel_of(driver.engine).workspace(driver.ws).queues[queue]
    assert len(home.known) == 5
    driver.worker("Agent 0", capacity=2)
    assert [driver.status(task) for task in tasks].count("reserved") == 2
    for sid in tasks:
        if driver.status(sid) == "pending":
            driver.do("UpdateTask", sid=sid, assignment_status="canceled")
    assert home.known == {}


@pytest.mark.parametrize("expression", [None, "worker.langs HAS task.lang"])
def test_a_decision_asks_no_more_the_longer_the_line(monkeypatch: pytest.MonkeyPatch, expression: str | None) -> None:
    """Giving a free worker the next task looks at as many tasks with thousands waiting as with a few."""
    asked = [0]
    decisions: list[int] = []
    original = conditions.suits

    def counted(*arguments: Any) -> bool:
        asked[-1] += 1
        return original(*arguments)

    monkeypatch.setattr(conditions, "suits", counted)
    for waiting in (10, 2000):
        driver = EngineDriver()
        target: dict[str, Any] = {"queue": driver.engine.queues(driver.ws)[0].sid}
        if expression is not None:
            target["expression"] = expression
        flow = driver.workflow({"expression": "1==1", "targets": [target]})
        ann = driver.worker("Ann", langs=["de"])
        for number in range(waiting):
            driver.task({"lang": ("de", "es", "fr")[number % 3]}, workflow_sid=flow)
        driver.to(driver.pending(ann)[0], "accepted")
        asked.append(0)
        driver.to(driver.open(ann)[0].sid, "completed")
        decisions.append(asked.pop())
        assert len(driver.pending(ann)) == 1
    assert decisions[0] == decisions[1] > 0
