"""The console in a real browser: playing a worker, editing a workflow, time, faults, and the time machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.local.console.chromium import ConsolePage, console_page
from tests.tools.browser import expect
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = pytest.mark.timeout(600)


def test_a_worker_is_played(chromium: Any) -> None:
    """Activity, reject, accept, wrap up and complete: each is done by a button, and shown at once."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        alice = router.add_worker("Alice")
        sid = router.create_task({"order": 1})
        console.open(f"now/{alice}")
        activity, holds = console.section("Activity"), console.section("Holds")
        activity.get_by_role("button", name="Available", exact=True).click()
        holds.get_by_role("button", name="Reject").click()
        console.says("Alice rejected the task")
        rejected, offered = router.reservations()
        assert (rejected.reservation_status, offered.reservation_status) == ("rejected", "pending")
        holds.locator(f"#accepted-{offered.sid}").click()
        holds.get_by_role("button", name="Wrap up").click()
        expect(holds).to_contain_text("wrapping")
        assert router.task(sid).assignment_status == "wrapping"
        holds.get_by_role("button", name="Complete").click()
        expect(holds).to_contain_text("Nothing.")
        activity.get_by_role("button", name="Offline", exact=True).click()
        expect(console.row("Workers", "Alice")).to_contain_text("Offline")
        assert router.task(sid).assignment_status == "completed"
        assert router.worker(alice).activity_name == "Offline"


def test_an_action_that_is_refused(chromium: Any) -> None:
    """The reason that TaskRouter gives is shown; nothing else happens."""
    with LocalTaskRouter() as router, console_page(chromium, router) as console:
        router.add_worker("Alice")
        page = console.open().page
        console.click("Add worker")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("Alice")
        dialog.get_by_label("Attributes as JSON").fill("{broken")
        dialog.get_by_role("button", name="Add worker").click()
        expect(dialog.get_by_role("alert")).to_contain_text("The attributes are not JSON")
        dialog.get_by_label("Attributes as JSON").fill("{}")
        dialog.get_by_role("button", name="Add worker").click()
        expect(dialog.get_by_role("alert")).not_to_contain_text("not JSON")
        expect(dialog.get_by_role("alert")).not_to_be_empty()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        console.problems = [problem for problem in console.problems if "status of 400" not in problem]
        assert len(router.workers()) == 1


