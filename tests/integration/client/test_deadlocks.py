"""No method hangs: in callbacks, on many threads, while the worker goes; and how waiting begins and ends."""

from __future__ import annotations

import gc
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import nullcontext
from typing import Any, cast

import pytest

from tests.data.calls import ROWS, Row, fill
from tests.integration.client.connected_client import TOKEN, ConnectedClient, connected_client
from tests.integration.client.event_recorder import EventRecorder, connected, marker, new_worker
from tests.integration.client.watchdog import run_all
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Hang
from tests.tools.seams import events_of, listeners_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    Activity,
    Channel,
    ClosedError,
    DispatchThreadError,
    OutgoingTransfer,
    Reservation,
    StateError,
    Supervisor,
    Task,
    TaskRouterError,
    Worker,
)
from twilio_taskrouter_worker.events import registration

CALLS = [row for row in ROWS if row.sent is not None]
LIVE = (Worker, Supervisor, Activity, Channel, Reservation, Task, OutgoingTransfer)
"""Classes whose objects belong to a connection."""
WAITING = {"connect", "run_forever", "drain", "wait_for", "stream"}
"""Methods that only another callback could end."""
OTHERS = {
    *("on", "once", "off", "listeners", "serve", "start", "disconnect", "client", "handle", "health"),
    *("set_activity", "set_as_current", "to_dict", "update_token", "show", "live", "around"),
}
"""Methods that are no calls, or another way to make one; each is used below."""


@pytest.fixture
def client() -> Iterator[ConnectedClient]:
    """Give a Supervisor with a task at a bridge of its own."""
    with connected_client() as client:
        yield client


def call(client: ConnectedClient, row: Row) -> Future[Any]:
    """Make the call of a row."""
    arguments = {name: fill(value, client.sids()) for name, value in row.arguments.items()}
    future: Future[Any] = getattr(client.target(row.owner), row.method)(**arguments)
    return future


def outcome(future: Future[Any]) -> str:
    """How a Future ended; it fails with one of our errors, or not at all."""
    error = future.exception(30)
    assert error is None or isinstance(error, TaskRouterError), error
    return "result" if error is None else type(error).__name__


def touch(client: ConnectedClient) -> None:
    """Use everything that is no call and waits for nothing."""
    worker, reservation = client.worker, client.reservation
    objects: list[Any] = [
        worker, worker.activity, *worker.channels.values(), reservation, reservation.task,
        reservation.task.transfers.outgoing,
    ]  # fmt: skip
    for each in objects:
        assert each is not None and each.to_dict() and repr(each) and str(each.show())
        for name, attribute in inspect.getmembers(type(each), lambda value: isinstance(value, property)):
            assert name.startswith("_") or attribute.fget is None or getattr(each, name, None) is not ...
        if hasattr(each, "on"):
            event = sorted(events_of(type(each)))[0]
            each.on(event, print)
            each.once(event, print)
            each.off(event, print)
    assert worker.start().done()
    worker.update_token(TOKEN)
    assert worker.activities.by_name(worker.activity_name) is worker.activity
    worker.set_activity(worker.activity_sid).exception(30)
    assert worker.serve(print) is print and worker.listeners()["reservation_created"][-1] is print
    worker.off("reservation_created", print)
    assert worker.client() is not None and worker.health() is not None
    worker.activity.set_as_current().exception(30)
    assert callable(worker.around(lambda event, args: nullcontext()))
    with pytest.raises((ImportError, StateError)):
        worker.live()


# -- every method ----------------------------------------------------------------------------------------------------


def test_every_public_method_is_used_here() -> None:
    """A method that is neither a call of the tables nor named here is found."""
    called = {row.method for row in CALLS}
    for kind in LIVE:
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            assert name.startswith("_") or name in called | WAITING | OTHERS, f"{kind.__name__}.{name}"


