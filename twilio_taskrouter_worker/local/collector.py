"""Python's garbage collector, kept from scanning many objects in vain."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused", "seldom"]

_SELDOM = (20_000, 20, 20)
"""Thresholds for ``gc.set_threshold``: net allocations before a pass over the youngest objects, and how many passes
lead to one over the older ones."""

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


@contextmanager
def seldom() -> Iterator[None]:
    """Run the collector of the process less often, for a process that is a service and nothing else.

    A service at work makes and frees objects all the time, nearly none of them in cycles, and the log keeps each event
    just long enough to be looked at several times. What was there before the block, modules above all, is not looked
    at.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def _forget() -> None:
    """Forget the blocks of the parent in a forked child, where their threads, which would end them, are missing."""
    global _lock, _blocks
    _lock = threading.Lock()
    if _blocks and _was_enabled:
        gc.enable()
    _blocks = 0


os.register_at_fork(after_in_child=_forget)
