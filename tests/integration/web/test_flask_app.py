"""The Flask example under its servers, beside the one process that owns the websocket."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.web.desk import Site, site, work_through
from tests.tools.programs import PATIENCE, Program
from tests.tools.wait import eventually

pytest.importorskip("flask", reason="the framework of the example")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Site]:
    """A copy of the example, and its service."""
    with site("flask_app", tmp_path / "flask_app") as made:
        yield made


def owner(desk: Site, *options: str) -> Program:
    """The process that owns the websocket."""
    log = desk.folder / "worker.log"
    return Program(
        "flask", "--app", "desk", *options, "taskrouter-worker", folder=desk.folder, log=log, **desk.environment
    )


@pytest.mark.slow
def test_under_flask_run_debug(desk: Site) -> None:
    """Both processes restart when a file changes; there is one session, and what is on the desk stays there."""
    log = desk.folder / "web.log"
    arguments = ("flask", "--app", "desk", "--debug", "run", "--port", "0")
    with owner(desk, "--debug") as worker, Program(*arguments, folder=desk.folder, log=log, **desk.environment) as web:
        address = web.wait_for(r"Running on (http://127\.0\.0\.1:\d+)")
        desk.wait_for_session()
        work_through(desk, address)
        open_task = desk.router.create_task({"order": "in work"})
        worker.wait_for(f"on the desk: {open_task}")
        for name in ("worker.py", "views.py"):
            (desk.folder / "desk" / name).touch()  # newer than its copy
        worker.wait_for("A file has changed: starting again")
        worker.wait_for(f"on the desk: {open_task}", count=2)
        web.wait_for("Restarting with", count=2)
        assert desk.sessions() == 1
        work_through(desk, address, tasks=2)
        assert worker.stop(signal.SIGINT) == 0, worker.said()
        assert "Traceback" not in worker.said() + web.said()
    eventually(lambda: desk.sessions() == 0, PATIENCE)


@pytest.mark.parametrize(
    "options",
    [("--preload",), pytest.param(("--worker-class", "gthread", "--threads", "4"), marks=pytest.mark.slow)],
    ids=["preload", "gthread"],
)
def test_under_gunicorn(desk: Site, options: tuple[str, ...]) -> None:
    """Two processes serve the pages by their clients, also where the application was loaded before the fork."""
    pytest.importorskip("gunicorn", reason="a web server that forks")
    log = desk.folder / "web.log"
    arguments = ("gunicorn", "--workers", "2", *options, "--bind", "127.0.0.1:0", "desk:create_app()")
    with owner(desk) as worker, Program(*arguments, folder=desk.folder, log=log, **desk.environment) as web:
        address = web.wait_for(r"Listening at: (http://127\.0\.0\.1:\d+)")
        desk.wait_for_session()
        work_through(desk, address)
        assert web.stop() == 0, web.said()
        assert worker.stop() == 0, worker.said()
        assert "Traceback" not in worker.said() + web.said()
