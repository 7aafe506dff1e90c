"""Handlers on executors: how many tasks a second one Worker completes, and what each executor adds to that.

    python -m tests.benchmarks.executors                   (own threads, a thread pool, processes; Dask where installed)
    python -m tests.benchmarks.executors --tasks 400 --heavy 20

The service is ``taskrouter local`` in a process of its own. One Worker with 8 handlers at once completes the tasks; the
handler does nothing, or takes ``--heavy`` milliseconds of processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib.util
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

from tests.benchmarks.service import create
from tests.chaos.peers import Target, service
from twilio_taskrouter_worker import Worker

CONCURRENCY = 8
PROCESSES = 2
SECONDS = 120.0


def handle(milliseconds: float, given: Any) -> str:
    """Take this much processor time."""
    until = time.thread_time() + milliseconds / 1000
    while time.thread_time() < until:
        pass
    return "done"


@contextmanager
def dask() -> Iterator[Executor]:
    """Give the executor of a cluster with as many processes."""
    from distributed import Client, LocalCluster

    settings: dict[str, Any] = {"n_workers": PROCESSES, "threads_per_worker": 1, "dashboard_address": None}
    with (
        LocalCluster(**settings) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def measure(target: Target, executor: Executor | None, tasks: int, milliseconds: float) -> float:
    """Return the tasks a second."""
    form = {"FriendlyName": f"Busy {time.time_ns()}", "ActivitySid": target.activities["Available"]}
    sid = target.rest("POST", f"{target.workspace_url}/Workers", **form)["sid"]
    target.rest("POST", f"{target.workspace_url}/Workers/{sid}/Channels/default", Capacity=str(CONCURRENCY))
    worker = Worker(target.token_for(sid), eb_server=target.eb_server, ws_server=target.ws_server)
    left, done = threading.Semaphore(0), functools.partial(handle, milliseconds)
    worker.on("reservation_created", lambda each: each.on("completed", lambda _: left.release()))
    worker.serve(done, concurrency=CONCURRENCY, executor=executor)
    with worker:
        begun = time.perf_counter()
        asyncio.run(create(target, tasks))
        for _ in range(tasks):
            assert left.acquire(timeout=SECONDS), "the tasks were not completed"
        seconds = time.perf_counter() - begun
        worker.set_activity("Offline").result(SECONDS)
    return tasks / seconds


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--heavy", type=float, default=20.0, help="milliseconds that a heavy handler computes")
    chosen = parser.parse_args(arguments)
    spawn = multiprocessing.get_context("spawn")
    kinds: dict[str, Any] = {
        "threads of the Worker": nullcontext,
        "ThreadPoolExecutor": lambda: ThreadPoolExecutor(CONCURRENCY),
        "ProcessPoolExecutor": lambda: ProcessPoolExecutor(PROCESSES, spawn),
    }
    if importlib.util.find_spec("distributed") is not None:
        kinds["Dask"] = dask
    with service() as target:
        for name, make in kinds.items():
            with make() as executor:
                # The processes start with the first tasks.
                measure(target, executor, PROCESSES, 0.0)
                light, heavy = (measure(target, executor, chosen.tasks, each) for each in (0.0, chosen.heavy))
            print(
                f"{name:24s} {light:7.1f} tasks/s   with {chosen.heavy:g} ms of work: {heavy:7.1f} tasks/s", flush=True
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
