"""A web server of several processes that owns the worker, as the pages on gunicorn and uWSGI have it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import requests

from tests.tools.programs import PATIENCE, Program
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

BEFORE = """
import os

def fetch_token():
    return os.environ["TOKEN"]

"""
AFTER = """

@worker.on("ready")
def ready(worker):
    open(f"ready.{os.getpid()}", "w").close()
"""


def application(snippet: str) -> str:
    """``myapplication.py`` of a page, which also notes the process that is ready."""
    return f"{BEFORE}{snippet}{AFTER}"


def environment(router: LocalTaskRouter, worker_sid: str) -> dict[str, str]:
    """The variables that the application needs."""
    return {"TOKEN": router.token(worker_sid), "TASKROUTER_LOCAL_URL": router.url}


def ready_one(folder: Path, after: int | None = None) -> int:
    """Wait until the process that holds the lock is ready, and return its id."""
    lock = folder / "alice.lock"

    def holder() -> int | None:
        pid = lock.exists() and int(lock.read_text() or 0)
        return pid if pid and pid != after and (folder / f"ready.{pid}").exists() else None

    found = eventually(holder, PATIENCE)
    assert found is not None
    return found


def check_one_session(router: LocalTaskRouter, worker_sid: str, server: Program, folder: Path, address: str) -> None:
    """One process is connected; killed, the other one is; ended by SIGTERM, the worker is Offline."""
    first = ready_one(folder)
    assert first != server.process.pid and router.open_sessions(worker_sid) == 1
    for _ in range(4):
        assert requests.get(address, timeout=PATIENCE).text == "Available"
    os.kill(first, signal.SIGKILL)
    assert ready_one(folder, after=first) != first and router.open_sessions(worker_sid) == 1
    assert router.worker(worker_sid).activity_name == "Available"
    assert server.stop() == 0 and "Traceback" not in server.said(), server.said()
    assert router.worker(worker_sid).activity_name == "Offline", server.said()
    eventually(lambda: router.open_sessions(worker_sid) == 0, PATIENCE)
