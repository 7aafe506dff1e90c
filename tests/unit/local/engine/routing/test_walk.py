"""The walk of tasks through filters and targets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tools.seams import kernel_of
from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Rules, commands
from twilio_taskrouter_worker.local.engine.index import conditions


@pytest.fixture
def driver() -> EngineDriver:
    """A driver with three queues nobody is in: level 1, 2 and 3."""
    driver = EngineDriver(template="NONE")
    for level in (1, 2, 3):
        driver.queue(f"Q{level}", f"level == {level}")
    return driver


def q(driver: EngineDriver, level: int) -> str:
    """Return the queue for a level."""
    return next(queue.sid for queue in driver.engine.queues(driver.ws) if queue.friendly_name == f"Q{level}")


def where(driver: EngineDriver, task: str) -> str | None:
    """Return the name of the queue a task is in."""
    return driver.get(task).task_queue_friendly_name


def flow(expression: str, *targets: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a filter."""
    return {"expression": expression, "targets": list(targets), **fields}


def test_the_first_matching_filter_takes_the_task(driver: EngineDriver) -> None:
    """Filters are asked from the top, and the default is for what none matches."""
    driver.workflow(
        flow('lang == "es"', {"queue": q(driver, 1)}, filter_friendly_name="es"),
        flow('lang != "fr"', {"queue": q(driver, 2)}),
        default={"queue": q(driver, 3)},
    )
    assert where(driver, driver.task({"lang": "es"})) == "Q1"
    matched = driver.event("workflow.target-matched")
    assert matched.data == {
        "filter": "es",
        "filter_expression": 'lang == "es"',
        "target": 0,
        "target_name": None,
        "target_expression": None,
        "re_evaluated_reason": None,
    }
    assert driver.types() == ["workflow.entered", "task-queue.entered", "task.created", "workflow.target-matched"]
    assert where(driver, driver.task({"lang": "de"})) == "Q2"
    assert where(driver, driver.task({"lang": "fr"})) == "Q3"


def test_a_task_that_nothing_matches_is_canceled_at_once(driver: EngineDriver) -> None:
    """Without default filter such a task is made and then canceled."""
    driver.workflow(flow('lang == "es"', {"queue": q(driver, 1)}))
    task = driver.task({"lang": "fr"})
    assert driver.types() == ["workflow.entered", "task.created", "workflow.timeout", "task.canceled"]
    record = driver.get(task)
    assert (record.assignment_status, record.reason) == ("canceled", "Task canceled on Workflow timeout")
    assert record.task_queue_sid is None


def test_a_task_that_nothing_matches_can_be_refused() -> None:
    """The switch refuses it instead; a default filter takes everything."""
    driver = EngineDriver(rules=Rules(refuse_unmatched_tasks=True))
    queue = driver.engine.queues(driver.ws)[0].sid
    sid = driver.workflow(flow('lang == "es"', {"queue": queue}))
    assert "No filter of workflow" in driver.refused("CreateTask", workflow_sid=sid).message
    assert driver.status(driver.task({"lang": "es"}, workflow_sid=sid)) == "pending"
    assert driver.status(driver.task(workflow_sid=driver.engine.workflows(driver.ws)[0].sid)) == "pending"


def test_steps_follow_each_other_by_their_timeouts(driver: EngineDriver) -> None:
    """Each step's time leads to the next: queue, priority and the date of entry change, and so does the version."""
    driver.workflow(
        flow("1==1", {"queue": q(driver, 1), "timeout": 10, "priority": 3}, {"queue": q(driver, 2), "timeout": 20}, {}),
    )
    task = driver.task(priority=9)
    start = driver.now
    assert (where(driver, task), driver.get(task).priority, driver.get(task).version) == ("Q1", 3, 0)
    driver.advance(9.9)
    assert where(driver, task) == "Q1"
    driver.advance(0.1)
    assert driver.types() == ["task-queue.timeout", "workflow.target-matched", "task-queue.moved"]
    assert driver.event("task-queue.moved").data["previous_queue_sid"] == q(driver, 1)
    record = driver.get(task)
    assert (record.task_queue_friendly_name, record.priority, record.version) == ("Q2", 3, 1)
    assert record.task_queue_entered_date == start + 10
    driver.advance(20)
    assert where(driver, task) == "Q2" and driver.types() == ["task-queue.timeout", "workflow.target-matched"]
    driver.advance(86400 - 31)
    assert where(driver, task) == "Q2"
    driver.advance(1)
    assert driver.get(task).reason == "Task TTL Exceeded"


