"""The walk of tasks through filters and targets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Rules, commands
from twilio_taskrouter_worker.local.engine.index import conditions


@pytest.fixture
def desk() -> Desk:
    """A desk with three queues nobody is in: level 1, 2 and 3."""
    desk = Desk(template="NONE")
    for level in (1, 2, 3):
        desk.queue(f"Q{level}", f"level == {level}")
    return desk


def q(desk: Desk, level: int) -> str:
    """Return the queue for a level."""
    return next(queue.sid for queue in desk.engine.queues(desk.ws) if queue.friendly_name == f"Q{level}")


def where(desk: Desk, task: str) -> str | None:
    """Return the name of the queue a task is in."""
    return desk.get(task).task_queue_friendly_name


def flow(expression: str, *targets: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a filter."""
    return {"expression": expression, "targets": list(targets), **fields}


def test_the_first_matching_filter_takes_the_task(desk: Desk) -> None:
    """Filters are asked from the top, and the default is for what none matches."""
    desk.workflow(
        flow('lang == "es"', {"queue": q(desk, 1)}, filter_friendly_name="es"),
        flow('lang != "fr"', {"queue": q(desk, 2)}),
        default={"queue": q(desk, 3)},
    )
    assert where(desk, desk.task({"lang": "es"})) == "Q1"
    matched = desk.event("workflow.target-matched")
    assert matched.data == {
        "filter": "es",
        "filter_expression": 'lang == "es"',
        "target": 0,
        "target_name": None,
        "target_expression": None,
        "re_evaluated_reason": None,
    }
    assert desk.types() == ["workflow.entered", "task-queue.entered", "task.created", "workflow.target-matched"]
    assert where(desk, desk.task({"lang": "de"})) == "Q2"
    assert where(desk, desk.task({"lang": "fr"})) == "Q3"


def test_a_task_that_nothing_matches_is_canceled_at_once(desk: Desk) -> None:
    """Without default filter such a task is made and then canceled."""
    desk.workflow(flow('lang == "es"', {"queue": q(desk, 1)}))
    task = desk.task({"lang": "fr"})
    assert desk.types() == ["workflow.entered", "task.created", "workflow.timeout", "task.canceled"]
    record = desk.get(task)
    assert (record.assignment_status, record.reason) == ("canceled", "Task canceled on Workflow timeout")
    assert record.task_queue_sid is None


def test_a_task_that_nothing_matches_can_be_refused() -> None:
    """The switch refuses it instead; a default filter takes everything."""
    desk = Desk(rules=Rules(refuse_unmatched_tasks=True))
    queue = desk.engine.queues(desk.ws)[0].sid
    sid = desk.workflow(flow('lang == "es"', {"queue": queue}))
    assert "No filter of workflow" in desk.refused("CreateTask", workflow_sid=sid).message
    assert desk.status(desk.task({"lang": "es"}, workflow_sid=sid)) == "pending"
    assert desk.status(desk.task(workflow_sid=desk.engine.workflows(desk.ws)[0].sid)) == "pending"


def test_steps_follow_each_other_by_their_timeouts(desk: Desk) -> None:
    """Each step's time leads to the next: queue, priority and the date of entry change, and so does the version."""
    desk.workflow(
        flow("1==1", {"queue": q(desk, 1), "timeout": 10, "priority": 3}, {"queue": q(desk, 2), "timeout": 20}, {}),
    )
    task = desk.task(priority=9)
    start = desk.now
    assert (where(desk, task), desk.get(task).priority, desk.get(task).version) == ("Q1", 3, 0)
    desk.advance(9.9)
    assert where(desk, task) == "Q1"
    desk.advance(0.1)
    assert desk.types() == ["task-queue.timeout", "workflow.target-matched", "task-queue.moved"]
    assert desk.event("task-queue.moved").data["previous_queue_sid"] == q(desk, 1)
    record = desk.get(task)
    assert (record.task_queue_friendly_name, record.priority, record.version) == ("Q2", 3, 1)
    assert record.task_queue_entered_date == start + 10
    desk.advance(20)
    assert where(desk, task) == "Q2" and desk.types() == ["task-queue.timeout", "workflow.target-matched"]
    desk.advance(86400 - 31)
    assert where(desk, task) == "Q2"
    desk.advance(1)
    assert desk.get(task).reason == "Task TTL Exceeded"


