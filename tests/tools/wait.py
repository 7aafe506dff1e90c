"""Waiting for a condition with a deadline, and checks that nothing is left behind."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

TOOL_PREFIXES = ("tool-",)
"""How the threads of the tools in this directory are called."""

_STEP = 0.005

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout: float = 60.0, message: str | Callable[[], str] = "") -> T:
    """Wait until the predicate is true and return its value; for what has no condition variable to wait on.

    Raises AssertionError with ``message`` (a text, or a function that makes it) after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    never = threading.Event()
    while not (value := predicate()):
        if time.monotonic() >= deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"{said or 'the condition was not met'} (waited {timeout} s)")
        never.wait(_STEP)
    return value


@contextmanager
def no_leftover_threads(timeout: float = 20.0, *, ignore: tuple[str, ...] = TOOL_PREFIXES) -> Iterator[None]:
    """Assert that every thread started inside the block has ended within ``timeout`` seconds of its end.

    Threads whose name begins with one of ``ignore`` are left out; by default those of the test tools. An exception of
    the block itself goes first.
    """
    before = set(threading.enumerate())
    yield

    def left() -> list[str]:
        return [each.name for each in threading.enumerate() if each not in before and not each.name.startswith(ignore)]

    eventually(lambda: not left(), timeout, lambda: f"threads were left: {', '.join(sorted(left()))}")


def open_sockets() -> Counter[str]:
    """Return the sockets this process has open (Linux: from /proc/self/fd), each as ``socket:[inode]``."""
    found: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:
            # Closed meanwhile, as is the descriptor of the listing itself.
            continue
        if target.startswith("socket:"):
            found[target] += 1
    return found


@contextmanager
def no_leftover_sockets(timeout: float = 20.0) -> Iterator[None]:
    """Assert that every socket opened inside the block is closed within ``timeout`` seconds of its end (Linux).

    It sees the whole process, so tools that listen must start before the block or end inside it, and so must their
    connections: a server in this process closes its side only after the client did.
    """
    before = open_sockets()
    yield
    eventually(
        lambda: not open_sockets() - before,
        timeout,
        lambda: f"sockets were left: {', '.join(open_sockets() - before)}",
    )