def test_steps_are_timed_by_the_age_of_the_task(driver: EngineDriver) -> None:
    """Three steps of ten seconds: the third begins when the task is twenty seconds old, whatever happened before."""
    steps = [{"queue": q(driver, number), "timeout": 10} for number in (1, 2, 3)]
    driver.workflow(flow("1==1", *steps))
    ann = driver.worker("Ann", level=1)
    task = driver.task()
    driver.advance(14)  # the first step ends while Ann thinks
    driver.to(driver.pending(ann)[0], "rejected")
    assert where(driver, task) == "Q2"
    driver.set_activity(ann, "Offline")
    driver.advance(5.5)
    assert where(driver, task) == "Q2"
    driver.advance(0.5)
    assert where(driver, task) == "Q3"
    driver.do("UpdateTask", sid=task, attributes='{"again": true}')
    assert where(driver, task) == "Q3", "its age is that of the third step also when it is re-evaluated"
    driver.advance(10)
    assert driver.status(task) == "canceled"


def test_a_skipped_step_and_an_earlier_filter_count_with_their_timeouts(driver: EngineDriver) -> None:
    """The sum is that of the steps of the configuration: also of one that was skipped, and of a filter that ended."""
    skipped = {"queue": q(driver, 2), "timeout": 10, "skip_if": "1==1"}
    driver.workflow(
        flow("1==1", {"queue": q(driver, 1), "timeout": 10}, skipped, {"queue": q(driver, 3), "timeout": 5}),
        flow("1==1", {"queue": q(driver, 2), "timeout": 10}),
    )
    task = driver.task()
    driver.advance(10)
    assert where(driver, task) == "Q3"
    driver.advance(14)
    assert where(driver, task) == "Q3"
    driver.advance(1)
    assert where(driver, task) == "Q2"
    driver.advance(9)
    assert driver.status(task) == "pending"
    driver.advance(1)
    assert driver.status(task) == "canceled"


def test_steps_may_be_timed_from_their_beginning() -> None:
    """With the switch off a step that is entered late has all of its time."""
    driver = EngineDriver(rules=Rules(step_timeouts_by_age=False))
    queues = [driver.queue(f"Q{number}", f"level == {number}") for number in (1, 2, 3)]
    driver.workflow(flow("1==1", *({"queue": queue, "timeout": 10} for queue in queues)))
    ann = driver.worker("Ann", level=1)
    task = driver.task(workflow_sid=driver.engine.workflows(driver.ws)[-1].sid)
    driver.advance(14)
    driver.to(driver.pending(ann)[0], "rejected")
    driver.advance(9)
    assert where(driver, task) == "Q2"
    driver.advance(1)
    assert where(driver, task) == "Q3"


def test_after_the_last_timeout_a_later_filter_counts_but_not_the_default(driver: EngineDriver) -> None:
    """Falling out of a filter goes on downwards, and ends in cancellation."""
    driver.workflow(
        flow('lang == "es"', {"queue": q(driver, 1), "timeout": 10}),
        flow('lang == "fr"', {"queue": q(driver, 3)}),
        flow("1==1", {"queue": q(driver, 2), "timeout": 10}),
        default={"queue": q(driver, 3)},
    )
    task = driver.task({"lang": "es"})
    driver.advance(10)
    assert where(driver, task) == "Q2"
    driver.advance(10)
    assert driver.types() == ["task-queue.timeout", "workflow.timeout", "task.canceled"]
    assert driver.get(task).reason == "Task canceled on Workflow timeout"
    assert driver.task_event("workflow.timeout").task == driver.get(task)


