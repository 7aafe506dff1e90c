"""Signals that end a script gracefully."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["StopSignals"]


class StopSignals:
    """Notes SIGINT and SIGTERM while it is entered; does nothing outside the main thread."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        # Nothing else: this may interrupt the main thread anywhere, also where it holds a lock.
        self.received += 1

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None: a handler that was not installed from Python, and cannot be put back from here.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
