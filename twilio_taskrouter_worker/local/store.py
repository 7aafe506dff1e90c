"""The SQLite file of a local TaskRouter: the journal, and everything needed to replay it.

Every applied command is a row, in order, with its time. The rows are the whole state: a restart applies them again. The
file also has the credentials, the engine's seed and rules, and the latest time of the clock. Rows are only ever added;
the clock, replaced secrets and snapshots alone are changed.

SQLite keeps the latest commits in a second file, ``-wal``, and moves them into the first one now and then. It does not
notice that the second file is missing or cut short: it continues with fewer rows. Two marks detect this. While a
service runs, the database carries a random text (``running``), so that a copy without its ``-wal`` is recognized. And
the lock file has the same text with the number of rows that were committed.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs

from .._log import LOCAL as log
from ..errors import StoreError
from .clock import ClockState
from .credentials import Credentials
from .database_files import DatabaseFiles, damaged
from .database_journal import DatabaseJournal
from .engine import JournalEntry, Rules
from .locking import DatabaseLock
from .tables import (
    APPLICATION_ID,
    SCHEMA,
    Header,
    Kept,
    Snapshot,
    chained,
    check_database,
    read_clock,
    read_header,
    read_snapshots,
    snapshot_crc,
    sqlite_errors,
    table_names,
)

_LOCK_SECONDS = 0.5
"""How long SQLite waits for another program that has the file open."""

# number, events, sum: those of the entry after which it was made. since: the number of the snapshot before.
_SNAPSHOT_TABLE = (
    "CREATE TABLE IF NOT EXISTS snapshot (number INTEGER PRIMARY KEY, since INTEGER NOT NULL, events INTEGER NOT NULL,"
    " sum INTEGER NOT NULL, version TEXT NOT NULL, state BLOB NOT NULL, facts BLOB NOT NULL, sessions TEXT NOT NULL,"
    " crc INTEGER NOT NULL)"
)
_TABLES = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # events: how many events the engine had emitted after the entry; sum: chained over all entries up to this one.
    # actor, address: who asked and from where, for the event log.
    "CREATE TABLE journal (number INTEGER PRIMARY KEY, entry TEXT NOT NULL, events INTEGER NOT NULL,"
    " actor TEXT, address TEXT, sum INTEGER NOT NULL)",
    _SNAPSHOT_TABLE,
    "CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), shown REAL NOT NULL, since REAL NOT NULL,"
    " running INTEGER NOT NULL)",
)

_INSERT = "INSERT INTO journal (entry, events, actor, address, sum) VALUES (?, ?, ?, ?, ?)"


class Store:
    """One open file. It belongs to one process at a time, and to one thread at a time.

    A commit has three steps: :meth:`write`, :meth:`flush` and :meth:`settle`. Only the second waits for the disk, and
    may run on another thread; until :meth:`settle` nothing but :meth:`append`, :meth:`set_clock`, :attr:`count` and
    :attr:`pending` may be used meanwhile.
    """

    def __init__(
        self, files: DatabaseFiles, connection: sqlite3.Connection, lock: DatabaseLock, *, created: bool, had_wal: bool
    ) -> None:
        self.path: str = files.path
        self._files = files
        self._connection = connection
        self._lock = lock
        self._created = created
        """The file is new and nothing was committed to it yet."""
        self._had_wal = had_wal
        self._left_by: str | None = None
        """The mark of a service that did not close the file."""
        self._closed_with: int | None = None
        """How many entries there were when the file was closed."""
        self._mark: str | None = None
        """The mark of this one, from its first commit on."""
        self._entries: list[tuple[str, int, str | None, str | None, int]] = []
        self._clock: ClockState | None = None
        self._started_after = 0
        """The number of the entry whose snapshot the journal was read from."""
        self._snapshots: list[tuple[Snapshot, int]] = []
        """Those of the next commit, each with its chained sum."""
        self._sum = 0
        """Of all entries, appended ones too."""
        self._count = 0
        self._written = 0
        """How many entries there were at the latest write, whether it was committed or not."""
        self._committed = 0

    def __repr__(self) -> str:
        return f"<Store {self.path}>"

    # -- opening -------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """Open a file, or create one that is empty until the first commit.

        Blocks for up to half a second if another process holds the lock.

        Args:
            path: The file.

        Returns:
            The open file.

        Raises:
            StoreError: It cannot be used; the message has the reason and a remedy. Nothing in it was changed.
        """
        files = DatabaseFiles(os.fspath(path))
        files.check_place()
        # The lock comes first: without it, another process could be writing to any of the files.
        lock = DatabaseLock(files.lock, files.path)
        created = False
        try:
            # SQLite would create it with the permissions of the umask, for the moment until they are changed.
            created = files.create_if_missing()
            # SQLite takes an empty file for a new database. With a note in the lock file it was one with entries.
            if not created and os.path.getsize(files.path) == 0 and lock.note():
                raise damaged(files.path, f"it is empty, but was in use (delete {files.lock} to start with a new file)")
            had_wal = not created and files.copy_wal()
            with sqlite_errors(files.path):
                # Without Python's own transactions: they would begin and commit at moments of their choosing.
                connection = sqlite3.connect(
                    files.path, isolation_level=None, timeout=_LOCK_SECONDS, check_same_thread=False
                )
            try:
                with sqlite_errors(files.path):
                    _check_and_claim(connection, files)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            if created:
                files.remove()
            files.restore_wal()
            # The note of a killed service is evidence for the next start; without one the file is of no use.
            lock.release(remove=not lock.note())
            raise
        return cls(files, connection, lock, created=created, had_wal=had_wal)

    def header(self) -> Header | None:
        """Return the header of the file; None if it is new.

        Raises:
            StoreError: It is damaged.
        """
        with sqlite_errors(self.path):
            if not table_names(self._connection):
                return None
        header, about = read_header(self._connection, self.path)
        mark, _, count = about.get("running", "").partition(" ")
        self._left_by = mark or None
        # Written as " count" by close(): an empty mark means that no service has left it open.
        self._closed_with = int(count) if count.isdecimal() else None
        if self._left_by is not None and not self._had_wal:
            raise damaged(
                self.path,
                f"it comes from a running service, whose latest commits are in {self.path}-wal, which is missing"
                " (a copy takes both files, or is made when the service has stopped)",
            )
        return header

    def begin(self, header: Header) -> None:
        """Create the tables of a new file, in the transaction of the next commit.

        Args:
            header: Its header.

        Raises:
            StoreError: It cannot be written.
        """
        about = {
            **attrs.asdict(header.credentials),
            "seed": str(header.seed),
            "rules": json.dumps(header.rules.to_dict()),
            "version": header.version,
        }
        with sqlite_errors(self.path):
            # Left open until the first commit: a file either has its header and its first entries, or is deleted
            # again.
            self._connection.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                self._connection.execute(table)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
            self._connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())

    def replace_credentials(self, credentials: Credentials) -> None:
        """Replace the credentials in the file, at once.

        Args:
            credentials: The new ones.

        Raises:
            StoreError: They cannot be written.
        """
        with sqlite_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            rows = [(value, name) for name, value in attrs.asdict(credentials).items()]
            self._connection.executemany("UPDATE about SET value = ? WHERE name = ?", rows)
            self._connection.execute("COMMIT")

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """The number of entries, appended ones too."""
        return self._count

    def snapshots(self, up_to_events: int) -> Iterator[Snapshot]:
        """Iterate over the snapshots made after at most a given number of events, latest first; skip damaged ones.

        Args:
            up_to_events: The largest number of events.

        Raises:
            StoreError: The file cannot be read.
        """
        return read_snapshots(self._connection, self.path, "events", up_to_events)

    def journal(self) -> DatabaseJournal:
        """Return the committed entries, to read on this store's thread while it is open."""
        return DatabaseJournal(self._connection, self.path)

    def emitted(self) -> int:
        """Return the number of events after the last entry.

        Raises:
            StoreError: The file cannot be read.
        """
        with sqlite_errors(self.path):
            row = self._connection.execute("SELECT events FROM journal ORDER BY number DESC LIMIT 1").fetchone()
        return 0 if row is None else int(row[0])

    def entries(self, after: Snapshot | None = None) -> Iterator[Kept]:
        """Iterate over the journal, or its part after a snapshot; at the end, the store is ready to append.

        Args:
            after: The snapshot; None: the whole journal.

        Raises:
            StoreError: An entry is damaged or missing, or unknown to this version.
        """
        count = self._count = self._started_after = 0 if after is None else after.number
        self._sum = 0 if after is None else self._sum_of(after)
        with sqlite_errors(self.path):
            for number, text, events, actor, address, total in self._connection.execute(
                "SELECT number, entry, events, actor, address, sum FROM journal WHERE number > ? ORDER BY number",
                (count,),
            ):
                count += 1
                self._count = count
                self._sum = chained((text, events, actor, address), self._sum)
                # The number shows a missing row, the chained sum a changed, an exchanged or a foreign one.
                if number != count or self._sum != total:
                    raise damaged(self.path, f"entry {count} of its journal does not match its checksum")
                try:
                    entry = JournalEntry.from_json(text)
                except ValueError as error:
                    # The text is as it was written, so it was written by a version that knew more.
                    raise StoreError(
                        f"Entry {number} of the journal in {self.path} is unknown to this version: {error}"
                    ) from error
                yield Kept(entry=entry, events=events, actor_sid=actor, address=address)
        self._check_count()
        self._committed = self._count

    def _sum_of(self, snapshot: Snapshot) -> int:
        row = self._connection.execute("SELECT sum FROM journal WHERE number = ?", (snapshot.number,)).fetchone()
        kept = self._connection.execute("SELECT sum FROM snapshot WHERE number = ?", (snapshot.number,)).fetchone()
        # The snapshot has the sum of its entry: one that was made from another journal is not continued.
        if row is None or row != kept:
            raise damaged(self.path, f"entry {snapshot.number} of its journal does not match its checksum")
        return int(row[0])

    def _check_count(self) -> None:
        """Compare the journal with the number of committed entries, noted when it was closed, or in the lock file."""
        if self._left_by is None:
            if self._closed_with not in (None, self._count):
                raise damaged(self.path, f"{self._closed_with} entries were committed and {self._count} are left")
            return
        # The note counts only if it is of the service that left the file; fewer rows than noted means that the -wal
        # was cut.
        mark, _, committed = self._lock.note().partition(" ")
        if mark == self._left_by and committed.isdecimal() and int(committed) > self._count:
            raise damaged(
                self.path,
                f"{committed} entries were committed and {self._count} are left; the others were in {self.path}-wal",
            )
        log.warning("%s was not closed by its last service; %d entries recovered", self.path, self._count)

    def journal_length(self) -> int:
        """Return the number of committed entries.

        Raises:
            StoreError: The file cannot be read.
        """
        with sqlite_errors(self.path):
            return int(self._connection.execute("SELECT COALESCE(MAX(number), 0) FROM journal").fetchone()[0])

    def clock(self) -> ClockState | None:
        """Return the state of the clock when it was last noted; None in a new file.

        Raises:
            StoreError: The file cannot be read.
        """
        return read_clock(self._connection, self.path)

    # -- writing -------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether anything was appended since the last commit."""
        return bool(self._entries or self._snapshots) or self._clock is not None

    def append(
        self, entry: JournalEntry, events: int, actor_sid: str | None = None, address: str | None = None
    ) -> None:
        """Add an entry to the next commit.

        Args:
            entry: The command and its time.
            events: How many events the engine had emitted after it.
            actor_sid: The worker whose request over the bridge caused it; None: any other cause.
            address: The client's address; None: no client.
        """
        row = (entry.to_json(), events, actor_sid, address)
        self._sum = chained(row, self._sum)
        self._entries.append((*row, self._sum))
        self._count += 1

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Add a snapshot, made after the last entry that was read or appended, to the next commit.

        Args:
            snapshot: The snapshot.

        Raises:
            AssertionError: It was made after another entry.
        """
        assert snapshot.number == self._count
        self._snapshots.append((snapshot, self._sum))

    def set_clock(self, state: ClockState) -> None:
        """Add the state of the clock to the next commit.

        Args:
            state: The state.
        """
        self._clock = state

    def write(self) -> None:
        """Begin a commit of everything pending. Does not wait for the disk.

        Raises:
            StoreError: It cannot be written. The file has the state of the last commit.
        """
        # SQLite goes on writing to a file that was moved or deleted, and reports nothing.
        self._files.check_in_place()
        with sqlite_errors(self.path):
            # The first commit of a new file is in the transaction of begin().
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            if self._mark is None:
                # With the first commit and not on opening, so that a start that is refused later leaves the file as
                # it was.
                self._set_mark(secrets.token_hex(16))
                # Snapshots after the starting point were made again on the way, at other distances.
                self._connection.execute(_SNAPSHOT_TABLE)
                self._connection.execute("DELETE FROM snapshot WHERE number > ?", (self._started_after,))
            if self._entries:
                self._connection.executemany(_INSERT, self._entries)
            if self._snapshots:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    map(_snapshot_row, self._snapshots),
                )
            if self._clock is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)",
                    (self._clock.shown, self._clock.since, self._clock.running),
                )
        self._written = self._count
        self._entries.clear()
        self._snapshots.clear()
        self._clock = None

    def flush(self) -> None:
        """Bring what :meth:`write` has written to the disk. Blocks for the duration of a disk flush.

        Raises:
            StoreError: It cannot be written. The file has the state of the last commit.
        """
        with sqlite_errors(self.path):
            self._connection.execute("COMMIT")
            if not self._files.remembered:
                # The header and the mark have to be in the database itself before anything is answered.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._files.remember()
                self._files.discard_wal_copy()

    def settle(self) -> None:
        """Note that :meth:`flush` has succeeded."""
        self._committed = self._written
        self._created = False
        with suppress(OSError):  # the note is only a safeguard; the commit itself has succeeded
            self._lock.write(f"{self._mark} {self._committed}")

    def _set_mark(self, mark: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO about VALUES ('running', ?)", (mark,))
        self._mark = mark

    def close(self) -> None:
        """Close the file, and discard uncommitted changes; a new file without any commit is deleted.

        Raises:
            OSError: A file cannot be deleted, or the copy of the ``-wal`` not be put back.
        """
        complete = False
        with suppress(sqlite3.Error):
            # After a failed commit, or a new file's begin().
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if self._files.remembered:
                self._set_mark(f" {self._committed}")
                # Closing does this as well, but not for a file that was moved.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                complete = True
        with suppress(sqlite3.Error):
            self._connection.close()
        if self._created:
            self._created = False
            self._files.remove()
        self._files.restore_wal()
        # After a failure the lock file stays: its note is what the next start compares the journal with.
        self._lock.release(remove=complete or not self._lock.note())


# -- the database itself ----------------------------------------------------------------------------------------------


def _check_and_claim(connection: sqlite3.Connection, files: DatabaseFiles) -> None:
    """Check that the file is ours and intact, and lock it; nothing is written to a file that is not ours."""
    path = files.path
    # One process at a time; besides, SQLite then needs no shared memory file.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    # The first access takes the lock of a file that is in WAL mode, and fails if it is not a database.
    check_database(connection, path)
    # Before SQLite makes the second file, which gets the permissions of the first one.
    files.close_to_others()
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"SQLite cannot keep {path} safely (journal mode {mode}); choose a file on a local disk")
    # With NORMAL, SQLite flushes a -wal at checkpoints only: answered requests could be lost with the power.
    connection.execute("PRAGMA synchronous = FULL")
    # An empty write takes the lock of a new file, too.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")


def _snapshot_row(pending: tuple[Snapshot, int]) -> tuple[Any, ...]:
    one, total = pending
    crc = snapshot_crc(one.state, one.facts, one.sessions, one.since, total)
    return one.number, one.since, one.events, total, one.version, one.state, one.facts, one.sessions, crc


def differences(kept: Rules, given: Rules) -> list[str]:
    """Return the names of the switches in which two sets of rules differ, sorted.

    Args:
        kept: The rules in the file.
        given: The rules asked for.
    """
    one, other = kept.to_dict(), given.to_dict()
    return sorted(_differing(one, other))


def _differing(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in one.items():
        if isinstance(value, dict):
            yield from _differing(value, other[name], f"{prefix}{name}.")
        elif value != other[name]:
            yield f"{prefix}{name}"
