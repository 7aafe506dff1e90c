"""The event log and all statistics through the official ``twilio`` package, checked against Twilio's description."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.interop.rest_client import CheckedHttpClient, workspace_of
from tests.tools import openapi
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


class Day:
    """One workspace in which some things have happened, at known moments.

    12:00 Alice and Bob exist, Bob is Available; a bill is offered to Bob.     12:00:10 Bob accepts.
    12:01 a chat with priority 5 waits (Bob has no chat capacity left).        12:02 the chat is canceled.
    12:03 Bob completes the bill.  12:04 Bob goes Offline; two more tasks wait, the second in another queue.
    """

    def __init__(self, router: LocalTaskRouter, rest: WorkspaceContext) -> None:
        self.router, self.rest = router, rest
        self.alice = router.add_worker("Alice")
        self.bob = router.add_worker("Bob", activity="Available")
        rest.workers(self.bob).worker_channels("chat").update(capacity=0)
        self.bill = router.create_task({"type": "bill"})
        [reservation] = router.reservations(task_sid=self.bill)
        self.reservation = rest.tasks(self.bill).reservations(reservation.sid)
        self.reservation_sid = reservation.sid
        router.clock.advance(10)
        self.reservation.update(reservation_status="accepted")
        router.clock.advance(50)
        self.chat = router.create_task(priority=5, task_channel="chat")
        router.clock.advance(60)
        rest.tasks(self.chat).update(assignment_status="canceled", reason="gone")
        router.clock.advance(60)
        self.reservation.update(reservation_status="completed")
        router.clock.advance(60)
        rest.workers(self.bob).update(activity_sid=router.activities["Offline"])
        self.waiting = router.create_task({"n": 1})
        self.queue = rest.task_queues.create(friendly_name="Nobody", target_workers="").sid
        configuration = f'{{"task_routing": {{"default_filter": {{"queue": "{self.queue}"}}}}}}'
        self.workflow = rest.workflows.create(friendly_name="To nobody", configuration=configuration).sid
        self.lost = router.create_task({"n": 2}, workflow_sid=self.workflow)
        router.clock.advance(30)


@pytest.fixture
def day() -> Iterator[Day]:
    with LocalTaskRouter(clock=Clock.virtual(START.timestamp())) as router:
        http = CheckedHttpClient(router)
        yield Day(router, workspace_of(router, http))
        http.close()


def types(events: list[Any]) -> list[str]:
    return [event.event_type for event in events]


def test_log_of_a_task(day: Day) -> None:
    """All that happened to one task is in the log, newest first, with its facts."""
    events = day.rest.events.list(task_sid=day.bill)
    assert types(events) == [
        "reservation.completed",
        "task.completed",
        "reservation.accepted",
        "reservation.created",
        "workflow.target-matched",
        "task.created",
        "task-queue.entered",
        "workflow.entered",
    ]
    accepted = next(event for event in events if event.event_type == "reservation.accepted")
    assert accepted.event_date == START + timedelta(seconds=10)
    assert accepted.event_date_ms == int((START + timedelta(seconds=10)).timestamp() * 1000)
    assert (accepted.resource_type, accepted.resource_sid) == ("reservation", day.reservation_sid)
    assert (
        requests.get(accepted.resource_url, auth=(day.router.account_sid, day.router.auth_token), timeout=30).json()[
            "sid"
        ]
        == day.reservation_sid
    )
    assert (accepted.actor_type, accepted.actor_sid) == ("workspace", day.router.workspace_sid)
    assert accepted.source_ip_address == "127.0.0.1"
    data = accepted.event_data
    assert (data["task_sid"], data["worker_name"], data["task_assignment_status"]) == (day.bill, "Bob", "assigned")
    assert day.rest.events(accepted.sid).fetch().event_type == "reservation.accepted"


def test_log_filters(day: Day) -> None:
    """Each filter finds its events; windows cut off at both ends."""
    events = day.rest.events
    assert types(events.list(event_type="task.canceled")) == ["task.canceled"]
    assert types(events.list(reservation_sid=day.reservation_sid)) == [
        "reservation.completed",
        "reservation.accepted",
        "reservation.created",
    ]
    moved = events.list(worker_sid=day.bob, event_type="worker.activity.update")
    assert [event.event_data["worker_previous_activity_sid"] for event in moved] == [day.router.activities["Available"]]
    assert moved[0].event_data["worker_time_in_previous_activity"] == "240"
    assert moved[0].description == "Worker Bob updated to Offline Activity"
    assert {event.event_data["workflow_sid"] for event in events.list(workflow_sid=day.workflow)} == {day.workflow}
    of_queue = {event.event_data.get("task_sid") for event in events.list(task_queue_sid=day.queue)}
    assert of_queue == {None, day.lost}
    assert {event.event_data.get("task_sid") for event in events.list(task_channel="chat")} >= {day.chat}
    [event] = events.list(event_type="task.completed")
    assert [each.sid for each in events.list(sid=event.sid)] == [event.sid]
    minute = events.list(start_date=START + timedelta(seconds=5), end_date=START + timedelta(seconds=15))
    assert types(minute) == ["reservation.accepted"]
    assert "task.completed" not in types(events.list(minutes=1))
    assert [each.sid for each in events.list(page_size=3)] == [each.sid for each in events.list()]


def test_log_knows_the_worker_who_acts(day: Day) -> None:
    """What a worker does over the event bridge is the worker's in the log."""
    envelope = {
        "url": f"Workspaces/{day.router.workspace_sid}/Workers/{day.alice}",
        "method": "POST",
        "params": {"ActivitySid": day.router.activities["Unavailable"]},
        "token": day.router.token(day.alice),
    }
    requests.post(day.router.connection["eb_server"], json=envelope, timeout=30).raise_for_status()
    event = day.rest.events.list(worker_sid=day.alice, limit=1)[0]
    assert (event.event_type, event.actor_type, event.actor_sid) == ("worker.activity.update", "worker", day.alice)


