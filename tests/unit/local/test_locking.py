"""The lock on a database: two holders, a file that cannot be used, and a lock file that was replaced."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import locking
from twilio_taskrouter_worker.local.locking import DatabaseLock


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody releases a lock while these tests wait for one."""
    monkeypatch.setattr(locking, "_WAIT_SECONDS", 0.05)


def test_one_holder(tmp_path: Path) -> None:
    """A second one is refused with the database's name, until the first one releases it; twice does no harm."""
    path = str(tmp_path / "x.lock")
    first = DatabaseLock(path, "x.db")
    with pytest.raises(StoreError, match="x.db is in use by another LocalTaskRouter"):
        DatabaseLock(path, "x.db")
    first.write("a note")
    first.release(remove=False)
    first.release(remove=False)
    second = DatabaseLock(path, "x.db")
    assert second.note() == "a note"
    second.release(remove=True)
    assert not os.path.exists(path)


def test_a_lock_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A link could make another file the lock, so it is refused; so is a folder that does not exist."""
    (tmp_path / "other").write_text("")
    (tmp_path / "x.lock").symlink_to(tmp_path / "other")
    for path in (tmp_path / "x.lock", tmp_path / "no" / "x.lock"):
        with pytest.raises(StoreError, match="Cannot use x.db: its lock file .* cannot be opened"):
            DatabaseLock(str(path), "x.db")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none; the remedy is a local disk."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="Cannot lock x.db .*; choose a file on a local disk"):
        DatabaseLock(str(tmp_path / "x.lock"), "x.db")


def test_an_interrupt_leaves_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the lock is taken goes on to the caller; the file is closed before."""
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()

    def interrupt(descriptor: int, operation: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", interrupt)
    with pytest.raises(KeyboardInterrupt):
        DatabaseLock(str(tmp_path / "x.lock"), "x.db")
    if before:
        assert set(os.listdir("/proc/self/fd")) <= before


def test_a_lock_file_that_its_holder_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a deleted file protects nothing: the new file is opened and locked."""
    path = tmp_path / "x.lock"
    lock = fcntl.flock
    seen: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        lock(descriptor, operation)
        seen.append(descriptor)
        if len(seen) == 1:
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    held = DatabaseLock(str(path), "x.db")
    assert len(seen) == 2 and path.exists()
    held.release(remove=True)
