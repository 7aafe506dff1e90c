"""The log of what has happened, as far back as memory is given to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import attrs

from ...engine import Event

KEPT_EVENTS: Final = 5_000
"""How many events are kept: some 12 MB. Twilio keeps them for 30 days."""


@attrs.frozen
class Entry:
    """One event, and who caused it."""

    event: Event
    workspace_name: str
    actor_sid: str
    """A worker, or the workspace itself for REST, the Python facade and timers."""
    address: str | None
    """IP address of the client that asked for it; None for what nobody asked for over the network."""

    @property
    def sid(self) -> str:
        """The event's sid."""
        return self.event.sid


class EventLog:
    """The latest events, oldest first."""

    def __init__(self, kept: int = KEPT_EVENTS) -> None:
        self._kept = kept
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Note an event; the oldest one makes room."""
        self._entries[entry.sid] = entry
        if len(self._entries) > self._kept:
            self._entries.popitem(last=False)

    def find(self, sid: str) -> Entry | None:
        """Return an event by its sid."""
        return self._entries.get(sid)

    def backwards(self, workspace_sid: str, since: float) -> Iterator[Entry]:
        """Return a workspace's events from the newest to those of ``since`` (unix seconds)."""
        for entry in reversed(self._entries.values()):
            if entry.event.at < since:
                return
            if entry.event.workspace_sid == workspace_sid:
                yield entry
