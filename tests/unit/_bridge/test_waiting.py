"""Blocking waits: what ends them, and where they are refused."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.tools.seams import listeners_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker._bridge.dispatch import Dispatcher
from twilio_taskrouter_worker._bridge.mirror import Mirror, Notice
from twilio_taskrouter_worker._bridge.waiting import Waiting
from twilio_taskrouter_worker.errors import ClosedError, DispatchThreadError

SOON = 20.0
CLOSED = ClosedError("over")


class WaitingDriver:
    """A worker whose events are fired by hand, on a dispatch thread, and a thread to wait on."""

    def __init__(self) -> None:
        self.worker = Worker("token")
        self.waiting: Waiting = self.worker._waits
        self.dispatcher = self.connect()
        self.executor = ThreadPoolExecutor(2, "unit-waiting")

    def connect(self) -> Dispatcher:
        worker = self.worker
        mirror = Mirror(
            worker, worker._call, self.waiting, worker._release, worker._watch.foreign_accept, worker.client
        )
        dispatcher = Dispatcher(mirror, "unit-dispatch")
        dispatcher.thread.start()
        self.waiting.open(dispatcher.thread)
        return dispatcher

    def fire(self, event: str, *args: Any) -> None:
        self.dispatcher.put(lambda: self.dispatcher.fire([Notice(self.worker, event, args)]))

    def listening(self, event: str) -> None:
        """Wait until somebody listens."""
        eventually(lambda: listeners_of(self.worker, event))

    def in_background(self, function: Callable[[], Any], event: str = "token_updated") -> Any:
        """Start to wait on another thread; gives the Future of the outcome, when it listens."""
        future = self.executor.submit(function)
        self.listening(event)
        return future

    def on_dispatch_thread(self, function: Callable[[], Any]) -> Any:
        """The result of the function, called on the dispatch thread."""
        box: list[Any] = []
        done = threading.Event()

        def call() -> None:
            try:
                box.append(function())
            except BaseException as error:
                box.append(error)
            done.set()

        self.dispatcher.put(call)
        assert done.wait(SOON)
        return box[0]


@pytest.fixture
def driver() -> Iterator[WaitingDriver]:
    with no_leftover_threads():
        driver = WaitingDriver()
        yield driver
        driver.waiting.close(CLOSED, driver.dispatcher.thread)
        driver.executor.shutdown()
        driver.dispatcher.stop()
        driver.dispatcher.thread.join(SOON)


# -- wait_for --------------------------------------------------------------------------------------------------------


def test_wait_for(driver: WaitingDriver) -> None:
    """It returns the next event's arguments, however many, and does not listen any more."""
    first = driver.in_background(lambda: driver.worker.wait_for("reconnecting", SOON), "reconnecting")
    driver.fire("reconnecting", 1.5)
    assert first.result(SOON) == (1.5,)
    second = driver.in_background(lambda: driver.worker.wait_for("tokenUpdated"))
    driver.fire("token_updated")
    assert second.result(SOON) == ()
    assert not listeners_of(driver.worker, "token_updated")


def test_only_the_next_event_counts(driver: WaitingDriver) -> None:
    """What came before the wait began is not waited for, and of two events the first is returned."""
    driver.fire("reconnecting", 1.0)
    driver.on_dispatch_thread(lambda: None)
    outcome = driver.in_background(lambda: driver.worker.wait_for("reconnecting", SOON), "reconnecting")
    driver.dispatcher.put(
        lambda: driver.dispatcher.fire([Notice(driver.worker, "reconnecting", (delay,)) for delay in (2.0, 3.0)])
    )
    assert outcome.result(SOON) == (2.0,)


def test_a_predicate(driver: WaitingDriver) -> None:
    """Events for which the predicate is false are passed over; it runs on the dispatch thread."""
    threads: set[threading.Thread] = set()

    def long(delay: float) -> bool:
        threads.add(threading.current_thread())
        return delay > 2

    outcome = driver.in_background(
        lambda: driver.worker.wait_for("reconnecting", predicate=long, timeout=SOON), "reconnecting"
    )
    for delay in (1.0, 2.0, 3.0, 4.0):
        driver.fire("reconnecting", delay)
    assert outcome.result(SOON) == (3.0,)
    assert threads == {driver.dispatcher.thread}


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError("of the predicate's own")])
def test_a_predicate_that_raises(driver: WaitingDriver, error: Exception) -> None:
    """What it raises ends the wait, and is raised by it."""

    def bad(delay: float) -> bool:
        raise error

    outcome = driver.in_background(lambda: driver.worker.wait_for("reconnecting", SOON, bad), "reconnecting")
    driver.fire("reconnecting", 1.0)
    assert outcome.exception(SOON) is error


