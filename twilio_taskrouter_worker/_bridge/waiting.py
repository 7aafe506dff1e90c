"""Blocking waits: ``wait_for`` and ``stream``, and how they end."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from .. import _checks
from .._log import CALLBACKS
from ..errors import ClosedError, DispatchThreadError, ForkedProcessError
from ..events import Emitter, Listener
from .futures import PlainFuture

__all__ = ["EventStream", "Waiting", "WhenReady"]

T = TypeVar("T")

_END = object()


class Waiting:
    """The waits of one Worker and its objects; the end of a connection ends those that began before or in it."""

    def __init__(self) -> None:
        # Guards all below. Connections are told apart by their dispatch threads: while the last callbacks of one still
        # run, the next one may have begun.
        self._lock = threading.Lock()
        # Weak, so that a stream that was dropped is removed, as its end is of no interest.
        self._ends: weakref.WeakKeyDictionary[Callable[[ClosedError], None], threading.Thread | None] = (
            weakref.WeakKeyDictionary()
        )
        self._closed: ClosedError | None = None
        self._current: threading.Thread | None = None
        self._dispatch_threads: set[threading.Thread] = set()
        self._pid = os.getpid()

    def open(self, dispatch_thread: threading.Thread) -> None:
        """A connection begins; waits on its dispatch thread are refused from now on.

        Args:
            dispatch_thread: The thread, which is not running yet.
        """
        with self._lock:
            self._pid = os.getpid()
            self._closed = None
            self._current = dispatch_thread
            self._dispatch_threads.add(dispatch_thread)
            # Waits that began before the first connection belong to it.
            for end, since in list(self._ends.items()):
                self._ends[end] = since or dispatch_thread

    def close(self, error: ClosedError, dispatch_thread: threading.Thread) -> None:
        """End every wait of this connection: ``wait_for`` raises the error, ``stream`` stops.

        Args:
            error: The error.
            dispatch_thread: The connection's dispatch thread.
        """
        with self._lock:
            self._dispatch_threads.discard(dispatch_thread)
            # Unless the next connection has begun, to which new waits belong.
            if self._current is dispatch_thread:
                self._closed = error
            ends = [end for end, since in list(self._ends.items()) if since is dispatch_thread]
            for end in ends:
                self._ends.pop(end, None)
        for end in ends:
            # Outside the lock: settling a Future wakes its waiting thread, which may come back here.
            end(error)

    def on_dispatch_thread(self) -> bool:
        """Whether the current thread runs callbacks of this worker."""
        return threading.current_thread() in self._dispatch_threads

    def refuse_on_dispatch_thread(self, what: str) -> None:
        """Check that a wait on the current thread can end.

        Args:
            what: The wait, for the error text.

        Raises:
            DispatchThreadError: The current thread runs the callbacks.
            ForkedProcessError: The worker was connected in the parent process.
        """
        if self.on_dispatch_thread():
            raise DispatchThreadError(
                f"{what} inside a callback would wait for itself: events are delivered on this very thread. "
                "Register a listener instead, or wait on a thread of your own"
            )
        if self._current is not None and self._closed is None and self._pid != os.getpid():
            raise ForkedProcessError(
                f"{what} would wait for ever: the worker was connected in process {self._pid}, from which process "
                f"{os.getpid()} was forked, and its events come there. Make and connect a new Worker after the fork"
            )

    def for_event(
        self, emitter: Emitter, event: str, timeout: float | None, predicate: Callable[..., object] | None
    ) -> tuple[Any, ...]:
        """Block until an event; see ``Emitter.wait_for``.

        Args:
            emitter: The object that fires the event.
            event: Its canonical name.
            timeout: Seconds to wait; None waits without limit.
            predicate: Selects events, called on the dispatch thread; None takes the next one.

        Returns:
            The arguments of the event.

        Raises:
            TimeoutError: No such event came in time.
            ClosedError: The worker was disconnected meanwhile.
            DispatchThreadError: Called on the dispatch thread.
            TypeError: The timeout is not a number, or the predicate is not a plain function.
        """
        timeout = _checks.timeout("timeout", timeout)
        _checks.optional(_checks.function)("predicate", predicate)
        self.refuse_on_dispatch_thread(f"wait_for({event!r})")
        found: Future[tuple[Any, ...]] = Future()

        def received(*args: Any) -> None:
            if found.done():
                return
            try:
                if predicate is None or predicate(*args):
                    found.set_result(args)
            except BaseException as error:
                found.set_exception(error)

        def closed(error: ClosedError) -> None:
            if not found.done():
                found.set_exception(error)

        listener = Listener(received)
        # Before the listener: after the end of the connection this settles the Future at once.
        self._register(closed)
        emitter._attach(event, listener)
        try:
            return found.result(timeout)
        except FutureTimeoutError:
            # The event came at the last moment, or the predicate itself raised a TimeoutError.
            if found.done():
                return found.result()
            raise TimeoutError(f"{event!r} did not come within {timeout:g} s") from None
        finally:
            emitter._detach(event, listener)
            self._unregister(closed)

    def stream(self, emitter: Emitter, events: list[str], timeout: float | None) -> EventStream:
        """Iterate over events; see ``Emitter.stream``.

        Args:
            emitter: The object that fires the events.
            events: Their canonical names.
            timeout: Seconds without an event after which the iteration ends; None for never.

        Returns:
            The iterator, whose steps block.

        Raises:
            DispatchThreadError: Called on the dispatch thread.
            TypeError: The timeout is not a number.
        """
        timeout = _checks.timeout("timeout", timeout)
        self.refuse_on_dispatch_thread("stream()")
        return EventStream(self, emitter, events, timeout)

    def _register(self, end: Callable[[ClosedError], None]) -> None:
        with self._lock:
            if self._closed is None:
                self._ends[end] = self._current
                return
            error = self._closed
        end(error)

    def _unregister(self, end: Callable[[ClosedError], None]) -> None:
        with self._lock:
            self._ends.pop(end, None)


class EventStream(Iterator[Any]):
    """Events as an iterator; see Emitter.stream. ``close()``, or the end of a ``with`` block, stops listening.

    A loop that is left by ``break`` drops the stream. Its listeners know the queue weakly: they collect nothing from
    then on, and the first event that comes takes them off.
    """

    def __init__(self, waiting: Waiting, emitter: Emitter, events: list[str], timeout: float | None) -> None:
        self._waiting = waiting
        self._emitter = emitter
        self._timeout = timeout
        self._queue = queued = _Queue()
        self._open = True
        # Kept here, as ``Waiting`` refers to it weakly.
        self._end: Callable[[ClosedError], None] = lambda error: queued.put(_END)
        self._listeners = [(event, _collector(self._queue, emitter, event, len(events) > 1)) for event in events]
        for event, listener in self._listeners:
            emitter._attach(event, listener)
        waiting._register(self._end)

    def __next__(self) -> Any:
        if not self._open:
            raise StopIteration
        self._waiting.refuse_on_dispatch_thread("stream()")
        try:
            item = self._queue.get(timeout=None if self._timeout is None else max(0.0, self._timeout))
        except queue.Empty:
            item = _END
        if item is _END:
            self.close()
            raise StopIteration
        return item

    def close(self) -> None:
        """Stop listening; idempotent, any thread, does not block."""
        self._open = False
        for event, listener in self._listeners:
            self._emitter._detach(event, listener)
        self._waiting._unregister(self._end)
        # For a thread that waits in ``__next__``.
        self._queue.put(_END)

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WhenReady(PlainFuture[T]):
    """The result of ``start``; refuses waits on the dispatch thread, which could never end."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__()
        self._waiting = waiting
        # Not to be cancelled: others may wait for the same connection.
        self.set_running_or_notify_cancel()

    def follow(self, ready: Future[None], result: T) -> None:
        """Settle this Future like another one; runs on the thread that settles that one, usually the dispatch thread.

        Args:
            ready: The other Future, done.
            result: The result of this Future if the other one succeeded.
        """
        error = ready.exception()
        try:
            if error is not None:
                self.set_exception(error)
            else:
                self.set_result(result)
        except BaseException as escaped:
            # Raised by a user's callback of this Future, e.g. SystemExit: the dispatch thread must continue.
            CALLBACKS.error("A callback of the Future of start() raised", exc_info=escaped)

    def result(self, timeout: float | None = None) -> T:
        """Block for the result; refused on the dispatch thread unless it is done.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Returns:
            The result.

        Raises:
            TimeoutError: The worker was not ready in time.
            DispatchThreadError: Called on the dispatch thread.
        """
        self._refuse("result")
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Block for the exception; refused on the dispatch thread unless it is done.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Returns:
            The exception; None on success.

        Raises:
            TimeoutError: The worker was not ready in time.
            DispatchThreadError: Called on the dispatch thread.
        """
        self._refuse("exception")
        return super().exception(timeout)

    def _refuse(self, what: str) -> None:
        if not self.done():
            self._waiting.refuse_on_dispatch_thread(f"start().{what}()")


class _Queue(queue.SimpleQueue[Any]):
    """A queue that can be known weakly."""


def _collector(queued: _Queue, emitter: Emitter, event: str, several: bool) -> Listener:
    known = weakref.ref(queued)

    def collect(*args: Any) -> None:
        queued = known()
        if queued is None:
            emitter._detach(event, listener)
        else:
            queued.put((event, *args) if several else args[0] if len(args) == 1 else args)

    listener = Listener(collect)
    return listener
