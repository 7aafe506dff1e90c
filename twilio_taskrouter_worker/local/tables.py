"""The tables of a local TaskRouter's database, and SQLite's errors in the user's words."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from .._log import LOCAL as log
from ..errors import StoreError
from .clock import ClockState
from .credentials import Credentials
from .database_files import damaged
from .engine import JournalEntry, Rules

APPLICATION_ID = int.from_bytes(b"TRWk", "big")
"""Marks our files among those of SQLite."""

SCHEMA = 1
"""Incremented with each change of the tables; a file with a higher one was written by a newer version."""


@attrs.frozen(kw_only=True)
class Header:
    """The values a file is opened with."""

    credentials: Credentials
    seed: int
    rules: Rules
    version: str
    """The version of this package that made the file."""


@attrs.frozen(kw_only=True)
class Kept:
    """One entry of the journal as it is stored."""

    entry: JournalEntry
    events: int
    """How many events the engine had emitted after it."""
    actor_sid: str | None
    """The worker whose request over the bridge caused it; None: any other cause."""
    address: str | None
    """The client's address."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """The state after an entry of the journal, from which a restart can continue."""

    number: int
    """Number of the entry."""
    since: int
    """The number of the snapshot before, 0 for the first one: its facts begin there."""
    events: int
    """How many events the engine had emitted."""
    version: str
    """The version of this package that wrote it; another version must not read it."""
    state: bytes = attrs.field(repr=False)
    """State of the engine."""
    facts: bytes = attrs.field(repr=False)
    """Facts for statistics since the snapshot before."""
    sessions: str = attrs.field(repr=False)
    """The sessions that were open, as JSON."""


def table_names(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the tables.

    Args:
        connection: The database.
    """
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def check_database(connection: sqlite3.Connection, path: str) -> None:
    """Check that a database is ours and intact, or empty.

    Args:
        connection: The database; only read.
        path: Its name, for messages.

    Raises:
        StoreError: It is not.
        sqlite3.Error: it is not a database, or locked.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = table_names(connection)
    # New and empty; a file of another program has one or the other.
    if not (tables or application):
        return
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is an SQLite file, but not one of a local TaskRouter; choose another name")
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise StoreError(
            f"{path} was written by a newer version (schema {schema}; this one knows {SCHEMA}): upgrade"
            " twilio_taskrouter_worker, or choose another file"
        )
    # Of the structure only; rows have checksums of their own, which reading compares.
    trouble = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if trouble != "ok" or not {"about", "journal", "clock"} <= tables:
        raise damaged(path, trouble if trouble != "ok" else "a table is missing")


def read_header(connection: sqlite3.Connection, path: str) -> tuple[Header, Mapping[str, str]]:
    """Return the header of a database, and all of the values that it is part of.

    Args:
        connection: The database.
        path: Its name, for messages.

    Raises:
        StoreError: It is damaged.
    """
    with sqlite_errors(path):
        about = dict(connection.execute("SELECT name, value FROM about"))
    try:
        header = Header(
            credentials=Credentials(**{field.name: about[field.name] for field in attrs.fields(Credentials)}),
            seed=int(about["seed"]),
            rules=Rules.from_dict(json.loads(about["rules"])),
            version=about["version"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"its header is incomplete ({type(error).__name__}: {error})") from error
    return header, about


def read_snapshots(connection: sqlite3.Connection, path: str, column: str, most: int) -> Iterator[Snapshot]:
    """Iterate over snapshots, latest first; skip damaged ones.

    Args:
        connection: The database.
        path: Its name, for messages.
        column: ``number`` or ``events``.
        most: The largest value of that column.

    Raises:
        StoreError: The file cannot be read.
    """
    with sqlite_errors(path):
        if "snapshot" not in table_names(connection):
            return
        # The column is one of two names in this package, never a value from outside.
        found = connection.execute(f"SELECT * FROM snapshot WHERE {column} <= ? ORDER BY number DESC", (most,))
        for number, since, events, total, version, state, facts, sessions, crc in found:
            if crc != snapshot_crc(state, facts, sessions, since, total):
                log.warning("%s: the snapshot after entry %d is damaged and not used", path, number)
                continue
            yield Snapshot(
                number=number,
                since=since,
                events=events,
                version=version,
                state=state,
                facts=facts,
                sessions=sessions,
            )


def read_clock(connection: sqlite3.Connection, path: str) -> ClockState | None:
    """Return the state of the clock when it was last noted; None in a new file.

    Args:
        connection: The database.
        path: Its name, for messages.

    Raises:
        StoreError: The file cannot be read.
    """
    with sqlite_errors(path):
        row = connection.execute("SELECT shown, since, running FROM clock").fetchone()
    return None if row is None else ClockState(shown=row[0], since=row[1], running=bool(row[2]))


def snapshot_crc(state: bytes, facts: bytes, sessions: str, since: int, total: int) -> int:
    """Return the checksum of a snapshot.

    Args:
        state: Its engine.
        facts: Its facts.
        sessions: Its sessions.
        since: The number of the snapshot before.
        total: The chained checksum of the entry that it was made after.
    """
    # Over all that a restart reads, and the sum of the entry, so that a snapshot of another journal does not match.
    return zlib.crc32(f"{sessions} {since} {total}".encode(), zlib.crc32(facts, zlib.crc32(state)))


def chained(row: tuple[Any, ...], before: int) -> int:
    """Return the checksum of a row of the journal, chained over all rows up to it.

    Args:
        row: Entry, events, actor and address.
        before: The checksum of the row before; 0 for the first one.
    """
    # By repr, which separates the values without ambiguity. The sum before is the start value.
    return zlib.crc32(repr(row).encode(errors="backslashreplace"), before)


_UNDECODABLE = "a text in it is not UTF-8"


@contextmanager
def sqlite_errors(path: str) -> Iterator[None]:
    """Turn SQLite's exceptions into a StoreError with the reason and a remedy.

    Args:
        path: The name of the database, for the message.

    Raises:
        StoreError: The block raised an exception of SQLite, or read a text that is not UTF-8.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_explained(path, error)) from error
    # SQLite returns any bytes as text; the sqlite3 module decodes them.
    except UnicodeError as error:
        raise damaged(path, _UNDECODABLE) from error


def _explained(path: str, error: sqlite3.Error) -> str:
    text = str(error)
    # By text: Python 3.10 has no error codes (sqlite_errorcode is of 3.11).
    if "locked" in text:
        return f"{path} is in use by another LocalTaskRouter, in this process or another; stop that one first"
    if "not a database" in text:
        return f"{path} is not an SQLite file; choose another name, or move it away"
    # The schema was altered (``no such``), or an error text of SQLite cannot be decoded: Python 3.10 leaves it empty.
    if "malformed" in text or text.startswith("no such ") or not text:
        return str(damaged(path, text or _UNDECODABLE))
    if "full" in text:
        return f"Cannot write to {path}: the disk is full"
    return f"Cannot use {path}: {text}"