def test_skipping_goes_on_to_the_next_step_a_later_filter_or_the_default(driver: EngineDriver) -> None:
    """A skipped filter counts as not matched, so that the default filter may take the task."""
    nobody = "workers.available == 0"
    driver.workflow(
        flow("1==1", {"queue": q(driver, 1), "skip_if": nobody}, {"queue": q(driver, 2), "skip_if": nobody}),
        default={"queue": q(driver, 3)},
    )
    task = driver.task()
    assert where(driver, task) == "Q3"
    assert driver.types().count("workflow.target-matched") == 3
    driver.worker("Ann", level=2)
    taken = driver.task()
    assert (where(driver, taken), driver.status(taken)) == ("Q2", "reserved")
    waiting = driver.task()
    assert (where(driver, waiting), driver.status(waiting)) == ("Q2", "pending")


def test_skipping_out_of_the_workflow_cancels(driver: EngineDriver) -> None:
    """Without anything left to enter the task is canceled, with its own reason."""
    driver.workflow(flow("1==1", {"queue": q(driver, 1), "skip_if": "1==1"}))
    task = driver.task()
    assert driver.types()[-2:] == ["workflow.skipped", "task.canceled"]
    assert driver.get(task).reason == "Task canceled on Workflow skip"
    driver.workflow(default={"queue": q(driver, 1), "skip_if": "1==1"})
    other = driver.task(workflow_sid=driver.engine.workflows(driver.ws)[1].sid)
    assert driver.get(other).reason == "Task canceled on Workflow skip"


def test_skip_if_is_asked_on_entry_only(driver: EngineDriver) -> None:
    """A task that waits in a step stays there when the last available worker leaves."""
    ann = driver.worker("Ann", level=1)
    step = {"queue": q(driver, 1), "skip_if": "workers.available == 0"}
    driver.workflow(flow("1==1", step), default={"queue": q(driver, 3)})
    driver.accepted(ann)
    task = driver.task()
    assert where(driver, task) == "Q1"
    driver.set_activity(ann, "Offline")
    assert where(driver, task) == "Q1"


def test_a_step_that_ends_during_a_reservation_is_left_when_that_ends(driver: EngineDriver) -> None:
    """The offer stands beyond the step's time; when it is rejected the task moves on instead of being offered again."""
    driver.workflow(flow("1==1", {"queue": q(driver, 1), "timeout": 10}, {"queue": q(driver, 2)}))
    ann = driver.worker("Ann", level=1)
    task = driver.task()
    driver.advance(10)
    assert (where(driver, task), driver.status(task)) == ("Q1", "reserved")
    driver.to(driver.pending(ann)[0], "rejected")
    assert driver.pending(ann) == []
    assert (where(driver, task), driver.status(task)) == ("Q2", "pending")
    rejected = driver.reservation_event("reservation.rejected").task
    assert (rejected.assignment_status, rejected.task_queue_friendly_name) == ("pending", "Q1")


def test_an_accepted_task_no_longer_walks(driver: EngineDriver) -> None:
    """Acceptance ends the step's timer and the task's."""
    driver.workflow(flow("1==1", {"queue": q(driver, 1), "timeout": 10}, {"queue": q(driver, 2)}))
    ann = driver.worker("Ann", level=1)
    task, _ = driver.accepted(ann, timeout=20)
    driver.advance(1000)
    assert (where(driver, task), driver.status(task)) == ("Q1", "assigned")


def test_new_attributes_send_a_waiting_task_through_again(driver: EngineDriver) -> None:
    """A pending task starts at the top; a reserved one is not disturbed."""
    driver.workflow(flow('lang == "es"', {"queue": q(driver, 1)}), default={"queue": q(driver, 2)})
    task = driver.task()
    driver.do("UpdateTask", sid=task, attributes='{"lang": "es"}')
    assert driver.types()[:2] == ["task.updated", "workflow.entered"]
    assert where(driver, task) == "Q1"
    driver.worker("Ann", level=1)
    assert driver.status(task) == "reserved"
    driver.do("UpdateTask", sid=task, attributes="{}")
    assert (where(driver, task), driver.status(task)) == ("Q1", "reserved")


