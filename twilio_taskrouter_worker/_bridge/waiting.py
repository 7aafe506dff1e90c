"""Blocking waits: ``wait_for`` and ``stream``, and what ends them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from ..errors import ClosedError, DispatchThreadError
from ..events import Listener

if TYPE_CHECKING:
    from ..events import Emitter

__all__ = ["Stream", "Waiting"]

_END = object()


class Waiting:
    """The waits of one Worker and its objects; ``close`` ends them all."""

    def __init__(self) -> None:
        # Guards all below.
        self._lock = threading.Lock()
        self._ends: set[Callable[[ClosedError], None]] = set()
        self._closed: ClosedError | None = None
        self._dispatch_thread: threading.Thread | None = None

    def open(self, dispatch_thread: threading.Thread) -> None:
        """A connection begins; waits on its dispatch thread will be refused."""
        with self._lock:
            self._closed = None
            self._dispatch_thread = dispatch_thread

    def close(self, error: ClosedError) -> None:
        """End every wait: ``wait_for`` raises the error, ``stream`` stops."""
        with self._lock:
            self._closed = error
            ends = list(self._ends)
            self._ends.clear()
        for end in ends:
            end(error)

    def on_dispatch_thread(self) -> bool:
        return threading.current_thread() is self._dispatch_thread

    def refuse_on_dispatch_thread(self, what: str) -> None:
        """Raise where waiting could never end."""
        if self.on_dispatch_thread():
            raise DispatchThreadError(
                f"{what} inside a callback would wait for itself: events are delivered on this very thread. "
                "Register a listener instead, or wait on a thread of your own"
            )

    def for_event(
        self, emitter: Emitter, event: str, timeout: float | None, predicate: Callable[..., object] | None
    ) -> tuple[Any, ...]:
        """See Emitter.wait_for."""
        self.refuse_on_dispatch_thread(f"wait_for({event!r})")
        found: Future[tuple[Any, ...]] = Future()

        def heard(*args: Any) -> None:
            if found.done():
                return
            try:
                if predicate is None or predicate(*args):
                    found.set_result(args)
            except Exception as error:
                found.set_exception(error)

        def closed(error: ClosedError) -> None:
            if not found.done():
                found.set_exception(error)

        listener = Listener(heard)
        with self._ending(closed):
            emitter._attach(event, listener)
            try:
                return found.result(timeout)
            except FutureTimeoutError:
                if found.done():
                    raise
                raise TimeoutError(f"{event!r} did not come within {timeout:g} s") from None
            finally:
                emitter._detach(event, listener)

    def stream(self, emitter: Emitter, events: list[str], timeout: float | None) -> Stream:
        """See Emitter.stream."""
        self.refuse_on_dispatch_thread("stream()")
        return Stream(self, emitter, events, timeout)

    def _ending(self, end: Callable[[ClosedError], None]) -> _Registration:
        return _Registration(self, end)

    def _register(self, end: Callable[[ClosedError], None]) -> None:
        with self._lock:
            if self._closed is None:
                self._ends.add(end)
                return
            error = self._closed
        end(error)

    def _unregister(self, end: Callable[[ClosedError], None]) -> None:
        with self._lock:
            self._ends.discard(end)


class _Registration:
    def __init__(self, waiting: Waiting, end: Callable[[ClosedError], None]) -> None:
        self._waiting = waiting
        self._end = end

    def __enter__(self) -> None:
        self._waiting._register(self._end)

    def __exit__(self, *_: object) -> None:
        self._waiting._unregister(self._end)


class Stream(Iterator[Any]):
    """Events as an iterator; see Emitter.stream. ``close()``, or the end of a ``with`` block, stops listening."""

    def __init__(self, waiting: Waiting, emitter: Emitter, events: list[str], timeout: float | None) -> None:
        self._waiting = waiting
        self._emitter = emitter
        self._timeout = timeout
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._open = True
        several = len(events) > 1
        # None of these may refer to the stream: only then does dropping the stream end it.
        self._end = end = _ender(self._heard)
        self._listeners = [(event, Listener(_hearer(self._heard, event, several))) for event in events]
        for event, listener in self._listeners:
            emitter._attach(event, listener)
        waiting._register(end)

    def __next__(self) -> Any:
        if not self._open:
            raise StopIteration
        self._waiting.refuse_on_dispatch_thread("stream()")
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            item = self._heard.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            item = _END
        if item is _END:
            self.close()
            raise StopIteration
        return item

    def close(self) -> None:
        """Stop listening; idempotent, on any thread."""
        self._open = False
        for event, listener in self._listeners:
            self._emitter._detach(event, listener)
        self._waiting._unregister(self._end)
        self._heard.put(_END)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A loop that was left by break drops its last reference here.
        self.close()


def _hearer(heard: queue.SimpleQueue[Any], event: str, several: bool) -> Callable[..., None]:
    return lambda *args: heard.put((event, *args) if several else args[0] if len(args) == 1 else args)


def _ender(heard: queue.SimpleQueue[Any]) -> Callable[[ClosedError], None]:
    return lambda error: heard.put(_END)
