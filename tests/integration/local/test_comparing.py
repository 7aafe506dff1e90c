"""What happened otherwise in two routers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from twilio_taskrouter_worker.errors import StateError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter, TaskCourse, compare
from twilio_taskrouter_worker.local.engine import commands

START = 1_800_000_000.0


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A router with a worker for each of two queues, and a workflow that leads every task to the first of them."""
    with LocalTaskRouter(seed=3, clock=Clock.virtual(START)) as router:
        router.add_worker("Alice", attributes={"team": "a"}, activity="Available")
        router.add_worker("Bob", attributes={"team": "b"}, activity="Available")
        router.add_queue("A", target_workers="team == 'a'")
        router.add_queue("B", target_workers="team == 'b'")
        router.add_workflow("Support", everything_to(router, "A"))
        yield router


def everything_to(router: LocalTaskRouter, queue: str) -> dict[str, Any]:
    """The configuration of a workflow that leads every task to a queue."""
    return {"task_routing": {"default_filter": {"queue": router._queue_sid(queue)}}}


def create(router: LocalTaskRouter, number: int) -> str:
    """Create a task of the workflow under test."""
    return router.create_task({"number": number}, workflow="Support")


def work(router: LocalTaskRouter) -> None:
    """Let ten seconds pass, then accept and complete everything that is offered."""
    router.clock.advance(10)
    for reservation in router.reservations():
        if reservation.reservation_status == "pending":
            for status in ("accepted", "completed"):
                router._execute(
                    commands.UpdateReservation(
                        workspace_sid=router.workspace_sid, sid=reservation.sid, reservation_status=status
                    )
                )


def courses(router: LocalTaskRouter, other: LocalTaskRouter) -> list[tuple[Any, ...]]:
    """Every task in both, without its sid."""
    found = compare(router, other).tasks
    return [tuple((each.queue, each.worker, each.wait, each.outcome) for each in (t.a, t.b) if each) for t in found]


def test_a_fork_without_a_change_differs_in_nothing(router: LocalTaskRouter) -> None:
    """The same happens in both, before and after the fork, so there is nothing to show."""
    create(router, 1)
    work(router)
    create(router, 2)
    with router.fork() as fork:
        for each in (router, fork):
            create(each, 3)
            work(each)
            each.clock.advance(5000)
        comparison = compare(router, fork)
        assert comparison.differing == []
        assert len(comparison.tasks) == 3
        assert str(comparison).splitlines()[1:] == ["  none"]


def test_another_workflow_sends_tasks_another_way(router: LocalTaskRouter) -> None:
    """Queue, worker and wait differ; the tasks are the same, whatever their sids, long after they were purged."""
    waiting = [create(router, number) for number in (1, 2)]
    with router.fork() as fork:
        fork.update_workflow("Support", everything_to(fork, "B"), re_evaluate_tasks=True)
        for each in (router, fork):
            create(each, 3)
            for _ in range(4):
                work(each)
            each.clock.advance(5000)
            assert each.tasks() == []
        assert courses(router, fork) == [
            (("A", "Alice", 10.0, "completed"), ("A", "Alice", 10.0, "completed")),
            (("A", "Alice", 20.0, "completed"), ("B", "Bob", 10.0, "completed")),
            (("A", "Alice", 30.0, "completed"), ("B", "Bob", 20.0, "completed")),
        ]
        comparison = compare(router, fork)
        second, third = comparison.differing
        assert second.pair("sid") == (waiting[1], waiting[1])
        assert third.a is not None and third.b is not None and third.a.sid != third.b.sid
        assert second.differing == ("queue", "worker", "wait")
        title, head, *rows = str(comparison).splitlines()
        assert title.startswith("2 of 3 tasks differ, mean wait 20.0 s -> 13.3 s (<LocalTaskRouter http")
        assert head.split() == ["task", "queue", "worker", "wait", "outcome"]
        assert rows[0].split("  ")[1:] == [waiting[1], "A -> B", "Alice -> Bob", "20.0 s -> 10.0 s", "completed"]
        assert "<table" in comparison._repr_html_()
        document = json.loads(json.dumps(comparison.to_dict()))
        assert [task["differing"] for task in document["tasks"]] == [[], *[["queue", "worker", "wait"]] * 2]
        assert document["tasks"][1]["b"]["queue"] == "B"


