"""One process of a machine connects a worker: waiting, failing, taking over, and forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import AlreadyConnectedError, ConnectTimeoutError, Single, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

PATIENCE = 60.0
"""Seconds that anything may take on a loaded machine."""

HOLDER = """
import os, sys, time
from twilio_taskrouter_worker import Worker
token, eb_server, path, fork = sys.argv[1:]
worker = Worker(token, eb_server=eb_server, single=path)
worker.connect(60)
if fork and os.fork() == 0:
    # A child that outlives its parent, as a web server's may.
    os.close(1)
    time.sleep(60)
    os._exit(0)
print("connected", flush=True)
sys.stdin.readline()
worker.disconnect()
"""


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    """The sid of a worker."""
    return router.add_worker("Alice", activity="Available")


def single(router: LocalTaskRouter, sid: str, lock: Any, **options: Any) -> Worker:
    """A worker of this process, not connected yet."""
    return Worker(router.token(sid), single=lock, **options, **router.connection)


@contextmanager
def holder(router: LocalTaskRouter, sid: str, path: Path, *, fork: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Another process that has connected the worker; killed at the end at the latest, with its children."""
    arguments = [router.token(sid), router.connection["eb_server"], str(path), "fork" if fork else ""]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLDER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)


def test_a_lock_that_is_free(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """The worker connects, again and again, and the file says which process it is; nothing is left running."""
    path = tmp_path / "alice.lock"
    with no_leftover_threads(PATIENCE):
        worker = single(router, alice, path)
        for _ in range(2):
            with worker:
                assert worker.ready
                assert path.read_text() == f"{os.getpid()}\n"
                assert path.stat().st_mode & 0o777 == 0o600


def test_two_workers_of_one_process(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """The lock is the worker's, not the process's: the second one waits until the first one is disconnected."""
    first, second = (single(router, alice, str(tmp_path / "lock")) for _ in range(2))
    with first:
        ready = second.start()
        assert router.open_sessions(alice) == 1
        assert not ready.done() and second.health().running and not second.health().connected
    try:
        assert ready.result(PATIENCE) is second
    finally:
        second.disconnect()


def test_who_does_not_wait(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """connect(), start() and run_forever() raise at once, with the process and the file."""
    path = tmp_path / "lock"
    with holder(router, alice, path) as process:
        worker = single(router, alice, Single(path, wait=False))
        for attempt in (worker.connect, worker.start, worker.run_forever):
            with pytest.raises(AlreadyConnectedError) as refused:
                attempt()
            assert f"process {process.pid}" in str(refused.value) and str(path) in str(refused.value)
        assert not worker.health().running and router.open_sessions(alice) == 1


def test_waiting_has_an_end(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """connect() waits for the lock as for everything else, and says what it waited for; disconnect() ends the wait."""
    path = tmp_path / "lock"
    with holder(router, alice, path) as process, no_leftover_threads(PATIENCE):
        worker = single(router, alice, path)
        with pytest.raises(ConnectTimeoutError, match=f"waited for process {process.pid}, which holds the lock file"):
            worker.connect(0.3)
        ready = worker.start()
        worker.disconnect()
        assert ready.exception(PATIENCE) is not None


@pytest.mark.parametrize("fork", [False, True], ids=["alone", "with a child that lives on"])
def test_taking_over(router: LocalTaskRouter, alice: str, tmp_path: Path, fork: bool) -> None:
    """When the holder is killed, the one that waits connects, also where a forked child of the holder is left."""
    path = tmp_path / "lock"
    with holder(router, alice, path, fork=fork) as process:
        worker = single(router, alice, path)
        ready = worker.start()
        process.kill()
        try:
            assert ready.result(PATIENCE).ready
            assert path.read_text() == f"{os.getpid()}\n"
            assert worker.health().connections == 1
        finally:
            worker.disconnect()


def test_a_graceful_end_hands_over(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """So it does when the holder disconnects."""
    path = tmp_path / "lock"
    with holder(router, alice, path) as process:
        worker = single(router, alice, path)
        ready = worker.start()
        assert process.stdin is not None
        process.stdin.write("end\n")
        process.stdin.flush()
        try:
            assert ready.result(PATIENCE).ready
        finally:
            worker.disconnect()


def test_only_one_of_many(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """Of eight that start at once, one is connected at any time, and each has its turn."""
    workers = [single(router, alice, tmp_path / "lock") for _ in range(8)]
    connected, two = threading.Lock(), threading.Event()

    def serve(worker: Worker) -> None:
        worker.connect(PATIENCE)
        if connected.acquire(blocking=False):
            connected.release()
        else:
            two.set()
        with connected:
            worker.fetch_latest_version().result(PATIENCE)
        worker.disconnect()

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert not two.is_set()
    assert all(worker.health().connections == 1 for worker in workers)
    eventually(lambda: router.open_sessions(alice) == 0, PATIENCE)


def test_bad_paths(router: LocalTaskRouter, alice: str, tmp_path: Path) -> None:
    """A file that cannot be opened raises what the system says, with its name; what is no path is refused at once."""
    worker = single(router, alice, tmp_path / "no such folder" / "lock")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        worker.connect(1)
    assert not worker.health().running
    for bad, error in ((5, TypeError), (b"lock", TypeError), ("", ValueError)):
        with pytest.raises(error, match="single must be the path of a lock file, or a Single"):
            single(router, alice, bad)