def test_every_call_may_be_waited_for_in_a_callback(client: ConnectedClient) -> None:
    """In one callback, each call is made and waited for; none hangs, as the answers come on other threads."""
    ended: dict[str, str] = {}
    over = threading.Event()

    @client.worker.once("reservation_failed")
    def everything(payload: Any) -> None:
        touch(client)
        for row in CALLS:
            ended[row.id] = outcome(call(client, row))
        over.set()

    client.bridge.send("reservation.failed", {})
    run_all([lambda: over.wait(30)], 40)
    assert set(ended) == {row.id for row in CALLS}
    assert set(ended.values()) == {"result"}


def test_every_call_from_many_threads_at_once(client: ConnectedClient) -> None:
    """Eight threads make every call at once while events rain: all end, and the worker is as before."""
    stop = threading.Event()

    def rain() -> None:
        while not stop.is_set():
            client.bridge.send("task.updated", client.wire("Task"))
            client.bridge.beat()

    def everything() -> list[str]:
        touch(client)
        return [outcome(call(client, row)) for row in CALLS]

    weather = threading.Thread(target=rain, name="tool-rain")
    weather.start()
    try:
        results = run_all([everything] * 8, 60)
    finally:
        stop.set()
        weather.join(30)
    # The bridge refuses to cancel a transfer twice; nothing else can fail.
    outcomes = {each for result in results if isinstance(result, list) for each in result}
    assert "result" in outcomes and outcomes <= {"result", "RequestRejectedError"}
    client.sync()
    assert client.worker.ready and client.errors() == []


def test_every_call_while_the_worker_disconnects(client: ConnectedClient) -> None:
    """Calls that meet disconnect() raise ClosedError or give a Future that ends; no thread is left."""
    begun = threading.Event()
    worker = client.worker

    def everything() -> set[str]:
        outcomes: set[str] = set()
        for _ in range(1000):
            for row in CALLS:
                if row.owner == "Workspace":
                    continue
                try:
                    outcomes.add(outcome(call(client, row)))
                except ClosedError:
                    return outcomes | {"refused"}
                begun.set()
        raise AssertionError("the worker was never closed")

    def leave() -> None:
        assert begun.wait(30)
        worker.disconnect()

    with no_leftover_threads():
        results = run_all([everything] * 6 + [leave, leave], 60)
    for each in results[:6]:
        assert isinstance(each, set) and "refused" in each
        assert each <= {"result", "refused", "ClosedError"}


def test_start_and_disconnect_from_many_threads(bridge: RecordingBridge) -> None:
    """Threads that connect and disconnect one Worker against each other: all return, and it can be used after."""
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)

    def flicker() -> None:
        for _ in range(6):
            try:
                worker.connect(30)
            except ClosedError:
                pass
            worker.disconnect()

    def begin() -> None:
        for _ in range(6):
            worker.start()
            worker.update_token("another.opaque.token")

    with no_leftover_threads():
        run_all([flicker] * 4 + [begin] * 2, 50)
        worker.disconnect()
        with worker:
            assert worker.ready
    # Callbacks of one connection are over before those of the next one begin.
    names = [name for name in recorder.names() if name in ("connected", "disconnected")]
    assert ("connected", "connected") not in list(zip(names, names[1:], strict=False))


@pytest.mark.parametrize(
    "event", ["connected", "ready", "reservation_created", "disconnected", "error", "token_updated", "reconnecting"]
)
def test_disconnect_inside_each_kind_of_callback(bridge: RecordingBridge, event: Any) -> None:
    """Whatever a callback is about, it may disconnect; everything ends, once."""
    worker = new_worker(bridge)
    recorder = EventRecorder(worker, "disconnected")
    called = threading.Event()

    def leave(*_: Any) -> None:
        worker.disconnect()
        called.set()

    worker.on(event, leave)
    with no_leftover_threads():
        future = worker.start()
        if event not in ("connected", "ready"):
            future.result(30)
            if event == "reservation_created":
                bridge.add_reservation(announce=True)
            elif event == "error":
                bridge.send_raw("{")
            elif event == "token_updated":
                worker.update_token(TOKEN)
            else:
                bridge.abort()
        run_all([lambda: called.wait(30)])
        error = future.exception(30)
        assert error is None or isinstance(error, ClosedError)
        recorder.wait_for("disconnected")
    assert not worker.connected


