"""The journal of a service, to read: its entries, and for each entry a state near it to start from.

The invariant: the state after entry *n* is the state of a snapshot at or before *n* to which the entries after it are
applied. Data taken from a journal does not change while the service continues, so the service's thread is needed only
for the taking; restoring and applying are done on the caller's.

A service with a file reads its journal from there. One in memory keeps the latest entries here, compressed.
"""

from __future__ import annotations

import pickle
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from ..errors import StateError, StoreError
from .collector import paused
from .engine import Engine, Event, JournalEntry, Rejected
from .pacing import Pace

T = TypeVar("T")

Row = tuple[str, int, str | None, str | None]
"""An entry as JSON, the number of events after it, the worker whose request it was, and the address it came from."""

KEPT_ENTRIES = 200_000
"""How many entries a service in memory keeps, in whole segments: some 25 MB with its snapshots."""
KEPT_BYTES = 100_000_000
"""The most memory for them, where snapshots are large."""
_AT_ONCE = 1_000
"""How many rows are taken at once: some milliseconds of the service's thread."""


class Journal(Protocol):
    """A journal as its readers need it."""

    @property
    def first(self) -> int:
        """The number of the earliest entry after which the state is known; 0: before the first one."""
        ...

    @property
    def count(self) -> int:
        """The number of the latest entry.

        Raises:
            StoreError: The file cannot be read.
        """
        ...

    def stretch(self, number: int) -> Stretch:
        """Return the nearest state at or before an entry, and the rows up to it.

        Raises:
            StateError: The entry was evicted.
            StoreError: The file cannot be read.
        """
        ...

    def rows(self, after: int, up_to: int) -> list[Row]:
        """Return the rows after an entry, up to another one.

        Raises:
            StateError: Some were evicted.
            StoreError: The file cannot be read.
        """
        ...

    def number_at(self, moment: float) -> int:
        """Return the number of the latest entry at or before a moment; 0 if there is none.

        Raises:
            StoreError: The file cannot be read.
        """
        ...

    def time_at(self, number: int) -> float | None:
        """Return the time of an entry, or of the state at the start; None: it is not there, or the state is empty.

        Raises:
            StoreError: The file cannot be read.
        """
        ...


Ask = Callable[[Callable[[Journal], T]], T]
"""Runs a function of the journal where the journal may be read, and returns its result."""


State = Callable[[], "str | Mapping[str, Any]"]
"""Returns the state of an engine as :meth:`Engine.restore` takes it, which may take as long as the restoring."""


@attrs.frozen
class Stretch:
    """A state, and the rows of the journal after it."""

    number: int
    """Number of the entry that the state follows."""
    state: State = attrs.field(repr=False)
    rows: Sequence[Row] = attrs.field(default=(), repr=False)

    def engine(self) -> Engine:
        """Return a new engine in the state after the last row. Blocks for up to some tenths of a second.

        Raises:
            StoreError: This version of the package does not behave as the one that wrote the rows.
        """
        # Thousands of objects are made that all stay; see collector.
        with paused():
            engine = Engine.restore(self.state())
            for number, row in enumerate(self.rows, self.number + 1):
                apply(engine, number, row)
        return engine


def captured(engine: Engine) -> State:
    """Return the present state of an engine.

    Args:
        engine: The engine, which may go on.
    """
    state = engine.capture()
    return lambda: state


@attrs.frozen(eq=False)
class Place:
    """A moment in a journal, and how to read that journal."""

    ask: Ask[Any]
    source: object
    """Identifies the journal."""
    number: int
    """Number of the latest entry."""
    name: str
    """Description for people."""
    began: Place | None
    """Where a fork's journal begins in that of another router."""

    def __str__(self) -> str:
        return self.name

    def first(self) -> int:
        """Return the number of the earliest entry after which the state is known.

        Raises:
            StateError: The router is not running, or was reset.
        """
        first: int = self.ask(lambda journal: journal.first)
        return first

    def engine(self, number: int) -> Engine:
        """Return a new engine in the state after an entry. Blocks for up to some tenths of a second.

        Args:
            number: Number of the entry.

        Raises:
            StateError: The router is not running, or was reset, or the entry was evicted.
        """
        stretch: Stretch = self.ask(lambda journal: journal.stretch(number))
        return stretch.engine()


