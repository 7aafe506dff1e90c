"""Two threads that meet: the later one finds what the earlier one has done, and nothing is done twice or lost."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tools.wait import no_leftover_threads
from tests.unit._bridge.driver import Driver
from tests.unit._bridge.service import Client, Service
from twilio_taskrouter_worker import ClosedError
from twilio_taskrouter_worker._bridge import connections, routes, threads
from twilio_taskrouter_worker._bridge import inbox as inbox_module
from twilio_taskrouter_worker._bridge.actions import LookUp, SetActivity
from twilio_taskrouter_worker._bridge.calls import Calls, _Call
from twilio_taskrouter_worker._bridge.connections import HttpConnection, shut_down
from twilio_taskrouter_worker._bridge.deadline import Deadline
from twilio_taskrouter_worker._bridge.dispatch import Dispatcher
from twilio_taskrouter_worker._bridge.forking import _Stale
from twilio_taskrouter_worker._bridge.http import Exchange, NotSent, close_idle
from twilio_taskrouter_worker._bridge.inbox import Inbox
from twilio_taskrouter_worker._bridge.loading import list_pages
from twilio_taskrouter_worker._bridge.messages import Init
from twilio_taskrouter_worker._bridge.reload import Snapshot
from twilio_taskrouter_worker._bridge.reloading import ReloadRequests
from twilio_taskrouter_worker._bridge.request import Request, as_it_is
from twilio_taskrouter_worker._bridge.settings import Settings
from twilio_taskrouter_worker._bridge.stream import Stream
from twilio_taskrouter_worker._bridge.threads import TIMERS, Pool, Timer, Timers
from twilio_taskrouter_worker._bridge.watching import Watch

SOON = 20.0


# -- the shared threads ------------------------------------------------------------------------------------------------


def test_a_pool_that_is_full_meanwhile() -> None:
    """A thread that is no longer wanted is not started: the bound holds."""
    pool = Pool(0, "unit-full")
    assert pool._add_thread()
    assert not pool._threads


def test_a_timer_cancelled_as_it_falls_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its action does not run; the timer after it does."""
    timers, ran = Timers("unit-cancelled"), []
    cancelled, other = (Timer(0.0, number, lambda: None, timers) for number in range(2))
    cancelled.action, other.action = None, lambda: ran.append("other")
    due = iter([cancelled, other, None])
    monkeypatch.setattr(timers, "_due", lambda: next(due))
    timers._run()
    assert ran == ["other"]


def test_a_timer_runs_the_jobs_of_finalizers() -> None:
    """Jobs that a finalizer leaves while a timer runs do not wait for the next call."""
    with no_leftover_threads():
        timers, ran = Timers("unit-left"), threading.Event()
        timers.at(time.monotonic(), lambda: threads.defer(ran.set))
        assert ran.wait(SOON)
        timers.drain(SOON)


# -- the inbox ---------------------------------------------------------------------------------------------------------


class Late(deque[int]):
    """Its first item comes just after the reader has found none."""

    def popleft(self) -> int:
        try:
            return super().popleft()
        except IndexError:
            self.append(7)
            raise


def test_an_item_that_comes_before_the_reader_sleeps() -> None:
    """The reader looks once more before it sleeps, and takes it without having been woken."""
    inbox: Inbox[int] = Inbox()
    inbox._items = Late()
    assert inbox.get() == 7
    assert not inbox._asleep


