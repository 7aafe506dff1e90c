"""The connection's steps that need no service."""

from __future__ import annotations

import socket

import pytest

from tests.tools.wait import no_leftover_threads
from tests.unit._bridge.driver import event_frame, init_frame
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker._bridge.actions import SendClose, TakeOver
from twilio_taskrouter_worker._bridge.connection import Connection, _readable
from twilio_taskrouter_worker._bridge.messages import Init
from twilio_taskrouter_worker._bridge.reload import Snapshot
from twilio_taskrouter_worker._bridge.threads import EAGER, POOL, TIMERS


def test_frames_that_came_while_the_lists_were_read() -> None:
    """Heartbeats and frames that are no messages are left out; the others keep their order."""
    messages = _readable((event_frame(1), "\n", "{", b"\xff", event_frame(2).encode()))
    assert [message.payload for message in messages] == [{"number": 1}, {"number": 2}]


@pytest.fixture
def connection() -> Connection:
    """A connection whose threads do not run: what it puts into its queue stays there."""
    return Worker("token")._new_connection(None)


def queued(connection: Connection) -> int:
    """Steps that wait for the dispatch thread."""
    return connection.dispatcher.backlog


def test_the_threads_for_the_lists_are_there_before_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """They start while the websocket is being opened, and end with a worker that never comes further."""
    POOL.drain(20.0)
    monkeypatch.setattr(POOL, "_idle_seconds", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, no_leftover_threads():
        worker = Worker("token", eb_server=f"http://127.0.0.1:{silent.getsockname()[1]}/v1/wschannels")
        worker.start()
        assert len(POOL._threads) == EAGER
        worker.disconnect()


def test_a_second_stop(connection: Connection) -> None:
    """It adds nothing to the first, and threads that never ran are not waited for."""
    connection.stop()
    steps = queued(connection)
    connection.stop()
    assert queued(connection) == steps > 0
    assert connection.given_up and connection.join(0.0)


def test_a_renewal_that_fails_after_the_end(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    """The provider's failure is logged, and no listener hears of it any more."""
    connection.stop()
    steps = queued(connection)
    connection.renewal_failed(KeyError("shift"), "token")
    assert queued(connection) == steps
    assert "KeyError" in caplog.text


def test_open_reservations_are_not_announced_before_ready(connection: Connection) -> None:
    """Their listeners wait for the first ``ready``."""
    connection.announce_existing()
    assert queued(connection) == 0


def test_lists_of_a_connection_that_was_lost(connection: Connection) -> None:
    """They come too late: not even the worker's sid is learned from them."""
    connection._take_over(TakeOver(7, Init("WK1", "AC1", "WS1", None), Snapshot({}, [], [], [])))
    assert not connection._state.worker_sid
    assert not connection.is_ready


def test_a_close_without_a_websocket(connection: Connection) -> None:
    """There is nobody to say it to."""
    with connection._lock:
        connection._do(SendClose())
    assert not connection._later


def test_lists_that_cannot_be_taken_over(connection: Connection) -> None:
    """The error is reported, and the lists are asked for again after a pause."""
    with no_leftover_threads():
        session = connection._session
        session.start("token", None, 0.0)
        session.opened(0.0)
        session.frames((init_frame(),), 0.0)
        steps = queued(connection)
        action = TakeOver(session.generation, Init("WK1", "AC1", "WS1", None), Snapshot({"sid": 1}, [], [], []))
        connection._take_over(action)
        assert queued(connection) == steps + 1
        assert not connection.is_ready and not connection.given_up
        connection.stop()
        TIMERS.drain(5.0)