@attrs.frozen
class Step:
    """One entry that was applied."""

    number: int
    entry: JournalEntry
    actor_sid: str | None
    address: str | None
    events: tuple[Event, ...]
    engine: Engine
    """The engine in the state after the entry; the next step changes it."""


def apply(engine: Engine, number: int, row: Row) -> Step:
    """Apply a row of a journal.

    Args:
        engine: In the state before it.
        number: Number of its entry.
        row: The row.

    Raises:
        StoreError: This version of the package does not know the entry, or behaves otherwise than the one that
            wrote it.
    """
    text, events, actor_sid, address = row
    try:
        entry = JournalEntry.from_json(text)
        outcome = engine.apply(entry.command, entry.now)
    except (ValueError, Rejected) as error:
        trouble = error.message if isinstance(error, Rejected) else str(error)
        raise StoreError(
            f"Entry {number} of the journal cannot be applied by this version of twilio_taskrouter_worker: {trouble}"
        ) from error
    # The number of events is a cheap check that this version behaves as the writer's did, at every single entry.
    if engine.sequence != events:
        raise StoreError(
            f"Entry {number} of the journal causes other events now than when it was written, by another version of"
            " twilio_taskrouter_worker; read it with that version"
        )
    return Step(number, entry, actor_sid, address, outcome.events, engine)


def walk(ask: Ask[Any], after: int, up_to: int, engine: Engine | None = None) -> Iterator[Step]:
    """Apply the entries of a journal once more, one by one.

    Blocks the caller for about a tenth of a millisecond each.

    Args:
        ask: Reads the journal.
        after: The number of the entry to start after.
        up_to: The number of the last entry.
        engine: In the state after the first of these; it is changed. None: a new one.

    Raises:
        StateError: The router is not running, or was reset, or entries were evicted meanwhile.
        StoreError: This version of the package does not behave as the one that wrote the entries.
    """
    if engine is None:
        stretch: Stretch = ask(lambda journal: journal.stretch(after))
        engine = stretch.engine()
    # In portions: the service's thread is needed for each one, but not in between, and memory stays small.
    for start in range(after, up_to, _AT_ONCE):
        rows: list[Row] = ask(_rows(start, min(up_to, start + _AT_ONCE)))
        for number, row in enumerate(rows, start + 1):
            yield apply(engine, number, row)


def _rows(after: int, up_to: int) -> Callable[[Journal], list[Row]]:
    return lambda journal: journal.rows(after, up_to)


# -- in memory -------------------------------------------------------------------------------------------------------


class _Packed:
    """A value that never leaves the process, pickled and compressed.

    It is made on the service's thread, so both are fast: pickling takes a quarter of the time of JSON.
    """

    def __init__(self, value: Any) -> None:
        self._data = zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), 1)

    def __len__(self) -> int:
        return len(self._data)

    def __call__(self) -> Any:
        return pickle.loads(zlib.decompress(self._data))


@attrs.frozen
class _Segment:
    """Rows between two snapshots."""

    after: int
    """The number of the entry before."""
    count: int
    state: State
    rows: _Packed

    @property
    def size(self) -> int:
        return len(self.rows) + (len(self.state) if isinstance(self.state, _Packed) else 0)


