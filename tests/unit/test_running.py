"""Restarting a program whose files change: what becomes of a child that ended by itself."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

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
