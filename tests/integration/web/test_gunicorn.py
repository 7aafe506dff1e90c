"""The documented recipe for gunicorn: one session of several processes, taken over, and drained at the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

pytest.importorskip("gunicorn", reason="a web server to fork")

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 50.0
"""Seconds that anything may take on a loaded machine."""

APPLICATION = """
import os
from twilio_taskrouter_worker import Worker

worker = Worker(os.environ["TOKEN"], eb_server=os.environ["SERVER"], single=os.environ["LOCK"])


@worker.on("ready")
def ready(worker):
    open(f"ready.{os.getpid()}", "w").close()


def app(environ, start_response):
    start_response("200 OK", [])
    return []
"""


def recipe() -> str:
    """The ``gunicorn.conf.py`` of docs/web.rst."""
    page = (ROOT / "docs" / "web.rst").read_text(encoding="utf-8")
    found = re.search(r"^    # gunicorn\.conf\.py\n(?:(?:    .*)?\n)+", page, re.MULTILINE)
    assert found is not None
    return textwrap.dedent(found[0])


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A local TaskRouter."""
    with LocalTaskRouter() as router:
        yield router


def ready_one(folder: Path, lock: Path, after: int | None = None) -> int:
    """Wait until the process that holds the lock is ready, and return its id."""

    def holder() -> int | None:
        pid = lock.exists() and int(lock.read_text() or 0)
        return pid if pid and pid != after and (folder / f"ready.{pid}").exists() else None

    found = eventually(holder, PATIENCE)
    assert found is not None
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("preload", [False, True], ids=["plain", "preload"])
def test_the_documented_recipe(router: LocalTaskRouter, tmp_path: Path, preload: bool) -> None:
    """Two processes start the worker and one is connected; killed, the other one is; ended, the worker is Offline."""
    alice = router.add_worker("Alice", activity="Available")
    lock = tmp_path / "alice.lock"
    (tmp_path / "myapplication.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "gunicorn.conf.py").write_text(recipe(), encoding="utf-8")
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--workers=2", "--threads=4", "--graceful-timeout=10", "--bind=127.0.0.1:0"]
        + (["--preload"] if preload else [])
        + ["myapplication:app"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "TOKEN": router.token(alice),
            "SERVER": router.connection["eb_server"],
            "LOCK": str(lock),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        first = ready_one(tmp_path, lock)
        assert first != server.pid and router.open_sessions(alice) == 1
        os.kill(first, signal.SIGKILL)
        assert ready_one(tmp_path, lock, after=first) != first and router.open_sessions(alice) == 1
        assert router.worker(alice).activity_name == "Available"
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=PATIENCE)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0 and "Traceback" not in said, said
    assert router.worker(alice).activity_name == "Offline"
    eventually(lambda: router.open_sessions(alice) == 0, PATIENCE)