def test_tasks_that_are_in_one_only(router: LocalTaskRouter) -> None:
    """A task without a counterpart is shown, with nothing on the other side; so are deleted and canceled ones."""
    kept = create(router, 1)
    with router.fork() as fork:
        router.cancel_task(kept, "too late")
        fork._execute(commands.DeleteTask(workspace_sid=fork.workspace_sid, sid=kept))
        only_a, only_b = create(router, 2), create(fork, 3)
        first, second, third = compare(router, fork).tasks
        assert first.pair("outcome") == ("canceled", "canceled")
        assert first.pair("reason")[0] == "too late"
        assert second.pair("sid") == (only_a, None)
        assert third.pair("sid") == (None, only_b)
        assert second.differing == third.differing == ("queue", "worker", "wait", "outcome")
        assert f"{only_b}  - -> A" in str(compare(router, fork))


def test_two_moments_of_one_router_and_forks_of_one_parent(router: LocalTaskRouter) -> None:
    """Views are compared like routers, and forks from the moment where they part, wherever that is."""
    create(router, 1)
    before = router.at(router.history().last)
    work(router)
    (task,) = compare(before, router).tasks
    assert task.differing == ("wait", "outcome")
    assert task.a == TaskCourse(
        sid=task.pair("sid")[0], queue="A", worker="Alice", outcome="reserved", attributes='{"number":1}'
    )
    assert compare(router.at(router.history().last), router).differing == []
    with router.fork(before.number) as early, router.fork() as late:
        assert compare(early, late).differing[0].differing == ("wait", "outcome")
        early.clock.advance(10)
        work(late)
        with early.fork() as second:
            assert compare(early, second).differing == []
            assert compare(second, early).differing == []
            assert compare(second, late).differing[0].pair("outcome") == ("reserved", "completed")
            create(second, 9)
            assert [each.pair("sid")[0] for each in compare(early, second).differing] == [None]
            assert compare(router, second).differing


def test_routers_with_nothing_in_common(router: LocalTaskRouter) -> None:
    """Two routers are compared from their beginnings, task by task with equal attributes."""
    with LocalTaskRouter(clock=Clock.virtual(START)) as other:
        for each in (router, other):
            each.create_task({"number": 1}, workflow="Default Fifo Workflow")
        (task,) = compare(router, other).tasks
        assert task.pair("worker") == ("Alice", None)
        assert task.pair("queue") == ("Sample Queue", "Sample Queue")


def test_objects_that_cannot_be_compared(router: LocalTaskRouter) -> None:
    """Other things are a TypeError; a router that was stopped or reset is a StateError."""
    with pytest.raises(TypeError, match="routers and views, not str"):
        compare(router, "fork")  # type: ignore[arg-type]
    view = router.at(1)
    with router.fork() as fork:
        pass
    with pytest.raises(StateError):
        compare(router, fork)
    router.reset()
    with pytest.raises(StateError, match="reset"):
        compare(view, router)


def test_a_frame_needs_pandas(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas the error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"twilio_taskrouter_worker\[pandas\]"):
        compare(router, router).to_frame()


def test_a_frame_has_a_row_for_each_task(router: LocalTaskRouter) -> None:
    """With pandas, both sides are columns."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    create(router, 1)
    with router.fork() as fork:
        work(fork)
        frame = compare(router, fork).to_frame()
        assert list(frame["outcome_a"]) == ["reserved"]
        assert list(frame["outcome_b"]) == ["completed"]
        assert list(frame["wait_b"]) == [10.0]
        assert list(frame["differs"]) == [True]


def answer(router: LocalTaskRouter, status: str) -> None:
    """Give the pending reservations a status."""
    for reservation in router.reservations():
        if reservation.reservation_status == "pending":
            router._execute(
                commands.UpdateReservation(
                    workspace_sid=router.workspace_sid, sid=reservation.sid, reservation_status=status
                )
            )


def test_an_acceptance_before_the_fork(router: LocalTaskRouter) -> None:
    """The wait until then counts in both; a reservation that was rejected before it does not."""
    create(router, 1)
    router.clock.advance(3)
    answer(router, "rejected")
    router.clock.advance(4)
    answer(router, "accepted")
    with router.fork() as fork:
        assert courses(router, fork) == [(("A", "Alice", 7.0, "assigned"),) * 2]
