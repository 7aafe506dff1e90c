"""The console in a real browser for everybody: keyboard, screen readers, dark, small and large windows, reconnects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.local.console.chromium import ConsolePage, console_page
from tests.tools.browser import expect
from tests.tools.ports import lasting_port
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = pytest.mark.timeout(600)

VIEWS = ("now", "tasks", "workflows", "inspector", "time")
AXE = Path(os.environ.get("TASKROUTER_TEST_NODE_MODULES", "node_modules")) / "axe-core" / "axe.min.js"


def plant(router: LocalTaskRouter) -> str:
    """Give a router something of everything, and return the sid of a task that waits."""
    router.add_worker("Alice", attributes={"level": 5}, activity="Available")
    router.add_worker("Bob", attributes={"level": 1})
    router.add_queue("Experts", target_workers="level > 8")
    router.create_task({"order": 1})
    router.add_workflow("Support", queue="Experts")
    router.faults.http_latency(0.001)
    return router.create_task({"order": 2}, workflow="Support")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(chromium: Any, scheme: str, width: int) -> None:
    """Every view, with details and dialogs, is accessible by the rules of axe, contrast included."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm), or TASKROUTER_TEST_NODE_MODULES does not name where")
    size = {"width": width, "height": 800}
    with (
        LocalTaskRouter(clock="virtual") as router,
        console_page(chromium, router, color_scheme=scheme, viewport=size, reduced_motion="reduce") as console,
    ):
        waiting = plant(router)
        page = console.open().page
        page.evaluate(AXE.read_text(encoding="utf-8"))
        alice, queue = router.worker("Alice").sid, router.task(waiting).task_queue_sid
        for view in (*VIEWS, f"tasks/{waiting}", f"now/{alice}", f"now/{queue}"):
            console.go(view)
            settled(console, view)
            check(page, view)
        for button in ("New task", "Keyboard shortcuts"):
            console.go("now")
            console.click(button)
            expect(page.get_by_role("dialog")).to_be_visible()
            check(page, button)
            page.keyboard.press("Escape")


def settled(console: ConsolePage, view: str) -> None:
    """Wait until a view and its details show what they have."""
    if view == "time":
        expect(console.page.get_by_role("switch").first).to_be_visible()
    elif view.startswith("tasks/"):
        expect(console.section("Why it waits").locator("mark").first).to_be_visible()
    elif "/" in view:
        expect(console.page.get_by_role("complementary", name="Details")).to_contain_text("Facts")


def check(page: Any, where: str) -> None:
    """Run axe over the page."""
    found = page.evaluate("async () => (await axe.run(document)).violations")
    summary = {each["id"]: [node["html"][:160] for node in each["nodes"][:3]] for each in found}
    assert summary == {}, where


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system(chromium: Any, scheme: str) -> None:
    """Without a switch of its own, the page is light or dark as the system is."""
    with LocalTaskRouter() as router, console_page(chromium, router, color_scheme=scheme) as console:
        page = console.open().page
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (max(ground) < 64) == (scheme == "dark")


def test_reduced_motion(chromium: Any) -> None:
    """Nothing moves for people who asked for that."""
    with LocalTaskRouter() as router, console_page(chromium, router, reduced_motion="reduce") as console:
        page = console.open().page
        console.click("Pause")
        console.says("The clock is paused.")
        assert page.evaluate("said.at(-1).animation") == "none"


@pytest.mark.parametrize("width", [360, 768, 3840])
def test_windows_of_every_size(chromium: Any, width: int) -> None:
    """Nothing is cut off sideways, and the rows of the tables can be reached."""
    size = {"width": width, "height": 700 if width < 1000 else 2160}
    with (
        LocalTaskRouter(clock="virtual") as router,
        console_page(chromium, router, viewport=size) as console,
    ):
        waiting = plant(router)
        page = console.open().page
        for view in (*VIEWS, f"tasks/{waiting}"):
            console.go(view)
            settled(console, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        console.go("tasks")
        console.row("Tasks", "order 2").click()
        expect(console.section("Facts")).to_be_visible()


def test_the_keyboard_alone(chromium: Any) -> None:
    """A task is created, found, opened and closed again without a pointer, and the focus is never lost."""
    with LocalTaskRouter(clock="virtual") as router, console_page(chromium, router) as console:
        router.create_task({"order": 1})
        page = console.open().page
        keys = page.keyboard
        keys.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        keys.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()
        keys.press("n")
        expect(page.get_by_label("Name of the attribute")).to_be_focused()
        keys.press("Tab")
        keys.type("4712")
        keys.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        keys.press("2")
        expect(page.get_by_role("heading", name="Tasks and reservations")).to_be_attached()
        keys.press("/")
        keys.type("4712")
        expect(page.get_by_label("Search tasks")).to_be_focused()
        grid = page.get_by_role("grid", name="Tasks")
        tab_to(page, grid)
        keys.press("ArrowDown")
        expect(grid.locator(".row-active")).to_contain_text("order 4712")
        keys.press("Enter")
        expect(console.section("Facts")).to_be_visible()
        expect(page.get_by_role("heading", name="Task", exact=True)).to_be_focused()
        keys.press("Escape")
        expect(console.section("Facts")).to_have_count(0)
        expect(grid).to_be_focused()
        keys.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.get_by_label("Single keys act").press("Space")
        keys.press("Escape")
        keys.press("1")
        expect(page.get_by_role("grid", name="Tasks")).to_be_visible()


def tab_to(page: Any, wanted: Any) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("the keyboard does not reach it")


def test_it_reconnects_after_a_restart(chromium: Any, tmp_path: Path) -> None:
    """The page shows that the service is gone, and goes on by itself as soon as it is back, with its new state."""
    file = tmp_path / "router.db"
    port = lasting_port()
    with console_page(chromium, first := LocalTaskRouter(port, db=file)) as console:
        with first as router:
            router.create_task({"order": 1})
            console.open("tasks")
            expect(console.row("Tasks", "order 1")).to_be_visible()
        expect(console.page.locator(".link")).to_have_text("Reconnecting…")
        expect(console.page.get_by_role("button", name="New task")).to_be_disabled()
        with LocalTaskRouter(port, db=file) as router:
            router.create_task({"order": 2})
            console.is_live()
            expect(console.row("Tasks", "order 1")).to_be_visible()
            expect(console.row("Tasks", "order 2")).to_be_visible()
            console.click("New task")
            console.page.get_by_role("dialog").get_by_role("button", name="Create task").click()
            eventually(lambda: len(router.tasks()) == 3)
        # The browser itself reports each attempt while nothing listens, or what did is about to end.
        console.problems = [each for each in console.problems if "net::ERR_" not in each]


def test_a_service_that_cannot_write_its_file(chromium: Any, tmp_path: Path) -> None:
    """An open page and a new one show the reason in place of rows that no longer change."""
    with LocalTaskRouter(db=tmp_path / "full.db") as router, console_page(chromium, router) as console:
        console.open("now")
        failure = StoreError("the disk is full")
        router._host.call(lambda: setattr(service_of(router).committer, "failure", failure))
        state = console.page.locator(".link")
        expect(state).to_have_text("The service cannot write its file: the disk is full")
        console.page.reload()
        expect(state).to_have_text("The service cannot write its file: the disk is full")
        expect(console.page.get_by_role("button", name="New task")).to_be_disabled()
        # The browser itself reports the requests that are refused.
        console.problems = [each for each in console.problems if "503" not in each]
