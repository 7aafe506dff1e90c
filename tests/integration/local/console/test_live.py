"""The console's websocket: a snapshot, then the differences."""

from __future__ import annotations

import json

import pytest
import websocket

from tests.integration.local.console.console_client import TIMEOUT, Browser, Live
from tests.tools.ports import lasting_port
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter


def test_snapshot_and_changes(router: LocalTaskRouter, live: Live) -> None:
    """Rows appear, change and disappear as the engine's records do."""
    live.until(lambda: live.state["whole"])
    assert live.state["info"]["url"] == router.url and live.state["moment"] is None
    assert {row["friendly_name"] for row in live.tables["activities"].values()} == set(router.activities)

    alice = router.add_worker("Alice", attributes={"skill": "x"}, activity="Available")
    task = router.create_task({"kind": "a"})
    row = live.until(lambda: live.tables["workers"].get(alice))
    assert json.loads(row["attributes"]) == {"skill": "x"} and row["queues"] == [router.task_queue_sid]
    live.until(lambda: live.tables["tasks"].get(task, {}).get("assignment_status") == "reserved")
    reservation = live.until(lambda: next(iter(live.tables["reservations"].values()), None))
    assert (reservation["task_sid"], reservation["worker_sid"]) == (task, alice)
    live.until(lambda: [each["occupied"] for each in live.tables["workers"][alice]["channels"]].count(1) == 1)
    live.until(lambda: any(each["task_sid"] == task for each in live.state["timers"] if "task_sid" in each))
    assert live.snapshots == 1


def test_rows_that_are_deleted_disappear(browser: Browser, live: Live) -> None:
    """A deleted task and worker, with all that hung on them."""
    worker = browser.rest("Workers", FriendlyName="Bob", ActivitySid=browser.router.activities["Offline"])["sid"]
    task = browser.rest("Tasks", WorkflowSid=browser.router.workflow_sid, Attributes="{}")["sid"]
    live.until(lambda: task in live.tables["tasks"] and worker in live.tables["workers"])
    browser.rest(f"Tasks/{task}", "DELETE")
    browser.rest(f"Workers/{worker}", "DELETE")
    live.until(lambda: task not in live.tables["tasks"] and worker not in live.tables["workers"])


def test_a_changed_queue_changes_its_members(browser: Browser, live: Live) -> None:
    """Which queues a worker belongs to depends on the queues too."""
    router = browser.router
    alice = router.add_worker("Alice")
    live.until(lambda: live.tables["workers"].get(alice, {}).get("queues") == [router.task_queue_sid])
    browser.rest(f"TaskQueues/{router.task_queue_sid}", TargetWorkers="skill == 'x'")
    live.until(lambda: live.tables["workers"][alice]["queues"] == [])


def test_the_clock(browser: Browser, live: Live) -> None:
    """Moves of the clock are shown, also when nothing else happens."""
    live.until(lambda: live.state["running"])
    browser.api("POST", "control/v1/clock/pause")
    live.until(lambda: not live.state["running"])
    before = live.state["now"]
    browser.api("POST", "control/v1/clock/advance", {"seconds": 3600})
    live.until(lambda: live.state["now"] == before + 3600)
    task = browser.router.create_task(timeout=100)
    browser.api("POST", "control/v1/clock/advance", {"to": "next"})
    live.until(lambda: live.tables["tasks"].get(task, {}).get("assignment_status") == "canceled")


def test_faults_begin_and_end(browser: Browser, live: Live) -> None:
    """A form for each kind, a row for each active one, and an end for one of them."""
    kinds = {kind["name"]: kind for kind in browser.api("GET", "control/v1/faults/kinds")}
    assert kinds["delay"]["parameters"][0] == {"name": "seconds", "kind": "seconds", "required": True, "default": None}
    assert kinds["delay"]["lasting"] and not kinds["drop"]["lasting"]
    browser.api("POST", "control/v1/faults", {"name": "delay", "arguments": {"seconds": 0.1}})
    browser.api("POST", "control/v1/faults", {"name": "http_status", "arguments": {"status": 503}})
    delay, _ = live.until(lambda: live.state["faults"] if len(live.state["faults"]) == 2 else None)
    assert delay["name"] == "delay"
    # The console's own requests are not disturbed.
    browser.rest("Workers", FriendlyName="Alice")
    browser.api("DELETE", f"control/v1/faults/{delay['id']}")
    live.until(lambda: [fault["name"] for fault in live.state["faults"]] == ["http_status"])
    assert browser.request("DELETE", f"control/v1/faults/{delay['id']}").status_code == 404


