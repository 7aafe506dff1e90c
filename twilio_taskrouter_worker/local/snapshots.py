"""Snapshots of a kept service, so that a restart need not replay the whole journal.

The invariant: a service that starts from a snapshot and applies the rest of the journal is the same as one that applies
the whole journal: the engine's state, the event log and the statistics. The journal stays whole; a snapshot only saves
time, and a damaged one, or one of another version, is skipped.

The event log is not in a snapshot, because it holds the latest events only: a start chooses a snapshot that is at least
the length of the log back, and applying the rest makes the log again. Each snapshot holds the facts for statistics
since the snapshot before.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable

import attrs

from .._log import LOCAL as log
from .._version import __version__
from .collector import paused
from .engine import Engine
from .pacing import Pace
from .server.events.event_log import KEPT_EVENTS
from .server.events.facts import KEPT_FACTS
from .server.service import Service
from .store import Store
from .tables import Snapshot


@attrs.frozen
class StartingPoint:
    """The snapshot from which a restart continues."""

    snapshot: Snapshot
    engine: Engine
    facts: list[list[list[object]]]
    """Those of this snapshot and of earlier ones, oldest first, up to the limit of kept facts."""


def starting_point(store: Store) -> StartingPoint | None:
    """Return the latest snapshot from which a restart can continue.

    Args:
        store: The open file.

    Returns:
        The starting point, or None if the whole journal must be applied.

    Raises:
        StoreError: The file cannot be read.
    """
    found = store.snapshots(store.emitted() - KEPT_EVENTS)
    for snapshot in found:
        engine = _engine(store, snapshot)
        if engine is None:
            continue
        facts, since = [_unpacked(snapshot.facts)], snapshot.since
        count = len(facts[0])
        # Each snapshot has the facts since the one before: collect them backwards until there are enough.
        while since and count < KEPT_FACTS:
            before = next(found, None)
            if before is None or before.number != since or before.version != __version__:
                return None  # facts are missing; applying the whole journal makes them again
            facts.insert(0, _unpacked(before.facts))
            count, since = count + len(facts[0]), before.since
        return StartingPoint(snapshot, engine, facts)
    return None


def _engine(store: Store, snapshot: Snapshot) -> Engine | None:
    if snapshot.version != __version__:
        return None
    try:
        with paused():
            return Engine.restore(zlib.decompress(snapshot.state).decode())
    # A snapshot only saves time: whatever is wrong with one, the journal has the state as well.
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        log.warning("%s: the snapshot after entry %d is not used: %s", store.path, snapshot.number, error)
        return None


class Snapshots:
    """Adds snapshots of a service to its file while the journal grows. Belongs to the service's thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pace = Pace()

    def resume(self, start: StartingPoint) -> None:
        """Restore the parts of a starting point outside of the engine: facts and open sessions.

        Args:
            start: The starting point whose engine the service has.
        """
        service = self._service
        with paused():
            for part in start.facts:
                service.facts.add(part)
        service.open_sessions.restore(json.loads(start.snapshot.sessions))
        service.resume()
        self._pace.latest = start.snapshot.number

    def take_if_due(self, store: Store) -> None:
        """Add a snapshot to the store's next commit, if enough entries were added since the latest one.

        Blocks the service's thread while it serializes the engine, for up to half a second.

        Args:
            store: The open file; every command of the engine is in its journal, or appended to it.
        """
        service, pace = self._service, self._pace
        if not pace.due(store.count, service.engine):
            return
        since = pace.latest
        with pace.making(store.count):
            store.add_snapshot(
                Snapshot(
                    number=store.count,
                    since=since,
                    events=service.engine.sequence,
                    version=__version__,
                    state=zlib.compress(service.engine.snapshot().encode(), 1),
                    facts=_packed(service.facts.take_new()),
                    sessions=json.dumps(service.open_sessions.written()),
                )
            )


def _packed(facts: Iterable[object]) -> bytes:
    return zlib.compress(json.dumps(list(facts), separators=(",", ":")).encode(), 1)


def _unpacked(facts: bytes) -> list[list[object]]:
    unpacked: list[list[object]] = json.loads(zlib.decompress(facts))
    return unpacked