@pytest.mark.parametrize(
    "query",
    [
        {"minutes": 0},
        {"task_sid": "nonsense"},
        {"start_date": START, "end_date": START - timedelta(days=1)},
    ],
)
def test_bad_log_queries(day: Day, query: dict[str, Any]) -> None:
    """A window or sid that cannot be is refused."""
    # The package raises its general exception for lists, with the answer as its second argument.
    with pytest.raises(TwilioException, match="HTTP 400"):
        day.rest.events.list(**query)


def test_unknown_event(day: Day) -> None:
    """An event that is not there is a 404."""
    with pytest.raises(TwilioRestException) as error:
        day.rest.events("EV" + "0" * 32).fetch()
    assert error.value.status == 404


def test_now(day: Day) -> None:
    """What is so now: open tasks by state and priority, who waits longest, workers by activity."""
    now = day.rest.real_time_statistics().fetch()
    assert (now.total_tasks, now.total_workers) == (2, 2)
    assert now.tasks_by_status == {"pending": 2, "reserved": 0, "assigned": 0, "wrapping": 0}
    assert now.tasks_by_priority == {"0": 2}
    assert (now.longest_task_waiting_sid, now.longest_task_waiting_age) == (day.waiting, 30)
    assert {each["friendly_name"]: each["workers"] for each in now.activity_statistics} == {
        "Offline": 2,
        "Available": 0,
        "Unavailable": 0,
    }
    queue = day.rest.task_queues(day.router.task_queue_sid).real_time_statistics().fetch()
    assert (queue.total_tasks, queue.total_eligible_workers, queue.total_available_workers) == (1, 2, 0)
    assert (queue.longest_relative_task_sid_in_queue, queue.longest_relative_task_age_in_queue) == (day.waiting, 30)
    empty = day.rest.task_queues(day.queue).real_time_statistics().fetch()
    assert (empty.total_tasks, empty.total_eligible_workers) == (1, 0)
    workflow = day.rest.workflows(day.workflow).real_time_statistics().fetch()
    assert (workflow.total_tasks, workflow.longest_task_waiting_sid) == (1, day.lost)
    assert day.rest.workers.real_time_statistics().fetch().total_workers == 2
    channel = day.rest.real_time_statistics().fetch(task_channel="chat")
    assert channel.total_tasks == 0


def test_span(day: Day) -> None:
    """What was in a span: reservations, tasks, waits, and a split by waiting time."""
    past = day.rest.cumulative_statistics().fetch(split_by_wait_time="5,30")
    assert (past.reservations_created, past.reservations_accepted, past.reservations_rejected) == (1, 1, 0)
    assert (past.tasks_created, past.tasks_canceled, past.tasks_completed) == (4, 1, 1)
    assert past.avg_task_acceptance_time == 10
    assert past.wait_duration_until_accepted == {"avg": 10, "min": 10, "max": 10, "total": 10}
    assert past.wait_duration_until_canceled == {"avg": 60, "min": 60, "max": 60, "total": 60}
    assert past.split_by_wait_time == {
        "5": {
            "above": {"tasks_canceled": 1, "reservations_accepted": 1},
            "below": {"tasks_canceled": 0, "reservations_accepted": 0},
        },
        "30": {
            "above": {"tasks_canceled": 1, "reservations_accepted": 0},
            "below": {"tasks_canceled": 0, "reservations_accepted": 1},
        },
    }
    assert past.end_time - past.start_time == timedelta(minutes=15)
    queue = day.rest.task_queues(day.router.task_queue_sid).cumulative_statistics().fetch()
    assert (queue.tasks_entered, queue.tasks_completed, queue.tasks_canceled) == (3, 1, 1)
    assert queue.wait_duration_in_queue_until_accepted["avg"] == 10
    assert day.rest.task_queues(day.queue).cumulative_statistics().fetch().tasks_entered == 1
    workflow = day.rest.workflows(day.workflow).cumulative_statistics().fetch()
    assert (workflow.tasks_entered, workflow.tasks_timed_out_in_workflow) == (1, 0)
    window = {"start_date": START + timedelta(seconds=5), "end_date": START + timedelta(seconds=15)}
    narrow = day.rest.cumulative_statistics().fetch(**window)
    assert (narrow.reservations_created, narrow.reservations_accepted, narrow.tasks_created) == (0, 1, 0)
    assert day.rest.cumulative_statistics().fetch(task_channel="chat").tasks_created == 1


