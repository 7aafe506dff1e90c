"""Checking and compiling workflow configurations, and workflows as resources."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine.errors import Rejected
from twilio_taskrouter_worker.local.engine.expressions import DEFAULT_SEMANTICS
from twilio_taskrouter_worker.local.engine.routing.configuration import compile_configuration

Q = "WQ" + "a" * 32
R = "WQ" + "b" * 32


def compiled(document: Any) -> Any:
    """Compile a configuration against two queues."""
    return compile_configuration(json.dumps(document), (Q, R), DEFAULT_SEMANTICS)


def one(**target: Any) -> Any:
    """Return a configuration of one filter with one target."""
    return {"task_routing": {"filters": [{"expression": "1==1", "targets": [{"queue": Q, **target}]}]}}


def test_everything_a_document_may_hold() -> None:
    """Filters, targets and the default filter are compiled with numbers, texts and inherited queues."""
    plan = compiled(
        {
            "task_routing": {
                "filters": [
                    {
                        "filter_friendly_name": "spanish",
                        "expression": 'lang == "es"',
                        "targets": [
                            {"queue": Q.replace("a", "A"), "priority": "5", "timeout": "30", "expression": ""},
                            {"timeout": 10, "skip_if": "workers.available == 0", "order_by": "worker.level DESC"},
                            {"queue": R, "known_worker_sid": "task.agent", "priority": None},
                        ],
                    },
                    {"friendly_name": "named", "expression": "1==1", "targets": [{"queue": Q}]},
                ],
                "default_filter": {"queue": R, "timeout": 99, "expression": "worker.a == task.b"},
            }
        }
    )
    first, second, third = plan.filters[0].targets
    assert [f.label for f in plan.filters] == ["spanish", "named"]
    assert (first.queue_sid, first.priority, first.timeout, first.expression) == (Q, 5, 30, None)
    assert (second.queue_sid, second.index) == (Q, 1) and second.skip_if and second.order_by
    assert third.queue_sid == R and third.known.kind == "sid" and third.priority is None
    assert plan.default.targets[0].timeout is None and plan.default.targets[0].expression
    assert plan.queue_sids() == {Q, R}


def test_the_wrapper_may_be_missing_and_filters_too() -> None:
    """A bare document, and one with a default filter only, are accepted."""
    assert compiled({"filters": [], "default_filter": {"queue": Q}}).default is not None
    assert compiled({"task_routing": {}}).filters == ()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "Configuration must be a JSON object"),
        ({}, "task_routing"),
        ({"task_routing": []}, "task_routing must be a JSON object"),
        ({"task_routing": {"filters": {}}}, "filters must be a list"),
        ({"task_routing": {"filters": [1]}}, "filter 1 must be a JSON object"),
        ({"task_routing": {"filters": [{"targets": [{"queue": Q}]}]}}, "filter 1 has no expression"),
        ({"task_routing": {"filters": [{"expression": 5, "targets": [{"queue": Q}]}]}}, "must be a string"),
        ({"task_routing": {"filters": [{"expression": "a=", "targets": [{"queue": Q}]}]}}, "filter 1, expression"),
        ({"task_routing": {"filters": [{"expression": "1==1"}]}}, "non-empty list of targets"),
        ({"task_routing": {"filters": [{"expression": "1==1", "targets": []}]}}, "non-empty list of targets"),
        ({"task_routing": {"filters": [{"expression": "1==1", "targets": [{}]}]}}, "target 1 has no queue"),
        ({"task_routing": {"filters": [{"expression": "1==1", "targets": [{"queue": 5}]}]}}, "has no queue"),
        (one(queue="WQ" + "c" * 32), "not in this workspace"),
        (one(priority="x"), "priority must be a whole number"),
        (one(priority=-1), "priority must be between 0 and"),
        (one(priority=True), "priority must be a whole number"),
        (one(timeout=0), "timeout must be between 1 and"),
        (one(timeout=1.5), "timeout must be a whole number"),
        (one(timeout="1e400"), "timeout must be a whole number"),
        (one(expression="worker.level >"), "target 1, expression"),
        (one(skip_if="workers.many > 1"), "skip_if"),
        (one(order_by="level"), "order_by"),
        (one(known_worker_sid="1=1"), "known_worker_sid"),
        (one(known_worker_sid="task.a", known_worker_friendly_name="task.b"), "both known_worker_sid"),
        ({"task_routing": {"default_filter": {}}}, "default_filter has no queue"),
    ],
)
def test_faults_are_found_and_named(document: Any, words: str) -> None:
    """Each fault says where it is."""
    with pytest.raises(Rejected) as caught:
        compiled(document)
    assert (caught.value.status, caught.value.code) == (400, 20001)
    assert words in caught.value.message


def test_invalid_json_and_text_that_is_too_long() -> None:
    """Neither gets as far as being looked at."""
    for text in ("{", "x" * 1_000_001):
        with pytest.raises(Rejected) as caught:
            compile_configuration(text, (), DEFAULT_SEMANTICS)
        assert "Configuration" in caught.value.message


# -- workflows as resources ------------------------------------------------------------------------------------


def test_workflows_are_made_changed_and_deleted() -> None:
    """The record keeps the configuration, without white space; the same values again are no change."""
    driver = EngineDriver()
    queue = driver.queue("Q")
    text = json.dumps({"task_routing": {"default_filter": {"queue": queue}}}, indent=2)
    made = driver.do("CreateWorkflow", friendly_name="W", configuration=text, assignment_callback_url="http://a")
    assert driver.types() == ["workflow.created"]
    compact = json.dumps(json.loads(text), separators=(",", ":"))
    assert (made.configuration, made.assignment_callback_url) == (compact, "http://a")
    assert made.document_content_type is None
    assert driver.do("UpdateWorkflow", sid=made.sid, configuration=text) == made
    changed = driver.do("UpdateWorkflow", sid=made.sid, friendly_name="V", fallback_assignment_callback_url="http://b")
    assert (changed.friendly_name, changed.fallback_assignment_callback_url) == ("V", "http://b")
    assert driver.do("UpdateWorkflow", sid=made.sid, friendly_name="V") == changed
    assert driver.types() == []
    driver.do("DeleteWorkflow", sid=made.sid)
    assert driver.types() == ["workflow.deleted"]
    assert driver.refused("UpdateWorkflow", sid=made.sid).status == 404


def test_bad_workflows_are_refused() -> None:
    """Names, numbers and configurations are checked, on update as well."""
    driver = EngineDriver()
    first = driver.engine.workflows(driver.ws)[0]
    fields = {"configuration": first.configuration}
    assert driver.refused("CreateWorkflow", friendly_name=first.friendly_name, **fields).status == 400
    assert driver.refused("CreateWorkflow", friendly_name="x", task_reservation_timeout=0, **fields).status == 400
    assert driver.refused("CreateWorkflow", friendly_name="x", configuration="{}").status == 400
    assert driver.refused("UpdateWorkflow", sid=first.sid, task_reservation_timeout=86401).status == 400
    assert driver.refused("UpdateWorkflow", sid=first.sid, configuration="[]").status == 400


def test_a_workflow_with_open_tasks_cannot_be_deleted() -> None:
    """Deletion waits until its tasks are over; a rename shows in them."""
    driver = EngineDriver()
    flow = driver.engine.workflows(driver.ws)[0].sid
    task = driver.task()
    assert "open tasks" in driver.refused("DeleteWorkflow", sid=flow).message
    driver.do("UpdateWorkflow", sid=flow, friendly_name="New")
    assert driver.get(task).workflow_friendly_name == "New"
    driver.do("UpdateTask", sid=task, assignment_status="canceled")
    driver.do("DeleteWorkflow", sid=flow)
    assert driver.engine.workflows(driver.ws) == []


def test_a_changed_reservation_timeout_is_for_later_reservations() -> None:
    """A pending reservation keeps its own; the next one has the new one."""
    driver = EngineDriver()
    ann = driver.worker("Ann")
    driver.task()
    flow = driver.engine.workflows(driver.ws)[0].sid
    driver.do("UpdateWorkflow", sid=flow, task_reservation_timeout=7)
    first = driver.pending(ann)[0]
    assert driver.reservation(first).reservation_timeout == 120
    driver.to(first, "rejected")
    assert driver.reservation(driver.pending(ann)[0]).reservation_timeout == 7
