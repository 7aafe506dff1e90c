"""From ``init`` to ``ready``: the worker and its lists are read, completed, and taken over. Pure.

**Invariant.** What is taken over is the service's state at one moment of the present connection, and every event after
that moment is delivered after it. It holds because

- the lists are asked for after ``init``, from which on the service sends this connection every event. Frames that come
  meanwhile are kept, in order, and delivered only when the lists are taken over; versions sort out what both contain.
- each connection has a number, its *generation*. An answer that carries another one belongs to a connection that was
  lost, and changes nothing here.
- the list holds open reservations only. Those that were known and are not in it ended while nobody listened; how they
  ended is looked up one by one. An end is final: what was found is kept when another look-up fails, or the connection
  is lost again, so that each attempt has less to do than the one before, however many there are.

::

    begin -> ReadLists -> lists_read -> TakeOver -> loaded: ready
                              |            |  ^
                              v     missing|  |looked_up
                         SetActivity       v  |
                         (first time)     LookUp
    a failure at any step: ReadLists again after a delay
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .messages import Init

__all__ = ["ENDINGS", "LOOK_UPS_AT_ONCE", "Reload", "Snapshot"]

ENDINGS = frozenset({"completed", "rejected", "timeout", "canceled", "rescinded"})
"""Statuses of a reservation after which it never changes; the events of the same name announce them."""

LOOK_UPS_AT_ONCE = 25
"""So that a look-up does not spend its deadline in the queue behind hundreds of others."""


@attrs.define(repr=False)
class Snapshot:
    """Payloads as they were read; repr shows nothing of them."""

    worker: Any
    activities: list[Any]
    channels: list[Any]
    reservations: list[Any]
    ended: dict[str, Any] = attrs.Factory(dict)
    """Results of look-ups of reservations that are no longer in the list: payload by sid, None where the service no
    longer knows them."""


class Reload:
    """The state of the current connection's reload."""

    def __init__(self) -> None:
        self.generation = 0
        """Number of the present connection; what belongs to an earlier one is out of date."""
        self.init: Init | None = None
        self.snapshot: Snapshot | None = None
        """The lists of this generation; None until they are read, and again after a failure."""
        self.failures = 0
        """Failed attempts of this generation."""
        # Frames since the websocket was opened, in the order of arrival.
        self._buffer: list[str | bytes] = []
        # Results of look-ups by sid; endings outlive the connection for which they were read.
        self._found: dict[str, Any] = {}
        # Sids that the snapshot still lacks.
        self._to_find: list[str] = []

    def begin(self, init: Init) -> None:
        """``init`` came on a new connection. Frames kept before it on the same connection stay.

        Args:
            init: The message.
        """
        self.generation += 1
        self.init = init
        self.failures = 0
        self.again()

    def again(self) -> None:
        """Prepare to read the lists again; final results of look-ups stay."""
        self.snapshot = None
        self._to_find = []
        self._found = {sid: payload for sid, payload in self._found.items() if _is_final(payload)}

    def keep(self, frame: str | bytes) -> None:
        """Keep a frame that came before the lists were taken over.

        Args:
            frame: The frame.
        """
        self._buffer.append(frame)

    @property
    def buffered(self) -> tuple[str | bytes, ...]:
        """The frames that were kept."""
        return tuple(self._buffer)

    def release(self) -> tuple[str | bytes, ...]:
        """Return the kept frames after the lists were taken over, and forget all look-ups."""
        frames = self.drop()
        self._found = {}
        return frames

    def drop(self) -> tuple[str | bytes, ...]:
        """Forget everything kept for the last connection; return its frames."""
        frames, self._buffer = tuple(self._buffer), []
        self.snapshot, self._to_find = None, []
        return frames

    def missing(self, sids: Sequence[str]) -> None:
        """Note reservations whose ending is unknown.

        Args:
            sids: Their sids.
        """
        self._to_find = [sid for sid in sids if sid not in self._found]
        self._complete()

    def found(self, payloads: Mapping[str, Any], generation: int) -> None:
        """Note the results of look-ups.

        Args:
            payloads: Payloads by sid; None for a reservation that no longer exists.
            generation: Connection for which they were read; of an earlier one only final results are used.
        """
        # An open status of an earlier connection may have changed since; an ending cannot.
        current = generation == self.generation
        self._found.update({sid: each for sid, each in payloads.items() if current or _is_final(each)})
        self._to_find = [sid for sid in self._to_find if sid not in self._found]
        self._complete()

    def next_look_ups(self) -> list[str]:
        """Return the sids to look up next; empty when the snapshot is complete."""
        return self._to_find[:LOOK_UPS_AT_ONCE]

    def _complete(self) -> None:
        if self.snapshot is not None:
            # A copy: the snapshot is read on the dispatch thread while further results may arrive.
            self.snapshot.ended = dict(self._found)


def _is_final(payload: Any) -> bool:
    # None: it no longer exists, so nothing can change it.
    return payload is None or (isinstance(payload, dict) and payload.get("reservation_status") in ENDINGS)