def test_re_evaluation_uses_the_new_configuration(driver: EngineDriver) -> None:
    """Tasks on their way keep the old configuration unless they are sent through again."""
    sid = driver.workflow(flow("1==1", {"queue": q(driver, 1), "timeout": 10}, {"queue": q(driver, 2)}))
    task = driver.task()
    new = json.dumps({"task_routing": {"default_filter": {"queue": q(driver, 3)}}})
    driver.do("UpdateWorkflow", sid=sid, configuration=new)
    driver.advance(10)
    assert where(driver, task) == "Q2"
    driver.do("UpdateWorkflow", sid=sid, re_evaluate_tasks=True)
    assert where(driver, task) == "Q3"
    assert "workflow.entered" in driver.types()
    assert where(driver, driver.task()) == "Q3"


def test_re_evaluation_keeps_the_order_of_priorities(driver: EngineDriver) -> None:
    """When many tasks come to a queue at once, the most urgent is offered first."""
    sid = driver.workflow(default={"queue": q(driver, 1)})
    tasks = [driver.task(priority=priority) for priority in (1, 5, 3)]
    driver.worker("Ann", level=2)
    new = json.dumps({"task_routing": {"default_filter": {"queue": q(driver, 2)}}})
    driver.do("UpdateWorkflow", sid=sid, configuration=new, re_evaluate_tasks=True)
    assert [driver.status(task) for task in tasks] == ["pending", "reserved", "pending"]


# -- targets that read the time ------------------------------------------------------------------------------------

NIGHT_SHIFT = "worker.shift == 'night' AND taskrouter.currentHour >= 22 OR worker.shift == 'day'"


def to_hour(driver: EngineDriver, hour: float) -> None:
    """Let time pass until an hour of the day (UTC)."""
    driver.advance((hour * 3600 - driver.now) % 86400)


def test_a_waiting_task_is_offered_when_the_time_has_come(driver: EngineDriver) -> None:
    """Nothing but the clock makes the target's expression true, and the task is offered at that very moment."""
    driver.workflow(flow("1==1", {"queue": q(driver, 1), "expression": NIGHT_SHIFT}))
    ann = driver.worker("Ann", level=1, shift="night")
    to_hour(driver, 12)
    task = driver.task()
    to_hour(driver, 21.99)
    assert driver.status(task) == "pending"
    assert driver.engine.next_deadline() == pytest.approx(driver.now + 0.01 * 3600)
    driver.advance(60)
    assert driver.status(task) == "reserved"
    assert driver.reservation_event("reservation.created", ann).at % 86400 == 22 * 3600


def test_time_is_watched_only_while_it_matters(driver: EngineDriver) -> None:
    """A task that is accepted, or in a step that does not read the time, has no timer for it."""
    driver.workflow(
        flow("kind == 'timed'", {"queue": q(driver, 1), "expression": NIGHT_SHIFT}),
        default={"queue": q(driver, 2)},
    )
    timed, other = driver.task({"kind": "timed"}), driver.task()
    tasks = kernel_of(driver.engine).workspace(driver.ws).tasks
    assert tasks[timed].change_timer is not None and tasks[other].change_timer is None
    ann = driver.worker("Ann", level=1, shift="day")
    driver.to(driver.pending(ann)[0], "accepted")
    assert driver.status(timed) == "assigned"
    assert tasks[timed].change_timer is None