def test_callbacks_of_futures_may_do_anything(bridge: RecordingBridge) -> None:
    """A done-callback of a call, on the pool's thread, may make calls, wait for them, and disconnect."""
    with no_leftover_threads(), connected(bridge) as (worker, _):
        over = threading.Event()

        def then(future: Future[Worker]) -> None:
            assert future.result().fetch_latest_version().result(30) is worker
            worker.disconnect()
            over.set()

        worker.fetch_latest_version().add_done_callback(then)
        run_all([lambda: over.wait(30)])


# -- misuse ----------------------------------------------------------------------------------------------------------


def test_waits_that_could_never_end_are_refused_at_once(client: ConnectedClient) -> None:
    """connect, run_forever, drain, wait_for and stream inside a callback raise DispatchThreadError, on every object."""
    refused: list[str] = []
    over = threading.Event()
    reservation = client.reservation
    emitters: list[Any] = [
        client.worker, next(iter(client.worker.channels.values())), reservation, reservation.task,
        reservation.task.transfers.outgoing,
    ]  # fmt: skip

    def expect(name: str, action: Callable[[], object]) -> None:
        begun = time.monotonic()
        try:
            action()
        except DispatchThreadError as error:
            assert "inside a callback" in error.message
            # Without a refusal it would block for ever, or for the 30 s of connect().
            assert time.monotonic() - begun < 10.0
            refused.append(name)

    @client.worker.once("reservation_failed")
    def misuse(payload: Any) -> None:
        expect("connect", client.worker.connect)
        expect("run_forever", client.worker.run_forever)
        expect("drain", client.worker.drain)
        for each in emitters:
            event = sorted(events_of(type(each)))[0]
            expect("wait_for", lambda each=each, event=event: each.wait_for(event))  # type: ignore[misc]
            expect("stream", lambda each=each, event=event: each.stream(event))  # type: ignore[misc]
        over.set()

    client.bridge.send("reservation.failed", {})
    run_all([lambda: over.wait(30)])
    assert refused == ["connect", "run_forever", "drain"] + ["wait_for", "stream"] * len(emitters)
    assert client.worker.ready


def test_waiting_for_start_inside_a_callback_is_refused(bridge: RecordingBridge) -> None:
    """The Future of start() gets done on the dispatch thread: waiting for it there is refused, before it is done."""
    bridge.refuse_handshake(503, times=1)
    worker = new_worker(bridge)
    refused: list[Any] = []

    @worker.once("error")
    def impatient(error: TaskRouterError) -> None:
        for wait in (worker.start().result, worker.start().exception):
            try:
                wait(5)
            except DispatchThreadError as refusal:
                refused.append(refusal)

    ready = worker.start()
    run_all([lambda: ready.result(30)])
    assert len(refused) == 2
    worker.disconnect()


def test_a_stream_begun_elsewhere_is_not_read_in_a_callback(bridge: RecordingBridge) -> None:
    """A stream handed into a callback refuses to wait there."""
    with connected(bridge) as (worker, recorder):
        stream = worker.stream("ready")
        refused: list[Any] = []

        @worker.on("reservation_created")
        def read(reservation: Any) -> None:
            try:
                next(stream)
            except DispatchThreadError as error:
                refused.append(error)

        bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        assert len(refused) == 1


# -- wait_for --------------------------------------------------------------------------------------------------------


def test_wait_for_gives_the_arguments_of_the_next_event(bridge: RecordingBridge) -> None:
    """It returns the callback's arguments as a tuple, for events with one and with none."""
    with connected(bridge) as (worker, _):
        with ThreadPoolExecutor(1, "tool-wait") as pool:
            waiting = pool.submit(worker.wait_for, "reservation_created", 30)
            eventually(lambda: len(listeners_of(worker, "reservation_created")) == 2)
            made = bridge.add_reservation(announce=True)
            assert waiting.result(30) == (worker.reservations[made["sid"]],)
            bare = pool.submit(worker.wait_for, "tokenUpdated", 30)
            eventually(lambda: len(listeners_of(worker, "token_updated")) == 2)
            worker.update_token(TOKEN)
            assert bare.result(30) == ()
        assert len(listeners_of(worker, "reservation_created")) == 1


