"""The console in a real browser: the first look, a task's way to a worker, and why it waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.local.console.chromium import console_page
from tests.tools.browser import expect
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = pytest.mark.timeout(600)


def test_the_first_look(chromium: Any) -> None:
    """An empty service is shown as such, and the page tells what to do next."""
    with LocalTaskRouter() as router, console_page(chromium, router) as console:
        page = console.open().page
        expect(page).to_have_title("Now · TaskRouter console")
        expect(page.get_by_text("No tasks yet: create one")).to_be_visible()
        expect(page.get_by_text("No workers yet: add one")).to_be_visible()
        console.click("add one")
        page.get_by_label("Name").fill("Alice")
        page.get_by_role("dialog").get_by_role("button", name="Add worker").click()
        expect(console.row("Workers", "Alice")).to_contain_text("Available")
        assert [worker.friendly_name for worker in router.workers()] == ["Alice"]


def test_a_task_is_created_and_taken(chromium: Any) -> None:
    """The customer's form creates a task; a connected worker takes it, and the page shows it done without a reload."""
    with LocalTaskRouter() as router, console_page(chromium, router) as console:
        router.add_worker("Alice", activity="Available")
        worker = Worker(router.token("Alice"), **router.connection)
        worker.serve(lambda reservation: "shipped")
        page = console.open().page
        with worker:
            console.click("New task")
            page.get_by_label("Value of the attribute").fill("4712")
            page.get_by_role("dialog").get_by_role("button", name="Create task").click()
            console.says("is created")
            console.go("tasks")
            expect(console.row("Tasks", "order 4712")).to_contain_text("completed")
            expect(console.row("Tasks", "order 4712")).to_contain_text("Alice")
            console.click("Repeat last")
            eventually(lambda: [task.assignment_status for task in router.tasks()] == ["completed"] * 2)
        console.row("Tasks", "order 4712").first.click()
        life = console.section("Life")
        for step in ("created", "Alice", "completed"):
            expect(life).to_contain_text(step)


def test_a_stream_of_tasks(chromium: Any) -> None:
    """A stream creates the same task again and again until it is stopped."""
    with LocalTaskRouter() as router, console_page(chromium, router) as console:
        page = console.open().page
        console.click("New task")
        page.get_by_role("button", name="JSON").click()
        page.get_by_label("Attributes as JSON").fill('{"kind": "stream"}')
        page.get_by_label("Tasks per minute").fill("1200")
        console.click("Start stream")
        expect(page.get_by_text("1200 tasks per minute")).to_be_visible()
        eventually(lambda: len(router.tasks()) > 5)
        console.click("Stop")
        expect(page.get_by_text("1200 tasks per minute")).to_be_hidden()
        assert {task.attributes for task in router.tasks()} == {'{"kind":"stream"}'}


def test_why_a_task_waits(chromium: Any) -> None:
    """Of each worker the failing part of the expression is marked, with the actual value, until it can take it."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        router.add_worker("Bob", attributes={"languages": ["es"], "level": 1}, activity="Available")
        queue = router.add_queue("Spanish", target_workers="languages HAS 'es' AND level > 3")
        router.add_workflow("Support", queue="Spanish")
        sid = router.create_task({"lang": "es"}, workflow="Support")
        page = console.open(f"tasks/{sid}").page
        why = console.section("Why it waits")
        bob = why.get_by_role("listitem").filter(has_text="Bob").first
        expect(bob.locator("mark")).to_have_text("level > 3")
        expect(bob.locator(".actual")).to_have_text("level is 1")
        console.go(f"tasks/{router.worker('Bob').sid}")
        console.click("Edit attributes")
        page.get_by_label("JSON").fill('{"languages": ["es"], "level": 5}')
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(console.row("Tasks", "lang es")).to_contain_text("reserved")
        console.go(f"tasks/{sid}")
        expect(console.section("With")).to_contain_text("Bob")
        assert router.task(sid).task_queue_sid == queue


def test_filters_and_search(chromium: Any) -> None:
    """Tasks are found by status, queue, sid, name of the worker and attributes."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        router.add_worker("Alice", activity="Available")
        sids = [router.create_task({"order": number, "city": city}) for number, city in ((1, "Lima"), (2, "Oslo"))]
        page = console.open("tasks").page
        search = page.get_by_label("Search tasks")
        rows = page.get_by_role("grid", name="Tasks").get_by_role("row")
        for query, city in (("oslo", "Oslo"), ("lima", "Lima"), (sids[1], "Oslo"), ("alice", "Lima")):
            search.fill(query)
            expect(rows).to_have_count(2)  # with the titles
            expect(rows.nth(1)).to_contain_text(city)
        search.fill("nothing of the kind")
        expect(page.get_by_text("Nothing is like that.")).to_be_visible()
        console.click("Clear the filters")
        expect(rows).to_have_count(3)
        page.get_by_role("group", name="Status").get_by_role("button", name="reserved").click()
        expect(rows).to_have_count(2)
        expect(rows.nth(1)).to_contain_text("Lima")


MARKUP = "<img src=x onerror=window.stolen=1><b>bold</b>"


@pytest.mark.parametrize("view", ["now", "tasks", "workflows", "inspector", "time"])
def test_data_is_never_markup(chromium: Any, view: str) -> None:
    """Names and attributes that are markup are shown as the text they are, in every view and its details."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        router.add_worker(MARKUP, attributes={MARKUP: MARKUP}, activity="Available")
        queue = router.add_queue(MARKUP, target_workers="name == '<b>bold</b>'")
        router.add_workflow(MARKUP, queue=MARKUP)
        waiting = router.create_task({MARKUP: MARKUP}, workflow=MARKUP)
        router.create_task({"name": MARKUP}, workflow=router.workflow_sid)
        page = console.open(view).page
        for sid in (waiting, router.workers()[0].sid, queue):
            console.go(f"{view}/{sid}")
            expect(console.page.get_by_role("complementary", name="Details")).to_contain_text(sid)
            expect(page.locator("img:not([src='icon.svg']), body script, b")).to_have_count(0)
        if view == "tasks":
            console.go(f"tasks/{waiting}")
            expect(console.section("Why it waits")).to_contain_text("<b>bold</b>")
        assert page.evaluate("window.stolen") is None
        assert json.loads(router.task(waiting).attributes) == {MARKUP: MARKUP}
