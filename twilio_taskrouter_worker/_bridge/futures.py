"""A Future that ends as another one does, and then tells when everybody has heard of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from .threads import TIMERS

__all__ = ["Following"]

T = TypeVar("T")

HEARD_AT_MOST = 1.0
"""Seconds after which callbacks that still run are no longer waited for: one of them may itself wait for what comes
next."""


class Following(Future[T]):
    """Resolves as ``inner`` does; ``heard`` runs once, after all callbacks that were added before.

    A Future's own callbacks run in the order in which they were added, so that the first of them, which is the
    library's, cannot know when the user's are over.
    """

    def __init__(self, inner: Future[T], heard: Callable[[], None]) -> None:
        super().__init__()
        self._inner = inner
        self._heard = heard
        # Guards the one run of heard.
        self._once = threading.Lock()
        inner.add_done_callback(self._follow)

    def cancel(self) -> bool:
        """As for the Future that is followed: possible until the request is sent."""
        return self._inner.cancel()

    def running(self) -> bool:
        return self._inner.running()

    def _follow(self, inner: Future[T]) -> None:
        timer = TIMERS.at(time.monotonic() + HEARD_AT_MOST, self._tell)
        try:
            if inner.cancelled():
                super().cancel()
                self.set_running_or_notify_cancel()
            elif (error := inner.exception()) is not None:
                self.set_exception(error)
            else:
                self.set_result(inner.result())
        finally:
            timer.cancel()
            self._tell()

    def _tell(self) -> None:
        if self._once.acquire(blocking=False):
            self._heard()
