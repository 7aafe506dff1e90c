"""The queue of a dispatch thread, which bounds how many dispatch threads of the process are woken at a time.

A burst for a thousand Workers makes a thousand dispatch threads runnable at once. Each one that waits for the
interpreter lock wakes every 5 ms to request it, which would use most of the processor. Here a thread is woken when it
is its turn. The turn ends when the library's own work does: before the thread runs a callback, which may block, and
when its queue is empty.

**Invariant.** At most TURNS inboxes have ``_has_turn``; ``free`` plus their number is always TURNS. Both change with
the lock held only.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Inbox"]

T = TypeVar("T")

TURNS = 4
"""Threads that are woken at a time."""


class _Turns:
    """Gives a bounded number of turns, in the order in which they are asked for."""

    def __init__(self) -> None:
        # Guards the two below, and the flags of all inboxes.
        self.lock = threading.Lock()
        self.free = TURNS
        self.waiting: deque[Callable[[], bool]] = deque()

    def ask(self, wake: Callable[[], bool]) -> None:
        """Call ``wake`` once there is a free turn; called with the lock held.

        Args:
            wake: Returns whether it takes the turn.
        """
        self.waiting.append(wake)
        self._give()

    def end(self) -> None:
        """Return a turn; called with the lock held."""
        self.free += 1
        self._give()

    def _give(self) -> None:
        while self.free and self.waiting:
            self.free -= self.waiting.popleft()()


_turns = _Turns()


class Inbox(Generic[T]):
    """A queue with one reading thread. ``put`` may be called on any thread, the other methods on the reading thread."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Not yet: before its first ``get`` there is no thread to be woken.
        self._asleep = False
        self._has_turn = False
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item; never blocks.

        Args:
            item: The item.
        """
        # In this order, and the reverse one in ``get``: one of the two threads sees what the other has done.
        self._items.append(item)
        if self._asleep:
            with _turns.lock:
                if self._asleep:
                    self._asleep = False
                    _turns.ask(self._wake)

    def _wake(self) -> bool:
        """Begin a turn; return False if none is needed. Called with the lock held."""
        if self._has_turn or self._closed:
            # The thread woke up by itself meanwhile, as its time had come, and has asked again or ended.
            return False
        self._has_turn = True
        self._woken.put(None)
        return True

    def get(self, until: float | None = None) -> T:
        """Block until there is an item.

        Args:
            until: Time limit in monotonic seconds; None waits without limit.

        Returns:
            The item.

        Raises:
            queue.Empty: There was none until then.
        """
        while True:
            try:
                return self._items.popleft()
            except IndexError:
                pass
            with _turns.lock:
                self._asleep = True
                if self._items:
                    self._asleep = False
                    continue
                if self._has_turn:
                    self._has_turn = False
                    _turns.end()
            # May return for an old wake-up after a timeout: then the loop finds no item and goes to sleep again.
            self._woken.get(timeout=None if until is None else max(0.0, until - time.monotonic()))

    def end_turn(self) -> None:
        """Return the turn before a step that may block."""
        if self._has_turn:
            with _turns.lock:
                if self._has_turn:
                    self._has_turn = False
                    _turns.end()

    def close(self) -> None:
        """The thread ends: it must not be woken any more."""
        self._closed = True
        self.end_turn()


def _forget_turns() -> None:
    """Reset the turns in a forked child, where the threads that had them do not exist."""
    _turns.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_turns)
