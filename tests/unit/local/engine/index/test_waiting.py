"""Lines of waiting tasks that many tasks leave from the middle."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.desk import Desk
from tests.unit.local.engine.invariants import check_state
from twilio_taskrouter_worker.local.engine.index import conditions


def test_tasks_that_leave_from_the_middle_do_not_pile_up() -> None:
    """A long line of which most are canceled stays sound and small, and serves the rest in order."""
    desk = Desk()
    tasks = [desk.task() for _ in range(300)]
    for sid in tasks[10:290]:
        desk.do("UpdateTask", sid=sid, assignment_status="canceled")
    (home,) = desk.engine._kernel.workspace(desk.ws).queues.values()
    (groups,) = home.pending.values()
    (group,) = groups.values()
    assert group.live == 20 and len(group.heap) < 130
    desk.worker("Ann", capacity=20)
    check_state(desk.engine)
    served = [r.task_sid for r in desk.engine.reservations(desk.ws)]
    assert served == tasks[:10] + tasks[290:]
    assert groups == {}


def test_tasks_of_one_step_are_grouped_by_what_its_expression_reads() -> None:
    """Two languages make two groups, however many tasks there are and whatever else they hold."""
    desk = Desk()
    queue = desk.engine.queues(desk.ws)[0].sid
    target = {"queue": queue, "expression": "worker.langs HAS task.lang"}
    flow = desk.workflow({"expression": "1==1", "targets": [target]}, {"expression": "1==1", "targets": [target]})
    for number in range(10):
        desk.task({"lang": "de" if number % 2 else "es", "n": number}, workflow_sid=flow)
    home = desk.engine._kernel.workspace(desk.ws).queues[queue]
    (groups,) = home.pending.values()
    assert sorted(group.live for group in groups.values()) == [5, 5]


def test_references_to_known_workers_do_not_pile_up() -> None:
    """Whatever names customers put into their tasks, nothing is kept of them when the tasks are over."""
    desk = Desk()
    queue = desk.engine.queues(desk.ws)[0].sid
    target = {"queue": queue, "known_worker_friendly_name": "task.agent"}
    flow = desk.workflow({"expression": "1==1", "targets": [target]})
    tasks = [desk.task({"agent": f"Agent {number % 5}"}, workflow_sid=flow) for number in range(10)]
    home = desk.engine._kernel.workspace(desk.ws).queues[queue]
    assert len(home.known) == 5
    desk.worker("Agent 0", capacity=2)
    assert [desk.status(task) for task in tasks].count("reserved") == 2
    for sid in tasks:
        if desk.status(sid) == "pending":
            desk.do("UpdateTask", sid=sid, assignment_status="canceled")
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
        desk = Desk()
        target: dict[str, Any] = {"queue": desk.engine.queues(desk.ws)[0].sid}
        if expression is not None:
            target["expression"] = expression
        flow = desk.workflow({"expression": "1==1", "targets": [target]})
        ann = desk.worker("Ann", langs=["de"])
        for number in range(waiting):
            desk.task({"lang": ("de", "es", "fr")[number % 3]}, workflow_sid=flow)
        desk.to(desk.pending(ann)[0], "accepted")
        asked.append(0)
        desk.to(desk.engine.open_reservations(desk.ws, ann)[0].sid, "completed")
        decisions.append(asked.pop())
        assert len(desk.pending(ann)) == 1
    assert decisions[0] == decisions[1] > 0