def test_a_workflow_with_a_mistake_is_mended(chromium: Any) -> None:
    """The parser's error stands at its place; what waits shows where it would go, and goes there once it is saved."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        spanish = router.add_queue("Spanish", target_workers="1==2")
        workflow = router.workflow_sid
        sid = router.create_task({"lang": "es"})
        page = console.open(f"workflows/{workflow}").page
        editor, save = page.get_by_label("Configuration"), page.get_by_role("button", name="Save")
        expect(save).to_be_disabled()
        filters = [{"expression": "lang == == 'es'", "targets": [{"queue": spanish}]}]
        document = {"task_routing": {"filters": filters, "default_filter": {"queue": router.task_queue_sid}}}
        editor.fill(json.dumps(document, indent=2))
        expect(page.locator("#workflow-problem")).to_contain_text("Line 5, column")
        expect(editor).to_have_attribute("aria-invalid", "true")
        expect(save).to_be_disabled()
        console.click("Go to the error")
        chosen = editor.evaluate("editor => editor.value.slice(0, editor.selectionStart)")
        assert chosen.count("\n") == 4 and chosen.endswith("lang == ")
        editor.fill(json.dumps(document, indent=2).replace("== ==", "=="))
        expect(page.get_by_text("1 waiting task would go elsewhere")).to_be_visible()
        way = page.get_by_role("listitem").filter(has_text="lang es")
        expect(way).to_contain_text("Sample Queue (default_filter)")
        expect(way).to_contain_text("Spanish (filter 1)")
        assert router.task(sid).task_queue_sid == router.task_queue_sid
        save.click()
        console.says("The workflow is saved")
        eventually(lambda: router.task(sid).task_queue_sid == spanish)


def test_time_is_paused_and_advanced(chromium: Any) -> None:
    """The clock stops and moves by steps or to the next timer, and what times out is seen."""
    with LocalTaskRouter() as router, console_page(chromium, router) as console:
        router.add_worker("Alice", activity="Available")
        page = console.open("time").page
        console.click("Pause")
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        assert not router.clock.running
        router.create_task({"order": 1})
        expect(page.get_by_role("region", name="Next timers")).to_contain_text("Alice")
        before = router.clock.now()
        console.click("1 minute")
        eventually(lambda: router.clock.now() == pytest.approx(before + 60, abs=1))
        console.click("Next timer")
        eventually(lambda: router.reservations()[0].reservation_status == "timeout")
        console.go(f"time/{router.tasks()[0].sid}")
        expect(console.section("Life")).to_contain_text("+2 m 00 s")
        console.click("Resume")
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        assert router.clock.running


def test_a_fault_is_switched(chromium: Any) -> None:
    """A fault is switched on with its parameters, counted, and switched off."""
    with LocalTaskRouter() as router, console_page(chromium, router) as console:
        page = console.open("time").page
        switch = page.get_by_role("switch", name="HTTP latency")
        expect(switch).not_to_be_checked()
        switch.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Seconds", exact=True).fill("0.01")
        dialog.get_by_role("button", name="Switch on").click()
        expect(switch).to_be_checked()
        assert [str(fault) for fault in router.faults.active] != []
        switch.click()
        expect(switch).not_to_be_checked()
        assert [str(fault) for fault in router.faults.active] == []


def test_the_slider_and_a_fork(chromium: Any) -> None:
    """The slider shows any moment in every view, where nothing can be changed; a fork goes on from it by itself."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        router.add_worker("Alice")
        router.create_task({"order": 1})
        moments = len(router.history())
        router.create_task({"order": 2})
        page = console.open("tasks").page
        slider = page.get_by_role("slider", name="Moment of the history")
        expect(console.row("Tasks", "order 2")).to_be_visible()
        slider.focus()
        for _ in range(len(router.history()) - moments):
            page.keyboard.press("ArrowLeft")
        expect(console.row("Tasks", "order 2")).to_have_count(0)
        expect(console.row("Tasks", "order 1")).to_be_visible()
        expect(page.get_by_text("the past")).to_be_visible()
        expect(page.get_by_role("button", name="New task")).to_be_disabled()
        console.go("now")
        expect(page.get_by_role("button", name="Add worker")).to_be_disabled()
        console.go("tasks")
        with page.context.expect_page() as opened:
            console.click("Fork here")
        fork = ConsolePage(opened.value, router)
        fork.is_live()
        fork.go("tasks")
        expect(fork.row("Tasks", "order 1")).to_be_visible()
        fork.page.keyboard.press("n")
        fork.page.get_by_role("dialog").get_by_role("button", name="Create task").click()
        expect(fork.row("Tasks", "order 4711")).to_be_visible()
        expect(fork.row("Tasks", "order 2")).to_have_count(0)
        console.click("Back to now")
        expect(console.row("Tasks", "order 2")).to_be_visible()
        assert len(router.tasks()) == 2


def test_requests_are_inspected(chromium: Any) -> None:
    """Requests appear as they come, can be filtered, opened and copied; credentials are hidden."""
    import requests

    with (
        LocalTaskRouter() as router,
        console_page(chromium, router, permissions=["clipboard-read", "clipboard-write"]) as console,
    ):
        page = console.open("inspector").page
        expect(page.get_by_text("No requests yet")).to_be_visible()
        form = {"FriendlyName": "Alice", "Attributes": '{"level": 1}'}
        address = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers"
        requests.post(address, form, auth=(router.account_sid, router.auth_token), timeout=30).raise_for_status()
        console.row("Requests", "Workers").click()
        detail = page.get_by_role("region", name="The chosen request")
        expect(detail.get_by_label("Request: body")).to_contain_text("FriendlyName=Alice")
        expect(detail.get_by_label("Request: headers")).to_contain_text("(hidden)")
        assert router.auth_token not in page.content()
        console.click("Copy as curl")
        console.says("copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("curl ") and "Alice" in copied
        console.click("Close the request")
        page.get_by_label("Filter the requests").fill("nothing of the kind")
        expect(page.get_by_text("No request is like that.")).to_be_visible()
