"""The clock of a running service: what clients see when it is moved, and what goes on when it stands still."""

from __future__ import annotations

import queue
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.integration.local.bridge_client import BridgeClient
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.errors import NotFoundError, StateError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter
from twilio_taskrouter_worker.local.server.events import sessions

TIMEOUT = 30.0


@pytest.fixture
def virtual() -> Any:
    """A running local TaskRouter whose clock stands still."""
    with LocalTaskRouter(clock="virtual") as router:
        yield router


def test_a_worker_sees_its_reservation_time_out(virtual: LocalTaskRouter) -> None:
    """Two minutes in no time: the reservation times out for a connected client, and the worker is moved offline."""
    heard: queue.Queue[str] = queue.Queue()
    sid = virtual.add_worker("Alice", activity="Available")
    with Worker(virtual.token(sid), **virtual.connection) as worker:

        @worker.on("reservation_created")
        def offered(reservation: Any) -> None:
            reservation.on("timeout", lambda ended: heard.put(f"timeout {ended.sid}"))
            heard.put(f"created {reservation.sid}")

        worker.on("activity_updated", lambda changed: heard.put(changed.activity.name))
        virtual.create_task({"order": 1})
        reservation = heard.get(timeout=TIMEOUT).removeprefix("created ")
        virtual.clock.advance(119)
        assert virtual.reservations()[0].reservation_status == "pending"
        virtual.clock.advance(1)
        assert {heard.get(timeout=TIMEOUT), heard.get(timeout=TIMEOUT)} == {f"timeout {reservation}", "Offline"}


def test_timeouts_come_in_their_order(virtual: LocalTaskRouter) -> None:
    """One long step: what happens on the way is heard in the order of the due times."""
    sid = virtual.add_worker("Alice", activity="Available")
    with BridgeClient(virtual, sid) as client:
        client.open().event()
        short = virtual.create_task({"order": 1}, timeout=60)
        assert client.events(1) == ["reservation.created"]
        virtual.create_task({"order": 2}, timeout=5000)
        virtual.clock.advance(1000)
        # The first task ends and makes room for the second one, whose reservation then times out.
        assert client.events(5) == [
            "task.canceled",
            "reservation.canceled",
            "reservation.created",
            "reservation.timeout",
            "worker.activity.update",
        ]
        with pytest.raises(NotFoundError):
            virtual.task(short)


def test_heartbeats_do_not_stop_with_the_clock(virtual: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients hear heartbeats in real time, whatever the clock shows."""
    monkeypatch.setattr(sessions, "HEARTBEAT_SECONDS", 0.02)
    sid = virtual.add_worker("Alice")
    with BridgeClient(virtual, sid) as client:
        client.open().event()
        before = virtual.clock.now()
        assert [client.frame() for _ in range(3)] == [" "] * 3
        virtual.clock.advance(100_000)
        assert [client.frame() for _ in range(3)] == [" "] * 3
        assert virtual.clock.now() == before + 100_000


def test_pause_and_resume(router: LocalTaskRouter) -> None:
    """A paused clock's timers wait; resumed, they go on with what was left."""
    router.add_worker("Alice", activity="Available")
    task = router.create_task({"order": 1}, timeout=100)
    router.clock.pause()
    shown = router.clock.now()
    assert not router.clock.running
    # All but a tenth of a second of what was left, however long the machine took until here.
    left = 100 - (shown - router.task(task).date_created) - 0.1
    router.clock.advance(left)
    assert router.clock.now() == pytest.approx(shown + left)
    assert router.task(task).assignment_status == "reserved"
    router.clock.resume()
    eventually(lambda: router.task(task).assignment_status == "canceled")


def test_run_until_something_is_so(virtual: LocalTaskRouter) -> None:
    """The clock goes from timer to timer and stops at the one that made it so."""
    virtual.add_worker("Alice", activity="Available")
    task = virtual.create_task({"order": 1}, timeout=7200)
    began = virtual.clock.now()
    virtual.clock.run_until(lambda: virtual.reservations()[0].reservation_status == "timeout")
    assert virtual.clock.now() == pytest.approx(began + 120)
    virtual.clock.run_until(lambda: virtual.task(task).assignment_status == "canceled")
    assert virtual.clock.now() == pytest.approx(began + 7200)
    virtual.clock.run_until(lambda: True)
    assert virtual.clock.now() == pytest.approx(began + 7200)


def test_run_until_a_condition_that_never_holds(virtual: LocalTaskRouter) -> None:
    """It ends with the timeout, at its last moment, however many timers there were on the way."""
    virtual.create_task({"order": 1}, timeout=50)
    began = virtual.clock.now()
    with pytest.raises(TimeoutError, match="within 3600 s of this clock"):
        virtual.clock.run_until(lambda: False, timeout=3600)
    assert virtual.clock.now() == pytest.approx(began + 3600)


def test_clients_get_time_to_act(virtual: LocalTaskRouter) -> None:
    """With patience, a client that answers an offer does so before the clock goes on to its timeout."""
    sid = virtual.add_worker("Alice", activity="Available")
    with Worker(virtual.token(sid), **virtual.connection) as worker:
        worker.on("reservation_created", lambda reservation: reservation.accept())
        task = virtual.create_task({"order": 1})
        began = virtual.clock.now()
        virtual.clock.run_until(lambda: virtual.task(task).assignment_status == "assigned", patience=TIMEOUT)
        assert virtual.clock.now() == began


def test_run_until_a_moment(virtual: LocalTaskRouter) -> None:
    """A datetime of any zone is a moment; one that has passed is refused, and changes nothing."""
    now = datetime.fromtimestamp(virtual.clock.now(), timezone.utc)
    later = (now + timedelta(hours=2)).astimezone(timezone(timedelta(hours=5)))
    virtual.clock.run_until(later)
    assert virtual.clock.now() == pytest.approx(later.timestamp())
    with pytest.raises(ValueError, match=r"cannot go back to .*advance\(seconds\) takes a span"):
        virtual.clock.run_until(120)
    with pytest.raises(ValueError, match="time does not go back"):
        virtual.clock.advance(-1)
    assert virtual.clock.now() == pytest.approx(later.timestamp())


def test_threads_may_move_it_together(virtual: LocalTaskRouter) -> None:
    """Moves from several threads are all done, one after the other."""
    began = virtual.clock.now()

    def move() -> None:
        for _ in range(25):
            virtual.clock.advance(1)

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert virtual.clock.now() == pytest.approx(began + 100)


def test_before_and_after_the_service(virtual: LocalTaskRouter) -> None:
    """A clock can be set before its router starts, and says why it cannot be moved afterwards."""
    clock = Clock.virtual(1000.0)
    router = LocalTaskRouter(clock=clock)
    clock.advance(5)
    with router:
        assert router.clock.now() == 1005.0
        sid = router.create_task({})
        assert router.task(sid).date_created == 1005.0
    with pytest.raises(StateError, match="stopped"):
        clock.advance(1)
