"""Snapshots of a kept service, from which a restart goes on instead of from the beginning of the journal.

The invariant: a service that starts from a snapshot and applies the rest of the journal is the same as one that applies
the whole journal: the engine's state, the event log and the statistics. The journal stays whole; a snapshot only saves
time, and one that is damaged or of another version is passed over.

The event log is not in a snapshot, because it holds the latest events only: a start chooses a snapshot that is so many
events back, and applying the rest makes the log again. Facts for statistics are in the snapshots, in each those since
the one before.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable
from typing import Final

import attrs

from .._log import LOCAL as log
from .._version import __version__
from .engine import Engine
from .server.events.event_log import KEPT_EVENTS
from .server.events.facts import KEPT_FACTS
from .server.service import Service
from .store import Snapshot, Store

DISTANCE: Final = 10_000
"""How many entries there are between two snapshots at least."""
LONGEST_DISTANCE: Final = 50_000
"""... and at most, however long a snapshot takes."""
SHARE: Final = 5
"""A snapshot that takes long is made less often: one part in five of the processor's time goes into snapshots."""
MOST_TASKS: Final = 20_000
"""With more tasks than that a snapshot would hold the service up for more than half a second: it is left for later."""


@attrs.frozen
class StartingPoint:
    """The snapshot that a start goes on from."""

    snapshot: Snapshot
    engine: Engine
    facts: list[bytes]
    """Those of this snapshot and of the ones before, oldest first, as far as they are kept."""


def starting_point(store: Store) -> StartingPoint | None:
    """Return the latest snapshot from which a start can go on; None: there is none."""
    found = store.snapshots(store.emitted() - KEPT_EVENTS)
    for snapshot in found:
        engine = _engine(store, snapshot)
        if engine is None:
            continue
        facts, count, since = [snapshot.facts], len(_unpacked(snapshot.facts)), snapshot.since
        while since and count < KEPT_FACTS:
            before = next(found, None)
            if before is None or before.number != since or before.version != __version__:
                return None  # facts are missing; applying the whole journal makes them again
            facts.insert(0, before.facts)
            count, since = count + len(_unpacked(before.facts)), before.since
        return StartingPoint(snapshot, engine, facts)
    return None


def _engine(store: Store, snapshot: Snapshot) -> Engine | None:
    if snapshot.version != __version__:
        return None
    try:
        return Engine.restore(zlib.decompress(snapshot.state).decode())
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        log.warning("%s: the snapshot after entry %d is not used: %s", store.path, snapshot.number, error)
        return None


class Snapshots:
    """Makes snapshots of a service while its journal grows. Belongs to the service's thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._latest = 0
        """The number of the entry after which the latest one was made."""
        self._distance = DISTANCE
        self._made_at = time.thread_time()

    def resume(self, start: StartingPoint) -> None:
        """Give the service what the starting point has besides the engine."""
        service = self._service
        for part in start.facts:
            service.ledger.restore(_unpacked(part))
        service.open_sessions.restore(json.loads(start.snapshot.sessions))
        service.resume()
        self._latest = start.snapshot.number

    def take_if_due(self, store: Store) -> None:
        """Add a snapshot to the store's next commit, if enough entries were committed since the latest one."""
        if store.count - self._latest < self._distance:
            return
        service, began = self._service, time.thread_time()
        engine = service.engine
        if sum(len(engine.tasks(workspace.sid)) for workspace in engine.workspaces()) > MOST_TASKS:
            self._distance += DISTANCE
            return
        store.add_snapshot(
            Snapshot(
                number=store.count,
                since=self._latest,
                events=engine.sequence,
                version=__version__,
                state=zlib.compress(engine.snapshot().encode(), 1),
                facts=_packed(service.ledger.take_new()),
                sessions=json.dumps(service.open_sessions.written()),
            )
        )
        now = time.thread_time()
        slower = (now - began) * SHARE / max(0.001, began - self._made_at)
        self._distance = max(DISTANCE, min(int((store.count - self._latest) * slower), LONGEST_DISTANCE))
        self._latest, self._made_at = store.count, now


def _packed(facts: Iterable[object]) -> bytes:
    return zlib.compress(json.dumps(list(facts), separators=(",", ":")).encode(), 1)


def _unpacked(facts: bytes) -> list[list[object]]:
    unpacked: list[list[object]] = json.loads(zlib.decompress(facts))
    return unpacked
