"""Python's garbage collector, kept from running while a state is restored."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused"]

_lock = threading.Lock()
# Guarded by the lock: how many blocks run, and whether the collector is to be switched on after the last one.
_blocks = 0
_was_enabled = False


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector of the process for a block that makes many objects, all of which stay.

    Their number makes the collector go through every object of the process, several times, and it finds nothing: that
    can take longer than the block's own work. Blocks may overlap, on any threads. A collector that the application has
    switched off stays off.
    """
    global _blocks, _was_enabled
    with _lock:
        if _blocks == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0 and _was_enabled:
                gc.enable()