def test_wait_for_with_a_predicate(bridge: RecordingBridge) -> None:
    """Events for which the predicate is false are passed over; what it raises comes out of wait_for."""
    with connected(bridge) as (worker, recorder), ThreadPoolExecutor(2, "tool-wait") as pool:
        fussy = pool.submit(worker.wait_for, "reservation_created", 30, lambda r: r.task.priority == 9)
        broken = pool.submit(worker.wait_for, "reservation_created", 30, lambda r: cast(Any, r).no_such_attribute)
        eventually(lambda: len(listeners_of(worker, "reservation_created")) == 3)
        bridge.add_reservation(announce=True)
        with pytest.raises(AttributeError):
            broken.result(30)
        wanted = bridge.add_reservation(announce=True, task={"priority": 9})
        assert fussy.result(30)[0].sid == wanted["sid"]
        assert recorder.all("error") == []


def test_wait_for_ends_with_its_timeout(bridge: RecordingBridge) -> None:
    """TimeoutError names the event and the time, and the listener is gone."""
    with connected(bridge) as (worker, _):
        with pytest.raises(TimeoutError, match="'activity_updated' did not come within 0.05 s"):
            worker.wait_for("activityUpdated", 0.05)
        assert len(listeners_of(worker, "activity_updated")) == 1


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("no_such_event",), ValueError),
        ((3,), TypeError),
        (("ready", "soon"), TypeError),
        (("ready", True), TypeError),
        (("ready", 1, "predicate"), TypeError),
    ],
)
def test_wait_for_checks_its_arguments(bridge: RecordingBridge, arguments: Any, kind: type[Exception]) -> None:
    """Bad input raises at the call, in words of ours."""
    with pytest.raises(kind, match="event|timeout|predicate"):
        new_worker(bridge).wait_for(*arguments)


def test_waits_end_when_the_worker_is_disconnected(client: ConnectedClient) -> None:
    """wait_for raises ClosedError and stream stops, on the worker and on its objects, and so do later ones."""
    worker, reservation = client.worker, client.reservation
    emitters: list[Any] = [worker, reservation, reservation.task, reservation.task.transfers.outgoing]
    streams = [each.stream("canceled" if each is not worker else "ready") for each in emitters]

    def wait(each: Any) -> str:
        try:
            each.wait_for("canceled" if each is not worker else "ready", 20)
        except ClosedError as error:
            return error.message
        return "it came"

    def leave() -> None:
        eventually(lambda: len(worker._waits._ends) == 2 * len(emitters))
        worker.disconnect()

    results = run_all(
        [lambda each=each: wait(each) for each in emitters]
        + [lambda stream=stream: list(stream) for stream in streams]
        + [leave]
    )
    assert results == ["The worker was disconnected"] * 4 + [[]] * 4 + [None]
    with pytest.raises(ClosedError):
        worker.wait_for("ready", 5)
    assert list(worker.stream("ready")) == []
    assert wait(reservation) == "The worker was disconnected"


def test_a_wait_before_connecting_is_met_by_the_first_connection(bridge: RecordingBridge) -> None:
    """Who waits for ``ready`` before connect() gets it, also on a second life of the worker."""
    worker = new_worker(bridge)
    recorder = EventRecorder(worker, "ready")

    def connect() -> Worker:
        eventually(lambda: len(listeners_of(worker, "ready")) == 2)
        return worker.connect(30)

    assert run_all([lambda: worker.wait_for("ready", 30), connect]) == [(worker,), worker]
    worker.disconnect()
    worker.connect(30)
    # connect() returns before the listeners of "ready" are called.
    recorder.wait_for("ready", 2)
    assert len(list(worker.stream("ready", timeout=0.01))) == 0
    worker.disconnect()


# -- stream ----------------------------------------------------------------------------------------------------------


