"""A Worker at a bridge, what it fires, and tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest

from tests.oracle.bridge import RecordingBridge
from tests.tools import payloads
from tests.tools.seams import events_of
from tests.tools.wait import no_leftover_sockets, no_leftover_threads
from twilio_taskrouter_worker import TaskRouterError, Worker, tokens

TOKEN = "a.plain.token"
"""A token that cannot be read, as an encrypted one: its life time comes from ``init``."""

SLACK = 8.0
"""Seconds that a busy machine may take on top of a timeout; less than any time limit that a mistake would wait for."""

SECRET = "secret-of-the-signing-key-0123456789"


def make_token(ttl: float = 3600, **claims: Any) -> str:
    """A signed token for the bridge's worker that ends in ``ttl`` seconds (below zero: it has ended).

    Fractions of seconds count.
    """
    worker = payloads.load("rest.worker")
    full = tokens.create_worker_token("AC1", "SK1", SECRET, worker["workspace_sid"], worker["sid"])
    content = jwt.decode(full, options={"verify_signature": False})
    content.update({"exp": time.time() + ttl, **claims})
    return jwt.encode(content, SECRET, algorithm="HS256")


class EventRecorder:
    """Records events of any objects, on the threads they come on, and waits for them."""

    def __init__(self, target: Any = None, *events: str) -> None:
        # Guards the list; notified at each event.
        self._changed = threading.Condition()
        self.recorded: list[tuple[str, tuple[Any, ...]]] = []
        """Event and arguments, in order."""
        self.threads: list[str] = []
        """Names of the threads they came on."""
        if target is not None:
            self.listen(target, *events)

    def listen(self, target: Any, *events: str) -> None:
        """Listen to these events of an object, or to all it has."""
        for event in events or sorted(events_of(type(target))):
            target.on(event, self.callback(event))

    def callback(self, event: str) -> Any:
        """A callback that records under this name."""

        def record(*args: Any) -> None:
            with self._changed:
                self.recorded.append((event, args))
                self.threads.append(threading.current_thread().name)
                self._changed.notify_all()

        return record

    def names(self) -> list[str]:
        """The events so far, in order."""
        with self._changed:
            return [event for event, _ in self.recorded]

    def all(self, event: str) -> list[Any]:
        """What each of these events brought: its argument, or None."""
        with self._changed:
            return [args[0] if args else None for name, args in self.recorded if name == event]

    def wait_for(self, event: str, n: int = 1, timeout: float = 20.0) -> Any:
        """Wait until the event came ``n`` times (since the start) and give what the n-th brought."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [args[0] if args else None for name, args in self.recorded if name == event]
                if len(found) >= n:
                    return found[n - 1]
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"{event} came {len(found)} times within {timeout} s, not {n}; {self.recorded}"
                    )
                self._changed.wait(left)


def new_worker(bridge: Any, token: str = TOKEN, **options: Any) -> Worker:
    """A Worker for the bridge (or anything that stands before it), not connected yet."""
    at = {"eb_server": bridge.eb_server} if isinstance(bridge, RecordingBridge) else {"eb_server": bridge.url("http")}
    return Worker(token, **{**at, **options})


@contextmanager
def connected(bridge: Any, token: str = TOKEN, **options: Any) -> Iterator[tuple[Worker, EventRecorder]]:
    """A ready Worker and a recorder of all its events; disconnected at the end."""
    worker = new_worker(bridge, token, **options)
    recorder = EventRecorder(worker)
    worker.connect(30)
    try:
        # connect() returns before the listeners of "ready" are called.
        recorder.wait_for("ready")
        yield worker, recorder
    finally:
        worker.disconnect()


def marker(bridge: RecordingBridge, recorder: EventRecorder) -> None:
    """Wait until everything that the bridge has sent was handled by the worker that the recorder listens to."""
    before = len(recorder.all("reservation_failed"))
    bridge.send("reservation.failed", {"sid": "marker"})
    recorder.wait_for("reservation_failed", before + 1)


@contextmanager
def nothing_left() -> Iterator[None]:
    """Assert that neither a thread nor a socket is left."""
    with no_leftover_sockets(), no_leftover_threads():
        yield


def failure(worker: Worker, timeout: float) -> TaskRouterError:
    """The error of a connect() that fails, within its timeout; afterwards the worker is as if new."""
    begun = time.monotonic()
    with nothing_left(), pytest.raises(TaskRouterError) as caught:
        worker.connect(timeout)
    assert time.monotonic() - begun < timeout + SLACK
    assert not worker.connected and not worker.ready
    return caught.value


def failed_attempt(
    worker: Worker, first: float = 0.5, enough: Callable[[TaskRouterError], object] | None = None
) -> TaskRouterError:
    """The error of a connect() in whose time an attempt has failed; a busy machine gets more time for that.

    A timeout within which no attempt has ended has no cause. With ``enough`` that function of the error decides.
    """
    for timeout in (first, 8 * first, 32 * first):
        error = failure(worker, timeout)
        if error.__cause__ is not None if enough is None else enough(error):
            break
    return error
