"""Workspace and Supervisor of the official JS SDK against the local TaskRouter."""

from __future__ import annotations

from typing import Any

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.interop.js_sdk import JsSdk, needs_js_sdk
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = needs_js_sdk

MISSING = "0" * 32


def names(found: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in found]


def test_workers_of_a_workspace(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """An admin lists workers by every filter, ordered, and in pages of one."""
    sids = {name: router.add_worker(name) for name in ("Alice", "Bob", "Carol")}
    moved = router.add_worker("Dora", activity="Available")
    sdk.connect("admin", "", role="admin", pageSize=1)
    for params, found in (
        ({}, ["Alice", "Bob", "Carol", "Dora"]),
        ({"AfterSid": sids["Bob"]}, ["Carol", "Dora"]),
        ({"FriendlyName": "Bob"}, ["Bob"]),
        ({"ActivitySid": router.activities["Available"]}, ["Dora"]),
        ({"ActivityName": "Offline"}, ["Alice", "Bob", "Carol"]),
        ({"TargetWorkersExpression": f"sid IN ['{sids['Alice']}', '{moved}']"}, ["Alice", "Dora"]),
        ({"MaxWorkers": 2}, ["Alice", "Bob"]),
        ({"Ordering": "DateStatusChanged:desc"}, ["Dora", "Carol", "Bob", "Alice"]),
    ):
        assert names(sdk.call("admin", "fetchWorkersInfo", params)) == found, params
    fetched = sdk.call("admin", "fetchWorkerInfo", sids["Alice"])
    assert (fetched["name"], fetched["activityName"], fetched["available"]) == ("Alice", "Offline", False)
    for params in ({"ActivitySid": "WAxxx"}, {"AfterSid": "WKxxx"}, {"Ordering": "Height:asc"}):
        with pytest.raises(RuntimeError, match="status code 400"):
            sdk.call("admin", "fetchWorkersInfo", params)
    with pytest.raises(RuntimeError, match="status code 404"):
        sdk.call("admin", "fetchWorkerInfo", f"WK{MISSING}")


def test_queues_and_tasks_of_a_workspace(router: LocalTaskRouter, sdk: JsSdk, rest: WorkspaceContext) -> None:
    """An admin lists queues by name, worker and order, and fetches queues and tasks."""
    bob = router.add_worker("Bob")
    rest.task_queues.create(friendly_name="test", target_workers='missingAttribute = "foo"')
    rest.task_queues.create(friendly_name="test1", target_workers="1==1")
    sdk.connect("admin", bob, role="admin", pageSize=2)
    for params, found in (
        ({}, ["Sample Queue", "test", "test1"]),
        ({"FriendlyName": "test"}, ["test"]),
        ({"WorkerSid": bob}, ["Sample Queue", "test1"]),
        ({"Ordering": "DateUpdated:desc"}, ["test1", "test", "Sample Queue"]),
    ):
        assert names(sdk.call("admin", "fetchTaskQueues", params)) == found, params
    queue = sdk.call("admin", "fetchTaskQueue", router.task_queue_sid)
    assert (queue["name"], queue["targetWorkers"], queue["taskOrder"]) == ("Sample Queue", "1==1", "FIFO")
    task = router.create_task({"a": 1})
    assert sdk.call("admin", "fetchTask", task)["status"] == "pending"
    for method, sid in (("fetchTaskQueue", f"WQ{MISSING}"), ("fetchTask", f"WT{MISSING}")):
        with pytest.raises(RuntimeError, match="status code 404"):
            sdk.call("admin", method, sid)


def test_supervisor(router: LocalTaskRouter, sdk: JsSdk) -> None:
    """A supervisor changes another worker's activity and attributes, monitors, and works like any worker itself."""
    alice = router.add_worker("Alice")
    boss = router.add_worker("Boss", attributes={"contact_uri": "client:boss"})
    sdk.connect("alice", alice)
    sdk.connect("boss", boss, role="supervisor")
    changed = sdk.call("boss", "setWorkerActivity", alice, router.activities["Available"])
    assert changed["activity_name"] == "Available"
    assert sdk.wait("alice", "activityUpdated")["worker"]["activity"] == "Available"
    sdk.call("boss", "setWorkerAttributes", alice, {"team": "red"})
    assert sdk.wait("alice", "attributesUpdated")["worker"]["attributes"] == {"team": "red"}
    task = router.create_task()
    reservation = sdk.wait("alice", "reservationCreated")["reservation"]
    with pytest.raises(RuntimeError, match="status code 400"):
        sdk.call("boss", "monitor", task, reservation["sid"])
    sdk.call("alice", "accept", on="reservation", sid=reservation["sid"])
    assert sdk.call("boss", "monitor", task, reservation["sid"]) is None
    with pytest.raises(RuntimeError, match="status code 400.*WAnothing"):
        sdk.call("boss", "setWorkerActivity", alice, "WAnothing")
    with pytest.raises(RuntimeError, match="status code 404"):
        sdk.call("boss", "setWorkerActivity", f"WK{MISSING}", router.activities["Available"])
    sdk.call("boss", "setAsCurrent", {}, on="activity", called="Available")
    assert sdk.wait("boss", "activityUpdated")["worker"]["activity"] == "Available"
    assert "reservationCreated" not in sdk.events("boss")


def test_version_conflict(router: LocalTaskRouter, sdk: JsSdk, rest: WorkspaceContext) -> None:
    """With version checking on, a supervisor sends its own version for another worker: compared, hence 412 or done."""
    alice, boss = router.add_worker("Alice"), router.add_worker("Boss")
    sdk.connect("boss", boss, role="supervisor", enableVersionCheck=True)
    sdk.call("boss", "setWorkerAttributes", alice, {"n": 1})
    assert router.worker(boss).version == 0 < router.worker(alice).version
    with pytest.raises(RuntimeError, match="status code 412"):
        sdk.call("boss", "setWorkerAttributes", alice, {"n": 2})
    assert router.worker(alice).attributes == '{"n":1}'