def test_a_reader_that_wakes_before_it_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Awake by itself when the lock is free, it gets no turn: it would never give it back."""
    inbox: Inbox[int] = Inbox()
    inbox._asleep = True

    class Lock:
        def __enter__(self) -> None:
            inbox._asleep = False

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(inbox_module, "_turns", SimpleNamespace(lock=Lock()))
    inbox.put(1)
    assert inbox.get() == 1
    assert not inbox._has_turn


class Busy(Dispatcher):
    """While the number of frames that were put is read, frames arrive and are taken."""

    meanwhile = False
    put_so_far = 0

    @property
    def _more_put(self) -> int:
        put = self.put_so_far
        if self.meanwhile:
            self.meanwhile = False
            self.put_frames([b"[]", b"[]", b"[]"])
            item = self._queue.get()
            assert item is not None
            self._handle(item)
        return put

    @_more_put.setter
    def _more_put(self, number: int) -> None:
        self.put_so_far = number


def test_frames_come_and_go_while_the_backlog_is_read() -> None:
    """The backlog is never negative."""
    dispatcher = Busy(Client(Service()).state, "unit-backlog")
    dispatcher.meanwhile = True
    assert dispatcher.backlog == 0
    assert not dispatcher.meanwhile and dispatcher.put_so_far == 2
    dispatcher._queue.end_turn()


# -- the mirror --------------------------------------------------------------------------------------------------------


class Forgotten(dict[str, str]):
    """An ended reservation that is forgotten once it was asked for."""

    def __contains__(self, sid: object) -> bool:
        return super().__contains__(sid) and bool(self.pop(sid))  # type: ignore[call-overload]


def test_a_task_that_is_forgotten_while_it_is_kept() -> None:
    """A listener added as the reservation is forgotten keeps nothing for ever."""
    client = Client(Service())
    client.state.ended = Forgotten(WR1="completed")
    task: Any = object()
    client.state.keep("WR1", task)
    assert not client.state._kept


def test_a_declined_reservation_that_is_open_no_more() -> None:
    """Withdrawn, it leaves the reservation that is open under its sid as it is."""
    service = Service()
    client = Client(service)
    client.take_over()
    client.hear(service.create())
    (open_one,) = client.state.reservations.values()
    other: Any = SimpleNamespace(sid=open_one.sid)
    client.state.withdraw(other)
    assert list(client.state.reservations.values()) == [open_one]


def test_a_directory_of_another_process() -> None:
    """A notebook that was forked shows whose it is, instead of a traceback."""
    directory: Any = Client(Service()).worker.activities
    directory._entries = _Stale(os.getppid())
    assert directory._repr_html_() is None
    assert repr(directory).endswith(" of another process>")


class Counted(Watch):
    """While its count is read for the first time, another thread reports a reservation."""

    count, other = 0, None

    @property
    def foreign_accepts(self) -> int:
        """The count, as it was when the other thread began."""
        count = self.count
        if count == 0 and self.other is None and threading.current_thread() is threading.main_thread():
            self.other = threading.Thread(target=self.foreign_accept, args=("WK1", "WT2", "WR2"))
            self.other.start()
            # If it has to wait for this thread, as it should, it has not ended by then.
            self.other.join(0.2)
        return count

    @foreign_accepts.setter
    def foreign_accepts(self, count: int) -> None:
        self.count = count


def test_two_acceptances_by_another_session_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """An event reports one, a refused call on another thread the other: both count, and one of them is a warning."""
    watch = Counted()
    caplog.set_level(logging.INFO, "twilio_taskrouter_worker")
    watch.foreign_accept("WK1", "WT1", "WR1")
    assert watch.other is not None
    watch.other.join(SOON)
    assert watch.count == 2
    assert sorted(record.levelno for record in caplog.records) == [logging.INFO, logging.WARNING]


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_call_that_ends_while_its_retry_is_set() -> None:
    """The retry is cancelled, and the call fails once, for the reason of its end."""
    with no_leftover_threads():
        watch: Any = SimpleNamespace(retry=lambda *_: call.close("the worker was disconnected"), call=lambda *_: None)
        calls = Calls("http://bridge.example", lambda: "token", "1.0", 20.0, watch=watch)
        request: Request[Any] = Request(routes.ACCEPT, {"ws": "WS1", "wk": "WK1", "reservation": "WR1"}, {}, as_it_is)
        call: Any = _Call(calls, request, time.monotonic() + 20.0)
        calls._open[call] = None
        call._failed(NotSent("refused"))
        assert type(call.future.exception(0)) is ClosedError
        assert call._retry.action is None
        threads.POOL.drain(SOON)
        TIMERS.drain(SOON)


def test_an_abort_before_there_is_a_connection() -> None:
    """The request is not sent any more."""
    exchange = Exchange("http://bridge.example", Settings({}, ""), time.monotonic() + 20.0)
    assert not exchange.abort()


class Answering(BaseHTTPRequestHandler):
    """Answers each request with an empty object, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Following(Exchange):
    """As it is about to send over the connection of another exchange, that one is aborted."""

    before: Exchange

    def about_to_send(self, *, reused: bool) -> None:
        """Abort the other one."""
        super().about_to_send(reused=reused)
        assert reused
        self.before.abort()


def test_an_abort_as_the_connection_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes too late: the exchange that has taken the connection is not hit."""
    put = connections._Idle.put
    answers: list[bytes] = []
    first: list[Exchange] = []

    def put_and_follow(idle: connections._Idle, connection: Any, **options: Any) -> None:
        put(idle, connection, **options)
        if connection is not None and first:
            following.before = first.pop()
            answers.append(following.post(b"{}", {}).body)

    monkeypatch.setattr(connections._Idle, "put", put_and_follow)
    with no_leftover_threads(), ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            to = f"http://127.0.0.1:{server.server_port}", Settings({}, ""), time.monotonic() + SOON
            following = Following(*to)
            first.append(Exchange(*to))
            answers.append(first[0].post(b"{}", {}).body)
        finally:
            close_idle()
            server.shutdown()
            serving.join()
    assert answers == [b"{}", b"{}"]


# -- sockets -----------------------------------------------------------------------------------------------------------


def test_a_socket_that_was_closed_meanwhile() -> None:
    """Nothing is unread in it, and cutting it off does no harm."""
    ours, theirs = socket.socketpair()
    stream = Stream(ours, Deadline.after(SOON))
    assert stream.fileno() == ours.fileno()
    theirs.sendall(b"x")
    assert stream.has_unread()
    theirs.close()
    ours.close()
    assert not stream.has_unread()
    connection = HttpConnection("localhost")
    connection.sock = ours
    shut_down(connection)


# -- lists and look-ups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [None, KeyError("sid")])
def test_a_list_cancelled_while_its_result_is_made(failure: Exception | None) -> None:
    """The result is dropped, and so is a failure to make it."""
    page: Future[Any] = Future()

    def then(records: list[Any]) -> list[Any]:
        assert listed.cancel()
        if failure is not None:
            raise failure
        return records

    listed = list_pages(lambda params: page, {}, then=then)
    page.set_result({"contents": []})
    assert listed.cancelled()


def closed_caller(request: Request[Any]) -> Future[Any]:
    """Answers each call with the end of the connection."""
    future: Future[Any] = Future()
    future.set_exception(ClosedError("The worker was disconnected"))
    return future


@pytest.mark.parametrize("what", ["look_up", "set_activity"])
def test_the_connection_ends_during_a_reload(what: str) -> None:
    """The session is not told of a failure: there is nothing left to retry."""
    told: list[Any] = []
    requests = ReloadRequests(Driver().session, closed_caller, told.append, lambda error: error)
    init, snapshot = Init("WK1", "AC1", "WS1", None), Snapshot({}, [], [], [])
    if what == "look_up":
        requests.look_up(LookUp(1, init, ("WR1",)))
    else:
        requests.set_activity(SetActivity(1, init, "WABreak", False, snapshot))
    assert told == []
