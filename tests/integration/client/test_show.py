"""Objects at a prompt and in a notebook: reprs, ``show()``, HTML, completion, help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.seams import events_of
from twilio_taskrouter_worker import Channel, OutgoingTransfer, Reservation, Supervisor, Task, Worker, Workspace
from twilio_taskrouter_worker.events import WorkerEvent, names
from twilio_taskrouter_worker.testing import TestBench, eventually

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def bench() -> Iterator[TestBench]:
    """A service."""
    with TestBench() as bench:
        yield bench


@pytest.fixture(scope="module")
def worker(bench: TestBench) -> Worker:
    """A worker with a name that is HTML, and attributes, who holds one reservation."""
    worker = bench.worker(HOSTILE, attributes={"phone": "+4930-secret"})
    bench.router.create_task({"customer": "secret"})
    eventually(lambda: [each for each in worker.history if each.what == "reservation_created"])
    return worker


def shown(worker: Worker) -> list[Any]:
    """Everything a notebook may show of a worker."""
    (reservation,) = worker.reservations.values()
    mappings = [worker.activities, worker.channels, worker.reservations]
    return [
        worker,
        worker.activity,
        *worker.channels.values(),
        reservation,
        reservation.task,
        *mappings,
        worker.history,
    ]


def test_html_has_no_attributes_and_no_markup(worker: Worker) -> None:
    """Customers' data is left out, and names are escaped."""
    for each in shown(worker):
        html = each._repr_html_()
        assert html.count("<table") >= 1
        assert "secret" not in html and "<script" not in html
        assert "secret" not in repr(each)
    assert "&lt;script&gt;" in (worker._repr_html_() or "")


def test_attributes_are_shown_when_asked_for(worker: Worker) -> None:
    """``show(attributes=True)`` includes them, as text and as HTML."""
    (reservation,) = worker.reservations.values()
    for each in (worker, reservation, reservation.task):
        assert "secret" not in str(each.show())
        assert "secret" in str(each.show(attributes=True))
        assert "secret" in each.show(attributes=True)._repr_html_()


def test_reprs_have_names(worker: Worker) -> None:
    """Names come first, as one reads them, then the sid, then the state."""
    (reservation,) = worker.reservations.values()
    assert repr(worker) == f"<Worker {HOSTILE!r} {worker.sid} 'Available' ready>"
    assert repr(worker.activities) == "<Named of 3: 'Offline', 'Available' (current), 'Unavailable'>"
    assert repr(worker.activity) == f"<Activity 'Available' {worker.activity_sid} current>"
    assert repr(reservation) == f"<Reservation {reservation.sid} pending of task {reservation.task.sid}>"
    queue = reservation.task.queue_name
    assert repr(reservation.task) == f"<Task {reservation.task.sid} reserved in {queue!r}>"


def test_history_prints(worker: Worker) -> None:
    """It is a list of short entries, and prints as a table."""
    text = str(worker.history)
    assert text.startswith("History\n  time") and "reservation_created" in text
    assert all(len(repr(entry)) < 120 for entry in worker.history)


def test_keys_complete(worker: Worker) -> None:
    """Names complete where there are names, and find the object."""
    assert worker.activities._ipython_key_completions_() == ["Offline", "Available", "Unavailable"]
    assert worker.activities["Available"] is worker.activity
    assert worker.reservations._ipython_key_completions_() == list(worker.reservations)


def test_a_worker_that_was_never_connected() -> None:
    """It has no HTML, so that a notebook shows its repr."""
    worker = Worker(token_provider=str)
    assert worker._repr_html_() is None
    assert repr(worker) == "<Worker not connected>"
    assert "none" in worker.activities._repr_html_()  # type: ignore[operator]


def test_lists_of_a_workspace(bench: TestBench, worker: Worker) -> None:
    """Workers and queues that were read show as tables, and are found by name."""
    workspace = Workspace(bench.router.token("", role="admin"), **bench.router.connection)
    workers = workspace.fetch_workers_info().result(30)
    assert workers[HOSTILE].name == HOSTILE
    assert repr(workers) == f"<Named of 1: {HOSTILE!r}>"
    assert "secret" not in workers._repr_html_() and "&lt;script" in workers._repr_html_()  # type: ignore[operator]
    queues = workspace.fetch_task_queues().result(30)
    assert all(queue.name in repr(queues) for queue in queues.values())


@pytest.mark.parametrize("kind", [Worker, Supervisor, Reservation, Task, OutgoingTransfer, Channel])
@pytest.mark.parametrize("method", ["on", "once"])
def test_help_lists_the_events(kind: Any, method: str) -> None:
    """``help(worker.on)`` has each event of its class with the argument of its callback."""
    text = inspect.getdoc(getattr(kind, method)) or ""
    listed = [line.strip() for line in text.partition("::\n")[2].splitlines() if line.strip()]
    assert listed == [f"{event}({argument})" for event, argument in sorted(kind._arguments.items())]
    assert {line.partition("(")[0] for line in listed} == events_of(kind)


def test_the_table_of_a_worker_is_complete() -> None:
    """It is written out, so it could lack one of the typed names."""
    assert events_of(Worker) == names(WorkerEvent)
