"""Many Workers in one process: how long until all are ready, bursts of as many tasks, and how long until all are gone.

    python -m tests.benchmarks.many                           (100 Workers, then 1,000; about a minute)
    python -m tests.benchmarks.many --workers 100 300 1000 --bursts 4

The service is ``taskrouter local`` in a process of its own. The Workers are connected side by side in a second one.
Each burst creates one task for each Worker, and ends when every task is accepted and completed; what counts is the time
of a burst divided by its tasks, and how it grows with the number of Workers: the goal is at most twice from 100 to
1,000.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.service import create
from tests.chaos.peers import Target, service
from twilio_taskrouter_worker import Worker

SECONDS = 300.0
"""After which a burst counts as stuck."""


def crowd(facts: dict[str, Any]) -> None:
    """Connect a Worker for each token, and complete all that comes: a line for each step, on stdout."""
    left, lock, served = 0, threading.Lock(), threading.Event()

    def completed(future: Any) -> None:
        nonlocal left
        future.result()
        with lock:
            left -= 1
            if not left:
                served.set()

    def offered(reservation: Any) -> None:
        def accepted(future: Any) -> None:
            future.result()
            reservation.task.complete("done").add_done_callback(completed)

        reservation.accept().add_done_callback(accepted)

    begun = time.perf_counter()
    workers = [Worker(token, eb_server=facts["eb_server"], ws_server=facts["ws_server"]) for token in facts["tokens"]]
    for worker in workers:
        worker.on("reservation_created", offered)
    starting = [worker.start() for worker in workers]
    for future in starting:
        future.result(SECONDS)
    say("ready", time.perf_counter() - begun)
    for _ in range(facts["bursts"]):
        left = len(workers)
        served.clear()
        say("armed", 0.0)
        if not served.wait(SECONDS):
            raise SystemExit(f"{left} tasks of a burst were not served within {SECONDS} s")
        say("served", 0.0)
    begun = time.perf_counter()
    for worker in workers:
        worker.disconnect()
    say("gone", time.perf_counter() - begun)


def say(step: str, seconds: float) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    facts = {"step": step, "seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}
    print(json.dumps({**facts, "threads": threading.active_count()}), flush=True)


@contextmanager
def crowd_of(target: Target, workers: int, bursts: int) -> Iterator[Any]:
    """A second process with these Workers; gives a function that reads its next step."""
    form = {"ActivitySid": target.activities["Available"]}
    tokens = [
        target.token_for(
            target.rest("POST", f"{target.workspace_url}/Workers", FriendlyName=f"Crowd {number}", **form)["sid"]
        )
        for number in range(workers)
    ]
    command = [sys.executable, "-m", "tests.benchmarks.many", "--crowd"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        output = process.stdout
        process.stdin.write(json.dumps({**target.facts, "tokens": tokens, "bursts": bursts}) + "\n")
        process.stdin.close()

        def step(expected: str) -> dict[str, Any]:
            facts: dict[str, Any] = json.loads(output.readline() or '{"step": "the end"}')
            assert facts["step"] == expected, f"expected {expected!r}, and it said {facts}"
            return facts

        yield step
        process.wait(30)


def measure(workers: int, bursts: int) -> float:
    """Print what this number of Workers does; gives the milliseconds for each task of a burst."""
    with service() as target, crowd_of(target, workers, bursts) as step:
        ready = step("ready")
        times, cpu = [], 0.0
        for _ in range(bursts):
            armed = step("armed")
            begun = time.perf_counter()
            asyncio.run(create(target, workers))
            served = step("served")
            times.append(1e3 * (time.perf_counter() - begun) / workers)
            cpu += 1e3 * (served["cpu"] - armed["cpu"]) / workers
        gone = step("gone")
    print(
        f"{workers:6d} Workers  ready after {ready['seconds']:6.2f} s  {ready['threads']:5d} threads "
        f"{ready['mb']:6.0f} MB  {statistics.median(times):7.2f} ms a task (slowest burst {max(times):.2f}), "
        f"{cpu / bursts:.2f} ms of CPU  gone after {gone['seconds']:6.2f} s",
        flush=True,
    )
    return statistics.median(times)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--bursts", type=int, default=4)
    parser.add_argument("--crowd", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.crowd:
        crowd(json.loads(sys.stdin.readline()))
        return 0
    times = [measure(workers, chosen.bursts) for workers in chosen.workers]
    if len(times) > 1:
        print(f"a task with {chosen.workers[-1]} Workers costs {times[-1] / times[0]:.2f} times one with "
              f"{chosen.workers[0]} (goal: at most 2)")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
