"""The journal in a local TaskRouter's file, to read."""

from __future__ import annotations

import json
import sqlite3
import zlib
from bisect import bisect_right
from functools import partial

from .._version import __version__
from .engine import Engine
from .engine.snapshots import FORMAT
from .journal import Row, Stretch
from .tables import Header, read_header, read_snapshots, sqlite_errors

_START = f'{{"format":"{FORMAT}"'.encode()
"""How a snapshot of this version begins."""


class DatabaseJournal:
    """Reads the committed entries of a database. Belongs to the thread of the connection.

    Args:
        connection: The database; only read.
        path: Its name, for messages.
    """

    first = 0
    """The whole journal is kept."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def header(self) -> Header:
        """Return the header of the file.

        Raises:
            StoreError: It is damaged.
        """
        return read_header(self._connection, self._path)[0]

    @property
    def count(self) -> int:
        """The number of the latest entry.

        Raises:
            StoreError: The file cannot be read.
        """
        with sqlite_errors(self._path):
            return int(self._connection.execute("SELECT COALESCE(MAX(number), 0) FROM journal").fetchone()[0])

    def stretch(self, number: int) -> Stretch:
        """Return the nearest state at or before an entry, and the rows up to it.

        Args:
            number: Number of the entry; 0: before the first one.

        Raises:
            StoreError: The file cannot be read.
        """
        for snapshot in read_snapshots(self._connection, self._path, "number", number):
            # Only the beginning is decompressed: one of another version, or with other fields, would be refused by
            # the engine.
            if snapshot.version == __version__ and zlib.decompressobj().decompress(snapshot.state, 99).startswith(
                _START
            ):
                return Stretch(snapshot.number, partial(_text, snapshot.state), self.rows(snapshot.number, number))
        header = self.header()
        engine = Engine(account_sid=header.credentials.account_sid, seed=header.seed, rules=header.rules)
        return Stretch(0, engine.capture, self.rows(0, number))

    def rows(self, after: int, up_to: int) -> list[Row]:
        """Return the rows after an entry, up to another one.

        Args:
            after: The number of the entry before the first row.
            up_to: The number of the last one.

        Raises:
            StoreError: The file cannot be read.
        """
        with sqlite_errors(self._path):
            return self._connection.execute(
                "SELECT entry, events, actor, address FROM journal WHERE number > ? AND number <= ? ORDER BY number",
                (after, up_to),
            ).fetchall()

    def number_at(self, moment: float) -> int:
        """Return the number of the latest entry at or before a moment; 0 if there is none.

        Args:
            moment: Unix seconds.

        Raises:
            StoreError: The file cannot be read.
        """
        # The times of entries only grow; they are in the text of each row.
        # So a search of some 20 lookups finds it, without an index on every entry.
        return bisect_right(range(1, self.count + 1), moment, key=lambda number: self.time_at(number) or 0.0)

    def time_at(self, number: int) -> float | None:
        """Return the time of an entry in unix seconds; None: it is not there.

        Args:
            number: Number of the entry.

        Raises:
            StoreError: The file cannot be read.
        """
        for text, *_ in self.rows(number - 1, number):
            return float(json.loads(text)["now"])
        return None


def _text(snapshot: bytes) -> str:
    return zlib.decompress(snapshot).decode()
