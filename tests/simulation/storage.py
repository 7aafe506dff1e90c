"""The service's file, in memory: what was committed survives a crash, what was not is gone."""

from __future__ import annotations

from collections.abc import Iterator

from twilio_taskrouter_worker.local.clock import ClockState
from twilio_taskrouter_worker.local.credentials import Credentials
from twilio_taskrouter_worker.local.engine import JournalEntry
from twilio_taskrouter_worker.local.tables import Header, Kept, Snapshot

__all__ = ["Disk", "Killed", "SimulatedStore"]

Row = tuple[str, int, str | None, str | None]


class Killed(BaseException):
    """The service's process ended in the middle of a commit."""


class Disk:
    """What outlives the service's process."""

    def __init__(self) -> None:
        self.header: Header | None = None
        self.rows: list[Row] = []
        self.snapshots: list[Snapshot] = []
        self.clock: ClockState | None = None
        self.dies_at_commit: bool | None = None
        """Kill the process at its next commit: after (True) or before (False) the commit is on the disk."""

    def entries(self) -> Iterator[JournalEntry]:
        """The journal."""
        return (JournalEntry.from_json(row[0]) for row in self.rows)


class SimulatedStore:
    """One process's view of the disk, with the interface of the library's ``Store``."""

    path = "simulated.db"

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._header: Header | None = None
        self._rows: list[Row] = []
        self._snapshots: list[Snapshot] = []
        self._clock: ClockState | None = None
        self._written: tuple[list[Row], list[Snapshot], ClockState | None] = ([], [], None)
        self._started_after = 0
        self._committed = False
        self.count = 0
        """The number of entries, appended ones too."""

    # -- reading -----------------------------------------------------------------------------------------------------

    def header(self) -> Header | None:
        return self._disk.header

    def snapshots(self, up_to_events: int) -> Iterator[Snapshot]:
        return (each for each in reversed(self._disk.snapshots) if each.events <= up_to_events)

    def emitted(self) -> int:
        return self._disk.rows[-1][1] if self._disk.rows else 0

    def entries(self, after: Snapshot | None = None) -> Iterator[Kept]:
        self.count = self._started_after = 0 if after is None else after.number
        for text, events, actor, address in self._disk.rows[self.count :]:
            self.count += 1
            yield Kept(entry=JournalEntry.from_json(text), events=events, actor_sid=actor, address=address)

    def journal_length(self) -> int:
        return len(self._disk.rows)

    def clock(self) -> ClockState | None:
        return self._disk.clock

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def committed(self) -> int:
        """The number of entries on the disk."""
        return len(self._disk.rows)

    @property
    def pending(self) -> bool:
        return bool(self._rows or self._snapshots or self._clock is not None)

    def begin(self, header: Header) -> None:
        self._header = header

    def replace_credentials(self, credentials: Credentials) -> None:
        raise AssertionError("the credentials never change here")

    def append(
        self, entry: JournalEntry, events: int, actor_sid: str | None = None, address: str | None = None
    ) -> None:
        self._rows.append((entry.to_json(), events, actor_sid, address))
        self.count += 1

    def add_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)

    def set_clock(self, state: ClockState) -> None:
        self._clock = state

    def write(self) -> None:
        self._written = (self._rows, self._snapshots, self._clock)
        self._rows, self._snapshots, self._clock = [], [], None

    def flush(self) -> None:
        disk, dies = self._disk, self._disk.dies_at_commit
        # Once only: the process that is started afterwards must be able to commit.
        disk.dies_at_commit = None
        if dies is False:
            raise Killed
        if self._header is not None:
            disk.header = self._header
        if not self._committed:
            # As in the file: those after the starting point were made again on the way.
            disk.snapshots = [each for each in disk.snapshots if each.number <= self._started_after]
        self._committed = True
        rows, snapshots, clock = self._written
        disk.rows += rows
        disk.snapshots += snapshots
        if clock is not None:
            disk.clock = clock
        if dies:
            raise Killed

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass
