"""Turns: how many dispatch threads are woken at a time, and that none is forgotten."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker._bridge import inbox as module
from twilio_taskrouter_worker._bridge.inbox import TURNS, Inbox

SOON = 30.0


@pytest.fixture(autouse=True)
def all_turns_given_back() -> Iterator[None]:
    """Whatever a test does, no turn is lost."""
    with no_leftover_threads():
        yield
    assert (module._turns.free, list(module._turns.waiting)) == (TURNS, [])


class Reader:
    """A thread that takes numbers out of an inbox until it finds None."""

    def __init__(self, gate: threading.Event | None = None, *, ends_turn: bool = False) -> None:
        self.inbox: Inbox[int | None] = Inbox()
        self.got: list[int] = []
        self.inside = threading.Event()
        self._gate = gate
        self._ends_turn = ends_turn
        self.thread = threading.Thread(target=self._run, name="unit-reader")
        self.thread.start()
        eventually(lambda: self.inbox._asleep)

    def _run(self) -> None:
        while (number := self.inbox.get()) is not None:
            self.got.append(number)
            if self._ends_turn:
                self.inbox.end_turn()
            self.inside.set()
            if self._gate is not None:
                assert self._gate.wait(SOON)
        self.inbox.end_turn()

    def stop(self) -> None:
        self.inbox.put(None)
        self.thread.join(SOON)


def test_items_in_order() -> None:
    """What several threads put is taken out, each thread's in its order."""
    reader = Reader()

    def put(first: int) -> None:
        for number in range(first, first + 1000):
            reader.inbox.put(number)

    writers = [threading.Thread(target=put, args=(first,)) for first in (0, 10_000, 20_000)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(SOON)
    reader.stop()
    for first in (0, 10_000, 20_000):
        assert [each for each in reader.got if first <= each < first + 1000] == list(range(first, first + 1000))


def test_no_more_threads_than_turns_are_woken() -> None:
    """The others come when one of those has nothing more to do, in the order in which they were asked for."""
    gate = threading.Event()
    readers = [Reader(gate) for _ in range(TURNS + 3)]
    for reader in readers:
        reader.inbox.put(1)
    for reader in readers[:TURNS]:
        assert reader.inside.wait(SOON)
    assert not any(reader.inside.is_set() for reader in readers[TURNS:])
    assert len(module._turns.waiting) == 3
    gate.set()
    for reader in readers:
        assert reader.inside.wait(SOON)
        reader.stop()


def test_a_callback_that_blocks_keeps_nobody_waiting() -> None:
    """Where the turn is ended before it, any number of threads may block."""
    gate = threading.Event()
    readers = [Reader(gate, ends_turn=True) for _ in range(3 * TURNS)]
    for reader in readers:
        reader.inbox.put(1)
    for reader in readers:
        assert reader.inside.wait(SOON)
    gate.set()
    for reader in readers:
        reader.stop()


def test_waiting_until_a_time() -> None:
    """At its end the wait gives up; what comes later is still there for the next one."""
    inbox: Inbox[int] = Inbox()
    with pytest.raises(queue.Empty):
        inbox.get(time.monotonic() + 0.01)
    inbox.put(1)
    assert inbox.get(time.monotonic() + SOON) == 1
    assert len(inbox) == 0
    inbox.end_turn()


def all_turns_taken(gate: threading.Event) -> list[Reader]:
    """Readers that have every turn, and keep it until the gate opens."""
    busy = [Reader(gate) for _ in range(TURNS)]
    for reader in busy:
        reader.inbox.put(1)
        assert reader.inside.wait(SOON)
    return busy


def test_waking_up_by_oneself() -> None:
    """A thread whose time has come runs without a turn, and is given none while it runs: its callback may block."""
    gate = threading.Event()
    busy = all_turns_taken(gate)
    inbox: Inbox[int] = Inbox()
    for number in range(3):
        with pytest.raises(queue.Empty):
            inbox.get(time.monotonic() + 0.01)
        inbox.put(number)
        assert inbox.get(time.monotonic() + SOON) == number
    assert not module._turns.waiting
    gate.set()
    for reader in busy:
        reader.stop()
    assert module._turns.free == TURNS


class LateWait(queue.SimpleQueue[None]):
    """The first wait ends by its time limit just after another thread has put an item."""

    def __init__(self, inbox: Inbox[int]) -> None:
        self._inbox: Inbox[int] | None = inbox

    def get(self, block: bool = True, timeout: float | None = None) -> None:
        """Block for an entry, but for the first time."""
        if self._inbox is None:
            return super().get(block, timeout)
        inbox, self._inbox = self._inbox, None
        inbox.put(1)
        raise queue.Empty


def test_waking_up_by_oneself_while_asked_for() -> None:
    """A request that is still in line when the time has come is withdrawn, and its item stays for the next wait."""
    gate = threading.Event()
    busy = all_turns_taken(gate)
    inbox: Inbox[int] = Inbox()
    inbox._woken = LateWait(inbox)
    with pytest.raises(queue.Empty):
        inbox.get(time.monotonic() + SOON)
    assert not module._turns.waiting
    assert inbox.get() == 1
    gate.set()
    for reader in busy:
        reader.stop()


def test_waking_up_by_oneself_at_the_moment_of_the_turn() -> None:
    """A turn that is given as the time comes is used, and returned like any other."""
    inbox: Inbox[int] = Inbox()
    inbox._woken = LateWait(inbox)
    assert inbox.get(time.monotonic() + SOON) == 1
    assert module._turns.free == TURNS - 1
    inbox.end_turn()
    with pytest.raises(queue.Empty):
        inbox.get(time.monotonic() + 0.01)


def test_putting_after_the_end() -> None:
    """Nothing is woken for a thread that has ended."""
    reader = Reader()
    reader.stop()
    reader.inbox.put(1)
    assert len(reader.inbox) == 1
