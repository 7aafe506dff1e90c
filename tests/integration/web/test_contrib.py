"""The commands for Flask and Django: what they run, what they refuse, and what does not outlive them."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tools.programs import PATIENCE, ROOT, Program
from tests.tools.wait import eventually
from twilio_taskrouter_worker._running import ProgramError, load_worker
from twilio_taskrouter_worker.local import LocalTaskRouter

if TYPE_CHECKING:
    from flask import Flask

flask = pytest.importorskip("flask", reason="the command is for it")

PROGRAM = """
import os
from twilio_taskrouter_worker import Worker

worker = Worker(os.environ["TOKEN"], eb_server=os.environ["SERVER"])
something = 3


@worker.on("ready")
def ready(worker):
    print("ready in", os.getpid())
"""


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A local TaskRouter with a worker."""
    with LocalTaskRouter() as router:
        router.add_worker("Alice", activity="Available")
        yield router


def application() -> Flask:
    """A Flask application with the command."""
    from twilio_taskrouter_worker.contrib.flask import worker_command

    app: Flask = flask.Flask(__name__)
    app.cli.add_command(worker_command)
    return app


@pytest.mark.parametrize(
    ("arguments", "setting", "message"),
    [
        ([], None, "Name a MODULE:WORKER, or set TASKROUTER_WORKER in the application's configuration"),
        ([], "nowhere:worker", "There is no module 'nowhere'"),
        ([], 3, "The program must be a Worker, or a function that returns one, not 3"),
        (["json:loads_"], None, "json has no Worker called loads_"),
        (["shop"], None, "The program is MODULE:WORKER, for example shop:worker, not 'shop'"),
    ],
)
def test_programs_that_flask_cannot_run(arguments: list[str], setting: object, message: str) -> None:
    """Wrong usage ends with exit code 2, and says what would be right."""
    app = application()
    app.config["TASKROUTER_WORKER"] = setting
    ended = app.test_cli_runner().invoke(args=["taskrouter-worker", *arguments])
    assert (ended.exit_code, message in ended.output) == (2, True), ended.output


def test_flask_runs_a_worker_it_is_given(router: LocalTaskRouter) -> None:
    """A Worker in the configuration runs in an application context around each callback, until it is disconnected."""
    from twilio_taskrouter_worker import Worker

    app, seen = application(), []
    worker = Worker(router.token("Alice"), **router.connection)
    app.config["TASKROUTER_WORKER"] = worker

    @worker.on("ready")
    def ready(worker: Worker) -> None:
        seen.append((flask.current_app.name, threading.get_ident()))
        worker.disconnect()

    ended = app.test_cli_runner().invoke(args=["taskrouter-worker"])
    assert (ended.exit_code, ended.exception) == (0, None), ended.output
    assert [name for name, _ in seen] == [app.name] and seen[0][1] != threading.get_ident()


def test_a_module_that_fails_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import error of the program itself is not taken for a wrong name."""
    (tmp_path / "needs_what_is_missing.py").write_text("import what_is_missing\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), str(ROOT)])
    with pytest.raises(ModuleNotFoundError, match="what_is_missing"):
        load_worker("needs_what_is_missing:worker")
    with pytest.raises(ProgramError, match="There is no module 'missing_too'"):
        load_worker("missing_too:worker")


def test_a_reloaded_worker_does_not_outlive_its_command(router: LocalTaskRouter, tmp_path: Path) -> None:
    """Where the command is killed and can do nothing, its child ends by itself, and no session is left."""
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "venv" / "lib").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    environment = {"TOKEN": router.token("Alice"), "SERVER": router.connection["eb_server"]}
    arguments = ("twilio_taskrouter_worker", "run", "shop:worker", "--reload")
    with Program(*arguments, folder=tmp_path, log=tmp_path / "log", **environment) as program:
        child = int(program.wait_for(r"ready in (\d+)"))
        # Of an environment below the folder nothing is looked at.
        (tmp_path / "venv" / "lib" / "module.py").touch()
        assert child != program.process.pid and router.open_sessions(router.worker("Alice").sid) == 1
        program.process.send_signal(signal.SIGKILL)
        eventually(lambda: router.open_sessions(router.worker("Alice").sid) == 0, PATIENCE, program.said)
        eventually(lambda: not _runs(child), PATIENCE, program.said)
        assert "starting again" not in program.said()
        # Nobody had set up logging, so the command has.
        assert re.search(r"INFO +Worker WK\w+.*ready", program.said()), program.said()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False
