"""Decides whether a change of an object was announced already. Pure.

**Invariant.** Each change of an object is announced once, in the order of its versions, however often and in whatever
order the service reports it: by an event, by a repeated event, by a list that is read after a connection loss, or by
the answer of a call. It holds because

- An *event* is announced if ``Track.admits`` it: its version is newer than the announced one, or it is another event
  of the same version. An admitted event is noted in the same step.
- A *list* announces the difference between its record and ``Track.record``; then ``Track.listed`` notes that all
  events up to that version were announced.
- An *answer* announces nothing and notes nothing: it may put the object's own record ahead of ``Track.record``, and the
  event of that change still fires when it comes.

Versions are used as long as the service counts as documented: a pending reservation has version 0, and a version
stands for one content. If the service is seen to count otherwise (``Trust``), the order of arrival is used instead, as
the JS SDK always does. A transfer has no version; ``TransferTrack`` uses its events.

All of it belongs to the dispatch thread; nothing here is guarded by a lock.
"""

from __future__ import annotations

from .schema import Record, Schema

__all__ = ["ODD_RESERVATIONS", "Track", "TransferTrack", "Trust"]

ODD_RESERVATIONS = 3
"""This many pending reservations with a version other than 0 show that the service counts otherwise."""

_LISTED = "list"
"""Stands for all events up to a version that is known from a list."""


class Trust:
    """Whether the service's versions can be relied on."""

    __slots__ = ("_odd", "in_versions")

    def __init__(self) -> None:
        self.in_versions = True
        self._odd = 0

    def saw_pending(self, version: int) -> None:
        """Note the version of a pending reservation.

        Args:
            version: The version; anything but 0 is unexpected.
        """
        if version != 0:
            self._odd += 1
            if self._odd >= ODD_RESERVATIONS:
                self.in_versions = False

    def saw_contradiction(self) -> None:
        """One version came with two contents."""
        self.in_versions = False


class Track:
    """The announced events of one worker, reservation or task.

    Args:
        schema: Schema of its records, which have a version.
        record: The record from which the object was made, if any; nothing is announced of it yet.
    """

    __slots__ = ("_events", "_schema", "_version", "_version_at", "record")

    def __init__(self, schema: Schema, record: Record | None = None) -> None:
        self._schema = schema
        self._version_at = schema.index["version"]
        self.record = record
        """The object as of the last event; an answer of a call may be ahead of it."""
        # The latest version that was announced, and the events of it with the records that they had.
        self._version = -1
        self._events: dict[str, Record] = {}

    def admits(self, event_type: str, record: Record, trust: Trust, *, ending: bool = False) -> bool:
        """Note an event.

        Args:
            event_type: Type of the event on the wire.
            record: The object's record in the event.
            trust: Whether versions can be relied on; updated if this event contradicts them.
            ending: Whether the event ends the object; an ending is never outdated, since nothing follows it.

        Returns:
            False if the event is a repetition, or older than the announced state.
        """
        version: int = record[self._version_at]
        if version == self._version:
            events = self._events
            # The same content was announced already: by this event type, or by a list, which stands for all of them.
            if self._is_same(record, events.get(event_type)) or self._is_same(record, events.get(_LISTED)):
                return False
            # The same version with another content.
            if event_type in events or _LISTED in events:
                trust.saw_contradiction()
            events[event_type] = record
        elif version < self._version and trust.in_versions and not ending:
            return False
        else:
            # Also for an older version, if versions are not trusted or it is an ending: then the last arrival counts.
            self._version, self._events = version, {event_type: record}
        self.record = record
        return True

    def listed(self, record: Record) -> None:
        """Note that the object was read from a list: all events up to its version count as announced.

        Args:
            record: The object's record in the list.
        """
        self._version, self._events = record[self._version_at], {_LISTED: record}
        self.record = record

    def _is_same(self, record: Record, other: Record | None) -> bool:
        return other is not None and self._schema.content(record) == self._schema.content(other)

    def came_along(self, record: Record, trust: Trust) -> None:
        """Note a record that came within another object's event, unless it is older.

        Args:
            record: The record.
            trust: Whether versions can be relied on.
        """
        if self.is_new(record, trust):
            self.record = record

    def is_new(self, record: Record, trust: Trust) -> bool:
        """Whether a record is not older than the one of the last event.

        Args:
            record: The record.
            trust: Whether versions can be relied on.

        Returns:
            True also if no record is known.
        """
        known = self.record
        # Equal counts as new: a list of the same version can contain an event that was lost with the connection.
        return known is None or record[self._version_at] >= known[self._version_at] or not trust.in_versions


class TransferTrack:
    """The announced events of one outgoing transfer: each event once, and none after its end."""

    __slots__ = ("_ended", "_marks")

    def __init__(self) -> None:
        self._marks: frozenset[object] = frozenset()
        self._ended = False

    def admits(self, event_type: str, record: Record, task_version: int) -> bool:
        """Note an event.

        An attempt can fail twice with the same text in the same second; the task changes in between, so its version
        distinguishes the two.

        Args:
            event_type: Type of the event on the wire.
            record: The transfer's record in the event.
            task_version: Version of the task.

        Returns:
            False if the event is a repetition, or comes after the end.
        """
        attempt = event_type == "task.transfer-attempt-failed"
        mark = (event_type, record, task_version) if attempt else event_type
        if self._ended or mark in self._marks:
            return False
        self._marks |= {mark}
        self._ended = not attempt and event_type != "task.transfer-initiated"
        return True