@pytest.mark.parametrize("timeout", [0.01, 0, -1])
def test_wait_for_gives_up(driver: WaitingDriver, timeout: float) -> None:
    """After the timeout it raises, saying what did not come, and does not listen any more."""
    with pytest.raises(TimeoutError, match=f"'token_updated' did not come within {timeout:g} s"):
        driver.worker.wait_for("token_updated", timeout)
    assert not listeners_of(driver.worker, "token_updated")


def test_disconnecting_ends_the_wait(driver: WaitingDriver) -> None:
    """Every wait of the connection raises the error it ends with."""
    waits = [
        driver.in_background(lambda: driver.worker.wait_for("token_updated")),
        driver.in_background(lambda: driver.worker.wait_for("reconnecting"), "reconnecting"),
    ]
    driver.waiting.close(CLOSED, driver.dispatcher.thread)
    assert [each.exception(SOON) for each in waits] == [CLOSED, CLOSED]


def test_a_wait_after_the_end(driver: WaitingDriver) -> None:
    """Nothing can come from a connection that is over, so that a wait ends at once; the next connection is new."""
    driver.waiting.close(CLOSED, driver.dispatcher.thread)
    with pytest.raises(ClosedError):
        driver.worker.wait_for("token_updated")
    assert list(driver.worker.stream("token_updated")) == []
    driver.waiting.open(driver.dispatcher.thread)
    outcome = driver.in_background(lambda: driver.worker.wait_for("token_updated", SOON))
    driver.fire("token_updated")
    assert outcome.result(SOON) == ()


def test_the_end_of_an_earlier_connection(driver: WaitingDriver) -> None:
    """The last step of a connection that is over ends no wait of the next one."""
    second = driver.connect()
    outcome = driver.in_background(lambda: driver.worker.wait_for("token_updated", SOON))
    driver.waiting.close(CLOSED, driver.dispatcher.thread)
    assert not outcome.done()
    driver.fire("token_updated")
    assert outcome.result(SOON) == ()
    second.stop()
    second.thread.join(SOON)


def test_waiting_before_the_first_connection() -> None:
    """Who waits before it connects waits for that connection, and ends with it."""
    worker = Worker("token")
    with ThreadPoolExecutor(1) as executor:
        outcome = executor.submit(lambda: worker.wait_for("token_updated"))
        eventually(lambda: listeners_of(worker, "token_updated"))
        thread = threading.Thread()
        worker._waits.open(thread)
        worker._waits.close(CLOSED, thread)
        assert outcome.exception(SOON) is CLOSED


@pytest.mark.parametrize("timeout", ["1", True, [1]])
def test_bad_timeouts(driver: WaitingDriver, timeout: Any) -> None:
    """A timeout is a number or None."""
    with pytest.raises(TypeError, match="timeout must be a number of seconds or None"):
        driver.worker.wait_for("token_updated", timeout)
    with pytest.raises(TypeError, match="timeout must be a number of seconds or None"):
        driver.worker.stream("token_updated", timeout=timeout)


def test_a_bad_predicate(driver: WaitingDriver) -> None:
    """A predicate is a function."""
    with pytest.raises(TypeError, match="predicate must be a function, not str"):
        driver.worker.wait_for("token_updated", 1, "yes")  # type: ignore[call-overload]


def test_refused_inside_a_callback(driver: WaitingDriver) -> None:
    """On the dispatch thread neither could ever end, and both are refused; so is stepping a stream made elsewhere."""
    stream = driver.worker.stream("token_updated")
    for wait in (
        lambda: driver.worker.wait_for("token_updated", 1),
        lambda: driver.worker.stream("token_updated"),
        lambda: next(stream),
    ):
        error = driver.on_dispatch_thread(wait)
        assert isinstance(error, DispatchThreadError)
        assert "inside a callback would wait for itself" in error.message


# -- stream ----------------------------------------------------------------------------------------------------------


def test_a_stream_misses_nothing(driver: WaitingDriver) -> None:
    """It listens from the call on: events before the first step are in it, in order."""
    stream = driver.worker.stream("reconnecting", timeout=SOON)
    for delay in (1.0, 2.0, 3.0):
        driver.fire("reconnecting", delay)
    assert [next(stream), next(stream), next(stream)] == [1.0, 2.0, 3.0]
    driver.waiting.close(CLOSED, driver.dispatcher.thread)
    assert list(stream) == []


