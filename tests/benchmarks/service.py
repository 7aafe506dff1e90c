"""The local TaskRouter through real sockets: lives of tasks, creation of tasks, what idle sessions cost, its size.

    python -m tests.benchmarks.service            (some two minutes)
    python -m tests.benchmarks.service --seconds 40 --sessions 500

The service is ``taskrouter local`` in a process of its own, in memory and with ``db=``. The workers are ``Worker``
objects in a second process, which accept and complete whatever they are offered; tasks are created from here through
REST. For lives the service has a core of its own: otherwise each event that wakes a Worker's thread may put that thread
in the place of the service. The figure that says most about the service is the CPU that it spends on each life.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.benchmarks.keeping import rate, request
from tests.chaos.attacks import session
from tests.chaos.peers import Target, service
from twilio_taskrouter_worker import Worker

CONNECTIONS = 8
"""How many connections create tasks."""


def task_message(target: Target) -> bytes:
    """The request that creates a task."""
    return request(target.facts, "POST", "/Tasks", 'Attributes={"order":4711}&WorkflowSid=' + target.workflow_sid)


# -- workers in a process of their own -----------------------------------------------------------------------------


def crowd(facts: dict[str, Any]) -> None:
    """Connect a Worker for each token and complete whatever comes; says when it is ready and when it is done."""
    left = facts["tasks"]
    lock, over = threading.Lock(), threading.Event()

    def completed(future: Any) -> None:
        nonlocal left
        future.result()
        with lock:
            left -= 1
            if not left:
                over.set()

    def offered(reservation: Any) -> None:
        def accepted(future: Any) -> None:
            future.result()
            reservation.task.complete("done").add_done_callback(completed)

        reservation.accept().add_done_callback(accepted)

    with ExitStack() as stack:
        for token in facts["tokens"]:
            worker = Worker(token, eb_server=facts["eb_server"], ws_server=facts["ws_server"])
            worker.on("reservation_created", offered)
            stack.enter_context(worker)
        print("ready", flush=True)
        over.wait()
        print("done", flush=True)
        sys.stdin.read()


@contextmanager
def crowd_of(target: Target, workers: int, tasks: int) -> Iterator[Callable[[], None]]:
    """A second process with so many workers; gives a function that waits until they have completed all tasks."""
    tokens = []
    for number in range(workers):
        form = {"FriendlyName": f"Crowd {number}", "ActivitySid": target.activities["Available"]}
        tokens.append(target.token_for(target.rest("POST", f"{target.workspace_url}/Workers", **form)["sid"]))
    command = [sys.executable, "-m", "tests.benchmarks.service", "--crowd"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps({**target.facts, "tokens": tokens, "tasks": tasks}) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n", "the workers did not connect"

        def wait() -> None:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n", "the workers did not complete everything"

        try:
            yield wait
        finally:
            process.stdin.close()
            process.wait(30)


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Keep this thread, and the processes that it starts meanwhile, on some cores; none stands for no limit."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# -- measurements --------------------------------------------------------------------------------------------------


async def create(target: Target, count: int) -> None:
    """Create so many tasks, on a few connections."""
    message, left = task_message(target), iter(range(count))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(*target.address)
        for _ in left:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 201"), head
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


@dataclass
class Lives:
    """Full lives of tasks, and what they took."""

    workers: int
    tasks: int
    seconds: float
    cpu: float
    """Seconds of the service's process."""
    created: float
    """Seconds until all tasks were created."""

    @property
    def rate(self) -> float:
        """Lives a second."""
        return self.tasks / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.rate:7.0f} lives/s with {self.workers} Workers; {1e6 * self.cpu / self.tasks:.0f} us of the"
            f" service's CPU on each ({100 * self.cpu / self.seconds:.0f} % busy); all were created after"
            f" {self.created:.1f} s"
        )


def lives(arguments: list[str], workers: int, tasks: int) -> Lives:
    """Full lives of tasks, with so many Workers in a second process."""
    # macOS has no such call.
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with ExitStack() as stack:
        with pinned(set(cores[:1])):
            target = stack.enter_context(service(*arguments))
        stack.enter_context(pinned(set(cores[1:] or cores)))
        wait = stack.enter_context(crowd_of(target, workers, tasks))
        cpu, begun = target.cpu(), time.perf_counter()
        asyncio.run(create(target, tasks))
        created = time.perf_counter() - begun
        wait()
        return Lives(workers, tasks, time.perf_counter() - begun, target.cpu() - cpu, created)


def creation(arguments: list[str], seconds: float) -> str:
    """Tasks created a second through REST, on several connections."""
    with service(*arguments) as target:
        cpu = target.cpu()
        found = asyncio.run(rate(target.facts, task_message(target), CONNECTIONS, seconds))
        return f"{found:7.0f} tasks created/s; {1e6 * (target.cpu() - cpu) / (found * seconds):.0f} us of CPU on each"


def idle(sessions: int, seconds: float) -> str:
    """What open sessions cost while nothing happens but heartbeats."""
    with service() as target:
        before = target.memory()
        held = [session(target, target.worker_sid) for _ in range(sessions)]
        try:
            occupied, cpu = target.memory(), target.cpu()
            time.sleep(seconds)  # what is measured
            percent = 100 * (target.cpu() - cpu) / seconds
        finally:
            for connection in held:
                connection.close()
        return (
            f"{percent:7.2f} % of a core for {sessions} idle sessions over {seconds:.0f} s;"
            f" {1024 * (occupied - before) / max(1, sessions):.0f} KB each"
        )


def size(workers: int, tasks: int) -> str:
    """The memory of a service that has so many workers and waiting tasks."""
    with service() as target:
        before = target.memory()
        worker = 'Attributes={"languages":["en","de"],"level":3}&FriendlyName='
        with requests.Session() as http:
            http.auth = (target.account_sid, target.auth_token)
            http.headers["Content-Type"] = "application/x-www-form-urlencoded"
            for number in range(workers):
                http.post(f"{target.workspace_url}/Workers", f"{worker}W{number}", timeout=10).raise_for_status()
        asyncio.run(create(target, tasks))
        return f"{target.memory():7.0f} MB with {workers} workers and {tasks} tasks; {before:.0f} MB with none"


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.service", description=about)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=3000, help="lives to measure")
    parser.add_argument("--seconds", type=float, default=30.0, help="of idleness; a sixth of it for creation")
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--kept", type=int, default=10_000, help="tasks that wait, and a tenth as many workers")
    parser.add_argument("--crowd", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.crowd:
        crowd(json.loads(sys.stdin.readline()))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for name, keep in (("in memory", False), ("with db=", True)):
            files = iter((os.path.join(folder, "lives.db"), os.path.join(folder, "creation.db")))
            print(f"{name:<10}{lives(['--db', next(files)] if keep else [], given.workers, given.tasks)}", flush=True)
            print(f"{name:<10}{creation(['--db', next(files)] if keep else [], given.seconds / 6)}", flush=True)
    print(f"{'':<10}{idle(given.sessions, given.seconds)}", flush=True)
    print(f"{'':<10}{size(given.kept // 10, given.kept)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