def test_steps_are_timed_by_the_age_of_the_task(desk: Desk) -> None:
    """Three steps of ten seconds: the third begins when the task is twenty seconds old, whatever happened before."""
    steps = [{"queue": q(desk, number), "timeout": 10} for number in (1, 2, 3)]
    desk.workflow(flow("1==1", *steps))
    ann = desk.worker("Ann", level=1)
    task = desk.task()
    desk.advance(14)  # the first step ends while Ann thinks
    desk.to(desk.pending(ann)[0], "rejected")
    assert where(desk, task) == "Q2"
    desk.set_activity(ann, "Offline")
    desk.advance(5.5)
    assert where(desk, task) == "Q2"
    desk.advance(0.5)
    assert where(desk, task) == "Q3"
    desk.do("UpdateTask", sid=task, attributes='{"again": true}')
    assert where(desk, task) == "Q3", "its age is that of the third step also when it is re-evaluated"
    desk.advance(10)
    assert desk.status(task) == "canceled"


def test_a_skipped_step_and_an_earlier_filter_count_with_their_timeouts(desk: Desk) -> None:
    """The sum is that of the steps of the configuration: also of one that was skipped, and of a filter that ended."""
    skipped = {"queue": q(desk, 2), "timeout": 10, "skip_if": "1==1"}
    desk.workflow(
        flow("1==1", {"queue": q(desk, 1), "timeout": 10}, skipped, {"queue": q(desk, 3), "timeout": 5}),
        flow("1==1", {"queue": q(desk, 2), "timeout": 10}),
    )
    task = desk.task()
    desk.advance(10)
    assert where(desk, task) == "Q3"
    desk.advance(14)
    assert where(desk, task) == "Q3"
    desk.advance(1)
    assert where(desk, task) == "Q2"
    desk.advance(9)
    assert desk.status(task) == "pending"
    desk.advance(1)
    assert desk.status(task) == "canceled"


def test_steps_may_be_timed_from_their_beginning() -> None:
    """With the switch off a step that is entered late has all of its time."""
    desk = Desk(rules=Rules(step_timeouts_by_age=False))
    queues = [desk.queue(f"Q{number}", f"level == {number}") for number in (1, 2, 3)]
    desk.workflow(flow("1==1", *({"queue": queue, "timeout": 10} for queue in queues)))
    ann = desk.worker("Ann", level=1)
    task = desk.task(workflow_sid=desk.engine.workflows(desk.ws)[-1].sid)
    desk.advance(14)
    desk.to(desk.pending(ann)[0], "rejected")
    desk.advance(9)
    assert where(desk, task) == "Q2"
    desk.advance(1)
    assert where(desk, task) == "Q3"


def test_after_the_last_timeout_a_later_filter_counts_but_not_the_default(desk: Desk) -> None:
    """Falling out of a filter goes on downwards, and ends in cancellation."""
    desk.workflow(
        flow('lang == "es"', {"queue": q(desk, 1), "timeout": 10}),
        flow('lang == "fr"', {"queue": q(desk, 3)}),
        flow("1==1", {"queue": q(desk, 2), "timeout": 10}),
        default={"queue": q(desk, 3)},
    )
    task = desk.task({"lang": "es"})
    desk.advance(10)
    assert where(desk, task) == "Q2"
    desk.advance(10)
    assert desk.types() == ["task-queue.timeout", "workflow.timeout", "task.canceled"]
    assert desk.get(task).reason == "Task canceled on Workflow timeout"
    assert desk.event("workflow.timeout").task == desk.get(task)


def test_skipping_goes_on_to_the_next_step_a_later_filter_or_the_default(desk: Desk) -> None:
    """A skipped filter counts as not matched, so that the default filter may take the task."""
    nobody = "workers.available == 0"
    desk.workflow(
        flow("1==1", {"queue": q(desk, 1), "skip_if": nobody}, {"queue": q(desk, 2), "skip_if": nobody}),
        default={"queue": q(desk, 3)},
    )
    task = desk.task()
    assert where(desk, task) == "Q3"
    assert desk.types().count("workflow.target-matched") == 3
    desk.worker("Ann", level=2)
    taken = desk.task()
    assert (where(desk, taken), desk.status(taken)) == ("Q2", "reserved")
    waiting = desk.task()
    assert (where(desk, waiting), desk.status(waiting)) == ("Q2", "pending")


def test_skipping_out_of_the_workflow_cancels(desk: Desk) -> None:
    """Without anything left to enter the task is canceled, with its own reason."""
    desk.workflow(flow("1==1", {"queue": q(desk, 1), "skip_if": "1==1"}))
    task = desk.task()
    assert desk.types()[-2:] == ["workflow.skipped", "task.canceled"]
    assert desk.get(task).reason == "Task canceled on Workflow skip"
    desk.workflow(default={"queue": q(desk, 1), "skip_if": "1==1"})
    other = desk.task(workflow_sid=desk.engine.workflows(desk.ws)[1].sid)
    assert desk.get(other).reason == "Task canceled on Workflow skip"


