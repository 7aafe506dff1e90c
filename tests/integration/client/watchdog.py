"""A watchdog over threads: what hangs fails the test, and shows where."""

from __future__ import annotations

import faulthandler
import tempfile
import threading
import time
from collections.abc import Callable, Sequence


def stacks() -> str:
    """Where every thread is now."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


def run_all(jobs: Sequence[Callable[[], object]], timeout: float = 60.0) -> list[object]:
    """Run the jobs at once, each on a thread of its own, and give their results in order.

    The first exception of a job is raised. A job that is not over after ``timeout`` seconds raises AssertionError with
    the stacks of all threads.
    """
    results: list[object] = [None] * len(jobs)
    failures: list[BaseException] = []
    together = threading.Barrier(len(jobs))

    def run(number: int, job: Callable[[], object]) -> None:
        try:
            together.wait(timeout)
            results[number] = job()
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(number, job), name=f"tool-job-{number}", daemon=True)
        for number, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    hanging = [thread.name for thread in threads if thread.is_alive()]
    if hanging:
        raise AssertionError(f"{', '.join(hanging)} hang\n{stacks()}")
    if failures:
        raise failures[0]
    return results
