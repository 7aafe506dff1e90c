"""The time machine: views of random moments of a long journal, and forks of a service that is at work.

    python -m tests.benchmarks.moments
    python -m tests.benchmarks.moments --entries 20000 --file

Fills a router's journal with lives of tasks (created, accepted, completed), then makes views of random moments, and
forks of the present one. While a fork is made, another thread keeps asking the service: its longest wait is for how
long the fork holds the service up. On a busy machine the seconds of the processor say more than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from twilio_taskrouter_worker.local import Clock, LocalTaskRouter
from twilio_taskrouter_worker.local.engine import commands
from twilio_taskrouter_worker.local.server.service import Service

AT_ONCE = 100
"""Lives in one call of the service's thread."""


Times = list[tuple[float, float]]
"""By the clock and by the processor."""


def fill(router: LocalTaskRouter, entries: int, tasks: int) -> float:
    """Live until the journal has so many entries, and return the seconds; ``tasks`` are kept in the workspace."""
    where: dict[str, Any] = {"workspace_sid": router.workspace_sid}
    # Ended tasks are kept for five minutes.
    gap = 300 / tasks

    def live(service: Service) -> int:
        for number in range(AT_ONCE):
            attributes = json.dumps({"customer": f"+1555{number:07}", "language": "de", "kind": "support"})
            task = service.execute(commands.CreateTask(**where, attributes=attributes))
            for reservation in service.engine.reservations(**where, task_sid=task.sid):
                for status in ("accepted", "completed"):
                    service.execute(commands.UpdateReservation(**where, sid=reservation.sid, reservation_status=status))
        return service.committer.journal().count

    begun = time.perf_counter()
    while router._ask_service(live) < entries:
        router.clock.advance(AT_ONCE * gap)
    return time.perf_counter() - begun


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long a function takes, and how much of that the process was at work."""
    begun = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def longest_wait(router: LocalTaskRouter, work: Callable[[], object]) -> tuple[float, float]:
    """The longest time for which the service did not answer while a function ran."""
    ended, waits = threading.Event(), [(0.0, 0.0)]

    def ask() -> None:
        while not ended.is_set():
            waits.append(seconds(lambda: router._ask(lambda engine: engine.now)))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        work()
    finally:
        ended.set()
        thread.join()
    return max(waits)


def figures(name: str, values: Times) -> str:
    """One line with the middle and the worst of some times."""
    texts = []
    for kind, times in zip(("clock", "processor"), zip(*values, strict=True), strict=True):
        texts.append(f"{kind}: median {1000 * statistics.median(times):>5.0f} ms, worst {1000 * max(times):>5.0f} ms")
    return f"{name:<28}  {'   '.join(texts)}"


def measure(given: argparse.Namespace) -> Iterator[tuple[str, Times]]:
    """Fill a journal, and give the times of each kind of question."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as forks:
        db = os.path.join(folder, "state.db") if given.file else None
        router = forks.enter_context(LocalTaskRouter(seed=1, db=db, clock=Clock.virtual(1_800_000_000.0)))
        for number in range(given.workers):
            router.add_worker(f"W{number}", activity="Available")
        took = fill(router, given.entries, given.tasks)
        count = router.history().last
        print(f"{count} entries, {len(router.tasks())} tasks, {1e6 * took / count:.0f} us an entry", flush=True)
        chance = random.Random(1)
        moments = [chance.randint(0, count) for _ in range(given.views)]

        def fork(moment: int | None = None) -> None:
            forks.enter_context(router.fork(moment))

        again = range(given.forks)
        yield "view of a random moment", [seconds(partial(router.at, moment)) for moment in moments]
        yield "fork of the present", [seconds(fork) for _ in again]
        yield "longest wait for the service", [longest_wait(router, fork) for _ in again]
        yield "fork of a random moment", [seconds(partial(fork, moment)) for moment in moments[: given.forks]]
        yield "all moments of the journal", [seconds(lambda: deque(router.history(), maxlen=0))]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The numbers that can be changed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.moments", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=1000, help="how many are in the workspace at any time")
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("--file", action="store_true", help="with db=, in a folder for temporary files")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    for name, times in measure(options(arguments)):
        print(figures(name, times), flush=True)
    print(f"largest size of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
