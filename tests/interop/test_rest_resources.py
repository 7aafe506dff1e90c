"""Every resource through the official ``twilio`` package; every answer is checked against Twilio's own description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.interop.rest_client import CheckedHttpClient, client_of, workspace_of
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def http(router: LocalTaskRouter) -> Iterator[CheckedHttpClient]:
    http = CheckedHttpClient(router)
    yield http
    http.close()


@pytest.fixture
def workspace(router: LocalTaskRouter, http: CheckedHttpClient) -> WorkspaceContext:
    return workspace_of(router, http)


def refusal(error: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int, str]:
    return error.value.status, error.value.code, error.value.msg


def test_workspaces(router: LocalTaskRouter, http: CheckedHttpClient) -> None:
    """A workspace is created with what its template promises, listed, found by name, changed and deleted."""
    workspaces = client_of(router, http).taskrouter.v1.workspaces
    made = workspaces.create(friendly_name="Support", template="FIFO", event_callback_url="https://example.com/events")
    assert (made.friendly_name, made.multi_task_enabled, made.prioritize_queue_order) == ("Support", True, "FIFO")
    assert made.default_activity_name == made.timeout_activity_name == "Offline"
    assert isinstance(made.date_created, datetime)
    assert {w.sid for w in workspaces.list()} == {router.workspace_sid, made.sid}
    assert [w.sid for w in workspaces.list(friendly_name="Support")] == [made.sid]
    context = workspaces(made.sid)
    assert [a.friendly_name for a in context.activities.list()] == ["Offline", "Available", "Unavailable"]
    assert len(context.task_channels.list()) == 5
    assert [q.friendly_name for q in context.task_queues.list()] == ["Sample Queue"]
    assert [w.friendly_name for w in context.workflows.list()] == ["Default Fifo Workflow"]
    available = context.activities.list(friendly_name="Available")[0].sid
    changed = context.update(default_activity_sid=available, events_filter="task.created", friendly_name="Helpdesk")
    assert (changed.default_activity_name, changed.events_filter) == ("Available", "task.created")
    assert context.fetch().friendly_name == "Helpdesk"
    assert context.delete() is True
    with pytest.raises(TwilioRestException) as error:
        context.fetch()
    assert refusal(error)[:2] == (404, 20404)


def test_activities(workspace: WorkspaceContext) -> None:
    """An activity is created, listed by name and availability, renamed and deleted; Available cannot be changed."""
    made = workspace.activities.create(friendly_name="Break", available=False)
    assert (made.friendly_name, made.available) == ("Break", False)
    assert [a.friendly_name for a in workspace.activities.list(available="true")] == ["Available"]
    assert [a.sid for a in workspace.activities.list(friendly_name="Break")] == [made.sid]
    assert workspace.activities(made.sid).update(friendly_name="Lunch").friendly_name == "Lunch"
    assert workspace.activities(made.sid).fetch().available is False
    assert workspace.activities(made.sid).delete() is True
    with pytest.raises(TwilioRestException) as error:
        workspace.activities(made.sid).delete()
    assert refusal(error)[0] == 404


def test_workers(router: LocalTaskRouter, http: CheckedHttpClient, workspace: WorkspaceContext) -> None:
    """A worker is created, found by each filter, moved, changed with If-Match, and deleted."""
    alice = workspace.workers.create(friendly_name="Alice", attributes=json.dumps({"skill": 3, "langs": ["en"]}))
    bob = workspace.workers.create(friendly_name="Bob", activity_sid=router.activities["Available"])
    assert (alice.activity_name, alice.available, json.loads(alice.attributes)["skill"]) == ("Offline", False, 3)
    assert (bob.activity_name, bob.available, bob.attributes) == ("Available", True, "{}")
    workers = workspace.workers
    queue = workspace.task_queues.create(friendly_name="Skilled", target_workers="skill >= 3")
    for filters, found in (
        ({}, [alice, bob]),
        ({"friendly_name": "Alice"}, [alice]),
        ({"activity_name": "Available"}, [bob]),
        ({"activity_sid": router.activities["Offline"]}, [alice]),
        ({"available": "true"}, [bob]),
        ({"task_queue_sid": queue.sid}, [alice]),
        ({"task_queue_name": "Skilled"}, [alice]),
        ({"target_workers_expression": 'langs HAS "en"'}, [alice]),
        ({"target_workers_expression": f'sid IN ["{bob.sid}"]'}, [bob]),
        ({"ordering": "DateStatusChanged:desc"}, [bob, alice]),
    ):
        assert [w.sid for w in workers.list(**filters)] == [w.sid for w in found], filters
    moved = workers(alice.sid).update(activity_sid=router.activities["Available"], attributes='{"skill":4}')
    assert (moved.activity_name, moved.attributes) == ("Available", '{"skill":4}')
    etag = http.responses[-1].headers["ETag"]
    assert workers(alice.sid).update(friendly_name="Alicia", if_match=etag).friendly_name == "Alicia"
    with pytest.raises(TwilioRestException) as error:
        workers(alice.sid).update(friendly_name="Alix", if_match=etag)
    assert refusal(error)[:2] == (412, 20412)
    with pytest.raises(TwilioRestException) as error:
        workers.create(friendly_name="bob")
    assert refusal(error) == (400, 20001, "Unable to create record: Worker with the same friendly name already exists")
    with pytest.raises(TwilioRestException) as error:
        workers(alice.sid).update(activity_sid="WA0000")
    assert "WA0000" in refusal(error)[2]
    assert workers(alice.sid).delete() is True
    assert [w.sid for w in workers.list()] == [bob.sid]


def test_worker_channels(workspace: WorkspaceContext) -> None:
    """A worker has a channel for each task channel, found by sid and by name, with a capacity that can be changed."""
    worker = workspace.workers.create(friendly_name="Alice")
    channels = workspace.workers(worker.sid).worker_channels
    assert [(c.task_channel_unique_name, c.configured_capacity, c.available) for c in channels.list()] == [
        (name, 1, True) for name in ("default", "voice", "sms", "chat", "video")
    ]
    changed = channels("chat").update(capacity=3, available=False)
    assert (changed.configured_capacity, changed.available, changed.available_capacity_percentage) == (3, False, 100)
    assert channels(changed.sid).fetch().task_channel_unique_name == "chat"
    with pytest.raises(TwilioRestException) as error:
        channels("chat").update(capacity=-1)
    assert refusal(error)[:2] == (400, 20001)


def test_task_channels(workspace: WorkspaceContext) -> None:
    """A task channel is created, reaches every worker, is changed by name and deleted."""
    worker = workspace.workers.create(friendly_name="Alice")
    made = workspace.task_channels.create(friendly_name="E-mail", unique_name="email", channel_optimized_routing=True)
    assert (made.unique_name, made.channel_optimized_routing) == ("email", True)
    assert workspace.workers(worker.sid).worker_channels("email").fetch().configured_capacity == 1
    assert workspace.task_channels("email").update(friendly_name="Mail").friendly_name == "Mail"
    assert workspace.task_channels(made.sid).fetch().unique_name == "email"
    assert workspace.task_channels("email").delete() is True
    assert [c.unique_name for c in workspace.task_channels.list()] == ["default", "voice", "sms", "chat", "video"]


def test_task_queues(router: LocalTaskRouter, workspace: WorkspaceContext) -> None:
    """A queue is created, found by name, worker and attributes, changed, and deleted only when nothing needs it."""
    worker = workspace.workers.create(friendly_name="Bob", attributes='{"lang":"fr"}')
    french = workspace.task_queues.create(
        friendly_name="French", target_workers='lang = "fr"', max_reserved_workers=5, task_order="LIFO"
    )
    assert (french.max_reserved_workers, french.task_order, french.target_workers) == (5, "LIFO", 'lang = "fr"')
    assert french.assignment_activity_sid is None
    nobody = workspace.task_queues.create(friendly_name="Nobody", target_workers='missing = "foo"')
    queues = workspace.task_queues
    names = [q.friendly_name for q in queues.list(worker_sid=worker.sid)]
    assert names == ["Sample Queue", "French"]
    assert [q.sid for q in queues.list(friendly_name="Nobody")] == [nobody.sid]
    assert [q.friendly_name for q in queues.list(evaluate_worker_attributes='{"missing":"foo"}')] == [
        "Sample Queue",
        "Nobody",
    ]
    changed = queues(french.sid).update(target_workers="1==1", max_reserved_workers=2)
    assert (changed.target_workers, changed.max_reserved_workers, changed.task_order) == ("1==1", 2, "LIFO")
    with pytest.raises(TwilioRestException) as error:
        queues.create(friendly_name="Broken", target_workers="skill-level > 2")
    assert refusal(error)[:2] == (400, 20001)
    assert "expecting" in refusal(error)[2]
    assert queues(french.sid).delete() is True
    with pytest.raises(TwilioRestException) as error:
        queues(router.task_queue_sid).delete()
    assert refusal(error)[0] == 400


def test_workflows(router: LocalTaskRouter, workspace: WorkspaceContext) -> None:
    """A workflow keeps its configuration as compact JSON, is validated on save, changed and deleted."""
    configuration = json.dumps({"task_routing": {"filters": [], "default_filter": {"queue": router.task_queue_sid}}})
    made = workspace.workflows.create(
        friendly_name="Second", configuration=configuration, assignment_callback_url="https://example.com/assign"
    )
    assert (made.configuration, made.task_reservation_timeout) == (configuration.replace(" ", ""), 120)
    assert made.document_content_type is None
    changed = workspace.workflows(made.sid).update(task_reservation_timeout=30, re_evaluate_tasks="true")
    assert changed.task_reservation_timeout == 30
    assert [w.sid for w in workspace.workflows.list(friendly_name="Second")] == [made.sid]
    with pytest.raises(TwilioRestException) as error:
        workspace.workflows.create(friendly_name="Third", configuration="{")
    assert refusal(error)[:2] == (400, 20001)
    assert workspace.workflows(made.sid).delete() is True
    with pytest.raises(TwilioRestException) as error:
        workspace.workflows(made.sid).fetch()
    assert refusal(error)[0] == 404


def test_tasks(router: LocalTaskRouter, http: CheckedHttpClient, workspace: WorkspaceContext) -> None:
    """A task is created, found by each filter and order, changed with If-Match, canceled and deleted."""
    router.clock.pause()
    start = datetime(2023, 8, 2, 12, 34, 56, tzinfo=timezone.utc)
    first = workspace.tasks.create(attributes='{"type":"bill"}', virtual_start_time=start, timeout=60)
    second = workspace.tasks.create(attributes='{"type":"tech"}', priority=5, task_channel="chat")
    assert (first.assignment_status, first.priority, first.timeout, first.age) == ("pending", 0, 60, 0)
    assert first.virtual_start_time == start
    assert (first.workflow_friendly_name, first.task_queue_friendly_name) == ("Default Fifo Workflow", "Sample Queue")
    assert (second.task_channel_unique_name, second.routing_target, second.addons) == ("chat", None, "{}")
    for filters, found in (
        ({}, [first, second]),
        ({"priority": 5}, [second]),
        ({"assignment_status": ["pending", "reserved"]}, [first, second]),
        ({"assignment_status": ["canceled"]}, []),
        ({"workflow_sid": router.workflow_sid}, [first, second]),
        ({"workflow_name": "Other"}, []),
        ({"task_queue_sid": router.task_queue_sid}, [first, second]),
        ({"task_queue_name": "Sample Queue"}, [first, second]),
        ({"evaluate_task_attributes": 'type == "tech"'}, [second]),
        ({"has_addons": True}, []),
        ({"ordering": "Priority:desc,DateCreated:asc"}, [second, first]),
        ({"ordering": "VirtualStartTime:desc"}, [second, first]),
    ):
        assert [t.sid for t in workspace.tasks.list(**filters)] == [t.sid for t in found], filters
    changed = workspace.tasks(first.sid).update(priority=9, attributes='{"type":"x"}', task_channel="sms")
    assert (changed.priority, changed.attributes, changed.task_channel_unique_name) == (9, '{"type":"x"}', "sms")
    etag = http.responses[-1].headers["ETag"]
    canceled = workspace.tasks(first.sid).update(assignment_status="canceled", reason="gone", if_match=etag)
    assert (canceled.assignment_status, canceled.reason) == ("canceled", "gone")
    with pytest.raises(TwilioRestException) as error:
        workspace.tasks(first.sid).update(assignment_status="completed", reason="no")
    assert refusal(error) == (
        400,
        20001,
        f"Unable to update record: Cannot complete task {first.sid} in workspace {router.workspace_sid} for account"
        f" {router.account_sid} because it is not currently assigned.",
    )
    with pytest.raises(TwilioRestException) as error:
        workspace.tasks.create(virtual_start_time=datetime.now(timezone.utc) + timedelta(days=1))
    assert "future" in refusal(error)[2]
    assert workspace.tasks(second.sid).delete() is True
    with pytest.raises(TwilioRestException) as error:
        workspace.tasks(second.sid).delete()
    assert refusal(error)[0] == 404


def test_reservations(router: LocalTaskRouter, workspace: WorkspaceContext) -> None:
    """A reservation is seen from its task and its worker, filtered, accepted and completed through either."""
    worker = workspace.workers.create(friendly_name="Alice", activity_sid=router.activities["Available"])
    task = workspace.tasks.create(attributes="{}")
    of_task, of_worker = workspace.tasks(task.sid).reservations, workspace.workers(worker.sid).reservations
    [reservation] = of_task.list()
    assert (reservation.reservation_status, reservation.worker_name) == ("pending", "Alice")
    assert [r.sid for r in of_worker.list(reservation_status="pending")] == [reservation.sid]
    assert of_task.list(reservation_status="accepted") == []
    assert [r.sid for r in of_task.list(worker_sid=worker.sid)] == [reservation.sid]
    assert of_worker(reservation.sid).fetch().task_sid == task.sid
    accepted = of_task(reservation.sid).update(reservation_status="accepted")
    assert accepted.reservation_status == "accepted"
    with pytest.raises(TwilioRestException) as error:
        of_worker(reservation.sid).update(reservation_status="rejected")
    assert "not in expected state [pending]" in refusal(error)[2]
    assert of_worker(reservation.sid).update(reservation_status="completed").reservation_status == "completed"
    assert workspace.tasks(task.sid).fetch().assignment_status == "completed"
    with pytest.raises(TwilioRestException) as error:
        of_task("WR00000000000000000000000000000000").fetch()
    assert refusal(error)[0] == 404


def test_instructions(router: LocalTaskRouter, workspace: WorkspaceContext) -> None:
    """An instruction reaches the engine with its parameters: accept at once, conference a moment later."""
    worker = workspace.workers.create(friendly_name="Alice", activity_sid=router.activities["Available"])
    for instruction, parameters in (("accept", {}), ("conference", {"from_": "+15550100", "record": "true"})):
        task = workspace.tasks.create(attributes="{}")
        [reservation] = workspace.tasks(task.sid).reservations.list()
        context = workspace.workers(worker.sid).reservations(reservation.sid)
        context.update(instruction=instruction, **parameters)
        router.clock.advance(1)
        assert context.fetch().reservation_status == "accepted"
        context.update(reservation_status="completed")
    with pytest.raises(TwilioRestException) as error:
        context.update(instruction="juggle")
    assert refusal(error)[0] == 400


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_paging(workspace: WorkspaceContext, size: int) -> None:
    """The package follows next_page_url through all pages, whatever their size, and filters are kept on the way."""
    made = [workspace.tasks.create(attributes="{}", priority=number % 2).sid for number in range(7)]
    assert [task.sid for task in workspace.tasks.list(page_size=size)] == made
    assert [task.sid for task in workspace.tasks.list(page_size=size, priority=1)] == made[1::2]
    assert [task.sid for task in workspace.tasks.list(limit=4, page_size=size)] == made[:4]


def test_pages_back_and_forth(workspace: WorkspaceContext) -> None:
    """previous_page_url leads back, and a page goes on at its place when its first record is gone."""
    made = [workspace.tasks.create(attributes="{}").sid for _ in range(5)]
    first = workspace.tasks.page(page_size=2)
    second = first.next_page()
    assert second is not None and first.previous_page() is None
    assert [task.sid for task in second] == made[2:4]
    back = second.previous_page()
    assert back is not None
    assert [task.sid for task in back] == made[:2]
    workspace.tasks(made[1]).delete()
    third = first.next_page()
    assert third is not None
    assert [task.sid for task in third] == made[2:4]
