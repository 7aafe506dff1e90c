"""The official JS SDK as a worker of the local TaskRouter: the main job, and what it hears of everything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.js_sdk import JsSdk, needs_js_sdk
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = needs_js_sdk


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    with LocalTaskRouter() as router:
        yield router


@pytest.fixture
def sdk(router: LocalTaskRouter) -> Iterator[JsSdk]:
    with JsSdk(router) as sdk:
        yield sdk


def test_main_job(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """It connects, goes to Available, is offered a task, accepts and completes it, and hears each step."""
    alice = router.add_worker("Alice", attributes={"contact_uri": "client:alice"})
    ready = sdk.connect("alice", alice, connectActivitySid=router.activities["Available"])
    assert [activity["name"] for activity in ready["worker"]["activities"]] == ["Offline", "Available", "Unavailable"]
    assert [(c["name"], c["capacity"], c["available"]) for c in ready["worker"]["channels"]] == [
        (name, 1, True) for name in ("default", "voice", "sms", "chat", "video")
    ]
    assert ready["worker"]["reservations"] == []
    updated = sdk.wait("alice", "activityUpdated")
    assert [a["name"] for a in updated["worker"]["activities"] if a["isCurrent"]] == ["Available"]

    task_sid = router.create_task({"selected_language": "es"})
    created = sdk.wait("alice", "reservationCreated")["reservation"]
    assert (created["status"], created["task"]["status"], created["task"]["sid"]) == ("pending", "reserved", task_sid)
    assert created["task"]["attributes"] == {"selected_language": "es"}
    assert created["task"]["routingTarget"] is None
    assert created["task"]["taskChannelUniqueName"] == "default"

    accepted = sdk.call("alice", "accept", on="reservation", sid=created["sid"])
    assert int(accepted["version"]) == int(created["version"]) + 1
    assert accepted["task"]["status"] == "reserved"  # the task moves with the event, which comes after the answer
    heard = sdk.wait("alice", "reservation.accepted")["reservation"]
    assert (heard["status"], heard["task"]["status"]) == ("accepted", "assigned")

    wrapping = sdk.call("alice", "wrapUp", {"reason": "talked"}, on="task", sid=created["sid"])
    assert (wrapping["status"], wrapping["reason"]) == ("wrapping", "talked")
    sdk.wait("alice", "task.wrapup")
    sdk.wait("alice", "reservation.wrapup")
    completed = sdk.call("alice", "complete", "done", on="task", sid=created["sid"])
    assert (completed["status"], completed["reason"]) == ("completed", "done")
    sdk.wait("alice", "task.completed")
    sdk.wait("alice", "reservation.completed")
    assert sdk.look("alice")["reservations"] == []
    assert router.task(task_sid).assignment_status == "completed"
