"""The official JS SDK as a worker of the local TaskRouter: the main job, and what it hears of everything else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.interop.js_sdk import JsSdk, needs_js_sdk
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = needs_js_sdk


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

    with router.faults.delay(3600, worker=alice):
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


def offered(sdk: JsSdk, name: str) -> dict[str, Any]:
    """Wait for the next reservation of a worker."""
    found: dict[str, Any] = sdk.wait(name, "reservationCreated")["reservation"]
    return found


def test_complete_and_wrap_a_reservation(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """Completing the only reservation completes its task; wrapping it wraps the task up."""
    alice = router.add_worker("Alice", activity="Available")
    sdk.connect("alice", alice)
    for method, event, status in (("complete", "completed", "completed"), ("wrap", "wrapup", "wrapping")):
        router.create_task()
        reservation = offered(sdk, "alice")
        sdk.call("alice", "accept", on="reservation", sid=reservation["sid"])
        sdk.wait("alice", "reservation.accepted")
        assert sdk.call("alice", method, on="reservation", sid=reservation["sid"])["status"] == status
        heard = sdk.wait("alice", f"reservation.{event}")["reservation"]
        assert (heard["status"], heard["task"]["status"]) == (status, status)


def test_reject_with_and_without_activity(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """A rejected task comes straight back to a lone worker, unless rejecting moves the worker elsewhere."""
    sdk.connect("alice", router.add_worker("Alice", activity="Available"))
    task = router.create_task()
    first = offered(sdk, "alice")
    assert sdk.call("alice", "reject", on="reservation", sid=first["sid"])["status"] == "rejected"
    assert sdk.wait("alice", "reservation.rejected")["reservation"]["task"]["status"] == "pending"
    second = offered(sdk, "alice")
    assert second["task"]["sid"] == task
    moved = {"activitySid": router.activities["Unavailable"]}
    sdk.call("alice", "reject", moved, on="reservation", sid=second["sid"])
    sdk.wait("alice", "reservation.rejected")
    assert sdk.wait("alice", "activityUpdated")["worker"]["activity"] == "Unavailable"
    assert router.task(task).assignment_status == "pending"


def test_task_ends_elsewhere(router: LocalTaskRouter, sdk: JsSdk, rest: WorkspaceContext) -> None:
    """A task canceled, deleted or changed through REST is heard of by the worker who has it."""
    sdk.connect("alice", router.add_worker("Alice", activity="Available"))
    task = router.create_task({"a": 1})
    reservation = offered(sdk, "alice")
    rest.tasks(task).update(attributes='{"b":2}')
    updated = sdk.wait("alice", "task.updated")["task"]
    assert (updated["attributes"], updated["status"]) == ({"b": 2}, "reserved")
    assert int(updated["version"]) == int(reservation["task"]["version"]) + 1
    rest.tasks(task).update(assignment_status="canceled", reason="gone")
    assert sdk.wait("alice", "task.canceled")["task"]["reason"] == "gone"
    canceled = sdk.wait("alice", "reservation.canceled")["reservation"]
    assert (canceled["status"], canceled["task"]["status"]) == ("canceled", "canceled")
    assert "canceledReasonCode" not in canceled
    task = router.create_task()
    reservation = offered(sdk, "alice")
    sdk.call("alice", "accept", on="reservation", sid=reservation["sid"])
    sdk.wait("alice", "reservation.accepted")
    rest.tasks(task).delete()
    assert sdk.wait("alice", "reservation.completed")["reservation"]["sid"] == reservation["sid"]


def test_channels(router: LocalTaskRouter, sdk: JsSdk, rest: WorkspaceContext) -> None:
    """Changes of a channel are heard, each counting the worker's version up; three places make three reservations."""
    alice = router.add_worker("Alice", activity="Available")
    version = int(sdk.connect("alice", alice)["worker"]["version"])
    rest.workers(alice).worker_channels("default").update(capacity=3)
    heard = sdk.wait("alice", "capacityUpdated")
    assert (heard["channel"]["capacity"], int(heard["version"])) == (3, version + 1)
    rest.workers(alice).worker_channels("chat").update(available=False)
    heard = sdk.wait("alice", "availabilityUpdated")
    assert (heard["channel"]["available"], int(heard["version"])) == (False, version + 2)
    for _ in range(4):
        router.create_task()
    for number in range(3):
        assert int(sdk.wait("alice", "reservationCreated")["version"]) == version + 3 + number
    assert [each["status"] for each in sdk.look("alice")["reservations"]] == ["pending"] * 3
    assert int(sdk.call("alice", "fetchLatestVersion")["version"]) == version + 5 == router.worker(alice).version