def test_a_change_of_the_time_asks_only_the_tasks_that_read_it(
    driver: EngineDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of other tasks that wait cost nothing when the hour strikes."""
    driver.workflow(
        flow("kind == 'timed'", {"queue": q(driver, 1), "expression": NIGHT_SHIFT}),
        default={"queue": q(driver, 2), "expression": "worker.shift == task.shift"},
    )
    driver.worker("Ann", level=1, shift="night")
    to_hour(driver, 12)
    driver.task({"kind": "timed"})
    for _ in range(500):
        driver.task({"shift": "day"}, timeout=200_000)
    asked = [0]
    original = conditions.suits

    def counted(*arguments: Any) -> bool:
        asked[0] += 1
        return original(*arguments)

    monkeypatch.setattr(conditions, "suits", counted)
    to_hour(driver, 22)
    assert 1 <= asked[0] <= 3


def test_opening_hours_in_a_filter(driver: EngineDriver) -> None:
    """A filter sees the time at which the task comes to it."""
    driver.workflow(
        flow("taskrouter.currentTime >= 0900 AND taskrouter.currentTime < 1700", {"queue": q(driver, 1)}),
        default={"queue": q(driver, 2)},
    )
    to_hour(driver, 10)
    during = driver.task()
    to_hour(driver, 17)
    assert (where(driver, during), where(driver, driver.task())) == ("Q1", "Q2")


def test_ignored_parts_are_reported(driver: EngineDriver) -> None:
    """The command's outcome and the explanation of a task have each thing that was ignored, with its place."""
    configuration = {
        "task_routing": {
            "filters": [flow("*(1 == 1)", {"queue": q(driver, 1), "expression": "level > 1"})],
            "default_filter": {"queue": q(driver, 2)},
        }
    }
    command = commands.CreateWorkflow(
        workspace_sid=driver.ws, friendly_name="Odd", configuration=json.dumps(configuration)
    )
    warnings = (
        "filter 1, expression: '*' was ignored at line 1, column 1",
        "filter 1, target 1, expression: the key level has no prefix and is always missing at line 1, column 1",
    )
    outcome = driver.apply(command)
    assert outcome.warnings == tuple(f"Configuration: {warning}" for warning in warnings)
    explanation = driver.engine.explain(driver.ws, driver.task(workflow_sid=outcome.result.sid))
    assert explanation.warnings == warnings
    assert "Ignored in expressions" in str(explanation) and explanation.to_dict()["warnings"] == list(warnings)
    assert driver.apply(commands.AdvanceTime()).warnings == ()


def test_strict_expressions_are_a_rule() -> None:
    """With the switch the same workflow is refused, with the place of the fault."""
    driver = EngineDriver(rules=Rules(strict_expressions=True))
    configuration = {"task_routing": {"filters": [flow("*(1 == 1)", {"queue": driver.queue("Q")})]}}
    refusal = driver.refused("CreateWorkflow", friendly_name="Odd", configuration=json.dumps(configuration))
    assert "extraneous input '*'" in refusal.message and "line 1, column 1" in refusal.message


def test_expressions_outside_of_workflows_have_a_limit(driver: EngineDriver) -> None:
    """One expression cannot keep the service busy for long."""
    refusal = driver.refused("CreateTaskQueue", friendly_name="Long", target_workers=" OR ".join(["a == 1"] * 1000))
    assert "at most 8192 characters" in refusal.message and len(refusal.message) < 250


def test_a_target_that_changes_with_time_while_the_task_is_offered(driver: EngineDriver) -> None:
    """The offer stands; the expression counts again when the task comes back."""
    driver.do("CreateActivity", friendly_name="Ready", available=True)
    # It is 13:46:40.
    target = {"queue": q(driver, 1), "expression": "taskrouter.currentMin < 47"}
    workflow = driver.workflow({"expression": "1==1", "targets": [target]})
    ann = driver.worker("Ann", "Ready", level=1)
    task = driver.task(workflow_sid=workflow)
    (reservation,) = driver.pending(ann)
    driver.advance(30)
    assert driver.pending(ann) == [reservation]
    driver.to(reservation, "rejected")
    assert (driver.status(task), driver.pending(ann)) == ("pending", [])