def test_stream_gives_events_in_order_from_its_call_on(bridge: RecordingBridge) -> None:
    """Events between the call and the first step are not missed; several names give tuples."""
    with connected(bridge) as (worker, recorder):
        one = worker.stream("reservation_created", timeout=30)
        several = worker.stream("reservationCreated", "token_updated", timeout=30)
        made = [bridge.add_reservation(announce=True)["sid"] for _ in range(3)]
        marker(bridge, recorder)
        worker.update_token(TOKEN)
        assert [next(one).sid for _ in range(3)] == made
        found = [next(several) for _ in range(4)]
        assert [each[0] for each in found] == ["reservation_created"] * 3 + ["token_updated"]
        assert [each[1].sid for each in found[:3]] == made and found[3] == ("token_updated",)


def test_stream_ends_with_its_timeout_and_by_close(bridge: RecordingBridge) -> None:
    """A pause longer than the timeout ends the loop; close() ends it from any thread; both stop listening."""
    with connected(bridge) as (worker, _):
        assert list(worker.stream("reservation_created", timeout=0.02)) == []
        stream: Any = worker.stream("reservation_created")
        results = run_all([lambda: list(stream), lambda: stream.close()])
        assert results[0] == []
        stream.close()
        with worker.stream("reservation_created") as closing:  # type: ignore[attr-defined]
            assert len(listeners_of(worker, "reservation_created")) == 2
        assert list(closing) == [] and len(listeners_of(worker, "reservation_created")) == 1


def test_leaving_the_loop_stops_listening(bridge: RecordingBridge) -> None:
    """``break`` drops the stream and the entry for its end; its listener goes with the next event."""
    with connected(bridge) as (worker, _):
        stream = worker.stream("reservation_created", timeout=30)
        made = bridge.add_reservation(announce=True)
        for reservation in stream:
            assert reservation.sid == made["sid"]
            break
        del stream
        assert not list(worker._waits._ends)
        bridge.add_reservation(announce=True)
        eventually(lambda: len(listeners_of(worker, "reservation_created")) == 1)


def test_a_stream_collected_amidst_a_lock_does_not_hang(bridge: RecordingBridge) -> None:
    """The garbage collector can come while a thread holds the lock of the listeners: it must not take that lock."""
    with connected(bridge) as (worker, _):

        def collect() -> None:
            cycle: list[Any] = [worker.stream("reservation_created")]
            cycle.append(cycle)
            del cycle
            with registration:
                gc.collect()

        run_all([collect])
        assert not list(worker._waits._ends)
        bridge.add_reservation(announce=True)
        eventually(lambda: len(listeners_of(worker, "reservation_created")) == 1)


@pytest.mark.parametrize(
    ("events", "options", "kind"),
    [((), {}, TypeError), (("nothing_like_it",), {}, ValueError), (("ready",), {"timeout": "1"}, TypeError)],
)
def test_stream_checks_its_arguments(bridge: RecordingBridge, events: Any, options: Any, kind: type[Exception]) -> None:
    """Bad input raises at the call, and nothing listens."""
    worker = new_worker(bridge)
    with pytest.raises(kind):
        worker.stream(*events, **options)
    assert listeners_of(worker, "ready") == ()


# -- listeners -------------------------------------------------------------------------------------------------------


def test_once_is_called_once(bridge: RecordingBridge) -> None:
    """Also where the event comes again while the callback runs, and as a decorator."""
    with connected(bridge) as (worker, recorder):
        calls: list[Any] = []
        worker.once("reservation_created", calls.append)

        @worker.once("reservationCreated")
        def decorated(reservation: Reservation) -> None:
            calls.append(decorated)

        for _ in range(3):
            bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        assert len(calls) == 2 and calls[1] is decorated
        assert len(listeners_of(worker, "reservation_created")) == 1