class MemoryJournal:
    """The latest entries of a service without a file. Belongs to the service's thread.

    Args:
        engine: The service's engine, before its first recorded entry.
        start: The time of that state in unix seconds; 0 if it is empty.
        state: That state, if it was captured already.
        kept: The most entries.
        kept_bytes: The most bytes of rows and snapshots.
    """

    def __init__(
        self,
        engine: Engine,
        start: float = 0.0,
        state: State | None = None,
        *,
        kept: int = KEPT_ENTRIES,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._engine = engine
        self._kept, self._kept_bytes = kept, kept_bytes
        self._closed: deque[_Segment] = deque()
        self._bytes = 0
        self._pace = Pace()
        # The open segment: the state it starts with, and its rows.
        self._state: State = captured(engine) if state is None else state
        self._after = 0
        self._open: list[Row] = []
        self._times = array("d")
        """Times of the entries after ``first``."""
        self._start = start
        """The time of the state after ``first``; 0 if it is empty."""

    @property
    def first(self) -> int:
        """The number of the earliest entry after which the state is known; 0: before the first one."""
        return self._closed[0].after if self._closed else self._after

    @property
    def count(self) -> int:
        """The number of the latest entry."""
        return self._after + len(self._open)

    def append(
        self, entry: JournalEntry, events: int, actor_sid: str | None = None, address: str | None = None
    ) -> None:
        """Add an entry that was just applied; now and then this makes a snapshot, for some milliseconds or more.

        Args:
            entry: The command and its time.
            events: How many events the engine had emitted after it.
            actor_sid: The worker whose request over the bridge caused it; None: any other cause.
            address: The client's address; None: no client.
        """
        self._open.append((entry.to_json(), events, actor_sid, address))
        # Beside the rows, 8 bytes each: a moment is found by time without decompressing any segment.
        self._times.append(entry.now)
        if self._pace.due(self.count, self._engine):
            with self._pace.making(self.count):
                self._close_segment()

    def _close_segment(self) -> None:
        segment = _Segment(self._after, len(self._open), self._state, _Packed(self._open))
        self._closed.append(segment)
        self._bytes += segment.size
        self._after += segment.count
        self._open = []
        self._state = _Packed(self._engine.capture())
        # By whole segments, since the state is known at their beginnings only.
        while self.count - self._closed[0].after > self._kept or self._bytes > self._kept_bytes:
            gone = self._closed.popleft()
            self._bytes -= gone.size
            # The time of the last entry that is evicted, after which the state is the earliest one left.
            self._start = self._times[gone.count - 1]
            del self._times[: gone.count]
            if not self._closed:
                break

    def stretch(self, number: int) -> Stretch:
        """Return the nearest state at or before an entry, and the rows up to it.

        Args:
            number: Number of the entry; 0: before the first one.

        Raises:
            StateError: It was evicted.
        """
        self._check(number)
        if number >= self._after:
            return Stretch(self._after, self._state, self._open[: number - self._after])
        segment = self._segment(number)
        return Stretch(segment.after, segment.state, segment.rows()[: number - segment.after])

    def rows(self, after: int, up_to: int) -> list[Row]:
        """Return the rows after an entry, up to another one.

        Args:
            after: The number of the entry before the first row.
            up_to: The number of the last one.

        Raises:
            StateError: Some were evicted.
        """
        self._check(after)
        found: list[Row] = []
        while after < up_to:
            segment = self._segment(after) if after < self._after else None
            start, rows = (self._after, self._open) if segment is None else (segment.after, segment.rows())
            # As much as this segment has; the next one begins where it ends.
            part = rows[after - start : up_to - start]
            # Past the latest entry.
            if not part:
                break
            found += part
            after += len(part)
        return found

    def _segment(self, number: int) -> _Segment:
        # The last segment that begins at or before the entry.
        position = bisect_right(self._closed, number, key=lambda segment: segment.after) - 1
        return self._closed[position]

    def _check(self, number: int) -> None:
        if number < self.first:
            raise StateError(
                f"Entry {number} of the journal is not kept any more; the earliest moment is now {self.first}"
            )

    def number_at(self, moment: float) -> int:
        """Return the number of the latest entry at or before a moment; that of the earliest one if it was evicted.

        Args:
            moment: Unix seconds.
        """
        # To the right: of several entries at one time, the last one.
        return self.first + bisect_right(self._times, moment)

    def time_at(self, number: int) -> float | None:
        """Return the time of an entry in unix seconds; None: it is not there, or evicted, or the state is empty.

        Args:
            number: Number of the entry.
        """
        if number == self.first:
            return self._start or None
        return self._times[number - self.first - 1] if self.first < number <= self.count else None
