"""Handlers on a Dask cluster: its executor runs them in its processes, and a process that dies costs nothing."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from tests.tools import handlers
from tests.tools.wait import eventually
from tests.tools.workers import add_alice, becomes, errors_of, new_worker
from twilio_taskrouter_worker import ReservationHandle
from twilio_taskrouter_worker.local import LocalTaskRouter

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install distributed")

pytestmark = pytest.mark.timeout(240)

SOON = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Give a client of a cluster of four processes on this machine."""
    with (
        distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    """Give the sid of a worker who takes four tasks at a time."""
    return add_alice(router, 4)


def test_serve_on_dask(router: LocalTaskRouter, alice: str, cluster: Any) -> None:
    """Each reservation is handled once, in the cluster's processes, and its task completed by the handler's value."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.serve(handlers.where, concurrency=4, executor=cluster.get_executor())
    with worker:
        tasks = [router.create_task(attributes={"order": order}) for order in range(12)]
        reasons = [becomes(router, task, "completed").reason.split() for task in tasks]
    assert [reason[1:] for reason in reasons] == [["accepted", str(order)] for order in range(12)]
    assert len({reason[0] for reason in reasons}) > 1, "all ran in one process"
    assert errors == []


def test_callbacks_on_dask(router: LocalTaskRouter, alice: str, cluster: Any, tmp_path: Path) -> None:
    """Closures travel; equal events are different calls, which Dask would else run once; decisions are carried out."""
    worker = new_worker(router, alice)
    folder, errors = str(tmp_path), errors_of(worker)
    executor: Executor = cluster.get_executor()

    @worker.on("reservation_created", executor=executor)
    def decide(handle: ReservationHandle) -> str:
        return f"order {handle.snapshot['task']['attributes']['order']}"

    worker.on("connected", lambda: handlers.note(folder, "connected"), executor=executor)
    with worker:
        tasks = [router.create_task(attributes={"order": order}) for order in range(4)]
        assert [becomes(router, task, "completed").reason for task in tasks] == [f"order {n}" for n in range(4)]
    with worker:
        eventually(lambda: len(list(tmp_path.iterdir())) == 2, SOON)
    assert errors == []


def test_a_process_that_dies(router: LocalTaskRouter, alice: str, cluster: Any, tmp_path: Path) -> None:
    """Its handlers are given to another process, and each decision is carried out once."""
    worker = new_worker(router, alice)
    errors = errors_of(worker)
    worker.serve(
        functools.partial(handlers.die_at_first, str(tmp_path)), concurrency=2, executor=cluster.get_executor()
    )
    completed: Counter[str] = Counter()

    @worker.on("reservation_created")
    def watch(reservation: Any) -> None:
        reservation.on("completed", lambda ended: completed.update([ended.task.sid]))

    with worker:
        tasks = [router.create_task() for _ in range(2)]
        assert [becomes(router, task, "completed").reason for task in tasks] == ["second run"] * 2
        eventually(lambda: completed == Counter(tasks), SOON, lambda: f"{completed}")
    assert len(router.reservations()) == 2
    assert errors == []


def test_handlers_that_cannot_be_sent_to_dask(router: LocalTaskRouter, alice: str, cluster: Any) -> None:
    """A closure that holds a lock is an error that names the callback; the reservation stays."""
    worker = new_worker(router, alice)
    errors, lock = errors_of(worker), threading.Lock()
    executor: Executor = cluster.get_executor()

    @worker.on("reservation_created", executor=executor)
    def locked(handle: ReservationHandle) -> None:
        with lock:
            pass

    with worker:
        router.create_task()
        eventually(lambda: errors, SOON)
        assert "ClientExecutor did not run the callback" in errors[0].message and "locked" in errors[0].message
        assert [each.status for each in worker.reservations.values()] == ["pending"]


def test_an_executor_of_dask_that_was_shut_down(router: LocalTaskRouter, alice: str, cluster: Any) -> None:
    """It is an error, and the reservation stays accepted where on_error says so."""
    worker = new_worker(router, alice)
    errors, executor = errors_of(worker), cluster.get_executor()
    executor.shutdown()
    worker.serve(handlers.where, on_error="leave", executor=executor)
    with worker:
        task = router.create_task(attributes={"order": 1})
        eventually(lambda: errors, SOON)
        assert "ClientExecutor did not run the callback tests.tools.handlers.where" in errors[0].message
        assert becomes(router, task, "assigned")