def test_combined(day: Day) -> None:
    """The combined views hold both parts; the list of queues has one entry each."""
    both = day.rest.statistics().fetch()
    assert (both.realtime["total_tasks"], both.cumulative["tasks_created"]) == (2, 4)
    queue = day.rest.task_queues(day.queue).statistics().fetch()
    assert (queue.realtime["total_tasks"], queue.cumulative["tasks_entered"]) == (1, 1)
    workflow = day.rest.workflows(day.workflow).statistics().fetch()
    assert (workflow.realtime["total_tasks"], workflow.cumulative["tasks_entered"]) == (1, 1)
    listed = day.rest.task_queues.statistics.list(page_size=1)
    assert [each.task_queue_sid for each in listed] == [day.router.task_queue_sid, day.queue]
    named = day.rest.task_queues.statistics.list(friendly_name="Nobody")
    assert [each.task_queue_sid for each in named] == [day.queue]


def test_workers(day: Day) -> None:
    """Workers' statistics: reservations, time in each activity, and filters by name and queue."""
    one = day.rest.workers(day.bob).statistics().fetch().cumulative
    assert (one["reservations_created"], one["reservations_accepted"]) == (1, 1)
    stays = {each["friendly_name"]: each["total"] for each in one["activity_durations"]}
    assert stays == {"Offline": 30, "Available": 240, "Unavailable": 0}
    everybody = day.rest.workers.statistics().fetch()
    assert everybody.realtime["total_workers"] == 2
    stays = {each["friendly_name"]: each["total"] for each in everybody.cumulative["activity_durations"]}
    assert stays == {"Offline": 300, "Available": 240, "Unavailable": 0}
    for query, count in (({"friendly_name": "Bob"}, 1), ({"task_queue_sid": day.queue}, 0)):
        found = day.rest.workers.statistics().fetch(**query)
        assert found.realtime["total_workers"] == count


def test_bulk(day: Day) -> None:
    """Several queues at once, at most fifty; one that is not of the workspace has nothing in it."""
    url = f"{day.router.url}/v1/Workspaces/{day.router.workspace_sid}/TaskQueues/RealTimeStatistics"
    auth = (day.router.account_sid, day.router.auth_token)

    def ask(body: object) -> requests.Response:
        return requests.post(url, json=body, auth=auth, timeout=30)

    for body in ([day.queue, day.router.task_queue_sid], {"QueueSids": [day.queue, day.router.task_queue_sid]}):
        answer = ask(body)
        openapi.check_answer("POST", url[len(day.router.url) :], answer.status_code, answer.json())
        assert answer.json()["task_queue_response_count"] == 2
        assert [each["total_tasks"] for each in answer.json()["task_queue_data"]] == [1, 1]
    [stranger] = ask(["WQ" + "0" * 32]).json()["task_queue_data"]
    assert (stranger["total_tasks"], stranger["total_eligible_workers"]) == (0, 0)
    wrong_bodies: list[Any] = [[], {}, "x", [1], [day.queue] * 51, ["WQ1"], {"a": [], "b": []}]
    for wrong in wrong_bodies:
        assert ask(wrong).status_code == 400
    assert requests.post(url, data=b"{", auth=auth, timeout=30).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "Workers/RealTimeStatistics",
        "Workers/CumulativeStatistics",
        "Workers/Statistics",
        "Statistics",
        "RealTimeStatistics",
        "CumulativeStatistics",
        "TaskQueues/Statistics",
    ],
)
def test_every_statistic_is_as_described(day: Day, path: str) -> None:
    """Each view has every documented key, and refuses what cannot be."""
    url = f"{day.router.url}/v1/Workspaces/{day.router.workspace_sid}/{path}"
    auth = (day.router.account_sid, day.router.auth_token)
    answer = requests.get(url, auth=auth, timeout=30)
    openapi.check_answer("GET", url[len(day.router.url) :], answer.status_code, answer.json())
    for wrong in ("TaskChannel=smoke",) if "RealTime" in path else ("TaskChannel=smoke", "Minutes=x", "StartDate=x"):
        assert requests.get(f"{url}?{wrong}", auth=auth, timeout=30).status_code == 400, wrong
    unknown = url.replace(day.router.workspace_sid, "WS" + "0" * 32)
    assert requests.get(unknown, auth=auth, timeout=30).status_code == 404


@pytest.mark.parametrize("split", ["x", "-5", "5,,6"])
def test_bad_splits(day: Day, split: str) -> None:
    """Thresholds are seconds."""
    with pytest.raises(TwilioRestException) as error:
        day.rest.cumulative_statistics().fetch(split_by_wait_time=split)
    assert error.value.status == 400
