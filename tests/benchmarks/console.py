"""The console's page in Chromium: script time of each frame, memory and elements, while the service is busy.

    python -m tests.benchmarks.console            (some two minutes)
    python -m tests.benchmarks.console --seconds 10 --workers 50 --tasks 500
    python -m tests.benchmarks.console --minutes 60      (memory only, once a minute)

The service has 500 workers and 5,000 tasks, and 200 changes a second, each of which is one event or more. For each view
Chromium's trace is taken. The script time of a frame is the sum of the outermost script of the page's main thread
(messages, animation frames, timers) since the end of the frame before it; as CPU time it does not depend on the load of
the machine. Memory and elements are counted after a garbage collection, at the beginning and the end of each view.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from bisect import bisect
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from tests.integration.local.console.chromium import ConsolePage, console_page
from tests.tools.browser import launched
from twilio_taskrouter_worker.local import LocalTaskRouter

VIEWS = ("now", "tasks", "tasks with a search", "task that waits", "inspector")
_CATEGORIES = ["devtools.timeline"]
_SCRIPT = frozenset({"FunctionCall", "FireAnimationFrame", "EventDispatch", "TimerFire", "RunMicrotasks"})
_FRAME = "AnimationFrame"
_LIMIT = 16.0  # milliseconds of script in a frame


def plant(router: LocalTaskRouter, workers: int, tasks: int) -> str:
    """Fill a router, and return the sid of a task that waits for longest.

    Args:
        router: The router, whose clock runs.
        workers: Number of workers, every second one available.
        tasks: Number of tasks.
    """
    for number in range(workers):
        activity = "Available" if number % 2 else "Offline"
        router.add_worker(f"Worker {number:03}", attributes={"level": number % 10}, activity=activity)
    router.add_queue("Experts", target_workers="level > 10")
    workflow = router.workflow_sid
    router.add_workflow("Experts", queue="Experts")
    waiting = router.create_task({"order": 0}, workflow="Experts")
    for number in range(1, tasks):
        router.create_task({"order": number, "city": ("Lima", "Oslo")[number % 2]}, workflow=workflow)
    return waiting


@contextmanager
def changes(router: LocalTaskRouter, rate: float, workers: int) -> Iterator[None]:
    """Change workers and tasks at a rate, from a thread of its own.

    Args:
        router: The router.
        rate: Changes per second.
        workers: Number of workers.
    """
    stopping = threading.Event()
    sids = deque(task.sid for task in router.tasks() if task.assignment_status == "pending")
    workflow = router.workflow_sid

    def change(number: int) -> None:
        kind = number % 4
        if kind == 0:
            sids.append(router.create_task({"order": number, "city": "Lima"}, workflow=workflow))
        elif kind == 1:
            router.cancel_task(sids.popleft())
        else:
            name = f"Worker {number * 2 % workers:03}"  # of those that are not available, so that the load stays
            router.set_activity(name, "Unavailable" if number // workers % 2 else "Offline")

    def run() -> None:
        begun = time.monotonic()
        for number in count():
            if stopping.wait(max(0.0, begun + number / rate - time.monotonic())):
                return
            change(number)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def show(console: ConsolePage, view: str, waiting: str) -> None:
    """Go to a view."""
    console.go({"task that waits": f"tasks/{waiting}"}.get(view, view.split()[0]))
    if "search" in view:
        console.page.get_by_label("Search tasks").fill("lima")


def frames(trace: bytes) -> tuple[list[float], list[float]]:
    """Return the script of each frame in milliseconds, as elapsed time and as CPU time.

    Args:
        trace: Chromium's trace, as JSON.
    """
    events = json.loads(trace)["traceEvents"]
    ends = [event for event in events if event["name"] == _FRAME and event["ph"] == "e"]
    # None at all, where the machine had no time for one.
    main = next(((event["pid"], event["tid"]) for event in ends), None)
    frame_ends = sorted(event["ts"] for event in ends)
    script = [
        event
        for event in events
        if event["name"] in _SCRIPT and event["ph"] == "X" and (event["pid"], event["tid"]) == main
    ]
    # One more for the script after the last frame.
    elapsed, cpu = [0.0] * (len(frame_ends) + 1), [0.0] * (len(frame_ends) + 1)
    for event in outermost(script):
        frame = bisect(frame_ends, event["ts"])
        elapsed[frame] += event["dur"] / 1000
        cpu[frame] += event.get("tdur", event["dur"]) / 1000
    return elapsed, cpu


def outermost(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Leave out the events that are within another one."""
    end = 0.0
    for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
        if event["ts"] >= end:
            end = event["ts"] + event["dur"]
            yield event


def percentile(values: list[float], part: float) -> float:
    """Return the value below which a part of the values is."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def memory(session: Any) -> tuple[float, int]:
    """Return the page's heap in MB, and the number of its elements, after a collection."""
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    return used, session.send("Memory.getDOMCounters")["nodes"]


def measure(browser: Any, console: ConsolePage, view: str, waiting: str, seconds: float) -> None:
    """Take the trace of a view, and print its figures."""
    session = console.page.context.new_cdp_session(console.page)
    show(console, view, waiting)
    console.page.wait_for_timeout(1500)  # the first sight of the view is not measured
    heap, nodes = memory(session)
    browser.start_tracing(page=console.page, categories=_CATEGORIES)
    console.page.wait_for_timeout(seconds * 1000)
    elapsed, cpu = frames(browser.stop_tracing())
    later_heap, later_nodes = memory(session)
    session.detach()
    busy = [each for each in cpu if each > 0.05]
    over = sum(each > _LIMIT for each in cpu)
    print(
        f"{view:20} {len(cpu):5} frames, {len(busy):4} with script; CPU ms: median {percentile(busy, 0.5):5.2f}"
        f"  95 % {percentile(busy, 0.95):5.2f}  99 % {percentile(busy, 0.99):5.2f}  max {max(cpu, default=0):5.2f}"
        f"  (elapsed max {max(elapsed, default=0):5.2f}); over {_LIMIT:g} ms: {over};"
        f" heap {heap:.1f} -> {later_heap:.1f} MB, nodes {nodes} -> {later_nodes}",
        flush=True,
    )


def watch(console: ConsolePage, waiting: str, minutes: float) -> None:
    """Go through all views again and again, and print once a minute what the page takes."""
    session = console.page.context.new_cdp_session(console.page)
    begun = time.monotonic()
    while (passed := (time.monotonic() - begun) / 60) < minutes:
        for view in VIEWS:
            show(console, view, waiting)
            console.page.wait_for_timeout(60_000 / len(VIEWS))
        heap, nodes = memory(session)
        print(f"{passed + 1:5.1f} min  heap {heap:.1f} MB, nodes {nodes}", flush=True)


def main() -> None:
    """Measure each view, or the memory over a long time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--minutes", type=float, help="watch the page's memory for this long instead")
    options = parser.parse_args()
    with launched() as browser, LocalTaskRouter() as router, console_page(browser, router) as console:
        waiting = plant(router, options.workers, options.tasks)
        console.open()
        with changes(router, options.rate, options.workers):
            if options.minutes is not None:
                watch(console, waiting, options.minutes)
                return
            for view in VIEWS:
                measure(browser, console, view, waiting, options.seconds)


if __name__ == "__main__":
    main()
