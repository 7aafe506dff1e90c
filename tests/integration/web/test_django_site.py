"""The Django example under its servers, beside the one process that owns the websocket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.integration.web.desk import Site, site, work_through
from tests.tools.programs import PATIENCE, Program
from tests.tools.wait import eventually

pytest.importorskip("django", reason="the framework of the example")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Site]:
    """A copy of the example with its tables, and its service."""
    with site("django_site", tmp_path / "django_site") as made:
        with manage(made, "migrate") as migrating:
            assert migrating.process.wait(timeout=PATIENCE) == 0, migrating.said()
        yield made


def manage(desk: Site, *arguments: str, **environment: str) -> Program:
    """``manage.py`` with a command."""
    log = desk.folder / f"{arguments[0]}.log"
    return Program("manage", *arguments, folder=desk.folder, log=log, **desk.environment, **environment)


def free_port() -> int:
    """A port that was free a moment ago: runserver does not print the one that it takes itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Whether the pages are served."""
    try:
        return requests.get(address, timeout=PATIENCE).status_code == 200
    except requests.ConnectionError:
        return False


def open_files(pid: int, name: str) -> list[str]:
    """The files of this name that a process has open."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(descriptor))
    return [each for each in found if name in each]


@pytest.mark.slow
def test_under_runserver(desk: Site) -> None:
    """Both processes restart when a file changes; there is one session, and what is on the desk stays there."""
    address = f"http://127.0.0.1:{free_port()}"
    with manage(desk, "taskrouter_worker") as worker, manage(desk, "runserver", address[7:]) as web:
        eventually(lambda: answers(address), PATIENCE, web.said)
        desk.wait_for_session()
        work_through(desk, address)
        open_task = desk.router.create_task({"order": "in work"})
        worker.wait_for(f"on the desk: {open_task}")
        for name in ("worker.py", "views.py"):
            (desk.folder / "desk" / name).touch()  # newer than its copy
        worker.wait_for("A file has changed: starting again")
        worker.wait_for(f"on the desk: {open_task}", count=2)
        web.wait_for("reloading")
        eventually(lambda: answers(address), PATIENCE, web.said)
        assert desk.sessions() == 1
        work_through(desk, address, tasks=2)
        assert worker.stop(signal.SIGINT) == 0, worker.said()
        assert "Traceback" not in worker.said() + web.said()
    eventually(lambda: desk.sessions() == 0, PATIENCE)


@pytest.mark.parametrize(
    "options",
    [("--threads", "4"), pytest.param(("--preload",), marks=pytest.mark.slow)],
    ids=["gthread", "preload"],
)
def test_under_gunicorn(desk: Site, options: tuple[str, ...]) -> None:
    """Two processes serve the pages by their clients, also where the application was loaded before the fork."""
    pytest.importorskip("gunicorn", reason="a web server that forks")
    production = {"DESK_DEBUG": "0", "DESK_SECRET_KEY": "of the test"}
    arguments = ("gunicorn", "--workers", "2", *options, "--bind", "127.0.0.1:0", "site_config.wsgi")
    web_log = desk.folder / "web.log"
    with (
        manage(desk, "taskrouter_worker", **production) as worker,
        Program(*arguments, folder=desk.folder, log=web_log, **desk.environment, **production) as web,
    ):
        address = web.wait_for(r"Listening at: (http://127\.0\.0\.1:\d+)")
        desk.wait_for_session()
        work_through(desk, address)
        # Each callback used the database; its connection does not outlive it.
        eventually(lambda: not open_files(worker.process.pid, "desk.sqlite"), PATIENCE, "a connection stayed open")
        assert web.stop() == 0, web.said()
        assert worker.stop() == 0, worker.said()
        assert "Traceback" not in worker.said() + web.said()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere:worker"], "CommandError: There is no module 'nowhere'"),
        (["desk.models:Job.objects"], "CommandError: desk.models has no Worker called Job.objects"),
        (["--drain-activity", "Lunch"], "CommandError: drain_activity: there is no activity 'Lunch'"),
    ],
)
def test_programs_that_cannot_be_run(desk: Site, arguments: list[str], message: str) -> None:
    """The command ends with exit code 1, and says what was wrong, without a traceback."""
    with manage(desk, "taskrouter_worker", "--noreload", *arguments) as worker:
        assert worker.process.wait(timeout=PATIENCE) == 1, worker.said()
        assert message in worker.said() and "Traceback" not in worker.said(), worker.said()
