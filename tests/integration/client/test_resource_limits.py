"""At the edge of real limits of the system: the client says what is missing, recovers, and does nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from twilio_taskrouter_worker.local import LocalTaskRouter

ROOT = Path(__file__).resolve().parents[3]

COMMON = """
import json, os, resource, sys, threading
from twilio_taskrouter_worker import TaskRouterError, Worker

token, connection = json.loads(sys.argv[1])
worker = Worker(token, **connection, request_timeout=60)
served, failed, ready = [], threading.Event(), threading.Event()
done = threading.Event()

@worker.on("reservation_created")
def serve(reservation):
    reservation.accept().result(60)
    reservation.task.complete("done").result(60)
    served.append(reservation.task.sid)
    done.set()

worker.connect(60)
"""

DESCRIPTORS = (
    COMMON
    + """
@worker.on("error")
def error(error):
    print("error:", error, flush=True)
    failed.set()

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
# No new descriptor at all: also not the number that the lost connection gives back.
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
print("limited", flush=True)
assert failed.wait(60)
worker.on("ready", lambda worker: ready.set())
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert ready.wait(60)
print("ready", flush=True)
assert done.wait(60)
print("served", len(served), flush=True)
worker.disconnect()
"""
)

MEMORY = (
    COMMON
    + """
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
# Room for what is small; a thread's stack is not.
resource.setrlimit(resource.RLIMIT_AS, (used + 2 * 1024 * 1024, hard))
futures, refused = [], 0
for number in range(40):
    try:
        futures.append(worker.fetch_latest_version())
    except (TaskRouterError, MemoryError):
        refused += 1
for future in futures:
    future.exception(60)
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
print("limited", flush=True)
assert worker.set_attributes({"n": 1}).result(60) is worker
print("ready", flush=True)
assert done.wait(60)
print("served", len(served), flush=True)
worker.disconnect()
"""
)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads the process's own limits from /proc")
@pytest.mark.parametrize("program", [DESCRIPTORS, MEMORY], ids=["descriptors", "memory"])
def test_a_shortage_passes(program: str) -> None:
    """Without a descriptor for a socket, or memory for a thread, nothing dies: when there is some again, it goes on."""
    with LocalTaskRouter() as router:
        router.add_worker("Alice", activity="Available")
        facts = json.dumps([router.token("Alice"), router.connection])
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, facts],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout is not None and client.stderr is not None
            try:
                assert client.stdout.readline() == "limited\n"
                if program is DESCRIPTORS:
                    router.faults.drop(router.worker("Alice").sid)
                    said = client.stdout.readline()
                    assert "Too many open files" in said or "descriptor" in said, said
                while (line := client.stdout.readline()) and line != "ready\n":
                    pass
                task = router.create_task({"n": 1})
                assert client.stdout.readline() == "served 1\n"
                assert client.wait(60) == 0, client.stderr.read()
            finally:
                client.kill()
        assert router.task(task).assignment_status == "completed"
        assert len(router.reservations(task_sid=task)) == 1