def test_going_offline_with_rejection(router: LocalTaskRouter, sdk: JsSdk, rest: WorkspaceContext) -> None:
    """Going offline with rejectPendingReservations rejects all that is pending, and nothing comes back."""
    alice = router.add_worker("Alice", activity="Available")
    rest.workers(alice).worker_channels("default").update(capacity=3)
    tasks = [router.create_task() for _ in range(3)]
    ready = sdk.connect("alice", alice)
    assert len(ready["worker"]["reservations"]) == 3
    sdk.call("alice", "setAsCurrent", {"rejectPendingReservations": True}, on="activity", called="Offline")
    assert sdk.wait("alice", "activityUpdated")["worker"]["activity"] == "Offline"
    for _ in range(3):
        assert sdk.wait("alice", "reservation.rejected")["reservation"]["task"]["status"] == "pending"
    assert sdk.look("alice")["reservations"] == []
    assert {router.task(task).assignment_status for task in tasks} == {"pending"}


def test_tasks_for_oneself(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """An offline worker without capacity left creates tasks for itself and is offered them."""
    alice = router.add_worker("Alice")
    version = int(sdk.connect("alice", alice)["worker"]["version"])
    for number in (1, 2):
        where = (router.workflow_sid, router.task_queue_sid)
        sid = sdk.call("alice", "createTask", "client:bob", "+15550100", *where, {"attributes": {"n": number}})
        created = sdk.wait("alice", "reservationCreated")
        task = created["reservation"]["task"]
        assert (task["sid"], task["routingTarget"], task["status"]) == (sid, alice, "reserved")
        assert task["attributes"] == {"n": number, "outbound_to": "client:bob", "from": "+15550100"}
        assert int(created["version"]) == version + number == router.worker(alice).version


def test_virtual_start_time(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """A start in the past is taken and given back; one to come is refused in words."""
    sdk.connect("alice", router.add_worker("Alice", activity="Available"))
    router.create_task()
    reservation = offered(sdk, "alice")
    past = {"$date": "2023-08-02T12:34:56Z"}
    task = sdk.call("alice", "setVirtualStartTime", past, on="task", sid=reservation["sid"])
    assert task["virtualStartTime"] == "2023-08-02T12:34:56.000Z"
    with pytest.raises(RuntimeError, match="status code 400.*future"):
        future = {"$date": "2099-01-01T00:00:00Z"}
        sdk.call("alice", "setVirtualStartTime", future, on="task", sid=reservation["sid"])


def test_attributes_and_latest_versions(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """Attributes are set and heard; the latest version of worker, reservation and task can be fetched."""
    alice = router.add_worker("Alice", activity="Available")
    sdk.connect("alice", alice, enableVersionCheck=True)
    sdk.call("alice", "setAttributes", {"languages": ["en", "ö"]})
    assert sdk.wait("alice", "attributesUpdated")["worker"]["attributes"] == {"languages": ["en", "ö"]}
    router.create_task()
    reservation = offered(sdk, "alice")
    assert sdk.call("alice", "fetchLatestVersion", on="reservation", sid=reservation["sid"])["timeout"] == 120
    assert sdk.call("alice", "fetchLatestVersion", on="task", sid=reservation["sid"])["status"] == "reserved"
    assert sdk.call("alice", "accept", on="reservation", sid=reservation["sid"])["status"] == "accepted"
    sdk.wait("alice", "reservation.accepted")
    assert sdk.call("alice", "setAttributes", {"a": 1}, on="task", sid=reservation["sid"])["attributes"] == {"a": 1}


def test_timeout_and_rescind(router: LocalTaskRouter, sdk: JsSdk, rest: WorkspaceContext) -> None:
    """Of two who were offered a task the slower is rescinded; an offer that nobody takes times out, and moves both."""
    rest.task_queues(router.task_queue_sid).update(max_reserved_workers=2)
    workers = {name: router.add_worker(name, activity="Available") for name in ("alice", "bob")}
    for name, sid in workers.items():
        sdk.connect(name, sid)
    router.create_task()
    mine, other = offered(sdk, "alice"), offered(sdk, "bob")
    sdk.call("alice", "accept", on="reservation", sid=mine["sid"])
    rescinded = sdk.wait("bob", "reservation.rescinded")["reservation"]
    assert (rescinded["sid"], rescinded["task"]["status"]) == (other["sid"], "assigned")
    with pytest.raises(Exception, match="410"):
        rest.workers(workers["bob"]).reservations(other["sid"]).update(reservation_status="accepted")
    sdk.wait("alice", "reservation.accepted")
    router.create_task()
    offered(sdk, "bob")
    router.clock.advance(121)
    assert sdk.wait("bob", "reservation.timeout")["reservation"]["status"] == "timeout"
    assert sdk.wait("bob", "activityUpdated")["worker"]["activity"] == "Offline"


def test_reservation_failed(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """A task for one worker that could not be offered in time is reported to that worker, as a task."""
    alice = router.add_worker("Alice")
    sdk.connect("alice", alice)
    sid = router.create_task(
        {"a": 1},
        routing_target=alice,
        ignore_capacity=False,
        workflow_sid=router.workflow_sid,
        task_queue_sid=router.task_queue_sid,
    )
    router.clock.advance(11)
    payload = sdk.wait("alice", "reservationFailed")["payload"]
    assert (payload["sid"], payload["assignment_status"]) == (sid, "canceled")
    assert payload["reason"] == "RoutingTarget SLA for Reservation creation was not met"


def test_conference(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """A conference is accepted a moment after its answer; a call without what it needs is refused."""
    sdk.connect("alice", router.add_worker("Alice", activity="Available"))
    router.create_task()
    reservation = offered(sdk, "alice")
    sdk.call("alice", "conference", {"from": "+15550100", "beep": "onEnter"}, on="reservation", sid=reservation["sid"])
    assert sdk.wait("alice", "reservation.accepted")["reservation"]["task"]["status"] == "assigned"
    sdk.call("alice", "updateParticipant", {"mute": True}, on="reservation", sid=reservation["sid"])
    held = sdk.call("alice", "updateParticipant", {"hold": True}, on="task", sid=reservation["sid"])
    assert held["status"] == "assigned"


def test_token_expires_and_is_renewed(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """The token's life is what init says; with a new one the client connects again and gets a second init."""
    alice = router.add_worker("Alice")
    # With a program that has started, and a longer life for its token each time that it was not long enough.
    sdk.connect("first", alice)
    for ttl in (6, 24, 60):
        sdk.timeout = ttl
        with suppress(AssertionError):
            sdk.connect("alice", alice, token=router.token(alice, ttl=ttl))
            break
    sdk.timeout = 60.0
    sdk.wait("alice", "tokenExpired")
    sdk.call("alice", "disconnect")
    sdk.wait("alice", "disconnected")
    sdk.call("alice", "updateToken", router.token(alice))
    sdk.wait("alice", "ready")


def test_newer_session_replaces_the_older(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """A client whose session was replaced is told so by the close frame's reason."""
    alice = router.add_worker("Alice")
    sdk.connect("first", alice)
    sdk.connect("second", alice, closeExistingSessions=True)
    assert "newer session" in sdk.wait("first", "disconnected")["reason"]


def test_worker_goes_offline_with_its_session(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """With setWorkerOfflineIfDisconnected the worker is offline once its client has disconnected."""
    alice = router.add_worker("Alice", activity="Available")
    sdk.connect("alice", alice, setWorkerOfflineIfDisconnected=True)
    sdk.call("alice", "disconnect")
    eventually(lambda: router.worker(alice).activity_name == "Offline")


@pytest.mark.parametrize("activity", ["Offline", "Available"])
def test_a_reservation_is_one_version(router: LocalTaskRouter, sdk: JsSdk, activity: str) -> None:
    """The SDK counts one for each reservation; so does the service, whatever the worker was doing."""
    alice = router.add_worker("Alice", activity=activity)
    sdk.connect("alice", alice)
    for _ in range(2):
        before = int(sdk.look("alice")["version"])
        sdk.call("alice", "createTask", "customer", "worker", router.workflow_sid, router.task_queue_sid)
        sdk.wait("alice", "reservationCreated")
        assert int(sdk.look("alice")["version"]) == before + 1 == router.worker(alice).version