def test_skip_if_is_asked_on_entry_only(desk: Desk) -> None:
    """A task that waits in a step stays there when the last available worker leaves."""
    ann = desk.worker("Ann", level=1)
    step = {"queue": q(desk, 1), "skip_if": "workers.available == 0"}
    desk.workflow(flow("1==1", step), default={"queue": q(desk, 3)})
    desk.accepted(ann)
    task = desk.task()
    assert where(desk, task) == "Q1"
    desk.set_activity(ann, "Offline")
    assert where(desk, task) == "Q1"


def test_a_step_that_ends_during_a_reservation_is_left_when_that_ends(desk: Desk) -> None:
    """The offer stands beyond the step's time; when it is rejected the task moves on instead of being offered again."""
    desk.workflow(flow("1==1", {"queue": q(desk, 1), "timeout": 10}, {"queue": q(desk, 2)}))
    ann = desk.worker("Ann", level=1)
    task = desk.task()
    desk.advance(10)
    assert (where(desk, task), desk.status(task)) == ("Q1", "reserved")
    desk.to(desk.pending(ann)[0], "rejected")
    assert desk.pending(ann) == []
    assert (where(desk, task), desk.status(task)) == ("Q2", "pending")
    rejected = desk.event("reservation.rejected").task
    assert rejected and (rejected.assignment_status, rejected.task_queue_friendly_name) == ("pending", "Q1")


def test_an_accepted_task_no_longer_walks(desk: Desk) -> None:
    """Acceptance ends the step's timer and the task's."""
    desk.workflow(flow("1==1", {"queue": q(desk, 1), "timeout": 10}, {"queue": q(desk, 2)}))
    ann = desk.worker("Ann", level=1)
    task, _ = desk.accepted(ann, timeout=20)
    desk.advance(1000)
    assert (where(desk, task), desk.status(task)) == ("Q1", "assigned")


def test_new_attributes_send_a_waiting_task_through_again(desk: Desk) -> None:
    """A pending task starts at the top; a reserved one is not disturbed."""
    desk.workflow(flow('lang == "es"', {"queue": q(desk, 1)}), default={"queue": q(desk, 2)})
    task = desk.task()
    desk.do("UpdateTask", sid=task, attributes='{"lang": "es"}')
    assert desk.types()[:2] == ["task.updated", "workflow.entered"]
    assert where(desk, task) == "Q1"
    desk.worker("Ann", level=1)
    assert desk.status(task) == "reserved"
    desk.do("UpdateTask", sid=task, attributes="{}")
    assert (where(desk, task), desk.status(task)) == ("Q1", "reserved")


def test_re_evaluation_uses_the_new_configuration(desk: Desk) -> None:
    """Tasks on their way keep the old configuration unless they are sent through again."""
    sid = desk.workflow(flow("1==1", {"queue": q(desk, 1), "timeout": 10}, {"queue": q(desk, 2)}))
    task = desk.task()
    new = json.dumps({"task_routing": {"default_filter": {"queue": q(desk, 3)}}})
    desk.do("UpdateWorkflow", sid=sid, configuration=new)
    desk.advance(10)
    assert where(desk, task) == "Q2"
    desk.do("UpdateWorkflow", sid=sid, re_evaluate_tasks=True)
    assert where(desk, task) == "Q3"
    assert "workflow.entered" in desk.types()
    assert where(desk, desk.task()) == "Q3"


def test_re_evaluation_keeps_the_order_of_priorities(desk: Desk) -> None:
    """When many tasks come to a queue at once, the most urgent is offered first."""
    sid = desk.workflow(default={"queue": q(desk, 1)})
    tasks = [desk.task(priority=priority) for priority in (1, 5, 3)]
    desk.worker("Ann", level=2)
    new = json.dumps({"task_routing": {"default_filter": {"queue": q(desk, 2)}}})
    desk.do("UpdateWorkflow", sid=sid, configuration=new, re_evaluate_tasks=True)
    assert [desk.status(task) for task in tasks] == ["pending", "reserved", "pending"]


# -- targets that read the time ------------------------------------------------------------------------------------

NIGHT_SHIFT = "worker.shift == 'night' AND taskrouter.currentHour >= 22 OR worker.shift == 'day'"


def to_hour(desk: Desk, hour: float) -> None:
    """Let time pass until an hour of the day (UTC)."""
    desk.advance((hour * 3600 - desk.now) % 86400)


