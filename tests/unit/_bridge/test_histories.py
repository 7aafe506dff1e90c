"""Random histories of a worker, and a client that hears them badly: nothing goes back, nothing is told twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.seams import schema_of
from tests.unit._bridge.service import ACTIVITIES, ENDINGS, Client, Service
from twilio_taskrouter_worker import WorkerInfo
from twilio_taskrouter_worker._bridge.messages import Message
from twilio_taskrouter_worker.errors import InvalidMessageError

WORKER = schema_of(WorkerInfo).index

STEPS = st.tuples(
    st.sampled_from(["activity", "attributes", "create", "change", "change", "change", "task"]), st.integers(0, 100)
)
HISTORIES = st.lists(STEPS, max_size=25)
NEXT = {
    "pending": ["accepted", "rejected", "timeout", "canceled", "rescinded"],
    "accepted": ["wrapping", "completed", "canceled"],
    "wrapping": ["completed"],
}


def advance(service: Service, step: tuple[str, int]) -> list[Message]:
    """One step of the truth, and its events; a reservation's are followed by its task's where that ends."""
    what, number = step
    if what == "activity":
        return [service.set_activity(ACTIVITIES[number % len(ACTIVITIES)])]
    if what == "attributes":
        return [service.set_attributes(n=number)]
    if what == "create" or not service.open:
        return [service.create()]
    sid = list(service.open)[number % len(service.open)]
    if what == "task":
        return [service.update_task(sid, priority=number)]
    choices = NEXT[service.open[sid]["reservation_status"]]
    status = choices[number % len(choices)]
    events = [service.change(sid, status)]
    if status in ("completed", "canceled"):
        events.insert(0, service.task_event(sid, f"task.{status}"))
    return events


def versions(client: Client) -> dict[Any, int]:
    """The version of every object, by identity, ended reservations included."""
    state = client.state
    reservations = [*state.reservations.values(), *client.ended.values()]
    found: dict[Any, int] = {"worker": -1 if state.record is None else state.record[WORKER["version"]]}
    for each in reservations:
        found[each.sid] = int(each.version)
        found[each.sid, "task"] = int(each.task.version)
    return found


def watched(client: Client, what: Callable[[], object]) -> None:
    """Do it, and check that no object became older or another one."""
    before, objects = versions(client), {**client.state.reservations, **client.ended}
    try:
        what()
    except InvalidMessageError as error:
        assert "a reservation the worker does not have" in error.message
    after = versions(client)
    assert all(after.get(key, version) >= version for key, version in before.items())
    for sid, reservation in {**client.state.reservations, **client.ended}.items():
        assert objects.get(sid, reservation) is reservation


def assert_nothing_twice(client: Client) -> None:
    """No reservation is created twice, or ends twice, or ends in two ways; no task ends twice."""
    told = client.count()
    for number in range(1, client.service.made + 1):
        assert told[f"reservation_created WR{number}"] <= 1
        for event in ("accepted", "wrapup"):
            assert told[f"WR{number} {event}"] <= 1
        assert sum(told[f"WR{number} {ending}"] for ending in ENDINGS) <= 1
        assert told[f"WT{number} completed"] + told[f"WT{number} canceled"] <= 1


def assert_in_step(client: Client) -> None:
    """The client knows what the service knows."""
    service, worker = client.service, client.worker
    assert worker.activity.sid == service.worker["activity_sid"]
    assert worker.attributes == json.loads(service.worker["attributes"])
    assert {sid: (each.status, each.version) for sid, each in worker.reservations.items()} == {
        sid: (each["reservation_status"], str(each["version"])) for sid, each in service.open.items()
    }
    assert {sid: (each.task.status, each.task.priority) for sid, each in worker.reservations.items()} == {
        sid: (each["task"]["assignment_status"], each["task"]["priority"]) for sid, each in service.open.items()
    }


@settings(max_examples=150, deadline=None)
@given(data=st.data(), history=HISTORIES, more=HISTORIES)
def test_frames_lost_repeated_and_out_of_order(data: st.DataObject, history: Any, more: Any) -> None:
    """Whatever is dropped, doubled and shuffled, no object becomes older and nothing is announced twice; and the next
    lists put everything right."""
    service = Service()
    client = Client(service)
    client.take_over()
    for part in (history, more):
        events = [event for step in part for event in advance(service, step)]
        heard = data.draw(st.lists(st.sampled_from(events), max_size=2 * len(events)) if events else st.just([]))
        for event in heard:
            watched(client, lambda event=event: client.hear(event))  # type: ignore[misc]
        assert_nothing_twice(client)
        watched_snapshot(client)
        assert_in_step(client)
        assert_nothing_twice(client)
        for event in heard:
            watched(client, lambda event=event: client.hear(event))  # type: ignore[misc]
        assert_in_step(client)
        assert_nothing_twice(client)
        assert client.take_over() == []
    assert client.state.trust.in_versions and client.state.worker_trust.in_versions


def watched_snapshot(client: Client) -> None:
    before = {**client.state.reservations}
    client.take_over()
    for sid, reservation in client.state.reservations.items():
        assert before.get(sid, reservation) is reservation


@settings(max_examples=150, deadline=None)
@given(data=st.data(), history=HISTORIES, missed=HISTORIES, later=HISTORIES)
def test_a_reconnect_in_the_middle(data: st.DataObject, history: Any, missed: Any, later: Any) -> None:
    """All events up to a loss, none while it lasts, and all after init, of which the lists know some: for every
    reservation that was known or is still open the way is announced completely, and once."""
    service = Service()
    client = Client(service)
    client.take_over()
    known = set()
    for step in history:
        for event in advance(service, step):
            watched(client, lambda event=event: client.hear(event))  # type: ignore[misc]
    known = set(client.worker.reservations)
    for step in missed:
        advance(service, step)
    at = data.draw(st.integers(0, len(later)))
    buffered = [event for step in later[:at] for event in advance(service, step)]
    snapshot = service.snapshot()
    buffered += [event for step in later[at:] for event in advance(service, step)]
    client.take_over(snapshot, buffered)
    for event in buffered:
        watched(client, lambda event=event: client.hear(event))  # type: ignore[misc]
    assert_in_step(client)
    assert_nothing_twice(client)
    told = client.count()
    for sid in known | set(service.open):
        assert told[f"reservation_created {sid}"] == 1
        ended = service.over.get(sid)
        if ended is not None:
            assert told[f"{sid} {ended['reservation_status']}"] == 1
        elif service.open[sid]["reservation_status"] != "pending":
            assert told[f"{sid} accepted"] == 1
            assert told[f"{sid} wrapup"] == (service.open[sid]["reservation_status"] == "wrapping")
        order = [each for each in client.log if each.split()[-1] == sid or each.startswith(f"{sid} ")]
        assert order == sorted(order, key=rank)
    assert client.take_over() == []


def rank(told: str) -> int:
    event = told.split()[-1] if " " in told and not told.startswith("reservation_created") else "created"
    return ["created", "accepted", "wrapup"].index(event) if event in ("created", "accepted", "wrapup") else 3
