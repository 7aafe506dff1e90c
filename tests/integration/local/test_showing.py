"""What a program or a notebook shows of a local TaskRouter: timeline, panel, records, explanations, failed waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.tools.wait import eventually
from twilio_taskrouter_worker import StateError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.testing import TestBench

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A router whose clock is moved by the test."""
    with LocalTaskRouter(clock="virtual") as router:
        yield router


def phases(router: LocalTaskRouter, seconds: float | None = None) -> dict[str, list[tuple[str, float]]]:
    """The bars of each lane, in order: phase and duration."""
    timeline = router.timeline(seconds)
    return {lane.name: [(bar.phase, round(bar.end - bar.start, 3)) for bar in lane.bars] for lane in timeline.lanes}


def test_a_timeline_has_the_life_of_a_task(router: LocalTaskRouter) -> None:
    """A task waits, is offered, is not taken, waits again, and is canceled; its worker is moved to Offline."""
    router.add_worker("Carol")
    task = router.create_task()
    router.clock.advance(10)
    router.add_worker("Alice", activity="Available")
    router.clock.advance(130)
    router.cancel_task(task)
    router.clock.advance(5)
    found = phases(router)
    assert found["(waiting)"] == [("waiting", 10), ("waiting", 10)]
    assert found["Alice"] == [("offered", 120), ("unavailable", 15)]
    assert [phase for phase, _ in found["Carol"]] == ["unavailable"]
    text = str(router.timeline())
    assert "Alice" in text and "oooo" in text and ". waiting, o offered, - unavailable" in text


def test_a_timeline_of_work() -> None:
    """An accepted task is drawn as work until it is wrapped up and completed, which its worker does."""
    with TestBench(LocalTaskRouter(clock="virtual")) as bench:
        router, worker = bench.router, bench.worker("Alice")
        router.create_task()
        (reservation,) = eventually(lambda: list(worker.reservations.values()))
        reservation.accept().result(30)
        router.clock.advance(20)
        reservation.task.wrap_up().result(30)
        router.clock.advance(5)
        reservation.task.complete("done").result(30)
        assert [phase for phase in phases(router)["Alice"] if phase[1]] == [("working", 20), ("wrapping", 5)]
        svg = router.timeline()._repr_svg_()
        assert reservation.task.sid in svg and "completed" in svg


def test_a_timeline_of_the_latest_seconds(router: LocalTaskRouter) -> None:
    """Earlier bars are left out; a span that is none is refused."""
    router.add_worker("Alice", activity="Available")
    first = router.create_task()
    router.complete_task(first) if router.task(first).assignment_status == "assigned" else router.cancel_task(first)
    router.clock.advance(100)
    assert phases(router, 50)["Alice"] == []
    timeline = router.timeline(50)
    assert timeline.end - timeline.start == pytest.approx(50)
    with pytest.raises(ValueError, match="seconds must be more than 0"):
        router.timeline(0)


def test_an_empty_router_has_a_timeline(router: LocalTaskRouter) -> None:
    """Without workers and tasks it is empty, and can be drawn."""
    assert router.timeline().lanes == []
    assert router.timeline()._repr_svg_().startswith("<svg")


def test_names_cannot_bring_markup(router: LocalTaskRouter) -> None:
    """Drawing, panel, records and explanations escape the names of workers and queues."""
    router.add_worker(HOSTILE)
    router.add_queue(HOSTILE)
    task = router.create_task({"customer": "secret"})
    shown = [
        router.timeline()._repr_svg_(),
        router._panel(router.workspace_sid)._repr_html_(),
        router.explain(task)._repr_html_(),
    ]
    for listing in (router.workers(), router.queues(), router.tasks(), router.events()):
        shown.append(listing._repr_html_())  # type: ignore[union-attr]
    for text in shown:
        assert "<script" not in text and "secret" not in text
    assert "&lt;script" in "".join(shown)


def test_records_have_short_reprs(router: LocalTaskRouter) -> None:
    """Each has its class, name, sid and state; none has attributes."""
    sid = router.add_worker("Alice", attributes={"phone": "secret"}, activity="Available")
    task = router.create_task({"customer": "secret"})
    (reservation,) = router.reservations()
    assert repr(router.worker("Alice")) == f"<Worker 'Alice' {sid} Available>"
    assert repr(router.task(task)) == f"<Task {task} reserved>"
    assert repr(reservation) == f"<Reservation {reservation.sid} pending>"
    assert repr(router.queues()[0]) == f"<TaskQueue 'Sample Queue' {router.task_queue_sid}>"
    assert repr(router.events("task.created")[0]).endswith(f" task.created {task}>")
    assert "secret" not in f"{router.workers()}{router.tasks()}{router.reservations()}{router.events()}"
    assert "Alice" in str(router.workers()) and task in str(router.tasks())


def test_an_explanation_hides_values_until_asked(router: LocalTaskRouter) -> None:
    """The tables name the condition that fails; the values that make it fail are shown when asked for."""
    router.add_queue("German", target_workers="languages HAS 'de'")
    router.add_worker("Alice", attributes={"languages": ["en-confidential"]}, activity="Available")
    configuration = {"task_routing": {"filters": [], "default_filter": {"queue": router._queue_sid("German")}}}
    router.add_workflow("German", configuration)
    explanation = router.explain(router.create_task(workflow_sid="German"))
    assert "en-confidential" not in str(explanation.show()) + explanation._repr_html_() + repr(explanation)
    assert "TargetWorkers of the queue is false" in str(explanation.show())
    assert "en-confidential" in str(explanation.show(attributes=True))
    assert "en-confidential" in str(explanation)


def test_a_wait_that_fails_names_the_open_tasks(router: LocalTaskRouter) -> None:
    """``run_until`` says which tasks are open and why, without their attributes, and how many more there are."""
    with pytest.raises(TimeoutError, match=r"within 60 s of this clock\. No task is open\.$"):
        router.clock.run_until(lambda: False, timeout=60)
    router.add_worker("Alice")
    tasks = [router.create_task({"customer": "secret"}) for _ in range(5)]
    with pytest.raises(TimeoutError) as raised:
        router.clock.run_until(lambda: False, timeout=60)
    text = str(raised.value)
    assert [task in text for task in tasks] == [True, True, True, False, False] and text.endswith("and 2 more")
    assert "activity Offline is not an available one" in text and "secret" not in text


def test_a_live_panel_needs_a_notebook(router: LocalTaskRouter) -> None:
    """Without IPython the error names the extra; outside a notebook it names what works instead."""
    code = (
        "import sys; sys.modules['IPython'] = None\n"
        "from twilio_taskrouter_worker import Worker\n"
        "try: Worker(token_provider=str).live()\n"
        "except ImportError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert 'pip install "twilio_taskrouter_worker[jupyter]"' in ended.stdout
    pytest.importorskip("IPython", reason="the extra jupyter is not installed")
    with pytest.raises(StateError, match="this is none"):
        router.live()
