"""The queue of a dispatch thread, which bounds how many dispatch threads of the process are woken at a time.

A burst for a thousand Workers makes a thousand dispatch threads runnable at once. Each one that waits for the
interpreter lock wakes every 5 ms to request it, which would use most of the processor. Here a thread is woken when it
is its turn. The turn ends when the library's own work does: before the thread runs a callback, which may block, and
when its queue is empty.

**Invariants.** At most TURNS inboxes have ``_has_turn``; ``free`` plus their number is always TURNS. Both change with
the lock held only. Only a thread that sleeps in ``get`` is given a turn: one that runs may be inside a callback that
blocks, and would keep the turn from the others.
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
        self.waiting: deque[Callable[[], None]] = deque()

    def ask(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once there is a free turn, which it takes; called with the lock held.

        Args:
            wake: Wakes the thread; called with the lock held.
        """
        self.waiting.append(wake)
        self._give()

    def end(self) -> None:
        """Return a turn; called with the lock held."""
        self.free += 1
        self._give()

    def _give(self) -> None:
        while self.free and self.waiting:
            # Strictly in order: a Worker whose callbacks are frequent must not keep the others waiting.
            self.free -= 1
            self.waiting.popleft()()


_turns = _Turns()


class Inbox(Generic[T]):
    """A queue with one reading thread. ``put`` may be called on any thread, the other methods on the reading thread."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        # Has an entry from the moment a turn is given until the thread has woken up.
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Whether the thread sleeps, and nobody has asked for a turn for it.
        self._asleep = False
        self._has_turn = False

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
                # Again: another thread may have asked meanwhile, or the time limit of ``get`` may have passed.
                if self._asleep:
                    self._asleep = False
                    _turns.ask(self._wake)

    def _wake(self) -> None:
        self._has_turn = True
        self._woken.put(None)

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
                # First, without the lock: in a burst the next item is nearly always there, and ``popleft`` is atomic.
                return self._items.popleft()
            except IndexError:
                pass
            with _turns.lock:
                self._asleep = True
                # Added before the flag was set, by a ``put`` that therefore did not ask.
                if self._items:
                    self._asleep = False
                    continue
                if self._has_turn:
                    self._has_turn = False
                    _turns.end()
            try:
                self._woken.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                if self._withdraw():
                    raise

    def _withdraw(self) -> bool:
        """Wake up without a turn; return False if one was given at the last moment."""
        with _turns.lock:
            if self._has_turn:
                self._woken.get()
                return False
            if self._asleep:
                self._asleep = False
            else:
                # Asked for by ``put``, and still in line. The item is found by the next ``get``.
                _turns.waiting.remove(self._wake)
            return True

    def end_turn(self) -> None:
        """Return the turn before a step that may block, and at the end of the thread."""
        # Without the lock: no turn is given while this thread runs.
        if self._has_turn:
            with _turns.lock:
                self._has_turn = False
                _turns.end()


def _forget_turns() -> None:
    """Reset the turns in a forked child, where the threads that had them do not exist."""
    _turns.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_turns)
