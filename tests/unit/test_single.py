"""The lock of ``single=``: what is known of its holder."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from twilio_taskrouter_worker.single import ProcessLock


def test_a_holder_that_left_no_number(tmp_path: Path) -> None:
    """A file without a process's number in it, or no file, names no process."""
    path = tmp_path / "alice.lock"
    lock = ProcessLock(str(path))
    assert lock.holder() == "another process"
    path.write_text("not a number")
    assert lock.holder() == "another process"
    assert lock.acquire() and lock.acquire()
    assert lock.holder().startswith("process ")
    lock.release()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's error is the caller's, and nothing is held."""

    def fail(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    lock = ProcessLock(str(tmp_path / "alice.lock"))
    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="not supported"):
        lock.acquire()
    monkeypatch.undo()
    assert lock.acquire()
    lock.release()
