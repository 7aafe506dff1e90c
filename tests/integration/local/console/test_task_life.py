"""A task's life, and why it waits."""

from __future__ import annotations

import json

from tests.integration.local.console.console_client import Browser, Live


def test_the_steps_of_a_task(browser: Browser, live: Live) -> None:
    """Each step has its time, its cause, and what it is about."""
    router = browser.router
    alice = router.add_worker("Alice", activity="Available")
    task = browser.rest("Tasks", WorkflowSid=router.workflow_sid, Attributes="{}")["sid"]
    live.send("watch", task=task)
    live.until(lambda: live.other and live.other[-1]["life"][-1]["type"] == "reservation.created")
    (reservation,) = router.reservations(task_sid=task)
    browser.rest(f"Workers/{alice}/Reservations/{reservation.sid}", worker=alice, ReservationStatus="accepted")
    router.complete_task(task, "done")
    live.until(lambda: live.other[-1]["task"]["assignment_status"] == "completed")
    latest = live.other[-1]
    steps = {step["type"]: step for step in latest["life"]}
    assert latest["complete"] and list(steps)[0] in ("workflow.entered", "task.created")
    assert list(steps).index("reservation.created") < list(steps).index("reservation.accepted")
    assert steps["task.created"]["who"] == {"sid": None, "name": "REST"}
    assert steps["reservation.accepted"]["who"] == {"sid": alice, "name": "Alice"}
    assert steps["reservation.created"]["worker_name"] == "Alice"
    assert steps["task.completed"]["why"] == "done" and steps["task.completed"]["who"] is None
    assert "default filter" in steps["workflow.target-matched"]["why"]


def test_the_failing_part_of_an_expression_is_marked(browser: Browser, live: Live) -> None:
    """Its place in the whole text, and the actual value beside it."""
    router = browser.router
    expression = "level > 2 AND skills HAS 'refunds'"
    queue = router.add_queue("Refunds", target_workers=expression)
    workflow = router.add_workflow("Refunds", queue=queue)
    router.add_worker("Bob", attributes={"level": 3, "skills": ["sales"]}, activity="Available")
    task = router.create_task(workflow=workflow)
    live.send("watch", task=task)
    explanation = live.until(lambda: live.other and live.other[-1])["explain"]
    (bob,) = explanation["workers"]
    (failed,) = [check for check in bob["checks"] if not check["passed"]]
    assert failed["expression"]["text"] == expression
    part = failed["expression"]["verdict"]["parts"][1]
    assert expression[part["start"] : part["end"]] == "skills HAS 'refunds'" and not part["result"]
    assert part["values"] == {"skills": ["sales"]}
    assert (explanation["workers_total"], explanation["suitable_total"]) == (1, 0)
    # What is true has no tree: it would only make the answer longer.
    assert all("expression" not in check for check in bob["checks"] if check["passed"])


def test_it_is_explained_again_when_something_changes(browser: Browser, live: Live) -> None:
    """The answer is live: a worker that becomes available is offered the task."""
    router = browser.router
    router.add_worker("Alice")
    task = router.create_task()
    live.send("watch", task=task)
    live.until(lambda: live.other and "no worker" in live.other[-1]["explain"]["summary"])
    router.set_activity("Alice", "Available")
    live.until(lambda: "it is with Alice" in live.other[-1]["explain"]["summary"])
    live.send("watch", task=None)
    # Answered after the message before, so that nothing of the task can follow.
    live.send("nothing")
    live.until(lambda: live.other[-1]["type"] == "error")
    count = len(live.other)
    other = router.create_task()
    live.until(lambda: other in live.tables["tasks"])
    assert len(live.other) == count


def test_a_task_that_is_unknown(browser: Browser, live: Live) -> None:
    """It has no life; a deleted one still has the steps that the log has."""
    live.send("watch", task="WT" + "0" * 32)
    live.until(lambda: live.other and live.other[-1]["explain"] is None)
    assert live.other[-1]["task"] is None and not live.other[-1]["complete"]
    task = browser.router.create_task()
    browser.rest(f"Tasks/{task}", "DELETE")
    answer = browser.api("GET", f"api/task/{task}")
    assert answer["explain"] is None and answer["life"][-1]["type"] == "task.deleted"
    live.send("watch", task=5)
    live.until(lambda: live.other[-1]["type"] == "error")


def test_many_workers_are_limited_to_the_nearest(browser: Browser) -> None:
    """The ones with the fewest failing conditions are shown, and the numbers of all."""
    router = browser.router
    for number in range(201):
        router.add_worker(f"Offline {number}", attributes={"number": number})
    router.add_worker("Near", activity="Available")
    browser.rest(f"TaskQueues/{router.task_queue_sid}", TargetWorkers="name == 'nobody'")
    explanation = browser.api("GET", f"api/task/{router.create_task()}")["explain"]
    assert len(explanation["workers"]) == 100 and explanation["workers_total"] == 202
    assert explanation["workers"][0]["friendly_name"] == "Near"
    assert json.dumps(explanation)
