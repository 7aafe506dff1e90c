"""A local TaskRouter's file, to read only: at any moment, also while a service has it open.

The file is copied, and the copy is read: SQLite would lock the original, and write to the files beside it. A copy made
while a service writes is consistent if the database itself did not change meanwhile, and its ``-wal`` was not begun
anew: both files are only added to otherwise.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from ..errors import StoreError
from .database_files import DatabaseFiles, damaged
from .database_journal import DatabaseJournal
from .journal import Journal, Place, Step, walk
from .moments import View
from .tables import Header, chained, check_database, read_clock, read_header, read_snapshots, sqlite_errors, table_names
from .time_machine import checked, find, view_of

if TYPE_CHECKING:
    from .router import LocalTaskRouter

T = TypeVar("T")

_TRIES = 20
_PAUSE_SECONDS = 0.05
"""Between two tries. Also the age that a change must have, since times of files have some milliseconds at best."""
_WAL_HEADER_BYTES = 32


class KeptFile:
    """A file that was opened by :func:`open_kept_file`. Belongs to the thread that opened it.

    Args:
        path: Its name.
        connection: A copy of it.
        header: Its header.
    """

    def __init__(self, path: str, connection: sqlite3.Connection, header: Header) -> None:
        self.path = path
        self.header = header
        self._connection = connection
        self._journal = DatabaseJournal(connection, path)
        self.count: Final = self._journal.count
        """The number of the latest entry."""
        latest = self._journal.time_at(self.count) or 0.0
        clock = read_clock(connection, path)
        # A running clock has advanced since its state was noted, whether or not its service still runs.
        away = 0.0 if clock is None or not clock.running else max(0.0, time.time() - clock.since)
        self.now: Final = max(latest, 0.0 if clock is None else clock.shown + away)
        """The present time of its clock, in unix seconds."""

    def ask(self, read: Callable[[Journal], T]) -> T:
        """Return the result of a function of the journal.

        Args:
            read: The function.
        """
        return read(self._journal)

    def number_at(self, moment: int | datetime) -> int:
        """Return the number of the entry that is the latest at a moment.

        Args:
            moment: The number of an entry, or an aware datetime.

        Raises:
            ValueError: There is no such moment; the message has the range.
        """
        return find(self._journal, checked(moment, self), self.now).number

    def at(self, moment: int | datetime, workspace_sid: str | None = None) -> View:
        """Return the workspace as it was at a moment. Blocks for up to some tenths of a second.

        Args:
            moment: The number of an entry, or an aware datetime.
            workspace_sid: The workspace; None: the oldest one.

        Raises:
            ValueError: There is no such moment; the message has the range.
            StoreError: The file was written by a version that behaves differently.
        """
        found = find(self._journal, checked(moment, self), self.now)
        return view_of(found, Place(self.ask, self, found.number, self.path, None), workspace_sid, self.now)

    def cut(self, moment: int | datetime) -> None:
        """Make the copy a file whose service stopped at a moment, with its clock paused; for the last use of it.

        Args:
            moment: The number of an entry, or an aware datetime.

        Raises:
            ValueError: There is no such moment; the message has the range.
        """
        view = self.at(moment)
        with sqlite_errors(self.path):
            self._connection.execute("BEGIN")
            for table in {"journal", "snapshot"} & table_names(self._connection):
                self._connection.execute(f"DELETE FROM {table} WHERE number > ?", (view.number,))
            # As Store.close writes it: the copy looks like a file that was closed after this entry.
            self._connection.execute("INSERT OR REPLACE INTO about VALUES ('running', ?)", (f" {view.number}",))
            clock = (view.time.timestamp(), time.time(), False)
            self._connection.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", clock)
            self._connection.execute("COMMIT")

    def span(self, sid: str) -> tuple[int, int]:
        """Return the entries among which a task can have been there: those after a number, up to another one.

        Applying only these takes a fraction of the time that the whole journal takes.

        Args:
            sid: The task.

        Raises:
            StoreError: The file cannot be read.
        """
        with sqlite_errors(self.path):
            # Its creation does not name it, but what was done with it does.
            named = self._connection.execute(
                "SELECT MIN(number), MAX(number) FROM journal WHERE instr(entry, ?) > 0", (sid,)
            ).fetchone()
        there: list[int] = [number for number in named if number is not None]
        # A snapshot has every task of its moment: those without the sid are before its creation or after its purge.
        elsewhere: list[int] = []
        for snapshot in read_snapshots(self._connection, self.path, "number", self.count):
            found = sid.encode() in zlib.decompress(snapshot.state)
            (there if found else elsewhere).append(snapshot.number)
        if not there:
            return 0, self.count
        return (
            max((number for number in elsewhere if number < min(there)), default=0),
            min((number for number in elsewhere if number > max(there)), default=self.count),
        )

    def steps(self, after: int, up_to: int) -> Iterator[Step]:
        """Apply entries once more, one by one.

        Args:
            after: The number of the entry to start after.
            up_to: The number of the last entry.

        Raises:
            StoreError: The file was written by a version that behaves differently.
        """
        return walk(self.ask, after, up_to)


@contextmanager
def open_kept_file(path: str | os.PathLike[str]) -> Iterator[KeptFile]:
    """Open a file for reading; neither it nor a file beside it is changed. Blocks while it is copied and checked.

    Args:
        path: The file. A service may have it open.

    Raises:
        StoreError: It cannot be read, or is not a file of a local TaskRouter; the message has the reason.
    """
    with _copy_of(path) as (files, copy), _opened(files, copy) as kept:
        yield kept


@contextmanager
def serve_kept_file(path: str | os.PathLike[str], moment: int | datetime | None) -> Iterator[LocalTaskRouter]:
    """Run a router that shows a file as it was at a moment, with a console that changes nothing.

    The file is not changed; the router has a copy, and its clock stands still. Earlier moments are in its history.

    Args:
        path: The file. A service may have it open.
        moment: The number of an entry, or an aware datetime; None: the latest.

    Raises:
        StoreError: It cannot be read, or is not a file of a local TaskRouter; the message has the reason.
        ValueError: There is no such moment; the message has the range.
    """
    from .router import LocalTaskRouter

    with _copy_of(path) as (files, copy):
        with _opened(files, copy) as kept:
            kept.cut(kept.count if moment is None else moment)
        with LocalTaskRouter._of_copy(copy) as router:
            yield router


@contextmanager
def _copy_of(path: str | os.PathLike[str]) -> Iterator[tuple[DatabaseFiles, str]]:
    files = DatabaseFiles(os.fspath(path))
    with tempfile.TemporaryDirectory(prefix="taskrouter-replay-") as folder:
        yield files, os.path.join(folder, "copy.db")


@contextmanager
def _opened(files: DatabaseFiles, copy: str) -> Iterator[KeptFile]:
    # Before the copy is made: a service may commit more meanwhile, but not less.
    committed = _committed(files)
    # SQLite reads the copy of the -wal when it opens the copy.
    had_wal = _copy(files, copy)
    with sqlite_errors(files.path), closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        check_database(connection, files.path)
        if not table_names(connection):
            raise StoreError(f"{files.path} is empty: no local TaskRouter has kept anything in it yet")
        header, about = read_header(connection, files.path)
        kept = KeptFile(files.path, connection, header)
        mark, _, count = about.get("running", "").partition(" ")
        if mark and not had_wal:
            raise damaged(files.path, f"its latest commits are in {files.path}-wal, which is missing")
        # The larger of both notes: a closed file has the count in its header, a running one in its lock file.
        _check(connection, files.path, kept.count, max(int(count or 0), committed.get(mark, 0)))
        yield kept


def _committed(files: DatabaseFiles) -> dict[str, int]:
    """Return the number of committed entries by the mark of the service that noted it in its lock file."""
    try:
        with open(files.lock, encoding="ascii", errors="replace") as lock:
            # Read without the lock: a note that is being written is at worst one commit old.
            mark, _, count = lock.read(200).strip(" \n\0").partition(" ")
    except OSError:
        return {}
    return {mark: int(count)} if mark and count.isdecimal() else {}


@attrs.frozen
class _Version:
    """What changes when a copy that is being made becomes inconsistent."""

    size: int
    changed: int
    identity: tuple[int, int]
    wal: bytes | None


def _version(files: DatabaseFiles) -> _Version:
    found = os.stat(files.main)
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{files.path} is not a file")
    try:
        with open(files.wal, "rb") as wal:
            # The header of a -wal has a random salt, which changes when SQLite begins it anew.
            header: bytes | None = wal.read(_WAL_HEADER_BYTES)
    except FileNotFoundError:
        header = None
    return _Version(found.st_size, found.st_mtime_ns, (found.st_dev, found.st_ino), header)


def _copy(files: DatabaseFiles, copy: str) -> bool:
    """Copy the database and its ``-wal``, and return whether there is one."""
    try:
        for _ in range(_TRIES):
            before = _version(files)
            # A file that was just changed may change again within the same tick of its time stamp. A time in the
            # future says nothing.
            if time.time() - before.changed / 1e9 >= _PAUSE_SECONDS or time.time() * 1e9 < before.changed:
                shutil.copyfile(files.main, copy)
                if before.wal is not None:
                    shutil.copyfile(files.wal, f"{copy}-wal")
                if _version(files) == before:
                    return before.wal is not None
            time.sleep(_PAUSE_SECONDS)
    except OSError as error:
        raise StoreError(f"Cannot read {files.path}: {error.strerror}") from error
    raise StoreError(f"{files.path} changes all the time: its service is too busy for a copy; try again")


def _check(connection: sqlite3.Connection, path: str, count: int, committed: int) -> None:
    """Check that the journal is whole."""
    total = number = 0
    for at, *row, kept in connection.execute(
        "SELECT number, entry, events, actor, address, sum FROM journal ORDER BY number"
    ):
        number += 1
        total = chained(tuple(row), total)
        if at != number or total != kept:
            raise damaged(path, f"entry {number} of its journal does not match its checksum")
    if count < committed:
        raise damaged(path, f"{committed} entries were committed and {count} are left")
