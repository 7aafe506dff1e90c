"""Files that the system does not give: each refusal names the file and what would help.

The tests may run as root, whom no permission stops: so the system's answers are made up here.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local.database_files import DatabaseFiles


def refuse(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """Make a function of the system fail as it does for lack of permission."""

    def fail(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(owner, name, fail)


@pytest.mark.parametrize(
    ("exists", "locked", "words"),
    [
        (True, "state.db", "this user may not read and write it"),
        (True, ".", "may not write to its folder"),
        (False, ".", "permission denied. Choose a folder you may write to"),
    ],
)
def test_places_that_may_not_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool, locked: str, words: str
) -> None:
    """A file, or a folder, without the permissions that a database needs."""
    path = tmp_path / "state.db"
    if exists:
        path.touch()
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path / locked)
    with pytest.raises(StoreError, match=words):
        DatabaseFiles(str(path)).check_place()


def test_a_file_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is in the message; a file that is there already is no error."""
    path = tmp_path / "state.db"
    files = DatabaseFiles(str(path))
    assert files.create_if_missing() is True and path.stat().st_mode & 0o777 == 0o600
    assert files.create_if_missing() is False
    refuse(monkeypatch, os, "open")
    with pytest.raises(StoreError, match=r"state\.db: Permission denied"):
        files.create_if_missing()


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets that others may read, in a file whose permissions this user may not change, are an error."""
    path = tmp_path / "state.db"
    path.touch()
    path.chmod(0o644)
    refuse(monkeypatch, os, "chmod")
    with pytest.raises(StoreError, match=r"others may use it \(mode 644\).*chmod 600"):
        DatabaseFiles(str(path)).close_to_others()


def test_a_copy_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is refused, and no part of a copy is left."""
    (tmp_path / "state.db-wal").write_bytes(b"rows")
    refuse(monkeypatch, shutil, "copyfile")
    with pytest.raises(StoreError, match="Cannot create the file .*: Permission denied"):
        DatabaseFiles(str(tmp_path / "state.db")).copy_wal()
    assert [path.name for path in tmp_path.iterdir()] == ["state.db-wal"]