def test_off_takes_listeners_off(bridge: RecordingBridge) -> None:
    """One callback, all of an event, or all of the object; inside a callback too, and what is not there is no error."""
    with connected(bridge) as (worker, _):
        own, other = EventRecorder(), EventRecorder()
        heard, heard_other = own.callback("created"), other.callback("created")
        worker.on("reservation_created", heard)
        worker.on("reservation_created", heard_other)
        worker.off("reservation_created", heard)
        worker.off("reservation_created", heard)
        worker.on("reservation_created", lambda reservation: worker.off("reservationCreated"))
        bridge.add_reservation(announce=True)
        other.wait_for("created")
        eventually(lambda: listeners_of(worker, "reservation_created") == ())
        assert own.names() == []
        worker.off()
        assert listeners_of(worker, "error") == ()
        with pytest.raises(ValueError, match="no event 'raedy'; did you mean 'ready'"):
            worker.off("raedy")


def test_a_listener_added_in_a_callback_gets_the_next_event(bridge: RecordingBridge) -> None:
    """Registering inside a callback works, and does not hear the event under way."""
    with connected(bridge) as (worker, recorder):
        late = EventRecorder()
        worker.once("reservation_created", lambda r: late.listen(worker, "reservation_created"))
        first = bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        second = bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        assert [each.sid for each in late.all("reservation_created")] == [second["sid"]] and first != second


def test_an_executor_runs_the_callback_elsewhere(bridge: RecordingBridge) -> None:
    """With executor= a callback may wait for other events, and its exceptions are reported as ``error``."""
    with connected(bridge) as (worker, recorder), ThreadPoolExecutor(1, "tool-mine") as pool:
        elsewhere = EventRecorder()
        worker.on("reservation_created", elsewhere.callback("created"), executor=pool)

        @worker.once("reservation_created", executor=pool)
        def wait_for_another(reservation: Reservation) -> None:
            assert worker.wait_for("token_updated", 30) == ()
            elsewhere.callback("waited")()
            raise RuntimeError("on the executor")

        bridge.add_reservation(announce=True)
        elsewhere.wait_for("created")
        eventually(lambda: len(listeners_of(worker, "token_updated")) == 2)
        worker.update_token(TOKEN)
        elsewhere.wait_for("waited")
        assert {name.split("_")[0] for name in elsewhere.threads} == {"tool-mine"}
        report = recorder.wait_for("error")
        assert "RuntimeError" in report.message and str(report.__cause__) == "on the executor"


def test_an_executor_that_was_shut_down_is_reported(bridge: RecordingBridge) -> None:
    """An executor that refuses costs its own listener only."""
    with connected(bridge) as (worker, recorder):
        gone = ThreadPoolExecutor(1)
        gone.shutdown()
        worker.on("reservation_created", print, executor=gone)
        bridge.add_reservation(announce=True)
        assert "RuntimeError" in recorder.wait_for("error").message
        recorder.wait_for("reservation_created")


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("ready", 3), {}, "must be callable"),
        (("ready", print), {"executor": "pool"}, "concurrent.futures.Executor"),
        ((None, print), {}, "An event's name is a string"),
    ],
)
def test_listening_checks_its_arguments(bridge: RecordingBridge, arguments: Any, options: Any, words: str) -> None:
    """Wrong types raise TypeError at once."""
    with pytest.raises(TypeError, match=words):
        new_worker(bridge).on(*arguments, **options)


def test_a_coroutine_function_is_refused(bridge: RecordingBridge) -> None:
    """A callback that nobody would await is an error at once, not silence later."""

    async def never_awaited(worker: Worker) -> None: ...

    with pytest.raises(TypeError, match="coroutine function"):
        new_worker(bridge).on("ready", never_awaited)


def test_a_future_may_be_waited_for_with_a_timeout_in_a_callback(bridge: RecordingBridge) -> None:
    """A call without an answer: the wait in the callback ends with its own timeout, and events go on after it."""
    with connected(bridge, request_timeout=5.0) as (worker, recorder):
        bridge.on_call("Reservations/", Hang(), method="POST")
        ended: list[type[BaseException]] = []

        @worker.once("reservation_created")
        def impatient(reservation: Reservation) -> None:
            try:
                reservation.accept().result(0.05)
            except FutureTimeoutError as error:
                ended.append(type(error))

        bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        assert len(ended) == 1