def test_the_part_of_a_worker(browser: Browser) -> None:
    """What is done in the name of a worker has the worker as its actor in the event log."""
    router = browser.router
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    (reservation,) = router.reservations(task_sid=task)
    path = f"Workers/{alice}/Reservations/{reservation.sid}"
    assert browser.rest(path, worker=alice, ReservationStatus="accepted")["reservation_status"] == "accepted"
    answer = browser.request("GET", f"rest/v1/Workspaces/{router.workspace_sid}/Events?EventType=reservation.accepted")
    assert [event["actor_sid"] for event in answer.json()["events"]] == [alice]
    bad = browser.request("POST", "rest/v1/Workspaces", headers={"X-Console-Worker": "Alice"})
    assert bad.status_code == 400


def test_a_large_workspace_arrives_in_parts(router: LocalTaskRouter, browser: Browser) -> None:
    """Rows are written some at a time, and the last message of them says that everything is there."""
    for number in range(1500):
        router.create_task({"number": number})
    with browser.live() as live:
        live.until(lambda: live.state["whole"])
        assert len(live.tables["tasks"]) == 1500 and live.snapshots == 1


def test_a_slow_page_gets_a_snapshot_in_place_of_missed_messages(
    router: LocalTaskRouter, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue does not grow, and it shows the present again in the end."""
    module = "twilio_taskrouter_worker.local.server.console.viewer.WAITING_CHARACTERS"
    monkeypatch.setattr(module, 3_000)
    with browser.live() as live:
        live.until(lambda: live.state["whole"])
        # A single row is more than may wait, however slow the machine and however few rows a scan finds.
        text = "x" * 4000
        for _ in range(100):
            router.create_task({"text": text})
        task = router.create_task()
        live.until(lambda: task in live.tables["tasks"], timeout=60)
        assert live.snapshots > 1 and len(live.tables["tasks"]) == 101


def test_reset_ends_the_websocket_and_a_new_one_shows_the_new_service() -> None:
    """The page reconnects and can tell the new service from the old one."""
    with LocalTaskRouter(lasting_port()) as router, Browser(router) as browser:
        with browser.live() as live:
            instance = live.until(lambda: live.state["instance"])
            router.create_task()
            router.reset()
            with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
                for _ in range(1000):
                    if live.socket.recv_data_frame()[0] == websocket.ABNF.OPCODE_CLOSE:
                        raise ConnectionResetError
        with browser.live() as live:
            assert live.until(lambda: live.state["instance"]) != instance and not live.tables["tasks"]


def test_messages_that_make_no_sense(browser: Browser, live: Live) -> None:
    """They are answered with the reason, and the websocket goes on."""
    live.until(lambda: live.state["whole"])
    for text in ("{", "[]", "{}", '{"type": 5}', '{"type": "nothing"}', '{"type": "select", "workspace": "WS0"}'):
        live.socket.send(text)
    for _ in range(6):
        while live.receive()["type"] != "error":
            pass
    assert all(message["message"] for message in live.other)
    worker = browser.router.add_worker("Alice")
    live.until(lambda: worker in live.tables["workers"])


def test_another_workspace(browser: Browser, live: Live) -> None:
    """Each workspace has its own tables; without the one that is shown, the router's own one follows."""
    live.until(lambda: live.state["whole"])
    answer = browser.request("POST", "rest/v1/Workspaces", data={"FriendlyName": "Second", "Template": "FIFO"})
    second = answer.json()["sid"]
    live.until(lambda: {each["friendly_name"] for each in live.state["info"]["workspaces"]} >= {"Second"})
    live.send("select", workspace=second)
    live.until(lambda: live.snapshots == 2 and live.state["whole"])
    assert not set(live.tables["queues"]) & {browser.router.task_queue_sid} and live.tables["queues"]
    browser.request("DELETE", f"rest/v1/Workspaces/{second}")
    live.until(lambda: live.snapshots == 3 and browser.router.task_queue_sid in live.tables["queues"])


def test_nothing_is_scanned_without_a_console(router: LocalTaskRouter, browser: Browser) -> None:
    """The hook of the service is there only while a console is open."""

    def hooked() -> bool:
        return service_of(router).changed is not None

    assert not hooked()
    with browser.live() as live:
        live.until(lambda: live.state["whole"])
        assert hooked()
    eventually(lambda: not hooked(), TIMEOUT)
