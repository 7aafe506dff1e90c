"""What is open when a worker becomes ready: listeners with ``existing=True`` hear of it, each of them once."""

from __future__ import annotations

import threading

from tests.tools.wait import eventually
from tests.tools.workers import leave_open, new_worker
from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter


class Heard:
    """A callback that notes status and task of each reservation it gets."""

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        self.calls = 0

    def __call__(self, reservation: Reservation) -> None:
        self.calls += 1
        self.statuses[reservation.task.sid] = reservation.status


def test_reservations_open_at_the_first_ready(router: LocalTaskRouter, alice: str) -> None:
    """Each open reservation is given after ``ready``, whatever its status; what is created later follows, once."""
    expected = leave_open(router, alice)
    worker = new_worker(router, alice)
    order: list[str] = []
    heard, plain = Heard(), Heard()
    worker.on("ready", lambda worker: order.append("ready"))
    worker.on("reservation_created", lambda reservation: order.append("existing"), existing=True)
    worker.on("reservation_created", heard, existing=True)
    worker.on("reservation_created", plain)
    with worker:
        eventually(lambda: heard.calls == 3)
        assert heard.statuses == expected
        assert order == ["ready", "existing", "existing", "existing"]
        for reservation in worker.reservations.values():
            (reservation.complete if reservation.status != "pending" else reservation.reject)().result(30)
        eventually(lambda: plain.calls >= 1 and heard.calls == 3 + plain.calls)


def test_a_worker_that_is_ready_already(router: LocalTaskRouter, alice: str) -> None:
    """A listener that comes late, as in a notebook, gets what is open now, on the dispatch thread."""
    expected = leave_open(router, alice)
    threads: list[str] = []
    heard = Heard()
    with new_worker(router, alice) as worker:
        worker.on("reservation_created", heard, existing=True)
        worker.on("reservation_created", lambda _: threads.append(threading.current_thread().name), existing=True)
        eventually(lambda: heard.calls == 3 and len(threads) == 3)
        assert heard.statuses == expected
        assert set(threads) == {f"taskrouter-worker-{alice}-dispatch"}


def test_only_the_first_one(router: LocalTaskRouter, alice: str) -> None:
    """``once`` with ``existing`` gets one of those that are open, and no more."""
    leave_open(router, alice)
    heard, all_ = Heard(), Heard()
    worker = new_worker(router, alice)
    worker.once("reservation_created", heard, existing=True)
    worker.on("reservation_created", all_, existing=True)
    with worker:
        eventually(lambda: all_.calls == 3)
    assert heard.calls == 1


def test_a_reconnection_announces_nothing_twice(router: LocalTaskRouter, alice: str) -> None:
    """After a lost connection only what came meanwhile is announced."""
    leave_open(router, alice)
    heard = Heard()
    worker = new_worker(router, alice)
    worker.on("reservation_created", heard, existing=True)
    ready: list[Worker] = []
    worker.on("ready", ready.append)
    with worker:
        eventually(lambda: heard.calls == 3)
        router.faults.drop(alice)
        eventually(lambda: len(ready) == 2)
    assert heard.calls == 3


def test_connected_again(router: LocalTaskRouter, alice: str) -> None:
    """After disconnect() and connect() all that is open is given again, and what came meanwhile only once."""
    heard, plain = Heard(), Heard()
    worker = new_worker(router, alice)
    worker.on("reservation_created", heard, existing=True)
    worker.on("reservation_created", plain)
    router.create_task()
    with worker:
        eventually(lambda: heard.calls == 1)
        assert plain.calls == 0
    second = router.create_task()
    with worker:
        eventually(lambda: heard.calls == 3)
        worker.fetch_latest_version().result(30)
    assert heard.calls == 3
    assert list(plain.statuses) == [second]


def test_a_handler_that_is_defined_again(router: LocalTaskRouter, alice: str) -> None:
    """The new version takes over what is open, and the old one is called no more."""
    cell = "@worker.on('reservation_created', existing=True)\ndef serve(reservation):\n    calls.append(version)\n"
    calls: list[int] = []
    scope = {"calls": calls, "__name__": "__main__"}
    with new_worker(router, alice) as worker:
        router.create_task()
        eventually(lambda: worker.reservations)
        for version in (1, 2):
            exec(cell, scope | {"worker": worker, "version": version})
            eventually(lambda version=version: calls[-1:] == [version])  # type: ignore[misc]
        router.create_task()
        eventually(lambda: len(calls) == 3)
        assert calls == [1, 2, 2]
        assert [each.__name__ for each in worker.listeners()["reservation_created"]] == ["serve"]
