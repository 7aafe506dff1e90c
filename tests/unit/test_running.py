"""Restarting a program whose files change: what becomes of a child that ended by itself."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twilio_taskrouter_worker import _running


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the program that this process seems to run, in the working directory."""
    path = tmp_path / "program.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, str(path)])
    monkeypatch.setattr(_running, "RELOAD_SECONDS", 0.01)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield path
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_program_that_failed_waits_for_its_mending(program: Path) -> None:
    """It is not started again before a file has changed; one that ended in good order is not started again at all."""
    program.write_text("raise SystemExit(3)")
    notes: list[str] = []

    def mend(note: str) -> None:
        notes.append(note)
        program.write_text("print('mended')  # of another time")

    assert _running._start_again_on_change(mend) == 0
    assert notes == ["It ended with an error; waiting for a change of its files"]


def test_files_that_vanish_are_no_change_yet(program: Path) -> None:
    """A name that leads nowhere, as that of a file deleted meanwhile, is passed over."""
    program.write_text("pass")
    (program.parent / "gone.py").symlink_to("nowhere")
    assert list(_running._changes()) == [str(program)]


def test_a_program_in_the_working_directory(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found there although a console script does not search that folder."""
    here = str(program.parent)
    (program.parent / "program_of_this_folder.py").write_text(
        "from twilio_taskrouter_worker import Worker\nworker = Worker('token')\n"
    )
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", here)])
    try:
        worker = _running.load_worker("program_of_this_folder:worker")
    finally:
        module = sys.modules.pop("program_of_this_folder", None)
    assert module is not None and worker is module.worker
    assert sys.path[0] == here


def test_a_level_that_the_application_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default handler is added, and the level stays."""
    package = logging.getLogger("twilio_taskrouter_worker")
    monkeypatch.setattr(package, "handlers", [])
    monkeypatch.setattr(package, "propagate", False)
    monkeypatch.setattr(package, "level", logging.ERROR)
    _running._log_by_default()
    assert package.level == logging.ERROR
    assert [type(each) for each in package.handlers] == [logging.StreamHandler]


def test_a_second_signal_ends_the_child_too() -> None:
    """A signal that comes while the child ends is passed on to it, and its exit code is returned."""
    signals = [KeyboardInterrupt, None]
    terminated = []

    def wait() -> int:
        raised = signals.pop(0)
        if raised is not None:
            raise raised
        return 143

    child: Any = SimpleNamespace(terminate=lambda: terminated.append("SIGTERM"), wait=wait)
    assert _running._stop(child) == 143
    assert terminated == ["SIGTERM", "SIGTERM"]
