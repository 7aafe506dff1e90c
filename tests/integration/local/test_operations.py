"""Configuring and working a workspace from Python: names or sids, tasks, callbacks, the event log."""

from __future__ import annotations

import pytest

from tests.tools.receiver import Receiver
from tests.tools.wait import eventually
from twilio_taskrouter_worker import RequestRejectedError, Worker
from twilio_taskrouter_worker.errors import NotFoundError
from twilio_taskrouter_worker.local import LocalTaskRouter


def test_a_workspace_of_ones_own(router: LocalTaskRouter) -> None:
    """Queues, workflows and channels are made and referred to by name."""
    german = router.add_queue("German", target_workers="language == 'de'")
    router.add_workflow("To German", queue="German")
    router.add_channel("letter")
    router.add_worker("Greta", attributes={"language": "de"}, activity="Available")
    task = router.create_task({"n": 1}, workflow="To German", task_channel="letter")
    assert (router.task(task).task_queue_sid, router.task(task).task_channel_unique_name) == (german, "letter")
    [reservation] = router.reservations(task_sid=task)
    assert reservation.worker_sid == router.worker("Greta").sid
    assert router.reservations(worker_sid="Greta") == [reservation]
    assert router.open_sessions("Greta") == 0


def test_a_configuration_of_ones_own(router: LocalTaskRouter) -> None:
    """A workflow may have a whole configuration; a wrong one is refused with the reason."""
    sid = router.add_workflow("Own", {"task_routing": {"default_filter": {"queue": router.task_queue_sid}}})
    assert router.task(router.create_task(workflow=sid)).workflow_sid == sid
    with pytest.raises(RequestRejectedError, match="queue"):
        router.add_workflow("Wrong", {"task_routing": {"default_filter": {}}})
    with pytest.raises(ValueError, match="either a configuration, or the queue"):
        router.add_workflow("Neither")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda router: router.create_task(workflow="Suport"), "There is no workflow 'Suport'; there are 'Default"),
        (lambda router: router.set_activity("Bob", "Available"), "There is no worker 'Bob'; there are none"),
        (lambda router: router.token("Bob"), "There is no worker 'Bob'"),
        (lambda router: router.add_workflow("W", queue="Q"), "There is no task queue 'Q'"),
    ],
)
def test_a_name_that_is_not_there(router: LocalTaskRouter, use: object, message: str) -> None:
    """The error has the names there are."""
    assert callable(use)
    with pytest.raises(ValueError, match=message):
        use(router)


def test_a_worker_and_its_token_by_name(router: LocalTaskRouter) -> None:
    """A name is enough to move a worker and to connect as one."""
    sid = router.add_worker("Alice")
    router.set_activity("Alice", "Available")
    assert router.worker(sid).activity_name == "Available"
    with Worker(router.token("Alice"), **router.connection) as worker:
        assert worker.sid == sid
        assert router.open_sessions("Alice") == 1


def test_tasks_end(router: LocalTaskRouter) -> None:
    """A waiting task is canceled, an assigned one completed, each with its reason."""
    waiting = router.create_task()
    router.cancel_task(waiting, "hung up")
    assert (router.task(waiting).assignment_status, router.task(waiting).reason) == ("canceled", "hung up")
    router.add_worker("Alice", activity="Available")
    served = router.create_task()
    with Worker(router.token("Alice"), **router.connection) as worker:
        [reservation] = worker.reservations.values()
        reservation.accept().result(timeout=30)
        with pytest.raises(RequestRejectedError):
            router.cancel_task(served)
        router.complete_task(served, "done")
    assert (router.task(served).assignment_status, router.task(served).reason) == ("completed", "done")
    with pytest.raises(NotFoundError, match="'WT0' was not found"):
        router.complete_task("WT0")


def test_the_event_log(router: LocalTaskRouter) -> None:
    """What happened is read by type, task and worker, oldest first, with its facts."""
    router.add_worker("Alice", activity="Available")
    task = router.create_task({"n": 1})
    other = router.create_task({"n": 2})
    types = [event.type for event in router.events("task.created", "reservation.*", task=task)]
    assert types == ["task.created", "reservation.created"]
    [created] = router.events("task.created", task=other)
    assert (created.resource_type, created.resource_sid) == ("task", other)
    assert created.data["task_attributes"] == '{"n":2}' or created.data["task_attributes"] == '{"n": 2}'
    assert {event.data["worker_name"] for event in router.events(worker="Alice")} == {"Alice"}
    assert router.events("task.deleted") == []


def test_callbacks_are_set_and_removed(router: LocalTaskRouter) -> None:
    """Without raw REST: the assignment callback of a workflow, and the workspace's event callback with its filter."""
    with Receiver() as receiver:
        router.set_callbacks(
            assignment_url=f"{receiver.url}/assign", event_url=f"{receiver.url}/events", events=["task.created"]
        )
        router.add_worker("Alice", activity="Available")
        router.create_task()
        eventually(lambda: {post.path for post in receiver.posts} == {"/assign", "/events"})
        router.set_callbacks(assignment_url="", event_url="")
        workflow = next(iter(router._ask(lambda engine: engine.workflows(router.workspace_sid))))
        assert not workflow.assignment_callback_url
