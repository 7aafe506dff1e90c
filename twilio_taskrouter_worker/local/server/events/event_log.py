"""The event log: the latest events, up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import attrs

from ...engine import Event

KEPT_EVENTS = 5_000
"""How many events are kept: some 12 MB. Twilio keeps them for 30 days."""


@attrs.frozen
class Entry:
    """One event, and the actor that caused it."""

    event: Event
    workspace_name: str
    actor_sid: str
    """A worker, or the workspace itself for REST, the Python facade and timers."""
    address: str | None
    """IP address of the client whose request caused it; None: it was not caused over the network."""

    @property
    def sid(self) -> str:
        """The event's sid."""
        return self.event.sid


class EventLog:
    """The latest events, oldest first; the oldest is evicted when the limit is reached.

    Args:
        kept: The limit.
    """

    def __init__(self, kept: int = KEPT_EVENTS) -> None:
        self._kept = kept
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Add an event.

        Args:
            entry: The event.
        """
        self._entries[entry.sid] = entry
        if len(self._entries) > self._kept:
            self._entries.popitem(last=False)

    def all(self) -> list[Entry]:
        """Return the events, oldest first."""
        return list(self._entries.values())

    def find(self, sid: str) -> Entry | None:
        """Return an event.

        Args:
            sid: The event's sid.

        Returns:
            The event, or None if it is unknown or was evicted.
        """
        return self._entries.get(sid)

    def backwards(self, workspace_sid: str, since: float) -> Iterator[Entry]:
        """Iterate over a workspace's events, latest first.

        Args:
            workspace_sid: The workspace.
            since: The earliest moment, in unix seconds.
        """
        for entry in reversed(self._entries.values()):
            # Events are in the order of their time, which the engine never sets back.
            if entry.event.at < since:
                return
            if entry.event.workspace_sid == workspace_sid:
                yield entry
