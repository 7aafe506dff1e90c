"""A Worker between its connections: what comes then has no effect, and nothing of a failed start is left."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tools import payloads
from tests.tools.shortage import refuse_threads
from tests.tools.wait import no_leftover_threads
from tests.unit._bridge.service import Client, Service, message
from twilio_taskrouter_worker import Activity, ClosedError, NetworkError, TaskRouterError, Worker
from twilio_taskrouter_worker._bridge.session import Session
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.waiting import Waiting
from twilio_taskrouter_worker._token_source import TokenSource
from twilio_taskrouter_worker.single import ProcessLock
from twilio_taskrouter_worker.testing import make_reservation


def test_a_start_without_threads_releases_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file of ``single`` is free again for another process, and the next connect() of this one may try again."""
    refuse_threads(monkeypatch, lambda name: name.startswith("taskrouter-worker"))
    path = tmp_path / "alice.lock"
    worker = Worker("token", single=path)
    with no_leftover_threads():
        with pytest.raises(TaskRouterError, match="no more threads"):
            worker.connect()
    assert not worker.health().running
    other = ProcessLock(path)
    assert other.acquire()
    other.release()


def test_a_provider_that_fails_between_two_connections() -> None:
    """The token stays, and no listener hears of it: the next connection asks again."""
    errors: list[object] = []

    def provider() -> str:
        raise KeyError("shift")

    worker = Worker("token", token_provider=provider)
    worker.on("error", errors.append)
    worker._renew_token()
    assert worker._token == "token" and not worker._renewing
    assert not errors


def test_events_too_late_for_a_connection() -> None:
    """Failures that nobody checked, messages held back and refused tokens have no listener any more."""
    errors: list[object] = []
    worker = Worker("token")
    worker.on("error", errors.append)
    worker._report_error(NetworkError("late"))
    worker._token_refused("token")
    worker._release(list)
    assert not errors
    assert not worker.health().running


def test_an_event_just_before_the_end() -> None:
    """The wait returns the event, although the connection ends before it has woken up."""
    waiting, dispatch, detached = Waiting(), threading.Thread(), []
    waiting.open(dispatch)

    class Emitter:
        def _attach(self, event: str, listener: Any) -> None:
            listener.callback("first")
            waiting.close(ClosedError("The worker was disconnected"), dispatch)

        def _detach(self, event: str, listener: Any) -> None:
            detached.append(event)

    emitter: Any = Emitter()
    assert waiting.for_event(emitter, "ready", 5.0, None) == ("first",)
    assert detached == ["ready"]


def test_a_token_that_another_thread_has_fetched_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is not asked twice."""

    def provider() -> str:
        raise AssertionError("asked again")

    source: Any = TokenSource(None, provider)

    class Lock:
        def __enter__(self) -> None:
            source._token = "fetched"

        def __exit__(self, *_: object) -> None: ...

    source._lock = Lock()
    monkeypatch.setattr(source, "_ends_soon", lambda token: False)
    assert source.current() == "fetched"


def test_a_token_that_is_given_while_the_workers_is_taken() -> None:
    """It is used from then on; the worker's, which was on its way, is not kept."""

    def live() -> str:
        if given:
            source.replace(given.pop())
        return "of.the.worker"

    source, given = TokenSource(None, None), ["given.by.hand"]
    source.follow(live)
    assert source.current() == "of.the.worker"
    assert source.current() == "given.by.hand"


def test_a_token_that_is_given_while_the_provider_runs() -> None:
    """The given one is kept, as it came last."""

    def provider() -> str:
        source.replace("given.by.hand")
        return "of.the.provider"

    source = TokenSource(None, provider)
    assert source.current() == "given.by.hand"


class Between:
    """The second connection of a worker, which begins while the end of the first one is under way."""

    def __init__(self) -> None:
        self.worker, ended = Worker("token"), threading.Event()
        ended.set()
        dispatcher = SimpleNamespace(declining=False, put_first=lambda step: None, calling=None, declined=[])
        first: Any = SimpleNamespace(dispatcher=dispatcher, ended=ended, join=lambda deadline: True)
        self.first = self.worker._connection = first
        reservation = make_reservation()
        job = self.worker._work.add("reservation_created", reservation)
        self.worker._server._queue.append((reservation, job))

    def begin(self) -> None:
        """Another thread ends the first connection, and begins the second one."""
        second: Any = SimpleNamespace()
        self.worker._connection = second

    def is_untouched(self) -> bool:
        """Whether the second connection goes on as it began."""
        waiting = [each.status for each, _ in self.worker._server._queue]
        return not self.worker.stopping.is_set() and self.worker._leaving is None and waiting == ["pending"]


