"""The inspector as its pages see it: the entries of the wire, without secrets, live or from the past."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from .rows import Encoded, encoded
from .secrets import Secrets
from .shown import detail, row
from .wire import Wire

SENT_SECONDS = 0.1
"""The shortest time between two messages with new entries."""
AT_ONCE = 200
"""Maximum number of entries in a message; a page cannot show more in that time."""
AT_FIRST = 500
LARGEST_PAGE = 1000


class Inspector:
    """Shows the entries of one service's wire. Belongs to the service's loop.

    Args:
        loop: The loop.
        wire: The entries.
        secrets: Hides confidential values.
        base: Returns the root of the service.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, secrets: Secrets, base: Callable[[], str]) -> None:
        self._loop = loop
        self._wire = wire
        self._secrets = secrets
        self._base = base
        self._feeds: dict[Feed, None] = {}
        self._handle: asyncio.TimerHandle | None = None

    @property
    def last(self) -> int:
        """The number of the latest entry; 0: there was none."""
        return self._wire.last

    def feed(self, put: Callable[[Callable[[], Encoded | None]], None]) -> Feed:
        """Return a feed of new entries, which is switched off.

        Args:
            put: Sends a message to the page, which is made when it is about to be sent.
        """
        return Feed(self, put)

    def page(self, before: int | None, limit: int) -> dict[str, Any]:
        """Return entries, latest first.

        Args:
            before: Only entries with a smaller number; None: the latest ones.
            limit: How many.
        """
        found = self._wire.backwards(self._wire.last + 1 if before is None else before)
        entries = itertools.islice(found, max(1, min(limit, LARGEST_PAGE)))
        return {"entries": [row(entry, self._secrets) for entry in entries]}

    def detail(self, number: int) -> dict[str, Any] | None:
        """Return everything about an entry; None: it is unknown or was evicted.

        Args:
            number: Its number.
        """
        entry = self._wire.find(number)
        return None if entry is None else detail(entry, self._secrets, self._base())

    def clear(self) -> None:
        """Forget all entries."""
        self._wire.clear()

    def rows_after(self, number: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return the latest entries after a number, oldest first, and how many before them were left out.

        Args:
            number: The number.
            limit: How many.
        """
        found: list[dict[str, Any]] = []
        for entry in self._wire.backwards(self._wire.last + 1):
            # Backwards, so that the latest ones are found without a walk over all.
            if entry.number <= number or len(found) == limit:
                break
            found.append(row(entry, self._secrets))
        return found[::-1], self._wire.last - number - len(found)

    def subscribe(self, feed: Feed, *, on: bool) -> None:
        """Send new entries to a feed, or stop to.

        Args:
            feed: The feed.
            on: Whether it gets them.
        """
        if on:
            self._feeds[feed] = None
        else:
            self._feeds.pop(feed, None)
        # Without a page that looks on, an entry costs no call.
        self._wire.added = self._added if self._feeds else None
        if not self._feeds and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _added(self) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(SENT_SECONDS, self._send)

    def _send(self) -> None:
        self._handle = None
        for feed in self._feeds:
            feed.send()


class Feed:
    """The new entries for one page."""

    def __init__(self, inspector: Inspector, put: Callable[[Callable[[], Encoded | None]], None]) -> None:
        self._inspector = inspector
        self._put = put
        self._on = False
        self._limit = AT_FIRST
        """Maximum number of entries in the next message."""
        self._sent = 0
        """The number of the latest entry that was sent."""

    def switch(self, *, on: bool) -> None:
        """Begin with the latest entries, or stop.

        Args:
            on: Whether it begins.
        """
        self._on = on
        self._inspector.subscribe(self, on=on)
        if on:
            self._sent = max(0, self._inspector.last - AT_FIRST)
            self._limit = AT_FIRST
            self.send()

    def send(self) -> None:
        """Send the entries since the message before; of many, only the latest."""
        self._put(self._message)

    def _message(self) -> Encoded | None:
        # Switched off while the message waited for its turn.
        if not self._on:
            return None
        entries, missed = self._inspector.rows_after(self._sent, self._limit)
        # Only now that they are about to be sent: until then they are found again.
        self._sent, self._limit = self._inspector.last, AT_ONCE
        return encoded({"type": "wire", "missed": missed, "entries": entries})