def test_a_waiting_task_is_offered_when_the_time_has_come(desk: Desk) -> None:
    """Nothing but the clock makes the target's expression true, and the task is offered at that very moment."""
    desk.workflow(flow("1==1", {"queue": q(desk, 1), "expression": NIGHT_SHIFT}))
    ann = desk.worker("Ann", level=1, shift="night")
    to_hour(desk, 12)
    task = desk.task()
    to_hour(desk, 21.99)
    assert desk.status(task) == "pending"
    assert desk.engine.next_deadline() == pytest.approx(desk.now + 0.01 * 3600)
    desk.advance(60)
    assert desk.status(task) == "reserved"
    assert desk.event("reservation.created", ann).at % 86400 == 22 * 3600


def test_time_is_watched_only_while_it_matters(desk: Desk) -> None:
    """A task that is accepted, or in a step that does not read the time, has no timer for it."""
    desk.workflow(
        flow("kind == 'timed'", {"queue": q(desk, 1), "expression": NIGHT_SHIFT}),
        default={"queue": q(desk, 2)},
    )
    timed, other = desk.task({"kind": "timed"}), desk.task()
    tasks = desk.engine._kernel.workspace(desk.ws).tasks
    assert tasks[timed].change_timer is not None and tasks[other].change_timer is None
    ann = desk.worker("Ann", level=1, shift="day")
    desk.to(desk.pending(ann)[0], "accepted")
    assert desk.status(timed) == "assigned"
    assert tasks[timed].change_timer is None


def test_a_change_of_the_time_asks_only_the_tasks_that_read_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of other tasks that wait cost nothing when the hour strikes."""
    desk.workflow(
        flow("kind == 'timed'", {"queue": q(desk, 1), "expression": NIGHT_SHIFT}),
        default={"queue": q(desk, 2), "expression": "worker.shift == task.shift"},
    )
    desk.worker("Ann", level=1, shift="night")
    to_hour(desk, 12)
    desk.task({"kind": "timed"})
    for _ in range(500):
        desk.task({"shift": "day"}, timeout=200_000)
    asked = [0]
    original = conditions.suits

    def counted(*arguments: Any) -> bool:
        asked[0] += 1
        return original(*arguments)

    monkeypatch.setattr(conditions, "suits", counted)
    to_hour(desk, 22)
    assert 1 <= asked[0] <= 3


def test_opening_hours_in_a_filter(desk: Desk) -> None:
    """A filter sees the time at which the task comes to it."""
    desk.workflow(
        flow("taskrouter.currentTime >= 0900 AND taskrouter.currentTime < 1700", {"queue": q(desk, 1)}),
        default={"queue": q(desk, 2)},
    )
    to_hour(desk, 10)
    during = desk.task()
    to_hour(desk, 17)
    assert (where(desk, during), where(desk, desk.task())) == ("Q1", "Q2")


def test_what_is_ignored_is_reported(desk: Desk) -> None:
    """The command's outcome and the explanation of a task have each thing that was ignored, with its place."""
    configuration = {
        "task_routing": {
            "filters": [flow("*(1 == 1)", {"queue": q(desk, 1), "expression": "level > 1"})],
            "default_filter": {"queue": q(desk, 2)},
        }
    }
    command = commands.CreateWorkflow(
        workspace_sid=desk.ws, friendly_name="Odd", configuration=json.dumps(configuration)
    )
    warnings = (
        "filter 1, expression: '*' was ignored at line 1, column 1",
        "filter 1, target 1, expression: the key level has no prefix and is always missing at line 1, column 1",
    )
    outcome = desk.apply(command)
    assert outcome.warnings == tuple(f"Configuration: {warning}" for warning in warnings)
    explanation = desk.engine.explain(desk.ws, desk.task(workflow_sid=outcome.result.sid))
    assert explanation.warnings == warnings
    assert "Ignored in expressions" in str(explanation) and explanation.to_dict()["warnings"] == list(warnings)
    assert desk.apply(commands.AdvanceTime()).warnings == ()


def test_strict_expressions_are_a_rule() -> None:
    """With the switch the same workflow is refused, with the place of the fault."""
    desk = Desk(rules=Rules(strict_expressions=True))
    configuration = {"task_routing": {"filters": [flow("*(1 == 1)", {"queue": desk.queue("Q")})]}}
    refusal = desk.refused("CreateWorkflow", friendly_name="Odd", configuration=json.dumps(configuration))
    assert "extraneous input '*'" in refusal.message and "line 1, column 1" in refusal.message


def test_expressions_outside_of_workflows_have_a_limit(desk: Desk) -> None:
    """One expression cannot keep the service busy for long."""
    refusal = desk.refused("CreateTaskQueue", friendly_name="Long", target_workers=" OR ".join(["a == 1"] * 1000))
    assert "at most 8192 characters" in refusal.message and len(refusal.message) < 250
