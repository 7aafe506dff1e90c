"""Waiting with a deadline, and the checks for leftovers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads


def test_eventually_returns_the_value() -> None:
    """The predicate's first true value is the result, however late it comes."""
    values: Iterator[object] = iter([0, None, [], "now"])
    assert eventually(lambda: next(values)) == "now"


@pytest.mark.parametrize("message", ["no luck", lambda: "no luck"])
def test_eventually_gives_up(message: object) -> None:
    """A predicate that stays false raises with the message, which may be made at that moment."""
    with pytest.raises(AssertionError, match=r"no luck \(waited 0.01 s\)"):
        eventually(lambda: False, 0.01, message)  # type: ignore[arg-type]


def test_a_thread_left_is_named() -> None:
    """A thread that outlives the block fails it by name, whatever its name; one that ends in time does not."""
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, args=(60,), name="taskrouter-left")
    with pytest.raises(AssertionError, match="threads were left: taskrouter-left"), no_leftover_threads(0.02):
        thread.start()
    gate.set()
    thread.join(60)
    with no_leftover_threads():
        threading.Thread(target=gate.wait, args=(60,), name="quick").start()


def test_threads_of_the_tools_are_ignored_unless_asked() -> None:
    """The tools' own threads do not count against the code under test, but can be made to."""
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, args=(60,), name="tool-something")
    with no_leftover_threads(0.02):
        thread.start()
    other = threading.Thread(target=gate.wait, args=(60,), name="tool-other")
    with pytest.raises(AssertionError, match="tool-other"), no_leftover_threads(0.02, ignore=()):
        other.start()
    gate.set()
    thread.join(60)
    other.join(60)


def test_a_socket_left_is_found() -> None:
    """A socket open at the end of the block fails it; one closed does not."""
    with socket.socket() as kept:
        left = []
        with pytest.raises(AssertionError, match=r"sockets were left: socket:\["), no_leftover_sockets(0.02):
            left.append(socket.socket())
        left[0].close()
        with no_leftover_sockets(0.02), socket.socket():
            kept.fileno()


def test_the_blocks_own_exception_goes_first() -> None:
    """An exception in the block is not hidden by what it left behind."""
    gate = threading.Event()
    with pytest.raises(KeyError), no_leftover_threads(0.02), no_leftover_sockets(0.02):
        threading.Thread(target=gate.wait, args=(60,), name="left").start()
        raise KeyError
    gate.set()
