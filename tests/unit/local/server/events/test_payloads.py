"""The bridge's shapes against the example payloads: the same keys, of the same types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools import payloads
from twilio_taskrouter_worker.local.engine import Engine, commands
from twilio_taskrouter_worker.local.server.events import payloads as shapes

NOW = 1_700_000_000.25


class Story:
    """One engine in which everything that has a shape has happened."""

    def __init__(self) -> None:
        self.engine = Engine(account_sid="AC" + "0" * 32, seed=1)
        self.events: list[Any] = []
        self.workspace = self.do(commands.CreateWorkspace(friendly_name="W", template="FIFO")).sid
        idle = next(a.sid for a in self.engine.activities(self.workspace) if a.available)
        self.dana, self.ravi = (
            self.do(commands.CreateWorker(workspace_sid=self.workspace, friendly_name=name, activity_sid=idle)).sid
            for name in ("Dana", "Ravi")
        )
        self.task = self.do(commands.CreateTask(workspace_sid=self.workspace)).sid
        [self.reservation] = self.engine.reservations(self.workspace, task_sid=self.task)
        self.do(
            commands.UpdateReservation(
                workspace_sid=self.workspace, sid=self.reservation.sid, reservation_status="accepted"
            )
        )
        other = self.ravi if self.reservation.worker_sid == self.dana else self.dana
        self.transfer = self.do(
            commands.CreateTransfer(
                workspace_sid=self.workspace,
                worker_sid=self.reservation.worker_sid,
                reservation_sid=self.reservation.sid,
                task_sid=self.task,
                to=other,
            )
        )
        chat = {"workspace_sid": self.workspace, "worker_sid": other, "channel": "chat"}
        self.do(commands.UpdateWorkerChannel(**chat, capacity=2))

    def do(self, command: commands.Command) -> Any:
        outcome = self.engine.apply(command, NOW)
        self.events += outcome.events
        return outcome.result

    def event(self, kind: str, **conditions: Any) -> Any:
        """The payload of the last event of a kind."""
        return shapes.payload([event for event in self.events if event.type == kind and event.bridge][-1])


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def assert_like(shape: dict[str, Any], example: dict[str, Any], *, may_lack: frozenset[str] = frozenset()) -> None:
    """Assert that a shape has every key of an example, with a value of the same type (or null on either side)."""
    assert set(example) - may_lack <= set(shape)
    for key in set(example) - may_lack:
        if isinstance(example[key], dict):
            assert_like(shape[key], example[key])
        elif example[key] is not None and shape[key] is not None:
            assert type(shape[key]) is type(example[key]), key


def test_event_payloads(story: Story) -> None:
    """Reservation, transfer and channel events have all keys of the examples."""
    assert_like(
        story.event("reservation.created"), payloads.load("event.reservation.created.incoming-transfer")["payload"]
    )
    assert_like(story.event("reservation.accepted"), payloads.load("event.reservation.accepted")["payload"])
    assert_like(story.event("task.transfer-initiated"), payloads.load("event.task.transfer-initiated")["payload"])
    assert_like(
        story.event("worker.capacity.update"),
        payloads.load("event.worker.capacity.update")["payload"],
        may_lack=frozenset({"version"}),
    )
    assert_like(story.event("task.updated"), payloads.load("event.task.updated")["payload"])


def test_resources(story: Story) -> None:
    """Worker, activity, channel, queue, task, transfer and both reservations have all keys of the examples."""
    engine, workspace = story.engine, story.workspace
    assert_like(shapes.worker(engine.worker(workspace, story.dana)), payloads.load("rest.worker"))
    assert_like(shapes.activity(engine.activities(workspace)[0]), payloads.load("rest.activity"))
    assert_like(shapes.channel(engine.channels(workspace, story.dana)[0]), payloads.load("rest.channel"))
    assert_like(shapes.task_queue(engine.queues(workspace)[0]), payloads.load("rest.taskqueue"))
    assert_like(shapes.task(engine.task(workspace, story.task), NOW), payloads.load("rest.task"))
    assert_like(shapes.transfer(story.transfer), payloads.load("rest.transfer"))
    view = engine.reservation_view(workspace, story.reservation.sid)
    assert_like(shapes.reservation_view(view, NOW), payloads.load("rest.reservation"))
    assert_like(shapes.short_reservation(view.reservation), payloads.load("rest.reservation.instance"))


def test_absent_parts_are_left_out(story: Story) -> None:
    """Transfers and reason codes are absent where there are none, and the short form never has them."""
    view = story.engine.reservation_view(story.workspace, story.reservation.sid)
    shape = shapes.reservation_view(view, NOW)
    assert "task_transfer" not in shape
    assert "canceled_reason_code" not in shape
    assert shape["active_outgoing_task_transfer"]["sid"] == story.transfer.sid
    short = shapes.short_reservation(view.reservation)
    assert not {"task", "task_transfer", "active_outgoing_task_transfer"} & set(short)
    first = next(event for event in story.events if event.type == "reservation.created")
    assert not {"task_transfer", "active_outgoing_task_transfer"} & set(shapes.payload(first))


def test_dates_are_integers(story: Story) -> None:
    """Seconds are whole numbers, a channel's last reservation is in milliseconds, its switch a number."""
    channel = shapes.channel(story.engine.channel(story.workspace, story.reservation.worker_sid, "default"))
    assert channel["last_reserved_time"] == 1_700_000_000_250
    assert (channel["available"], type(channel["available"])) == (1, int)
    assert channel["date_created"] == 1_700_000_000
