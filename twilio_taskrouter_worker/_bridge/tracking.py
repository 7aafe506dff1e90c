"""What was announced of an object: the one owner of the question "was this announced already?". Pure.

**Invariant.** Each change of an object is announced once, in the order of its versions, however often and in whatever
order the service tells of it: by an event, by an event that is sent again, by a list that is read after a connection
was lost, or by the answer of a call. How it holds:

- An *event* is announced if ``Track.admits`` it: its version is newer than what was announced, or it is another event
  of the same version. What was admitted is noted in the same step.
- A *list* announces the difference between its record and ``Track.record``, and then ``Track.listed`` notes that all
  events up to that version were announced.
- An *answer* announces nothing and notes nothing: it may put the object's own record ahead of ``Track.record``, and the
  event of that change still fires when it comes.

Versions are believed as long as the service counts as documented: a pending reservation has version 0, and a version
stands for one content. A service that is seen to count otherwise (``Trust``) is taken by the order of arrival instead,
as the JS SDK takes every service. A transfer has no version; ``TransferTrack`` goes by its events.

All of it belongs to the dispatch thread; nothing here is guarded.
"""

from __future__ import annotations

from .schema import Record

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
        """A pending reservation came with this version."""
        if version != 0:
            self._odd += 1
            if self._odd >= ODD_RESERVATIONS:
                self.in_versions = False

    def saw_contradiction(self) -> None:
        """One version came with two contents."""
        self.in_versions = False


class Track:
    """What was announced of one worker, reservation or task.

    Args:
        version_at: Where a record of its kind has the version. Its last element is the fingerprint of its content.
        record: The record that it was made of, if there is one; nothing is announced of it yet.
    """

    __slots__ = ("_events", "_version", "_version_at", "record")

    def __init__(self, version_at: int, record: Record | None = None) -> None:
        self._version_at = version_at
        self.record = record
        """The object as of the last event; an answer of a call may be ahead of it."""
        # The latest version that was announced, and the events of it with the fingerprint of what they said.
        self._version = -1
        self._events: dict[str, int] = {}

    def admits(self, event_type: str, record: Record, trust: Trust, *, ending: bool = False) -> bool:
        """Note an event; False where it is a repetition, or older than what was announced.

        An *ending* is never older: nothing comes after it.
        """
        version: int = record[self._version_at]
        fingerprint: int = record[-1]
        if version == self._version:
            events = self._events
            if fingerprint in (events.get(event_type), events.get(_LISTED)):
                return False
            if event_type in events or _LISTED in events:
                trust.saw_contradiction()
            events[event_type] = fingerprint
        elif version < self._version and trust.in_versions and not ending:
            return False
        else:
            self._version, self._events = version, {event_type: fingerprint}
        self.record = record
        return True

    def listed(self, record: Record) -> None:
        """The object was read from a list: all events up to its version count as announced."""
        self._version, self._events = record[self._version_at], {_LISTED: record[-1]}
        self.record = record

    def came_along(self, record: Record, trust: Trust) -> None:
        """The object came as part of another one's event, which announces what is new in it, unless it is older."""
        if self.is_new(record, trust):
            self.record = record

    def is_new(self, record: Record, trust: Trust) -> bool:
        """Whether a record is not older than the one as of the last event."""
        known = self.record
        return known is None or record[self._version_at] >= known[self._version_at] or not trust.in_versions


class TransferTrack:
    """What was announced of one outgoing transfer: each of its events once, and none after its end."""

    __slots__ = ("_ended", "_marks")

    def __init__(self) -> None:
        self._marks: frozenset[object] = frozenset()
        self._ended = False

    def admits(self, event_type: str, record: Record, task_version: int) -> bool:
        """Note an event; False where it is a repetition, or comes after the end.

        An attempt can fail twice with the same words in the same second; between the two the task changes, so that the
        *task_version* tells them apart.
        """
        attempt = event_type == "task.transfer-attempt-failed"
        mark = (event_type, record, task_version) if attempt else event_type
        if self._ended or mark in self._marks:
            return False
        self._marks |= {mark}
        self._ended = not attempt and event_type != "task.transfer-initiated"
        return True