def test_a_stop_of_a_connection_that_another_thread_has_replaced() -> None:
    """The next connection does not stop, and what waits for its handler stays."""
    between = Between()
    between.begin()
    assert between.worker._stop(between.first, 5.0) is True
    assert between.is_untouched()


def test_a_callback_disconnects_what_another_thread_has_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next connection goes on."""
    between = Between()
    monkeypatch.setattr(between.worker._work, "jobs", list)

    def on_dispatch_thread() -> bool:
        between.begin()
        return True

    monkeypatch.setattr(between.worker._waits, "on_dispatch_thread", on_dispatch_thread)
    between.worker.disconnect()
    assert between.is_untouched()
    assert not between.first.dispatcher.declining


class Getting(Session):
    """A session that gets ready while its state is read."""

    states: tuple[State, ...] = (State.READY, State.LOADING, State.GREETING)

    @property
    def state(self) -> State:
        """The next state."""
        state, self.states = self.states[-1], self.states[:-1] or self.states
        return state

    @state.setter
    def state(self, state: State) -> None: ...


def test_the_health_of_a_connection_that_gets_ready() -> None:
    """Its parts fit together: what is ready is connected."""
    worker = Worker("token")
    connection: Any = worker._new_connection(None)
    connection._session = Getting(connection._options.session, connection._options.timings)
    worker._connection = connection
    for connected, ready in ((False, False), (True, False), (True, True)):
        health = worker.health()
        assert (health.running, health.connected, health.ready) == (True, connected, ready)
        assert (health.last_frame is not None) is connected


class Renewed(Activity):
    """An activity whose record is replaced each time it is read."""

    records: list[Any]

    @property
    def _record(self) -> Any:
        self.records.append(self.records.pop(0))
        return self.records[-1]

    @_record.setter
    def _record(self, records: Any) -> None:
        self.records = records


def test_a_snapshot_while_the_record_is_replaced() -> None:
    """All its values are of one record."""
    first, second = (
        Activity._schema.read({**payloads.load("rest.activity"), "sid": sid, "friendly_name": sid})
        for sid in ("WA1", "WA2")
    )
    activity = Renewed(Client(Service()).state, [first, second])  # type: ignore[arg-type]
    snapshot = activity.to_dict()
    assert snapshot["sid"] == snapshot["name"]
    (table,) = activity.show().tables
    (sid,), (name,) = ([row[1] for row in table.rows if row[0] == column] for column in ("sid", "name"))
    assert sid == name


def test_an_acceptance_refused_after_another_one() -> None:
    """The error says so, and the acceptance of another session counts once."""
    service = Service()
    client = Client(service)
    service.create()
    client.take_over()
    (reservation,) = client.state.reservations.values()
    service.change("WR1", "accepted")
    # As the answer of fetch_latest_version() does, before the event.
    reservation._answered(service.bare("WR1"))
    for _ in range(2):
        assert reservation._why_not_accepted().startswith("It is accepted already")
    assert client.worker.health().foreign_accepts == 1


def test_the_first_event_of_an_earlier_transfer_comes_late() -> None:
    """The later transfer stays the current one; further events of the earlier one find it."""
    service = Service()
    client = Client(service)
    client.take_over()
    client.hear(service.create(), service.change("WR1", "accepted"))
    client.hear(message("task.transfer-initiated", service.transfer("WR1", 2)))
    client.hear(message("task.transfer-failed", service.transfer("WR1", 1, "failed")))
    (reservation,) = client.state.reservations.values()
    outgoing = reservation.task.transfers.outgoing
    assert outgoing is not None and outgoing.sid == "TT2"
    assert [each.status for each in reservation.task._replaced.values()] == ["failed"]