def test_the_items_of_a_stream(driver: WaitingDriver) -> None:
    """One event: its argument, or a tuple where there is not exactly one. Several: the name comes first."""
    bare = driver.worker.stream("token_updated", timeout=SOON)
    several = driver.worker.stream("token_updated", "reconnecting", timeout=SOON)
    driver.fire("token_updated")
    driver.fire("reconnecting", 2.0)
    assert next(bare) == ()
    assert [next(several), next(several)] == [("token_updated",), ("reconnecting", 2.0)]
    for stream in (bare, several):
        stream.close()  # type: ignore[attr-defined]


def test_a_stream_that_waited_long_enough(driver: WaitingDriver) -> None:
    """After the timeout without an event the loop ends, and it listens no more."""
    stream = driver.worker.stream("reconnecting", timeout=0.01)
    driver.fire("reconnecting", 1.0)
    assert list(stream) == [1.0]
    assert list(stream) == []
    assert not listeners_of(driver.worker, "reconnecting")


def test_events_before_the_end_are_in_the_stream(driver: WaitingDriver) -> None:
    """Disconnecting ends the loop after what came before."""
    stream = driver.worker.stream("reconnecting")
    driver.fire("reconnecting", 1.0)
    driver.on_dispatch_thread(lambda: driver.waiting.close(CLOSED, driver.dispatcher.thread))
    assert list(stream) == [1.0]


def test_closing_ends_the_loop(driver: WaitingDriver) -> None:
    """close() on another thread ends a loop that waits; closing twice is no harm."""
    stream = driver.worker.stream("token_updated")
    outcome = driver.executor.submit(list, stream)
    stream.close()  # type: ignore[attr-defined]
    stream.close()  # type: ignore[attr-defined]
    assert outcome.result(SOON) == []


def test_a_stream_as_context(driver: WaitingDriver) -> None:
    """The end of a with block stops listening."""
    with driver.worker.stream("token_updated") as stream:  # type: ignore[attr-defined]
        assert listeners_of(driver.worker, "token_updated")
        driver.fire("token_updated")
        assert next(stream) == ()
    assert not listeners_of(driver.worker, "token_updated")
    assert not driver.waiting._ends


def test_a_stream_that_is_dropped(driver: WaitingDriver) -> None:
    """Breaking out of a loop drops the stream: nothing is kept for it, and the next event takes its listener off."""
    driver.fire("reconnecting", 0.5)
    stream = driver.worker.stream("reconnecting", timeout=SOON)
    driver.fire("reconnecting", 1.0)
    for delay in stream:
        assert delay in (0.5, 1.0)
        break
    del stream
    gc.collect()
    assert not list(driver.waiting._ends)
    driver.fire("reconnecting", 2.0)
    eventually(lambda: not listeners_of(driver.worker, "reconnecting"))


@pytest.mark.parametrize("lock", ["registration", "waiting"])
def test_a_stream_that_is_dropped_amidst_a_lock(driver: WaitingDriver, lock: str) -> None:
    """The garbage collector takes no lock, and so may come while one is held."""
    from twilio_taskrouter_worker.events import registration

    stream = driver.worker.stream("token_updated")
    with registration if lock == "registration" else driver.waiting._lock:
        del stream
        gc.collect()
    driver.fire("token_updated")
    eventually(lambda: not listeners_of(driver.worker, "token_updated"))


def test_a_stream_of_nothing(driver: WaitingDriver) -> None:
    """Without an event's name there is nothing to iterate; an unknown name is refused with the nearest one."""
    with pytest.raises(TypeError, match="at least one event"):
        driver.worker.stream()  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="did you mean 'token_updated'"):
        driver.worker.stream("token_update")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="did you mean 'token_updated'"):
        driver.worker.wait_for("token_update")  # type: ignore[call-overload]


# -- fork ------------------------------------------------------------------------------------------------------------

FORK = """
import os, threading
from twilio_taskrouter_worker import ForkedProcessError, Worker

worker = Worker("token")
worker._waits.open(threading.Thread())
child = os.fork()
if child == 0:
    refused = 0
    for wait in (lambda: worker.wait_for("token_updated", 1), lambda: worker.stream("token_updated")):
        try:
            wait()
        except ForkedProcessError:
            refused += 1
    os._exit(0 if refused == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_refused_in_a_forked_child() -> None:
    """A worker that is connected in the parent has no events in the child: waiting there is refused."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=120)
